//! DynamoDB items as rows: a data set for each table, with a column for each attribute that has one type. Stale items have a separate one.

mod columns;
mod decimal;

use std::sync::Arc;

pub use columns::{AllColumns, TableColumns};

use super::{Cell, Columns, Kind, Rendered, Sink, column};
use crate::error::{Error, Result};
use crate::format::adapter;
use crate::format::dynamodb::canonical::sorted_members;
use crate::format::dynamodb::item::{Entry, MAGIC};
use crate::format::dynamodb::schema::{KeyNames, Liveness};
use crate::format::dynamodb::{PrimaryKey, Value};
use crate::layouts::dynamodb::canonical::{LEVELS, attribute, key_value};
use crate::layouts::dynamodb::count::{Count, untyped};
use crate::layouts::dynamodb::paths::{self, Paths};
use crate::layouts::dynamodb::render::ItemRenderer;
use crate::model::dynamodb::{Item, StaleItem, StoredItem, Table, Visitor};
use crate::output::out::Counted;
use crate::output::split::SpillWriter;

/// Items with rows of this size are not kept in memory as JSON.
const LARGE: usize = 512 << 10;

/// The columns of items of no live generation.
pub fn orphans() -> Columns {
    Columns::new(vec![column("key", Kind::Bytes), column("item", Kind::Json), column("commit_ts", Kind::U64)], 0)
}

/// The columns that every table has.
pub fn every_table() -> Columns {
    Columns::new(columns::of_every_table().to_vec(), 0)
}

/// Makes rows of items.
pub struct Rows<'c, 'a, S> {
    /// The receiver of the rows.
    to: S,
    all: &'c AllColumns,
    open: Option<Open>,
    opened: Vec<usize>,
    renderer: ItemRenderer<'a>,
    commit_ts: u64,
    count: Count,
    entries: Vec<Entry<'a>>,
    rest: Vec<Entry<'a>>,
    json: Vec<u8>,
    /// The row key that the attributes of an item give.
    rebuilt: Vec<u8>,
    /// Memory for the cells of a row.
    cells: Vec<Cell<'a>>,
}

/// The table whose items are being written.
struct Open {
    place: usize,
    scope: String,
    set: usize,
    columns: Arc<TableColumns>,
}

impl<'c, 'a, S: Sink> Rows<'c, 'a, S> {
    /// Passes rows with these columns to a sink.
    pub fn new(to: S, all: &'c AllColumns) -> Self {
        Rows {
            to,
            all,
            open: None,
            opened: Vec::new(),
            renderer: ItemRenderer::default(),
            commit_ts: 0,
            count: Count::default(),
            entries: Vec::new(),
            rest: Vec::new(),
            json: Vec::new(),
            rebuilt: Vec::new(),
            cells: Vec::new(),
        }
    }

    /// The sink, after it received the counts, and the numbers of the tables with rows, in key order.
    pub fn into_parts(mut self) -> (S, Vec<usize>) {
        self.flush_count();
        (self.to, self.opened)
    }

    fn flush_count(&mut self) {
        if let Some((scope, kind, objects, bytes)) = self.count.take() {
            self.to.count(adapter::DYNAMODB, &scope, kind, objects, bytes);
        }
    }

    fn count(&mut self, scope: &str, kind: &'static str, bytes: u64) {
        if !self.count.is_of(scope, kind) {
            self.flush_count();
            self.count.begin(scope, kind);
        }
        self.count.add_one(bytes);
    }

    /// Creates the data set of a table, even if it gets no items.
    ///
    /// # Errors
    /// As [`Sink::set`].
    pub fn prepare(&mut self, table: &Table) -> Result<()> {
        self.to.set(&Paths::of(table).dir, || self.all.of(table).columns).map(drop)
    }

    /// Adds an item of the open table, which was passed on.
    fn count_item(&mut self, bytes: usize) {
        if let Some(open) = self.open.take() {
            self.count(&open.scope, "items", bytes as u64);
            self.open = Some(open);
        }
    }

    fn open(&mut self, table: &Table) -> Result<(usize, Arc<TableColumns>)> {
        if self.open.as_ref().is_none_or(|open| open.place != table.place) {
            let (paths, columns) = (Paths::of(table), self.all.of(table));
            let set = self.to.set(&paths.dir, || columns.columns.clone())?;
            self.opened.push(table.place);
            self.open = Some(Open { place: table.place, scope: paths.scope, set, columns: Arc::new(columns) });
        }
        let open = self.open.as_ref().ok_or_else(|| Error::internal("no table is open"))?;
        Ok((open.set, Arc::clone(&open.columns)))
    }
}

impl<'a, S: Sink> Visitor<'a> for Rows<'_, 'a, S> {
    const TAKES_STORED: bool = true;

