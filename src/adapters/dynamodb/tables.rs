//! The tables: their schemas, and the generation rows of deleted tables.

use std::sync::{Arc, Mutex};

use super::findings;
use crate::dataset::{DataSet, Row};
use crate::error::{Error, Result};
use crate::format::dynamodb::{Schema, StoredSchema, keys};
use crate::format::{Family, adapter, fault};
use crate::model::dynamodb::Table;
use crate::options::filter::Filter;
use crate::report::{Finding, Findings};
use crate::run::note_shared;
use crate::sync::lock;

fn parse(set: &DataSet<'_>, row: &Row<'_>) -> Result<Table> {
    of_row(0, row, false).map_err(|fault| set.locate(row.fault(Family::DdbTable, fault)))
}

fn of_row(place: usize, row: &Row<'_>, is_whole: bool) -> fault::Result<Table> {
    let encoded = Family::DdbTable.suffix(row.user_key);
    let name = keys::table_name(encoded)?;
    let schema = if is_whole { Schema::parse(row.body)? } else { StoredSchema::parse(row.body)?.outline() };
    Ok(Table { place, encoded: encoded.to_vec(), name, schema })
}

/// Whether any of a table's items can be asked for.
pub(super) fn is_wanted(table: &Table, filter: &Filter) -> bool {
    filter.meets_scope(adapter::DYNAMODB, &table.name)
}

/// The user-key prefix of each live generation of a table.
pub(super) fn live_ranges(table: &Table) -> impl Iterator<Item = Vec<u8>> {
    let source = Some(table.schema.migrating_from_generation).filter(|_| table.has_source());
    std::iter::once(table.schema.generation).chain(source).map(|generation| {
        let mut prefix = Vec::new();
        keys::item_prefix_into(&table.encoded, generation, &mut prefix);
        prefix
    })
}

/// All tables with a schema, in key order. There may be many, so only their rows are held in memory, and a table is parsed again when it is
/// asked for.
#[derive(Debug)]
pub struct Tables<'a> {
    rows: Vec<Row<'a>>,
    /// The last table that was asked for.
    last: Mutex<Option<Arc<Table>>>,
    /// Whether tables have their indexes and all their attributes.
    is_whole: bool,
}

/// Caches a table that is asked for repeatedly.
#[derive(Debug, Default)]
pub struct Held(Option<Arc<Table>>);

impl Held {
    /// The table at a position.
    #[inline]
    pub fn get(&mut self, tables: &Tables<'_>, at: usize) -> &Arc<Table> {
        match self.0.take() {
            Some(held) if held.place == at => self.0.insert(held),
            _ => self.0.insert(Arc::new(tables.parse(at))),
        }
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
            match parse(set, &row) {
                Ok(_) => tables.push(row),
                Err(error) => set.skip(error)?,
            }
        }
        note_shared(rows.shared().into_iter().collect(), findings);
        Ok(Tables { rows: tables, last: Mutex::default(), is_whole: false })
    }

    /// The same tables with all indexes and attributes, which a decode of items does not need.
    #[must_use]
    pub fn whole(self) -> Tables<'a> {
        Tables { rows: self.rows, last: Mutex::default(), is_whole: true }
    }

    /// The position of the table with this encoded name.
    pub fn find(&self, encoded: &[u8]) -> Option<usize> {
        self.rows.binary_search_by(|row| Family::DdbTable.suffix(row.user_key).cmp(encoded)).ok()
    }

    /// The table with this name.
    pub fn named(&self, name: &[u8]) -> Option<Arc<Table>> {
        let is_named = |row: &Row<'_>| keys::table_name(Family::DdbTable.suffix(row.user_key)).is_ok_and(|n| n == name);
        self.rows.iter().position(is_named).map(|at| self.get(at))
    }

    /// The table at a position.
    pub fn get(&self, at: usize) -> Arc<Table> {
        let mut last = lock(&self.last);
        match &*last {
            Some(table) if table.place == at => Arc::clone(table),
            _ => Arc::clone(last.insert(Arc::new(self.parse(at)))),
        }
    }

    fn parse(&self, at: usize) -> Table {
        // It was parsed successfully before.
        self.rows.get(at).and_then(|row| of_row(at, row, self.is_whole).ok()).unwrap_or_default()
    }

    /// The encoded names of all tables.
    pub fn encoded(&self) -> impl Iterator<Item = &'a [u8]> {
        self.rows.iter().map(|row| Family::DdbTable.suffix(row.user_key))
    }

    /// Every table.
    pub fn all(&self) -> impl Iterator<Item = Table> {
        (0..self.rows.len()).map(|at| self.parse(at))
    }

    /// The tables that a filter can select items of.
    pub fn wanted(&self, filter: &Filter) -> impl Iterator<Item = Table> {
        self.all().filter(|table| is_wanted(table, filter))
    }

    /// The schema of a table with all its indexes and attributes, borrowed.
    pub fn stored(&self, at: usize) -> Option<StoredSchema<'a>> {
        // It was parsed successfully before.
        self.rows.get(at).and_then(|row| StoredSchema::parse(row.body).ok())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The number of tables.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

/// Checks every generation row. They hold no data, so a malformed one is only a warning.
///
/// # Errors
/// An input that changed.
pub fn check_counters(set: &DataSet<'_>, tables: &Tables<'_>, filter: &Filter, findings: &mut Findings) -> Result<()> {
    let mut rows = set.family(Family::DdbGen);
    while let Some(row) = rows.next()? {
        let segment = Family::DdbGen.suffix(row.user_key);
        match keys::table_name(segment).and_then(|name| Ok((name, keys::generation_counter(row.body)?))) {
            Ok((name, _)) if !filter.takes_scope(adapter::DYNAMODB, &name) => {}
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

/// Gives the last generations that are only in generation rows, by the names of their tables: for deleted tables, and for tables whose
/// schema has another generation. Malformed rows are left out.
///
/// # Errors
/// An input that changed.
pub fn counters(
    set: &DataSet<'_>,
    tables: &Tables<'_>,
    filter: &Filter,
    mut each: impl FnMut(&[u8], u64),
) -> Result<()> {
    let mut rows = set.family(Family::DdbGen);
    while let Some(row) = rows.next()? {
        let segment = Family::DdbGen.suffix(row.user_key);
        let (Ok(name), Ok(last)) = (keys::table_name(segment), keys::generation_counter(row.body)) else { continue };
        let is_told = tables.find(segment).is_some_and(|at| tables.get(at).schema.generation == last);
        if !is_told && filter.takes_scope(adapter::DYNAMODB, &name) {
            each(&name, last);
        }
    }
    Ok(())
}

/// The last generation that was used for a table name; `None` if no row has it.
///
/// # Errors
/// An input that changed.
pub(super) fn counter(set: &DataSet<'_>, encoded: &[u8]) -> Result<Option<u64>> {
    let row = set.get(&[Family::DdbGen.prefix().as_bytes(), encoded].concat())?;
    Ok(row.and_then(|row| keys::generation_counter(row.body).ok()))
}
