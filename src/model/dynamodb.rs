//! DynamoDB tables and items (`docs/format/dynamodb.md` §3).

use crate::dataset::RowRef;
use crate::error::Result;
use crate::format::dynamodb::primary::ORDERED_VERSION;
use crate::format::dynamodb::schema::Liveness;
use crate::format::dynamodb::{self, ItemKey, PrimaryKey, Schema};

/// A table that has a schema.
#[derive(Debug, Default)]
pub struct Table {
    /// Its number among the tables of the inputs, in key order: it identifies the table.
    pub place: usize,
    /// The name in base64url, as in the keys of all families.
    pub encoded: Vec<u8>,
    /// The name according to its key: any bytes.
    pub name: Vec<u8>,
    /// The stored schema. The adapter of a snapshot leaves out indexes and all attributes except those of the key.
    pub schema: Schema,
}

impl Table {
    /// Whether a migration still reads from another generation.
    pub fn has_source(&self) -> bool {
        let source = self.schema.migrating_from_generation;
        source != 0 && source != self.schema.generation
    }

    /// Whether row keys are in the ordered encoding and all of one generation.
    pub fn is_ordered(&self) -> bool {
        self.schema.key_encoding_version >= ORDERED_VERSION && !self.has_source()
    }

    /// The key encoding of a generation. Only tables of the old encoding are migrated.
    pub fn version_of(&self, liveness: Liveness) -> u64 {
        if liveness == Liveness::Active { self.schema.key_encoding_version } else { 0 }
    }
}

/// An item that the server serves.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// Its attributes.
    pub value: dynamodb::Item<'a>,
    /// Its key attributes.
    pub key: PrimaryKey<'a>,
    /// The user key of its row: items of a table come in this order, and no two have the same.
    pub row_key: &'a [u8],
    /// Bytes of its value as it is stored.
    pub stored_len: usize,
    /// Whether the row key is that of the key attributes.
    pub matches_row_key: bool,
}

/// An item without a live generation: its generation has ended, or its table has no schema, so that it is not known which of its attributes
/// made its row key.
#[derive(Debug, Clone, Copy)]
pub struct StaleItem<'a> {
    /// Its attributes.
    pub value: dynamodb::Item<'a>,
    /// The parts of its row key.
    pub key: ItemKey<'a>,
    /// The user key of its row.
    pub row_key: &'a [u8],
    /// Bytes of its value as it is stored.
    pub stored_len: usize,
}

/// An item as the server stores it, not parsed yet. It belongs to the active generation of its table.
#[derive(Debug, Clone, Copy)]
pub struct StoredItem<'a> {
    /// The value.
    pub value: &'a [u8],
    /// The part of its row key after the table and the generation.
    pub primary: &'a [u8],
    /// Its commit time (HLC).
    pub commit_ts: u64,
}

/// Takes the items of one split in the order of their row keys.
///
/// An error of a visitor ends the read of the split.
pub trait Visitor<'a> {
    /// Whether [`stored`](Visitor::stored) is worth a call for each item.
    const TAKES_STORED: bool = false;

    /// Takes an item unparsed. `false`: the visitor did nothing with it, and it comes again as an [`item`](Visitor::item). A visitor that
    /// writes one must check it like a parser, and also that its key attributes give `primary`.
    #[inline]
    fn stored(&mut self, table: &Table, item: &StoredItem<'a>) -> Result<bool> {
        let _ = (table, item);
        Ok(false)
    }

    /// The commit time of the next item (HLC). Only a snapshot has it. An item that is taken unparsed has its own.
    #[inline]
    fn committed(&mut self, commit_ts: u64) {
        let _ = commit_ts;
    }

    /// Whether [`located`](Visitor::located) is worth a call for each item.
    const TAKES_PLACES: bool = false;

    /// The reference to the row of the next item. Only a snapshot has it.
    #[inline]
    fn located(&mut self, row: RowRef) {
        let _ = row;
    }

    /// An item.
    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()>;

    /// An item of no live generation; only on request.
    fn stale(&mut self, item: &StaleItem<'a>) -> Result<()>;
}

/// Takes the tables of an output, and then their items in the order of its files.
pub trait TableVisitor: for<'a> Visitor<'a> {
    /// A table, with its complete schema.
    fn table(&mut self, table: &Table) -> Result<()>;

    /// The last generation of the table with this name if its schema does not have it; there may be no schema.
    fn generation(&mut self, table: &[u8], generation: u64) -> Result<()>;
}
