//! SQS in both layouts: a document for each queue, and files of lines in the order of sending.
//!
//! 1. Heads of all records are sorted by file, send time, sequence number and ID, in runs that spill to a temporary file.
//! 2. Documents of queues are written.
//! 3. Records are read again in sorted order, rendered in parallel chunks, and passed on in order.
//!
//! If that order is not needed ([`Tree::takes_any_order`](crate::output::tree::Tree::takes_any_order)) there is no sort: records are read
//! split by split.

pub(crate) mod counted;
mod documents;
mod entry;
mod files;
mod index;
mod lines;
pub(crate) mod lookup;
pub mod names;
pub mod paths;
pub(crate) mod place;
pub mod read;
pub mod render;
mod unordered;

use crate::adapters::sqs::{Only, Queues, Read, Reader};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::index::Granularity;
use crate::model::sqs::{Queue, QueueVisitor, Records};
use crate::options::{ObjectName, Options};
use crate::output::split::SplitOutput;
use crate::report::Findings;
use crate::run::{Job, Progress, Scratch, note_shared};
pub(super) use documents::write_packed;
pub(super) use entry::Entry;

/// The file of lines, and the scope and kind in which they are counted.
pub(crate) struct Place {
    /// Below the root.
    pub path: String,
    /// Scope in the manifest.
    pub scope: String,
    /// Kind in the manifest.
    pub kind: &'static str,
}

/// What a layout decides for SQS: the paths of its files.
pub(crate) trait Paths: Sync {
    /// The place of the lines of some records.
    fn lines(&self, queues: &Queues<'_>, of: &Records<'_>) -> Place;

    /// Writes the document of a queue, and those of its files that are not in `gets_lines`.
    fn document(
        &self,
        queue: &Queue<'_>,
        document: &[u8],
        options: &Options,
        gets_lines: &dyn Fn(&Records<'_>) -> bool,
        out: &mut SplitOutput<'_>,
    ) -> Result<()>;

    /// Approximate bytes of records that are written together.
    fn chunk(&self, granularity: Granularity) -> usize {
        lines::CHUNK.min(granularity.task_size)
    }

    /// Writes some records to their place; returns the result of the read, and the written bytes.
    fn write<'a>(
        &self,
        reader: &Reader<'_, 'a>,
        of: &Records<'a>,
        rows: &[Entry],
        place: &Place,
        options: &Options,
        out: &mut SplitOutput<'_>,
    ) -> Result<(Read, u64)> {
        lines::append(reader, of, rows, place, options, out)
    }
}

/// The place of stale messages in files of lines.
pub(super) fn stale(name: &[u8], generation: u64) -> Place {
    aside(name, &format!("generation-{generation}.jsonl"), "orphans")
}

/// The place of records without a live queue.
pub(super) fn aside(name: &[u8], file: &str, kind: &'static str) -> Place {
    Place { path: format!("{}/{file}", names::stale_path(name)), scope: names::ORPHANS.into(), kind }
}

/// Writes all queues.
///
/// # Errors
/// A damaged row, or a failed write.
pub(crate) fn queues(job: &mut Job<'_, '_, '_>, paths: &'static dyn Paths) -> Result<()> {
    let mut shared = Vec::new();
    let queues = Queues::read(job.set, &mut shared)?;
    note_shared(shared, &mut job.collector.findings);
    if job.tree.takes_any_order() {
        let (files, counts) = unordered::write(job, &queues, paths)?;
        documents::write(job, &queues, paths, &files)?;
        queues.report(&counts, &job.options.filter, &mut job.collector.findings);
        return Ok(());
    }
    let index = index::read(job, &queues)?;
    if !job.is_shard() {
        documents::write(job, &queues, paths, &index.files)?;
        queues.report(&index.counts, &job.options.filter, &mut job.collector.findings);
    }
    lines::write(job, &queues, paths, &index.files, index.entries)
}

/// Passes every queue, and then its records in the order of sending, to a visitor: without an output.
///
/// # Errors
/// A damaged row, or the error of the visitor.
pub fn read_in_order<'a>(
    set: &DataSet<'a>,
    options: &Options,
    scratch: &dyn Scratch,
    progress: &dyn Progress,
    visitor: &mut impl QueueVisitor,
) -> Result<Findings> {
    let (mut shared, mut findings) = (Vec::new(), Findings::default());
    let queues = Queues::read(set, &mut shared)?;
    note_shared(shared, &mut findings);
    let index = index::read_heads(set, options, scratch, progress, &queues, &mut findings)?;
    queues.records(set, &queues.wanted(&options.filter), &mut findings, |queue| visitor.queue(queue))?;
    if options.for_restore {
        queues
            .generations(&options.filter)
            .into_iter()
            .try_for_each(|(queue, last)| visitor.generation(queue, last))?;
    }
    queues.report(&index.counts, &options.filter, &mut findings);
    let reader = Reader::new(set, &queues);
    lines::visit(&reader, &index.files, index.entries, visitor, &mut findings)?;
    Ok(findings)
}

/// Writes one message, or all of a queue if no message is named.
///
/// # Errors
/// As [`queues`].
pub(crate) fn of_queue(job: &mut Job<'_, '_, '_>, paths: &'static dyn Paths, name: &ObjectName) -> Result<()> {
    job.only(name, |job| match &name.rest {
        Some(id) => message(job, paths, &name.name, id),
        None => queues(job, paths),
    })
}

/// Writes one message, by the ID of its key; if there is none, all of its queue, because an ID can be in a value only.
///
/// # Errors
/// As [`queues`].
fn message(job: &mut Job<'_, '_, '_>, paths: &'static dyn Paths, queue: &[u8], id: &[u8]) -> Result<()> {
    let known = Queues::read(job.set, &mut Vec::new())?;
    let index = index::read_one(job, &known, &Only::new(queue, id))?;
    if index.files.is_empty() {
        return queues(job, paths);
    }
    lines::write(job, &known, paths, &index.files, index.entries)
}
