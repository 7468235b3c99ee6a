//! Writes tables and bundles like a server: blocks of 4 KiB, files of 64 MiB (`sst.md` §2, §3).
//!
//! Nothing here does I/O. A bundle begins with digests of what follows, so its tables are returned one by one, and the front is made when
//! all of them are complete.

use prost::encoding;
use sha2::{Digest as _, Sha256};

use super::block::{self, Builder, Handle};
use super::bundle::{File, Manifest, front_into};
use super::row;
use super::table::{Footer, PROPERTIES, Properties};
use crate::format::container::footer_into;
use crate::format::fault::{Fault, Result};
use crate::format::header::FsmHeader;
use crate::format::limits::{MAX_RAW_KEY, MAX_RAW_VALUE, TS_SUFFIX};
use crate::format::mvcc::Operational;

/// Number of rows of a data block from one complete key to the next.
const INTERVAL: usize = 16;
/// The trailer of a separator that is not a key.
const SEPARATOR: [u8; row::TRAILER] = [0x11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/// Sizes and compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Size at which a data block is closed.
    pub block: usize,
    /// Size at which a block of the index is closed, and the index gets an upper level.
    pub index: usize,
    /// Total size of keys and values at which a table is closed.
    pub file: u64,
    /// Whether blocks are compressed if that saves an eighth.
    pub snappy: bool,
}

impl Default for Shape {
    /// The values of a server.
    fn default() -> Shape {
        Shape { block: 4 << 10, index: 4 << 10, file: 64 << 20, snappy: true }
    }
}

/// A finished table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its entry in the manifest.
    pub file: File,
}

/// Takes rows and returns a table whenever one is full.
///
/// ```
/// use ekvsnap::format::header::FsmHeader;
/// use ekvsnap::format::sst::writer::{Encoder, Shape, bundle};
///
/// let mut encoder = Encoder::new(Shape::default());
/// let mut tables = Vec::new();
/// tables.extend(encoder.raw(b"_meta_last_commit_ts", &7u64.to_le_bytes())?);
/// let (last, manifest) = encoder.finish();
/// tables.extend(last);
/// let header = FsmHeader { version: 1, ..FsmHeader::default() };
/// let file = bundle(&header, &manifest, &tables);
/// assert_eq!(&file[16..24], b"EKVSSTI1");
/// # Ok::<(), ekvsnap::format::Fault>(())
/// ```
#[derive(Debug)]
pub struct Encoder {
    shape: Shape,
    table: Table,
    /// The last raw key of the last table.
    before: Option<Vec<u8>>,
    manifest: Manifest,
}

impl Encoder {
    /// An encoder without rows.
    pub fn new(shape: Shape) -> Encoder {
        Encoder { shape, table: Table::new(shape), before: None, manifest: Manifest::default() }
    }

    /// Adds a row in the form of the store. Returns the table that it completes.
    ///
    /// # Errors
    /// A raw key that is empty or not greater than the last one; a key or value over its limit. Nothing is added then.
    pub fn raw(&mut self, raw_key: &[u8], raw_value: &[u8]) -> Result<Option<Finished>> {
        if raw_key.is_empty() || raw_key.len() as u64 > MAX_RAW_KEY {
            return Err(Fault::Key("its length is not one that a bundle can hold"));
        }
        if raw_value.len() as u64 > MAX_RAW_VALUE {
            return Err(Fault::Value("it is longer than a snapshot can hold"));
        }
        if self.table.last.as_ref().or(self.before.as_ref()).is_some_and(|last| &**last >= raw_key) {
            return Err(Fault::Key("its raw key is not above the one before it"));
        }
        self.note(raw_key, raw_value);
        self.table.push(raw_key, raw_value);
        Ok(if self.table.bytes_of_rows >= self.shape.file { self.close() } else { None })
    }

