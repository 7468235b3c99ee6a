//! Renders the sorted rows as lines, in chunks: in parallel, handed over in order.

use bumpalo::Bump;

use super::check::{Owner, Read};
use super::files::{Piece, Place, Rendered, Writer};
use super::index::{Lines, Target};
use super::queues::Queues;
use super::render::{self, Shown};
use super::sort::Entry;
use crate::dataset::{DataSet, Row};
use crate::decode::sort::{Record as _, Sorted};
use crate::decode::{Job, Options, engine};
use crate::error::Result;
use crate::format::mvcc::hlc_millis;
use crate::format::sqs::key::{self, DataKeys};
use crate::format::sqs::{Head, Queue};
use crate::format::{Adapter, Family};
use crate::output::tree::Tree;
use crate::output::unit::{Growing, UnitOut, Writes};

/// Rows taken from the sorter at a time.
const BATCH: usize = 64 << 10;
/// Bytes of values that a unit renders, about.
const CHUNK: usize = 256 << 10;
/// Rows that are fetched from memory, and checked, together.
const AHEAD: usize = 64;
/// What a row without much of a value counts towards that.
const ROW: usize = 128;

/// Writes all lines.
///
/// # Errors
/// The first damaged message in the order of the output, or a failed write.
pub fn write<'a>(
    job: &mut Job<'_, 'a, '_>,
    queues: &Queues<'a>,
    files: &[Target<'a>],
    mut rows: Sorted<Entry>,
) -> Result<()> {
    let (set, tree, progress) = (job.set, job.tree, job.progress);
    let now = i64::try_from(hlc_millis(set.view().read_ts)).unwrap_or(i64::MAX);
    let renderer = Renderer { set, options: job.options, tree, queues, files, now };
    let mut writer = Writer::new(queues, files, job.options.layout, job.collector);
    let mut next = || renderer.settled(rows.next_batch(BATCH)?);
    let mut batch = next()?;
    while !batch.is_empty() {
        let chunks = chunks(&batch);
        progress.begin("sqs lines", chunks.len() as u64);
        let render = || {
            engine::run_with(
                chunks.len(),
                |i| renderer.unit(chunks[i]),
                |rendered| {
                    crate::decode::step(progress, tree);
                    writer.take(rendered)
                },
                Writes::write,
            )
        };
        let (rendered, ahead) = rayon::join(render, &mut next);
        rendered?;
        batch = ahead?;
    }
    writer.close()
}

/// Cuts rows into chunks of about equal bytes.
fn chunks(mut rows: &[Entry]) -> Vec<&[Entry]> {
    let mut chunks = Vec::new();
    while !rows.is_empty() {
        let mut bytes = 0;
        let fits = |row: &&Entry| {
            bytes += row.len as usize + ROW;
            bytes <= CHUNK
        };
        let len = rows.iter().take_while(fits).count().max(1);
        let (chunk, rest) = rows.split_at(len);
        chunks.push(chunk);
        rows = rest;
    }
    chunks
}

/// What renders.
struct Renderer<'r, 'a, 't> {
    set: &'r DataSet<'a>,
    options: &'r Options,
    tree: &'t Tree,
    queues: &'r Queues<'a>,
    files: &'r [Target<'a>],
    /// Unix milliseconds of the read timestamp.
    now: i64,
}

