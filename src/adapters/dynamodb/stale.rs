//! Items without a live generation: counted by table, and classified by whether an earlier table explains them.
//!
//! Deleting a table removes its schema at once and its items later, so a healthy snapshot may have such items. The
//! generation row is kept and shows that their generation existed. Explained items are a note; others are a warning.

use super::findings;
use super::tables::{Tables, counter};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::dynamodb::keys;
use crate::format::wire::{self, Reader};
use crate::model::dynamodb::{StaleItem, Table};
use crate::report::{Finding, Findings, Kind};

/// A run of items of one generation.
#[derive(Debug)]
pub struct Run {
    encoded: Vec<u8>,
    generation: u64,
    /// Number of items.
    pub items: u64,
}

impl Run {
    /// A run of one item.
    pub fn new(item: &StaleItem<'_>) -> Run {
        Run { encoded: item.key.table.to_vec(), generation: item.key.generation, items: 1 }
    }

    /// Appends the run.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        wire::bytes(&self.encoded, out);
        wire::number(self.generation, out);
        wire::number(self.items, out);
    }

    /// Reads a run.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Run> {
        let encoded = reader.bytes()?.to_vec();
        Some(Run { encoded, generation: reader.number()?, items: reader.number()? })
    }

    /// Whether an item belongs to the run.
    pub fn is_of(&self, item: &StaleItem<'_>) -> bool {
        self.encoded == item.key.table && self.generation == item.key.generation
    }
}

/// Counts runs that arrive in key order, one table at a time.
#[derive(Debug, Default)]
pub struct Stale {
    current: Option<OfTable>,
}

#[derive(Debug)]
struct OfTable {
    encoded: Vec<u8>,
    /// The last generation that was used under this name.
    counter: Option<u64>,
    explained: u64,
    unexplained: u64,
}

impl Stale {
    /// Takes the next run.
    ///
    /// # Errors
    /// An input that changed.
    pub fn take(&mut self, set: &DataSet<'_>, tables: &Tables<'_>, run: &Run, findings: &mut Findings) -> Result<()> {
        if self.current.as_ref().is_none_or(|current| current.encoded != run.encoded) {
            self.finish(tables, findings);
        }
        let current = match &mut self.current {
            Some(current) => current,
            none => none.insert(OfTable {
                encoded: run.encoded.clone(),
                counter: counter(set, &run.encoded)?,
                explained: 0,
                unexplained: 0,
            }),
        };
        let live = tables.find(&run.encoded).map(|at| tables.get(at).schema.generation);
        let earlier = current.counter.is_some_and(|last| run.generation <= last)
            && live.is_none_or(|generation| run.generation < generation);
        *(if earlier { &mut current.explained } else { &mut current.unexplained }) += run.items;
        Ok(())
    }

    /// Reports the last table.
    pub fn finish(&mut self, tables: &Tables<'_>, findings: &mut Findings) {
        let Some(done) = self.current.take() else { return };
        match tables.find(&done.encoded) {
            Some(at) => done.report_stale(&tables.get(at), findings),
            None => done.report_orphans(findings),
        }
    }
}

impl OfTable {
    fn report_stale(&self, table: &Table, findings: &mut Findings) {
        let about = |kind: &'static Kind, items: u64| {
            let finding = Finding::new(kind).with("table", table.name.as_slice());
            let finding = finding.with("active_generation", table.schema.generation);
            let source = table.schema.migrating_from_generation;
            finding.with("migration_source_generation", source).with("stale_count", items)
        };
        if self.explained > 0 {
            findings.add(about(&findings::REPLACED, self.explained));
        }
        if self.unexplained > 0 {
            findings.add(about(&findings::STALE, self.unexplained));
        }
    }

    fn report_orphans(&self, findings: &mut Findings) {
        if self.explained > 0 {
            let name = keys::table_name(&self.encoded).unwrap_or_default();
            let finding = Finding::new(&findings::DELETED).with("table", name.as_slice());
            findings.add(finding.with("items", self.explained));
        }
        if self.unexplained > 0 {
            let finding = Finding::new(&findings::ORPHANS).with("encoded_table", self.encoded.as_slice());
            findings.add(finding.with("buffered_items", self.unexplained));
        }
    }
}
