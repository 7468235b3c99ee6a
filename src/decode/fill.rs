//! Fills a tree of any kind with the logical data of the inputs.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::filter::Matched;
use super::{Job, Options, Progress, describe, findings};
use crate::dataset::{DataSet, Losses, SkipLog, Unresolved};
use crate::error::{Error, Result};
use crate::options::changes::Found;
use crate::output::checksums::{self, Checksums, Sums};
use crate::output::manifest::Manifest;
use crate::output::members::MemberList;
use crate::output::observer::Observer;
use crate::output::split::{Collector, SpillWriter, SplitOutput};
use crate::output::tree::Tree;
use crate::output::{CHECKSUMS, DELETED, MANIFEST};
use crate::registry;
use crate::report::Findings;
use crate::run::shards::Role;
use crate::source::Source;

/// Bytes of lines about losses that are handed over together.
const LINES_AT_ONCE: usize = 1 << 20;

/// A filled tree.
pub struct DecodeResult {
    /// The manifest as written.
    pub manifest: Manifest,
    /// Findings of the decode.
    pub findings: Findings,
    /// Number of files, without MANIFEST.json and CHECKSUMS.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of the inputs.
    pub input_bytes: u64,
    /// Every file except CHECKSUMS, by path.
    pub checksums: Checksums,
    /// Members of an archive that are not files of the tree.
    pub members: MemberList,
    /// Places that could not be read.
    pub lost: Losses,
    /// What the filters for objects matched.
    pub matched: Matched,
}

impl DecodeResult {
    /// Refuses an output without objects, if a filter caused it, or if it would replace another output.
    ///
    /// # Errors
    /// A message that says what to do.
    pub(super) fn check_replaces(&self, replaces: bool, target: &Path) -> Result<()> {
        self.matched.check()?;
        if !replaces || self.manifest.options.since.is_some() || self.manifest.adapters.tally.has_scopes() {
            return Ok(());
        }
        let words =
            "the inputs have no objects, and an empty output does not replace another one: check the inputs, or remove";
        Err(Error::usage(format!("{words} {} yourself", target.display())))
    }
}

impl std::fmt::Debug for DecodeResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} files of {} bytes", self.files, self.bytes)
    }
}

/// Decodes `sources` into `tree`, MANIFEST.json last. The caller writes CHECKSUMS.
///
/// # Errors
/// An input that is not a valid snapshot, a damaged row, an output that cannot be written.
pub fn fill(
    sources: &[Source],
    tree: &Tree,
    scratch: &Path,
    options: &Options,
    progress: &dyn Progress,
) -> Result<DecodeResult> {
    or_changed(sources, || {
        let mut indexed = index(sources, options, progress)?;
        indexed.set.enter(tree.observer().map_or_else(Arc::default, Observer::room));
        fill_indexed(&indexed, tree, scratch, options, progress)
    })
}

/// Runs `work` on sources. If it finds damage, a file may have changed while it was read.
///
/// # Errors
/// A file that changed, or the error of `work`.
pub fn or_changed<T>(sources: &[Source], work: impl FnOnce() -> Result<T>) -> Result<T> {
    match work() {
        Err(error) if error.is_damage() => sources.iter().try_for_each(Source::check_unchanged).and(Err(error)),
        done => done,
    }
}

/// Indexed inputs, with the values of committed transactions.
pub struct Indexed<'a> {
    /// Their rows.
    pub set: DataSet<'a>,
    unresolved: Unresolved,
    /// Columns from a plan; `None`: there is no plan.
    pub(crate) columns: Option<Vec<u8>>,
}

/// Indexes the inputs.
///
/// # Errors
/// An input that is not a valid snapshot.
pub fn index<'a>(sources: &'a [Source], options: &Options, progress: &dyn Progress) -> Result<Indexed<'a>> {
    let set = scan(sources, options, progress)?;
    // Code that needs bodies fails later and says which encryption keys are missing. The rest runs without the outcome of transactions.
    if set.has_missing_keys() && !options.skip_damage {
        return Ok(Indexed { set, unresolved: Unresolved::default(), columns: None });
    }
    Indexed::of(set)
}

/// As [`index`], without the values of transactions.
///
/// # Errors
/// As [`index`].
pub fn scan<'a>(sources: &'a [Source], options: &Options, progress: &dyn Progress) -> Result<DataSet<'a>> {
    progress.begin("scan", 1);
    let losses = SkipLog::new(options.skip_damage);
    let set = DataSet::index_with(sources, options.as_of, options.granularity, losses)?;
    progress.advance(1);
    Ok(set)
}

