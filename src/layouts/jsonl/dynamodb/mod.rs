//! DynamoDB as lines: one for each item, in one file per table (`docs/format/rules.md` §6).
//!
//! Splits come in row-key order, and so do their lines. So no item waits for another one, and no name has to be chosen.
//!
//! | output | what it is |
//! |---|---|
//! | `dynamodb/TABLE.schema.json` | the schema |
//! | `dynamodb/TABLE.jsonl` | the items, in the order of their row keys: `{"Item":{…}}`; empty for an empty table |
//! | `dynamodb/_orphans/TABLE/gen-N.jsonl` | with `Options::include_orphans`: `{"key":B,"Item":{…}}`, the key as in the row key |

mod files;
mod normal;

use std::borrow::Cow;

use crate::adapters::dynamodb::Tables;
use crate::dataset::KeyRange;
use crate::error::Result;
use crate::format::adapter;
use crate::format::dynamodb::number::plain;
use crate::format::dynamodb::{self, KeyValue, PrimaryKey, item_name};
use crate::layouts::dynamodb::canonical::Canonical;
use crate::layouts::dynamodb::count::{Count, note_untyped};
use crate::layouts::dynamodb::paths::{self, Paths};
use crate::layouts::dynamodb::render::ItemRenderer;
use crate::layouts::dynamodb::{LARGE, Lanes, Writer, write_splits};
use crate::model::dynamodb::{Item, StaleItem, StoredItem, Table, Visitor};
use crate::output::observer::{Fingerprint, Object, Observer};
use crate::output::split::SplitOutput;
use crate::run::Job;
use files::{FilesOfTables, TablesWithLines};
use normal::Normal;

pub(in crate::layouts) use files::write_empty;

/// Writes the items of some splits and returns which tables got lines, by position. Large tables take turns.
///
/// # Errors
/// The first damaged row in the order in which splits are run, or a failed write.
pub(in crate::layouts) fn write(
    job: &mut Job<'_, '_, '_>,
    tables: &Tables<'_>,
    mut splits: Vec<KeyRange>,
) -> Result<Vec<bool>> {
    // The rows that only a restore needs are in one file for all tables, in key order.
    let takes_turns = job.tree.hashes_lines() && !job.options.for_restore;
    let lanes = if takes_turns { Lanes::of_tables(tables, &mut splits) } else { Lanes::default() };
    let mut files = FilesOfTables::new(tables, lanes.count());
    write_splits(job, tables, (&splits, &lanes), &Lines::new, &mut files)?;
    Ok(files.with_lines)
}

/// Writes the lines of a split.
struct Lines<'a, 't> {
    out: SplitOutput<'t>,
    renderer: ItemRenderer<'a>,
    canonical: Canonical<'a>,
    open: Option<Open>,
    /// Positions of the tables that were opened, in order.
    opened: Vec<usize>,
    stale: Count,
    normal: Normal,
}

/// The table whose items are being written.
struct Open {
    /// Its position.
    table: usize,
    scope: String,
    /// The number of the log that its lines go to.
    log: usize,
    items: u64,
    bytes: u64,
}

impl<'t> Lines<'_, 't> {
    fn new(out: SplitOutput<'t>) -> Self {
        let (renderer, canonical, stale) = (ItemRenderer::default(), Canonical::default(), Count::default());
        Lines { out, renderer, canonical, open: None, opened: Vec::new(), stale, normal: Normal::default() }
    }
}

impl<'a, 't> Writer<'a, 't> for Lines<'a, 't> {
    type Share = TablesWithLines;

    fn finish(mut self) -> Result<(SplitOutput<'t>, TablesWithLines)> {
        self.close();
        self.stale.flush(&mut self.out);
        Ok((self.out, TablesWithLines(self.opened)))
    }
}

impl<'a> Visitor<'a> for Lines<'a, '_> {
    const TAKES_STORED: bool = true;

