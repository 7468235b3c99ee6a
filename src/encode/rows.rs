//! Sorts the rows of a snapshot and writes the snapshot file.

use std::cell::RefCell;
use std::io::Write;
use std::path::Path;

use crate::adapters::rows::RowSink;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Family;
use crate::format::container::Encoder;
use crate::format::header::FsmHeader;
use crate::format::limits::{MAX_RAW_KEY, MAX_RAW_VALUE, VALUE_HEADER};
use crate::format::mvcc::{hlc_millis, raw_key_into, split_key};
use crate::format::sealer::Sealer;
use crate::run::spill::{Sorted, Spill};

/// Bytes that are written together.
const PIECE: usize = 1 << 20;
/// The rows of the store itself.
const APPLIED_INDEX: &[u8] = b"_meta_applied_index";
const LAST_COMMIT: &[u8] = b"_meta_last_commit_ts";
const MIN_RETAINED: &[u8] = b"_meta_min_retained_ts";

/// Sorts rows that all have one commit timestamp.
pub(super) struct Rows {
    spill: Spill,
    ts: u64,
    count: u64,
    key: Vec<u8>,
    value: Vec<u8>,
    /// Encrypts the rows.
    sealer: Option<Sealer>,
}

impl Rows {
    /// No rows yet; they are spilled to the file system of `scratch`.
    pub fn new(ts: u64, scratch: &Path, sealer: Option<Sealer>) -> Rows {
        Rows { spill: Spill::new(scratch), ts, count: 0, key: Vec::new(), value: Vec::new(), sealer }
    }

    /// How many rows were taken.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Adds the store's own rows, with those of writers of keys, and sorts all rows. The store's rows say that there are no versions before
    /// the timestamp.
    pub fn finish(mut self, index: Option<u64>, writers: &[(Vec<u8>, Vec<u8>)]) -> Result<Sorted> {
        for (key, value) in writers {
            self.spill.push(key, value)?;
        }
        if let Some(index) = index {
            self.spill.push(APPLIED_INDEX, &index.to_le_bytes())?;
        }
        self.spill.push(LAST_COMMIT, &self.ts.to_le_bytes())?;
        self.spill.push(MIN_RETAINED, &self.ts.to_le_bytes())?;
        self.spill.finish()
    }
}

impl RowSink for &RefCell<Rows> {
    fn row(&mut self, user_key: &[u8], value: &[u8]) -> Result<()> {
        let Rows { spill, ts, count, key, value: stored, sealer } = &mut *self.borrow_mut();
        key.clear();
        raw_key_into(user_key, *ts, key);
        stored.clear();
        match sealer {
            None => {
                // No flags, and no expiry of the row itself.
                stored.resize(VALUE_HEADER, 0);
                stored.extend_from_slice(value);
            }
            Some(sealer) => sealer.value_into(key, 0, value, stored).ok_or_else(|| {
                refused(user_key, "it cannot be encrypted: its value is too long, or its key has encrypted 2^32 rows")
            })?,
        }
        if key.len() as u64 > MAX_RAW_KEY || stored.len() as u64 > MAX_RAW_VALUE {
            return Err(refused(user_key, "a key or value in it is longer than a snapshot can hold"));
        }
        *count += 1;
        spill.push(key, stored)
    }
}

/// The error for two rows with one key.
#[cold]
pub(crate) fn twice(user_key: &[u8]) -> Error {
    refused(user_key, "two objects have this row: an object occurs twice, or a key has two types")
}

fn refused(user_key: &[u8], why: &str) -> Error {
    const SHOWN: usize = 200;
    let shown = user_key.get(..SHOWN).unwrap_or(user_key);
    let family = Family::of(user_key).prefix();
    Error::new(ErrorKind::Output(format!("row {} of {} bytes ({family}): {why}", shown.escape_ascii(), user_key.len())))
}

/// Writes sorted rows as a snapshot file and returns its size.
///
/// # Errors
/// A failed write; two rows with one key.
pub(super) fn write(mut rows: Sorted, ts: u64, out: &mut impl Write, target: &Path) -> Result<u64> {
    let failed = |e| Error::io("write", target, e);
    let header = FsmHeader { version: 1, ceiling_ms: hlc_millis(ts) + 1, ..FsmHeader::default() };
    let (mut buffer, mut written) = (Vec::with_capacity(PIECE * 2), 0);
    let mut encoder = Encoder::begin(&header, ts, &mut buffer);
    while let Some((key, value)) = rows.next()? {
        if encoder.raw(key.to_vec(), value, &mut buffer).is_err() {
            let user_key = split_key(key).map_or(key, |(user_key, _)| user_key);
            return Err(twice(user_key));
        }
        if buffer.len() >= PIECE {
            out.write_all(&buffer).map_err(failed)?;
            written += buffer.len() as u64;
            buffer.clear();
        }
    }
    encoder.finish(&mut buffer);
    out.write_all(&buffer).map_err(failed)?;
    Ok(written + buffer.len() as u64)
}
