//! A table: the blocks that its last bytes lead to (`sst.md` §3).
//!
//! ```text
//! data blocks · [lower index blocks] · index block · properties block · metaindex block · footer (53 bytes)
//! ```

use super::block::{Entries, Handle, Payload};
use super::{At, SstFault, uvarint, uvarint_into};

/// Bytes of the footer.
pub const FOOTER: usize = 53;
/// Bytes of the two handles in it, with their padding.
const HANDLES: usize = 40;
const CRC32C: u8 = 1;
const VERSION: u32 = 4;
const MAGIC: &[u8; 8] = b"\xf0\x9f\xaa\xb3\xf0\x9f\xaa\xb3";

/// The name of the properties block in the metaindex.
pub const PROPERTIES: &[u8] = b"rocksdb.properties";
const INDEX_TYPE: &[u8] = b"rocksdb.block.based.table.index.type";
const COMPARATOR: &[u8] = b"rocksdb.comparator";
const BYTEWISE: &[u8] = b"leveldb.BytewiseComparator";
const COMPRESSION: &[u8] = b"rocksdb.compression";
const PARTITIONS: &[u8] = b"rocksdb.index.partitions";
const DATA_BLOCKS: &[u8] = b"rocksdb.num.data.blocks";
const ENTRIES: &[u8] = b"rocksdb.num.entries";
const KEY_SIZE: &[u8] = b"rocksdb.raw.key.size";
const VALUE_SIZE: &[u8] = b"rocksdb.raw.value.size";
const ONE_LEVEL: u32 = 0;
const TWO_LEVELS: u32 = 2;

/// The content of a table's footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footer {
    /// The block that names the others.
    pub metaindex: Handle,
    /// The index, or its upper level.
    pub index: Handle,
}

impl Footer {
    /// Reads the footer of a table.
    pub fn parse(table: &[u8]) -> Result<Footer, SstFault> {
        let (_, footer) = table.split_last_chunk::<FOOTER>().ok_or(SstFault::Truncated("a table footer"))?;
        let fields = || {
            let (kind, rest) = footer.split_first()?;
            let (handles, rest) = rest.split_first_chunk::<HANDLES>()?;
            let (version, magic) = rest.split_first_chunk()?;
            Some((*kind, handles, u32::from_le_bytes(*version), magic))
        };
        let (kind, mut handles, version, magic) = match fields() {
            Some((kind, handles, version, magic)) => (kind, &handles[..], version, magic),
            None => return Err(SstFault::Truncated("a table footer")),
        };
        match () {
            () if magic != MAGIC => Err(SstFault::Footer("its magic is not that of a Pebble table")),
            () if version != VERSION => Err(SstFault::Footer("its version is not 4")),
            () if kind != CRC32C => Err(SstFault::Footer("its checksums are not CRC32C")),
            () => (|| Some(Footer { metaindex: Handle::parse(&mut handles)?, index: Handle::parse(&mut handles)? }))()
                .filter(|_| handles.iter().all(|byte| *byte == 0))
                .ok_or(SstFault::Footer("its handles cannot be read")),
        }
    }

    /// Appends the footer.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(CRC32C);
        let end = out.len().saturating_add(HANDLES);
        self.metaindex.encode(out);
        self.index.encode(out);
        out.resize(end, 0);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(MAGIC);
    }
}

/// What a table says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Properties {
    /// The number of lower index blocks, if the index has a lower level.
    pub partitions: Option<u64>,
    /// Rows.
    pub entries: u64,
    /// Blocks that hold rows.
    pub data_blocks: u64,
    /// Bytes of all keys, with their trailers.
    pub key_size: u64,
    /// Bytes of all values, without their prefixes.
    pub value_size: u64,
}

impl Properties {
    /// Reads the inflated properties block.
    pub fn parse(payload: &[u8]) -> Result<Properties, SstFault> {
        let mut walk = Walk::new(payload)?;
        let mut properties = Properties::default();
        let (mut two_levels, mut partitions, mut counts) = (None, 0, 0u32);
        while let Some((name, value)) = walk.next()? {
            let number = |mut value: &[u8]| {
                uvarint(&mut value).filter(|_| value.is_empty()).ok_or(SstFault::Property("a number cannot be read"))
            };
            let count = match name {
                INDEX_TYPE => {
                    two_levels = match value.try_into().map(u32::from_le_bytes) {
                        Ok(ONE_LEVEL) => Some(false),
                        Ok(TWO_LEVELS) => Some(true),
                        _ => return Err(SstFault::Property("the type of the index is not known")),
                    };
                    continue;
                }
                COMPARATOR if value != BYTEWISE => {
                    return Err(SstFault::Property("keys are not in order of their bytes"));
                }
                ENTRIES => &mut properties.entries,
                DATA_BLOCKS => &mut properties.data_blocks,
                KEY_SIZE => &mut properties.key_size,
                VALUE_SIZE => &mut properties.value_size,
                PARTITIONS => {
                    partitions = number(value)?;
                    continue;
                }
                _ => continue,
            };
            *count = number(value)?;
            counts = counts.saturating_add(1);
        }
        let two_levels = two_levels.filter(|_| counts >= 4).ok_or(SstFault::Property("a required one is missing"))?;
        Ok(Properties { partitions: two_levels.then_some(partitions), ..properties })
    }

