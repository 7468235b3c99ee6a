//! `load`: objects of snapshots and outputs, into systems that run: Redis, what speaks the interfaces of DynamoDB, S3 and SQS, and
//! elastickv itself.
//!
//! Objects come as typed values ([`crate::model`]), one element at a time: of a snapshot from the adapters, of an output from the readers
//! of its layout (`input.rs`). A target takes those of one adapter; a server of elastickv those of all, as rows (`ekv`). What all targets share is in `course.rs`: objects that a run before
//! this one has loaded are passed over, what the target cannot store is told by name, and the rate is held.
//!
//! An object counts as loaded when the target has answered. The last one before which all are loaded is the *position*, from which a run
//! that broke off is resumed.

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
use crate::source::Source;
use course::Course;
pub use target::Target;

/// What a load is asked to do.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What is wanted of snapshots.
    pub decode: crate::options::Options,
    /// Objects of a target that is not empty stay, but for those of the same name.
    pub merge: bool,
    /// The name of an object: what comes up to it is loaded already.
    pub start_after: Option<String>,
    /// Nothing is sent or written.
    pub dry_run: bool,
    /// Bytes of keys and values for each second, at most.
    pub rate_limit: Option<u64>,
    /// Connections to the target; 0 = 4.
    pub connections: usize,
    /// The moment that the inputs are moved to, Unix milliseconds, as in [`crate::encode::Options`].
    pub shift_to_ms: Option<u64>,
}

impl Options {
    /// Whether the target may hold objects already: so it was asked for, or a load goes on.
    pub(in crate::load) fn merges(&self) -> bool {
        self.merge || self.start_after.is_some()
    }
}

/// What is loaded.
pub enum Input {
    /// Outputs of a decode.
    Outputs(Vec<PathBuf>),
    /// Snapshot files.
    Snapshots(Vec<Source>),
}

/// What a finished load tells.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Objects that were loaded, by kind.
    pub objects: Vec<(&'static str, u64)>,
    /// Objects, elements and attributes that the target cannot store.
    pub left_out: u64,
    /// Rows that were stored, of targets that take rows.
    pub rows: Option<u64>,
    /// Objects, or rows, before the one behind which this run began.
    pub passed_over: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// By how many milliseconds moments were moved.
    pub shifted_ms: i64,
    /// What was noticed.
    pub findings: Findings,
    /// Time taken.
    pub elapsed: Duration,
}

/// Hears what a load does.
pub trait Listener: Progress {
    /// The target cannot store an object, or a part of it.
    fn left_out(&self, name: &str, why: &str) {
        let _ = (name, why);
    }

    /// The target stores an object, or a part of it, in another form.
    fn changed(&self, name: &str, how: &str) {
        let _ = (name, how);
    }

    /// All objects up to this one are loaded, as many as that.
    fn position(&self, name: &str, objects: u64) {
        let _ = (name, objects);
    }
}

/// Loads the objects of one adapter into a target.
///
/// # Errors
/// Inputs that cannot be read, a target that cannot be reached, that is not empty or that refuses a request. Unless the target is a file,
/// what was loaded before stays; the error tells from which object to go on.
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
    // Patterns of this run have taken nothing yet.
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

/// Refuses options that mean nothing for a target.
fn refuse_other(target: &Target, options: &Options) -> Result<()> {
    let refuse = |words: &str| Err(Error::command_line(words.to_owned()));
    if matches!(target, Target::Rdb(_)) {
        if options.start_after.is_some() {
            return refuse("an RDB file is written from its beginning: only servers are loaded from a later object on");
        }
        if options.merge {
            return refuse("an RDB file is always a new one: only servers are loaded beside what they have");
        }
    }
    let begins = match target.adapters() {
        [adapter] => format!("{}:", adapter.name()),
        _ => ekv::NAMED.to_owned(),
    };
    match &options.start_after {
        Some(after) if !after.starts_with(&begins) => {
            refuse(&format!("{after}: want what the target was given last, such as {begins}NAME"))
        }
        _ => Ok(()),
    }
}
