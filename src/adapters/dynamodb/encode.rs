//! Turns tables and items into rows, as the server would store them (`docs/format/dynamodb.md` §1).

use std::collections::BTreeMap;

use crate::adapters::rows::RowSink;
use crate::error::{Error, Result};
use crate::format::dynamodb::keys::{generation_counter_into, index_key_into, table_key_into};
use crate::format::dynamodb::schema::{Index, KeyNames};
use crate::format::dynamodb::{ItemKey, KeyValue, PrimaryKey, Value};
use crate::format::{Family, dynamodb};
use crate::model::dynamodb::{Item, StaleItem, Table, TableVisitor, Visitor};

/// Gives the rows of tables to a sink, in any order.
pub struct Encoder<S> {
    rows: S,
    /// The last generation of each table name. There are as many as tables.
    counters: BTreeMap<Vec<u8>, u64>,
    key: Vec<u8>,
    value: Vec<u8>,
    index_key: Vec<u8>,
}

impl<S: RowSink> Encoder<S> {
    /// Gives rows to `rows`.
    pub fn new(rows: S) -> Self {
        let (counters, key, value) = Default::default();
        Encoder { rows, counters, key, value, index_key: Vec::new() }
    }

    /// Completes the work after all tables were given.
    ///
    /// # Errors
    /// The error of the sink.
    pub fn finish(mut self) -> Result<()> {
        for (name, generation) in std::mem::take(&mut self.counters) {
            self.begin();
            table_key_into(Family::DdbGen, &name, &mut self.key);
            generation_counter_into(generation, &mut self.value);
            self.end()?;
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.key.clear();
        self.value.clear();
    }

    fn end(&mut self) -> Result<()> {
        self.rows.row(&self.key, &self.value)
    }

    /// The row of an item in an index, if the index contains the item: all attributes of the index key must be present.
    fn index_row(&mut self, table: &Table, name: &str, index: &Index, item: &Item<'_>) -> Result<()> {
        let Some(key) = key_of(item.value, &index.key) else { return Ok(()) };
        let generation = ItemKey::parse(Family::DdbItem.suffix(item.row_key)).map_err(Error::from)?.generation;
        let version = table.version_of(table.schema.liveness(generation));
        self.index_key.clear();
        if key.index_bytes_into(item.key, version, &mut self.index_key).is_none() {
            return Ok(());
        }
        self.begin();
        index_key_into(&table.encoded, generation, name, &self.index_key, &mut self.key);
        self.value.extend_from_slice(item.row_key);
        self.end()
    }
}

/// The key of an item in an index.
fn key_of<'a>(item: dynamodb::Item<'a>, names: &KeyNames) -> Option<PrimaryKey<'a>> {
    let value = |name: &str| match item.get(name)? {
        Value::S(text) => Some(KeyValue::S(text)),
        Value::N(text) => Some(KeyValue::N(text)),
        Value::B(bytes) => Some(KeyValue::B(bytes)),
        _ => None,
    };
    let range = if names.range.is_empty() { None } else { Some(value(&names.range)?) };
    Some(PrimaryKey { hash: value(&names.hash)?, range })
}

impl<'a, S: RowSink> Visitor<'a> for Encoder<S> {
    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        self.begin();
        self.key.extend_from_slice(item.row_key);
        item.value.encode(&mut self.value);
        self.end()?;
        for (name, index) in &table.schema.indexes {
            self.index_row(table, name, index, item)?;
        }
        Ok(())
    }

    /// The server does not serve it, so a new store does not need it.
    fn stale(&mut self, _: &StaleItem<'a>) -> Result<()> {
        Ok(())
    }
}

impl<S: RowSink> TableVisitor for Encoder<S> {
    fn table(&mut self, table: &Table) -> Result<()> {
        self.begin();
        table_key_into(Family::DdbTable, &table.name, &mut self.key);
        table.schema.encode(&mut self.value);
        self.end()?;
        self.counters.entry(table.name.clone()).or_insert(table.schema.generation);
        Ok(())
    }

    fn generation(&mut self, table: &[u8], generation: u64) -> Result<()> {
        self.counters.insert(table.to_vec(), generation);
        Ok(())
    }
}
