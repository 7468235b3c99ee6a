//! Lines in a temporary file that wait to be added to a file of the output: too many to hold, or written by another process.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::spill_writer::{LOG_SPILL, scratch_failed};
use crate::error::{Error, Result};

/// Bytes of lines that are copied at once.
pub(super) const PIECE: usize = 1 << 20;
const _: () = assert!(PIECE <= LOG_SPILL);

/// Lines that are stored in a file.
#[derive(Clone)]
pub struct StoredLines {
    file: Arc<File>,
    at: u64,
    len: u64,
    /// Their hash, if another process has written them.
    hash: Option<u64>,
}

impl StoredLines {
    /// All lines of a temporary file of this run.
    pub(super) fn spilled(file: File) -> Result<StoredLines> {
        let len = file.metadata().map_err(scratch_failed)?.len();
        Ok(StoredLines { file: Arc::new(file), at: 0, len, hash: None })
    }

    /// Lines that another process has written, with their hash.
    pub(super) fn recorded(file: Arc<File>, at: u64, len: u64, hash: u64) -> StoredLines {
        StoredLines { file, at, len, hash: Some(hash) }
    }

    /// A part of them: `bytes`, which are at position `at` of the file.
    pub(super) fn part(&self, at: u64, bytes: &[u8]) -> StoredLines {
        let hash = self.hash.map(|_| xxh3_64(bytes));
        StoredLines { file: Arc::clone(&self.file), at, len: bytes.len() as u64, hash }
    }

    /// Bytes of memory that reading them takes.
    pub(super) fn held(&self) -> usize {
        PIECE.min(self.len as usize)
    }

    /// Gives them in pieces, each with its place in the file.
    pub(super) fn pieces(&self, each: &mut dyn FnMut(&[u8], u64) -> Result<()>) -> Result<()> {
        let (mut hash, mut piece, end) = (Xxh3Default::new(), vec![0; self.held()], self.at.saturating_add(self.len));
        let mut at = self.at;
        while at < end {
            let n = piece.len().min((end - at) as usize);
            self.file.read_exact_at(&mut piece[..n], at).map_err(|e| self.unreadable(e))?;
            if self.hash.is_some() {
                hash.update(&piece[..n]);
            }
            each(&piece[..n], at)?;
            at += n as u64;
        }
        if self.hash.is_none_or(|want| want == hash.digest()) { Ok(()) } else { Err(damaged()) }
    }

    fn unreadable(&self, e: std::io::Error) -> Error {
        if self.hash.is_some() { damaged() } else { scratch_failed(e) }
    }
}

fn damaged() -> Error {
    Error::usage("a shard was changed since it was written: its lines do not match its record")
}
