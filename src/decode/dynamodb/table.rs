//! The tables: their schemas, and what a generation counter tells about those that are gone.

use std::sync::{Arc, Mutex, PoisonError};

use super::findings;
use super::name::table_into;
use super::render;
use crate::dataset::{DataSet, Row};
use crate::decode::filter::Filter;
use crate::decode::{Layout, Options, note_shared};
use crate::error::{Error, Result};
use crate::format::dynamodb::primary::ORDERED_VERSION;
use crate::format::dynamodb::schema::Liveness;
use crate::format::dynamodb::{Schema, StoredSchema, keys};
use crate::format::{Adapter, Family, fault};
use crate::output::tree::Dir;
use crate::output::unit::{Collector, UnitOut};
use crate::report::{Finding, Findings};

/// A table with a schema.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The name in base64url: its identity across families.
    pub encoded: Vec<u8>,
    /// The name, from the key.
    pub name: Vec<u8>,
    /// The name as it stands in the manifest: that of its folder, which no other table has.
    pub scope: String,
    /// Its folder below the root.
    pub dir: String,
    /// The folder of its items.
    pub items: String,
    /// What the server stored, without indexes, and of the attributes those of the key.
    pub schema: Schema,
}

impl Table {
    fn parse(set: &DataSet<'_>, row: &Row<'_>) -> Result<Table> {
        Table::of(row).map_err(|fault| set.locate(row.fault(Family::DdbTable, fault)))
    }

    fn of(row: &Row<'_>) -> fault::Result<Table> {
        let encoded = Family::DdbTable.suffix(row.user_key);
        let name = keys::table_name(encoded)?;
        let schema = StoredSchema::parse(row.body)?.outline();
        let mut scope = String::new();
        table_into(&name, &mut scope);
        let dir = format!("dynamodb/{scope}");
        let items = format!("{dir}/items");
        Ok(Table { encoded: encoded.to_vec(), scope, dir, items, name, schema })
    }

    /// Whether any of its items can be asked for.
    pub fn is_wanted(&self, filter: &Filter) -> bool {
        filter.meets_scope(Adapter::DynamoDb, &self.name)
    }

    /// Its file of packed lines.
    pub fn packed(&self) -> String {
        format!("{}.jsonl", self.dir)
    }

    /// Whether row keys are of the ordered encoding and all of one generation.
    pub fn is_ordered(&self) -> bool {
        self.schema.key_encoding_version >= ORDERED_VERSION && !self.has_source()
    }

    /// Whether a migration still reads from another generation.
    fn has_source(&self) -> bool {
        let source = self.schema.migrating_from_generation;
        source != 0 && source != self.schema.generation
    }

    /// What the user keys of each live generation begin with.
    pub fn live_ranges(&self) -> impl Iterator<Item = Vec<u8>> {
        let source = Some(self.schema.migrating_from_generation).filter(|_| self.has_source());
        std::iter::once(self.schema.generation).chain(source).map(|generation| self.item_prefix(generation))
    }

    fn item_prefix(&self, generation: u64) -> Vec<u8> {
        let mut prefix = Vec::new();
        keys::item_prefix_into(&self.encoded, generation, &mut prefix);
        prefix
    }

    /// Where its schema goes; in a tree, the folder of its items is made.
    fn schema_place(&self, layout: Layout, out: &mut UnitOut<'_>) -> Result<(Arc<Dir>, String)> {
        if layout == Layout::Packed {
            return Ok((out.dir("dynamodb")?, format!("{}.schema.json", self.scope)));
        }
        let dir = out.tree().make_dir(self.dir.as_bytes())?;
        out.tree().make_dir(self.items.as_bytes())?;
        Ok((Arc::new(dir), "_schema.json".to_owned()))
    }

    /// The key encoding of a generation. Only tables of the old encoding are migrated.
    pub fn version_of(&self, liveness: Liveness) -> u64 {
        if liveness == Liveness::Active { self.schema.key_encoding_version } else { 0 }
    }
}

/// All tables with a schema, in key order. There may be many, so only their rows are held; what is asked for is parsed
/// again.
#[derive(Debug)]
pub(super) struct Tables<'a> {
    rows: Vec<Row<'a>>,
    /// The last one that was asked for.
    last: Mutex<Option<(usize, Arc<Table>)>>,
}

/// A table that is asked for again and again.
#[derive(Debug, Default)]
pub(super) struct Held(Option<(usize, Arc<Table>)>);

impl Held {
    /// The table at a place.
    #[inline]
    pub fn get(&mut self, tables: &Tables<'_>, at: usize) -> &Arc<Table> {
        let (_, table) = match self.0.take() {
            Some(held) if held.0 == at => self.0.insert(held),
            _ => self.0.insert((at, Arc::new(tables.parse(at)))),
        };
        table
    }
}

