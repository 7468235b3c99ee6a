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

use super::{Grain, Layout, Survey, View};
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
    let view = View { as_of: u64::MAX, read_ts: 0, lenient: true };
    // Without keys: where the rows stand is all that matters here.
    let survey = match super::survey(&source, view, grain) {
        Ok((survey, _)) if survey.layout == Layout::Pebble && !survey.sealed.is_empty() => survey,
        _ => return Ok(source.with_keys(Arc::clone(keys))),
    };
    let name = source.path().to_path_buf();
    let failed = |e| Error::io("write the decrypted copy of", &name, e);
    let file = tempfile::tempfile().map_err(failed)?;
    let copy = Copying { file: &file, stored: source.stored(), survey: &survey, keys, end: AtomicU64::new(0) };
    copy.run(grain).map_err(failed)?;
    source.check_unchanged()?;
    source.with_keys(Arc::clone(keys)).with_copy(file, access)
}

struct Copying<'c> {
    file: &'c File,
    stored: &'c [u8],
    survey: &'c Survey,
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
    fn run(&self, grain: Grain) -> std::io::Result<()> {
        self.file.set_len(self.stored.len() as u64)?;
        self.end.store(self.stored.len() as u64, Ordering::Relaxed);
        let pieces = self.pieces(PIECE.min(grain.unit));
        pieces.into_par_iter().try_for_each_init(Buffers::default, |buffers, piece| self.copy(piece, buffers))
    }

    /// The whole file in pieces that begin where an entry does.
    fn pieces(&self, size: usize) -> Vec<Range<usize>> {
        let mut cuts = vec![0];
        for at in self.survey.checkpoints.positions() {
            if cuts.last().is_none_or(|last| at - last >= size) {
                cuts.push(*at);
            }
        }
        cuts.push(self.stored.len());
        cuts.windows(2).map(|pair| pair[0]..pair[1]).collect()
    }

    fn copy(&self, bytes: Range<usize>, buffers: &mut Buffers) -> std::io::Result<()> {
        buffers.piece.clear();
        buffers.piece.extend_from_slice(&self.stored[bytes.clone()]);
        let mut at = bytes.start;
        let rows_end = self.survey.rows.end.min(bytes.end);
        while at < rows_end {
            let stretch = self.survey.holes.from(at.max(self.survey.rows.start), rows_end);
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
