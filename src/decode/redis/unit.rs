//! One span of user keys: gather what there is of each key, decide what it is, write it.

use std::sync::Arc;

use super::collection::{self, Shape};
use super::expiry;
use super::findings;
use super::key::{Found, Kind, parse};
use super::merge::Merge;
use super::plan::{Plan, Span};
use super::render::Style;
use super::{list, orphans, render, stream};
use crate::dataset::{DataSet, Row, Shared};
use crate::decode::Options;
use crate::decode::engine::Done;
use crate::decode::one::RowsOf;
use crate::error::Result;
use crate::format::redis::stream::StreamMeta;
use crate::format::redis::string;
use crate::format::{Adapter, Family};
use crate::output::names::{NameKind, keymap_line, segment_into};
use crate::output::tree::{Dir, Tree};
use crate::output::unit::{Growing, UnitOut};
use crate::report::Finding;

/// Scope of the one Redis database.
pub(super) const SCOPE: &str = "db_0";
/// Its folder.
pub(super) const BASE: &str = "redis/db_0";
/// Where what the server cannot reach goes with `--include-orphans`.
pub(super) const ORPHANS: &str = "redis/db_0/_orphans";

/// Strings of so many bytes, with their keys, are not held as a line.
const LARGE: usize = 128 << 10;

/// Where and how one key is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub key: &'a [u8],
    pub base: &'static str,
    pub expire_ms: Option<u64>,
    pub style: Style<'a>,
}

/// State of one span.
pub(super) struct Unit<'s, 'a, 't> {
    pub set: &'s DataSet<'a>,
    pub options: &'s Options,
    pub out: UnitOut<'t>,
    /// Live list items that belong to a list.
    pub items_reached: u64,
    /// There is no filter.
    takes_all: bool,
    name: String,
    /// The packed files in use: folder, name, and which of the unit's logs it is.
    logs: Vec<(&'static str, &'static str, usize)>,
    /// Objects and bytes by kind.
    counts: Vec<(&'static str, u64, u64)>,
    /// Folder and key of the last KEYMAP line.
    mapped: Option<(&'static str, &'a [u8])>,
}

/// What a span gives: its share of the output and the number of list items that belong to a list.
pub struct Decoded<'t> {
    /// Files, lines and findings.
    pub out: UnitOut<'t>,
    /// Live list items that belong to a list.
    pub items_reached: u64,
    /// Keys with rows in more than one input.
    pub shared: Vec<Shared>,
}

impl Done for Decoded<'_> {
    fn held(&self) -> usize {
        self.out.held()
    }
}

/// Decodes the keys of one span.
///
/// # Errors
/// The first damaged row of the span, or a failed write.
pub fn decode_span<'a, 't>(
    set: &DataSet<'a>,
    plan: &Plan,
    span: &Span,
    options: &Options,
    tree: &'t Tree,
) -> Result<Decoded<'t>> {
    let out = UnitOut::new(tree);
    let takes_all = options.filter.is_trivial();
    let (name, logs, counts) = (String::new(), Vec::new(), Vec::new());
    let mut unit = Unit { set, options, out, items_reached: 0, takes_all, name, logs, counts, mapped: None };
    let mut merge = Merge::new(set, plan, span)?;
    while let Some(key) = merge.next_key() {
        if let Err(error) = unit.gather_and_write(&mut merge, key) {
            let RowsOf { parts, is_row } = plan.rows_of(vec![key.to_vec()]);
            set.tolerate_object(error, parts, &is_row)?;
        }
        for n in 0..merge.here() {
            let i = merge.at(n);
            unit.drain(&mut merge, i, key)?;
        }
    }
    unit.count_all();
    let shared = merge.shared().collect();
    Ok(Decoded { out: unit.out, items_reached: unit.items_reached, shared })
}

/// The row of a key that has no other: most strings need no gathering.
fn lone_string<'a>(merge: &mut Merge<'_, 'a>, key: &[u8]) -> Result<Option<(Family, Row<'a>)>> {
    let stream = merge.stream(merge.at(0));
    let family = stream.family;
    if !matches!(family, Family::Str | Family::Hll | Family::Bare) {
        return Ok(None);
    }
    Ok(stream.take(key)?.map(|head| (family, head.row)))
}

