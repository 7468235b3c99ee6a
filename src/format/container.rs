//! Writes a snapshot file: header, stream, footer (`container.md` §1).
//!
//! The encoder does no I/O: it appends to a buffer that the caller writes out and clears at any time. It checks what a reader will
//! check: raw keys ascend strictly, and lengths are within the limits.

use crc_fast::{CrcAlgorithm, Digest, checksum};

use super::fault::{Fault, Result};
use super::frame;
use super::header::FsmHeader;
use super::limits::{MAX_RAW_KEY, MAX_RAW_VALUE};
use super::mvcc::{ValueHeader, raw_key_into};

/// The checksum of the footer.
const CRC: CrcAlgorithm = CrcAlgorithm::Crc32Iscsi;

/// Writes a snapshot file, entry by entry.
///
/// ```
/// use ekvsnap::format::container::Encoder;
/// use ekvsnap::format::header::FsmHeader;
/// use ekvsnap::format::mvcc::ValueHeader;
///
/// let header = FsmHeader { version: 1, ..FsmHeader::default() };
/// let mut file = Vec::new();
/// let mut encoder = Encoder::begin(&header, 1 << 16, &mut file);
/// let value = ValueHeader { tombstone: false, expire_at: 0, body: b"\xff\x01\0v" };
/// encoder.row(b"!redis|str|k", 1 << 16, &value, &mut file)?;
/// encoder.finish(&mut file);
/// # Ok::<(), ekvsnap::format::Fault>(())
/// ```
#[derive(Debug)]
pub struct Encoder {
    crc: Checksum,
    /// The last raw key, and a buffer for the value.
    last: Option<Vec<u8>>,
    value: Vec<u8>,
}

impl Encoder {
    /// Appends header and stream header.
    pub fn begin(header: &FsmHeader, last_commit_ts: u64, out: &mut Vec<u8>) -> Encoder {
        let mut encoder = Encoder { crc: Checksum::default(), last: None, value: Vec::new() };
        encoder.append(out, |out| {
            header.encode(out);
            frame::stream_header_into(last_commit_ts, out);
        });
        encoder
    }

    /// Appends a version of a user key.
    ///
    /// # Errors
    /// As [`raw`](Self::raw).
    pub fn row(&mut self, user_key: &[u8], ts: u64, value: &ValueHeader<'_>, out: &mut Vec<u8>) -> Result<()> {
        let mut raw_key = Vec::with_capacity(user_key.len().saturating_add(size_of::<u64>()));
        raw_key_into(user_key, ts, &mut raw_key);
        let mut raw_value = std::mem::take(&mut self.value);
        raw_value.clear();
        value.encode(&mut raw_value);
        let appended = self.raw(raw_key, &raw_value, out);
        self.value = raw_value;
        appended
    }

    /// Appends an entry in the form of the file, such as a row of the store itself.
    ///
    /// # Errors
    /// A raw key that is not greater than the last one; a key or value over its limit. Nothing is appended then.
    pub fn raw(&mut self, raw_key: Vec<u8>, raw_value: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if raw_key.len() as u64 > MAX_RAW_KEY {
            return Err(Fault::Key("it is longer than a snapshot can hold"));
        }
        if raw_value.len() as u64 > MAX_RAW_VALUE {
            return Err(Fault::Value("it is longer than a snapshot can hold"));
        }
        if self.last.as_ref().is_some_and(|last| *last >= raw_key) {
            return Err(Fault::Key("its raw key is not above the one before it"));
        }
        self.append(out, |out| frame::entry_into(&raw_key, raw_value, out));
        self.last = Some(raw_key);
        Ok(())
    }

    /// The checksum of all that was appended.
    pub fn value(&self) -> u32 {
        self.crc.value()
    }

    /// Appends the footer, as a running server does. Files of the public encoder have none.
    pub fn finish(self, out: &mut Vec<u8>) {
        self.crc.footer_into(out);
    }

    fn append(&mut self, out: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>)) {
        let from = out.len();
        append(out);
        self.crc.update(out.get(from..).unwrap_or_default());
    }
}

/// The checksum of a file that is written piece by piece.
#[derive(Debug)]
pub struct Checksum(Digest);

impl Default for Checksum {
    /// The checksum of no bytes.
    fn default() -> Checksum {
        Checksum(Digest::new(CRC))
    }
}

impl Checksum {
    /// Adds the bytes that follow.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of the bytes so far.
    pub fn value(&self) -> u32 {
        self.0.finalize() as u32
    }

    /// Continues after bytes that have this checksum.
    pub fn from_value(crc32c: u32) -> Checksum {
        Checksum(Digest::new_with_init_state(CRC, u64::from(!crc32c)))
    }

    /// Appends the footer.
    pub fn footer_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.value().to_be_bytes());
    }
}

/// The checksum of footers, of bytes in one call.
pub fn crc32c(bytes: &[u8]) -> u32 {
    checksum(CRC, bytes) as u32
}

/// Appends the footer of a whole file.
pub fn footer_into(file: &mut Vec<u8>) {
    let crc = crc32c(file);
    file.extend_from_slice(&crc.to_be_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::format::frame::{STREAM_HEADER, Step, step};
    use crate::format::{header, mvcc};

    proptest! {
        /// Decoding gives the same rows, whenever the buffer is emptied.
        #[test]
        fn encoded_files_are_read(rows: BTreeMap<Vec<u8>, Vec<u8>>, ts: u64, ceiling_ms: u64, pieces: bool) {
            let want = FsmHeader { version: 1, ceiling_ms, cutover_index: 0, len: 16 };
            let mut rows: Vec<_> = rows.into_iter().collect();
            rows.sort_by_key(|(key, _)| crate::format::encoded(|out| raw_key_into(key, ts, out)));
            let (mut file, mut out) = (Vec::new(), Vec::new());
            let mut encoder = Encoder::begin(&want, ts, &mut out);
            for (key, body) in &rows {
                encoder.row(key, ts, &ValueHeader { tombstone: false, expire_at: 0, body }, &mut out).unwrap();
                if pieces {
                    file.append(&mut out);
                }
            }
            encoder.finish(&mut out);
            file.append(&mut out);
            prop_assert_eq!(header::parse(&file), Ok(want));
            let (mut at, mut read) = (want.len + STREAM_HEADER, Vec::new());
            while let Step::Entry(entry) = step(&file, at).unwrap() {
                let key = mvcc::split_key(entry.raw_key).unwrap().0.to_vec();
                read.push((key, mvcc::split_value(entry.raw_value).unwrap().body.to_vec()));
                at = entry.end;
            }
            prop_assert_eq!((read, step(&file, at)), (rows, Ok(Step::Footer)));
            let mut again = file[..at].to_vec();
            footer_into(&mut again);
            prop_assert_eq!(again, file);
        }
    }

    #[test]
    fn what_no_reader_would_take_is_refused() {
        let mut out = Vec::new();
        let mut encoder = Encoder::begin(&FsmHeader::default(), 1, &mut out);
        let value = ValueHeader { tombstone: false, expire_at: 0, body: b"" };
        encoder.row(b"b", 1, &value, &mut out).unwrap();
        let len = out.len();
        assert!(matches!(encoder.row(b"a", 1, &value, &mut out), Err(Fault::Key(_))));
        assert!(matches!(encoder.row(b"b", 1, &value, &mut out), Err(Fault::Key(_))));
        assert!(matches!(encoder.raw(vec![b'z'; MAX_RAW_KEY as usize + 1], b"", &mut out), Err(Fault::Key(_))));
        assert_eq!(out.len(), len);
    }
}
