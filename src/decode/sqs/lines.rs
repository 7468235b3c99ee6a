//! Renders the sorted rows as lines, in chunks: in parallel, handed over in order.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bumpalo::Bump;

use super::files::{Piece, Place, Rendered, Writer};
use super::findings;
use super::index::{Lines, Target};
use super::queues::Queues;
use super::render::{self, Shown};
use super::sort::Entry;
use crate::dataset::{DataSet, Row};
use crate::decode::sort::{Record as _, Sorted};
use crate::decode::{Job, Options, engine};
use crate::error::Result;
use crate::format::fault::Result as Parsed;
use crate::format::mvcc::hlc_millis;
use crate::format::sqs::key::{self, DataKey, DataKeys};
use crate::format::sqs::{Head, Message, Queue, partition};
use crate::format::{Adapter, Family, Fault};
use crate::output::tree::Tree;
use crate::output::unit::{Growing, UnitOut, Writes};
use crate::report::Finding;

/// Rows taken from the sorter at a time.
const BATCH: usize = 64 << 10;
/// Bytes of values that a unit renders, about.
const CHUNK: usize = 256 << 10;
/// Rows that are fetched from memory together.
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
    loop {
        let mut batch = rows.next_batch(BATCH)?;
        if batch.is_empty() {
            return writer.close();
        }
        renderer.settle(&mut batch)?;
        let chunks = chunks(&batch);
        progress.begin("sqs lines", chunks.len() as u64);
        engine::run_with(
            chunks.len(),
            |i| renderer.unit(chunks[i]),
            |rendered| {
                progress.advance(1);
                writer.take(rendered)
            },
            Writes::write,
        )?;
    }
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

/// A queue as a message is checked against it.
struct Owner<'q> {
    queue: &'q Queue<'q>,
    name: &'q [u8],
}

impl<'a, 't> Renderer<'_, 'a, 't> {
    /// Puts messages whose sort entries are equal in the order of their whole IDs.
    fn settle(&self, batch: &mut [Entry]) -> Result<()> {
        for ties in batch.chunk_by_mut(|a, b| a.key() == b.key()).filter(|ties| ties.len() > 1) {
            let with_id = |entry: &Entry| Ok((self.message_id(entry)?, *entry));
            let mut whole = ties.iter().map(with_id).collect::<Result<Vec<_>>>()?;
            whole.sort_by(|a, b| a.0.cmp(&b.0));
            ties.iter_mut().zip(whole).for_each(|(slot, (_, entry))| *slot = entry);
        }
        Ok(())
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
            Lines::Left(_) => self.left(rows, &mut lines),
        };
        let (written, bytes) = out.end(lines, done)?;
        out.tally.add(Adapter::Sqs, &place.scope, place.kind, written.rows, bytes);
        Ok(written.expired)
    }

    /// Reads rows again, which stand in any order.
    fn each_row(&self, rows: &[Entry], mut each: impl FnMut(&Row<'a>) -> Result<()>) -> Result<()> {
        for rows in rows.chunks(AHEAD) {
            self.set.warm(rows.iter().map(|row| (row.row, row.len as usize + ROW)));
            rows.iter().try_for_each(|row| each(&self.set.row_at(row.row)?))?;
        }
        Ok(())
    }

    fn messages(
        &self,
        queue: &[u8],
        rows: &[Entry],
        lines: &mut Growing<'_>,
        out: &mut UnitOut<'_>,
    ) -> Result<Written> {
        let mut written = Written::default();
        let Some(record) = self.queues.get(queue).and_then(|known| known.record) else { return Ok(written) };
        let at_record = |fault| self.set.locate(record.fault(Family::SqsQueue, fault));
        let (records, mut arena) = (Bump::new(), Bump::new());
        let parsed = Queue::parse(&records, record.body).map_err(at_record)?;
        let name = key::queue_name(queue).map_err(at_record)?;
        let (owner, mut keys) = (Owner { queue: &parsed, name: &name }, DataKeys::default());
        self.each_row(rows, |row| {
            match self.message(&owner, &mut keys, row, &arena, &mut lines.buffer, out) {
                Ok(expired) => written.count(expired),
                Err(fault) => self.lose(row, fault)?,
            }
            arena.reset();
            lines.spill()
        })?;
        Ok(written)
    }

    /// Renders a message; tells whether it is past its retention.
    fn message(
        &self,
        owner: &Owner<'_>,
        keys: &mut DataKeys<'a>,
        row: &Row<'a>,
        arena: &Bump,
        lines: &mut Vec<u8>,
        out: &mut UnitOut<'_>,
    ) -> Parsed<bool> {
        let key = keys.parse(Family::SqsData.suffix(row.user_key))?;
        let message = Message::parse(arena, row.body)?;
        owner.check(&key, &message, row, out);
        render::message_line(&message, self.shown(&key), lines);
        Ok(owner.is_past_retention(&message, self.now))
    }

    /// A message that cannot be rendered is one line less, if losses are taken.
    fn lose(&self, row: &Row<'_>, fault: Fault) -> Result<()> {
        self.set.tolerate(self.set.locate(row.fault(Family::SqsData, fault)))
    }

    fn shown(&self, key: &DataKey<'_>) -> Shown {
        Shown { preserve_visibility: self.options.preserve_sqs_visibility, partition: key.place.partition }
    }

    fn left(&self, rows: &[Entry], lines: &mut Growing<'_>) -> Result<Written> {
        let (mut written, mut arena) = (Written::default(), Bump::new());
        self.each_row(rows, |row| {
            match self.left_message(row, &arena, &mut lines.buffer) {
                Ok(()) => written.count(false),
                Err(fault) => self.lose(row, fault)?,
            }
            arena.reset();
            lines.spill()
        })?;
        Ok(written)
    }

    fn left_message(&self, row: &Row<'a>, arena: &Bump, lines: &mut Vec<u8>) -> Parsed<()> {
        let key = DataKey::parse(Family::SqsData.suffix(row.user_key))?;
        let message = Message::parse(arena, row.body)?;
        render::message_line(&message, self.shown(&key), lines);
        Ok(())
    }

    fn side_records(&self, rows: &[Entry], lines: &mut Growing<'_>) -> Result<Written> {
        self.each_row(rows, |row| {
            render::side_record_line(Family::of(row.user_key), row.user_key, row.body, &mut lines.buffer);
            lines.spill()
        })?;
        Ok(Written { rows: rows.len() as u64, expired: 0 })
    }
}