    /// Appends the properties block, not compressed, as the server leaves it.
    pub fn encode(&self, snappy: bool, payload: &mut super::block::Builder) {
        let number = |n: u64| {
            let mut bytes = Vec::new();
            uvarint_into(n, &mut bytes);
            bytes
        };
        let kind = if self.partitions.is_some() { TWO_LEVELS } else { ONE_LEVEL };
        payload.push(INDEX_TYPE, &kind.to_le_bytes());
        payload.push(COMPARATOR, BYTEWISE);
        payload.push(COMPRESSION, if snappy { b"Snappy" } else { b"NoCompression" });
        if let Some(partitions) = self.partitions {
            payload.push(PARTITIONS, &number(partitions));
        }
        payload.push(DATA_BLOCKS, &number(self.data_blocks));
        payload.push(ENTRIES, &number(self.entries));
        payload.push(KEY_SIZE, &number(self.key_size));
        payload.push(VALUE_SIZE, &number(self.value_size));
    }
}

/// Reads the complete keys and values of a payload that it owns, one per call.
#[derive(Debug, Default)]
pub struct Index {
    payload: Vec<u8>,
    /// Position of the entries that are not read yet, and the end of the entries, where the restarts begin.
    at: usize,
    end: usize,
    key: Vec<u8>,
}

impl Index {
    /// An index block, inflated.
    pub fn parse(payload: Vec<u8>) -> Result<Index, SstFault> {
        let end = Entries::new(&payload)?.left();
        Ok(Index { payload, at: 0, end, key: Vec::new() })
    }

    /// The next separator, which is not smaller than any key of the block of its handle; `None` at the end.
    pub fn next(&mut self) -> Result<Option<(&[u8], Handle)>, SstFault> {
        let rest = self.payload.get(self.at..self.end).unwrap_or_default();
        let mut entries = Entries::behind(rest, self.key.len());
        let Some(entry) = entries.next()? else { return Ok(None) };
        entry.key_into(&mut self.key);
        let mut value = entry.value;
        self.at = self.end.saturating_sub(entries.left());
        let handle = Handle::parse(&mut value).ok_or(SstFault::Handle("it cannot be read"))?;
        Ok(Some((&self.key, handle)))
    }
}

/// A complete key and its value.
type Pair<'k, 'b> = (&'k [u8], &'b [u8]);

/// Reads the complete keys and values of a payload.
struct Walk<'b> {
    entries: Entries<'b>,
    key: Vec<u8>,
}

