//! Sorting small records, in bounded memory: references to rows, or numbers.
//!
//! Full batches are sorted and spilled to unlinked temporary files; at the end the runs are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};

use rayon::slice::ParallelSliceMut as _;

use crate::error::{Error, Result};
use crate::run::Scratch;

/// Records of a batch.
const BATCH: usize = 1 << 20;

/// What can be sorted.
pub trait Record: Copy + Send {
    /// Type of the sort key.
    type Key: Ord + Send;
    /// Bytes of a record in a run.
    const STORED: usize;

    /// The sort key.
    fn key(&self) -> Self::Key;
    /// Appends [`STORED`](Record::STORED) bytes.
    fn write(&self, out: &mut impl io::Write) -> io::Result<()>;
    /// Reads what was written.
    fn read(stored: &[u8]) -> Self;
}

/// The field of a stored record that begins at `at`; zeros if there is none.
pub fn field<const N: usize>(stored: &[u8], at: usize) -> [u8; N] {
    stored.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

impl Record for u64 {
    type Key = u64;
    const STORED: usize = 8;

    fn key(&self) -> u64 {
        *self
    }

    fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(&self.to_le_bytes())
    }

    fn read(stored: &[u8]) -> u64 {
        u64::from_le_bytes(field(stored, 0))
    }
}

/// Takes records in any order.
pub struct Sorter<'t, R> {
    scratch: &'t dyn Scratch,
    batch: Vec<R>,
    runs: Vec<File>,
    most: usize,
}

impl<'t, R: Record> Sorter<'t, R> {
    /// An empty sorter; runs are spilled to files of `scratch`. `expected`: how many records may come.
    pub fn new(scratch: &'t dyn Scratch, expected: u64) -> Self {
        let room = usize::try_from(expected).map_or(BATCH, |expected| expected.min(BATCH));
        Sorter { scratch, batch: Vec::with_capacity(room), runs: Vec::new(), most: BATCH }
    }

    /// Takes one record.
    ///
    /// # Errors
    /// A full batch could not be spilled.
    #[inline]
    pub fn push(&mut self, record: R) -> Result<()> {
        self.batch.push(record);
        if self.batch.len() < self.most { Ok(()) } else { self.spill() }
    }

    /// Takes some records.
    ///
    /// # Errors
    /// A full batch could not be spilled.
    pub fn extend(&mut self, mut records: &[R]) -> Result<()> {
        while !records.is_empty() {
            let (now, later) = records.split_at(records.len().min(self.most - self.batch.len()));
            self.batch.extend_from_slice(now);
            records = later;
            if self.batch.len() == self.most {
                self.spill()?;
            }
        }
        Ok(())
    }

    #[cold]
    fn spill(&mut self) -> Result<()> {
        self.batch.sort_by_key(R::key);
        let file = self.scratch.file()?;
        self.runs.push(write_run(file, &self.batch).map_err(temporary)?);
        self.batch.clear();
        Ok(())
    }

    /// All records, sorted; records with equal keys in the order in which they were taken.
    ///
    /// # Errors
    /// A run could not be read back.
    pub fn finish(mut self) -> Result<Sorted<R>> {
        // This does not run inside a task: a thread that waits for its half of a sort may begin another task.
        self.batch.par_sort_by_key(R::key);
        let spilled = self.runs.into_iter().map(|file| Run::Spilled(BufReader::new(file), vec![0; R::STORED]));
        let mut runs: Vec<Run<R>> = spilled.collect();
        runs.push(Run::Held(self.batch.into_iter()));
        let mut sorted = Sorted { runs, heads: BinaryHeap::new() };
        (0..sorted.runs.len()).try_for_each(|run| sorted.refill(run)).map_err(temporary)?;
        Ok(sorted)
    }
}

#[cold]
fn temporary(e: io::Error) -> Error {
    Error::io("sort in", "a temporary file", e)
}

fn write_run<R: Record>(file: File, records: &[R]) -> io::Result<File> {
    let mut out = BufWriter::new(file);
    records.iter().try_for_each(|record| record.write(&mut out))?;
    let mut file = out.into_inner()?;
    file.flush()?;
    file.rewind()?;
    Ok(file)
}

enum Run<R> {
    Spilled(BufReader<File>, Vec<u8>),
    Held(std::vec::IntoIter<R>),
}

impl<R: Record> Run<R> {
    fn next(&mut self) -> io::Result<Option<R>> {
        let (file, stored) = match self {
            Run::Held(records) => return Ok(records.next()),
            Run::Spilled(file, stored) => (file, stored),
        };
        match file.read_exact(stored) {
            Ok(()) => Ok(Some(R::read(stored))),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Head of a run: ordered by key, then by the age of the run.
struct Head<R: Record>(R::Key, usize, R);

impl<R: Record> Ord for Head<R> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.0, self.1).cmp(&(&other.0, other.1))
    }
}

