//! A line for each item, in one file a table (`ours.md` §6).
//!
//! Units come in user-key order, and so do their lines: no item waits for another one, and no name is decided.

use super::files::{Count, note_untyped};
use super::render::ItemRenderer;
use super::table::Table;
use super::walk::{Left, Live};
use crate::output::unit::UnitOut;

/// Writes the lines of a unit.
#[derive(Default)]
pub(super) struct Packer<'a> {
    renderer: ItemRenderer<'a>,
    /// Place of the last item's table, and which of the unit's logs its lines go to.
    table: Option<(usize, usize)>,
    count: Count,
}

impl<'a> Packer<'a> {
    /// Appends the line of an item.
    pub fn put(&mut self, out: &mut UnitOut<'_>, table: &Table, live: &Live<'a>) {
        let log = match self.table {
            Some((at, log)) if at == live.table => log,
            _ => out.log(&table.packed()),
        };
        self.table = Some((live.table, log));
        let lines = out.log_buffer(log);
        let before = lines.len();
        self.renderer.line(live.item, lines);
        let bytes = lines.len() - before;
        self.count.add(out, &table.scope, "items", bytes);
        note_untyped(&mut self.renderer, out, table, live);
    }

    /// Appends the line of an item of no live generation. It has its row key: nothing tells which attributes made it.
    pub fn put_left(&mut self, out: &mut UnitOut<'_>, left: &Left<'a>) {
        let (scope, path) = left.place();
        let lines = out.lines(&format!("{path}.jsonl"));
        let before = lines.len();
        self.renderer.line_with_key(left.key.primary, left.item, lines);
        let bytes = lines.len() - before;
        self.count.add(out, &scope, "orphans", bytes);
    }

    /// Hands over what was counted: call it at the end of a unit.
    pub fn finish(&mut self, out: &mut UnitOut<'_>) {
        self.count.flush(out);
    }
}
