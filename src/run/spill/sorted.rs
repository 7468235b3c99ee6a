//! Merges sorted runs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Limits;
use super::runs::{Cursor, Run};
use crate::error::{Error, Result};

/// All records of a sorter, as sorted runs. Ranges of them can be merged on several threads.
pub struct SortedRuns {
    runs: Arc<[Run]>,
    limits: Limits,
    scratch: PathBuf,
}

impl SortedRuns {
    pub(super) fn new(runs: Vec<Run>, limits: Limits, scratch: PathBuf) -> SortedRuns {
        SortedRuns { runs: runs.into(), limits, scratch }
    }

    /// All records, in order.
    ///
    /// # Errors
    /// A run could not be read back.
    pub fn all(&self) -> Result<Sorted> {
        self.range(b"", None, self.limits.piece)
    }

    /// Keys that cut the records into ranges of about `bytes` bytes.
    pub fn cuts(&self, bytes: u64) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        // Each run has samples of its own, so they must be closer than the cuts.
        let every = (bytes / 16).min(self.limits.small_piece as u64);
        self.runs.iter().for_each(|run| run.sample(every, &mut keys));
        keys.sort();
        let (mut cuts, mut sum) = (Vec::new(), 0);
        for (key, before) in keys {
            sum += before;
            if sum >= bytes && cuts.last() != Some(&key) {
                cuts.push(key);
                sum = 0;
            }
        }
        cuts
    }

    /// The records from the first key that is not below `lo`, up to the first key that is not below `hi`, in order. Both are [cuts](Self::cuts).
    ///
    /// # Errors
    /// A run could not be read back.
    pub fn between(&self, lo: &[u8], hi: Option<&[u8]>) -> Result<Sorted> {
        self.range(lo, hi, self.limits.small_piece)
    }

    fn range(&self, lo: &[u8], hi: Option<&[u8]>, piece: usize) -> Result<Sorted> {
        let sorted = Sorted::between(Arc::clone(&self.runs), lo, hi, piece, &self.scratch);
        sorted.map_err(|e| Error::io("sort in", &self.scratch, e))
    }
}

/// Gives records in order.
pub struct Sorted {
    runs: Arc<[Run]>,
    cursors: Vec<Cursor>,
    /// The next key of each run that has one. Of equal keys that of the older run comes first.
    heads: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    /// No key is at or above it.
    hi: Option<Vec<u8>>,
    /// Whether the first of the heads was given.
    is_given: bool,
    /// A value that is not in one piece in the buffer of its run.
    value: Vec<u8>,
    scratch: PathBuf,
}

impl Sorted {
    pub(super) fn of_runs(runs: Vec<Run>, limits: Limits) -> io::Result<Sorted> {
        Sorted::between(runs.into(), b"", None, limits.piece, Path::new(""))
    }

    fn between(runs: Arc<[Run]>, lo: &[u8], hi: Option<&[u8]>, piece: usize, scratch: &Path) -> io::Result<Sorted> {
        let cursors: Vec<_> = runs.iter().map(|run| run.between(lo, hi, piece)).collect();
        let heads = BinaryHeap::with_capacity(runs.len());
        let (hi, scratch) = (hi.map(<[u8]>::to_vec), scratch.to_path_buf());
        let mut sorted = Sorted { runs, cursors, heads, hi, is_given: false, value: Vec::new(), scratch };
        for n in 0..sorted.cursors.len() {
            sorted.begin(n, lo)?;
        }
        Ok(sorted)
    }

    /// Takes the first key of a run that is not below `lo`.
    fn begin(&mut self, n: usize, lo: &[u8]) -> io::Result<()> {
        let (run, cursor, mut key) = (&self.runs[n], &mut self.cursors[n], Vec::new());
        while cursor.next_key(run, &mut key)? {
            if *key >= *lo {
                if self.hi.as_ref().is_none_or(|hi| key < *hi) {
                    self.heads.push(Reverse((key, n)));
                }
                break;
            }
            cursor.load_value(&mut self.value)?;
            cursor.skip_value();
        }
        Ok(())
    }

    /// The next record.
    ///
    /// # Errors
    /// A run could not be read back.
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        match self.advance() {
            Ok(any) => Ok(if any { self.record() } else { None }),
            Err(e) => Err(Error::io("sort in", &self.scratch, e)),
        }
    }

    /// The record that [`advance`](Self::advance) went to.
    pub(super) fn record(&self) -> Option<(&[u8], &[u8])> {
        let Reverse((key, n)) = self.heads.peek()?;
        Some((key, self.cursors[*n].value(&self.runs[*n], &self.value)))
    }

    /// Goes to the next record; `false`: there is none.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        if std::mem::take(&mut self.is_given)
            && let Some(mut top) = self.heads.peek_mut()
        {
            let Reverse((key, n)) = &mut *top;
            let (run, cursor) = (&self.runs[*n], &mut self.cursors[*n]);
            cursor.skip_value();
            // The next key of the run replaces this one: that sifts once, not twice.
            let more = cursor.next_key(run, key)? && self.hi.as_ref().is_none_or(|hi| *key < *hi);
            if !more {
                PeekMut::pop(top);
            }
        }
        let Some(Reverse((_, n))) = self.heads.peek() else { return Ok(false) };
        self.cursors[*n].load_value(&mut self.value)?;
        self.is_given = true;
        Ok(true)
    }
}
