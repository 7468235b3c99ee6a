//! `encode`: turns outputs of a decode back into a snapshot that a server can start from.
//!
//! 1. Every output is read and checked against CHECKSUMS, and its objects become rows (`rows.rs`, `adapters/*/encode.rs`).
//! 2. The rows are sorted, in runs that spill, and written to a temporary file.
//! 3. That file is decoded again, and its objects are compared with those that were read (`fingerprints/`).
//! 4. Only then does the file get its name.

mod check;
mod file;
mod findings;
mod fingerprints;
mod forks;
mod objects;
mod rows;
pub(crate) mod shift;

pub(crate) use objects::Objects;
#[cfg(feature = "load")]
pub(crate) use rows::twice;
pub(crate) use rows::{RowForm, Rows};

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::adapters::rows::RowSink;
use crate::adapters::sqs::encode::Told;
use crate::decode::{Progress, on_threads};
use crate::error::{Error, ErrorKind, Result};
use crate::format::adapter::Adapter;
use crate::format::keys::KeyRing;
use crate::format::mvcc::hlc_millis;
use crate::format::sealer::Sealer;
use crate::layouts::reading::BlockSize;
use crate::layouts::reading::output::{self, Readers, Seen};
use crate::options::Options as Decode;
use crate::output::manifest_read::ReadManifest;
use crate::output::reading::opened;
use crate::output::single::SingleFile;
use crate::output::target::refuse_inputs;
use crate::registry;
use crate::report::Findings;
use crate::source::{index_of, refuse_doubles};
use fingerprints::{Compared, Fingerprints, Side};
use shift::Shift;

/// The options of an encode.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The adapters whose objects are encoded; `None`: all that the outputs have.
    pub adapters: Option<Vec<Adapter>>,
    /// The commit timestamp of all rows, if not the newest of the manifests.
    pub last_commit_ts: Option<u64>,
    /// Worker threads; 0 = one for each core. The file is the same for any number.
    pub threads: usize,
    /// The moment that the outputs are moved to, Unix milliseconds. Expiries of keys, and the times when messages were sent and become
    /// visible, keep their distance from the commit timestamp. `None`: they are not moved. Rows of added adapters are not changed.
    pub shift_to_ms: Option<u64>,
    /// The key that rows are encrypted with; `None`: they are not encrypted.
    pub seal: Option<Seal>,
    /// Whether the file is flushed to the disk before it gets its name; `None`: it is.
    pub fsync: Option<bool>,
    /// How files of lines are shared among threads. The file is the same for any.
    pub blocks: BlockSize,
}

