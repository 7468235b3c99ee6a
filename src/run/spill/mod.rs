//! Sorting records of any length, in bounded memory: a key and a value, both bytes, ordered by key and then by arrival.
//!
//! A full batch is sorted and spilled as a *run* to an unlinked temporary file. Runs are merged at the end. Many runs are merged into
//! longer ones before that, so that neither their number nor their buffers grow with the data. A value in a run is not in memory until its
//! turn has come.
//!
//! Callers with typed records encode them as bytes that sort like the records; `format::ordered` helps.

mod batch;
mod lanes;
mod runs;
mod sorted;

use std::io;
use std::path::{Path, PathBuf};

pub use batch::Batch;
pub use lanes::{LaneBatches, Lanes};
pub use sorted::{Sorted, SortedRuns};

use crate::error::{Error, Result};
use runs::{Age, Run};

/// Bytes of a batch.
const BATCH: usize = 48 << 20;
/// Runs of one age that are merged into one.
const FAN_IN: usize = 64;
/// Bytes of a run that are read at a time.
const PIECE: usize = 256 << 10;
/// The same if a range is read, of which each run has only a part, and bytes of a run between two positions where a range can begin.
const SMALL_PIECE: usize = 64 << 10;

/// How memory is used. Tests make it tiny; the order does not depend on it.
#[derive(Debug, Clone, Copy)]
struct Limits {
    batch: usize,
    fan_in: usize,
    piece: usize,
    small_piece: usize,
}

const LIMITS: Limits = Limits { batch: BATCH, fan_in: FAN_IN, piece: PIECE, small_piece: SMALL_PIECE };

/// Takes records in any order.
pub struct Spill {
    scratch: PathBuf,
    batch: Batch,
    /// Runs by age: those of the second age were merged from `FAN_IN` runs of the first, and so on.
    ages: Vec<Age>,
    limits: Limits,
}

/// The threads that sort a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// On all threads: outside of tasks.
    All,
    /// On the thread of a task.
    This,
}

impl Spill {
    /// An empty sorter; runs go to the file system of `scratch`.
    pub fn new(scratch: &Path) -> Spill {
        Spill::with(scratch, LIMITS)
    }

    /// As [`new`](Self::new), with at most `batch` bytes of records in memory.
    pub fn with_batch(scratch: &Path, batch: usize) -> Spill {
        Spill::with(scratch, Limits { batch, ..LIMITS })
    }

    fn with(scratch: &Path, limits: Limits) -> Spill {
        Spill { scratch: scratch.to_path_buf(), batch: Batch::default(), ages: Vec::new(), limits }
    }

    /// Takes a record.
    ///
    /// # Errors
    /// A full batch could not be spilled.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let more = key.len() + value.len() + Batch::RECORD;
        if !self.batch.is_empty() && self.batch.held() + more > self.limits.batch {
            self.spill(Threads::All)?;
        }
        self.batch.push(key, value).map_err(|e| self.failed(e))
    }

    /// Takes the records of another sorter that has not spilled any. This may run in a task.
    ///
    /// # Errors
    /// A full batch could not be spilled.
    pub fn append(&mut self, batch: &Batch) -> Result<()> {
        if !self.batch.is_empty() && self.batch.held() + batch.held() > self.limits.batch {
            self.spill(Threads::This)?;
        }
        self.batch.append(batch);
        Ok(())
    }

    #[cold]
    fn failed(&self, e: io::Error) -> Error {
        Error::io("sort in", &self.scratch, e)
    }

    fn spill(&mut self, threads: Threads) -> Result<()> {
        match threads {
            Threads::All => self.batch.sort(),
            Threads::This => self.batch.sort_alone(),
        }
        self.write_run().map_err(|e| self.failed(e))
    }

    fn write_run(&mut self) -> io::Result<()> {
        let batch = &self.batch;
        let key = |number| batch.record(number).map_or(&[][..], |(key, _)| key);
        let ends = (key(0), key(batch.len().saturating_sub(1)));
        let age = age(&mut self.ages, 0, &self.scratch, self.limits)?;
        age.append(ends, |out| batch.iter().try_for_each(|(key, value)| out.put(key, value)))?;
        self.batch.clear();
        self.merge_full_ages()
    }

    /// Merges the runs of each age that has many of them into one run of the next age.
    fn merge_full_ages(&mut self) -> io::Result<()> {
        let mut young = 0;
        while self.ages.get(young).is_some_and(|age| age.runs.len() >= self.limits.fan_in) {
            let empty = Age::new(&self.scratch, self.limits.small_piece)?;
            let full = std::mem::replace(&mut self.ages[young], empty);
            let mut sorted = Sorted::of_runs(full.into_runs().collect(), self.limits)?;
            // Its first key is not known before it is written, so no run is continued here.
            age(&mut self.ages, young + 1, &self.scratch, self.limits)?.append((&[], &[]), |out| {
                while sorted.advance()? {
                    sorted.record().map_or(Ok(()), |(key, value)| out.put(key, value))?;
                }
                Ok(())
            })?;
            young += 1;
        }
        Ok(())
    }

    /// All records, in order.
    ///
    /// # Errors
    /// A run could not be read back.
    pub fn finish(mut self) -> Result<Sorted> {
        let (scratch, limits) = (self.scratch.clone(), self.limits);
        let mut runs = Vec::new();
        self.runs_into(&mut runs);
        SortedRuns::new(runs, limits, scratch).all()
    }

    /// Appends the runs, older ones first: their records were taken before those of younger runs.
    fn runs_into(&mut self, runs: &mut Vec<Run>) {
        self.batch.sort();
        runs.extend(std::mem::take(&mut self.ages).into_iter().rev().flat_map(Age::into_runs));
        runs.push(Run::Held(std::mem::take(&mut self.batch)));
    }
}