    fn stored(&mut self, table: &Table, item: &StoredItem<'a>) -> Result<bool> {
        if item.value.len() >= LARGE {
            return Ok(false);
        }
        let log = self.open(table);
        let lines = self.out.log_buffer(log);
        let before = lines.len();
        let Some(key) = self.canonical.stored(table, item, lines) else { return Ok(false) };
        let bytes = (lines.len() - before) as u64;
        self.wrote_one(bytes);
        if self.out.is_observed() {
            self.tell(table, key, (bytes, None), || dynamodb::Item::parse(item.value).ok());
        }
        Ok(true)
    }

    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        let log = self.open(table);
        let (bytes, fingerprint) = if item.stored_len < LARGE {
            (appended(self.out.log_buffer(log), |lines| self.renderer.line(item.value, lines)), None)
        } else {
            let mut line = self.out.grow_log(log);
            self.renderer.line(item.value, &mut line);
            let fingerprint = line.fingerprint();
            (self.out.finish(line)?, fingerprint)
        };
        self.wrote_one(bytes);
        if self.out.is_observed() {
            self.tell(table, item.key, (bytes, fingerprint), || Some(item.value));
        }
        note_untyped(&mut self.renderer, &mut self.out, table, item);
        Ok(())
    }

    /// The line has the row key: it is not known which attributes it was made from.
    fn stale(&mut self, item: &StaleItem<'a>) -> Result<()> {
        let (scope, path) = paths::stale(item);
        let log = self.out.log_in_parts(&format!("{path}.jsonl"));
        let mut line = self.out.grow_log(log);
        self.renderer.line_with_key(item.key.primary, item.value, &mut line);
        let bytes = self.out.finish(line)?;
        self.stale.add(&mut self.out, &scope, "orphans", bytes);
        Ok(())
    }
}

impl<'a> Lines<'a, '_> {
    /// Reports an item of the open table whose line was rendered. The line has `size` bytes, and fingerprint `line` if it is not in the
    /// log.
    #[inline(never)]
    fn tell(
        &mut self,
        table: &Table,
        key: PrimaryKey<'a>,
        (size, line): (u64, Option<Fingerprint>),
        item: impl FnOnce() -> Option<dynamodb::Item<'a>>,
    ) {
        let secret = self.out.tree().observer().and_then(Observer::secret);
        let Some(Open { scope, log, .. }) = &self.open else { return };
        let lines = self.out.log_buffer(*log);
        let line = secret
            .filter(|secret| secret.is_of_lines())
            .map(|secret| line.unwrap_or_else(|| secret.fingerprint(lines)));
        lines.clear();
        let Some(objects) = self.out.objects() else { return };
        let normal = |secret| Some(self.normal.fingerprint(item()?, secret, self.renderer.names()));
        let (hash, range, value) = match line {
            Some(_) => {
                let mut rest = Vec::new();
                item_name::rest_into(&table.schema.key, key, &mut rest);
                (Cow::Borrowed(key.hash.raw()), Some(Cow::Owned(rest)), line)
            }
            None => {
                let value = secret.and_then(normal);
                let shown = |part| shown(part, value.is_some());
                (shown(key.hash), key.range.map(shown), value)
            }
        };
        let (adapter, kind, key, range) = (adapter::DYNAMODB, "items", &*hash, range.as_deref());
        objects.add(&Object { adapter, scope, kind, key, range, size, expire_at_ms: None, value, rest: None });
    }

    /// The log of a table.
    fn open(&mut self, table: &Table) -> usize {
        if let Some(open) = &self.open
            && open.table == table.place
        {
            return open.log;
        }
        // Tables come one after the other: earlier ones get no more lines.
        self.open.iter().for_each(|before| self.out.complete(before.log));
        self.close();
        self.canonical = Canonical::default();
        let paths = Paths::of(table);
        let log = self.out.log_in_parts(&paths.lines());
        self.opened.push(table.place);
        self.open = Some(Open { table: table.place, scope: paths.scope, log, items: 0, bytes: 0 });
        log
    }

    fn wrote_one(&mut self, bytes: u64) {
        if let Some(open) = &mut self.open {
            open.items += 1;
            open.bytes += bytes;
        }
    }

    fn close(&mut self) {
        if let Some(Open { scope, items, bytes, .. }) = self.open.take().filter(|open| open.items > 0) {
            self.out.tally.add(adapter::DYNAMODB, &scope, "items", items, bytes);
        }
    }
}

/// The value of a key attribute as it is reported. With fingerprints, equal numbers have the same text.
fn shown(value: KeyValue<'_>, has_fingerprint: bool) -> Cow<'_, [u8]> {
    match value {
        KeyValue::N(text) if has_fingerprint => match plain(text) {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        },
        value => Cow::Borrowed(value.raw()),
    }
}

/// How many bytes `append` appends.
fn appended(lines: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>)) -> u64 {
    let before = lines.len();
    append(lines);
    (lines.len() - before) as u64
}