/// What rows are encrypted with. The same rows and keys give the same bytes.
#[derive(Debug, Clone)]
pub struct Seal {
    /// The key for all rows.
    pub key_id: u32,
    /// The keys, with that one among them.
    pub keys: Arc<KeyRing>,
    /// Rows that register the writers that use the keys: raw keys and values.
    pub writers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The result of a finished encode.
#[derive(Debug)]
pub struct Outcome {
    /// Rows of the snapshot, without the store's own rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
    /// The commit timestamp of all rows.
    pub last_commit_ts: u64,
    /// The Raft index, if the name of the file has it.
    pub index: Option<u64>,
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub read: u64,
    /// The ID of the key that the rows are encrypted with.
    pub key_id: Option<u32>,
    /// By how many milliseconds times were moved.
    pub shifted_ms: i64,
    /// Objects by adapter and kind.
    pub objects: Vec<(Adapter, &'static str, u64)>,
    /// Number of places that the outputs list as not read.
    pub skipped: u64,
    /// Findings about the outputs.
    pub findings: Findings,
    /// Time taken.
    pub elapsed: Duration,
}

/// An output to encode.
struct Input {
    path: PathBuf,
    manifest: ReadManifest,
    /// The options of the decode that made it.
    made: Decode,
}

/// Encodes outputs, several of them as one, into a new snapshot file at `target`.
///
/// The file is built under a temporary name beside `target`, decoded again and compared with the outputs, object by object. After an error
/// nothing is left.
///
/// # Errors
/// An output that cannot be read or that differs from CHECKSUMS, adapters that cannot be encoded, a file that cannot be written, an object
/// that is different in the snapshot.
pub fn encode(outputs: &[PathBuf], target: &Path, options: &Options, progress: &dyn Progress) -> Result<Outcome> {
    let started = Instant::now();
    let mut outcome = on_threads(options.threads, || run(outputs, target, options, progress))??;
    outcome.elapsed = started.elapsed();
    Ok(outcome)
}

fn run(outputs: &[PathBuf], target: &Path, options: &Options, progress: &dyn Progress) -> Result<Outcome> {
    if target.as_os_str() == "-" {
        return Err(Error::command_line(
            "the snapshot is read again when it is complete, which standard output does not allow: name a file",
        ));
    }
    let real: Vec<PathBuf> = outputs.iter().filter_map(|path| path.canonicalize().ok()).collect();
    refuse_inputs(target, real.iter().map(PathBuf::as_path))?;
    let inputs = opened_all(outputs)?;
    let ts = timestamp(&inputs, options)?;
    let mut file = SingleFile::fresh(target)?;
    let scratch = file.scratch().to_path_buf();
    let seal = options.seal.as_ref();
    let rows = Rows::new(&RowForm::new(ts, options.seal.clone()), &scratch)?;
    let (fingerprints, mut outcome) = (Fingerprints::new(&scratch), Outcome::new(ts, options));
    (outcome.index, outcome.key_id) = (index_of(target), seal.map(|seal| seal.key_id));
    let reading = Reading { inputs: &inputs, options, progress };
    reading.all(&rows, Some(&fingerprints), in_blocks, &mut outcome)?;
    outcome.rows = rows.count();
    if ts == 0 && outcome.rows > 0 {
        return Err(Error::usage("no manifest has a commit timestamp, which rows need: give one"));
    }
    progress.begin("write", 1);
    let sorted = rows.finish(ts, outcome.index)?;
    let mut out = file.file().ok_or_else(|| Error::internal("a file was asked for"))?;
    outcome.bytes = file::write(&sorted, ts, &mut out, target)?;
    drop(sorted);
    out.flush().map_err(|e| Error::io("write", target, e))?;
    progress.advance(1);
    let written = file.path().ok_or_else(|| Error::internal("a file was asked for"))?;
    let ring = seal.map(|seal| &seal.keys);
    if compare(fingerprints, written, ring, &scratch, progress)? == Compared::Different {
        let fingerprints = Fingerprints::that_name(&scratch);
        reading.all(&Nowhere, Some(&fingerprints), in_order, &mut Outcome::new(ts, options))?;
        compare(fingerprints, written, ring, &scratch, progress)?;
        return Err(Error::new(ErrorKind::Encoded(
            "some object differed in it in one comparison, and not in the next".into(),
        )));
    }
    file.publish(options.fsync.unwrap_or(true))?;
    Ok(outcome)
}

/// Compares what was read with the snapshot at `written`.
fn compare(
    mut fingerprints: Fingerprints,
    written: &Path,
    ring: Option<&Arc<KeyRing>>,
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<Compared> {
    fingerprints.turn(Side::Written);
    check::read(written, ring, scratch, progress, &mut fingerprints)?;
    fingerprints.compare()
}

/// A sink for rows that are encoded already.
#[derive(Clone, Copy)]
struct Nowhere;

impl RowSink for Nowhere {
    fn row(&mut self, _: &[u8], _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// Gives the rows of outputs, several of them as one, to a sink that stores them somewhere other than in a snapshot. They have no
/// timestamp.
///
/// # Errors
/// An output that cannot be read or that differs from CHECKSUMS, adapters that cannot be encoded, and the error of the sink.
#[cfg(feature = "load")]
pub(crate) fn rows_of<S: RowSink + Clone>(
    outputs: &[PathBuf],
    options: &Options,
    rows: &S,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let inputs = opened_all(outputs)?;
    let mut outcome = Outcome::new(timestamp(&inputs, options)?, options);
    Reading { inputs: &inputs, options, progress }.all(rows, None, in_order, &mut outcome)?;
    Ok(outcome)
}

fn opened_all(outputs: &[PathBuf]) -> Result<Vec<Input>> {
    refuse_doubles(outputs)?;
    outputs.iter().map(|path| Input::open(path)).collect()
}

/// Reads all outputs.
struct Reading<'r> {
    inputs: &'r [Input],
    options: &'r Options,
    progress: &'r dyn Progress,
}

/// Reads one output.
type Read<S> = fn(&OneOutput<'_>, Readers<Objects<S>>, &mut Objects<S>) -> Result<Seen>;

/// An output, with what is wanted of it.
struct OneOutput<'o> {
    path: &'o Path,
    adapters: &'o [Adapter],
    scratch: &'o Path,
    blocks: BlockSize,
}

/// Objects come one after the other.
fn in_order<S: RowSink + Clone>(
    from: &OneOutput<'_>,
    readers: Readers<Objects<S>>,
    objects: &mut Objects<S>,
) -> Result<Seen> {
    output::read(&mut || opened(from.path), readers, from.adapters, from.scratch, objects)
}

/// Lines come in blocks, on all threads.
fn in_blocks(from: &OneOutput<'_>, readers: Readers<Objects<Rows>>, objects: &mut Objects<Rows>) -> Result<Seen> {
    let mut open = || opened(from.path);
    output::read_in_blocks(from.blocks, &mut open, readers, from.adapters, from.scratch, objects)
}

impl Reading<'_> {
    fn all<S: RowSink + Clone>(
        &self,
        rows: &S,
        fingerprints: Option<&Fingerprints>,
        read: Read<S>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        self.progress.begin("read", self.inputs.len() as u64);
        for input in self.inputs {
            let taken = (rows.clone(), fingerprints.map(Fingerprints::fork));
            input.read(self.options, taken, read, outcome)?;
            self.progress.advance(1);
        }
        Ok(())
    }
}

/// The commit timestamp of all rows: the newest of the outputs, or a later one that was asked for.
fn timestamp(inputs: &[Input], options: &Options) -> Result<u64> {
    let told = inputs.iter().map(|input| input.manifest.last_commit_ts()).max().unwrap_or(0);
    match options.last_commit_ts {
        None => Ok(told),
        Some(asked) if asked >= told => Ok(asked),
        Some(asked) => Err(Error::usage(format!(
            "the commit timestamp {asked} is older than that of the outputs, {told}: timestamps of a store never go back"
        ))),
    }
}

impl Seal {
    fn sealer(&self) -> Result<Sealer> {
        let id = self.key_id;
        self.keys.sealer(id).ok_or_else(|| {
            let there = self.keys.ids().map(|id| id.to_string()).collect::<Vec<_>>().join(", ");
            Error::usage(format!(
                "rows cannot be encrypted with key id {id}, which is missing (known key ids: {there})"
            ))
        })
    }
}

impl Input {
    fn open(path: &Path) -> Result<Input> {
        if path.as_os_str() == "-" {
            return Err(Error::command_line(
                "an output is read twice, and standard input can be read only once: give it as a file",
            ));
        }
        let manifest = ReadManifest::of(&mut opened(path)?)?;
        let made = Decode::of_readable(&manifest)?;
        Ok(Input { path: path.to_path_buf(), manifest, made })
    }

    /// The adapters whose objects are read.
    fn adapters<'o>(&'o self, options: &'o Options) -> &'o [Adapter] {
        options.adapters.as_deref().unwrap_or(&self.manifest.adapters)
    }

    fn read<S: RowSink + Clone>(
        &self,
        options: &Options,
        (rows, fingerprints): (S, Option<Fingerprints>),
        read: Read<S>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let adapters = self.adapters(options);
        let made = &self.made;
        let told = Told {
            all: made.for_restore,
            side_records: made.include_sqs_side_records,
            visibility: made.preserve_sqs_visibility,
            now_ms: hlc_millis(outcome.last_commit_ts).cast_signed().saturating_add(outcome.shifted_ms),
        };
        let scratch = std::env::temp_dir();
        let mut objects = Objects::new(rows, told, Shift(outcome.shifted_ms), fingerprints, &scratch);
        let named = |error: Error| error.or_input(&self.path);
        let from = OneOutput { path: &self.path, adapters, scratch: &scratch, blocks: options.blocks };
        let seen = read(&from, registry::readers(made.layout, &scratch), &mut objects);
        let Seen { files, bytes, aside } = seen.map_err(named)?;
        let done = objects.finish().map_err(named)?;
        done.check(&self.manifest, adapters).map_err(named)?;
        (outcome.files, outcome.read) = (outcome.files + files, outcome.read + bytes);
        findings::of_output(&self.path, &self.manifest, made, adapters, aside, done.left_out, &mut outcome.findings);
        outcome.skipped += self.manifest.skipped;
        outcome.add(&done);
        Ok(())
    }
}

impl Outcome {
    fn new(last_commit_ts: u64, options: &Options) -> Outcome {
        let taken_ms = hlc_millis(last_commit_ts).cast_signed();
        Outcome {
            rows: 0,
            bytes: 0,
            last_commit_ts,
            index: None,
            key_id: None,
            shifted_ms: options.shift_to_ms.map_or(0, |to| to.cast_signed().saturating_sub(taken_ms)),
            files: 0,
            read: 0,
            objects: Vec::new(),
            skipped: 0,
            findings: Findings::default(),
            elapsed: Duration::ZERO,
        }
    }

    fn add(&mut self, done: &objects::Done) {
        for (adapter, kind, count) in done.totals() {
            match self.objects.iter_mut().find(|(a, k, _)| (*a, *k) == (adapter, kind)) {
                Some((.., sum)) => *sum += count,
                None => self.objects.push((adapter, kind, count)),
            }
        }
    }
}
