//! One temporary file with the bytes of many files, until they are put in order for an archive.
//!
//! A counter hands out space, so threads write in parallel. The file has no name: it disappears however the run ends.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::checksums::Place;
use super::sys;
use crate::error::{Error, Result};

/// The position of a piece that is a hole.
pub const HOLE: u64 = u64::MAX;
/// Pieces of a file that are held in memory; more go to a temporary file.
const MOST_HELD: usize = 16 << 10;
/// Pieces read at once.
const READ_AT_ONCE: u64 = 1 << 10;
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
        let file = sys::temporary(scratch).map_err(|e| Error::io("create a temporary file in", scratch, e))?;
        Ok(Spool { file, next: AtomicU64::new(0), scratch: scratch.to_path_buf() })
    }

    /// Space for `len` bytes.
    pub(super) fn reserve(&self, len: u64) -> Place {
        Place { at: self.next.fetch_add(len, Ordering::Relaxed), len, pieces: 0 }
    }

    /// Writes into reserved space.
    pub(super) fn fill(&self, at: u64, bytes: &[u8]) -> Result<()> {
        sys::write_at(&self.file, bytes, at).map_err(|e| self.failed(e))
    }

    /// Writes bytes wherever there is space.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<Place> {
        let place = self.reserve(bytes.len() as u64);
        self.fill(place.at, bytes).map(|()| place)
    }

    /// Adds the next piece of a file; a long list goes to a temporary file.
    pub(super) fn add(&self, pieces: &mut Pieces, next: Place) -> Result<()> {
        if pieces.list.len() >= MOST_HELD && !pieces.goes_on(&next) {
            pieces.spill(&self.scratch).map_err(|e| self.failed(e))?;
        }
        pieces.push(next);
        Ok(())
    }

    /// The place of a file, from those of its pieces. Several pieces make a list, which has a place of its own.
    pub(super) fn join(&self, pieces: &mut Pieces) -> Result<Place> {
        match (pieces.spilled.take(), pieces.list.as_slice()) {
            (None, []) => Ok(Place::default()),
            (None, [one]) if one.at != HOLE => Ok(*one),
            (spilled, _) => {
                let place = self.reserve((pieces.before + pieces.list.len() as u64) * PIECE as u64);
                let held = pieces.encoded();
                if let Some(spilled) = spilled {
                    self.copy(spilled, place.at).map_err(|e| self.failed(e))?;
                }
                self.fill(place.at + pieces.before * PIECE as u64, &held)?;
                Ok(Place { pieces: place.len / PIECE as u64, ..place })
            }
        }
    }

    fn copy(&self, mut from: File, mut to: u64) -> io::Result<()> {
        from.rewind()?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            let n = from.read(&mut buffer)?;
            if n == 0 {
                return Ok(());
            }
            self.file.write_all_at(&buffer[..n], to)?;
            to += n as u64;
        }
    }

    /// The pieces of a file, in their order.
    pub fn pieces(&self, place: Place) -> PieceIter<'_> {
        let listed = place.pieces > 0;
        let next = if listed { Vec::new() } else { vec![(place.at, place.len)] };
        PieceIter { spool: self, list: place.at, left: place.pieces, next }
    }

    /// Reads the bytes of a file.
    pub fn reader(&self, place: Place) -> SpoolReader<'_> {
        SpoolReader { pieces: self.pieces(place), current: (0, 0) }
    }

    #[cold]
    fn failed(&self, e: impl Into<io::Error>) -> Error {
        Error::io("write a temporary file in", &self.scratch, e)
    }
}

/// The pieces of a file while it is written.
#[derive(Default)]
pub(super) struct Pieces {
    list: Vec<Place>,
    /// Pieces before those of the list.
    spilled: Option<File>,
    before: u64,
}

impl Pieces {
    /// Whether a piece continues the last one without a gap.
    fn goes_on(&self, next: &Place) -> bool {
        let follows = |last: &Place| match last.at {
            HOLE => next.at == HOLE,
            at => next.at != HOLE && at + last.len == next.at,
        };
        next.len == 0 || self.list.last().is_some_and(follows)
    }

    fn push(&mut self, next: Place) {
        let goes_on = self.goes_on(&next);
        match self.list.last_mut() {
            Some(last) if goes_on => last.len += next.len,
            _ if next.len > 0 => self.list.push(next),
            _ => {}
        }
    }

