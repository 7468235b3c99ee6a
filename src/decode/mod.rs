//! From a data set to a finished output.

pub mod dynamodb;
mod engine;
pub mod filter;
mod findings;
mod options;
pub mod redis;
pub mod s3;
pub mod sqs;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use options::{Layout, Options};

use crate::dataset::{DataSet, LossBook, Lost, Shared};
use crate::error::{Error, Result};
use crate::format::mvcc::hlc_millis;
use crate::format::{Adapter, Family};
use crate::output::manifest::{self, Manifest};
use crate::output::staging::Staging;
use crate::output::target::refuse_inputs;
use crate::output::tree::Tree;
use crate::output::unit::{Collector, UnitOut};
use crate::output::{checksums, manifest::InputInfo, time};
use crate::report::{Finding, Findings, Level};
use crate::source::{Source, index_of};
use crate::survey::Summary;

/// Hears how far a decode is.
pub trait Progress: Sync {
    /// A stage begins, of so many steps.
    fn begin(&self, stage: &'static str, steps: u64);
    /// Steps are done.
    fn advance(&self, steps: u64);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &'static str, _: u64) {}
    fn advance(&self, _: u64) {}
}

/// What the adapters work on.
struct Job<'j, 'a, 't> {
    set: &'j DataSet<'a>,
    options: &'j Options,
    tree: &'t Tree,
    progress: &'j dyn Progress,
    collector: &'j mut Collector<'t>,
}

/// What a finished decode tells.
#[derive(Debug)]
pub struct Outcome {
    /// The manifest as written.
    pub manifest: Manifest,
    /// What was noticed.
    pub findings: Findings,
    /// Files written, MANIFEST.json and CHECKSUMS not counted.
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
/// The tree is built under a temporary name beside `target` and renamed when it is complete: on an error nothing that
/// looks finished is left.
///
/// # Errors
/// An input that is not a sound snapshot, a damaged row, an output that cannot be written.
pub fn decode(sources: &[Source], target: &Path, options: &Options, progress: &dyn Progress) -> Result<Outcome> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build();
    let pool = pool.map_err(|e| Error::usage(format!("cannot start {} threads: {e}", options.threads)))?;
    let started = Instant::now();
    let mut outcome = pool.install(|| run(sources, target, options, progress))?;
    outcome.elapsed = started.elapsed();
    Ok(outcome)
}

fn run(sources: &[Source], target: &Path, options: &Options, progress: &dyn Progress) -> Result<Outcome> {
    refuse_inputs(target, sources.iter().filter_map(Source::real_path))?;
    let staging = Staging::new(target, options.force)?;
    let bytes = sources.iter().map(|s| s.bytes().len() as u64).sum();
    progress.begin("survey", 1);
    let losses = LossBook::new(options.skip_damage);
    let mut set = DataSet::survey_with(sources, options.as_of, options.grain, losses)?;
    let unresolved = set.resolve_transactions()?;
    progress.advance(1);
    let tree = Tree::open(staging.path())?;
    let mut collector = Collector::new(&tree, staging.path());
    findings::of_inputs(&set, options, &unresolved, &mut collector.findings)?;
    let mut job = Job { set: &set, options, tree: &tree, progress, collector: &mut collector };
    adapters(&mut job)?;
    set.check_unchanged()?;
    let lost = set.losses().all();
    write_losses(&lost, &mut collector)?;
    let (mut sums, findings, tally) = collector.finish()?;
    let (files, written) = tree.written();
    let mut manifest = describe(&set, options, &findings, tally);
    manifest.skipped = lost.len() as u64;
    let mut last = checksums::Sums::default();
    let root = tree.dir(b"")?;
    tree.put(&root, b"MANIFEST.json", &manifest.to_bytes(), &mut last)?;
    sums.add(&last)?;
    write_checksums(&tree, &mut sums)?;
    drop(root);
    let leftovers = staging.leftovers().to_vec();
    staging.publish()?;
    let elapsed = Duration::ZERO;
    Ok(Outcome { manifest, findings, files, bytes: written, input_bytes: bytes, leftovers, elapsed })
}

fn adapters(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let options = job.options;
    if options.wants(Adapter::DynamoDb) {
        dynamodb::decode(job)?;
    }
    if options.wants(Adapter::S3) {
        s3::decode(job)?;
    }
    if options.wants(Adapter::Redis) {
        redis::decode(job)?;
    }
    if options.wants(Adapter::Sqs) {
        sqs::decode(job)?;
    }
    Ok(())
}

/// `ERRORS.jsonl`: what could not be read, by input and offset.
fn write_losses(lost: &[Lost], collector: &mut Collector<'_>) -> Result<()> {
    let mut out = UnitOut::new(collector.tree());
    for loss in lost {
        let lines = out.lines("ERRORS.jsonl");
        lines.extend(serde_json::to_vec(loss).unwrap_or_default());
        lines.push(b'\n');
    }
    collector.take(out)
}

