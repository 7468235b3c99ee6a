//! `decode --resume`: runs the shards of a plan one after the other on one machine, in a directory next to the output (`plan.md` §6).
//!
//! A killed run leaves the shards that it finished; the next one does the missing ones, and merges.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::merge::{complete, put_together};
use super::planned::Planned;
use super::shard::{Unfinished, dir_of, is_there};
use super::{plan, task, write};
use crate::decode::{Indexed, Options, Outcome, Progress, on_threads, or_changed};
use crate::error::{Error, Result};
use crate::output::pending::{Made, Pending};
use crate::output::remove::remove;
use crate::output::staging::{Staging, is_unfinished};
use crate::output::target::{refuse_inputs, resolve};
use crate::output::{CHECKSUMS, about_to};
use crate::run::shards::Which;
use crate::source::Source;

/// The suffix of the directory's name, after that of the output.
pub const SUFFIX: &str = ".resume";
/// The plan, in the directory.
const PLAN: &str = "PLAN";
/// All shards, in the directory.
const SHARDS: &str = "shards";
/// Another name of the output's CHECKSUMS, while the output gets its name.
const MERGED: &str = "MERGED";
/// Tasks of a shard if the number of shards is not given.
const TASKS: usize = 32;
/// Maximum number of shards in that case: the work that each must repeat is then small.
const MOST: u64 = 32;

/// A resumable run has begun.
#[derive(Debug, Clone, Copy)]
pub struct Begun<'b> {
    /// The directory of the finished parts.
    pub dir: &'b Path,
    /// Number of shards that an earlier run has finished.
    pub done: u32,
    /// Number of all shards.
    pub count: u32,
}

/// Decodes like [`decode`](crate::decode::decode), and keeps finished parts until everything is finished. `shards`: the number of shards;
/// without it, the number of an earlier run, or one for each 128 MiB and 32 at most.
///
/// # Errors
/// As a decode; options that cannot be divided; an earlier run with other inputs or options; another run that is active.
pub fn resume(
    sources: &mut [Source],
    target: &Path,
    shards: Option<u32>,
    options: &Options,
    progress: &dyn Progress,
    begun: &mut dyn FnMut(Begun<'_>),
) -> Result<Outcome> {
    let started = Instant::now();
    task::encode(options)?;
    refuse_inputs(target, sources.iter().filter_map(Source::real_path))?;
    let dir = beside(&resolve(target)?)?;
    refuse_inputs(&dir, sources.iter().filter_map(Source::real_path))?;
    let staging = Staging::new(target, options.force || is_merged(&dir, target))?;
    // What killed runs left of this output has second names of the shards' files.
    staging.leftovers().iter().for_each(|left| drop(remove(left)));
    let state = State::open(dir)?;
    let planned = state.planned(sources, options, progress)?;
    let count = state.count(shards, sources, options)?;
    let kept = Pending::enter(|| Ok(((), Made::Kept(state.dir.clone()))));
    let ((), kept) = kept.map_err(|e| Error::io("keep", &state.dir, e))?;
    let mut run = Run { state, planned, count, staging, kept };
    begun(Begun { dir: &run.state.dir, done: run.done()?, count });
    let mut outcome = on_threads(options.threads, || run.decode(sources, target, progress))??;
    run.publish()?;
    outcome.elapsed = started.elapsed();
    Ok(outcome)
}

/// The directory next to an output.
fn beside(target: &Path) -> Result<PathBuf> {
    const MOST: usize = 255 - SUFFIX.len();
    let name = target.file_name().unwrap_or_default();
    if name.len() > MOST {
        let words =
            format!("the name of the output has {} bytes: a run that can be resumed needs at most {MOST}", name.len());
        return Err(Error::usage(words));
    }
    let mut beside: OsString = name.to_owned();
    beside.push(SUFFIX);
    Ok(target.with_file_name(beside))
}

/// Whether the output is the one that the run merged, if it was killed before it removed the directory.
fn is_merged(dir: &Path, target: &Path) -> bool {
    let inode = |path: PathBuf| fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let merged = inode(dir.join(MERGED));
    merged.is_some() && merged == inode(target.join(CHECKSUMS))
}

/// The directory, locked.
struct State {
    dir: PathBuf,
    lock: File,
    _made: Pending,
}

impl Drop for State {
    fn drop(&mut self) {
        // Only if it is empty.
        let _ = fs::remove_dir(&self.dir);
        // A process that is just being started from this one may have the handle too, for a moment.
        let _ = self.lock.unlock();
    }
}

impl State {
    fn open(dir: PathBuf) -> Result<State> {
        let failed = |e| Error::io("create directory", &dir, e);
        let make = || match about_to().and_then(|()| fs::create_dir(&dir)) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(((), Made::Parent(dir.clone()))),
            made => made.map(|()| ((), Made::Parent(dir.clone()))),
        };
        let ((), made) = Pending::enter(make).map_err(failed)?;
        let lock = File::open(&dir).map_err(|e| Error::io("open", &dir, e))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let dir = dir.display();
                return Err(Error::usage(format!("another run is using {dir}: wait for it, or end it")));
            }
            // A file system without locks gives no answer.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        Ok(State { dir, lock, _made: made })
    }

    /// The plan of the killed run, or a new one.
    fn planned(&self, sources: &[Source], options: &Options, progress: &dyn Progress) -> Result<Planned> {
        let (path, dir) = (self.dir.join(PLAN), self.dir.display());
        if !path.is_file() {
            self.check_empty()?;
            write(&plan(sources, options, progress)?, &path, false, sources)?;
        }
        let mut planned =
            Planned::read(&path).map_err(|e| Error::usage(format!("{e}; to start again, remove {dir}")))?;
        planned.remedy = format!("to start again, remove {dir}");
        if !planned.is_of(sources, options)? {
            return Err(Error::usage(format!(
                "{dir} belongs to a run with other inputs or options: give the same ones, or remove it to start again"
            )));
        }
        planned.options.fsync = options.fsync;
        Ok(planned)
    }

    /// Rejects a directory with other files than those of a run that was killed at its start.
    fn check_empty(&self) -> Result<()> {
        let dir = &self.dir;
        for entry in fs::read_dir(dir).map_err(|e| Error::io("list", dir, e))? {
            let name = entry.map_err(|e| Error::io("list", dir, e))?.file_name();
            if !is_unfinished(PLAN.as_ref(), &name) {
                return Err(Error::usage(format!(
                    "{} has files that no resumable run left: move it away, or choose another output",
                    dir.display()
                )));
            }
        }
        Ok(())
    }

    fn shards(&self) -> PathBuf {
        self.dir.join(SHARDS)
    }

    /// The number of shards.
    fn count(&self, asked: Option<u32>, sources: &[Source], options: &Options) -> Result<u32> {
        let entries = fs::read_dir(self.shards()).into_iter().flatten().flatten();
        let earlier = entries.filter_map(|entry| Which::of_name(entry.file_name().to_str()?)).next();
        match (earlier.map(|which| which.count), asked) {
            (Some(earlier), Some(asked)) if earlier != asked => Err(Error::usage(format!(
                "{} belongs to a run with {earlier} shards, not {asked}: give that number, or remove it to start again",
                self.dir.display()
            ))),
            (Some(count), _) | (None, Some(count)) => Ok(count),
            (None, None) => {
                let bytes: u64 = sources.iter().map(|source| source.file().len() as u64).sum();
                Ok((bytes / options.granularity.task_size.saturating_mul(TASKS).max(1) as u64).clamp(1, MOST) as u32)
            }
        }
    }
}