    /// Records what the manifest says about the rows.
    fn note(&mut self, raw_key: &[u8], raw_value: &[u8]) {
        let manifest = &mut self.manifest;
        manifest.entry_count = manifest.entry_count.saturating_add(1);
        let bytes = (raw_key.len() as u64).saturating_add(raw_value.len() as u64);
        manifest.uncompressed_bytes = manifest.uncompressed_bytes.saturating_add(bytes);
        let number = raw_value.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        match Operational::of(raw_key, raw_value) {
            Some(Operational::LastCommitTs) => manifest.last_commit_ts = manifest.last_commit_ts.max(number),
            Some(Operational::MinRetainedTs) => manifest.min_retained_ts = number,
            Some(Operational::PendingMinRetainedTs) => manifest.pending_min_retained_ts = number,
            Some(Operational::AppliedIndex) => manifest.applied_index = Some(number),
            Some(_) => {}
            None => {
                let ts = raw_key.last_chunk::<TS_SUFFIX>().map_or(0, |ts| !u64::from_be_bytes(*ts));
                manifest.last_commit_ts = manifest.last_commit_ts.max(ts);
            }
        }
    }

    fn close(&mut self) -> Option<Finished> {
        let table = std::mem::replace(&mut self.table, Table::new(self.shape));
        let finished = table.finish()?;
        self.before = Some(finished.file.largest.clone());
        self.manifest.files.push(finished.file.clone());
        Some(finished)
    }

    /// The last table, if it has rows, and the manifest of all.
    pub fn finish(mut self) -> (Option<Finished>, Manifest) {
        (self.close(), self.manifest)
    }
}

/// A complete snapshot file of tables in order.
pub fn bundle(header: &FsmHeader, manifest: &Manifest, tables: &[Finished]) -> Vec<u8> {
    let mut out = Vec::new();
    header.encode(&mut out);
    front_into(manifest, &mut out);
    tables.iter().for_each(|table| out.extend_from_slice(&table.bytes));
    footer_into(&mut out);
    out
}

/// A table that is being built.
#[derive(Debug)]
struct Table {
    shape: Shape,
    bytes: Vec<u8>,
    block: Builder,
    index: TableIndex,
    properties: Properties,
    bytes_of_rows: u64,
    /// The first and the last raw key.
    first: Option<Vec<u8>>,
    last: Option<Vec<u8>>,
    /// A closed block that has no separator yet, because that depends on the next key.
    closed: Option<Handle>,
}

impl Table {
    fn new(shape: Shape) -> Table {
        Table {
            shape,
            bytes: Vec::new(),
            block: Builder::new(INTERVAL),
            index: TableIndex { lower: Builder::new(1), upper: Builder::new(1), waiting: Vec::new(), partitions: 0 },
            properties: Properties::default(),
            bytes_of_rows: 0,
            first: None,
            last: None,
            closed: None,
        }
    }

    fn push(&mut self, raw_key: &[u8], raw_value: &[u8]) {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        row::key_into(raw_key, &mut key);
        row::value_into(raw_value, &mut value);
        if self.is_full(key.len(), value.len()) {
            self.close_block();
        }
        if let Some(handle) = self.closed.take() {
            let last = self.last.as_deref().unwrap_or_default();
            self.index.push(&separator(last, Some(raw_key)), handle, self.shape);
        }
        self.block.push(&key, &value);
        let properties = &mut self.properties;
        properties.entries = properties.entries.saturating_add(1);
        properties.key_size = properties.key_size.saturating_add(key.len() as u64);
        properties.value_size = properties.value_size.saturating_add(raw_value.len() as u64);
        let bytes = (raw_key.len() as u64).saturating_add(raw_value.len() as u64);
        self.bytes_of_rows = self.bytes_of_rows.saturating_add(bytes);
        if self.first.is_none() {
            self.first = Some(raw_key.to_vec());
        }
        self.last = Some(raw_key.to_vec());
    }

    /// Whether the server closes the block before such an entry.
    fn is_full(&self, key: usize, value: usize) -> bool {
        let (len, target) = (self.block.len(), self.shape.block);
        let nine_tenths = target.saturating_mul(90).saturating_add(99) / 100;
        // Four bytes for the shared length, whatever it is, and four for a restart.
        let restart = if self.block.restarts_next() { 4 } else { 0 };
        let lengths = [key, value].map(|len| encoding::encoded_len_varint(len as u64));
        let entry = [key, value, 4, restart].into_iter().chain(lengths).fold(0usize, usize::saturating_add);
        !self.block.is_empty() && (len >= target || (len > nine_tenths && len.saturating_add(entry) > target))
    }

    fn close_block(&mut self) {
        if !self.block.is_empty() {
            self.closed = Some(block::encode(&self.block.finish(), self.shape.snappy, &mut self.bytes));
            self.properties.data_blocks = self.properties.data_blocks.saturating_add(1);
        }
    }

