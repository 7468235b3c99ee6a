//! One temporary file that holds the bytes of many, until they are put in order for an archive.
//!
//! Space is handed out by a counter, so threads write side by side. The file has no name: nothing is left of it,
//! however the run ends.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::checksums::Place;
use super::tree::write_at;
use crate::error::{Error, Result};

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

    /// Reads the bytes of a file.
    pub fn reader(&self, place: Place) -> io::Result<SpoolReader<'_>> {
        let mut pieces = vec![(place.at, place.len)];
        if place.pieces > 0 {
            pieces.clear();
            let mut piece = [0; PIECE];
            for n in 0..place.pieces {
                self.file.read_exact_at(&mut piece, place.at + n * PIECE as u64)?;
                let (at, len) = piece.split_at(PIECE / 2);
                let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
                pieces.push((number(at), number(len)));
            }
            pieces.reverse();
        }
        Ok(SpoolReader { spool: self, pieces })
    }

    #[cold]
    fn failed(&self, e: impl Into<io::Error>) -> Error {
        Error::io("write a temporary file in", &self.scratch, e)
    }
}

/// Reads one file of a spool.
pub struct SpoolReader<'s> {
    spool: &'s Spool,
    /// Position and length of what is still to be read, the next one last.
    pieces: Vec<(u64, u64)>,
}

impl Read for SpoolReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.pieces.last().is_some_and(|(_, len)| *len == 0) {
            self.pieces.pop();
        }
        let Some((at, len)) = self.pieces.last_mut() else { return Ok(0) };
        let most = buffer.len().min(usize::try_from(*len).unwrap_or(usize::MAX));
        let n = self.spool.file.read_at(&mut buffer[..most], *at)?;
        (*at, *len) = (*at + n as u64, *len - n as u64);
        Ok(n)
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