/// Lines that were written.
#[derive(Default)]
struct Written {
    rows: u64,
    /// Messages past their retention.
    expired: u64,
}

impl Written {
    fn count(&mut self, expired: bool) {
        self.rows += 1;
        self.expired += u64::from(expired);
    }
}

impl Owner<'_> {
    /// Warns of what is odd about a message.
    fn check(&self, key: &DataKey<'_>, message: &Message<'_>, row: &Row<'_>, out: &mut UnitOut<'_>) {
        let finding = |kind| Finding::new(kind).with("queue", self.name).with("message_id", message.message_id);
        for member in self.disagreements(key, message) {
            out.findings.add(finding(&findings::MESSAGE_KEY).with("member", member).with("offset", row.offset));
        }
        if !render::body_matches_md5(message) {
            out.findings.add(finding(&findings::BODY_MD5).with("md5_of_body", message.md5_of_body));
        }
    }

    /// What the key tells otherwise than the value.
    fn disagreements(&self, key: &DataKey<'_>, message: &Message<'_>) -> impl Iterator<Item = &'static str> {
        let id = !is_encoded(message.message_id.as_bytes(), key.id);
        let generation = key.place.generation != message.queue_generation;
        let partition = !partition::agrees(self.queue, message, key.place.partition);
        let all = [("message_id", id), ("queue_generation", generation), ("partition", partition)];
        all.into_iter().filter_map(|(member, differs)| differs.then_some(member))
    }

    fn is_past_retention(&self, message: &Message<'_>, now: i64) -> bool {
        let kept = self.queue.message_retention_seconds.saturating_mul(1000);
        kept > 0 && message.send_timestamp_millis.saturating_add(kept) <= now
    }
}

/// Whether `encoded` is `bytes` in base64url.
fn is_encoded(bytes: &[u8], encoded: &[u8]) -> bool {
    let mut buffer = [0; 64];
    match URL_SAFE_NO_PAD.encode_slice(bytes, &mut buffer) {
        Ok(len) => buffer[..len] == *encoded,
        Err(_) => URL_SAFE_NO_PAD.encode(bytes).as_bytes() == encoded,
    }
}
