//! `load`: loads objects of snapshots and outputs into running systems: Redis, systems with the interfaces of DynamoDB, S3 and SQS, and
//! elastickv itself.
//!
//! Objects come as typed values ([`crate::model`]), one element at a time: from the adapters for a snapshot, from the readers of its layout
//! for an output (`input.rs`). A target takes the objects of one adapter; an elastickv server takes those of all, as rows (`ekv`).
//! `course.rs` has what all targets share: it skips objects that an earlier run has loaded, reports by name what the target cannot store,
//! and limits the rate.
//!
//! An object counts as loaded when the target has answered. The *position* is the last object before which all are loaded. An interrupted
//! run can be resumed from there.

mod aws;
mod backoff;
mod course;
mod ekv;
mod input;
mod pass;
mod redis;
mod target;
mod tls;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::decode::{Progress, on_threads};
use crate::encode::shift::Shift;
use crate::error::{Error, Result};
use crate::format::mvcc::hlc_millis;
use crate::report::Findings;
use crate::run::Silent;
use crate::source::Source;
use course::Course;
pub use target::Target;

/// The options of a load.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which objects of snapshots are wanted.
    pub decode: crate::options::Options,
    /// Whether existing objects of the target stay, except for those with the same name.
    pub merge: bool,
    /// The name of an object: objects up to it are loaded already.
    pub start_after: Option<String>,
    /// Whether nothing is sent or written.
    pub dry_run: bool,
    /// Maximum bytes of keys and values per second.
    pub rate_limit: Option<u64>,
    /// Connections to the target; 0 = 4.
    pub connections: usize,
    /// The moment that the inputs are moved to, Unix milliseconds, as in [`crate::encode::Options`].
    pub shift_to_ms: Option<u64>,
}

impl Options {
    /// Whether the target may hold objects already: by option, or because a load continues.
    pub(in crate::load) fn merges(&self) -> bool {
        self.merge || self.start_after.is_some()
    }
}

/// The inputs.
pub enum Input {
    /// Outputs of a decode.
    Outputs(Vec<PathBuf>),
    /// Snapshot files.
    Snapshots(Vec<Source>),
}

/// The result of a finished load.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Objects that were loaded, by kind.
    pub objects: Vec<(&'static str, u64)>,
    /// Objects, elements and attributes that the target cannot store.
    pub left_out: u64,
    /// Rows that were stored, for targets that take rows.
    pub rows: Option<u64>,
    /// Objects or rows that were skipped because an earlier run has loaded them.
    pub passed_over: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// By how many milliseconds times were moved.
    pub shifted_ms: i64,
    /// Findings about the inputs.
    pub findings: Findings,
    /// Time taken.
    pub elapsed: Duration,
}

/// Is notified of what a load does.
pub trait Listener: Progress {
    /// The target cannot store an object, or a part of it.
    fn left_out(&self, name: &str, why: &str) {
        let _ = (name, why);
    }

    /// The target stores an object, or a part of it, in another form.
    fn changed(&self, name: &str, how: &str) {
        let _ = (name, how);
    }

    /// All objects up to this one are loaded; `objects` is their number.
    fn position(&self, name: &str, objects: u64) {
        let _ = (name, objects);
    }
}

impl Listener for Silent {}

/// Loads the objects of one adapter into a target.
///
/// # Errors
/// Inputs that cannot be read; a target that cannot be reached, is not empty or refuses a request. Unless the target is a file, what was
/// loaded before stays; the error says from which object to continue.
pub fn load(input: &Input, target: &Target, options: &Options, listener: &dyn Listener) -> Result<Outcome> {
    let started = Instant::now();
    let mut outcome = on_threads(options.decode.threads, || run(input, target, options, listener))??;
    outcome.elapsed = started.elapsed();
    Ok(outcome)
}

fn run(input: &Input, target: &Target, options: &Options, listener: &dyn Listener) -> Result<Outcome> {
    refuse_other(target, options)?;
    let adapters: Vec<_> =
        target.adapters().iter().copied().filter(|adapter| options.decode.adapters.contains(adapter)).collect();
    let newest = input::last_commit_ts(input)?;
    let shifted_ms =
        options.shift_to_ms.map_or(0, |to| to.cast_signed().saturating_sub(hlc_millis(newest).cast_signed()));
    // Patterns have matched nothing yet in this run.
    let wanted = crate::options::Options { adapters: adapters.clone(), ..options.decode.clone() };
    let options = &Options { decode: wanted, ..options.clone() };
    let chosen = match input {
        Input::Snapshots(_) => Some(&options.decode.filter),
        Input::Outputs(_) => None,
    };
    let course = Course::new(&adapters, options, chosen, Shift(shifted_ms), listener);
    let mut outcome = match target {
        Target::Rdb(path) => redis::rdb::load(input, path, options, course)?,
        Target::Redis(url) => redis::resp::load(input, url, options, course)?,
        Target::Dynamodb(url) => aws::dynamodb::load(input, url, options, course)?,
        Target::S3(url) => aws::s3::load(input, url, options, course)?,
        Target::Sqs(url) => aws::sqs::load(input, url, options, course)?,
        Target::Ekv(url) => ekv::load(input, url, &adapters, newest, options, course)?,
    };
    outcome.shifted_ms = shifted_ms;
    Ok(outcome)
}

/// Refuses options that have no meaning for a target.
fn refuse_other(target: &Target, options: &Options) -> Result<()> {
    let refuse = |words: &str| Err(Error::command_line(words.to_owned()));
    if matches!(target, Target::Rdb(_)) {
        if options.start_after.is_some() {
            return refuse(
                "an RDB file is always written from the beginning: only a load into a server can be continued",
            );
        }
        if options.merge {
            return refuse("an RDB file is always new: only a server can have data already");
        }
    }
    let begins = match target.adapters() {
        [adapter] => format!("{}:", adapter.name()),
        _ => ekv::NAMED.to_owned(),
    };
    match &options.start_after {
        Some(after) if !after.starts_with(&begins) => {
            refuse(&format!("{after}: give the name of the last loaded object, such as {begins}NAME"))
        }
        _ => Ok(()),
    }
}
