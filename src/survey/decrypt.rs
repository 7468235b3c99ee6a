//! Decrypts the rows of a snapshot into a private copy (`encryption.md` §5).
//!
//! The copy is an unlinked temporary file in which every row has the place and the length that it has in the snapshot, so that
//! whatever is told of places is true of the snapshot. Memory stays flat, and everything above reads clear rows from a map.
//! A row that does not open is copied as it is: the survey tells why.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::{Grain, Holes, Layout, View};
use crate::error::{Error, Result};
use crate::format::frame::{self, Entry};
use crate::format::keys::KeyRing;
use crate::format::limits::VALUE_HEADER;
use crate::format::mvcc::{self, MvccFault};
use crate::format::opened::{self, Body};
use crate::source::{Access, Source};

/// Bytes that are copied at once.
const PIECE: usize = 1 << 20;

/// Adds keys to a source, and decrypts its rows if it has any that are encrypted.
///
/// # Errors
/// A temporary file that cannot be written. What is wrong with the snapshot is left to its survey.
pub fn decrypt(source: Source, keys: &Arc<KeyRing>, access: Access, grain: Grain) -> Result<Source> {
    let Some(rows) = Rows::of(&source, grain).filter(|rows| rows.any_sealed) else {
        return Ok(source.with_keys(Arc::clone(keys)));
    };
    let name = source.path().to_path_buf();
    let failed = |e| Error::io("write the decrypted copy of", &name, e);
    let file = tempfile::tempfile().map_err(failed)?;
    let copy = Copying { file: &file, stored: source.stored(), rows: &rows, keys, end: AtomicU64::new(0) };
    copy.run().map_err(failed)?;
    source.check_unchanged()?;
    source.with_keys(Arc::clone(keys)).with_copy(file, access)
}

/// Where the rows of a snapshot stand.
struct Rows {
    range: Range<usize>,
    holes: Holes,
    /// Starts of pieces, each that of an entry.
    cuts: Vec<usize>,
    any_sealed: bool,
}

impl Rows {
    /// Hops from frame to frame; of a file with a broken one, a lenient survey tells. `None`: it has no rows that can be encrypted.
    fn of(source: &Source, grain: Grain) -> Option<Rows> {
        // What is wrong with a bundle is told by the survey.
        source.unpack(true).ok()?;
        let (file, size) = (source.stored(), PIECE.min(grain.unit));
        let (Layout::Pebble, start) = super::stream(file).ok()? else { return None };
        let (mut cuts, mut at, mut any_sealed) = (vec![0], start, false);
        loop {
            match frame::step(file, at) {
                Ok(frame::Step::Entry(entry)) => {
                    any_sealed |= entry.raw_value.first() == Some(&mvcc::ENCRYPTED);
                    cut(&mut cuts, at, size);
                    at = entry.end;
                }
                Ok(_) => return Some(Rows { range: start..at, holes: Holes::default(), cuts, any_sealed }),
                Err(_) => return Rows::of_broken(source, grain),
            }
        }
    }

    #[cold]
    fn of_broken(source: &Source, grain: Grain) -> Option<Rows> {
        let view = View { as_of: u64::MAX, read_ts: 0, lenient: true };
        let (survey, _) = super::survey(source, view, grain).ok()?;
        let (mut cuts, any_sealed) = (vec![0], !survey.sealed.is_empty());
        survey.checkpoints.positions().iter().for_each(|at| cut(&mut cuts, *at, PIECE.min(grain.unit)));
        Some(Rows { range: survey.rows, holes: survey.holes, cuts, any_sealed })
    }
}

/// Begins a piece at an entry, if the one before is large enough.
fn cut(cuts: &mut Vec<usize>, at: usize, size: usize) {
    if cuts.last().is_none_or(|last| at - last >= size) {
        cuts.push(at);
    }
}

struct Copying<'c> {
    file: &'c File,
    stored: &'c [u8],
    rows: &'c Rows,
    keys: &'c KeyRing,
    /// Where the next body goes that has no room in its row.
    end: AtomicU64,
}

/// Buffers of a thread.
#[derive(Default)]
struct Buffers {
    piece: Vec<u8>,
    aad: Vec<u8>,
    body: Vec<u8>,
}

impl Copying<'_> {
    fn run(&self) -> std::io::Result<()> {
        self.file.set_len(self.stored.len() as u64)?;
        self.end.store(self.stored.len() as u64, Ordering::Relaxed);
        let ends = self.rows.cuts.iter().skip(1).copied().chain(std::iter::once(self.stored.len()));
        let pieces: Vec<_> = self.rows.cuts.iter().zip(ends).map(|(start, end)| *start..end).collect();
        pieces.into_par_iter().try_for_each_init(Buffers::default, |buffers, piece| self.copy(piece, buffers))
    }

    fn copy(&self, bytes: Range<usize>, buffers: &mut Buffers) -> std::io::Result<()> {
        buffers.piece.clear();
        buffers.piece.extend_from_slice(&self.stored[bytes.clone()]);
        let mut at = bytes.start;
        let rows_end = self.rows.range.end.min(bytes.end);
        while at < rows_end {
            let stretch = self.rows.holes.from(at.max(self.rows.range.start), rows_end);
            at = stretch.start;
            while at < stretch.end {
                let Ok(frame::Step::Entry(entry)) = frame::step(self.stored, at) else { break };
                self.open(&entry, bytes.start, buffers)?;
                at = entry.end;
            }
            if stretch.is_empty() || at < stretch.end {
                break;
            }
        }
        self.file.write_all_at(&buffers.piece, bytes.start as u64)
    }

    /// Puts the plain body of an encrypted row into the piece, which begins at `start`.
    fn open(&self, entry: &Entry<'_>, start: usize, buffers: &mut Buffers) -> std::io::Result<()> {
        let Err(MvccFault::Encrypted(Ok(_))) = mvcc::split_value(entry.raw_value) else { return Ok(()) };
        let Buffers { piece, aad, body } = buffers;
        body.clear();
        if !matches!(self.keys.open_into(entry.raw_key, entry.raw_value, aad, body), Some(Ok(()))) {
            return Ok(());
        }
        let value = entry.end - entry.raw_value.len() - start..entry.end - start;
        let envelope = entry.raw_value.len() - VALUE_HEADER;
        let to = if opened::fits(body.len(), envelope) {
            Body::Near(body)
        } else {
            let len = body.len() as u64;
            let at = self.end.fetch_add(len, Ordering::Relaxed);
            self.file.write_all_at(body, at)?;
            Body::Far(at, len)
        };
        if let Some(value) = piece.get_mut(value) {
            opened::encode(to, value);
        }
        Ok(())
    }
}
