//! One temporary file that holds the bytes of many, until they are put in order for an archive.
//!
//! Space is handed out by a counter, so threads write side by side. The file has no name: nothing is left of it,
//! however the run ends.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::checksums::Place;
use super::tree::write_at;
use crate::error::{Error, Result};

/// Bytes copied at once.
const COPY: usize = 1 << 20;
/// Bytes of a piece in a list of pieces: position and length, little endian.
const PIECE: usize = 16;

/// The temporary file.
pub struct Spool {
    file: File,
    next: AtomicU64,
    scratch: PathBuf,
}

impl Spool {
    /// An empty spool on the file system of the directory `scratch`.
    pub fn new(scratch: &Path) -> Result<Spool> {
        let file = tempfile::tempfile_in(scratch).map_err(|e| Error::io("create a temporary file in", scratch, e))?;
        Ok(Spool { file, next: AtomicU64::new(0), scratch: scratch.to_path_buf() })
    }

    /// Space for `len` bytes.
    pub(super) fn reserve(&self, len: u64) -> Place {
        Place { at: self.next.fetch_add(len, Ordering::Relaxed), len, pieces: 0 }
    }

    /// Writes into reserved space.
    pub(super) fn fill(&self, at: u64, bytes: &[u8]) -> Result<()> {
        write_at(&self.file, bytes, at).map_err(|e| self.failed(e))
    }

    /// Writes bytes wherever there is space.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<Place> {
        let place = self.reserve(bytes.len() as u64);
        self.fill(place.at, bytes).map(|()| place)
    }

    /// The place of a file from those of its pieces: several make a list, which has a place of its own.
    pub(super) fn join(&self, pieces: &[Place]) -> Result<Place> {
        match pieces {
            [] => Ok(Place::default()),
            [one] => Ok(*one),
            many => {
                let list: Vec<u8> = many.iter().flat_map(|p| [p.at, p.len]).flat_map(u64::to_le_bytes).collect();
                let place = self.put(&list)?;
                Ok(Place { pieces: many.len() as u64, ..place })
            }
        }
    }

    /// Gives the bytes of a file to `to`.
    ///
    /// # Errors
    /// Of reading the spool, as an error of the spool; of `to`, as it is.
    pub fn read(&self, place: Place, to: &mut impl Write, buffer: &mut Vec<u8>) -> io::Result<()> {
        if place.pieces == 0 {
            return self.copy(place.at, place.len, to, buffer);
        }
        let mut piece = [0; PIECE];
        for n in 0..place.pieces {
            self.file.read_exact_at(&mut piece, place.at + n * PIECE as u64)?;
            let (at, len) = piece.split_at(PIECE / 2);
            let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
            self.copy(number(at), number(len), to, buffer)?;
        }
        Ok(())
    }

    fn copy(&self, mut at: u64, mut len: u64, to: &mut impl Write, buffer: &mut Vec<u8>) -> io::Result<()> {
        while len > 0 {
            let now = len.min(COPY as u64);
            buffer.resize(now as usize, 0);
            self.file.read_exact_at(buffer, at)?;
            to.write_all(buffer)?;
            (at, len) = (at + now, len - now);
        }
        Ok(())
    }

    #[cold]
    fn failed(&self, e: impl Into<io::Error>) -> Error {
        Error::io("write a temporary file in", &self.scratch, e)
    }
}

/// Adds a piece; one that goes on where the last one ends becomes part of it.
pub(super) fn push(pieces: &mut Vec<Place>, next: Place) {
    match pieces.last_mut() {
        Some(last) if last.at + last.len == next.at => last.len += next.len,
        _ if next.len == 0 => {}
        _ => pieces.push(next),
    }
}
