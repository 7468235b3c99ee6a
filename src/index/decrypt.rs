//! Decrypts the rows of a snapshot into a private copy (`encryption.md` §5).
//!
//! The copy is an unlinked temporary file in which every row has the same position and length as in the snapshot, so that every reported
//! position is also true for the snapshot. Memory stays flat, and all later stages read decrypted rows from a map. A row that cannot be
//! opened is copied unchanged: the index reports why.

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::{Granularity, Holes, Layout, View};
use crate::error::{Error, Result};
use crate::format::frame::{self, Entry};
use crate::format::keys::KeyRing;
use crate::format::limits::VALUE_HEADER;
use crate::format::mvcc::{self, MvccFault, Operational};
use crate::format::opened::{self, Body};
use crate::source::{Access, Source};
use crate::sync::Spare;

/// Bytes that are copied at once.
const PIECE: usize = 1 << 20;

/// Bytes that are fetched before their frames are walked: the second-level cache of a core holds them.
const TOUCHED: usize = 256 << 10;

/// Reads a byte of every cache line in order, which the processor does ahead of time. A walk from frame to frame would wait for each line,
/// because a frame tells where the next one is.
fn touch(bytes: &[u8]) {
    black_box(bytes.iter().step_by(64).fold(0, |all, byte| all ^ byte));
}

/// Adds keys to a source, and decrypts its rows if some of them are encrypted.
///
/// # Errors
/// A temporary file that cannot be written. Faults of the snapshot are left to its index.
pub fn decrypt(source: Source, keys: &Arc<KeyRing>, access: Access, granularity: Granularity) -> Result<Source> {
    let name = source.path().to_path_buf();
    let failed = |e| Error::io("write the decrypted copy of", &name, e);
    let file = match copied(&source, keys, PIECE.min(granularity.task_size)).map_err(failed)? {
        Copied::Broken => copied_broken(&source, keys, granularity).map_err(failed)?,
        Copied::Whole(file) => file,
    };
    let Some(file) = file else { return Ok(source.with_keys(Arc::clone(keys))) };
    source.check_unchanged()?;
    source.with_keys(Arc::clone(keys)).with_copy(file, access)
}

/// The result of a walk over all rows.
enum Copied {
    /// The copy; `None`: no row is encrypted.
    Whole(Option<File>),
    /// There is a broken frame.
    Broken,
}

/// Moves from frame to frame, while other threads decrypt the bytes already passed.
fn copied(source: &Source, keys: &KeyRing, size: usize) -> io::Result<Copied> {
    // Faults of a bundle are reported by the index.
    if source.unpack(true).is_err() {
        return Ok(Copied::Whole(None));
    }
    let stored = source.stored();
    let Ok((Layout::Pebble, start)) = super::stream(stored) else { return Ok(Copied::Whole(None)) };
    let (holes, copying) = (Holes::default(), OnceLock::new());
    let begin = || Copying::new(stored, &holes, keys);
    let walked = rayon::in_place_scope(|scope| {
        // Before the first encrypted row it is not known whether a copy is needed: pieces wait until then.
        let (mut waiting, mut at, mut piece) = (Vec::new(), start, 0..start);
        let mut touched = start;
        loop {
            if at >= touched {
                touched = stored.len().min(at + TOUCHED);
                touch(&stored[at..touched]);
            }
            match frame::step(stored, at) {
                Ok(frame::Step::Entry(entry)) => {
                    if copying.get().is_none() && entry.raw_value.first() == Some(&mvcc::ENCRYPTED) {
                        let _ = copying.set(begin()?);
                    }
                    if at - piece.start >= size {
                        waiting.push(std::mem::replace(&mut piece, at..at));
                    }
                    at = entry.end;
                    piece.end = at;
                }
                Ok(_) => break,
                Err(_) => return Ok(false),
            }
            if let Some(copying) = copying.get() {
                waiting.drain(..).for_each(|piece| scope.spawn(move |_| copying.copy(piece, start..at)));
            }
        }
        if let Some(copying) = copying.get() {
            waiting.push(piece);
            waiting.drain(..).for_each(|piece| scope.spawn(move |_| copying.copy(piece, start..at)));
            scope.spawn(move |_| copying.copy(at..stored.len(), at..at));
        }
        Ok(true)
    });
    match (walked, copying.into_inner()) {
        (Err(e), _) => Err(e),
        (Ok(false), _) => Ok(Copied::Broken),
        (Ok(true), copying) => Ok(Copied::Whole(copying.map(Copying::finish).transpose()?)),
    }
}

