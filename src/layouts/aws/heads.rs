//! The first pass: checks items, and records their positions and sort keys.

use xxhash_rust::xxh3::xxh3_64;

use super::entry::Entry;
use super::limits::{Checker, Importable, Limits};
use super::noted::Noted;
use super::refused;
use crate::adapters::dynamodb::Tables;
use crate::dataset::RowRef;
use crate::error::{Error, Result};
use crate::layouts::dynamodb::Writer;
use crate::layouts::dynamodb::count::{Count, note_untyped};
use crate::layouts::dynamodb::paths::{self, Paths};
use crate::layouts::dynamodb::render::ItemRenderer;
use crate::model::dynamodb::{Item, StaleItem, Table, Visitor};
use crate::output::split::SplitOutput;

/// Takes the items of a split.
pub(super) struct Heads<'s, 'a, 't> {
    tables: &'s Tables<'a>,
    out: SplitOutput<'t>,
    entries: Vec<Entry>,
    /// Position of the next item.
    row: Option<RowRef>,
    open: Option<Open>,
    checker: Checker<'a>,
    renderer: ItemRenderer<'a>,
    count: Count,
    identity: Vec<u8>,
}

/// The table of the current items.
struct Open {
    paths: Paths,
    limits: Limits,
}

impl<'s, 'a, 't> Heads<'s, 'a, 't> {
    /// Nothing taken yet.
    pub fn new(tables: &'s Tables<'a>, out: SplitOutput<'t>) -> Self {
        Heads {
            tables,
            out,
            entries: Vec::new(),
            row: None,
            open: None,
            checker: Checker::default(),
            renderer: ItemRenderer::default(),
            count: Count::default(),
            identity: Vec::new(),
        }
    }

    fn open(&mut self, table: &Table) -> Open {
        match self.open.take() {
            Some(open) if open.paths.table == table.place => open,
            _ => {
                let importable = self.tables.stored(table.place).map(|stored| Importable::of(&table.name, &stored));
                Open { paths: Paths::of(table), limits: Limits::of(&importable.unwrap_or_default()) }
            }
        }
    }

    fn refuse(&mut self, open: &Open, table: &Table, item: &Item<'a>, why: &str) -> Result<()> {
        let renderer = &mut self.renderer;
        let bytes = refused::item((table, &open.paths.dir), &item.key, why, &mut self.out, |w| {
            renderer.member("Item", item.value, w);
        })?;
        note_untyped(&mut self.renderer, &mut self.out, table, item);
        self.count.add(&mut self.out, &open.paths.scope, refused::KIND, bytes);
        Ok(())
    }
}

impl<'a, 't> Writer<'a, 't> for Heads<'_, 'a, 't> {
    type Share = Noted<Entry>;

    fn finish(mut self) -> Result<(SplitOutput<'t>, Noted<Entry>)> {
        self.count.flush(&mut self.out);
        Ok((self.out, Noted(self.entries)))
    }
}

impl<'a> Visitor<'a> for Heads<'_, 'a, '_> {
    const TAKES_PLACES: bool = true;

    fn located(&mut self, row: RowRef) {
        self.row = Some(row);
    }

    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        let open = self.open(table);
        match self.checker.check(&open.limits, item.value) {
            Err(why) => self.refuse(&open, table, item, &why)?,
            Ok(()) => {
                self.identity.clear();
                item.key.identity_into(&mut self.identity);
                let row = self.row.ok_or_else(|| Error::internal("an item that stands nowhere"))?;
                let table = u32::try_from(table.place).map_err(|_| Error::internal("too many tables"))?;
                let len = u32::try_from(item.stored_len).unwrap_or(u32::MAX);
                self.entries.push(Entry { table, len, hash: xxh3_64(&self.identity), row });
            }
        }
        self.open = Some(open);
        Ok(())
    }

    /// Written as lines, which are not for import.
    fn stale(&mut self, item: &StaleItem<'a>) -> Result<()> {
        let (scope, path) = paths::stale(item);
        let log = self.out.log(&format!("{path}.jsonl"));
        let mut line = self.out.grow_log(log);
        self.renderer.line_with_key(item.key.primary, item.value, &mut line);
        let bytes = self.out.finish(line)?;
        self.count.add(&mut self.out, &scope, "orphans", bytes);
        Ok(())
    }
}
