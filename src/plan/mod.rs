//! `plan`: snapshots are indexed once, and the result is written to a file (`plan.md`). Each shard of a plan does a part of the work of a
//! decode, and a merge assembles the output.

mod files;
mod merge;
mod planned;
mod resume;
mod shard;
mod task;

use std::io::Write as _;
use std::path::Path;

use crate::dataset::DataSet;
use crate::decode::{self, Options, Progress, on_threads, scan};
use crate::error::{Error, Result};
use crate::index::saved::{Plan, is_plan};
use crate::output::single::SingleFile;
use crate::output::target::refuse_inputs;
use crate::source::Source;
pub use merge::{MergeOptions, merge};
pub use planned::Planned;
pub use resume::{Begun, SUFFIX, resume};
pub use shard::{Done, dir_of, run};

/// The result of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the file.
    pub bytes: u64,
    /// Number of inputs whose index it has.
    pub indexed: usize,
    /// Number of inputs that must be read again each time: bundles, compressed and encrypted ones, and streams.
    pub others: usize,
}

/// Indexes sources; several are one data set.
///
/// # Errors
/// A source that is not a valid snapshot.
pub fn index(sources: &[Source], options: &Options, progress: &dyn Progress) -> Result<Plan> {
    on_threads(options.threads, || {
        let set = scan(sources, options, progress)?;
        set.check_unchanged()?;
        Ok(of(&set, options))
    })?
}

fn of(set: &DataSet<'_>, options: &Options) -> Plan {
    let indexed: Vec<_> = set.inputs().map(|group| (group.source, &group.index)).collect();
    Plan::of(indexed.into_iter(), options.as_of.unwrap_or(u64::MAX), options.granularity)
}

/// As [`index`], with the options of a decode of these sources.
///
/// # Errors
/// As [`index`]; encryption keys that are missing; options of a decode that cannot be divided among shards.
pub fn plan(sources: &[Source], options: &Options, progress: &dyn Progress) -> Result<Plan> {
    let task = task::encode(options)?;
    on_threads(options.threads, || {
        let set = scan(sources, options, progress)?;
        // With keys, a source is a decrypted copy: a plan that was made without them would not be a plan of it.
        set.check_keys()?;
        let plan = of(&set, options);
        let columns = decode::columns(set, options, progress)?;
        sources.iter().try_for_each(Source::check_unchanged)?;
        Ok(Plan { task, columns, ..plan })
    })?
}

/// Writes a plan to a file, which appears only when it is complete.
///
/// # Errors
/// A file that may not be replaced, or cannot be written.
pub fn write(plan: &Plan, target: &Path, force: bool, sources: &[Source]) -> Result<Written> {
    let bytes = plan.encode()?;
    refuse_inputs(target, sources.iter().filter_map(Source::real_path))?;
    if target.as_os_str() == "-" {
        return Err(Error::command_line("a plan cannot go to standard output: name a file"));
    }
    let mut file = SingleFile::new(target, force, |path| Ok(is_plan(path)))?;
    let written = file.file().map_or(Ok(()), |mut out| out.write_all(&bytes));
    written.map_err(|e| Error::io("write", target, e))?;
    file.publish(false)?;
    let indexed = plan.inputs.iter().filter(|input| input.index.is_some()).count();
    Ok(Written { bytes: bytes.len() as u64, indexed, others: plan.inputs.len() - indexed })
}
