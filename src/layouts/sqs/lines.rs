//! Renders the sorted records as lines, in chunks: in parallel, and passed on in order.

use super::entry::Entry;
use super::files::{Collected, Piece, Rendered};
use super::render;
use super::{Paths, Place};
use crate::adapters::sqs::{Queues, Read, Reader};
use crate::error::Result;
use crate::format::adapter;
use crate::model::sqs::{Message, QueueVisitor, RecordKind, Records, SideRecord, Visitor};
use crate::options::Options;
use crate::output::observer::{Object, Objects};
use crate::output::split::{SpillWriter, SplitOutput, Writes};
use crate::output::tree::Tree;
use crate::report::Findings;
use crate::run::Job;
use crate::run::shards::run_more_splits;
use crate::run::sort::{Record as _, Sorted};

/// Records taken from the sorter at a time.
const BATCH: usize = 64 << 10;
/// Approximate bytes of values in a chunk.
pub(super) const CHUNK: usize = 256 << 10;
/// Bytes that count for a record with a small value.
const ROW: usize = 128;

/// Writes all lines.
///
/// # Errors
/// The first damaged message in the order of the output, or a failed write.
pub fn write<'a>(
    job: &mut Job<'_, 'a, '_>,
    queues: &Queues<'a>,
    paths: &'static dyn Paths,
    files: &[Records<'a>],
    mut rows: Sorted<Entry>,
) -> Result<()> {
    let (tree, progress) = (job.tree, job.progress);
    let reader = Reader::new(job.set, queues);
    let renderer = Renderer { reader, tree, queues, files, paths, options: job.options };
    let mut collected = Collected::new(queues, files, paths, job.collector);
    let mut next = || settled(&renderer.reader, rows.next_batch(BATCH)?);
    let (mut batch, mut first) = (next()?, 0);
    while !batch.is_empty() {
        let chunks = chunks(&batch, paths.chunk(job.set.granularity()));
        let numbers = first..first + chunks.len();
        progress.begin("sqs lines", chunks.len() as u64);
        let render = || {
            run_more_splits(
                (job.role, adapter::SQS, tree),
                numbers.clone(),
                |number| renderer.chunk(chunks[number - first]),
                |rendered| {
                    crate::run::step(progress, tree);
                    collected.take(rendered)
                },
                Writes::write,
            )
        };
        let (rendered, ahead) = rayon::join(render, &mut next);
        rendered?;
        (batch, first) = (ahead?, numbers.end);
    }
    collected.close()
}

/// Cuts records into chunks of about equal size.
fn chunks(mut rows: &[Entry], chunk: usize) -> Vec<&[Entry]> {
    let mut chunks = Vec::new();
    while !rows.is_empty() {
        let mut bytes = 0;
        let fits = |row: &&Entry| {
            bytes += row.len as usize + ROW;
            bytes <= chunk
        };
        let len = rows.iter().take_while(fits).count().max(1);
        let (chunk, rest) = rows.split_at(len);
        chunks.push(chunk);
        rows = rest;
    }
    chunks
}

/// The context of rendering.
pub(super) struct Renderer<'r, 'a, 't> {
    pub reader: Reader<'r, 'a>,
    pub tree: &'t Tree,
    pub queues: &'r Queues<'a>,
    /// By the file numbers of entries.
    pub files: &'r [Records<'a>],
    pub paths: &'static dyn Paths,
    pub options: &'r Options,
}

/// Messages with equal sort entries are sorted by their complete IDs.
fn settled(reader: &Reader<'_, '_>, mut batch: Vec<Entry>) -> Result<Vec<Entry>> {
    for ties in batch.chunk_by_mut(|a, b| a.key() == b.key()).filter(|ties| ties.len() > 1) {
        let with_id = |entry: &Entry| Ok((reader.message_id(entry)?, *entry));
        let mut whole = ties.iter().map(with_id).collect::<Result<Vec<_>>>()?;
        whole.sort_by(|a, b| a.0.cmp(&b.0));
        ties.iter_mut().zip(whole).for_each(|(slot, (_, entry))| *slot = entry);
    }
    Ok(batch)
}

/// Passes all records to a visitor, file by file; findings go to `findings`.
///
/// # Errors
/// The first damaged message in that order, or the error of the visitor.
pub fn visit<'a>(
    reader: &Reader<'_, 'a>,
    files: &[Records<'a>],
    mut rows: Sorted<Entry>,
    visitor: &mut impl QueueVisitor,
    findings: &mut Findings,
) -> Result<()> {
    let mut open = None;
    loop {
        let batch = settled(reader, rows.next_batch(BATCH)?)?;
        if batch.is_empty() {
            return Ok(());
        }
        for rows in batch.chunk_by(|a, b| a.file == b.file) {
            let Some(of) = rows.first().and_then(|first| files.get(first.file as usize)) else { continue };
            if open.replace(*of) != Some(*of) {
                visitor.records(of)?;
            }
            findings.merge(reader.read(of, rows, visitor)?.findings);
        }
    }
}

