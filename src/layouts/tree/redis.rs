//! Redis keys as files (`docs/format/redis.md` §4). A string is a file with its bytes, and its expiry is a line of a sidecar. A collection
//! is an indented JSON document. A stream has a line for each entry.
//!
//! | output | what it is |
//! |---|---|
//! | `redis/db_0/strings/KEY.bin`, `hll/KEY.bin` | the bytes |
//! | `redis/db_0/strings_ttl.jsonl`, `hll_ttl.jsonl` | their expiries |
//! | `redis/db_0/hashes/KEY.json`, `lists/`, `sets/`, `zsets/` | a collection |
//! | `redis/db_0/streams/KEY.jsonl` | entries, then a line that ends them |
//! | `redis/db_0/KEYMAP.jsonl` | names that do not show their key, if there are any |
//! | `redis/db_0/bare.jsonl` | with `Options::for_restore`: strings that are stored under their own names, if there are any |
//! | `redis/db_0/_orphans/…` | with `Options::include_orphans`: the same for keys that the server does not serve |
//!
//! Stray list items go to `_orphans/list_items/KEY.json`, in the form of a list. That folder has its own KEYMAP.jsonl and shares no names
//! with `_orphans/lists/`, which has complete lists that are not of their key's type.

pub mod read;

use std::sync::Arc;

use crate::error::Result;
use crate::format::redis::stream::{StreamEntry, StreamId};
use crate::layouts::redis::paths::{self, STRAY_ITEMS, extension};
use crate::layouts::redis::run::Writer;
use crate::layouts::redis::{self, Counts, ORPHANS, entry_members, terminator_members};
use crate::model::redis::{Key, Standing, StreamEnd, Type, Visitor};
use crate::options::Options;
use crate::options::filter::Filter;
use crate::output::json::{self, Escape};
use crate::output::names::{NameKind, is_surely_plain, keymap_line, segment_into};
use crate::output::out::Out;
use crate::output::split::{PieceSink, SpillWriter, SplitOutput};
use crate::output::tree::Dir;

/// Writes a file for each key.
pub(crate) struct Files<'o, 't> {
    out: SplitOutput<'t>,
    filter: &'o Filter,
    marks_bare: bool,
    /// The name of the current file.
    name: String,
    /// The file of the current collection, and the number of its elements.
    open: Option<SpillWriter<'t>>,
    elements: u64,
    /// The key of the last KEYMAP line.
    mapped: Option<(Standing, Vec<u8>)>,
    counts: Counts,
    /// The run is a check: names and bytes are not used.
    is_check: bool,
}

impl<'o, 't> Writer<'o, 't> for Files<'o, 't> {
    fn new(out: SplitOutput<'t>, options: &'o Options) -> Self {
        let (name, counts, is_check) = (String::new(), Counts::default(), out.tree().is_check());
        let (filter, marks_bare) = (&options.filter, options.for_restore);
        Files { out, filter, marks_bare, name, open: None, elements: 0, mapped: None, counts, is_check }
    }

    fn prepare(out: SplitOutput<'t>, _: &Options) -> Result<SplitOutput<'t>> {
        Ok(out)
    }

    const PIECE: Option<fn(SplitOutput<'t>, &'o Options, PieceSink) -> Self> = Some(Files::piece);

    fn join(&mut self, bytes: Vec<u8>) -> Result<()> {
        redis::join(self.open.as_mut(), bytes, &self.out)
    }

    fn finish(mut self) -> Result<SplitOutput<'t>> {
        if let Some(piece) = self.open.take() {
            self.out.finish(piece)?;
            return Ok(self.out);
        }
        self.counts.flush(&mut self.out.tally);
        // Skipped files make no system calls, at which a run could be stopped.
        if self.is_check {
            self.out.tree().pass(b"")?;
        }
        Ok(self.out)
    }
}

