//! From a data set to a finished output.

mod describe;
mod estimate;
mod fill;
pub(crate) mod findings;
mod lines;
mod shards;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use describe::iso_time;
pub use estimate::{Need, estimate};

use crate::error::Result;
use crate::format::mvcc::hlc_millis;
pub use crate::options::{Layout, Options, filter};
use crate::output::archive::{self, Contents, Packing};
use crate::output::manifest::Manifest;
use crate::output::staging::Staging;
use crate::output::target::refuse_inputs;
use crate::output::tree::Tree;
use crate::report::Findings;
pub(crate) use crate::run::{Job, engine, sort};
pub use crate::run::{Progress, Silent, on_threads};
use crate::source::Source;
pub use fill::{DecodeResult, Indexed, fill, fill_indexed, index, or_changed, scan};
pub use lines::lines;
pub use shards::{columns, merge_into, record_share};

/// The result of a finished decode.
#[derive(Debug)]
pub struct Outcome {
    /// The manifest as written.
    pub manifest: Manifest,
    /// Findings of the decode.
    pub findings: Findings,
    /// Number of files written, without MANIFEST.json and CHECKSUMS.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of the inputs.
    pub input_bytes: u64,
    /// Unfinished outputs of the same name, left by runs that were killed.
    pub leftovers: Vec<PathBuf>,
    /// Time taken.
    pub elapsed: Duration,
}

/// Decodes `sources`, several of them as one data set, into a new directory tree at `target`.
///
/// The tree is built under a temporary name beside `target` and renamed when it is complete. After an error nothing is
/// left that looks finished.
///
/// # Errors
/// An input that is not a valid snapshot, a damaged row, an output that cannot be written.
pub fn decode(sources: &[Source], target: &Path, options: &Options, progress: &dyn Progress) -> Result<Outcome> {
    let started = Instant::now();
    let mut outcome = on_threads(options.threads, || to_target(sources, target, options, progress))??;
    outcome.elapsed = started.elapsed();
    Ok(outcome)
}

/// Refuses a target that a decode would refuse, for callers that have long work to do first.
///
/// # Errors
/// The target exists and may not be replaced, or it cannot be written.
pub fn check_target(target: &Path, options: &Options) -> Result<()> {
    match options.archive {
        Some(_) => archive::begin(target, options.force).map(drop),
        None => Staging::new(target, options.force).map(drop),
    }
}

fn to_target(sources: &[Source], target: &Path, options: &Options, progress: &dyn Progress) -> Result<Outcome> {
    options.check()?;
    refuse_inputs(target, sources.iter().filter_map(Source::real_path))?;
    if let Some(packing) = options.archive {
        return pack(sources, target, packing, options, progress);
    }
    let staging = Staging::new(target, options.force)?;
    let tree = Tree::open(staging.path())?;
    let mut filled = fill::fill(sources, &tree, staging.path(), options, progress)?;
    filled.check_replaces(staging.replaces(), target)?;
    fill::write_checksums(&tree, &mut filled.checksums)?;
    drop(tree);
    let leftovers = staging.leftovers().to_vec();
    staging.publish(options.syncs())?;
    Ok(Outcome::of(filled, leftovers))
}

/// As [`decode`], into one file or standard output. Nothing of it is visible before everything is known to be intact.
fn pack(
    sources: &[Source],
    target: &Path,
    packing: Packing,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let mut file = archive::begin(target, options.force)?;
    let tree = Tree::spooled(file.scratch())?;
    let mut filled = fill::fill(sources, &tree, file.scratch(), options, progress)?;
    filled.check_replaces(file.replaces(), target)?;
    let own = fill::write_checksums(&tree, &mut filled.checksums)?;
    filled.checksums.add(&own)?;
    progress.begin("archive", 1);
    let mtime = hlc_millis(filled.manifest.last_commit_ts) / 1000;
    let members = std::mem::take(&mut filled.members);
    let contents = Contents { index: &mut filled.checksums, members, mtime };
    archive::write(&mut file, &tree, contents, packing, options.threads)?;
    let leftovers = file.leftovers().to_vec();
    file.publish(options.syncs())?;
    progress.advance(1);
    Ok(Outcome::of(filled, leftovers))
}

/// As [`decode`], without writing anything: it keeps counts, findings and the digest of every file.
///
/// # Errors
/// As [`decode`], except for the output.
pub fn fill_nowhere(sources: &[Source], options: &Options, progress: &dyn Progress) -> Result<DecodeResult> {
    let scratch = std::env::temp_dir();
    fill::fill(sources, &Tree::null(&scratch), &scratch, options, progress)
}

impl Outcome {
    fn of(filled: DecodeResult, leftovers: Vec<PathBuf>) -> Outcome {
        let DecodeResult { manifest, findings, files, bytes, input_bytes, .. } = filled;
        Outcome { manifest, findings, files, bytes, input_bytes, leftovers, elapsed: Duration::ZERO }
    }
}
