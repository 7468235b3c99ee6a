//! DynamoDB items as rows.
//!
//! | output | what it is |
//! |---|---|
//! | `dynamodb/TABLE.schema.json` | the schema, as beside lines |
//! | `dynamodb/TABLE/part-….parquet` | the items, in the order of their row keys; one file without rows for an empty table |
//! | `dynamodb/_orphans/TABLE/gen-N/part-….parquet` | with `Options::include_orphans`: row keys and items of no live generation |

mod columns;
mod decimal;

use std::sync::Arc;

use super::rows::{Cell, Rendered};
use super::schema::{Kind, Schema, column};
use super::sets::Sets;
use crate::adapters::dynamodb::Tables;
use crate::dataset::KeyRange;
use crate::error::{Error, Result};
use crate::format::dynamodb::Value;
use crate::format::dynamodb::item::Entry;
use crate::layouts::dynamodb::count::{Count, note_untyped};
use crate::layouts::dynamodb::paths::{self, Paths};
use crate::layouts::dynamodb::render::ItemRenderer;
use crate::layouts::dynamodb::{Gather, Share, Writer, documented, of_item, write_splits};
use crate::model::dynamodb::{Item, StaleItem, Table, Visitor};
use crate::options::ObjectName;
use crate::output::out::Out;
use crate::output::split::{Collector, SpillWriter, SplitOutput};
use crate::run::Job;
use columns::{AllColumns, Columns};

/// Items whose rows have so many bytes are not held as JSON.
const LARGE: usize = 512 << 10;
/// Splits that are one unit: its row groups are worth their descriptions.
const SPLITS: usize = 4;

/// Writes all tables.
///
/// # Errors
/// The first damaged row in key order (schemas before items), or a failed write.
pub(crate) fn tables(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let (tables, splits) = documented(job)?;
    let (columns, with_rows) = write(job, &tables, &splits)?;
    let part_size = job.options.part_size;
    let is_empty = |table: &Table| !with_rows.get(table.place).copied().unwrap_or(false);
    for table in tables.wanted(&job.options.filter).filter(is_empty) {
        let (mut out, mut sets) = (SplitOutput::new(job.tree), Sets::new(part_size));
        let (name, schema) = (Paths::of(&table).dir, columns.of(&table)?.schema);
        sets.number(&name, || schema);
        sets.finish(&mut out)?;
        job.collector.take(out)?;
        job.collector.complete_pieces(&name)?;
    }
    Ok(())
}

/// Writes the items that a text can stand for: rarely more than one is there.
///
/// # Errors
/// A damaged schema, or a damaged row of the item.
pub(crate) fn item(job: &mut Job<'_, '_, '_>, name: &ObjectName) -> Result<()> {
    let (tables, splits) = of_item(job, name)?;
    write(job, &tables, &splits).map(drop)
}

/// Writes the items of some splits; gives the columns of all tables, and tells by place which tables got rows.
fn write(job: &mut Job<'_, '_, '_>, tables: &Tables<'_>, splits: &[KeyRange]) -> Result<(AllColumns, Vec<bool>)> {
    let splits = joined(splits);
    let columns = AllColumns::read(job, tables, &splits)?;
    let part_size = job.options.part_size;
    let mut gather = Folders { tables, with_rows: vec![false; tables.len()], open: None };
    write_splits(job, tables, &splits, &|out| Items::new(out, &columns, part_size), &mut gather)?;
    let with_rows = gather.with_rows;
    Ok((columns, with_rows))
}

/// The columns of items of no live generation.
pub(super) fn orphans() -> Result<Schema> {
    let columns = vec![column("key", Kind::Bytes), column("item", Kind::Json), column("commit_ts", Kind::U64)];
    Schema::new(columns, 0).map_err(|error| super::chunk::refused(&error))
}

/// The columns that every table has.
pub(super) fn every_table() -> Result<Schema> {
    Schema::new(columns::of_every_table().to_vec(), 0).map_err(|error| super::chunk::refused(&error))
}

