//! The second pass: items are read again in sorted order, rendered and compressed in pieces, and passed on in order.

use std::collections::HashSet;

use super::entry::Entry;
use super::export::{Export, Lines};
use super::gzip::Compressor;
use super::refused;
use crate::adapters::dynamodb::Tables;
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::dynamodb::{Item, PrimaryKey};
use crate::format::{Family, Fault, adapter};
use crate::layouts::dynamodb::count::untyped;
use crate::layouts::dynamodb::paths::Paths;
use crate::layouts::dynamodb::render::ItemRenderer;
use crate::model::dynamodb::Table;
use crate::output::split::{Collector, SplitOutput, Writes};
use crate::output::tree::Tree;
use crate::run::engine::Done;
use crate::run::sort::{Record, Sorted};
use crate::run::{Progress, engine, step};

/// Entries taken from the sorter at a time.
const BATCH: usize = 64 << 10;
/// Approximate bytes of values in a piece.
const PIECE: u64 = 512 << 10;
/// Bytes that count for an item with a small value.
const ROW: u64 = 128;
/// Number of items that are loaded into the caches together.
pub(super) const TOGETHER: usize = 64;

/// A record that is sorted and written in that order.
pub(super) trait Sortable: Record<Key: PartialEq> + Sync {
    /// The table that it belongs to.
    fn table(&self) -> u32;
    /// Bytes of its value.
    fn len(&self) -> u32;
}

impl Sortable for Entry {
    fn table(&self) -> u32 {
        self.table
    }

    fn len(&self) -> u32 {
        self.len
    }
}

/// Renders the sorted records in pieces, and writes them to the exports of all tables.
///
/// # Errors
/// The error of `render`, or a failed write.
pub(super) fn write<'t, R: Sortable>(
    (tree, progress): (&'t Tree, &dyn Progress),
    mut rows: Sorted<R>,
    exports: &mut Exports<'_, 't>,
    render: impl Fn(&[R]) -> Result<Rendered<'t>> + Sync,
) -> Result<()> {
    let size = PIECE.min(exports.size);
    let mut batch = rows.next_batch(BATCH)?;
    while !batch.is_empty() {
        let pieces = pieces(&batch, size);
        progress.begin("dynamodb lines", pieces.len() as u64);
        let write = || {
            engine::run_with(
                pieces.len(),
                |i| render(pieces[i]),
                |rendered| {
                    step(progress, tree);
                    exports.take(rendered)
                },
                Writes::write,
            )
        };
        let (written, ahead) = rayon::join(write, || rows.next_batch(BATCH));
        written?;
        batch = ahead?;
    }
    exports.up_to(None)
}

/// Cuts the sorted records into pieces of about equal size, each of one table. Items with one hash stay together.
fn pieces<R: Sortable>(mut rows: &[R], bytes: u64) -> Vec<&[R]> {
    let mut pieces = Vec::new();
    while let Some(first) = rows.first() {
        let (mut len, mut sum) = (0, 0);
        for same in rows.chunk_by(|a, b| a.key() == b.key()) {
            let more: u64 = same.iter().map(|row| u64::from(row.len()) + ROW).sum();
            if len > 0 && (sum + more > bytes || same.iter().any(|row| row.table() != first.table())) {
                break;
            }
            (len, sum) = (len + same.len(), sum + more);
        }
        let (piece, rest) = rows.split_at(len);
        pieces.push(piece);
        rows = rest;
    }
    pieces
}

/// Renders items.
pub(super) struct Renderer<'r, 'a, 't> {
    pub set: &'r DataSet<'a>,
    pub tables: &'r Tables<'a>,
    pub tree: &'t Tree,
}

/// A piece: lines of one table.
pub(super) struct Rendered<'t> {
    pub table: usize,
    pub lines: Lines,
    pub out: SplitOutput<'t>,
}

impl Done for Rendered<'_> {
    fn held(&self) -> usize {
        self.lines.piece.bytes.capacity() + self.out.held()
    }
}

impl<'t> Renderer<'_, '_, 't> {
    /// Renders a piece, which is of one table.
    ///
    /// # Errors
    /// An input that changed.
    pub fn piece(&self, entries: &[Entry]) -> Result<Rendered<'t>> {
        let place = entries.first().map_or(0, |entry| entry.table as usize);
        let table = self.tables.get(place);
        let mut items = Items {
            set: self.set,
            table: &table,
            paths: Paths::of(&table),
            renderer: ItemRenderer::default(),
            out: SplitOutput::new(self.tree),
        };
        let (mut text, mut count) = (self.tree.buffer(), 0);
        let groups: Vec<&[Entry]> = entries.chunk_by(|a, b| a.hash == b.hash).collect();
        for groups in groups.chunks(TOGETHER) {
            self.set.warm(groups.iter().copied().flatten().map(|entry| (entry.row, entry.len as usize)));
            for same in groups {
                count += items.of_one_hash(same, &mut text)?;
            }
        }
        let lines = Lines { piece: Compressor::default().piece(&text)?, count, bytes: text.len() as u64 };
        self.tree.recycle(text);
        let Items { mut out, paths, .. } = items;
        out.tally.add(adapter::DYNAMODB, &paths.scope, "items", lines.count, lines.bytes);
        Ok(Rendered { table: place, lines, out })
    }
}

