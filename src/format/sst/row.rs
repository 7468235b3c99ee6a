//! The rows of a data block (`sst.md` §3.3).
//!
//! Key: raw key · `u64le` trailer (sequence number << 8 | kind). Value: a byte that says where the value is, and the value.

use super::SstFault;
use super::block::Entries;
use crate::format::limits::{MAX_RAW_KEY, MAX_RAW_VALUE};

/// Bytes after the raw key.
pub const TRAILER: usize = 8;
/// The kind of an entry that sets a key.
const SET: u8 = 1;
/// A bit of the kind that only says that a newer entry hides this one: with one entry per key, none does.
const OBSOLETE: u8 = 0x40;
/// The bits of a value's first byte that say where it is; 0: in place.
const PLACE: u8 = 0xc0;

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'r> {
    /// User key and inverted commit timestamp.
    pub raw_key: &'r [u8],
    /// Value header and body.
    pub raw_value: &'r [u8],
}

/// Reads the rows of an inflated data block.
#[derive(Debug)]
pub struct Rows<'b, 'k> {
    entries: Entries<'b>,
    /// The last key with its trailer.
    key: &'k mut Vec<u8>,
}

impl<'b, 'k> Rows<'b, 'k> {
    /// The rows of a payload; keys are assembled in `key`.
    pub fn new(payload: &'b [u8], key: &'k mut Vec<u8>) -> Result<Rows<'b, 'k>, SstFault> {
        key.clear();
        Ok(Rows { entries: Entries::new(payload)?, key })
    }

    /// The next row; `None` at the end.
    #[inline]
    pub fn next(&mut self) -> Result<Option<Row<'_>>, SstFault> {
        let Some(entry) = self.entries.next()? else { return Ok(None) };
        let long = (entry.shared as u64).saturating_add(entry.rest.len() as u64).saturating_sub(TRAILER as u64);
        if long > MAX_RAW_KEY {
            return Err(SstFault::KeyTooLarge(long));
        }
        entry.key_into(self.key);
        let (raw_key, trailer) =
            self.key.split_last_chunk::<TRAILER>().ok_or(SstFault::Block("a key is shorter than its trailer"))?;
        let [kind, ..] = *trailer;
        if kind & !OBSOLETE != SET {
            return Err(SstFault::Kind(kind));
        }
        let (prefix, raw_value) = entry.value.split_first().ok_or(SstFault::Block("a value has no prefix"))?;
        if prefix & PLACE != 0 {
            return Err(SstFault::ValuePrefix(*prefix));
        }
        if raw_value.len() as u64 > MAX_RAW_VALUE {
            return Err(SstFault::ValueTooLarge(raw_value.len() as u64));
        }
        Ok(Some(Row { raw_key, raw_value }))
    }
}

/// Appends a key with the trailer of an entry that sets it.
pub fn key_into(raw_key: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(raw_key);
    out.extend_from_slice(&u64::from(SET).to_le_bytes());
}

/// Appends a value with the prefix of a value in place.
pub fn value_into(raw_value: &[u8], out: &mut Vec<u8>) {
    out.push(0);
    out.extend_from_slice(raw_value);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::block::Builder;
    use super::*;
    use crate::format::encoded;

    proptest! {
        #[test]
        fn encoded_rows_are_read(rows: std::collections::BTreeMap<Vec<u8>, Vec<u8>>, interval in 1usize..20) {
            let mut builder = Builder::new(interval);
            for (key, value) in &rows {
                builder.push(&encoded(|out| key_into(key, out)), &encoded(|out| value_into(value, out)));
            }
            let (payload, mut key, mut read) = (builder.finish(), Vec::new(), Vec::new());
            let mut walk = Rows::new(&payload, &mut key).unwrap();
            while let Some(Row { raw_key, raw_value }) = walk.next().unwrap() {
                read.push((raw_key.to_vec(), raw_value.to_vec()));
            }
            prop_assert_eq!(read, rows.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_wrong_with_a_row() {
        let one = |key: &[u8], value: &[u8]| {
            let mut builder = Builder::new(1);
            builder.push(key, value);
            Rows::new(&builder.finish(), &mut Vec::new()).and_then(|mut rows| rows.next().map(drop))
        };
        assert_eq!(one(b"k\x01\0\0\0\0\0\0\0", b"\0v"), Ok(()));
        assert_eq!(one(b"k\x41\x09\0\0\0\0\0\0", b"\x27v"), Ok(()));
        assert_eq!(one(b"k\0\0\0\0\0\0\0\0", b"\0v"), Err(SstFault::Kind(0)));
        assert_eq!(one(b"k\x12\0\0\0\0\0\0\0", b"\0v"), Err(SstFault::Kind(0x12)));
        assert_eq!(one(b"\x01\0\0\0\0\0\0", b"\0v"), Err(SstFault::Block("a key is shorter than its trailer")));
        assert_eq!(one(b"k\x01\0\0\0\0\0\0\0", b""), Err(SstFault::Block("a value has no prefix")));
        assert_eq!(one(b"k\x01\0\0\0\0\0\0\0", b"\x80v"), Err(SstFault::ValuePrefix(0x80)));
        assert_eq!(one(&[7; (MAX_RAW_KEY + 9) as usize], b"\0v"), Err(SstFault::KeyTooLarge(MAX_RAW_KEY + 1)));
        // The content does not matter.
        let value = vec![0; (MAX_RAW_VALUE + 2) as usize];
        assert_eq!(one(b"k\x01\0\0\0\0\0\0\0", &value), Err(SstFault::ValueTooLarge(MAX_RAW_VALUE + 1)));
    }
}
