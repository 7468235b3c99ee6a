//! A line for each item, in one file a table (`rules.md` §6).
//!
//! Units come in user-key order, and so do their lines: no item waits for another one, and no name is decided.

use super::files::{Count, LARGE, note_untyped};
use super::render::ItemRenderer;
use super::straight::Straight;
use super::table::Table;
use super::walk::{Left, Live};
use crate::error::Result;
use crate::format::Adapter;
use crate::format::dynamodb::schema::Liveness;
use crate::output::unit::UnitOut;

/// Writes the lines of a unit.
#[derive(Default)]
pub(super) struct Packer<'a> {
    renderer: ItemRenderer<'a>,
    straight: Straight<'a>,
    open: Option<Open>,
    /// Places of the tables that were opened, in order.
    opened: Vec<usize>,
    left: Count,
    rebuilt: Vec<u8>,
}

/// The table whose items are being written.
struct Open {
    /// Its place.
    table: usize,
    scope: String,
    /// Which of the unit's logs its lines go to.
    log: usize,
    items: u64,
    bytes: u64,
}

impl<'a> Packer<'a> {
    /// Appends the line of an item.
    ///
    /// # Errors
    /// A failed write.
    pub fn put(&mut self, out: &mut UnitOut<'_>, table: &Table, live: &Live<'a>) -> Result<()> {
        let log = self.open(out, table, live.table);
        let bytes = if live.row.body.len() < LARGE {
            appended(out.log_buffer(log), |lines| self.renderer.line(live.item, lines))
        } else {
            let mut line = out.grow_log(log);
            self.renderer.line(live.item, &mut line);
            out.finish(line)?
        };
        self.wrote_one(bytes);
        note_untyped(&mut self.renderer, out, table, live);
        Ok(())
    }

    /// Appends the line of an item of the active generation if its value is as the server writes it and its key
    /// attributes are those of its row key. Tells whether it did.
    pub fn put_straight(
        &mut self,
        out: &mut UnitOut<'_>,
        table: &Table,
        at: usize,
        value: &'a [u8],
        primary: &[u8],
    ) -> bool {
        if value.len() >= LARGE {
            return false;
        }
        let log = self.open(out, table, at);
        let lines = out.log_buffer(log);
        let before = lines.len();
        let version = table.version_of(Liveness::Active);
        self.rebuilt.clear();
        let key = self.straight.line(value, &table.schema.key, lines);
        let rebuilt = key.and_then(|key| key.row_bytes_into(version, &mut self.rebuilt));
        if rebuilt.is_none() || self.rebuilt != primary {
            lines.truncate(before);
            return false;
        }
        let bytes = lines.len() - before;
        self.wrote_one(bytes as u64);
        true
    }

    /// Appends the line of an item of no live generation. It has its row key: nothing tells which attributes made it.
    ///
    /// # Errors
    /// A failed write.
    pub fn put_left(&mut self, out: &mut UnitOut<'_>, left: &Left<'a>) -> Result<()> {
        let (scope, path) = left.place();
        let log = out.log(&format!("{path}.jsonl"));
        let mut line = out.grow_log(log);
        self.renderer.line_with_key(left.key.primary, left.item, &mut line);
        let bytes = out.finish(line)?;
        self.left.add(out, &scope, "orphans", bytes);
        Ok(())
    }

    /// The log of a table.
    fn open(&mut self, out: &mut UnitOut<'_>, table: &Table, at: usize) -> usize {
        if let Some(open) = &self.open
            && open.table == at
        {
            return open.log;
        }
        // Tables come one after the other: the one before gets no more lines.
        self.open.iter().for_each(|before| out.complete(before.log));
        self.close(out);
        self.straight = Straight::default();
        let log = out.log(&table.packed());
        self.opened.push(at);
        self.open = Some(Open { table: at, scope: table.scope.clone(), log, items: 0, bytes: 0 });
        log
    }

    fn wrote_one(&mut self, bytes: u64) {
        if let Some(open) = &mut self.open {
            open.items += 1;
            open.bytes += bytes;
        }
    }

    fn close(&mut self, out: &mut UnitOut<'_>) {
        if let Some(Open { scope, items, bytes, .. }) = self.open.take().filter(|open| open.items > 0) {
            out.tally.add(Adapter::DynamoDb, &scope, "items", items, bytes);
        }
    }

    /// Hands over what was counted, and gives the places of the tables that were opened: call it at the end of a unit.
    pub fn finish(&mut self, out: &mut UnitOut<'_>) -> Vec<usize> {
        self.close(out);
        self.left.flush(out);
        std::mem::take(&mut self.opened)
    }
}

/// Bytes that `append` appends.
fn appended(lines: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>)) -> u64 {
    let before = lines.len();
    append(lines);
    (lines.len() - before) as u64
}
