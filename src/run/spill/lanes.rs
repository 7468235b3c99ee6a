//! A sorter for records that arrive as several sequences, each of them nearly in order.
//!
//! Rows of one object belong to several families. In the order in which objects come, the rows of each family ascend, but all of them
//! together do not. So each family has a lane, with batches and runs of its own: what comes in order is not sorted, and stays one run.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{Batch, LIMITS, Limits, SortedRuns, Spill, Threads};
use crate::error::Result;

/// The records of a block, by lanes.
#[derive(Default)]
pub struct LaneBatches {
    lanes: Vec<(&'static str, Batch)>,
    /// The lane of the last record.
    last: usize,
}

impl LaneBatches {
    /// Takes a record; key and value have two parts. `lane_of`: the lane of a key, as the prefix that the keys of the lane have in common.
    ///
    /// # Errors
    /// A key or value of 4 GiB.
    pub fn push(
        &mut self,
        key: [&[u8]; 2],
        value: [&[u8]; 2],
        lane_of: impl FnOnce(&[u8]) -> &'static str,
    ) -> io::Result<()> {
        let lane = self.lane(key[0], lane_of);
        self.lanes[lane].1.push_parts(key, value)
    }

    /// The number of a key's lane. The lanes of a block are few, and prefixes of more than one byte are nearly always right, so they are
    /// tried first. A wrong lane costs time and changes nothing else.
    fn lane(&mut self, key: &[u8], lane_of: impl FnOnce(&[u8]) -> &'static str) -> usize {
        let fits = |lane: &str| lane.len() > 1 && key.starts_with(lane.as_bytes());
        if self.lanes.get(self.last).is_none_or(|(lane, _)| !fits(lane)) {
            self.last = match self.lanes.iter().position(|(lane, _)| fits(lane)) {
                Some(known) => known,
                None => self.exact(lane_of(key)),
            };
        }
        self.last
    }

    fn exact(&mut self, lane: &'static str) -> usize {
        self.lanes.iter().position(|(known, _)| *known == lane).unwrap_or_else(|| {
            self.lanes.push((lane, Batch::default()));
            self.lanes.len() - 1
        })
    }

    /// Bytes that the records take.
    pub fn held(&self) -> usize {
        self.lanes.iter().map(|(_, batch)| batch.held()).sum()
    }

    /// Sorts each lane, on this thread.
    pub fn sort(&mut self) {
        self.lanes.iter_mut().for_each(|(_, batch)| batch.sort_alone());
    }

    /// Forgets the records and keeps the memory.
    pub fn clear(&mut self) {
        self.lanes.iter_mut().for_each(|(_, batch)| batch.clear());
    }
}

/// Takes blocks of records.
pub struct Lanes {
    scratch: PathBuf,
    lanes: BTreeMap<&'static str, Spill>,
    limits: Limits,
}

impl Lanes {
    /// No records yet; runs go to the file system of `scratch`.
    pub fn new(scratch: &Path) -> Lanes {
        Lanes::with(scratch, LIMITS)
    }

    pub(super) fn with(scratch: &Path, limits: Limits) -> Lanes {
        Lanes { scratch: scratch.to_path_buf(), lanes: BTreeMap::new(), limits }
    }

    /// Takes a record of a lane.
    ///
    /// # Errors
    /// A full batch could not be spilled.
    pub fn push(&mut self, lane: &'static str, key: &[u8], value: &[u8]) -> Result<()> {
        self.lane(lane).push(key, value)
    }

    /// Takes the records of a block.
    ///
    /// # Errors
    /// A full batch could not be spilled.
    pub fn append(&mut self, block: &LaneBatches, threads: Threads) -> Result<()> {
        self.make_room(block.held(), threads)?;
        for (lane, batch) in block.lanes.iter().filter(|(_, batch)| !batch.is_empty()) {
            self.lane(lane).batch.append(batch);
        }
        Ok(())
    }

    fn lane(&mut self, lane: &'static str) -> &mut Spill {
        let (scratch, limits) = (&self.scratch, self.limits);
        self.lanes.entry(lane).or_insert_with(|| Spill::with(scratch, limits))
    }

    /// Spills the largest batch if all of them together would be too large.
    fn make_room(&mut self, more: usize, threads: Threads) -> Result<()> {
        let held: usize = self.lanes.values().map(|lane| lane.batch.held()).sum();
        if held + more <= self.limits.batch {
            return Ok(());
        }
        // Only the lane that is spilled now keeps the memory of an emptied batch: mostly it is the next one that fills up, too.
        self.lanes.values_mut().filter(|lane| lane.batch.is_empty()).for_each(|lane| lane.batch = Batch::default());
        let largest = self.lanes.values_mut().max_by_key(|lane| lane.batch.held());
        largest.filter(|lane| !lane.batch.is_empty()).map_or(Ok(()), |lane| lane.spill(threads))
    }

    /// All records, sorted.
    pub fn finish(self) -> SortedRuns {
        let Lanes { scratch, lanes, limits } = self;
        let mut runs = Vec::new();
        lanes.into_values().for_each(|mut lane| lane.runs_into(&mut runs));
        SortedRuns::new(runs, limits, scratch)
    }
}