impl<'a> Tables<'a> {
    /// Reads and checks every schema.
    ///
    /// # Errors
    /// The first malformed schema row.
    pub fn read(set: &DataSet<'a>, findings: &mut Findings) -> Result<Tables<'a>> {
        let mut tables = Vec::new();
        let mut rows = set.family(Family::DdbTable);
        while let Some(row) = rows.next()? {
            match Table::parse(set, &row) {
                Ok(_) => tables.push(row),
                Err(error) => set.tolerate(error)?,
            }
        }
        note_shared(rows.shared().into_iter().collect(), findings);
        Ok(Tables { rows: tables, last: Mutex::default() })
    }

    /// The place of the table with this encoded name.
    pub fn find(&self, encoded: &[u8]) -> Option<usize> {
        self.rows.binary_search_by(|row| Family::DdbTable.suffix(row.user_key).cmp(encoded)).ok()
    }

    /// The table with this name.
    pub fn named(&self, name: &[u8]) -> Option<Arc<Table>> {
        let is_named = |row: &Row<'_>| keys::table_name(Family::DdbTable.suffix(row.user_key)).is_ok_and(|n| n == name);
        self.rows.iter().position(is_named).map(|at| self.get(at))
    }

    /// The table at a place.
    pub fn get(&self, at: usize) -> Arc<Table> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((held, table)) if *held == at => Arc::clone(table),
            _ => Arc::clone(&last.insert((at, Arc::new(self.parse(at)))).1),
        }
    }

    fn parse(&self, at: usize) -> Table {
        // It parsed before.
        self.rows.get(at).and_then(|row| Table::of(row).ok()).unwrap_or_default()
    }

    /// Every table with its place.
    pub fn all(&self) -> impl Iterator<Item = (usize, Table)> {
        (0..self.rows.len()).map(|at| (at, self.parse(at)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Writes every table's schema, and makes the folders of its items: they are there even if the table is empty.
    ///
    /// # Errors
    /// A failed write.
    pub fn write(&self, options: &Options, collector: &mut Collector<'_>) -> Result<()> {
        for (at, table) in self.all().filter(|(_, table)| table.is_wanted(&options.filter)) {
            let mut out = UnitOut::new(collector.tree());
            let (dir, name) = table.schema_place(options.layout, &mut out)?;
            let mut file = out.grow(&dir, name.as_bytes());
            // It parsed before.
            if let Some(schema) = self.rows.get(at).and_then(|row| StoredSchema::parse(row.body).ok()) {
                render::schema(&schema, &mut file);
            }
            out.finish(file)?;
            out.tally.scope(Adapter::DynamoDb, &table.scope);
            collector.take(out)?;
        }
        Ok(())
    }

    /// Writes the files of packed lines of those tables that got none.
    ///
    /// # Errors
    /// A failed write.
    pub fn write_empty(&self, options: &Options, filled: &[bool], collector: &mut Collector<'_>) -> Result<()> {
        let is_empty = |at: &usize| !filled.get(*at).copied().unwrap_or(false);
        for (_, table) in self.all().filter(|(at, table)| is_empty(at) && table.is_wanted(&options.filter)) {
            let mut out = UnitOut::new(collector.tree());
            let dir = out.dir("dynamodb")?;
            out.put(&dir, format!("{}.jsonl", table.scope).as_bytes(), b"")?;
            collector.take(out)?;
        }
        Ok(())
    }
}

/// Looks at every generation row. They hold no data, so a bad one is only a warning.
///
/// # Errors
/// An input that changed.
pub(super) fn check_counters(
    set: &DataSet<'_>,
    tables: &Tables<'_>,
    filter: &Filter,
    findings: &mut Findings,
) -> Result<()> {
    let mut rows = set.family(Family::DdbGen);
    while let Some(row) = rows.next()? {
        let segment = Family::DdbGen.suffix(row.user_key);
        match keys::table_name(segment).and_then(|name| Ok((name, keys::generation_counter(row.body)?))) {
            Ok((name, _)) if !filter.takes_scope(Adapter::DynamoDb, &name) => {}
            Ok((name, last)) if tables.find(segment).is_none() => {
                let finding = Finding::new(&findings::LONE_COUNTER).with("table", name.as_slice());
                findings.add(finding.with("generation", last));
            }
            Ok(_) => {}
            Err(fault) => {
                let finding = Finding::new(&findings::BAD_COUNTER).with("key", row.user_key);
                let finding = finding.with("offset", row.offset);
                findings.add(finding.with("reason", Error::from(fault).to_string()));
            }
        }
    }
    note_shared(rows.shared().into_iter().collect(), findings);
    Ok(())
}

/// The last generation that was handed out for a table name; `None` when no row tells.
///
/// # Errors
/// An input that changed.
pub(super) fn counter(set: &DataSet<'_>, encoded: &[u8]) -> Result<Option<u64>> {
    let row = set.get(&[Family::DdbGen.prefix().as_bytes(), encoded].concat())?;
    Ok(row.and_then(|row| keys::generation_counter(row.body).ok()))
}
