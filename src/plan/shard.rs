//! `decode --plan --shard`: a share of the work of a plan, in a directory of its own.

use std::fs;
use std::path::{Path, PathBuf};

use super::planned::Planned;
use crate::decode::{Indexed, Progress, on_threads, or_changed, record_share};
use crate::error::{Error, Result};
use crate::output::remove::remove;
use crate::output::staging::Staging;
use crate::run::shards::{FILES, Shard, Which};
use crate::source::Source;

/// What became of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was written.
    Written,
    /// It was there already.
    WasThere,
}

/// The directory of a shard, below that of all of them.
pub fn dir_of(all: &Path, which: Which) -> PathBuf {
    all.join(which.name())
}

/// Runs a shard of a plan. It has its name once it is complete; run again it ends the same.
///
/// # Errors
/// As a decode of all inputs; a directory that is something else.
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
        // Runs of the same shard that were killed; nobody else has such names.
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
/// The directory has another shard, or none that is whole.
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
            "{} is no complete shard: choose another directory, or remove it yourself",
            target.display()
        ))),
    }
}