impl<R: Record> PartialOrd for Head<R> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<R: Record> PartialEq for Head<R> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<R: Record> Eq for Head<R> {}

/// Gives records in order.
pub struct Sorted<R: Record> {
    runs: Vec<Run<R>>,
    heads: BinaryHeap<Reverse<Head<R>>>,
}

impl<R: Record> Sorted<R> {
    fn refill(&mut self, run: usize) -> io::Result<()> {
        let next = self.runs[run].next()?;
        self.heads.extend(next.map(|record| Reverse(Head(record.key(), run, record))));
        Ok(())
    }

    /// The next record.
    ///
    /// # Errors
    /// A run could not be read back.
    pub fn next(&mut self) -> Result<Option<R>> {
        let Some(mut top) = self.heads.peek_mut() else { return Ok(None) };
        let Reverse(Head(_, run, record)) = &*top;
        let (run, record) = (*run, *record);
        // The next record of the run replaces it: that sifts once, not twice.
        match self.runs[run].next().map_err(temporary)? {
            Some(next) => *top = Reverse(Head(next.key(), run, next)),
            None => drop(PeekMut::pop(top)),
        }
        Ok(Some(record))
    }

    /// Takes records of the only run that has any left: there is nothing to merge.
    fn take_run(&mut self, most: usize, batch: &mut Vec<R>) -> Result<()> {
        let Some(Reverse(Head(_, run, first))) = self.heads.pop() else { return Ok(()) };
        batch.push(first);
        while batch.len() < most {
            match self.runs[run].next().map_err(temporary)? {
                Some(record) => batch.push(record),
                None => return Ok(()),
            }
        }
        self.refill(run).map_err(temporary)
    }

    /// The next records, about `most` of them. Records with equal keys are never separated. Empty: there are no more.
    ///
    /// # Errors
    /// A run could not be read back.
    pub fn next_batch(&mut self, most: usize) -> Result<Vec<R>> {
        let mut batch: Vec<R> = Vec::new();
        while let Some(Reverse(Head(key, ..))) = self.heads.peek() {
            if self.heads.len() == 1 && batch.len() < most {
                self.take_run(most, &mut batch)?;
                continue;
            }
            if batch.len() >= most && batch.last().is_some_and(|last| last.key() != *key) {
                break;
            }
            batch.extend(self.next()?);
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::output::tree::Tree;

    /// A record whose second half does not affect the order.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Pair(u64, u64);

    impl Record for Pair {
        type Key = u64;
        const STORED: usize = 16;

        fn key(&self) -> u64 {
            self.0
        }

        fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
            out.write_all(&[self.0.to_le_bytes(), self.1.to_le_bytes()].concat())
        }

        fn read(stored: &[u8]) -> Pair {
            Pair(u64::from_le_bytes(field(stored, 0)), u64::from_le_bytes(field(stored, 8)))
        }
    }

    fn sorted<R: Record>(records: &[R], batch: usize) -> Sorted<R> {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let mut sorter = Sorter { most: batch, ..Sorter::new(&tree, records.len() as u64) };
        let (alone, together) = records.split_at(records.len() / 2);
        alone.iter().for_each(|record| sorter.push(*record).unwrap());
        together.chunks(5).for_each(|records| sorter.extend(records).unwrap());
        sorter.finish().unwrap()
    }

    #[test]
    fn ties_stay_together_and_in_order() {
        let records = [Pair(1, 0), Pair(2, 9), Pair(1, 1), Pair(1, 2), Pair(0, 8), Pair(1, 3)];
        for batch in 1..8 {
            let mut sorted = sorted(&records, batch);
            let next = || Some(sorted.next_batch(2).unwrap()).filter(|batch| !batch.is_empty());
            let got: Vec<Vec<u64>> = std::iter::from_fn(next).map(|b| b.iter().map(|p| p.1).collect()).collect();
            assert_eq!(got, [vec![8, 0, 1, 2, 3], vec![9]], "batches of {batch}");
        }
    }

    proptest! {
        #[test]
        fn any_batch_size_sorts(records in prop::collection::vec(0u64..9, 0..60), batch in 1usize..70) {
            let mut sorted = sorted(&records, batch);
            let got: Vec<u64> = std::iter::from_fn(|| sorted.next().unwrap()).collect();
            let mut want = records;
            want.sort_unstable();
            prop_assert_eq!(got, want);
        }
    }
}
