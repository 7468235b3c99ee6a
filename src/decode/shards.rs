//! A decode that is shared among processes: what a shard records, and how a merge uses all records (`plan.md` §4).

use std::path::Path;

use super::fill::{fill_as, write_checksums};
use super::{Indexed, Options, Outcome, Progress};
use crate::dataset::DataSet;
use crate::error::{Error, Result};
use crate::format::Adapter;
use crate::format::adapter;
use crate::output::split::Collector;
use crate::output::staging::Staging;
use crate::output::tree::Tree;
use crate::registry;
use crate::run::Job;
use crate::run::shards::{DIGEST, FILES, Recorder, Role, Shards, Share, Which};

/// What all shards must know about all rows: the columns of tables, in a layout that has columns.
///
/// # Errors
/// A damaged row.
pub fn columns(set: DataSet<'_>, options: &Options, progress: &dyn Progress) -> Result<Vec<u8>> {
    if !registry::has_columns(options) {
        return Ok(Vec::new());
    }
    set.check_keys()?;
    registry::columns(&Indexed::of(set)?.set, &options.clone(), progress)
}

/// Runs the share of a shard of a plan and records it in `dir`.
///
/// # Errors
/// As [`fill`](super::fill), for this share.
pub fn record_share(
    indexed: &Indexed<'_>,
    dir: &Path,
    plan: &[u8; DIGEST],
    which: Which,
    options: &Options,
    progress: &dyn Progress,
) -> Result<()> {
    let set = &indexed.set;
    set.check_keys()?;
    // Its patterns have matched nothing yet.
    let options = &options.clone();
    let tree = Tree::open(&dir.join(FILES))?;
    let adapters: Vec<Adapter> = adapter::all().filter(|adapter| options.wants(*adapter)).collect();
    let share = Share::of(set, which, &adapters, |adapter| registry::is_split(adapter, options.layout));
    let recorder = Recorder::begin(dir, plan, share)?;
    let mut collector = Collector::new(&tree, tree.scratch_dir());
    let role = Role::Shard(&recorder);
    let columns = indexed.columns.as_deref();
    registry::fill_all(&mut Job { set, options, tree: &tree, progress, collector: &mut collector, role, columns })?;
    set.check_unchanged()?;
    // Anything that belongs to neither a split nor a whole adapter would be written twice.
    if !collector.is_untouched() {
        return Err(Error::internal("a shard has written what belongs to the merge"));
    }
    recorder.sums(tree.early())?;
    recorder.finish(&options.filter, tree.written())
}

/// Does the remaining work after all shards: their files are in the staging directory already.
///
/// # Errors
/// As [`fill`](super::fill), for the work that no shard does; a record that cannot be read.
pub fn merge_into(
    indexed: &Indexed<'_>,
    staging: &Staging,
    shards: &Shards,
    target: &Path,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let tree = Tree::open(staging.path())?;
    let mut filled = fill_as(Role::Merge(shards), indexed, &tree, staging.path(), options, progress)?;
    shards.check_taken()?;
    filled.check_replaces(staging.replaces(), target)?;
    write_checksums(&tree, &mut filled.checksums)?;
    Ok(Outcome::of(filled, Vec::new()))
}