fn write_checksums(tree: &Tree, sums: &mut checksums::Checksums) -> Result<()> {
    let root = tree.dir(b"")?;
    let mut file = tree.create(&root, b"CHECKSUMS")?;
    let mut buffer = Vec::new();
    let mut failed = None;
    let merged = sums.merge(|path, entry| {
        checksums::row_into(path, &entry.digest, &mut buffer);
        if buffer.len() >= 1 << 20 && failed.is_none() {
            failed = file.write(&buffer).err();
            buffer.clear();
        }
        Ok(())
    });
    merged.map_err(|e| Error::io("merge checksums in", "the temporary directory", e))?;
    if let Some(error) = failed {
        return Err(error);
    }
    file.write(&buffer)?;
    file.finish(&mut checksums::Sums::default())
}

fn describe(set: &DataSet<'_>, options: &Options, findings: &Findings, tally: crate::output::unit::Tally) -> Manifest {
    let inputs: Vec<InputInfo> = set.groups().iter().map(input_info).collect();
    let last_commit_ts = inputs.iter().map(|i| i.last_commit_ts).max().unwrap_or(0);
    let first = inputs.first();
    Manifest {
        format_version: 1,
        phase: "phase0-snapshot-decode",
        elastickv_version: concat!("ekvsnap ", env!("CARGO_PKG_VERSION")).to_owned(),
        cluster_id: options.cluster_id.clone(),
        snapshot_index: first.and_then(|i| i.snapshot_index).filter(|index| *index > 0),
        last_commit_ts,
        wall_time_iso: iso_time(last_commit_ts.min(set.view().as_of)),
        source: manifest::SourceInfo {
            fsm_path: first.map(|i| i.fsm_path.clone()).unwrap_or_default(),
            fsm_crc32c: first.and_then(|i| i.fsm_crc32c.clone()),
        },
        adapters: manifest::Adapters { selected: selected(options), tally },
        exclusions: manifest::Exclusions {
            include_incomplete_uploads: options.include_incomplete_uploads,
            include_orphans: options.include_orphans,
            preserve_sqs_visibility: options.preserve_sqs_visibility,
            include_sqs_side_records: options.include_sqs_side_records,
            rename_s3_collisions: options.rename_s3_collisions,
        },
        checksum_algorithm: "sha256",
        checksum_format: "sha256sum",
        encoded_filename_charset: "rfc3986-unreserved-plus-percent",
        key_segment_max_bytes: 240,
        s3_meta_suffix: ".elastickv-meta.json",
        s3_collision_strategy: "leaf-data-suffix",
        dynamodb_layout: if options.dynamodb_bundle.is_some() { "jsonl" } else { "per-item" },
        inputs,
        counters: counters(&set.counts().summary()),
        warnings: manifest::findings_of(findings, Level::Warning),
        notes: manifest::findings_of(findings, Level::Note),
        skipped: 0,
    }
}

fn selected(options: &Options) -> Vec<Adapter> {
    Adapter::SELECTABLE.into_iter().filter(|a| options.wants(*a)).collect()
}

fn input_info(group: &crate::dataset::Group<'_>) -> InputInfo {
    let path = group.source.path();
    InputInfo {
        fsm_path: path.to_string_lossy().into_owned(),
        fsm_crc32c: group.survey.crc32c.map(|crc| format!("{crc:08x}")),
        snapshot_index: index_of(path),
        last_commit_ts: group.survey.last_commit_ts,
        bytes: group.file().len() as u64,
    }
}

/// An HLC timestamp as a date.
pub fn iso_time(hlc: u64) -> String {
    time::clamped(hlc_millis(hlc))
}

fn counters(sum: &Summary) -> manifest::Counters {
    manifest::Counters {
        entries: sum.entries,
        dynamodb: sum.adapter(Adapter::DynamoDb),
        s3: sum.adapter(Adapter::S3),
        redis: sum.adapter(Adapter::Redis),
        sqs: sum.adapter(Adapter::Sqs),
        fs: sum.adapter(Adapter::Fs),
        tombstone: sum.tombstones,
        internal: sum.internal,
        unknown: sum.unknown,
        live: sum.live,
        operational: sum.operational,
    }
}

/// Reports keys that have rows in more than one input.
fn note_shared(shared: Vec<Shared>, findings: &mut Findings) {
    for keys in shared {
        let family = Family::of(&keys.example).prefix();
        let finding = Finding::new(&findings::KEY_IN_GROUPS).with("keys", keys.count).with("family", family);
        findings.add(finding.with("key", keys.example.as_slice()));
    }
}