impl<'a, 't> Renderer<'_, 'a, 't> {
    fn chunk(&self, chunk: &[Entry]) -> Result<Rendered<'t>> {
        let (mut pieces, mut out) = (Vec::new(), SplitOutput::new(self.tree));
        for rows in chunk.chunk_by(|a, b| a.file == b.file) {
            let Some(first) = rows.first() else { continue };
            let past_retention = self.piece(&self.files[first.file as usize], rows, &mut out)?;
            pieces.push(Piece { file: first.file, past_retention });
        }
        Ok(Rendered { out, pieces })
    }

    /// Appends lines to one file; gives the number of messages past their retention.
    pub fn piece(&self, of: &Records<'a>, rows: &[Entry], out: &mut SplitOutput<'t>) -> Result<u64> {
        let place = self.paths.lines(self.queues, of);
        if self.tree.is_check() {
            let log = out.log_in_parts(&place.path);
            return self.dropped(of, rows, &place, log, out);
        }
        let (read, bytes) = self.paths.write(&self.reader, of, rows, &place, self.options, out)?;
        Ok(self.count(read, bytes, &place, out))
    }

    /// The same if no lines are written.
    fn dropped(
        &self,
        of: &Records<'a>,
        rows: &[Entry],
        place: &Place,
        log: usize,
        out: &mut SplitOutput<'t>,
    ) -> Result<u64> {
        let lines = Lines { out: out.grow_log(log), preserve_visibility: self.options.preserve_sqs_visibility };
        let scope = (of.kind == RecordKind::Messages).then_some(place.scope.as_str());
        let mut told = Told { lines, scope, objects: out.objects(), bytes: 0 };
        let done = self.reader.read(of, rows, &mut told);
        let Told { lines, bytes, .. } = told;
        let (read, _) = out.end(lines.out, done)?;
        Ok(self.count(read, bytes, place, out))
    }

    /// Counts what was written.
    fn count(&self, read: Read, bytes: u64, place: &Place, out: &mut SplitOutput<'t>) -> u64 {
        let Read { records, past_retention, findings } = read;
        out.findings.merge(findings);
        out.tally.add(adapter::SQS, &place.scope, place.kind, records, bytes);
        past_retention
    }
}

/// Appends the lines of some records to the file of their place.
pub(super) fn append<'a>(
    reader: &Reader<'_, 'a>,
    of: &Records<'a>,
    rows: &[Entry],
    place: &Place,
    options: &Options,
    out: &mut SplitOutput<'_>,
) -> Result<(Read, u64)> {
    let log = out.log_in_parts(&place.path);
    let mut lines = Lines { out: out.grow_log(log), preserve_visibility: options.preserve_sqs_visibility };
    let done = reader.read(of, rows, &mut lines);
    out.end(lines.out, done)
}

/// Reports each message after its line was rendered; if no observer needs them, no line is.
struct Told<'l, 't> {
    lines: Lines<'t>,
    /// The queue, if these are its messages.
    scope: Option<&'l str>,
    objects: Option<&'l mut Objects>,
    bytes: u64,
}

impl Visitor for Told<'_, '_> {
    fn message(&mut self, message: &Message<'_>) -> Result<()> {
        if self.objects.is_none() {
            return Ok(());
        }
        self.lines.message(message)?;
        let line = &mut self.lines.out;
        let (size, value) = (line.size(), line.fingerprint());
        line.restart();
        self.bytes += size;
        if let Some((objects, scope)) = self.objects.as_mut().zip(self.scope) {
            let (adapter, kind, key) = (adapter::SQS, "messages", message.value.message_id.as_bytes());
            objects.add(&Object {
                adapter,
                scope,
                kind,
                key,
                range: None,
                size,
                expire_at_ms: None,
                value,
                rest: None,
            });
        }
        Ok(())
    }

    fn side_record(&mut self, record: &SideRecord<'_>) -> Result<()> {
        if self.objects.is_none() {
            return Ok(());
        }
        self.lines.side_record(record)?;
        self.bytes += self.lines.out.size();
        self.lines.out.restart();
        Ok(())
    }
}

/// Appends lines to a file.
struct Lines<'t> {
    out: SpillWriter<'t>,
    preserve_visibility: bool,
}

impl Visitor for Lines<'_> {
    #[inline]
    fn message(&mut self, message: &Message<'_>) -> Result<()> {
        let shown = render::Shown { preserve_visibility: self.preserve_visibility, partition: message.partition };
        render::message_line(message.value, shown, &mut self.out);
        self.out.spill()
    }

    fn side_record(&mut self, record: &SideRecord<'_>) -> Result<()> {
        render::side_record_line(record.family, record.key, record.value, &mut self.out);
        self.out.spill()
    }
}
