//! Walks item rows in key order and classifies each of them.
//!
//! Rows of one generation of a table are adjacent, so the state of a generation is looked up once for a whole run of
//! rows. Every row is checked, live or not.

use std::sync::Arc;

use super::tables::{Held, Tables};
use crate::dataset::{DataSet, KeyRange, RangeIter, Row, Shared};
use crate::error::{Error, Result};
use crate::format::dynamodb::schema::Liveness;
use crate::format::dynamodb::{self, ItemKey, PrimaryKey, keys};
use crate::format::fault::Result as Parsed;
use crate::format::{Family, Fault};
use crate::model::dynamodb::{Item, StaleItem, Table};

/// An item that the server serves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live<'a> {
    /// Position of its table.
    pub table: usize,
    /// Position of its row in its file.
    pub offset: usize,
    /// The item.
    pub item: Item<'a>,
}

/// The class of a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'a> {
    /// Served.
    Live(Live<'a>),
    /// Not served: its generation is outdated or deleted, or its table has no schema.
    Stale(StaleItem<'a>),
    /// Not served: the migration has copied it, and the copy counts.
    Copied,
}

/// The state of a generation of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Live(usize, Liveness),
    Stale,
}

/// The generation of the last row.
#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    /// The prefix of the user keys of its rows.
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
    /// The rows of a split.
    pub fn new(set: &'s DataSet<'a>, tables: &'s Tables<'s>, split: &KeyRange) -> Self {
        let rows = set.range(Family::DdbItem, split.lo.clone(), split.hi.clone());
        Walk { set, tables, rows, run: None, held: Held::default(), rebuilt: Vec::new() }
    }

    /// The next row.
    pub fn next(&mut self) -> Result<Option<Row<'a>>> {
        self.rows.next()
    }

    /// Keys so far that have rows in more than one input.
    pub fn shared(&mut self) -> Option<Shared> {
        self.rows.shared()
    }

    /// Checks a row and classifies it. A fault concerns only this row: the walk can continue after it.
    ///
    /// # Errors
    /// A malformed key or value.
    pub fn classify(&mut self, row: Row<'a>) -> Result<Found<'a>> {
        let set = self.set;
        let at = |fault| fault_at(set, &row, fault);
        let (key, role) = self.place(row.user_key).map_err(at)?;
        let value = dynamodb::Item::parse(row.body).map_err(at)?;
        match role {
            Role::Stale => {
                Ok(Found::Stale(StaleItem { value, key, row_key: row.user_key, stored_len: row.body.len() }))
            }
            Role::Live(table, liveness) => self.live(table, liveness, row, value),
        }
    }

    /// The table and the primary key of a row that no other row can replace: one of its table's active generation.
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
        self.tables.find(key.table).map_or(Role::Stale, |at| {
            match self.tables.get(at).schema.liveness(key.generation) {
                Liveness::Stale => Role::Stale,
                liveness => Role::Live(at, liveness),
            }
        })
    }

    fn live(&mut self, at: usize, liveness: Liveness, row: Row<'a>, value: dynamodb::Item<'a>) -> Result<Found<'a>> {
        let table = &*Arc::clone(self.held.get(self.tables, at));
        let key = PrimaryKey::of(value, &table.schema.key).map_err(|fault| fault_at(self.set, &row, fault))?;
        if liveness == Liveness::Source && self.is_copied(table, key)? {
            return Ok(Found::Copied);
        }
        let generation = match liveness {
            Liveness::Active => table.schema.generation,
            _ => table.schema.migrating_from_generation,
        };
        let version = table.version_of(liveness);
        let rebuilt = self.rebuild(table, generation, |out| key.row_bytes_into(version, out));
        let matches_row_key = rebuilt == Some(row.user_key);
        let item = Item { value, key, row_key: row.user_key, stored_len: row.body.len(), matches_row_key };
        Ok(Found::Live(Live { table: at, offset: row.offset, item }))
    }

    /// The user key of an item in a generation; `append` gives its primary-key bytes.
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

    /// Whether the active generation has the same item. Then the item in the generation that a migration reads from is outdated.
    fn is_copied(&mut self, table: &Table, key: PrimaryKey<'a>) -> Result<bool> {
        let version = table.version_of(Liveness::Active);
        let set = self.set;
        let same = |out: &mut Vec<u8>| key.same_item_into(version, out);
        let Some(user_key) = self.rebuild(table, table.schema.generation, same) else { return Ok(false) };
        let Some(row) = set.get(user_key)? else { return Ok(false) };
        let copy = dynamodb::Item::parse(row.body).and_then(|item| PrimaryKey::of(item, &table.schema.key));
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
