//! One indexed input and random access to it.
//!
//! Mutual dependency with `scan` and `range`: a group makes its scans, and a scan reads the file of its group.

use std::ops::Range;
use std::sync::Arc;

use super::range::after_prefix;
use super::row::Row;
use super::scan::{Scan, changed};
use crate::error::Result;
use crate::format::mvcc::{self, Operational};
use crate::format::{Family, frame, mvcc2, staged};
use crate::index::staged::Staged;
use crate::index::{Index, Layout, View};
use crate::source::Source;

/// One input: usually the snapshot of one Raft group.
#[derive(Clone)]
pub struct Group<'a> {
    /// Number of the input.
    pub number: u32,
    /// Its bytes.
    pub source: &'a Source,
    /// What the index found.
    pub index: Index,
    /// The migration whose staged rows these are: keys are those after the job (`future.md` F4).
    pub job: Option<u64>,
    /// Length of the prefix of each stored key that is not part of the key.
    pub(super) strip: usize,
    /// Where the bare keys are: they can be anywhere in the file.
    pub(super) bare: Arc<[Range<usize>]>,
}

impl<'a> Group<'a> {
    pub(super) fn new(number: u32, source: &'a Source, index: Index) -> Self {
        let bare = index.segments.iter().filter(|s| s.family == Family::Bare).map(|s| s.bytes.clone()).collect();
        Group { number, source, index, job: None, strip: 0, bare }
    }

    /// The staged rows of a job, as a separate input.
    pub(super) fn staged(number: u32, source: &'a Source, staged: Staged) -> Self {
        let job = Some(staged.job);
        Group { job, strip: staged::PREFIX, ..Group::new(number, source, staged.index) }
    }

    /// Turns a key of the file into a key of this group.
    #[inline]
    pub(super) fn stripped(&self, key: &'a [u8]) -> &'a [u8] {
        key.get(self.strip..).unwrap_or_default()
    }

    /// All bytes of the file.
    pub fn file(&self) -> &'a [u8] {
        self.source.bytes()
    }

    /// The stored key of the entry at `at`; for staged rows, the part after the job.
    pub fn key_at(&self, at: usize) -> Option<&'a [u8]> {
        match self.index.layout {
            Layout::Empty | Layout::Timestamps => None,
            Layout::Pebble => match frame::step(self.file(), at) {
                Ok(frame::Step::Entry(entry)) => Some(self.stripped(entry.raw_key)),
                _ => None,
            },
            Layout::Mvcc2 => match mvcc2::step(self.file(), at) {
                Ok(mvcc2::Step::Entry(entry)) => Some(self.stripped(entry.user_key)),
                _ => None,
            },
        }
    }

    /// The user key of the entry at `at`; `None` for a raw row of the store itself.
    pub fn user_key_at(&self, at: usize) -> Option<&'a [u8]> {
        if self.index.layout != Layout::Pebble {
            return self.key_at(at);
        }
        let Ok(frame::Step::Entry(entry)) = frame::step(self.file(), at) else { return None };
        let raw_key = self.stripped(entry.raw_key);
        let row = Operational::of(raw_key, entry.raw_value).is_none();
        row.then(|| mvcc::split_key(raw_key).ok().map(|(user_key, _)| user_key)).flatten()
    }

    /// The last checkpoint from `from` on whose key is below `target`, or `from`: all entries before it are below `target`.
    pub(super) fn sure_below(&self, target: &[u8], from: usize) -> usize {
        let positions = self.index.checkpoints.positions();
        let ahead = &positions[positions.partition_point(|at| *at < from)..];
        // Pieces are short: the checkpoint is among the next few.
        let mut span = 1;
        let below = |at: &usize| self.key_at(*at).is_some_and(|key| key < target);
        while ahead.get(span).is_some_and(below) {
            span *= 2;
        }
        let known = ahead[..ahead.len().min(span)].partition_point(below);
        if known == 0 { from } else { ahead[known - 1] }
    }

    /// Position of the first entry whose stored key is not below `target`.
    pub(super) fn seek(&self, target: &[u8]) -> Result<usize> {
        let positions = self.index.checkpoints.positions();
        let after = positions.partition_point(|at| self.key_at(*at).is_some_and(|key| key < target));
        let at = if after == 0 { self.index.rows.start } else { positions[after - 1] };
        let mut stretch = self.stretch(at);
        loop {
            while stretch.start < stretch.end {
                let (key, end) = self.entry_key(stretch.start)?;
                if key >= target {
                    return Ok(stretch.start);
                }
                stretch.start = end;
            }
            stretch = self.stretch(stretch.start);
            if stretch.is_empty() {
                return Ok(self.index.rows.end);
            }
        }
    }

    /// The first stretch of rows at or after a position, up to the next hole.
    pub(super) fn stretch(&self, at: usize) -> Range<usize> {
        self.index.holes.from(at, self.index.rows.end)
    }

    fn entry_key(&self, at: usize) -> Result<(&'a [u8], usize)> {
        match self.index.layout {
            Layout::Mvcc2 => match mvcc2::step(self.file(), at) {
                Ok(mvcc2::Step::Entry(entry)) => Ok((self.stripped(entry.user_key), entry.end)),
                _ => Err(changed()),
            },
            _ => match frame::step(self.file(), at) {
                Ok(frame::Step::Entry(entry)) => Ok((self.stripped(entry.raw_key), entry.end)),
                _ => Err(changed()),
            },
        }
    }

    /// The newest visible version of exactly this key, which may be a tombstone.
    pub(super) fn newest(&self, user_key: &[u8], view: View) -> Result<Option<Row<'a>>> {
        if matches!(self.index.layout, Layout::Empty | Layout::Timestamps) {
            return Ok(None);
        }
        let mut target = user_key.to_vec();
        if self.index.layout == Layout::Pebble {
            // Rows of this key sort by inverted timestamp: no visible one is before the largest visible timestamp.
            let newest = self.index.max_commit_ts.min(view.as_of);
            target.extend((!newest).to_be_bytes());
        }
        let mut scan = Scan::new(self, self.seek(&target)?, view);
        // Rows of the key have the key as prefix: after the last row with the prefix there are none.
        let end = after_prefix(user_key);
        while let Some(row) = scan.next_below(end.as_deref())? {
            if row.user_key == user_key {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The smallest first byte of the inverted timestamps of the input.
    pub(super) fn first_byte_of_timestamps(&self) -> u8 {
        let [first, ..] = (!self.index.max_commit_ts).to_be_bytes();
        first
    }

    /// Whether rows of this family can arrive out of key order.
    pub(super) fn unordered(&self, family: Family) -> bool {
        self.index.counts.family(family).unordered
    }
}