    fn encoded(&self) -> Vec<u8> {
        self.list.iter().flat_map(|p| [p.at, p.len]).flat_map(u64::to_le_bytes).collect()
    }

    #[cold]
    fn spill(&mut self, scratch: &Path) -> io::Result<()> {
        let encoded = self.encoded();
        let file = match &mut self.spilled {
            Some(file) => file,
            none => none.insert(sys::temporary(scratch)?),
        };
        file.write_all(&encoded)?;
        self.before += self.list.len() as u64;
        self.list.clear();
        Ok(())
    }
}

/// Gives the pieces of a file as position (or [`HOLE`]) and length.
pub struct PieceIter<'s> {
    spool: &'s Spool,
    list: u64,
    left: u64,
    /// Pieces read from the list, the next one last.
    next: Vec<(u64, u64)>,
}

impl PieceIter<'_> {
    /// The next piece.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn next(&mut self) -> io::Result<Option<(u64, u64)>> {
        if self.next.is_empty() && self.left > 0 {
            self.read()?;
        }
        Ok(self.next.pop())
    }

    fn read(&mut self) -> io::Result<()> {
        let many = self.left.min(READ_AT_ONCE);
        let mut bytes = vec![0; many as usize * PIECE];
        self.spool.file.read_exact_at(&mut bytes, self.list)?;
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        let piece = |bytes: &[u8]| (number(&bytes[..PIECE / 2]), number(&bytes[PIECE / 2..]));
        self.next.extend(bytes.chunks_exact(PIECE).rev().map(piece));
        self.list += bytes.len() as u64;
        self.left -= many;
        Ok(())
    }
}

/// Reads one file of a spool.
pub struct SpoolReader<'s> {
    pieces: PieceIter<'s>,
    /// The rest of the current piece.
    current: (u64, u64),
}

impl SpoolReader<'_> {
    /// Skips bytes without reading them.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn skip(&mut self, mut bytes: u64) -> io::Result<()> {
        while bytes > 0 && self.fill()? {
            let (at, len) = &mut self.current;
            let n = bytes.min(*len);
            *at = if *at == HOLE { HOLE } else { *at + n };
            *len -= n;
            bytes -= n;
        }
        Ok(())
    }

    /// Whether there is anything left.
    fn fill(&mut self) -> io::Result<bool> {
        while self.current.1 == 0 {
            match self.pieces.next()? {
                Some(piece) => self.current = piece,
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

impl Read for SpoolReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.fill()? {
            return Ok(0);
        }
        let (at, len) = &mut self.current;
        let most = buffer.len().min(usize::try_from(*len).unwrap_or(usize::MAX));
        let n = if *at == HOLE {
            buffer[..most].fill(0);
            most
        } else {
            let n = self.pieces.spool.file.read_at(&mut buffer[..most], *at)?;
            *at += n as u64;
            n
        };
        *len -= n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of many pieces and holes, more than are held, come back.
    #[test]
    fn pieces_and_holes() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path()).unwrap();
        for many in [0, 1, 2, 3, 5, MOST_HELD / 2, MOST_HELD, 3 * MOST_HELD + 1] {
            let (mut pieces, mut want) = (Pieces::default(), Vec::new());
            for n in 0..many {
                let bytes = [n as u8; 2];
                let place = spool.put(&bytes[..1 + n % 2]).unwrap();
                spool.put(b"between").unwrap();
                spool.add(&mut pieces, place).unwrap();
                want.extend(&bytes[..1 + n % 2]);
                spool.add(&mut pieces, Place { at: HOLE, len: (n % 3) as u64, pieces: 0 }).unwrap();
                want.extend(vec![0; n % 3]);
            }
            let place = spool.join(&mut pieces).unwrap();
            let place = if place.pieces > 0 { place } else { Place { len: want.len() as u64, ..place } };
            let read = |mut reader: SpoolReader<'_>| {
                let mut got = Vec::new();
                reader.read_to_end(&mut got).unwrap();
                got
            };
            assert!(read(spool.reader(place)) == want, "{many} pieces");
            for skipped in [0, 1, want.len() / 2, want.len(), want.len() + 9] {
                let mut reader = spool.reader(place);
                reader.skip(skipped as u64).unwrap();
                assert!(read(reader) == want[skipped.min(want.len())..], "{many} pieces without {skipped}");
            }
        }
    }
}
