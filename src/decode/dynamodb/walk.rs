//! Walks item rows in key order and tells what each of them is.
//!
//! Rows of one generation of a table stand together, so what a generation means is looked up once for a whole run of
//! rows. Every row is checked, live or not.

use std::sync::Arc;

use super::table::{Held, Table, Tables};
use crate::dataset::{DataSet, RangeIter, Row, Shared};
use crate::decode::Options;
use crate::decode::filter::Filter;
use crate::error::{Error, Result};
use crate::format::dynamodb::schema::Liveness;
use crate::format::dynamodb::{Item, ItemKey, KeyValue, PrimaryKey, keys};
use crate::format::fault::Result as Parsed;
use crate::format::{Adapter, Family, Fault};

/// An item that the server serves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live<'a> {
    /// Place of its table.
    pub table: usize,
    /// Its row.
    pub row: Row<'a>,
    /// Its value.
    pub item: Item<'a>,
    /// Its key attributes.
    pub key: PrimaryKey<'a>,
    /// Whether the row key is the one that the key attributes give.
    pub matches: bool,
    /// Whether it has its plain file name without asking: see [`is_sure`].
    pub sure: bool,
}

impl Live<'_> {
    /// Whether it is asked for: by its table, the values of its key attributes, and the bytes that are stored.
    pub fn is_wanted(&self, tables: &Tables<'_>, filter: &Filter) -> bool {
        if filter.is_trivial() {
            return true;
        }
        let range = self.key.range.map_or(&b""[..], KeyValue::raw);
        let keys = [self.key.hash.raw(), range];
        let keys = &keys[..if self.key.range.is_some() { 2 } else { 1 }];
        let table = tables.get(self.table);
        filter.meets(Adapter::DynamoDb, &table.name, keys) && filter.takes_size(self.row.body.len() as u64)
    }
}

impl Left<'_> {
    /// Whether its table is asked for.
    pub fn is_wanted(&self, options: &Options) -> bool {
        let name = || keys::table_name(self.key.table).unwrap_or_default();
        let filter = &options.filter;
        filter.is_trivial() || filter.judge_scope(Adapter::DynamoDb, &name(), options.include_orphans)
    }
}

/// An item that no live generation has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left<'a> {
    /// Its row.
    pub row: Row<'a>,
    /// The parts of its row key.
    pub key: ItemKey<'a>,
    /// Its value.
    pub item: Item<'a>,
}

/// What a row is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'a> {
    /// Served.
    Live(Live<'a>),
    /// Not served: its generation is over, or its table has no schema.
    Left(Left<'a>),
    /// Not served: the migration has copied it, and the copy counts.
    Copied,
}

/// What a generation of a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Live(usize, Liveness),
    Left,
}

/// The rows of one generation, as the last row tells.
#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    /// What their user keys begin with.
    prefix: &'a [u8],
    /// The last of their keys.
    key: ItemKey<'a>,
    role: Role,
}

/// Reads the item rows of a key range.
pub(super) struct Walk<'s, 'a> {
    set: &'s DataSet<'a>,
    tables: &'s Tables<'s>,
    rows: RangeIter<'s, 'a>,
    run: Option<Run<'a>>,
    held: Held,
    rebuilt: Vec<u8>,
}

impl<'s, 'a> Walk<'s, 'a> {
    /// Rows with `lo <= user key < hi`.
    pub fn new(set: &'s DataSet<'a>, tables: &'s Tables<'s>, (lo, hi): &(Vec<u8>, Option<Vec<u8>>)) -> Self {
        let rows = set.range(Family::DdbItem, lo.clone(), hi.clone());
        Walk { set, tables, rows, run: None, held: Held::default(), rebuilt: Vec::new() }
    }

