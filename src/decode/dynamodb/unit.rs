//! One unit: a range of item rows.

use super::files::{Files, FirstSpecials, note_untyped};
use super::findings;
use super::leftovers::Run;
use super::packed::Packer;
use super::render::ItemRenderer;
use super::table::{Held, Tables};
use super::walk::{Found, Left, Live, Walk};
use crate::dataset::{DataSet, Row, Shared};
use crate::decode::engine::Done;
use crate::decode::{Layout, Options};
use crate::error::Result;
use crate::output::tree::Tree;
use crate::output::unit::UnitOut;
use crate::report::Finding;

/// A range of user keys; no end: to the last.
pub(super) type Span = (Vec<u8>, Option<Vec<u8>>);

/// Packed items of one table.
pub(super) struct Lines {
    /// Place of the table.
    pub table: usize,
    /// How many.
    pub items: u64,
    /// Their lines.
    pub bytes: Vec<u8>,
}

/// What a unit gives.
pub(super) struct Decoded<'t> {
    /// Files and findings.
    pub out: UnitOut<'t>,
    /// The special segments of the items that were written.
    pub specials: FirstSpecials,
    /// Whether there are items whose names depend on other items.
    pub late: bool,
    /// Packed items, in key order.
    pub lines: Vec<Lines>,
    /// Places of the tables that got packed lines in this unit, in key order.
    pub packed: Vec<usize>,
    /// Counts of what no live generation has, in key order.
    pub leftovers: Vec<Run>,
    /// Keys with rows in more than one input.
    pub shared: Option<Shared>,
}

impl Done for Decoded<'_> {
    fn held(&self) -> usize {
        self.out.held() + self.lines.iter().map(|lines| lines.bytes.capacity()).sum::<usize>()
    }
}

struct Unit<'s, 'a, 't> {
    tables: &'s Tables<'s>,
    held: Held,
    options: &'s Options,
    files: Files<'a>,
    packer: Packer<'a>,
    bundler: ItemRenderer<'a>,
    done: Decoded<'t>,
}

/// Decodes the rows of a span.
///
/// # Errors
/// The first damaged row, or a failed write.
pub(super) fn decode<'t>(
    set: &DataSet<'_>,
    tables: &Tables<'_>,
    span: &Span,
    options: &Options,
    tree: &'t Tree,
) -> Result<Decoded<'t>> {
    let mut walk = Walk::new(set, tables, span);
    let mut unit = Unit {
        tables,
        held: Held::default(),
        options,
        files: Files::default(),
        packer: Packer::default(),
        bundler: ItemRenderer::default(),
        done: Decoded::new(UnitOut::new(tree)),
    };
    let takes_all = options.filter.is_trivial();
    while let Some(row) = walk.next()? {
        if options.packed() && takes_all && unit.straight(&mut walk, &row) {
            continue;
        }
        match walk.judge(row) {
            Ok(found) => unit.take(found)?,
            Err(error) => set.tolerate(error)?,
        }
    }
    unit.done.shared = walk.shared();
    unit.files.finish(&mut unit.done.out);
    unit.done.packed = unit.packer.finish(&mut unit.done.out);
    Ok(unit.done)
}

impl<'t> Decoded<'t> {
    fn new(out: UnitOut<'t>) -> Self {
        let specials = FirstSpecials::default();
        Decoded {
            out,
            specials,
            late: false,
            lines: Vec::new(),
            packed: Vec::new(),
            leftovers: Vec::new(),
            shared: None,
        }
    }
}

impl<'a> Unit<'_, 'a, '_> {
    /// Packs a row that is all that its table expects; tells whether it did.
    fn straight(&mut self, walk: &mut Walk<'_, 'a>, row: &Row<'a>) -> bool {
        let Some((at, primary)) = walk.active(row) else { return false };
        let table = self.held.get(self.tables, at);
        self.packer.put_straight(&mut self.done.out, table, at, row.body, primary)
    }

    fn take(&mut self, found: Found<'a>) -> Result<()> {
        match found {
            Found::Live(live) if live.is_wanted(self.tables, &self.options.filter) => self.live(&live),
            Found::Left(left) if left.is_wanted(self.options) => self.left(&left),
            _ => Ok(()),
        }
    }

    fn live(&mut self, live: &Live<'a>) -> Result<()> {
        let table = self.held.get(self.tables, live.table);
        if !live.matches {
            let finding = Finding::new(&findings::KEY_MISMATCH).with("table", table.name.as_slice());
            let finding = finding.with("key", live.row.user_key).with("offset", live.row.offset);
            self.done.out.findings.add(finding);
        }
        if self.options.packed() {
            return self.packer.put(&mut self.done.out, table, live);
        }
        if self.options.dynamodb_bundle.is_some() {
            self.bundle(live);
            return Ok(());
        }
        if live.sure {
            return self.files.put(&mut self.done.out, table, live, &mut self.done.specials);
        }
        self.done.late = true;
        Ok(())
    }

    fn bundle(&mut self, live: &Live<'a>) {
        if self.done.lines.last().is_none_or(|lines| lines.table != live.table) {
            self.done.lines.push(Lines { table: live.table, items: 0, bytes: Vec::new() });
        }
        let Some(lines) = self.done.lines.last_mut() else { return };
        self.bundler.line(live.item, &mut lines.bytes);
        lines.items += 1;
        note_untyped(&mut self.bundler, &mut self.done.out, &self.tables.get(live.table), live);
    }

    fn left(&mut self, left: &Left<'a>) -> Result<()> {
        match self.done.leftovers.last_mut() {
            Some(run) if run.is_of(left) => run.items += 1,
            _ => self.done.leftovers.push(Run::new(left)),
        }
        match self.options.layout {
            _ if !self.options.include_orphans => {}
            Layout::Tree => self.files.put_left(&mut self.done.out, left)?,
            Layout::Packed => self.packer.put_left(&mut self.done.out, left)?,
        }
        Ok(())
    }
}