/// Neighbours as one.
fn joined(splits: &[KeyRange]) -> Vec<KeyRange> {
    let mut all: Vec<(KeyRange, usize)> = Vec::new();
    for split in splits {
        match all.last_mut() {
            Some((last, count)) if *count < SPLITS && last.hi.as_ref() == Some(&split.lo) => {
                last.hi.clone_from(&split.hi);
                *count += 1;
            }
            _ => all.push((split.clone(), 1)),
        }
    }
    all.into_iter().map(|(split, _)| split).collect()
}

/// Places of the tables that got rows in a split, in key order.
struct WithRows(Vec<usize>);

impl Share for WithRows {}

/// The folders of all tables: one is complete once another table gets rows.
struct Folders<'s> {
    tables: &'s Tables<'s>,
    with_rows: Vec<bool>,
    open: Option<usize>,
}

impl<'t> Gather<'t> for Folders<'_> {
    type Share = WithRows;

    fn take(&mut self, share: WithRows, collector: &mut Collector<'t>) -> Result<()> {
        for at in share.0 {
            if let Some(before) = self.open.replace(at).filter(|before| *before != at) {
                collector.complete_pieces(&Paths::of(&self.tables.get(before)).dir)?;
            }
            if let Some(has_rows) = self.with_rows.get_mut(at) {
                *has_rows = true;
            }
        }
        Ok(())
    }
}

/// Writes the rows of a split.
struct Items<'c, 'a, 't> {
    out: SplitOutput<'t>,
    sets: Sets,
    all: &'c AllColumns,
    open: Option<Open>,
    opened: Vec<usize>,
    renderer: ItemRenderer<'a>,
    commit_ts: u64,
    count: Count,
    entries: Vec<Entry<'a>>,
    rest: Vec<Entry<'a>>,
    json: Vec<u8>,
}

/// The table whose items are being written.
struct Open {
    place: usize,
    scope: String,
    set: usize,
    columns: Arc<Columns>,
}

impl<'c, 't> Items<'c, '_, 't> {
    fn new(out: SplitOutput<'t>, all: &'c AllColumns, part_size: u64) -> Self {
        Items {
            out,
            sets: Sets::new(part_size),
            all,
            open: None,
            opened: Vec::new(),
            renderer: ItemRenderer::default(),
            commit_ts: 0,
            count: Count::default(),
            entries: Vec::new(),
            rest: Vec::new(),
            json: Vec::new(),
        }
    }

    fn open(&mut self, table: &Table) -> Result<&Open> {
        if self.open.as_ref().is_none_or(|open| open.place != table.place) {
            let (paths, columns) = (Paths::of(table), self.all.of(table)?);
            let schema = columns.schema.clone();
            let set = self.sets.number(&paths.dir, || schema);
            self.opened.push(table.place);
            self.open = Some(Open { place: table.place, scope: paths.scope, set, columns: Arc::new(columns) });
        }
        self.open.as_ref().ok_or_else(|| Error::internal("no table is open"))
    }
}

impl<'a, 't> Writer<'a, 't> for Items<'_, 'a, 't> {
    type Share = WithRows;

    fn finish(mut self) -> Result<(SplitOutput<'t>, WithRows)> {
        self.count.flush(&mut self.out);
        self.sets.finish(&mut self.out)?;
        Ok((self.out, WithRows(self.opened)))
    }
}