/// If a file has a broken frame, a lenient index finds its rows.
#[cold]
fn copied_broken(source: &Source, keys: &KeyRing, granularity: Granularity) -> io::Result<Option<File>> {
    let view = View { as_of: u64::MAX, read_ts: 0, lenient: true };
    let Ok((index, _)) = super::index(source, view, granularity) else { return Ok(None) };
    if index.sealed.is_empty() {
        return Ok(None);
    }
    let (stored, mut cuts) = (source.stored(), vec![0]);
    for at in index.checkpoints.positions() {
        if cuts.last().is_none_or(|last| at - last >= PIECE.min(granularity.task_size)) {
            cuts.push(*at);
        }
    }
    let ends = cuts.iter().skip(1).copied().chain(std::iter::once(stored.len()));
    let copying = Copying::new(stored, &index.holes, keys)?;
    cuts.par_iter()
        .zip(ends.collect::<Vec<_>>())
        .for_each(|(start, end)| copying.copy(*start..end, index.rows.clone()));
    copying.finish().map(Some)
}

/// The copy, which all threads write.
struct Copying<'c> {
    file: File,
    stored: &'c [u8],
    holes: &'c Holes,
    keys: &'c KeyRing,
    /// Position of the next body that does not fit into its row.
    end: AtomicU64,
    /// Buffers that no thread is using.
    spare: Spare<Buffers>,
    failed: OnceLock<io::Error>,
}

/// Buffers of a thread.
#[derive(Default)]
struct Buffers {
    piece: Vec<u8>,
    aad: Vec<u8>,
    body: Vec<u8>,
}

impl Buffers {
    fn held(&self) -> usize {
        self.piece.capacity() + self.aad.capacity() + self.body.capacity()
    }
}

impl<'c> Copying<'c> {
    fn new(stored: &'c [u8], holes: &'c Holes, keys: &'c KeyRing) -> io::Result<Copying<'c>> {
        let (file, len) = (tempfile::tempfile()?, stored.len() as u64);
        file.set_len(len)?;
        let (end, spare, failed) = (AtomicU64::new(len), Spare::default(), OnceLock::new());
        Ok(Copying { file, stored, holes, keys, end, spare, failed })
    }

    fn finish(self) -> io::Result<File> {
        self.failed.into_inner().map_or(Ok(self.file), Err)
    }

    /// Copies bytes that begin with an entry or with the file, and decrypts the rows in them.
    fn copy(&self, bytes: Range<usize>, rows: Range<usize>) {
        if self.failed.get().is_some() {
            return;
        }
        let mut buffers = self.spare.take();
        match self.copy_with(bytes, &rows, &mut buffers) {
            // Buffers that a large row has made large are not kept.
            Ok(()) if buffers.held() <= 4 * PIECE => self.spare.give(buffers),
            Ok(()) => {}
            Err(e) => drop(self.failed.set(e)),
        }
    }

    fn copy_with(&self, bytes: Range<usize>, rows: &Range<usize>, buffers: &mut Buffers) -> io::Result<()> {
        buffers.piece.clear();
        buffers.piece.extend_from_slice(&self.stored[bytes.clone()]);
        let mut at = bytes.start;
        let rows_end = rows.end.min(bytes.end);
        while at < rows_end {
            let stretch = self.holes.from(at.max(rows.start), rows_end);
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
    fn open(&self, entry: &Entry<'_>, start: usize, buffers: &mut Buffers) -> io::Result<()> {
        let Err(fault) = mvcc::split_value(entry.raw_value) else { return Ok(()) };
        let Buffers { piece, aad, body } = buffers;
        let value = entry.end - entry.raw_value.len() - start..entry.end - start;
        let MvccFault::Encrypted(Ok(sealed)) = fault else {
            // A number that the store keeps for itself may begin with any byte.
            if Operational::of(entry.raw_key, entry.raw_value).is_none() {
                piece.get_mut(value).into_iter().for_each(opened::mark_damaged);
            }
            return Ok(());
        };
        let Some(value) = piece.get_mut(value) else { return Ok(()) };
        let room = value.get_mut(VALUE_HEADER..).unwrap_or_default();
        match self.keys.open_to(entry.raw_key, entry.raw_value, aad, room) {
            Some(Ok(len)) => drop(opened::encode(Body::Written(len), sealed, value)),
            Some(Err(_)) => value.copy_from_slice(entry.raw_value),
            None => {
                body.clear();
                if let Some(Ok(())) = self.keys.open_into(entry.raw_key, entry.raw_value, aad, body) {
                    opened::encode(self.place(body, entry.raw_value.len() - VALUE_HEADER)?, sealed, value);
                }
            }
        }
        Ok(())
    }

    /// Where a body goes: into the value if it fits there, or else after all rows.
    fn place<'b>(&self, body: &'b [u8], envelope: usize) -> io::Result<Body<'b>> {
        if opened::fits(body.len(), envelope) {
            return Ok(Body::Near(body));
        }
        let len = body.len() as u64;
        let at = self.end.fetch_add(len, Ordering::Relaxed);
        self.file.write_all_at(body, at)?;
        Ok(Body::Far(at, len))
    }
}
