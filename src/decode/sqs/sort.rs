//! Sorting references to rows, in bounded memory.
//!
//! What is kept of a row is 56 bytes: the file it goes to, its place in the order, and where it stands. Full batches are
//! sorted and spilled to unlinked temporary files; at the end the runs are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};

use rayon::slice::ParallelSliceMut as _;

use crate::dataset::RowRef;
use crate::error::{Error, Result};
use crate::output::tree::Tree;

/// Entries of a batch: 56 MiB.
const BATCH: usize = 1 << 20;
/// Bytes of a message ID that an entry holds.
pub const ID_PREFIX: usize = 16;
/// Bytes of an entry in a run.
const STORED: usize = 56;

/// A row and its place in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Number of the file that it goes to; the first key of the order.
    pub file: u32,
    /// Bytes of the value, to cut the work into even parts.
    pub len: u32,
    /// Send time; the second key.
    pub time: i64,
    /// Sequence number, or position of a side record; the third key.
    pub seq: u64,
    /// First bytes of the message ID, filled up with zeros; the last key.
    pub id: [u8; ID_PREFIX],
    /// Where the row stands.
    pub row: RowRef,
}

/// What entries are sorted by. Messages with equal keys differ in the rest of their IDs, if at all.
pub type Key = (u32, i64, u64, [u8; ID_PREFIX]);

impl Entry {
    /// What it is sorted by.
    pub fn key(&self) -> Key {
        (self.file, self.time, self.seq, self.id)
    }

    fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(&self.file.to_le_bytes())?;
        out.write_all(&self.len.to_le_bytes())?;
        out.write_all(&self.time.to_le_bytes())?;
        out.write_all(&self.seq.to_le_bytes())?;
        out.write_all(&self.id)?;
        out.write_all(&u64::from(self.row.group).to_le_bytes())?;
        out.write_all(&self.row.at.to_le_bytes())
    }

    fn read(stored: &[u8; STORED]) -> Entry {
        Entry {
            file: u32::from_le_bytes(field(stored, 0)),
            len: u32::from_le_bytes(field(stored, 4)),
            time: i64::from_le_bytes(field(stored, 8)),
            seq: u64::from_le_bytes(field(stored, 16)),
            id: field(stored, 24),
            row: RowRef { group: u32::from_le_bytes(field(stored, 40)), at: u64::from_le_bytes(field(stored, 48)) },
        }
    }
}

fn field<const N: usize>(stored: &[u8; STORED], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&stored[at..at + N]);
    field
}

/// The start of a message ID as an entry holds it.
pub fn id_prefix(id: &[u8]) -> [u8; ID_PREFIX] {
    let mut prefix = [0; ID_PREFIX];
    let len = id.len().min(ID_PREFIX);
    prefix[..len].copy_from_slice(&id[..len]);
    prefix
}

/// Takes entries in any order.
pub struct Sorter<'t> {
    tree: &'t Tree,
    batch: Vec<Entry>,
    runs: Vec<File>,
    most: usize,
}

impl<'t> Sorter<'t> {
    /// Nothing taken yet; runs are spilled beside the files of `tree`. `expected`: how many entries may come.
    pub fn new(tree: &'t Tree, expected: u64) -> Self {
        let room = usize::try_from(expected).map_or(BATCH, |expected| expected.min(BATCH));
        Sorter { tree, batch: Vec::with_capacity(room), runs: Vec::new(), most: BATCH }
    }

    /// Takes some entries.
    ///
    /// # Errors
    /// A full batch could not be spilled.
    pub fn extend(&mut self, mut entries: &[Entry]) -> Result<()> {
        while !entries.is_empty() {
            let (now, later) = entries.split_at(entries.len().min(self.most - self.batch.len()));
            self.batch.extend_from_slice(now);
            entries = later;
            if self.batch.len() == self.most {
                self.spill()?;
            }
        }
        Ok(())
    }

    #[cold]
    fn spill(&mut self) -> Result<()> {
        self.batch.sort_by_key(Entry::key);
        let file = self.tree.scratch()?;
        self.runs.push(write_run(file, &self.batch).map_err(temporary)?);
        self.batch.clear();
        Ok(())
    }

    /// All entries, sorted; those with equal keys in the order they were taken.
    ///
    /// # Errors
    /// A run could not be read back.
    pub fn finish(mut self) -> Result<Sorted> {
        // Not while units run: a thread that waits for its half of a sort may take up another unit.
        self.batch.par_sort_by_key(Entry::key);
        let mut runs: Vec<Run> = self.runs.into_iter().map(|file| Run::Spilled(BufReader::new(file))).collect();
        runs.push(Run::Held(self.batch.into_iter()));
        let mut sorted = Sorted { runs, heads: BinaryHeap::new() };
        (0..sorted.runs.len()).try_for_each(|run| sorted.refill(run)).map_err(temporary)?;
        Ok(sorted)
    }
}

