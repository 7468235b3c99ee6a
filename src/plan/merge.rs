//! `merge`: makes of the shards of a plan the output that one machine would have written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::files::bring;
use super::planned::Planned;
use crate::decode::{Indexed, Outcome, Progress, merge_into, on_threads, or_changed};
use crate::error::{Error, Result};
use crate::output::remove::remove;
use crate::output::staging::Staging;
use crate::output::target::refuse_inputs;
use crate::run::shards::{FILES, RECORD, Shard, Shards};
use crate::source::Source;

/// Maximum number of shards in an error.
const MOST_NAMED: usize = 20;

/// What happens to an existing output, and to the shards.
#[derive(Debug, Clone, Copy, Default)]
pub struct MergeOptions {
    /// Replace an output of ekvsnap.
    pub force: bool,
    /// Copy the files of shards, which stay. Otherwise they are linked, and the shards are removed after the output has its name: a file
    /// with a second name elsewhere could be changed there.
    pub keep: bool,
    /// Worker threads; 0 = one for each core.
    pub threads: usize,
}

/// Merges the shards in these directories, or in directories of them, into a new output.
///
/// # Errors
/// Shards that are missing, duplicate, damaged or of another plan; inputs that are not those of the plan; an output that cannot be written.
pub fn merge(
    planned: &Planned,
    sources: &mut [Source],
    named: &[PathBuf],
    target: &Path,
    options: MergeOptions,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let started = Instant::now();
    refuse_inputs(target, sources.iter().filter_map(Source::real_path))?;
    let (dirs, shards) = complete(planned, named)?;
    let staging = Staging::new(target, options.force)?;
    let work = || {
        planned.attach(sources)?;
        or_changed(sources, || {
            let indexed = planned.index(sources, progress)?;
            put_together(planned, &indexed, (&dirs, &shards), &staging, target, options.keep, progress)
        })
    };
    let mut outcome = on_threads(options.threads, work)??;
    outcome.leftovers = staging.leftovers().to_vec();
    staging.publish(planned.options.syncs())?;
    for dir in dirs.iter().filter(|_| !options.keep) {
        // The record is removed first: if this run is killed, the rest is not taken for a shard.
        let removed = fs::remove_file(dir.join(RECORD)).and_then(|()| remove(dir));
        removed.map_err(|e| Error::io("remove the merged shard", dir, e))?;
    }
    outcome.elapsed = started.elapsed();
    Ok(outcome)
}

/// Fills the output with the results of all shards.
///
/// # Errors
/// As [`merge`].
pub(super) fn put_together(
    planned: &Planned,
    indexed: &Indexed<'_>,
    (dirs, shards): (&[PathBuf], &Shards),
    staging: &Staging,
    target: &Path,
    copies: bool,
    progress: &dyn Progress,
) -> Result<Outcome> {
    progress.begin("files", dirs.len() as u64);
    for dir in dirs {
        bring(&dir.join(FILES), staging.path(), copies)?;
        progress.advance(1);
    }
    merge_into(indexed, staging, shards, target, &planned.options, progress)
}

/// All shards of the plan, with their directories.
pub(super) fn complete(planned: &Planned, named: &[PathBuf]) -> Result<(Vec<PathBuf>, Shards)> {
    let mut found: BTreeMap<u32, (PathBuf, Shard)> = BTreeMap::new();
    let mut count = None;
    for dir in directories(named)? {
        let shown = dir.display();
        let shard = Shard::open(&dir)?;
        let shard = shard.ok_or_else(|| Error::usage(format!("{shown} is not a complete shard: run it again")))?;
        if shard.plan != planned.digest {
            return Err(Error::usage(format!("{shown} is a shard of another plan: name only shards of this plan")));
        }
        let which = shard.which;
        if *count.get_or_insert(which.count) != which.count {
            return Err(Error::usage(format!(
                "{shown} is one of {} shards, and others are of {}: merge shards of one number",
                which.count,
                count.unwrap_or_default()
            )));
        }
        if let Some((other, _)) = found.insert(which.index, (dir.clone(), shard)) {
            let other = other.display();
            return Err(Error::usage(format!("{other} and {shown} are both shard {}: name one of them", which.index)));
        }
    }
    let missing: Vec<u32> = (0..count.unwrap_or(0)).filter(|index| !found.contains_key(index)).collect();
    if !missing.is_empty() {
        let first: Vec<String> = missing.iter().take(MOST_NAMED).map(u32::to_string).collect();
        let more = if missing.len() > MOST_NAMED { ", …" } else { "" };
        return Err(Error::usage(format!(
            "{} of {} shards missing: run {}{more}",
            missing.len(),
            count.unwrap_or_default(),
            first.join(", ")
        )));
    }
    let (dirs, shards) = found.into_values().unzip();
    Ok((dirs, Shards::new(shards)?))
}

/// The shards that are named, and those in directories that are named.
fn directories(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for dir in named {
        if dir.join(RECORD).is_file() {
            all.push(dir.clone());
            continue;
        }
        let before = all.len();
        let failed = |e| Error::io("list", dir, e);
        for entry in fs::read_dir(dir).map_err(failed)? {
            let below = entry.map_err(failed)?.path();
            let is_shown = below.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."));
            if is_shown && below.join(RECORD).is_file() {
                all.push(below);
            }
        }
        if all.len() == before {
            return Err(Error::usage(format!(
                "{} is not a shard and has none in it: name the directory that the runs of the shards wrote to",
                dir.display()
            )));
        }
    }
    all.sort();
    Ok(all)
}
