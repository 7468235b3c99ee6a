//! Blocks: handles, checksums, compression, and the entries in them (`sst.md` §3.2, §3.3).
//!
//! ```text
//! payload · type (0 stored, 1 Snappy) · u32le masked CRC32C of both
//! payload: { uvarint shared · uvarint unshared · uvarint vlen · rest of the key · value }* · { u32le restart }* · u32le restarts
//! ```

use std::ops::Range;

use crc_fast::{CrcAlgorithm, checksum};

use super::{SstFault, uvarint, uvarint_into};
use crate::format::limits::{MAX_RAW_KEY, MAX_RAW_VALUE};
use crate::format::snappy::{self, SnappyFault};

/// Bytes after a payload: its type and its checksum.
pub const TRAILER: usize = 5;
/// The longest payload, inflated: the longest row with its framing. No block can have a longer row.
pub const MAX_BLOCK: usize = (MAX_RAW_KEY + MAX_RAW_VALUE) as usize + (4 << 10);
const STORED: u8 = 0;
const SNAPPY: u8 = 1;
/// Bytes of a restart offset, and of the number of restarts.
const OFFSET: usize = 4;

/// The position of a block in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handle {
    /// Where its payload begins.
    pub offset: u64,
    /// Bytes of its payload.
    pub len: u64,
}

impl Handle {
    /// Reads a handle and moves past it.
    pub fn parse(bytes: &mut &[u8]) -> Option<Handle> {
        Some(Handle { offset: uvarint(bytes)?, len: uvarint(bytes)? })
    }

    /// Appends the handle.
    pub fn encode(self, out: &mut Vec<u8>) {
        uvarint_into(self.offset, out);
        uvarint_into(self.len, out);
    }

    /// The handle as separate bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        bytes
    }

    /// The end of the block, with its trailer.
    pub const fn end(self) -> u64 {
        self.offset.saturating_add(self.len).saturating_add(TRAILER as u64)
    }

    /// The block with its trailer.
    pub fn of(self, table: &[u8]) -> Result<&[u8], SstFault> {
        let range: Option<Range<usize>> =
            usize::try_from(self.offset).ok().zip(usize::try_from(self.end()).ok()).map(|(start, end)| start..end);
        range.and_then(|range| table.get(range)).ok_or(SstFault::Handle("its block is not inside the file"))
    }
}