#[cold]
fn temporary(e: io::Error) -> Error {
    Error::io("sort messages in", "a temporary file", e)
}

fn write_run(file: File, entries: &[Entry]) -> io::Result<File> {
    let mut out = BufWriter::new(file);
    entries.iter().try_for_each(|entry| entry.write(&mut out))?;
    let mut file = out.into_inner()?;
    file.flush()?;
    file.rewind()?;
    Ok(file)
}

enum Run {
    Spilled(BufReader<File>),
    Held(std::vec::IntoIter<Entry>),
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Entry>> {
        let file = match self {
            Run::Held(entries) => return Ok(entries.next()),
            Run::Spilled(file) => file,
        };
        let mut stored = [0; STORED];
        match file.read_exact(&mut stored) {
            Ok(()) => Ok(Some(Entry::read(&stored))),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Head of a run: ordered by key, then by the age of the run.
struct Head(Key, usize, Entry);

impl Ord for Head {
    fn cmp(&self, other: &Head) -> std::cmp::Ordering {
        (&self.0, self.1).cmp(&(&other.0, other.1))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

/// Gives entries in order.
pub struct Sorted {
    runs: Vec<Run>,
    heads: BinaryHeap<Reverse<Head>>,
}

impl Sorted {
    fn refill(&mut self, run: usize) -> io::Result<()> {
        let next = self.runs[run].next()?;
        self.heads.extend(next.map(|entry| Reverse(Head(entry.key(), run, entry))));
        Ok(())
    }

    /// Takes entries of the one run that has any left: nothing is to be merged.
    fn take_run(&mut self, most: usize, batch: &mut Vec<Entry>) -> Result<()> {
        let Some(Reverse(Head(_, run, first))) = self.heads.pop() else { return Ok(()) };
        batch.push(first);
        while batch.len() < most {
            match self.runs[run].next().map_err(temporary)? {
                Some(entry) => batch.push(entry),
                None => return Ok(()),
            }
        }
        self.refill(run).map_err(temporary)
    }

    /// The next entries, about `most` of them: entries with equal keys are not set apart. Empty: there are no more.
    ///
    /// # Errors
    /// A run could not be read back.
    pub fn next_batch(&mut self, most: usize) -> Result<Vec<Entry>> {
        let mut batch: Vec<Entry> = Vec::new();
        while let Some(Reverse(Head(key, ..))) = self.heads.peek() {
            if self.heads.len() == 1 && batch.len() < most {
                self.take_run(most, &mut batch)?;
                continue;
            }
            if batch.len() >= most && batch.last().is_some_and(|last| last.key() != *key) {
                break;
            }
            let Some(Reverse(Head(_, run, entry))) = self.heads.pop() else { break };
            batch.push(entry);
            self.refill(run).map_err(temporary)?;
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(file: u32, time: i64, seq: u64, id: &[u8], at: u64) -> Entry {
        let row = RowRef { group: 7, at };
        Entry { file, len: u32::MAX, time, seq, id: id_prefix(id), row }
    }

    fn sort(entries: &[Entry], batch: usize, most: usize) -> Vec<Vec<Entry>> {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let mut sorter = Sorter { most: batch, ..Sorter::new(&tree, entries.len() as u64) };
        entries.chunks(5).for_each(|entries| sorter.extend(entries).unwrap());
        let mut sorted = sorter.finish().unwrap();
        let next = || Some(sorted.next_batch(most).unwrap()).filter(|batch| !batch.is_empty());
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry>(), 56);
    }

    #[test]
    fn ties_stay_together_and_in_order() {
        let tie = |at| entry(1, -1, 2, b"0123456789abcdefX", at);
        let entries = [tie(0), entry(1, -1, 3, b"", 9), tie(1), tie(2), entry(0, 5, 0, b"", 8), tie(3)];
        for batch in 1..8 {
            let got = sort(&entries, batch, 2);
            let places: Vec<Vec<u64>> = got.iter().map(|b| b.iter().map(|e| e.row.at).collect()).collect();
            assert_eq!(places, [vec![8, 0, 1, 2, 3], vec![9]], "batches of {batch}");
        }
    }

    proptest! {
        #[test]
        fn any_batch_size_sorts(
            raw in prop::collection::vec((0u32..3, -2i64..2, 0u64..2, "[ab]{0,2}"), 0..60), batch in 1usize..70, most in 1usize..9,
        ) {
            let make = |(at, (file, time, seq, id)): (usize, &(u32, i64, u64, String))| {
                entry(*file, *time, *seq, id.as_bytes(), at as u64)
            };
            let entries: Vec<Entry> = raw.iter().enumerate().map(make).collect();
            let mut want = entries.clone();
            want.sort_by_key(Entry::key);
            prop_assert_eq!(sort(&entries, batch, most).concat(), want);
        }
    }
}