impl<'o, 't> Files<'o, 't> {
    /// Writes elements after those of another piece.
    fn piece(mut out: SplitOutput<'t>, options: &'o Options, sink: PieceSink) -> Self {
        let piece = out.grow_piece(sink);
        Files { open: Some(piece), elements: 1, ..Files::new(out, options) }
    }
}

impl<'t> Files<'_, 't> {
    /// Opens the folder of a type and sets the file's name; a name that cannot be decoded goes to KEYMAP.
    fn place(&mut self, key: &Key<'_>) -> Result<Arc<Dir>> {
        let dir = self.out.dir(&paths::folder(key.standing, key.kind))?;
        self.segment(key.name, key.standing);
        self.name.push_str(extension(key.kind));
        Ok(dir)
    }

    fn segment(&mut self, key: &[u8], standing: Standing) {
        self.name.clear();
        let kind = segment_into(key, &mut self.name);
        let is_mapped = |mapped: &(Standing, Vec<u8>)| mapped.0 == standing && mapped.1 == key;
        if kind == NameKind::ShaFallback && !self.mapped.as_ref().is_some_and(is_mapped) {
            self.mapped = Some((standing, key.to_vec()));
            let lines = self.out.lines(&paths::keymap(standing));
            keymap_line(self.name.as_bytes(), key, "sha-fallback", lines);
        }
    }

    /// The current collection, before its next element.
    #[inline]
    fn element(&mut self) -> Result<&mut SpillWriter<'t>> {
        let file = self.open.as_mut().ok_or_else(redis::not_begun)?;
        separate(self.elements == 0, file);
        self.elements += 1;
        Ok(file)
    }
}

impl Visitor for Files<'_, '_> {
    fn string(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        if self.is_check && key.expire_at_ms.is_none() && is_surely_plain(key.name) {
            self.out.tree().pass_file(value.len() as u64);
            self.counts.add(key, value.len() as u64);
            return Ok(());
        }
        let dir = self.place(key)?;
        self.out.put(&dir, self.name.as_bytes(), value)?;
        self.counts.add(key, value.len() as u64);
        if let Some(ms) = key.expire_at_ms {
            let segment = self.name.strip_suffix(extension(key.kind)).unwrap_or(&self.name);
            expiry_line(segment, ms, self.out.lines(&paths::expiries(key.standing, key.kind)));
        }
        if key.bare && self.marks_bare {
            redis::mark_bare(&mut self.out, key);
        }
        Ok(())
    }

    fn begin(&mut self, key: &Key<'_>) -> Result<()> {
        let is_stream = key.kind == Type::Stream;
        let dir = self.place(key)?;
        let file = self.open.insert(self.out.grow(&dir, self.name.as_bytes()));
        self.elements = 0;
        if !is_stream {
            open(key.kind, file);
        }
        Ok(())
    }

    #[inline]
    fn field(&mut self, _: &Key<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        let file = self.element()?;
        file.buffer().extend_from_slice(b"{\n      \"name\": ");
        file.bytes_indented(name, 6);
        file.buffer().extend_from_slice(b",\n      \"value\": ");
        file.bytes_indented(value, 6);
        file.buffer().extend_from_slice(b"\n    }");
        file.spill()
    }

    #[inline]
    fn item(&mut self, _: &Key<'_>, value: &[u8]) -> Result<()> {
        let file = self.element()?;
        file.bytes_indented(value, 4);
        file.spill()
    }

    #[inline]
    fn member(&mut self, key: &Key<'_>, member: &[u8]) -> Result<()> {
        self.item(key, member)
    }

    #[inline]
    fn scored(&mut self, _: &Key<'_>, member: &[u8], score: f64) -> Result<()> {
        let file = self.element()?;
        file.buffer().extend_from_slice(b"{\n      \"member\": ");
        file.bytes_indented(member, 6);
        file.buffer().extend_from_slice(b",\n      \"score\": ");
        json::score(score, file.buffer());
        file.buffer().extend_from_slice(b"\n    }");
        file.spill()
    }