/// A payload whose checksum matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// As it is.
    Stored(&'a [u8]),
    /// As a Snappy block.
    Snappy(&'a [u8]),
}

impl<'a> Payload<'a> {
    /// Checks a block with its trailer.
    pub fn parse(block: &'a [u8]) -> Result<Payload<'a>, SstFault> {
        let (checked, stored) = block.split_last_chunk().ok_or(SstFault::Truncated("a block"))?;
        let stored = u32::from_le_bytes(*stored);
        let (kind, payload) = checked.split_last().ok_or(SstFault::Truncated("a block"))?;
        let computed = masked_crc(checked);
        match *kind {
            _ if stored != computed => Err(SstFault::Checksum { stored, computed }),
            STORED => Ok(Payload::Stored(payload)),
            SNAPPY => Ok(Payload::Snappy(payload)),
            other => Err(SstFault::BlockType(other)),
        }
    }

    /// Length of the inflated payload. Nothing was reserved for it.
    pub fn inflated_len(self) -> Result<usize, SstFault> {
        match self {
            Payload::Stored(payload) if payload.len() > MAX_BLOCK => Err(SstFault::BlockTooLarge(payload.len() as u64)),
            Payload::Stored(payload) => Ok(payload.len()),
            Payload::Snappy(payload) => snappy::inflated_len(payload, MAX_BLOCK).map_err(of_snappy),
        }
    }

    /// The inflated payload, in `room` if it was compressed.
    pub fn inflate(self, room: &'a mut Vec<u8>) -> Result<&'a [u8], SstFault> {
        match self {
            Payload::Stored(payload) => self.inflated_len().map(|_| payload),
            Payload::Snappy(payload) => {
                let len = snappy::inflate(payload, MAX_BLOCK, room).map_err(of_snappy)?;
                Ok(room.get(..len).unwrap_or_default())
            }
        }
    }
}

fn of_snappy(fault: SnappyFault) -> SstFault {
    match fault {
        SnappyFault::Broken => SstFault::Snappy,
        SnappyFault::TooLong(len) => SstFault::BlockTooLarge(len as u64),
    }
}

/// The checksum in the form that is stored after a block.
fn masked_crc(checked: &[u8]) -> u32 {
    masked(checksum(CrcAlgorithm::Crc32Iscsi, checked) as u32)
}

/// Stored bytes that contain checksums are themselves checksummed, so checksums are stored in a masked form.
const fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC32C of each byte by itself.
static BYTES: [u32; 256] = byte_crcs();

// Evaluated by the compiler.
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
const fn byte_crcs() -> [u32; 256] {
    let mut all = [0; 256];
    let mut byte = 0;
    while byte < all.len() {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        all[byte] = crc;
        byte += 1;
    }
    all
}

/// The length of the payload of the block that begins with these bytes, if no handle is known: the first length whose checksum matches.
pub fn find_len(bytes: &[u8]) -> Option<usize> {
    let mut crc = u32::MAX;
    for (at, window) in bytes.windows(TRAILER).enumerate().take(MAX_BLOCK) {
        let (kind, stored) = window.split_first()?;
        // The table has an entry for every value of a byte.
        crc = BYTES.get(usize::from(crc as u8 ^ kind)).copied().unwrap_or_default() ^ crc >> 8;
        if *kind <= SNAPPY && masked(!crc).to_le_bytes() == *stored {
            return Some(at);
        }
    }
    None
}

/// Appends a payload as a block; compressed only if that saves an eighth, as the server does. Returns its handle.
pub fn encode(payload: &[u8], compress: bool, out: &mut Vec<u8>) -> Handle {
    let offset = out.len();
    let compressed = compress.then(|| snap::raw::Encoder::new().compress_vec(payload).ok()).flatten();
    let least = payload.len().saturating_sub(payload.len() / 8);
    let (bytes, kind) = match &compressed {
        Some(compressed) if compressed.len() < least => (&compressed[..], SNAPPY),
        _ => (payload, STORED),
    };
    out.extend_from_slice(bytes);
    out.push(kind);
    let crc = masked_crc(out.get(offset..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
    Handle { offset: offset as u64, len: bytes.len() as u64 }
}

/// One entry of a block: its key consists of the first `shared` bytes of the previous key, and `rest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'b> {
    /// How many bytes this key has in common with the start of the previous one.
    pub shared: usize,
    /// What follows them.
    pub rest: &'b [u8],
    /// The value.
    pub value: &'b [u8],
}

impl Entry<'_> {
    /// Changes `key` from the key of the previous entry to the key of this one.
    #[inline]
    pub fn key_into(&self, key: &mut Vec<u8>) {
        key.truncate(self.shared);
        key.extend_from_slice(self.rest);
    }
}

/// Reads the entries of a payload.
#[derive(Debug, Clone, Copy)]
pub struct Entries<'b> {
    rest: &'b [u8],
    key_len: usize,
}

impl<'b> Entries<'b> {
    /// The entries of an inflated payload.
    pub fn new(payload: &'b [u8]) -> Result<Entries<'b>, SstFault> {
        let (before, restarts) =
            payload.split_last_chunk::<OFFSET>().ok_or(SstFault::Block("it ends inside its restarts"))?;
        let restarts = usize::try_from(u32::from_le_bytes(*restarts)).ok().filter(|restarts| *restarts > 0);
        let restarts = restarts.ok_or(SstFault::Block("it has no restarts"))?;
        let end = restarts.checked_mul(OFFSET).and_then(|bytes| before.len().checked_sub(bytes));
        let rest = end.and_then(|end| before.get(..end)).ok_or(SstFault::Block("it ends inside its restarts"))?;
        Ok(Entries { rest, key_len: 0 })
    }

    /// The entries in the rest of a payload, after a key of `key_len` bytes.
    pub(super) const fn behind(rest: &'b [u8], key_len: usize) -> Entries<'b> {
        Entries { rest, key_len }
    }

    /// Bytes of the entries that are not read yet.
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next entry; `None` at the end.
    #[inline]
    pub fn next(&mut self) -> Result<Option<Entry<'b>>, SstFault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut rest = self.rest;
        let ends = SstFault::Block("an entry ends after the end of the block");
        let mut length = || uvarint(&mut rest).and_then(|length| usize::try_from(length).ok());
        let (shared, unshared, value) = (|| Some((length()?, length()?, length()?)))().ok_or(ends)?;
        if shared > self.key_len {
            return Err(SstFault::Block("an entry shares more than the key before it has"));
        }
        let (key, rest) = rest.split_at_checked(unshared).ok_or(ends)?;
        let (value, rest) = rest.split_at_checked(value).ok_or(ends)?;
        (self.rest, self.key_len) = (rest, shared.saturating_add(unshared));
        Ok(Some(Entry { shared, rest: key, value }))
    }
}

/// Builds a payload.
#[derive(Debug)]
pub struct Builder {
    payload: Vec<u8>,
    restarts: Vec<u32>,
    /// Number of entries from one complete key to the next.
    interval: usize,
    entries: usize,
    last: Vec<u8>,
}

impl Builder {
    /// An empty builder; each `interval`-th key is complete.
    pub fn new(interval: usize) -> Builder {
        Builder { payload: Vec::new(), restarts: Vec::new(), interval: interval.max(1), entries: 0, last: Vec::new() }
    }

    /// Appends an entry.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        let whole = self.restarts_next();
        let shared = match whole {
            true => {
                self.restarts.push(self.payload.len() as u32);
                0
            }
            false => self.last.iter().zip(key).take_while(|(a, b)| a == b).count(),
        };
        let rest = key.get(shared..).unwrap_or_default();
        for length in [shared, rest.len(), value.len()] {
            uvarint_into(length as u64, &mut self.payload);
        }
        self.payload.extend_from_slice(rest);
        self.payload.extend_from_slice(value);
        self.last.clear();
        self.last.extend_from_slice(key);
        self.entries = self.entries.saturating_add(1);
    }

    /// Length of the payload if it ended here.
    pub const fn len(&self) -> usize {
        self.payload.len().saturating_add(self.restarts.len().saturating_add(1).saturating_mul(OFFSET))
    }

    /// Whether the next entry has a complete key.
    pub fn restarts_next(&self) -> bool {
        self.entries.checked_rem(self.interval).unwrap_or_default() == 0
    }

    /// Whether it has no entries.
    pub const fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The key of the last entry.
    pub fn last_key(&self) -> &[u8] {
        &self.last
    }

    /// The payload; the builder is empty afterwards.
    pub fn finish(&mut self) -> Vec<u8> {
        if self.restarts.is_empty() {
            self.restarts.push(0);
        }
        let mut payload = std::mem::take(&mut self.payload);
        self.restarts.iter().for_each(|at| payload.extend_from_slice(&at.to_le_bytes()));
        payload.extend_from_slice(&(self.restarts.len() as u32).to_le_bytes());
        self.restarts.clear();
        self.last.clear();
        self.entries = 0;
        payload
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Decoded blocks, handles and entries equal the encoded ones; any truncation or flipped bit is detected.
        #[test]
        fn encoded_blocks_are_parsed(
            entries: Vec<(Vec<u8>, Vec<u8>)>, interval in 1usize..5, compress: bool, before: Vec<u8>, bit: prop::sample::Index,
        ) {
            let mut builder = Builder::new(interval);
            entries.iter().for_each(|(key, value)| builder.push(key, value));
            let len = builder.len();
            let payload = builder.finish();
            prop_assert!(entries.is_empty() || payload.len() == len);
            let mut table = before;
            let handle = encode(&payload, compress, &mut table);
            let mut bytes = crate::format::encoded(|out| handle.encode(out));
            bytes.push(9);
            let mut rest = &bytes[..];
            prop_assert_eq!((Handle::parse(&mut rest), rest), (Some(handle), &[9][..]));
            prop_assert_eq!(handle.end(), table.len() as u64);
            prop_assert_eq!(find_len(&table[handle.offset as usize..]), Some(handle.len as usize));
            let mut block = handle.of(&table).unwrap().to_vec();
            let mut room = Vec::new();
            let mut read = Entries::new(Payload::parse(&block).unwrap().inflate(&mut room).unwrap()).unwrap();
            let (mut key, mut got) = (Vec::new(), Vec::new());
            while let Some(entry) = read.next().unwrap() {
                entry.key_into(&mut key);
                got.push((key.clone(), entry.value.to_vec()));
            }
            prop_assert_eq!(got, entries);
            let bit = bit.index(block.len() * 8);
            block[bit / 8] ^= 1 << (bit % 8);
            let is_seen = matches!(Payload::parse(&block), Err(SstFault::Checksum { .. }));
            let longer = Handle { len: handle.len + 1, ..handle };
            prop_assert!(is_seen && longer.of(&table).is_err());
        }

        /// No input causes a panic or an endless loop.
        #[test]
        fn any_payload_has_an_end(payload: Vec<u8>) {
            if let Ok(mut entries) = Entries::new(&payload) {
                let most = (0..payload.len()).take_while(|_| matches!(entries.next(), Ok(Some(_)))).count();
                prop_assert!(most <= payload.len() / 3);
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_block() {
        let entry = |bytes: &[u8]| {
            let payload = [bytes, &[0; 4], &[1, 0, 0, 0]].concat();
            Entries::new(&payload).and_then(|mut entries| entries.next().map(drop))
        };
        assert_eq!(entry(&[0, 1, 1, b'k', b'v']), Ok(()));
        let ends = Err(SstFault::Block("an entry ends after the end of the block"));
        assert_eq!(entry(&[0, 1, 2, b'k', b'v']), ends);
        assert_eq!(entry(&[0, 0xff]), ends);
        assert_eq!(entry(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0]), ends);
        assert_eq!(entry(&[1, 0, 0]), Err(SstFault::Block("an entry shares more than the key before it has")));
        let restarts = |payload: &[u8]| Entries::new(payload).map(drop);
        assert_eq!(restarts(&[0, 0, 0, 0]), Err(SstFault::Block("it has no restarts")));
        assert_eq!(restarts(&[0, 0, 0, 0, 2, 0, 0, 0]), Err(SstFault::Block("it ends inside its restarts")));
        assert_eq!(restarts(&[1]), Err(SstFault::Block("it ends inside its restarts")));
        let mut zstd = Vec::new();
        encode(b"payload", false, &mut zstd);
        zstd.truncate(7);
        zstd.push(7);
        zstd.extend(masked_crc(&zstd).to_le_bytes());
        assert_eq!(Payload::parse(&zstd), Err(SstFault::BlockType(7)));
        assert_eq!(Payload::parse(&zstd[..4]), Err(SstFault::Truncated("a block")));
    }

    /// The stated length of a block is compared with the maximum, and with what its bytes can expand to, before memory is reserved.
    #[test]
    fn blocks_that_would_be_too_large() {
        let inflated = |block: &[u8]| {
            let mut room = Vec::new();
            let payload = Payload::Snappy(block);
            let inflated = payload.inflate(&mut room).map(<[u8]>::len);
            assert_eq!(inflated, payload.inflated_len());
            assert_eq!(room.capacity(), 0);
            inflated
        };
        assert_eq!(inflated(b"\xff\xff\xff\xff\x0f\0a"), Err(SstFault::BlockTooLarge(u64::from(u32::MAX))));
        assert_eq!(inflated(b"\x80\x80\x80\x80\x01\0a"), Err(SstFault::Snappy));
        let stored = vec![0; MAX_BLOCK + 1];
        assert_eq!(Payload::Stored(&stored).inflated_len(), Err(SstFault::BlockTooLarge(MAX_BLOCK as u64 + 1)));
    }

    /// A block exactly as a server wrote it.
    #[test]
    fn the_checksum_of_the_server() {
        let metaindex = b"\0\x12\x04rocksdb.properties\xd6\x09\xbe\x03\0\0\0\0\x01\0\0\0";
        let mut out = Vec::new();
        encode(metaindex, true, &mut out);
        assert_eq!(out, [&metaindex[..], &[0], &[0xe4, 0xe5, 0x89, 0x0a]].concat());
    }
}