    fn finish(mut self) -> Option<Finished> {
        let (smallest, largest) = (self.first.take()?, self.last.take()?);
        self.close_block();
        if let Some(handle) = self.closed.take() {
            self.index.push(&separator(&largest, None), handle, self.shape);
        }
        let (index, partitions) = self.index.finish(&mut self.bytes, self.shape);
        self.properties.partitions = partitions;
        let mut properties = Builder::new(usize::MAX);
        self.properties.encode(self.shape.snappy, &mut properties);
        let properties = block::encode(&properties.finish(), false, &mut self.bytes);
        let mut metaindex = Builder::new(1);
        metaindex.push(PROPERTIES, &properties.to_bytes());
        let metaindex = block::encode(&metaindex.finish(), false, &mut self.bytes);
        Footer { metaindex, index }.encode(&mut self.bytes);
        let sha256 = Sha256::digest(&self.bytes).into();
        let file = File { size: self.bytes.len() as u64, sha256, smallest, largest };
        Some(Finished { bytes: self.bytes, file })
    }
}

/// An index that is being built. Its lower blocks come after all data blocks.
#[derive(Debug)]
struct TableIndex {
    lower: Builder,
    upper: Builder,
    /// Full lower blocks with their last separators.
    waiting: Vec<(Vec<u8>, Vec<u8>)>,
    partitions: u64,
}

impl TableIndex {
    fn push(&mut self, separator: &[u8], handle: Handle, shape: Shape) {
        if self.lower.len() >= shape.index {
            self.close();
        }
        self.lower.push(separator, &handle.to_bytes());
    }

    fn close(&mut self) {
        let separator = self.lower.last_key().to_vec();
        self.waiting.push((separator, self.lower.finish()));
    }

    fn finish(mut self, bytes: &mut Vec<u8>, shape: Shape) -> (Handle, Option<u64>) {
        if self.waiting.is_empty() {
            return (block::encode(&self.lower.finish(), shape.snappy, bytes), None);
        }
        self.close();
        for (separator, payload) in &self.waiting {
            let handle = block::encode(payload, shape.snappy, bytes);
            self.upper.push(separator, &handle.to_bytes());
            self.partitions = self.partitions.saturating_add(1);
        }
        (block::encode(&self.upper.finish(), shape.snappy, bytes), Some(self.partitions))
    }
}

/// A short key that is not below `last` and is below `next`, with its trailer.
fn separator(last: &[u8], next: Option<&[u8]>) -> Vec<u8> {
    let mut key = match next {
        Some(next) => shortened(last, next),
        None => last.iter().position(|byte| *byte != u8::MAX).and_then(|at| incremented(last, at)),
    };
    match &mut key {
        Some(key) => {
            key.extend(SEPARATOR);
            std::mem::take(key)
        }
        None => {
            let mut key = Vec::new();
            row::key_into(last, &mut key);
            key
        }
    }
}

fn shortened(last: &[u8], next: &[u8]) -> Option<Vec<u8>> {
    let common = last.iter().zip(next).take_while(|(a, b)| a == b).count();
    let (low, high) = (*last.get(common)?, *next.get(common)?);
    let fits = common.saturating_add(1) < last.len() && low.saturating_add(1) < high;
    fits.then(|| incremented(last, common)).flatten()
}

