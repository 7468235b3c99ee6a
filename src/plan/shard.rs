//! `decode --plan --shard`: does a share of the work of a plan, in a separate directory.

use std::fs;
use std::path::{Path, PathBuf};

use super::planned::Planned;
use crate::decode::{Indexed, Progress, on_threads, or_changed, record_share};
use crate::error::{Error, Result};
use crate::output::remove::remove;
use crate::output::staging::Staging;
use crate::run::shards::{FILES, Shard, Which};
use crate::source::Source;

/// The result of a shard run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was written.
    Written,
    /// It existed already.
    WasThere,
}

/// The directory of a shard, below that of all shards.
pub fn dir_of(all: &Path, which: Which) -> PathBuf {
    all.join(which.name())
}

/// Runs a shard of a plan. It gets its name when it is complete; running it again gives the same.
///
/// # Errors
/// As a decode of all inputs; a directory with other content.
pub fn run(
    planned: &Planned,
    sources: &mut [Source],
    which: Which,
    all: &Path,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Done> {
    let target = dir_of(all, which);
    if is_there(&target, planned, which)? {
        return Ok(Done::WasThere);
    }
    let unfinished = Unfinished::new(&target)?;
    let work = || {
        planned.attach(sources)?;
        or_changed(sources, || unfinished.record(planned, &planned.index(sources, progress)?, which, progress))
    };
    on_threads(threads, work)??;
    unfinished.publish(planned, which)
}

/// A shard that has no name yet.
pub(super) struct Unfinished(Staging);

impl Unfinished {
    /// Begins a shard that gets this name.
    ///
    /// # Errors
    /// It cannot be made there.
    pub fn new(target: &Path) -> Result<Unfinished> {
        let staging = Staging::new(target, false)?;
        // Runs of the same shard that were killed; no other process uses such names.
        staging.leftovers().iter().for_each(|left| drop(remove(left)));
        let files = staging.path().join(FILES);
        fs::create_dir(&files).map_err(|e| Error::io("create", &files, e))?;
        Ok(Unfinished(staging))
    }

    /// Does its share of the work.
    ///
    /// # Errors
    /// As a decode of this share.
    pub fn record(
        &self,
        planned: &Planned,
        indexed: &Indexed<'_>,
        which: Which,
        progress: &dyn Progress,
    ) -> Result<()> {
        record_share(indexed, self.0.path(), &planned.digest, which, &planned.options, progress)
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// A failed rename.
    pub fn publish(self, planned: &Planned, which: Which) -> Result<Done> {
        let target = self.0.target().to_path_buf();
        match self.0.publish(planned.options.syncs()) {
            Ok(()) => Ok(Done::Written),
            // Another run of the same shard was faster.
            Err(error) => match is_there(&target, planned, which)? {
                true => Ok(Done::WasThere),
                false => Err(error),
            },
        }
    }
}

/// Whether a shard is complete.
///
/// # Errors
/// The directory has another shard, or an incomplete one.
pub(super) fn is_there(target: &Path, planned: &Planned, which: Which) -> Result<bool> {
    if !fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) {
        return Ok(false);
    }
    match Shard::open(target)? {
        Some(shard) if shard.plan == planned.digest && shard.which == which => Ok(true),
        Some(_) => Err(Error::usage(format!(
            "{} is a shard of another plan: choose another directory, or remove it yourself",
            target.display()
        ))),
        None => Err(Error::usage(format!(
            "{} is not a complete shard: choose another directory, or remove it yourself",
            target.display()
        ))),
    }
}