impl<'a, 't> Renderer<'_, 'a, 't> {
    /// Messages whose sort entries are equal come in the order of their whole IDs.
    fn settled(&self, mut batch: Vec<Entry>) -> Result<Vec<Entry>> {
        for ties in batch.chunk_by_mut(|a, b| a.key() == b.key()).filter(|ties| ties.len() > 1) {
            let with_id = |entry: &Entry| Ok((self.message_id(entry)?, *entry));
            let mut whole = ties.iter().map(with_id).collect::<Result<Vec<_>>>()?;
            whole.sort_by(|a, b| a.0.cmp(&b.0));
            ties.iter_mut().zip(whole).for_each(|(slot, (_, entry))| *slot = entry);
        }
        Ok(batch)
    }

    fn message_id(&self, entry: &Entry) -> Result<Vec<u8>> {
        let row = self.set.row_at(entry.row)?;
        let arena = Bump::new();
        let head = Head::parse(&arena, row.body).map_err(|fault| self.set.locate(row.fault(Family::SqsData, fault)))?;
        Ok(head.message_id.as_bytes().to_vec())
    }

    fn unit(&self, chunk: &[Entry]) -> Result<Rendered<'t>> {
        let (mut pieces, mut out) = (Vec::new(), UnitOut::new(self.tree));
        for rows in chunk.chunk_by(|a, b| a.file == b.file) {
            let Some(first) = rows.first() else { continue };
            let expired = self.piece(first.file, rows, &mut out)?;
            pieces.push(Piece { file: first.file, expired });
        }
        Ok(Rendered { out, pieces })
    }

    /// Appends lines to one file; gives the number of messages past their retention.
    fn piece(&self, file: u32, rows: &[Entry], out: &mut UnitOut<'t>) -> Result<u64> {
        let target = &self.files[file as usize];
        let place = Place::of(self.queues, target, self.options.layout);
        let log = out.log(&place.path);
        let mut lines = out.grow_log(log);
        let done = match target.lines {
            Lines::Messages => self.messages(target.queue, rows, &mut lines, out),
            Lines::Side => self.side_records(rows, &mut lines),
            Lines::Left(_) => self.lines(None, rows, &mut lines, out),
        };
        let (written, bytes) = out.end(lines, done)?;
        out.tally.add(Adapter::Sqs, &place.scope, place.kind, written.rows, bytes);
        Ok(written.expired)
    }

    /// Appends messages of a queue.
    fn messages(
        &self,
        queue: &[u8],
        rows: &[Entry],
        lines: &mut Growing<'_>,
        out: &mut UnitOut<'_>,
    ) -> Result<Written> {
        let Some(record) = self.queues.get(queue).and_then(|known| known.record) else { return Ok(Written::default()) };
        let at_record = |fault| self.set.locate(record.fault(Family::SqsQueue, fault));
        let arena = Bump::new();
        let parsed = Queue::parse(&arena, record.body).map_err(at_record)?;
        let name = key::queue_name(queue).map_err(at_record)?;
        self.lines(Some(&Owner { queue: &parsed, name: &name }), rows, lines, out)
    }

    /// Appends messages; those of a live queue are checked against it.
    fn lines(
        &self,
        owner: Option<&Owner<'_>>,
        rows: &[Entry],
        lines: &mut Growing<'_>,
        out: &mut UnitOut<'_>,
    ) -> Result<Written> {
        let (mut written, mut keys, mut arena) = (Written::default(), DataKeys::default(), Bump::new());
        for rows in rows.chunks(AHEAD) {
            let messages = self.read(rows, &mut keys, &arena)?;
            if let Some(owner) = owner {
                owner.check(&messages, out);
                written.expired += owner.past_retention(&messages, self.now);
            }
            for Read { key, message, .. } in &messages {
                let preserve_visibility = self.options.preserve_sqs_visibility;
                let shown = Shown { preserve_visibility, partition: key.place.partition };
                render::message_line(message, shown, lines);
                lines.spill()?;
            }
            written.rows += messages.len() as u64;
            drop(messages);
            arena.reset();
        }
        Ok(written)
    }

    /// Reads messages again, which stand in any order. One that cannot be read is a line less, if losses are taken.
    fn read<'m>(&self, rows: &[Entry], keys: &mut DataKeys<'a>, arena: &'m Bump) -> Result<Vec<Read<'a, 'm>>>
    where
        'a: 'm,
    {
        let mut messages = Vec::with_capacity(rows.len());
        self.each_row(rows, |row| {
            match Read::parse(row, keys, arena) {
                Ok(message) => messages.push(message),
                Err(fault) => self.set.tolerate(self.set.locate(row.fault(Family::SqsData, fault)))?,
            }
            Ok(())
        })?;
        Ok(messages)
    }

    fn side_records(&self, rows: &[Entry], lines: &mut Growing<'_>) -> Result<Written> {
        for rows in rows.chunks(AHEAD) {
            self.each_row(rows, |row| {
                render::side_record_line(Family::of(row.user_key), row.user_key, row.body, lines);
                lines.spill()
            })?;
        }
        Ok(Written { rows: rows.len() as u64, expired: 0 })
    }

    /// Fetches rows from memory together, and gives them one by one.
    fn each_row(&self, rows: &[Entry], mut each: impl FnMut(&Row<'a>) -> Result<()>) -> Result<()> {
        self.set.warm(rows.iter().map(|row| (row.row, row.len as usize + ROW)));
        rows.iter().try_for_each(|row| each(&self.set.row_at(row.row)?))
    }
}

/// Lines that were written.
#[derive(Default)]
struct Written {
    rows: u64,
    /// Messages past their retention.
    expired: u64,
}