/// `key` up to `at`, with its last byte incremented.
fn incremented(key: &[u8], at: usize) -> Option<Vec<u8>> {
    let (byte, before) = key.get(..=at)?.split_last()?;
    let mut key = before.to_vec();
    key.push(byte.checked_add(1)?);
    Some(key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::block::Payload;
    use super::super::bundle::Front;
    use super::super::row::{Row, Rows};
    use super::super::table::{self, Index};
    use super::*;
    use crate::format::header;

    type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    /// Reads a table like a simple reader; checks what it says about itself.
    fn rows_of(bytes: &[u8]) -> Pairs {
        let mut table = table::Table::parse(bytes).unwrap();
        let mut handles = Vec::new();
        let mut partitions = 0;
        while let Some((separator, handle)) = table.index.next().unwrap() {
            if table.properties.partitions.is_none() {
                handles.push((separator.to_vec(), handle));
                continue;
            }
            partitions += 1;
            let mut lower = Index::parse(table::payload_of(bytes, handle).unwrap()).unwrap();
            while let Some((separator, handle)) = lower.next().unwrap() {
                handles.push((separator.to_vec(), handle));
            }
        }
        assert_eq!(table.properties.partitions.unwrap_or(0), partitions);
        let (mut rows, mut key, mut room, mut end) = (Pairs::new(), Vec::new(), Vec::new(), 0);
        for (separator, handle) in &handles {
            assert_eq!(handle.offset, end);
            end = handle.end();
            let payload = Payload::parse(handle.of(bytes).unwrap()).unwrap().inflate(&mut room).unwrap();
            let mut walk = Rows::new(payload, &mut key).unwrap();
            let separator = &separator[..separator.len() - row::TRAILER];
            assert!(rows.is_empty() || rows.last().unwrap().0.as_slice() < separator);
            while let Some(Row { raw_key, raw_value }) = walk.next().unwrap() {
                assert!(raw_key <= separator);
                rows.push((raw_key.to_vec(), raw_value.to_vec()));
            }
        }
        let sizes = |of: fn(&(Vec<u8>, Vec<u8>)) -> usize| rows.iter().map(|row| of(row) as u64).sum::<u64>();
        let counted = Properties {
            partitions: table.properties.partitions,
            entries: rows.len() as u64,
            data_blocks: handles.len() as u64,
            key_size: sizes(|(key, _)| key.len() + 8),
            value_size: sizes(|(_, value)| value.len()),
        };
        assert_eq!(table.properties, counted);
        rows
    }

    proptest! {
        /// Decoding gives the same rows, from tables of any shape.
        #[test]
        fn encoded_bundles_are_read(
            rows in proptest::collection::btree_map(proptest::collection::vec(any::<u8>(), 1..30), any::<Vec<u8>>(), 0..120),
            block in 1usize..300, index in 1usize..200, file in 1u64..3000, snappy: bool,
        ) {
            let mut encoder = Encoder::new(Shape { block, index, file, snappy });
            let mut tables = Vec::new();
            for (key, value) in &rows {
                tables.extend(encoder.raw(key, value).unwrap());
            }
            let (last, manifest) = encoder.finish();
            tables.extend(last);
            let header = FsmHeader { version: 2, ceiling_ms: 1, cutover_index: 2, len: 26 };
            let bytes = bundle(&header, &manifest, &tables);
            prop_assert_eq!(header::parse(&bytes), Ok(header));
            let stream = &bytes[header.len..bytes.len() - 4];
            let front = Front::parse(stream).unwrap();
            prop_assert_eq!(&front.manifest, &manifest);
            let (mut at, mut read) = (front.end(), Pairs::new());
            for file in &manifest.files {
                let of_table = rows_of(&stream[at..at + file.size as usize]);
                prop_assert_eq!(&of_table[0].0, &file.smallest);
                prop_assert_eq!(&of_table[of_table.len() - 1].0, &file.largest);
                read.extend(of_table);
                at += file.size as usize;
            }
            prop_assert_eq!(at, stream.len());
            prop_assert_eq!(manifest.entry_count, rows.len() as u64);
            prop_assert_eq!(read.into_iter().collect::<BTreeMap<_, _>>(), rows);
        }

        /// A separator is not below the last key, and is below the next one.
        #[test]
        fn separators_separate(a: Vec<u8>, b: Vec<u8>) {
            let (last, next) = if a < b { (a, b) } else { (b, a) };
            prop_assume!(last != next);
            let between = separator(&last, Some(&next));
            let between = &between[..between.len() - row::TRAILER];
            prop_assert!(last.as_slice() <= between && between < next.as_slice());
            let behind = separator(&last, None);
            prop_assert!(last.as_slice() <= &behind[..behind.len() - row::TRAILER]);
        }
    }

    #[test]
    fn what_no_bundle_can_hold_is_refused() {
        let mut encoder = Encoder::new(Shape { file: 1, ..Shape::default() });
        assert!(encoder.raw(b"b", b"").unwrap().is_some());
        for key in [&b""[..], b"a", b"b", &[b'z'; MAX_RAW_KEY as usize + 1]] {
            assert!(matches!(encoder.raw(key, b""), Err(Fault::Key(_))));
        }
        assert_eq!(encoder.finish().1.entry_count, 1);
    }
}