impl<'b> Walk<'b> {
    fn new(payload: &'b [u8]) -> Result<Walk<'b>, SstFault> {
        Ok(Walk { entries: Entries::new(payload)?, key: Vec::new() })
    }

    fn next(&mut self) -> Result<Option<Pair<'_, 'b>>, SstFault> {
        let Some(entry) = self.entries.next()? else { return Ok(None) };
        entry.key_into(&mut self.key);
        Ok(Some((&self.key, entry.value)))
    }
}

/// What follows the data blocks of a table.
#[derive(Debug)]
pub struct Table {
    /// The index, or its upper level.
    pub index: Index,
    /// Its position.
    pub index_at: u64,
    /// What the table says about itself.
    pub properties: Properties,
}

impl Table {
    /// Reads the end of a table.
    pub fn parse(table: &[u8]) -> Result<Table, At> {
        let footer = Footer::parse(table)?;
        let mut properties = None;
        let metaindex = payload_of(table, footer.metaindex)?;
        let at = |handle: Handle| move |fault: SstFault| fault.at(handle.offset);
        let mut walk = Walk::new(&metaindex).map_err(at(footer.metaindex))?;
        while let Some((name, mut value)) = walk.next().map_err(at(footer.metaindex))? {
            if name != PROPERTIES {
                // Such as deleted ranges, or values that are stored separately: reading the rows without them would be wrong.
                return Err(SstFault::Block("the metaindex names more than properties").at(footer.metaindex.offset));
            }
            properties = Handle::parse(&mut value);
        }
        let missing = SstFault::Property("they are missing").at(footer.metaindex.offset);
        let place = properties.ok_or(missing)?;
        let properties = Properties::parse(&payload_of(table, place)?).map_err(at(place))?;
        let index = Index::parse(payload_of(table, footer.index)?).map_err(at(footer.index))?;
        Ok(Table { index, index_at: footer.index.offset, properties })
    }
}

/// The inflated payload of a block of a table.
pub fn payload_of(table: &[u8], handle: Handle) -> Result<Vec<u8>, At> {
    let inflated = || {
        let mut room = Vec::new();
        Ok(Payload::parse(handle.of(table)?)?.inflate(&mut room)?.to_vec())
    };
    inflated().map_err(|fault: SstFault| fault.at(handle.offset))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::block::Builder;
    use super::*;
    use crate::format::encoded;

    fn handle() -> impl Strategy<Value = Handle> {
        (any::<u64>(), any::<u64>()).prop_map(|(offset, len)| Handle { offset, len })
    }

    proptest! {
        #[test]
        fn encoded_footers_are_parsed(metaindex in handle(), index in handle(), mut before: Vec<u8>) {
            let footer = Footer { metaindex, index };
            footer.encode(&mut before);
            prop_assert_eq!(Footer::parse(&before), Ok(footer));
            prop_assert!(Footer::parse(&before[before.len() - FOOTER + 1..]).is_err());
        }

        #[test]
        fn encoded_properties_are_parsed(
            partitions: Option<u64>, entries: u64, data_blocks: u64, key_size: u64, value_size: u64, snappy: bool,
        ) {
            let properties = Properties { partitions, entries, data_blocks, key_size, value_size };
            let mut payload = Builder::new(usize::MAX);
            properties.encode(snappy, &mut payload);
            prop_assert_eq!(Properties::parse(&payload.finish()), Ok(properties));
        }

        #[test]
        fn encoded_indexes_are_walked(entries in proptest::collection::vec((any::<Vec<u8>>(), handle()), 0..20)) {
            let mut payload = Builder::new(1);
            entries.iter().for_each(|(key, handle)| payload.push(key, &encoded(|out| handle.encode(out))));
            let mut index = Index::parse(payload.finish()).unwrap();
            let mut got = Vec::new();
            while let Some((key, handle)) = index.next().unwrap() {
                got.push((key.to_vec(), handle));
            }
            prop_assert_eq!(got, entries);
        }

        #[test]
        fn any_table_is_read_or_refused(mut table: Vec<u8>, metaindex in handle(), index in handle()) {
            prop_assert!(Table::parse(&table).is_err());
            Footer { metaindex, index }.encode(&mut table);
            prop_assert!(Table::parse(&table).is_err());
        }
    }

    /// Properties that are missing or cannot be read, or that no table of a server has.
    #[test]
    fn what_is_wrong_with_properties() {
        const ALL: [(&[u8], &[u8]); 6] = [
            (COMPARATOR, BYTEWISE),
            (INDEX_TYPE, &[0, 0, 0, 0]),
            (DATA_BLOCKS, &[1]),
            (ENTRIES, &[2]),
            (KEY_SIZE, &[3]),
            (VALUE_SIZE, &[4]),
        ];
        let parsed = |properties: &[(&[u8], &[u8])]| {
            let mut payload = Builder::new(usize::MAX);
            properties.iter().for_each(|(name, value)| payload.push(name, value));
            Properties::parse(&payload.finish())
        };
        let with = |name: &[u8], value: &'static [u8]| {
            parsed(&ALL.map(|(known, old)| (known, if known == name { value } else { old })))
        };
        assert!(parsed(&ALL).is_ok());
        assert_eq!(with(COMPARATOR, b"other"), Err(SstFault::Property("keys are not in order of their bytes")));
        for index in [&[1, 0, 0, 0][..], &[0, 0, 0], b""] {
            assert_eq!(with(INDEX_TYPE, index), Err(SstFault::Property("the type of the index is not known")));
        }
        for number in [&b""[..], &[0x80], &[1, 1]] {
            assert_eq!(with(ENTRIES, number), Err(SstFault::Property("a number cannot be read")));
        }
        for left_out in 1..ALL.len() {
            let rest: Vec<_> =
                ALL.into_iter().enumerate().filter(|(n, _)| *n != left_out).map(|(_, all)| all).collect();
            assert_eq!(parsed(&rest), Err(SstFault::Property("a required one is missing")));
        }
    }

    #[test]
    fn what_is_wrong_with_a_footer() {
        let handle = Handle { offset: 1, len: 2 };
        let good = encoded(|out| Footer { metaindex: handle, index: handle }.encode(out));
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Footer::parse(&bytes)
        };
        assert_eq!(with(0, 3), Err(SstFault::Footer("its checksums are not CRC32C")));
        assert_eq!(with(40, 1), Err(SstFault::Footer("its handles cannot be read")));
        assert_eq!(with(41, 5), Err(SstFault::Footer("its version is not 4")));
        assert_eq!(with(52, 0), Err(SstFault::Footer("its magic is not that of a Pebble table")));
    }
}
