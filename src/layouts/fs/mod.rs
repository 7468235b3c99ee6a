//! The file system in both layouts, and in an archive: a tree of files, and a line for each.
//!
//! | path below `fs/` | content | when |
//! |---|---|---|
//! | `tree/…` | files and directories, names encoded | always |
//! | `metadata.jsonl` | a line for each, in the order of the walk; see `render` | always |
//! | `KEYMAP.jsonl` | names that cannot be recovered from their encoding | if there are any |
//! | `report.json` | counts and anomalies | always |
//! | `apart/INODE` | files whose path or name the target cannot store; see `names` | if there are any |
//! | `lost+found/INODE`, `lost+found/INODE.dir` | inodes that no name leads to; names in something not a directory | if there are any |
//! | `orphans/INODE` | deleted, but still open or not freed yet | `--include-orphans` |
//!
//! Modes, owners and times are in metadata.jsonl; an archive has them too.
//!
//! One thread does the walk; a visitor plans the place of each file (`plan`), and other threads write the batches (`write`).

pub(crate) mod above;
mod content;
pub(crate) mod counted;
mod digest;
mod findings;
pub(crate) mod lookup;
mod names;
mod paths;
pub(crate) mod place;
mod places;
mod plan;
pub mod read;
mod render;
pub(crate) mod report;
mod told;
mod write;

pub use content::copy;
pub use digest::MOST_ZEROS;
pub(in crate::layouts) use paths::Paths;

use crate::adapters::fs::{Census, Chunks, Deleted, Inputs, InternalRows, LinkTable, Unreached, Walk, compare_usage};
use crate::error::Result;
use crate::format::adapter;
use crate::options::ObjectName;
use crate::output::fs_metadata::METADATA;
use crate::output::split::{SplitOutput, Writes};
use crate::report::Findings;
use crate::run::shards::{Role, run_pulled_splits};
use crate::run::sort::Sorted;
use crate::run::{Job, step};
use names::Names;
use plan::{Batch, Plan};
use report::Counted;
use write::Context;

/// Writes one file, or a directory with everything below it.
///
/// # Errors
/// As [`files`].
pub(crate) fn file(job: &mut Job<'_, '_, '_>, name: &ObjectName) -> Result<()> {
    job.only(name, files)
}

/// Writes the file system, if there is one.
///
/// # Errors
/// The first damaged row that a file or directory needs, or a failed write.
pub(crate) fn files(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let inputs = Inputs { set: job.set, filter: &job.options.filter, scratch: job.tree, progress: job.progress };
    if !inputs.have_rows()? {
        return Ok(());
    }
    if !job.is_shard() {
        let mut lines = SplitOutput::new(job.tree);
        lines.log(METADATA);
        job.collector.take(lines)?;
    }
    let told = job.tree.observer().is_some();
    let task_size = job.set.granularity().task_size;
    let mut plan = Plan::new(names_of(job), job.tree, told, job.options.for_restore, task_size);
    let mut census = Census::take(inputs, &mut job.collector.findings)?;
    let met = tree(job, inputs, &mut census, &mut plan)?;
    if job.is_shard() {
        return Ok(());
    }
    if !job.options.filter.is_trivial() {
        // Parts that were not requested were not reached either.
        return report::write(job, None);
    }
    let Census { mut links, unreachable } = census;
    let mut unreached = Unreached::find(inputs, met, &mut job.collector.findings)?;
    lost(job, inputs, (&mut links, unreachable), &mut unreached, &mut plan)?;
    if job.options.include_orphans {
        let mut deleted = Deleted::new(inputs.set, &mut unreached);
        write_all(job, Role::All, "orphans", || {
            while plan.has_room() && deleted.advance(&mut plan)? {}
            Ok(plan.take(Findings::default()))
        })?;
    }
    let internal = InternalRows::read(inputs, &mut job.collector.findings)?;
    let chunks = Chunks::read(inputs, &internal, &mut job.collector.findings)?;
    compare_usage(&unreached, &chunks, &internal, &mut job.collector.findings);
    report::write(job, Some(&Counted { unreached: &unreached, chunks, internal: &internal }))
}

/// Writes everything that can be reached from the root; returns the numbers of the reached inodes.
fn tree<'r>(
    job: &mut Job<'_, '_, '_>,
    inputs: Inputs<'r, '_>,
    census: &mut Census<'r>,
    plan: &mut Plan<'_>,
) -> Result<Sorted<u64>> {
    let mut walk = Walk::from_root(inputs, census);
    write_all(job, job.role, "tree", || next(&mut walk, plan))?;
    walk.into_met()
}

fn lost<'r>(
    job: &mut Job<'_, '_, '_>,
    inputs: Inputs<'r, '_>,
    (links, unreachable): (&mut LinkTable<'r>, Sorted<u64>),
    unreached: &mut Unreached<'r>,
    plan: &mut Plan<'_>,
) -> Result<()> {
    let mut walk = Walk::of_lost(inputs, links, unreachable, unreached);
    write_all(job, Role::All, "lost+found", || next(&mut walk, plan))
}

/// The next batch of a walk.
fn next(walk: &mut Walk<'_, '_, '_>, plan: &mut Plan<'_>) -> Result<Option<Batch>> {
    while plan.has_room() && walk.advance(plan)? {}
    Ok(plan.take(walk.take_findings()))
}

fn names_of(job: &Job<'_, '_, '_>) -> Names {
    Names { raw: job.options.archive.is_some() }
}

/// Writes batches as they are found. Inodes that no name leads to never belong to a shard: they are few, and are found after everything
/// else.
fn write_all(
    job: &mut Job<'_, '_, '_>,
    role: Role<'_>,
    scope: &'static str,
    next: impl FnMut() -> Result<Option<Batch>> + Send,
) -> Result<()> {
    let cx = Context { set: job.set, tree: job.tree, names: names_of(job), scope };
    job.progress.begin("fs", 0);
    let (progress, tree) = (job.progress, job.tree);
    let collector = &mut *job.collector;
    run_pulled_splits(
        (role, adapter::FS, tree),
        next,
        |batch| write::write(cx, batch),
        |out| {
            step(progress, tree);
            collector.place(out)
        },
        Writes::write,
    )
}
