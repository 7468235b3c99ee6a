//! Reads one split: each row is checked, classified, and given to the visitor.

use super::findings;
use super::stale::Run;
use super::tables::{Held, Tables};
use super::walk::{Found, Live, Walk};
use crate::dataset::{DataSet, KeyRange, Row, Shared};
use crate::error::Result;
use crate::format::adapter;
use crate::format::dynamodb::{KeyValue, item_name, keys};
use crate::format::wire::{self, Reader};
use crate::model::dynamodb::{Item, StaleItem, StoredItem, Table, Visitor};
use crate::options::Options;
use crate::options::filter::Filter;
use crate::report::{Finding, Findings};

/// The result of reading a split, besides the items.
#[derive(Debug, Default)]
pub struct Report {
    /// Findings of the split.
    pub findings: Findings,
    /// Items without a live generation, in runs in key order.
    pub stale: Vec<Run>,
    /// Keys with rows in more than one input.
    pub shared: Option<Shared>,
}

impl Report {
    /// Appends the report without the findings: the caller adds those to the output.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        wire::number(self.stale.len() as u64, out);
        self.stale.iter().for_each(|run| run.encode(out));
        out.push(u8::from(self.shared.is_some()));
        self.shared.iter().for_each(|shared| shared.encode(out));
    }

    /// Reads a report.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Report> {
        let count = reader.count()?;
        let stale = (0..count).map(|_| Run::decode(reader)).collect::<Option<_>>()?;
        let shared = if reader.flag()? { Some(Shared::decode(reader)?) } else { None };
        Some(Report { findings: Findings::default(), stale, shared })
    }
}

struct Task<'s, 'v, V> {
    tables: &'s Tables<'s>,
    held: Held,
    options: &'s Options,
    visitor: &'v mut V,
    takes_all: bool,
    report: Report,
}

/// Reads the items of one split. Reading it again gives and reports them again.
///
/// # Errors
/// The first damaged row, and the error of the visitor.
pub fn read<'a, V: Visitor<'a>>(
    set: &DataSet<'a>,
    tables: &Tables<'_>,
    split: &KeyRange,
    options: &Options,
    visitor: &mut V,
) -> Result<Report> {
    let takes_all = options.filter.is_trivial();
    let mut walk = Walk::new(set, tables, split);
    let mut task = Task { tables, held: Held::default(), options, visitor, takes_all, report: Report::default() };
    while let Some(row) = walk.next()? {
        if V::TAKES_STORED && takes_all && task.stored(&mut walk, &row)? {
            continue;
        }
        task.visitor.committed(row.commit_ts);
        if V::TAKES_PLACES {
            task.visitor.located(set.place_of(&row));
        }
        let _reading = set.reading(row.body.len());
        match walk.classify(row) {
            Ok(found) => task.take(found)?,
            Err(error) => set.skip(error)?,
        }
    }
    task.report.shared = walk.shared();
    Ok(task.report)
}

impl<'a, V: Visitor<'a>> Task<'_, '_, V> {
    /// Offers a row of the table's active generation unparsed; `true`: the visitor took it.
    fn stored(&mut self, walk: &mut Walk<'_, 'a>, row: &Row<'a>) -> Result<bool> {
        let Some((place, primary)) = walk.active(row) else { return Ok(false) };
        let table = self.held.get(self.tables, place);
        self.visitor.stored(table, &StoredItem { value: row.body, primary, commit_ts: row.commit_ts })
    }

    fn take(&mut self, found: Found<'a>) -> Result<()> {
        match found {
            Found::Live(live) => self.live(&live),
            Found::Stale(item) if self.wants_stale(&item) => self.stale(&item),
            Found::Stale(_) | Found::Copied => Ok(()),
        }
    }

    fn live(&mut self, live: &Live<'a>) -> Result<()> {
        let table = self.held.get(self.tables, live.table);
        if !self.takes_all && !is_wanted(table, &live.item, self.options) {
            return Ok(());
        }
        if !live.item.matches_row_key {
            let finding = Finding::new(&findings::KEY_MISMATCH).with("table", table.name.as_slice());
            let finding = finding.with("key", live.item.row_key).with("offset", live.offset);
            self.report.findings.add(finding);
        }
        self.visitor.item(table, &live.item)
    }

    fn wants_stale(&self, item: &StaleItem<'_>) -> bool {
        let name = || keys::table_name(item.key.table).unwrap_or_default();
        let (filter, asked) = (&self.options.filter, self.options.include_orphans);
        self.takes_all || filter.judge_scope(adapter::DYNAMODB, &name(), asked)
    }

    fn stale(&mut self, item: &StaleItem<'a>) -> Result<()> {
        match self.report.stale.last_mut() {
            Some(run) if run.is_of(item) => run.items += 1,
            _ => self.report.stale.push(Run::new(item)),
        }
        if self.options.include_orphans { self.visitor.stale(item) } else { Ok(()) }
    }
}

/// Whether an item is asked for: by its table, the values of its key attributes, and its stored size.
fn is_wanted(table: &Table, item: &Item<'_>, options: &Options) -> bool {
    let range = item.key.range.map_or(&b""[..], KeyValue::raw);
    let keys = [item.key.hash.raw(), range];
    let keys = &keys[..if item.key.range.is_some() { 2 } else { 1 }];
    let filter = &options.filter;
    filter.meets(adapter::DYNAMODB, &table.name, keys)
        && filter.takes_size(item.stored_len as u64)
        && (filter.changes.is_none() || has_changed(table, item, filter))
}

/// Whether an item changed, by its name.
fn has_changed(table: &Table, item: &Item<'_>, filter: &Filter) -> bool {
    let mut rest = Vec::new();
    item_name::rest_into(&table.schema.key, item.key, &mut rest);
    filter.takes_change(adapter::DYNAMODB, &table.name, &[item.key.hash.raw(), &rest])
}