    /// The next row.
    pub fn next(&mut self) -> Result<Option<Row<'a>>> {
        self.rows.next()
    }

    /// Keys met so far that have rows in more than one input.
    pub fn shared(&mut self) -> Option<Shared> {
        self.rows.shared()
    }

    /// Checks a row and tells what it is. A fault is this row's alone: the walk can go on behind it.
    ///
    /// # Errors
    /// A malformed key or value.
    pub fn judge(&mut self, row: Row<'a>) -> Result<Found<'a>> {
        let set = self.set;
        let at = |fault| fault_at(set, &row, fault);
        let (key, role) = self.place(row.user_key).map_err(at)?;
        let item = Item::parse(row.body).map_err(at)?;
        match role {
            Role::Left => Ok(Found::Left(Left { row, key, item })),
            Role::Live(table, liveness) => self.live(table, liveness, row, item),
        }
    }

    /// The table and the primary key of a row that no other row can hide: one of its table's active generation.
    pub fn active(&mut self, row: &Row<'a>) -> Option<(usize, &'a [u8])> {
        match self.place(row.user_key) {
            Ok((key, Role::Live(table, Liveness::Active))) => Some((table, key.primary)),
            _ => None,
        }
    }

    #[inline]
    fn place(&mut self, user_key: &'a [u8]) -> Parsed<(ItemKey<'a>, Role)> {
        if let Some(run) = &self.run
            && let Some(primary) = user_key.strip_prefix(run.prefix)
            && !primary.is_empty()
        {
            return Ok((ItemKey { primary, ..run.key }, run.role));
        }
        let key = ItemKey::parse(Family::DdbItem.suffix(user_key))?;
        let (prefix, role) = (&user_key[..user_key.len() - key.primary.len()], self.role(key));
        self.run = Some(Run { prefix, key, role });
        Ok((key, role))
    }

    fn role(&self, key: ItemKey<'a>) -> Role {
        self.tables.find(key.table).map_or(Role::Left, |at| match self.tables.get(at).schema.liveness(key.generation) {
            Liveness::Stale => Role::Left,
            liveness => Role::Live(at, liveness),
        })
    }

    fn live(&mut self, at: usize, liveness: Liveness, row: Row<'a>, item: Item<'a>) -> Result<Found<'a>> {
        let table = &*Arc::clone(self.held.get(self.tables, at));
        let key = PrimaryKey::of(item, &table.schema.key).map_err(|fault| fault_at(self.set, &row, fault))?;
        if liveness == Liveness::Source && self.is_copied(table, key)? {
            return Ok(Found::Copied);
        }
        let generation = match liveness {
            Liveness::Active => table.schema.generation,
            _ => table.schema.migrating_from_generation,
        };
        let version = table.version_of(liveness);
        let rebuilt = self.rebuild(table, generation, |out| key.row_bytes_into(version, out));
        let matches = rebuilt == Some(row.user_key);
        Ok(Found::Live(Live { table: at, row, item, key, matches, sure: is_sure(table, key, matches) }))
    }

    /// The user key of a generation's item whose primary-key bytes `append` gives.
    fn rebuild(
        &mut self,
        table: &Table,
        generation: u64,
        append: impl FnOnce(&mut Vec<u8>) -> Option<()>,
    ) -> Option<&[u8]> {
        self.rebuilt.clear();
        keys::item_prefix_into(&table.encoded, generation, &mut self.rebuilt);
        append(&mut self.rebuilt)?;
        Some(&self.rebuilt)
    }

    /// Whether the live generation has the same item: then the one that a migration still reads from is over.
    fn is_copied(&mut self, table: &Table, key: PrimaryKey<'a>) -> Result<bool> {
        let version = table.version_of(Liveness::Active);
        let set = self.set;
        let same = |out: &mut Vec<u8>| key.same_item_into(version, out);
        let Some(user_key) = self.rebuild(table, table.schema.generation, same) else { return Ok(false) };
        let Some(row) = set.get(user_key)? else { return Ok(false) };
        let copy = Item::parse(row.body).and_then(|item| PrimaryKey::of(item, &table.schema.key));
        let copy = copy.map_err(|fault| fault_at(set, &row, fault))?;
        Ok(copy == key || identity(copy) == identity(key))
    }
}

#[cold]
fn fault_at(set: &DataSet<'_>, row: &Row<'_>, fault: Fault) -> Error {
    set.locate(row.fault(Family::DdbItem, fault))
}

fn identity(key: PrimaryKey<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.identity_into(&mut bytes);
    bytes
}

/// Whether an item's plain file name is its own whatever else the table holds: it can be written at once, in any
/// order. The others are rare; they wait until all sure ones are written.
///
/// An item is sure when it is regular (`rules.md` §2) and its row key says the same as its attributes. So is one whose
/// number texts are not canonical, such as `0.5`, in a table of the ordered encoding: there equal numbers have one
/// row, and a string that looks like the number has a later user key, so this item comes first among the irregular
/// ones that could share its name. That does not hold beside a string that could be taken for a number.
fn is_sure(table: &Table, key: PrimaryKey<'_>, matches: bool) -> bool {
    matches
        && (key.is_regular(&table.schema)
            || (table.is_ordered() && key.has_declared_types(&table.schema) && !key.values().any(looks_like_number)))
}

fn looks_like_number(value: KeyValue<'_>) -> bool {
    matches!(value, KeyValue::S(text) if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()))
}
