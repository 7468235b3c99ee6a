//! Redis keys as lines (`docs/format/rules.md` §6): a file for each type, a line for each key. A stream has a line for each entry, and one
//! that ends it.
//!
//! Stray list items have separate files here too: there are few of them.

mod canonical;
pub mod read;

use crate::error::Result;
use crate::format::adapter;
use crate::format::redis::stream::{StreamEntry, StreamId};
use crate::layouts::redis::run::Writer;
use crate::layouts::redis::{self, Counts, ORPHANS, SCOPE, base, close, entry_members, paths, terminator_members};
use crate::layouts::tree::redis::stray_items;
use crate::model::redis::{Key, Standing, StreamEnd, Type, Visitor};
use crate::options::Options;
use crate::options::filter::Filter;
use crate::output::json::{self, Escape};
use crate::output::observer::{Fingerprint, Object};
use crate::output::out::Out;
use crate::output::split::{PieceSink, SpillWriter, SplitOutput};

/// A string of this size, with its key, is not held in memory as a line.
const LARGE: usize = 128 << 10;

/// Writes a line for each key.
pub(crate) struct Lines<'o, 't> {
    out: SplitOutput<'t>,
    filter: &'o Filter,
    marks_bare: bool,
    /// The files in use: base folder, name, and number of the task's log.
    logs: Vec<(&'static str, &'static str, usize)>,
    /// The line of the current collection, or the lines of the stream, and the number of elements.
    open: Option<SpillWriter<'t>>,
    elements: u64,
    /// What is written of a collection cannot be taken back. If it must be, the run fails.
    is_final: bool,
    counts: Counts,
}

impl<'o, 't> Writer<'o, 't> for Lines<'o, 't> {
    fn new(out: SplitOutput<'t>, options: &'o Options) -> Self {
        let (filter, marks_bare) = (&options.filter, options.for_restore);
        let (logs, counts) = (Vec::new(), Counts::default());
        let is_final = !options.skip_damage && !filter.has_sizes();
        Lines { out, filter, marks_bare, logs, open: None, elements: 0, is_final, counts }
    }

    fn prepare(mut out: SplitOutput<'t>, _: &Options) -> Result<SplitOutput<'t>> {
        for kind in Type::ALL {
            out.log_in_parts(&paths::lines(Standing::Served, kind));
        }
        Ok(out)
    }

    const PIECE: Option<fn(SplitOutput<'t>, &'o Options, PieceSink) -> Self> = Some(Lines::piece);

    fn join(&mut self, bytes: Vec<u8>) -> Result<()> {
        redis::join(self.open.as_mut(), bytes, &self.out)
    }

    fn give_ahead(&mut self) -> Option<SplitOutput<'t>> {
        let line = self.open.as_mut().filter(|_| self.is_final)?;
        self.out.ahead(line)
    }

    fn finish(mut self) -> Result<SplitOutput<'t>> {
        if let Some(piece) = self.open.take() {
            self.out.finish(piece)?;
            return Ok(self.out);
        }
        self.counts.flush(&mut self.out.tally);
        Ok(self.out)
    }
}

impl<'o, 't> Lines<'o, 't> {
    /// Makes a writer for later elements of a collection.
    fn piece(mut out: SplitOutput<'t>, options: &'o Options, sink: PieceSink) -> Self {
        let piece = out.grow_piece(sink);
        Lines { open: Some(piece), elements: 1, ..Lines::new(out, options) }
    }
}

impl<'t> Lines<'_, 't> {
    /// The log of the file with this name.
    fn log(&mut self, base: &'static str, name: &'static str) -> usize {
        if let Some((.., log)) = self.logs.iter().find(|(b, n, _)| *n == name && *b == base) {
            return *log;
        }
        let log = self.out.log_in_parts(&format!("{base}/{name}.jsonl"));
        self.logs.push((base, name, log));
        log
    }

    /// Counts and reports a string whose line is not needed.
    #[inline(never)]
    fn observed_string(&mut self, key: &Key<'_>, value: &[u8], log: usize) -> Result<()> {
        let line = self.out.log_buffer(log);
        string_ends(key.expire_at_ms, line);
        let ends = line.len();
        line.clear();
        let bytes = [key.name, value].map(|bytes| json::bytes_length(bytes, Escape::Html)).iter().sum::<usize>() + ends;
        self.counts.add(key, bytes as u64);
        let secret = self.out.objects().and_then(|objects| objects.secret());
        let value = secret.map(|secret| secret.fingerprint(value));
        self.tell(key, bytes as u64, value);
        Ok(())
    }

    /// Reports a key whose value has this fingerprint.
    fn tell(&mut self, key: &Key<'_>, size: u64, value: Option<Fingerprint>) {
        let Some(objects) = self.out.objects().filter(|_| key.standing == Standing::Served) else { return };
        let rest = objects.secret().map(|secret| secret.fingerprint(&key.expire_at_ms.map_or([0; 9], in_full)));
        let Key { name: key, kind, expire_at_ms, .. } = *key;
        let (adapter, scope, kind) = (adapter::REDIS, SCOPE, kind.plural());
        objects.add(&Object { adapter, scope, kind, key, range: None, size, expire_at_ms, value, rest });
    }

    /// The current collection, before its next element.
    #[inline]
    fn element(&mut self) -> Result<&mut SpillWriter<'t>> {
        let line = self.open.as_mut().ok_or_else(redis::not_begun)?;
        if self.elements > 0 {
            line.buffer().push(b',');
        }
        self.elements += 1;
        Ok(line)
    }
}