fn age<'a>(ages: &'a mut Vec<Age>, n: usize, scratch: &Path, limits: Limits) -> io::Result<&'a mut Age> {
    if ages.len() == n {
        ages.push(Age::new(scratch, limits.small_piece)?);
    }
    Ok(&mut ages[n])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Record = (Vec<u8>, Vec<u8>);

    fn sorted(records: &[Record], limits: Limits) -> Vec<Record> {
        let mut spill = Spill::with(&std::env::temp_dir(), limits);
        records.iter().for_each(|(key, value)| spill.push(key, value).unwrap());
        let (mut sorted, mut all) = (spill.finish().unwrap(), Vec::new());
        while let Some((key, value)) = sorted.next().unwrap() {
            all.push((key.to_vec(), value.to_vec()));
        }
        all
    }

    #[test]
    fn a_record_longer_than_a_batch() {
        let records: Vec<Record> = (0..9u8).rev().map(|n| (vec![n; 40], vec![n; 4000])).collect();
        let got = sorted(&records, Limits { batch: 64, fan_in: 2, piece: 7, small_piece: 7 });
        assert!(got.iter().rev().eq(&records));
    }

    fn in_ranges(runs: &SortedRuns, cuts: &[Vec<u8>]) -> Vec<Record> {
        let mut all = Vec::new();
        for n in 0..=cuts.len() {
            let lo = n.checked_sub(1).map_or(&[][..], |n| &cuts[n]);
            let mut range = runs.between(lo, cuts.get(n).map(|cut| &cut[..])).unwrap();
            while let Some((key, value)) = range.next().unwrap() {
                all.push((key.to_vec(), value.to_vec()));
            }
        }
        all
    }

    proptest! {
        /// Blocks of records in several lanes, and ranges of all of them.
        #[test]
        fn any_lanes_and_ranges_sort(
            blocks in prop::collection::vec(
                prop::collection::vec((prop::collection::vec(0u8..3, 0..6), 0u8..4), 0..20), 0..8,
            ),
            batch in 1usize..2000, fan_in in 2usize..5, piece in 1usize..40, range in 1u64..300, alone: bool,
        ) {
            let limits = Limits { batch, fan_in, piece, small_piece: piece };
            let (mut lanes, mut want) = (Lanes::with(&std::env::temp_dir(), limits), Vec::new());
            let mut block = LaneBatches::default();
            for records in &blocks {
                for (key, n) in records {
                    // Keys that are equal must be in one lane.
                    let key = [key, &[*n, 7][..]].concat();
                    let (lane, value) = (["", "one", "two", "three"][usize::from(*n)], vec![want.len() as u8; usize::from(*n)]);
                    block.push([&key[..1], &key[1..]], [&value, b""], |_| lane).unwrap();
                    want.push((key, value));
                }
                block.sort();
                lanes.append(&block, if alone { Threads::This } else { Threads::All }).unwrap();
                block.clear();
            }
            want.sort_by(|a, b| a.0.cmp(&b.0));
            let runs = lanes.finish();
            let cuts = runs.cuts(range);
            prop_assert!(cuts.is_sorted() && cuts.iter().all(|cut| !cut.is_empty()));
            prop_assert_eq!(&in_ranges(&runs, &cuts), &want);
            prop_assert_eq!(in_ranges(&runs, &[]), want);
        }

        /// Marks keep the beginnings of keys, which may be equal or end inside a key.
        #[test]
        fn ranges_of_long_keys(
            records in prop::collection::vec((60usize..70, 0u8..2, any::<u8>()), 0..60),
            batch in 1usize..4000, range in 1u64..900,
        ) {
            let limits = Limits { batch, fan_in: 3, piece: 16, small_piece: 16 };
            let (mut spill, mut want) = (Spill::with(&std::env::temp_dir(), limits), Vec::new());
            for (len, first, last) in records {
                let mut key = vec![7; len];
                (key[1], key[len - 1]) = (first, last);
                spill.push(&key, b"value").unwrap();
                want.push((key, b"value".to_vec()));
            }
            want.sort();
            let mut runs = Vec::new();
            spill.runs_into(&mut runs);
            let runs = SortedRuns::new(runs, limits, std::env::temp_dir());
            prop_assert_eq!(in_ranges(&runs, &runs.cuts(range)), want);
        }

        #[test]
        fn any_limits_sort(
            records in prop::collection::vec((prop::collection::vec(0u8..3, 0..12), any::<u16>()), 0..80),
            batch in 1usize..2000, fan_in in 2usize..5, piece in 1usize..40,
        ) {
            let records: Vec<Record> =
                records.into_iter().map(|(key, n)| (key, n.to_le_bytes()[..usize::from(n % 3)].to_vec())).collect();
            let mut want = records.clone();
            want.sort_by(|a, b| a.0.cmp(&b.0));
            prop_assert_eq!(sorted(&records, Limits { batch, fan_in, piece, small_piece: piece }), want);
        }
    }
}
