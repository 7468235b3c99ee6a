//! The tables: their schemas, and what a generation counter tells about those that are gone.

use super::findings;
use super::name::table_into;
use super::render;
use crate::dataset::{DataSet, Row};
use crate::decode::filter::Filter;
use crate::decode::{Layout, Options, note_shared};
use crate::error::{Error, Result};
use crate::format::dynamodb::primary::ORDERED_VERSION;
use crate::format::dynamodb::schema::Liveness;
use crate::format::dynamodb::{Schema, keys};
use crate::format::{Adapter, Family};
use crate::output::unit::{Collector, UnitOut};
use crate::report::{Finding, Findings};

/// A table with a schema.
#[derive(Debug)]
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
    /// What the server stored.
    pub schema: Schema,
}

impl Table {
    fn parse(set: &DataSet<'_>, row: &Row<'_>) -> Result<Table> {
        let fault = |fault| set.locate(row.fault(Family::DdbTable, fault));
        let encoded = Family::DdbTable.suffix(row.user_key);
        let name = keys::table_name(encoded).map_err(fault)?;
        let schema = Schema::parse(row.body).map_err(fault)?;
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

    fn item_prefix(&self, generation: u64) -> Vec<u8> {
        let mut prefix = Vec::new();
        keys::item_prefix_into(&self.encoded, generation, &mut prefix);
        prefix
    }

    fn write_folders(&self, schema: &[u8], out: &mut UnitOut<'_>) -> Result<()> {
        let dir = out.tree().make_dir(self.dir.as_bytes())?;
        out.tree().make_dir(self.items.as_bytes())?;
        out.put(&dir, b"_schema.json", schema)
    }

    fn write_files(&self, schema: &[u8], out: &mut UnitOut<'_>) -> Result<()> {
        out.log(&self.packed());
        let dir = out.dir("dynamodb")?;
        out.put(&dir, format!("{}.schema.json", self.scope).as_bytes(), schema)
    }

    /// The key encoding of a generation. Only tables of the old encoding are migrated.
    pub fn version_of(&self, liveness: Liveness) -> u64 {
        if liveness == Liveness::Active { self.schema.key_encoding_version } else { 0 }
    }
}

/// All tables with a schema, in key order.
#[derive(Debug)]
pub(super) struct Tables(Vec<Table>);

impl Tables {
    /// Reads every schema. Tables are few: they are held.
    ///
    /// # Errors
    /// The first malformed schema row.
    pub fn read(set: &DataSet<'_>, findings: &mut Findings) -> Result<Tables> {
        let mut tables = Vec::new();
        let mut rows = set.family(Family::DdbTable);
        while let Some(row) = rows.next()? {
            match Table::parse(set, &row) {
                Ok(table) => tables.push(table),
                Err(error) => set.tolerate(error)?,
            }
        }
        note_shared(rows.shared().into_iter().collect(), findings);
        Ok(Tables(tables))
    }

    /// The place of the table with this encoded name.
    pub fn find(&self, encoded: &[u8]) -> Option<usize> {
        self.0.binary_search_by(|table| table.encoded.as_slice().cmp(encoded)).ok()
    }

    /// The table with this name.
    pub fn named(&self, name: &[u8]) -> Option<&Table> {
        self.0.iter().find(|table| table.name == name)
    }

    /// The table at a place.
    pub fn get(&self, at: usize) -> &Table {
        &self.0[at]
    }

    /// What the user keys of each live generation begin with, and its table.
    pub fn live_ranges(&self) -> impl Iterator<Item = (Vec<u8>, &Table)> {
        self.0.iter().flat_map(|table| {
            let source = Some(table.schema.migrating_from_generation).filter(|_| table.has_source());
            std::iter::once(table.schema.generation)
                .chain(source)
                .map(move |generation| (table.item_prefix(generation), table))
        })
    }

    /// Writes every table's schema, beside what its items go to: that is there even if the table is empty.
    ///
    /// # Errors
    /// A failed write.
    pub fn write(&self, options: &Options, collector: &mut Collector<'_>) -> Result<()> {
        let mut body = Vec::new();
        for table in self.0.iter().filter(|table| table.is_wanted(&options.filter)) {
            let mut out = UnitOut::new(collector.tree());
            body.clear();
            render::schema(&table.schema, &mut body);
            match options.layout {
                Layout::Tree => table.write_folders(&body, &mut out)?,
                Layout::Packed => table.write_files(&body, &mut out)?,
            }
            out.tally.scope(Adapter::DynamoDb, &table.scope);
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
    tables: &Tables,
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