impl<'a> Indexed<'a> {
    /// Applies the values of transactions.
    ///
    /// # Errors
    /// A malformed row of a transaction.
    pub fn of(mut set: DataSet<'a>) -> Result<Indexed<'a>> {
        let unresolved = set.resolve_transactions()?;
        Ok(Indexed { set, unresolved, columns: None })
    }

    /// Reports what concerns the inputs whatever is read of them: a missing footer, unreleased locks.
    ///
    /// # Errors
    /// A row that cannot be read.
    pub fn note_inputs(&self, options: &Options, findings: &mut Findings) -> Result<()> {
        findings::of_inputs(&self.set, options, &self.unresolved, findings)
    }
}

/// The part of [`fill`] that follows the index, which was made with the same options.
///
/// # Errors
/// As [`fill`].
pub fn fill_indexed(
    indexed: &Indexed<'_>,
    tree: &Tree,
    scratch: &Path,
    options: &Options,
    progress: &dyn Progress,
) -> Result<DecodeResult> {
    fill_as(Role::All, indexed, tree, scratch, options, progress)
}

/// As [`fill_indexed`], in a role that writes everything.
pub(super) fn fill_as(
    role: Role<'_>,
    indexed: &Indexed<'_>,
    tree: &Tree,
    scratch: &Path,
    options: &Options,
    progress: &dyn Progress,
) -> Result<DecodeResult> {
    let set = &indexed.set;
    set.check_keys()?;
    if options.writes_changes() && options.filter.changes.is_none() {
        return Err(Error::usage("it is not known yet what changed: compare::since::prepare finds it"));
    }
    // Its patterns have matched nothing yet, whatever they matched in another run.
    let options = &options.clone();
    let input_bytes = set.inputs().map(|group| group.source.file().len() as u64).sum();
    let mut collector = Collector::new(tree, scratch);
    collector.assembler = registry::assembler(options.layout);
    collector.part_size = options.part_size.filter(|_| options.packed());
    indexed.note_inputs(options, &mut collector.findings)?;
    if let Role::Merge(shards) = role {
        shards.each_sums(|sums| collector.add_sums(&sums))?;
        let (files, bytes) = shards.written();
        tree.count_written(files, bytes);
    }
    let columns = indexed.columns.as_deref();
    let mut job = Job { set, options, tree, progress, collector: &mut collector, role, columns };
    registry::fill_all(&mut job)?;
    if let Role::Merge(shards) = role {
        shards.mark(&options.filter);
    }
    set.check_unchanged()?;
    let matched = Matched::of(&options.adapters, &options.filter, &collector.tally, |adapter| set.has_rows_of(adapter));
    findings::of_choice(&matched, &mut collector.findings);
    write_beside(options, &mut collector)?;
    write_deleted(options, &mut collector)?;
    let lost = set.losses().take()?;
    write_losses(&lost, &mut collector)?;
    let members = std::mem::take(&mut collector.members);
    let (mut checksums, mut findings, tally) = collector.finish()?;
    set.qualify(&mut findings);
    let (files, bytes) = tree.written();
    let mut manifest = describe::describe(set, options, &findings, tally);
    manifest.skipped = lost.len();
    checksums.add(&write_manifest(&manifest, tree)?)?;
    Ok(DecodeResult { manifest, findings, files, bytes, input_bytes, checksums, members, lost, matched })
}

/// Writes the manifest, which is long if there are many scopes.
fn write_manifest(manifest: &Manifest, tree: &Tree) -> Result<Sums> {
    let mut out = SplitOutput::new(tree);
    let mut text = Text { file: out.grow(&tree.dir(b"")?, MANIFEST.as_bytes()), failed: None };
    let written = manifest.write(&mut text);
    let Text { file, failed } = text;
    failed.map_or(Ok(()), Err)?;
    written.map_err(|e| Error::internal(format!("the manifest cannot be written: {e}")))?;
    out.finish(file)?;
    Ok(out.into_sums())
}

/// A file that the JSON library writes.
struct Text<'t> {
    file: SpillWriter<'t>,
    failed: Option<Error>,
}

impl io::Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|e| {
            self.failed = Some(e);
            io::Error::other("the file cannot be written")
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the files that are the same in every output of the layout.
fn write_beside(options: &Options, collector: &mut Collector<'_>) -> Result<()> {
    let files = registry::beside(options);
    if files.is_empty() {
        return Ok(());
    }
    let mut out = SplitOutput::new(collector.tree());
    let root = collector.tree().dir(b"")?;
    for (name, content) in files {
        out.put(&root, name.as_bytes(), content.as_bytes())?;
    }
    collector.take(out)
}

/// Writes `deleted.jsonl`, if changes are written: the deleted objects.
fn write_deleted(options: &Options, collector: &mut Collector<'_>) -> Result<()> {
    let Some(Found(changes)) = &options.filter.changes else { return Ok(()) };
    let mut piece = |lines: &[u8]| {
        let mut out = SplitOutput::new(collector.tree());
        out.lines(DELETED).extend_from_slice(lines);
        collector.take(out)
    };
    // The file exists even if nothing was deleted.
    piece(b"")?;
    changes.deleted(&mut piece)
}

/// Writes `ERRORS.jsonl`: what could not be read, by input and offset.
fn write_losses(lost: &Losses, collector: &mut Collector<'_>) -> Result<()> {
    let mut out = SplitOutput::new(collector.tree());
    for loss in lost {
        let lines = out.lines(crate::output::ERRORS);
        lines.extend(serde_json::to_vec(&loss?).unwrap_or_default());
        lines.push(b'\n');
        if lines.len() >= LINES_AT_ONCE {
            collector.take(std::mem::replace(&mut out, SplitOutput::new(collector.tree())))?;
        }
    }
    collector.take(out)
}

/// Writes CHECKSUMS and returns its own digest and place.
///
/// # Errors
/// A failed write.
pub fn write_checksums(tree: &Tree, checksums: &mut Checksums) -> Result<Sums> {
    let root = tree.dir(b"")?;
    let mut file = tree.create(&root, CHECKSUMS.as_bytes())?;
    let mut buffer = Vec::new();
    let mut failed = None;
    let merged = checksums.merge(|path, entry| {
        checksums::row_into(path, &entry.digest, &mut buffer);
        if buffer.len() >= 1 << 20 {
            file.write(&buffer).map_err(|e| {
                failed = Some(e);
                io::Error::other("CHECKSUMS cannot be written")
            })?;
            buffer.clear();
        }
        Ok(())
    });
    failed.map_or(Ok(()), Err)?;
    merged.map_err(|e| Error::io("merge checksums in", "the temporary directory", e))?;
    file.write(&buffer)?;
    let mut own = Sums::default();
    file.finish(&mut own)?;
    Ok(own)
}
