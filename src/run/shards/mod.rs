//! Shares splits among processes: each process runs some of them and records the results, and one process merges all records (`plan.md`
//! §4).
//!
//! Results of splits are taken in the order of splits. The code that takes them does not know which process ran them.

mod recorded;
mod recorder;
mod share;

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use super::engine::{self, Ahead, Done};
use crate::error::Result;
use crate::format::Adapter;
use crate::format::wire::Reader;
use crate::output::record::Lines;
use crate::output::split::SplitOutput;
use crate::output::tree::Tree;
pub use recorded::{Shard, Shards};
pub use recorder::Recorder;
pub use share::Share;

/// The first bytes of the record of a shard.
const MAGIC: &[u8; 8] = b"EKVSHRD1";
/// Length of the digest of a plan, and of the digest at the end of a record.
pub const DIGEST: usize = 32;
/// The file with the results of its splits.
pub const RECORD: &str = "RECORD";
/// The file with lines of shared files.
pub const LINES: &str = "LINES";
/// The folder with the files that the shard wrote.
pub const FILES: &str = "files";
/// Kinds of entries of a record.
const SPLIT: u8 = 1;
const SUMS: u8 = 2;
const WHOLE: u8 = 3;
const MARKS: u8 = 4;
const END: u8 = 5;

/// Which part of the work a run does.
#[derive(Clone, Copy, Default)]
pub enum Role<'r> {
    /// All of it.
    #[default]
    All,
    /// Some splits; their results are recorded.
    Shard(&'r Recorder),
    /// Everything but the splits, whose records exist.
    Merge(&'r Shards),
}

/// A shard of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Which {
    /// From 0.
    pub index: u32,
    /// The number of shards.
    pub count: u32,
}

impl Which {
    /// The name of its directory.
    pub fn name(self) -> String {
        format!("shard-{}-of-{}", self.index, self.count)
    }

    /// The shard whose directory has this name.
    pub fn of_name(name: &str) -> Option<Which> {
        let (index, count) = name.strip_prefix("shard-")?.split_once("-of-")?;
        let which = Which { index: index.parse().ok()?, count: count.parse().ok()? };
        (which.name() == name).then_some(which)
    }
}

/// The result of a split, as bytes.
pub trait Recordable<'t>: Done + Sized {
    /// Appends the result; its lines go to `lines`.
    ///
    /// # Errors
    /// A failed write.
    fn record(self, lines: &mut Lines, out: &mut Vec<u8>) -> Result<()>;

    /// Reads a result; `None`: the bytes are not valid.
    fn replay(reader: &mut Reader<'_>, lines: &Arc<File>, tree: &'t Tree) -> Option<Self>;
}

/// Runs the splits of an adapter that belong to this run, or takes the recorded results of other processes. `order` gives the split at each
/// position of the output; a shard records them in the order of their numbers.
///
/// # Errors
/// As [`engine::run_with`]; a record that cannot be written or read.
pub fn run_splits<'t, T: Recordable<'t>, W>(
    (role, adapter, tree): (Role<'_>, Adapter, &'t Tree),
    splits: (usize, &(dyn Fn(usize) -> usize + Sync)),
    work: impl Fn(usize) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<W> + Send,
    after: impl Fn(W) -> Result<()> + Sync,
) -> Result<()> {
    run_splits_ahead((role, adapter, tree), splits, |split, _| work(split), commit, after)
}

/// As [`run_splits`], for splits that may give parts of their results before they are done ([`engine::run_ahead`]), except in a
/// shard, whose record has a split in one piece.
///
/// # Errors
/// As [`engine::run_ahead`]; a record that cannot be written or read.
pub fn run_splits_ahead<'t, T: Recordable<'t>, W>(
    (role, adapter, tree): (Role<'_>, Adapter, &'t Tree),
    (splits, order): (usize, &(dyn Fn(usize) -> usize + Sync)),
    work: impl Fn(usize, Option<&Ahead<'_, T>>) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<W> + Send,
    after: impl Fn(W) -> Result<()> + Sync,
) -> Result<()> {
    match role {
        Role::All => engine::run_ahead(splits, |i, ahead| work(order(i), Some(ahead)), commit, after),
        Role::Shard(recorder) => {
            let mine = recorder.share().splits(splits);
            let mut number = mine.start;
            engine::run(
                mine.len(),
                |i| work(mine.start + i, None),
                |done| {
                    recorder.split(adapter, number, done)?;
                    number += 1;
                    Ok(())
                },
            )
        }
        Role::Merge(shards) => engine::run_with(splits, |i| shards.split(adapter, order(i), tree), commit, after),
    }
}

/// As [`run_splits`], for further splits after the first ones, if it is not known how many come after these.
///
/// # Errors
/// As [`engine::run_with`]; a record that cannot be written or read.
pub fn run_more_splits<'t, T: Recordable<'t>, W>(
    (role, adapter, tree): (Role<'_>, Adapter, &'t Tree),
    splits: Range<usize>,
    work: impl Fn(usize) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<W> + Send,
    after: impl Fn(W) -> Result<()> + Sync,
) -> Result<()> {
    match role {
        Role::All => engine::run_with(splits.len(), |i| work(splits.start + i), commit, after),
        Role::Shard(recorder) => {
            let mine: Vec<usize> = splits.filter(|number| recorder.share().takes(*number)).collect();
            engine::run(
                mine.len(),
                |i| Ok(Numbered(mine[i], work(mine[i])?)),
                |Numbered(number, done)| recorder.split(adapter, number, done),
            )
        }
        Role::Merge(shards) => {
            engine::run_with(splits.len(), |i| shards.split(adapter, splits.start + i, tree), commit, after)
        }
    }
}

/// As [`run_splits`], for splits that each process finds one after the other: their number is not known before.
///
/// # Errors
/// As [`engine::run_pulled`]; a record that cannot be written or read.
pub fn run_pulled_splits<'t, U: Send, T: Recordable<'t>, W>(
    (role, adapter, tree): (Role<'_>, Adapter, &'t Tree),
    mut next: impl FnMut() -> Result<Option<U>> + Send,
    work: impl Fn(U) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<W> + Send,
    after: impl Fn(W) -> Result<()> + Sync,
) -> Result<()> {
    let mut count = 0;
    let mut numbered = || -> Result<Option<(usize, U)>> {
        let found = next()?.map(|split| (count, split));
        count += 1;
        Ok(found)
    };
    match role {
        Role::All => engine::run_pulled(next, work, commit, after),
        Role::Shard(recorder) => {
            let mine = || loop {
                match numbered()? {
                    Some((number, _)) if !recorder.share().takes(number) => {}
                    found => return Ok(found),
                }
            };
            engine::run_pulled(
                mine,
                |(number, split)| Ok(Numbered(number, work(split)?)),
                |Numbered(number, done)| recorder.split(adapter, number, done),
                Ok,
            )
        }
        Role::Merge(shards) => {
            engine::run_pulled(numbered, |(number, _)| shards.split(adapter, number, tree), commit, after)
        }
    }
}

/// The result of a split, with its number.
struct Numbered<T>(usize, T);

impl<T: Done> Done for Numbered<T> {
    fn held(&self) -> usize {
        self.1.held()
    }
}

impl<'t> Recordable<'t> for SplitOutput<'t> {
    fn record(self, lines: &mut Lines, out: &mut Vec<u8>) -> Result<()> {
        SplitOutput::record(self, lines, out)
    }

    fn replay(reader: &mut Reader<'_>, lines: &Arc<File>, tree: &'t Tree) -> Option<Self> {
        SplitOutput::replay(reader, lines, tree)
    }
}