impl<'a> Visitor<'a> for Items<'_, 'a, '_> {
    fn committed(&mut self, commit_ts: u64) {
        self.commit_ts = commit_ts;
    }

    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        let open = self.open(table)?;
        let (set, columns) = (open.set, Arc::clone(&open.columns));
        self.entries.clear();
        self.rest.clear();
        item.value.attributes().push_sorted(&mut self.entries);
        let mut cells = vec![Cell::Null; columns.schema.columns.len()];
        let mut next = 0;
        for entry in &self.entries {
            let found = columns.find(entry.name, &mut next);
            if !found.is_some_and(|(place, kind)| fill(entry.value(), kind, &mut cells[place..])) {
                self.rest.push(*entry);
            }
        }
        self.json.clear();
        let rest = Rest(&self.rest);
        let [.., rest_cell, commit_ts] = &mut cells[..] else { return Ok(()) };
        *commit_ts = Cell::U64(self.commit_ts);
        if !self.rest.is_empty() {
            *rest_cell = if item.stored_len < LARGE {
                self.renderer.object(&self.rest, &mut self.json);
                Cell::Bytes(&self.json)
            } else {
                Cell::Rendered(&rest)
            };
        }
        self.sets.push(set, &cells, &mut self.out)?;
        if let Some(open) = &self.open {
            self.count.add(&mut self.out, &open.scope, "items", item.stored_len as u64);
        }
        note_untyped(&mut self.renderer, &mut self.out, table, item);
        Ok(())
    }

    /// Its row has its row key: nothing tells which attributes made it.
    fn stale(&mut self, item: &StaleItem<'a>) -> Result<()> {
        let (scope, path) = paths::stale(item);
        let schema = orphans()?;
        let set = self.sets.number(&path, || schema);
        self.entries.clear();
        item.value.attributes().push_sorted(&mut self.entries);
        let whole = Rest(&self.entries);
        let row = [Cell::Bytes(item.key.primary), Cell::Rendered(&whole), Cell::U64(self.commit_ts)];
        if item.stored_len < LARGE {
            self.json.clear();
            self.renderer.object(&self.entries, &mut self.json);
            let row = [row[0], Cell::Bytes(&self.json), row[2]];
            self.sets.push(set, &row, &mut self.out)?;
        } else {
            self.sets.push(set, &row, &mut self.out)?;
        }
        self.count.add(&mut self.out, &scope, "orphans", item.stored_len as u64);
        Ok(())
    }
}

/// Fills the cells of an attribute: one, of a number two. Tells whether its value is of the column's type.
fn fill<'a>(value: Value<'a>, kind: Kind, cells: &mut [Cell<'a>]) -> bool {
    let [cell, ..] = cells else { return false };
    match (value, kind) {
        (Value::S(text), Kind::Text) => *cell = Cell::Bytes(text.as_bytes()),
        (Value::B(bytes), Kind::Bytes) => *cell = Cell::Bytes(bytes),
        (Value::Bool(flag), Kind::Bool) => *cell = Cell::Bool(flag),
        (Value::N(text), Kind::Decimal(_, scale)) => {
            let [number, beside, ..] = cells else { return false };
            let parsed =
                decimal::parse(text).and_then(|(decimal, is_plain)| Some((decimal.at_scale(scale)?, is_plain)));
            if let Some((digits, _)) = parsed {
                *number = Cell::Decimal(digits);
            }
            if !parsed.is_some_and(|(_, is_plain)| is_plain) {
                *beside = Cell::Bytes(text.as_bytes());
            }
        }
        _ => return false,
    }
    true
}

/// Attributes as DynamoDB JSON that is not held.
struct Rest<'r, 'a>(&'r [Entry<'a>]);

impl Rendered for Rest<'_, '_> {
    fn len(&self) -> u64 {
        let mut counted = Counted::default();
        ItemRenderer::default().object(self.0, &mut counted);
        counted.bytes + counted.buffer.len() as u64
    }

    fn write(&self, to: &mut SpillWriter<'_>) {
        ItemRenderer::default().object(self.0, to);
    }
}

/// Bytes of what is rendered, which are dropped.
#[derive(Default)]
struct Counted {
    buffer: Vec<u8>,
    bytes: u64,
}

impl Out for Counted {
    const GROWS: bool = true;

    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn relieve(&mut self) {
        if self.buffer.len() > 1 << 16 {
            let last = self.buffer.pop();
            self.bytes += self.buffer.len() as u64;
            self.buffer.clear();
            self.buffer.extend(last);
        }
    }
}