    fn stored(&mut self, table: &Table, item: &StoredItem<'a>) -> Result<bool> {
        if item.value.len() >= LARGE {
            return Ok(false);
        }
        let (set, columns) = self.open(table)?;
        let mut cells = emptied(std::mem::take(&mut self.cells));
        cells.resize(columns.columns.all.len(), Cell::Null);
        self.json.clear();
        let names = &table.schema.key;
        let matches = from_canonical(item.value, names, &columns, &mut cells, &mut self.json)
            .is_some_and(|key| key.has_row_bytes(table.version_of(Liveness::Active), item.primary, &mut self.rebuilt));
        if matches && let [.., rest, commit_ts] = &mut cells[..] {
            *commit_ts = Cell::U64(item.commit_ts);
            if !self.json.is_empty() {
                self.json.push(b'}');
                *rest = Cell::Bytes(&self.json);
            }
            self.to.push(set, &cells)?;
        }
        self.cells = emptied(cells);
        if matches {
            self.count_item(item.value.len());
        }
        Ok(matches)
    }

    fn committed(&mut self, commit_ts: u64) {
        self.commit_ts = commit_ts;
    }

    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        let (set, columns) = self.open(table)?;
        self.entries.clear();
        self.rest.clear();
        item.value.attributes().push_sorted(&mut self.entries);
        let mut cells = vec![Cell::Null; columns.columns.all.len()];
        let mut next = 0;
        for entry in &self.entries {
            let found = columns.find(entry.name.as_bytes(), &mut next);
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
        self.to.push(set, &cells)?;
        self.count_item(item.stored_len);
        if let Some(finding) = untyped(&mut self.renderer, table, item.row_key) {
            self.to.note(finding);
        }
        Ok(())
    }

    /// Its row has its row key: it is not known which attributes made it.
    fn stale(&mut self, item: &StaleItem<'a>) -> Result<()> {
        let (scope, path) = paths::stale(item);
        let set = self.to.set(&path, orphans)?;
        self.entries.clear();
        item.value.attributes().push_sorted(&mut self.entries);
        let whole = Rest(&self.entries);
        let row = [Cell::Bytes(item.key.primary), Cell::Rendered(&whole), Cell::U64(self.commit_ts)];
        if item.stored_len < LARGE {
            self.json.clear();
            self.renderer.object(&self.entries, &mut self.json);
            let row = [row[0], Cell::Bytes(&self.json), row[2]];
            self.to.push(set, &row)?;
        } else {
            self.to.push(set, &row)?;
        }
        self.count(&scope, "orphans", item.stored_len as u64);
        Ok(())
    }
}

/// The same memory, for cells that live for another time.
fn emptied<'b>(mut cells: Vec<Cell<'_>>) -> Vec<Cell<'b>> {
    cells.clear();
    // Nothing is collected: the memory is reused because both types have the same layout.
    cells.into_iter().map(|_| Cell::Null).collect()
}

/// Fills the cells of an item in the form that the server writes, and returns its key attributes. Attributes without a column are appended
/// as JSON, without its end. `None`: the parser decides what the item is.
fn from_canonical<'a>(
    value: &'a [u8],
    names: &KeyNames,
    columns: &TableColumns,
    cells: &mut [Cell<'a>],
    rest: &mut Vec<u8>,
) -> Option<PrimaryKey<'a>> {
    let (mut hash, mut range, mut next) = (None, None, 0);
    sorted_members(value.strip_prefix(MAGIC)?, |_, name, member| {
        match name {
            _ if name == names.hash.as_bytes() => hash = Some(member),
            _ if name == names.range.as_bytes() => range = Some(member),
            _ => {}
        }
        if let Some((place, kind)) = columns.find(name, &mut next)
            && fill(Value::of_member(member)?, kind, &mut cells[place..])
        {
            return Some(());
        }
        let is_first = rest.is_empty();
        if is_first {
            rest.push(b'{');
        }
        attribute(is_first, name, member, LEVELS, rest)
    })?;
    let range = if names.range.is_empty() { None } else { Some(key_value(range?)?) };
    Some(PrimaryKey { hash: key_value(hash?)?, range })
}

/// Fills the cells of an attribute: one, or two for a number. Returns whether its value has the column's type.
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

/// Attributes as DynamoDB JSON that is not kept in memory.
struct Rest<'r, 'a>(&'r [Entry<'a>]);

impl Rendered for Rest<'_, '_> {
    fn len(&self) -> u64 {
        let mut counted = Counted::default();
        ItemRenderer::default().object(self.0, &mut counted);
        counted.bytes()
    }

    fn write(&self, to: &mut SpillWriter<'_>) {
        ItemRenderer::default().object(self.0, to);
    }

    fn append(&self, to: &mut Vec<u8>) {
        ItemRenderer::default().object(self.0, to);
    }
}

#[cfg(test)]
mod tests;
