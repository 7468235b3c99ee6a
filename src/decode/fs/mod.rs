//! The file system (`fs.md`): from inodes, names and chunks to a tree of files.
//!
//! 1. A census of all names tells which inodes have several: second names, and names that lead back.
//! 2. One thread walks the directories from the root, depth first; units write what it finds, batch by batch. A file's
//!    chunks are a range of keys, read from the map as they are written.
//! 3. What was not reached is lost, or was deleted and not freed yet. Chunks that no file needs, and rows that no reader
//!    needs, are read, counted and explained.
//!
//! | path below `fs/` | what | when |
//! |---|---|---|
//! | `tree/…` | files and directories, names encoded | always |
//! | `metadata.jsonl` | a line for each, in the order of the walk; see [`render`] | always |
//! | `KEYMAP.jsonl` | names that cannot be told from their encoding | if there are any |
//! | `report.json` | counts and anomalies | always |
//! | `apart/INODE` | what cannot stand in its directory; see [`names`] | if there are any |
//! | `lost+found/INODE`, `lost+found/INODE.dir` | what no name leads to; names in what is no directory | if there are any |
//! | `orphans/INODE` | deleted, but still open or not freed yet | `--include-orphans` |
//!
//! Modes, owners and times are in metadata.jsonl; an archive has them too.

mod body;
mod census;
mod chunks;
mod findings;
mod flight;
mod left;
mod marks;
pub mod names;
pub mod open;
pub mod render;
mod report;
mod scan;
mod unit;
mod walk;

use super::sort::Sorted;
use super::{Job, engine};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::family::Class;
use crate::format::fs::{ROOT, key};
use crate::format::{Adapter, Family};
use crate::output::unit::{Collector, UnitOut};
use census::Census;
use marks::Marks;
use names::{Names, TREE};
use report::Counted;
use unit::Context;
use walk::{Batch, Start, Walker};

pub(crate) use body::MOST_ZEROS;

/// Decodes the file system, if there is one.
///
/// # Errors
/// The first damaged row that a file or directory needs, or a failed write.
pub(super) fn decode(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let is_fs = |family: Family| family.class() == Class::Adapter(Adapter::Fs);
    let counted = job.set.merged_counts().families().any(|(family, count)| is_fs(family) && count.live > 0);
    if !counted && job.set.made_by_intents(is_fs)?.is_empty() {
        return Ok(());
    }
    let mut lines = UnitOut::new(job.tree);
    lines.log(unit::METADATA);
    job.collector.take(lines)?;
    let Census { mut marks, unreachable } = Census::take(job)?;
    let met = tree(job, &mut marks)?;
    if !job.options.filter.is_trivial() {
        // What was not asked for was not reached either.
        return report::write(job, None);
    }
    let mut left = left::find(job, met)?;
    lost(job, &mut marks, &mut left.lost, unreachable)?;
    if job.options.include_orphans {
        orphans(job, &mut left.orphans)?;
    }
    let flight = flight::read(job)?;
    let chunks = chunks::check(job, &flight)?;
    let counted = Counted { left: &left, chunks, flight: &flight };
    report::compare(job, &counted);
    report::write(job, Some(&counted))
}

/// Writes what can be reached from the root; gives the numbers of what was reached.
fn tree(job: &mut Job<'_, '_, '_>, marks: &mut Marks) -> Result<Sorted<u64>> {
    let mut walker = Walker::new(job.set, job.tree, &job.options.filter, names_of(job), marks, None);
    let mut root = Some(Start { number: ROOT, tree: TREE.into(), root: true });
    write(job, "tree", || walker.batch(&mut |walker| root.take().map(|root| walker.start(&root)).transpose()))?;
    walker.met.finish()
}

fn lost(job: &mut Job<'_, '_, '_>, marks: &mut Marks, lost: &mut Marks, unreachable: Sorted<u64>) -> Result<()> {
    let mut walker = Walker::new(job.set, job.tree, &job.options.filter, names_of(job), marks, Some(lost));
    let mut starts = left::LostStarts::new(unreachable);
    write(job, "lost+found", || walker.batch(&mut |walker| starts.start(walker)))
}

fn orphans(job: &mut Job<'_, '_, '_>, orphans: &mut Sorted<u64>) -> Result<()> {
    let set = job.set;
    write(job, "orphans", || left::orphans(set, orphans))
}

fn names_of(job: &Job<'_, '_, '_>) -> Names {
    Names { raw: job.options.archive.is_some() }
}

/// Writes batches, as they are found.
fn write<'a>(
    job: &mut Job<'_, 'a, '_>,
    scope: &'static str,
    next: impl FnMut() -> Result<Option<Batch<'a>>> + Send,
) -> Result<()> {
    let cx = Context { set: job.set, tree: job.tree, names: names_of(job), scope };
    let collector: &mut Collector<'_> = job.collector;
    job.progress.begin("fs", 0);
    let (progress, tree) = (job.progress, job.tree);
    engine::run_pulled(
        next,
        |batch| unit::write(cx, batch),
        |out| {
            super::step(progress, tree);
            collector.take(out)
        },
    )
}

/// The rows that tell of what a path leads to: its name, and its inode.
///
/// # Errors
/// A damaged row on the way.
pub(super) fn rows_of(set: &DataSet<'_>, path: &[u8]) -> Result<Vec<Vec<u8>>> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let (parent, name) = path.split_at(memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1));
    let mut rows = Vec::new();
    if let Some(parent) = open::resolve(set, parent)?.filter(|_| !name.is_empty()) {
        rows.push(key::entry(parent.number, name));
    }
    rows.extend(open::resolve(set, path)?.map(|node| key::numbers(Family::FsInode, &[node.number])));
    Ok(rows)
}