impl<'a, 't> Unit<'_, 'a, 't> {
    fn gather_and_write(&mut self, merge: &mut Merge<'_, 'a>, key: &'a [u8]) -> Result<()> {
        if merge.here() == 1
            && let Some((family, row)) = lone_string(merge, key)?
        {
            let kind = if family == Family::Hll { Kind::Hll } else { Kind::Str };
            return if self.wants(key, kind) { self.string(key, Some(row), family, None, BASE) } else { Ok(()) };
        }
        let mut found = Found::default();
        for n in 0..merge.here() {
            let i = merge.at(n);
            let (filter, findings) = (&self.options.filter, &mut self.out.findings);
            found.gather(self.set, key, i, merge.stream(i), &mut |error| {
                if filter.takes(Adapter::Redis, key, &[]) {
                    orphans::planted(&error, findings);
                }
            })?;
        }
        self.key(merge, key, &found)
    }

    fn wants(&self, key: &[u8], kind: Kind) -> bool {
        let filter = &self.options.filter;
        self.takes_all || (filter.takes_type(kind.folder()) && filter.meets(Adapter::Redis, key, &[]))
    }

    fn key(&mut self, merge: &mut Merge<'_, 'a>, key: &'a [u8], found: &Found<'a>) -> Result<()> {
        let mut kinds = found.kinds();
        let winner = kinds.next();
        if let Some(kind) = winner {
            self.object(merge, key, found, kind, expiry::of_key(self.set, found, kind)?, BASE)?;
            let others: Vec<Kind> = kinds.collect();
            self.conflict(merge, key, found, kind, &others)?;
        } else if let Some((row, ms)) = found.ttl {
            self.orphan_ttl(key, &row, ms);
        }
        if found.stream_meta.is_none() {
            self.headless_stream(merge, key, found)?;
        }
        Ok(())
    }

    /// Writes one object in the folder of its kind. `expiry`: unless a string states its own.
    fn object(
        &mut self,
        merge: &mut Merge<'_, 'a>,
        key: &'a [u8],
        found: &Found<'a>,
        kind: Kind,
        expiry: Option<u64>,
        base: &'static str,
    ) -> Result<()> {
        if !self.wants(key, kind) {
            return if kind == Kind::List {
                list::pass_over(self, found, list::base(self, found)?, key)
            } else {
                Ok(())
            };
        }
        match kind {
            Kind::Str => self.string(key, found.str, Family::Str, expiry, base),
            Kind::Hll => self.string(key, found.hll, Family::Hll, expiry, base),
            Kind::Bare => self.string(key, found.bare, Family::Bare, expiry, base),
            Kind::List => {
                let meta = list::base(self, found)?;
                match self.place(key, expiry, base) {
                    Some(place) => list::write(self, found, meta, &place),
                    None => list::pass_over(self, found, meta, key),
                }
            }
            Kind::Hash | Kind::HashBlob => self.collection(merge, key, found, Shape::Hash, expiry, base),
            Kind::Set | Kind::SetBlob => self.collection(merge, key, found, Shape::Set, expiry, base),
            Kind::Zset | Kind::ZsetBlob => self.collection(merge, key, found, Shape::Zset, expiry, base),
            Kind::Stream => {
                let meta = stream::base(self, found)?;
                match self.place(key, expiry, base) {
                    Some(place) => stream::write(self, merge, found.entries, meta, &place).map(|_| ()),
                    None => Ok(()),
                }
            }
            Kind::StreamBlob => match self.place(key, expiry, base) {
                Some(place) => stream::write(self, merge, None, Some(StreamMeta::default()), &place).map(|_| ()),
                None => Ok(()),
            },
        }
    }

    fn collection(
        &mut self,
        merge: &mut Merge<'_, 'a>,
        key: &'a [u8],
        found: &Found<'a>,
        shape: Shape,
        expiry: Option<u64>,
        base: &'static str,
    ) -> Result<()> {
        let wide = match shape {
            Shape::Hash => &found.hash,
            Shape::Set => &found.set,
            Shape::Zset => &found.zset,
        };
        let meta = collection::base(self, shape, wide)?;
        match self.place(key, expiry, base) {
            Some(place) => collection::write(self, merge, shape, wide, meta, &place),
            None => Ok(()),
        }
    }

    /// Strings, HLL keys and bare strings: the payload as it is, the expiry in a sidecar line. `expiry` counts if the value
    /// states none.
    fn string(
        &mut self,
        key: &'a [u8],
        row: Option<Row<'a>>,
        family: Family,
        expiry: Option<u64>,
        base: &'static str,
    ) -> Result<()> {
        let Some(row) = row else { return Ok(()) };
        let value = match family {
            Family::Hll => parse(self.set, family, &row, string::hll)?,
            Family::Str => parse(self.set, family, &row, string::string)?,
            _ => string::Enveloped { payload: row.body, ttl: string::InlineTtl::Legacy },
        };
        let expiry = expiry::in_envelope(value.ttl).unwrap_or(expiry);
        let Some(place) = self.place(key, expiry, base) else { return Ok(()) };
        if !self.options.filter.takes_size(value.payload.len() as u64) {
            return Ok(());
        }
        let folder = if family == Family::Hll { "hll" } else { "strings" };
        if let Style::Line { key } = place.style {
            let log = self.log(folder, base);
            let bytes = self.string_line(log, key, value.payload, place.expire_ms)?;
            self.count(folder, base, bytes);
            return Ok(());
        }
        let dir = self.named(folder, ".bin", &place)?;
        self.out.put(&dir, self.name.as_bytes(), value.payload)?;
        self.count(folder, base, value.payload.len() as u64);
        if let Some(ms) = place.expire_ms {
            let side = if family == Family::Hll { "hll_ttl.jsonl" } else { "strings_ttl.jsonl" };
            let segment = self.name.strip_suffix(".bin").unwrap_or(&self.name);
            render::ttl_line(segment, ms, self.out.lines(&format!("{base}/{side}")));
        }
        Ok(())
    }

    /// Adds the line of a string; gives its size.
    fn string_line(&mut self, log: usize, key: &[u8], value: &[u8], expire_ms: Option<u64>) -> Result<u64> {
        if key.len() + value.len() < LARGE {
            let lines = self.out.log_buffer(log);
            let before = lines.len();
            render::string_line(key, value, expire_ms, lines);
            return Ok((lines.len() - before) as u64);
        }
        let mut line = self.out.grow_log(log);
        render::string_line(key, value, expire_ms, &mut line);
        self.out.finish(line)
    }

    /// `None` when the key is left out because it has expired (`--drop-expired`).
    fn place(&mut self, key: &'a [u8], expire_ms: Option<u64>, base: &'static str) -> Option<Place<'a>> {
        let dropped = self.options.drop_expired.is_some_and(|when| expire_ms.is_some_and(|at| at <= when));
        if dropped {
            self.count_one("dropped_expired", 0);
        }
        (!dropped).then_some(Place { key, base, expire_ms, style: self.style(key) })
    }

    /// Several types under one key: the others are named, and written with `--include-orphans`.
    fn conflict(
        &mut self,
        merge: &mut Merge<'_, 'a>,
        key: &'a [u8],
        found: &Found<'a>,
        winner: Kind,
        others: &[Kind],
    ) -> Result<()> {
        if others.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = others.iter().map(|kind| kind.name()).collect();
        let finding = Finding::new(&findings::TYPE_CONFLICT).with("user_key_len", key.len());
        let finding = finding.with("key", key).with("type", winner.name()).with("others", names.join(", "));
        self.out.findings.add(finding);
        for kind in others {
            // What is in an old blob is written with what else a stream has without meta.
            if self.options.include_orphans && *kind != Kind::StreamBlob {
                self.object(merge, key, found, *kind, expiry::of_type(found, *kind), ORPHANS)?;
            } else if *kind == Kind::List {
                let meta = list::base(self, found)?;
                list::pass_over(self, found, meta, key)?;
            }
        }
        Ok(())
    }

    fn orphan_ttl(&mut self, key: &'a [u8], row: &Row<'a>, ms: u64) {
        if !self.options.filter.judge(Adapter::Redis, key, &[], self.options.include_orphans) {
            return;
        }
        let finding = Finding::new(&findings::ORPHAN_TTL).with("key", key).with("expire_at_ms", ms);
        self.out.findings.add(finding.with("offset", row.offset));
        if self.options.include_orphans {
            self.orphan_ttl_line(key, ms);
        }
    }

    fn orphan_ttl_line(&mut self, key: &'a [u8], ms: u64) {
        if self.options.packed() {
            let log = self.log("ttl", ORPHANS);
            return render::packed_ttl_line(key, ms, self.out.log_buffer(log));
        }
        self.name.clear();
        self.segment(key, ORPHANS);
        render::ttl_line(&self.name, ms, self.out.lines("redis/db_0/_orphans/ttl.jsonl"));
    }

    fn style(&self, key: &'a [u8]) -> Style<'a> {
        if self.options.packed() { Style::Line { key } } else { Style::File }
    }

    /// The packed file of a kind.
    fn log(&mut self, folder: &'static str, base: &'static str) -> usize {
        if let Some((_, _, log)) = self.logs.iter().find(|(f, b, _)| *f == folder && *b == base) {
            return *log;
        }
        let log = self.out.log(&format!("{base}/{folder}.jsonl"));
        self.logs.push((folder, base, log));
        log
    }

    /// Entries or an old blob of a stream that has no meta: the server serves nothing of it.
    fn headless_stream(&mut self, merge: &mut Merge<'_, 'a>, key: &'a [u8], found: &Found<'a>) -> Result<()> {
        if found.entries.is_none() && found.stream_blob.is_none() {
            return Ok(());
        }
        let filter = &self.options.filter;
        let taken = || filter.judge(Adapter::Redis, key, &[], self.options.include_orphans);
        let wanted = self.takes_all || (filter.takes_type(Kind::Stream.folder()) && taken());
        if !wanted {
            return Ok(());
        }
        let place = Place { key, base: ORPHANS, expire_ms: None, style: self.style(key) };
        if found.entries.is_some() {
            let count = if self.options.include_orphans {
                stream::write(self, merge, found.entries, None, &place)?
            } else {
                stream::pass_over(self, merge, found.entries, key)?
            };
            let finding = Finding::new(&findings::STREAM_ORPHAN).with("user_key_len", key.len());
            let finding = finding.with("observed_entries", count);
            self.out.findings.add(finding.with("key", key));
        }
        if let Some(blob) = found.stream_blob {
            let finding = Finding::new(&findings::STREAM_BLOB).with("user_key_len", key.len());
            self.out.findings.add(finding.with("bytes", blob.body.len()).with("key", key));
            if self.options.include_orphans && found.entries.is_none() {
                stream::write_blob(self, blob.body, &place)?;
            }
        }
        Ok(())
    }

    /// Steps over rows of `key` that nobody asked for, checking their keys.
    fn drain(&mut self, merge: &mut Merge<'_, 'a>, i: usize, key: &[u8]) -> Result<()> {
        let entries = merge.stream(i).family == Family::StreamEntry;
        while let Some(head) = merge.stream(i).take(key)? {
            if entries && let Err(error) = stream::id_of(self.set, &head) {
                self.set.tolerate(error)?;
            }
        }
        Ok(())
    }

    /// Opens the folder of a kind and sets the file's name; a name that cannot be decoded goes to KEYMAP.
    fn named(&mut self, folder: &str, extension: &str, place: &Place<'a>) -> Result<Arc<Dir>> {
        let dir = self.out.dir(&format!("{}/{folder}", place.base))?;
        self.name.clear();
        self.segment(place.key, place.base);
        self.name.push_str(extension);
        Ok(dir)
    }

    fn segment(&mut self, key: &'a [u8], base: &'static str) {
        let kind = segment_into(key, &mut self.name);
        if kind == NameKind::ShaFallback && self.mapped != Some((base, key)) {
            self.mapped = Some((base, key));
            let lines = self.out.lines(&format!("{base}/KEYMAP.jsonl"));
            keymap_line(self.name.as_bytes(), key, "sha-fallback", lines);
        }
    }

    /// Begins the file, or the lines, of a collection.
    pub(super) fn begin(&mut self, folder: &'static str, extension: &str, place: &Place<'a>) -> Result<Growing<'t>> {
        if self.options.packed() {
            let log = self.log(folder, place.base);
            return Ok(self.out.grow_log(log));
        }
        let dir = self.named(folder, extension, place)?;
        Ok(self.out.grow(&dir, self.name.as_bytes()))
    }

    /// Completes it, unless it failed.
    pub(super) fn end<T>(
        &mut self,
        folder: &'static str,
        place: &Place<'a>,
        file: Growing<'t>,
        done: Result<T>,
    ) -> Result<T> {
        if done.is_ok() && !self.options.filter.takes_size(file.size()) {
            self.out.discard(file)?;
            return done;
        }
        let (done, bytes) = self.out.end(file, done)?;
        self.count(folder, place.base, bytes);
        Ok(done)
    }

    fn count(&mut self, folder: &'static str, base: &'static str, bytes: u64) {
        self.count_one(if base == ORPHANS { "orphans" } else { folder }, bytes);
    }

    fn count_one(&mut self, kind: &'static str, bytes: u64) {
        match self.counts.iter_mut().find(|(known, ..)| *known == kind) {
            Some((_, objects, sum)) => (*objects, *sum) = (*objects + 1, *sum + bytes),
            None => self.counts.push((kind, 1, bytes)),
        }
    }

    /// Hands over what was counted.
    fn count_all(&mut self) {
        for (kind, objects, bytes) in self.counts.drain(..) {
            self.out.tally.add(Adapter::Redis, SCOPE, kind, objects, bytes);
        }
    }
}