    #[inline]
    fn entry(&mut self, _: &Key<'_>, _: StreamId, entry: &StreamEntry<'_>) -> Result<()> {
        let file = self.open.as_mut().ok_or_else(redis::not_begun)?;
        entry_members(b"{\"id\":\"", entry, file);
        file.spill()
    }

    fn end(&mut self, key: &Key<'_>, stream: StreamEnd) -> Result<()> {
        let mut file = self.open.take().ok_or_else(redis::not_begun)?;
        if key.kind == Type::Stream {
            file.buffer().push(b'{');
            terminator_members(stream, &mut file);
            redis::close(key.expire_at_ms, &mut file);
        } else {
            close(self.elements == 0, key.expire_at_ms, &mut file);
        }
        redis::finish(&mut self.out, file, self.filter, key, &mut self.counts).map(drop)
    }

    fn abandon(&mut self, _: &Key<'_>) -> Result<()> {
        self.open.take().map_or(Ok(()), |file| self.out.discard(file))
    }

    fn stray_items(&mut self, key: &[u8], items: &[&[u8]]) -> Result<()> {
        let bytes = stray_items(&mut self.out, key, items)?;
        self.counts.add_orphan(bytes);
        Ok(())
    }

    fn stray_expiry(&mut self, key: &[u8], expire_at_ms: u64) -> Result<()> {
        self.segment(key, Standing::Orphan);
        expiry_line(&self.name, expire_at_ms, self.out.lines(&format!("{ORPHANS}/ttl.jsonl")));
        Ok(())
    }
}

/// Writes stray items in the form of a list; returns the size of the file.
pub(in crate::layouts) fn stray_items(out: &mut SplitOutput<'_>, key: &[u8], items: &[&[u8]]) -> Result<u64> {
    let dir = out.dir(&format!("{ORPHANS}/{STRAY_ITEMS}"))?;
    let mut name = String::new();
    if segment_into(key, &mut name) == NameKind::ShaFallback {
        keymap_line(name.as_bytes(), key, "sha-fallback", out.lines(&format!("{ORPHANS}/{STRAY_ITEMS}/KEYMAP.jsonl")));
    }
    name.push_str(".json");
    let mut file = out.grow(&dir, name.as_bytes());
    open(Type::List, &mut file);
    for (i, item) in items.iter().enumerate() {
        separate(i == 0, &mut file);
        file.bytes_indented(item, 4);
        file.spill()?;
    }
    close(items.is_empty(), None, &mut file);
    out.finish(file)
}

/// Everything before the first element.
fn open(kind: Type, out: &mut impl Out) {
    out.buffer().extend_from_slice(b"{\n  \"format_version\": 1,\n  \"");
    out.buffer().extend_from_slice(redis::elements_of(kind).as_bytes());
    out.buffer().extend_from_slice(b"\": [");
}

/// The text between elements, and before the first one.
#[inline]
fn separate(first: bool, out: &mut impl Out) {
    out.buffer().extend_from_slice(if first { b"\n    " } else { b",\n    " });
}

/// Everything after the last element. A file has no line feed at its end.
fn close(empty: bool, expire_at_ms: Option<u64>, out: &mut impl Out) {
    let end: &[u8] = if empty { b"],\n  \"expire_at_ms\": " } else { b"\n  ],\n  \"expire_at_ms\": " };
    out.buffer().extend_from_slice(end);
    json::integer_or_null(expire_at_ms, out.buffer());
    out.buffer().extend_from_slice(b"\n}");
}

/// One line of `strings_ttl.jsonl` or `hll_ttl.jsonl`.
fn expiry_line(segment: &str, expire_at_ms: u64, out: &mut impl Out) {
    out.buffer().extend_from_slice(b"{\"key\":");
    out.string(segment, Escape::Plain);
    out.buffer().extend_from_slice(b",\"expire_at_ms\":");
    json::integer(expire_at_ms, out.buffer());
    out.buffer().extend_from_slice(b"}\n");
}