/// A run.
struct Run {
    state: State,
    planned: Planned,
    count: u32,
    staging: Staging,
    /// Dropped when there is nothing left to resume.
    kept: Pending,
}

impl Run {
    fn all(&self) -> impl Iterator<Item = (Which, PathBuf)> {
        let (count, shards) = (self.count, self.state.shards());
        (0..count).map(move |index| Which { index, count }).map(move |which| (which, dir_of(&shards, which)))
    }

    /// The number of finished shards.
    fn done(&self) -> Result<u32> {
        self.all().try_fold(0, |done, (which, dir)| Ok(done + u32::from(is_there(&dir, &self.planned, which)?)))
    }

    fn decode(&mut self, sources: &mut [Source], target: &Path, progress: &dyn Progress) -> Result<Outcome> {
        self.planned.attach(sources)?;
        or_changed(sources, || {
            let indexed = self.planned.index(sources, progress)?;
            self.finish_shards(&indexed, progress)?;
            let (dirs, shards) = complete(&self.planned, &[self.state.shards()])?;
            put_together(&self.planned, &indexed, (&dirs, &shards), &self.staging, target, false, progress)
        })
    }

    fn finish_shards(&self, indexed: &Indexed<'_>, progress: &dyn Progress) -> Result<()> {
        for (which, dir) in self.all() {
            if !is_there(&dir, &self.planned, which)? {
                let unfinished = Unfinished::new(&dir)?;
                unfinished.record(&self.planned, indexed, which, progress)?;
                unfinished.publish(&self.planned, which)?;
            }
        }
        Ok(())
    }

    /// Gives the output its name, and removes the directory: in one step for other processes, so that none takes half of a shard for a
    /// whole one.
    fn publish(self) -> Result<()> {
        let Run { state, planned, staging, kept, .. } = self;
        let (unfinished, merged) = (staging.path().to_path_buf(), state.dir.join(MERGED));
        let _ = fs::remove_file(&merged);
        // Without links on the file system this mark is missing: then a run that is killed between the two steps counts as finished.
        let _ = fs::hard_link(unfinished.join(CHECKSUMS), &merged);
        staging.publish(planned.options.syncs())?;
        drop(kept);
        let failed = |e| Error::io("remove", &state.dir, e);
        let rename = || {
            about_to()?;
            fs::rename(&state.dir, &unfinished)?;
            Ok(((), Made::Temporary(unfinished.clone())))
        };
        let ((), _pending) = Pending::enter(rename).map_err(failed)?;
        remove(&unfinished).map_err(failed)
    }
}