/// Reads and renders the items of a table.
struct Items<'r, 'a, 't> {
    set: &'r DataSet<'a>,
    table: &'r Table,
    paths: Paths,
    renderer: ItemRenderer<'a>,
    out: SplitOutput<'t>,
}

impl<'a> Items<'_, 'a, '_> {
    /// Appends lines and returns their number. If several items are one item for AWS, the first is written.
    fn of_one_hash(&mut self, entries: &[Entry], text: &mut Vec<u8>) -> Result<u64> {
        let mut seen = HashSet::new();
        let mut count = 0;
        for entry in entries {
            let row = self.set.row_at(entry.row)?;
            let at = |fault: Fault| self.set.locate(row.fault(Family::DdbItem, fault));
            let item = Item::parse(row.body).map_err(at)?;
            if entries.len() > 1 {
                let key = PrimaryKey::of(item, &self.table.schema.key).map_err(at)?;
                let mut identity = Vec::new();
                key.identity_into(&mut identity);
                if !seen.insert(identity) {
                    self.refuse_double(key, item)?;
                    continue;
                }
            }
            self.renderer.line(item, text);
            if let Some(finding) = untyped(&mut self.renderer, self.table, row.user_key) {
                self.out.findings.add(finding);
            }
            count += 1;
        }
        Ok(count)
    }

    #[cold]
    fn refuse_double(&mut self, key: PrimaryKey<'a>, item: Item<'a>) -> Result<()> {
        let why = "another item has the same key: the numbers are equal, and written in another form";
        let renderer = &mut self.renderer;
        let place = (self.table, &*self.paths.dir);
        let bytes = refused::item(place, &key, why, &mut self.out, |w| renderer.member("Item", item, w))?;
        self.out.tally.add(adapter::DYNAMODB, &self.paths.scope, refused::KIND, 1, bytes);
        Ok(())
    }
}

/// The exports of all tables, in order.
pub(super) struct Exports<'e, 't> {
    /// Approximate bytes of an object.
    pub size: u64,
    /// Numbers of the tables that are not started.
    pub left: std::vec::IntoIter<usize>,
    /// Begins the export of a table; returns it with its folder.
    pub begin: &'e (dyn Fn(usize) -> (Export, String) + Sync),
    pub open: Option<(usize, Export, String)>,
    pub collector: &'e mut Collector<'t>,
}

impl<'t> Exports<'_, 't> {
    /// Adds the next piece.
    fn take(&mut self, rendered: Rendered<'t>) -> Result<Writes<'t>> {
        let Rendered { table, lines, mut out } = rendered;
        if self.open.as_ref().is_none_or(|(number, ..)| *number != table) {
            self.up_to(Some(table))?;
        }
        match &mut self.open {
            Some((_, export, _)) if lines.count > 0 => export.add(&lines, &mut out)?,
            _ => {}
        }
        self.collector.place(out)
    }

    /// Finishes exports until that of a table is open; without one, all of them.
    fn up_to(&mut self, table: Option<usize>) -> Result<()> {
        loop {
            if let Some((_, export, dir)) = self.open.take() {
                let mut out = SplitOutput::new(self.collector.tree());
                export.finish(&mut out)?;
                self.collector.take(out)?;
                self.collector.close(&refused::path(&dir));
            }
            let Some(next) = self.left.next() else { return Ok(()) };
            let (export, dir) = (self.begin)(next);
            self.open = Some((next, export, dir));
            if Some(next) == table {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::RowRef;

    #[test]
    fn pieces_do_not_part_a_hash_and_have_one_table() {
        let entry = |(table, hash, len)| Entry { table, len, hash, row: RowRef { group: 0, at: 0 } };
        let all: Vec<Entry> =
            [(0, 1, 9), (0, 2, 9), (0, 2, 900), (0, 2, 9), (0, 3, 9), (1, 3, 9), (1, 4, 9)].map(entry).to_vec();
        let lens = |bytes| pieces(&all, bytes).iter().map(|piece| piece.len()).collect::<Vec<_>>();
        assert_eq!(lens(1), [1, 3, 1, 1, 1]);
        assert_eq!(lens(2 * (9 + ROW)), [1, 3, 1, 2]);
        assert_eq!(lens(u64::MAX), [5, 2]);
        assert!(pieces::<Entry>(&[], 1).is_empty());
    }
}