impl Visitor for Lines<'_, '_> {
    #[inline]
    fn string(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        let log = self.log(base(key.standing), key.kind.plural());
        if self.out.is_observed() {
            return self.observed_string(key, value, log);
        }
        let bytes = if key.name.len() + value.len() < LARGE {
            let lines = self.out.log_buffer(log);
            let before = lines.len();
            string_line(key, value, lines);
            (lines.len() - before) as u64
        } else {
            let mut line = self.out.grow_log(log);
            string_line(key, value, &mut line);
            self.out.finish(line)?
        };
        self.counts.add(key, bytes);
        if key.bare && self.marks_bare {
            redis::mark_bare(&mut self.out, key);
        }
        Ok(())
    }

    fn begin(&mut self, key: &Key<'_>) -> Result<()> {
        let log = self.log(base(key.standing), key.kind.plural());
        let line = self.open.insert(self.out.grow_log(log));
        self.elements = 0;
        if key.kind != Type::Stream {
            line.buffer().extend_from_slice(b"{\"key\":");
            line.bytes(key.name, Escape::Html);
            line.buffer().extend_from_slice(b",\"");
            line.buffer().extend_from_slice(redis::elements_of(key.kind).as_bytes());
            line.buffer().extend_from_slice(b"\":[");
        }
        Ok(())
    }

    #[inline]
    fn field(&mut self, _: &Key<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        let first = self.elements == 0;
        self.elements += 1;
        let line = self.open.as_mut().ok_or_else(redis::not_begun)?;
        redis::field(first, name, value, line);
        line.spill()
    }

    #[inline]
    fn item(&mut self, _: &Key<'_>, value: &[u8]) -> Result<()> {
        let line = self.element()?;
        line.bytes(value, Escape::Html);
        line.spill()
    }

    #[inline]
    fn member(&mut self, key: &Key<'_>, member: &[u8]) -> Result<()> {
        self.item(key, member)
    }

    #[inline]
    fn scored(&mut self, _: &Key<'_>, member: &[u8], score: f64) -> Result<()> {
        let line = self.element()?;
        line.buffer().extend_from_slice(b"{\"member\":");
        line.bytes(member, Escape::Html);
        line.buffer().extend_from_slice(b",\"score\":");
        json::score(score, line.buffer());
        line.buffer().push(b'}');
        line.spill()
    }

    #[inline]
    fn entry(&mut self, key: &Key<'_>, _: StreamId, entry: &StreamEntry<'_>) -> Result<()> {
        let lines = self.open.as_mut().ok_or_else(redis::not_begun)?;
        open_stream_line(key, lines);
        entry_members(b",\"id\":\"", entry, lines);
        lines.spill()
    }

    fn end(&mut self, key: &Key<'_>, stream: StreamEnd) -> Result<()> {
        let mut line = self.open.take().ok_or_else(redis::not_begun)?;
        if key.kind == Type::Stream {
            open_stream_line(key, &mut line);
            line.buffer().push(b',');
            terminator_members(stream, &mut line);
        } else {
            line.buffer().push(b']');
        }
        let value = if self.out.is_observed() { line.fingerprint() } else { None };
        close(key.expire_at_ms, &mut line);
        let bytes = redis::finish(&mut self.out, line, self.filter, key, &mut self.counts)?;
        if let Some(bytes) = bytes.filter(|_| self.out.is_observed()) {
            self.tell(key, bytes, value);
        }
        Ok(())
    }

    fn abandon(&mut self, _: &Key<'_>) -> Result<()> {
        self.open.take().map_or(Ok(()), |line| self.out.discard(line))
    }

    fn stray_items(&mut self, key: &[u8], items: &[&[u8]]) -> Result<()> {
        let bytes = stray_items(&mut self.out, key, items)?;
        self.counts.add_orphan(bytes);
        Ok(())
    }

    fn stray_expiry(&mut self, key: &[u8], expire_at_ms: u64) -> Result<()> {
        let log = self.log(ORPHANS, "ttl");
        let lines = self.out.log_buffer(log);
        lines.extend_from_slice(b"{\"key\":");
        lines.bytes(key, Escape::Html);
        close(Some(expire_at_ms), lines);
        Ok(())
    }
}

/// The bytes of an existing expiry.
fn in_full(expire_at_ms: u64) -> [u8; 9] {
    let mut bytes = [1; 9];
    bytes[1..].copy_from_slice(&expire_at_ms.to_le_bytes());
    bytes
}

fn string_line(key: &Key<'_>, value: &[u8], out: &mut impl Out) {
    out.buffer().extend_from_slice(b"{\"key\":");
    out.bytes(key.name, Escape::Html);
    out.buffer().extend_from_slice(b",\"value\":");
    out.bytes(value, Escape::Html);
    close(key.expire_at_ms, out);
}

/// The text of a string's line without key and value.
fn string_ends(expire_at_ms: Option<u64>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"key\":,\"value\":");
    close(expire_at_ms, out);
}

fn open_stream_line(key: &Key<'_>, out: &mut impl Out) {
    out.buffer().extend_from_slice(b"{\"key\":");
    out.bytes(key.name, Escape::Html);
}
