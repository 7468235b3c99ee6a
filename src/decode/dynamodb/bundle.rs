//! Packed items: `items/data-00001.jsonl` and on, each up to a size (`--dynamodb-bundle-mode jsonl`).
//!
//! Lines come in key order, and a part takes lines as long as they fit. So where parts end depends on the items alone.

use std::sync::Arc;

use super::table::Tables;
use super::unit::Lines;
use crate::error::Result;
use crate::format::Adapter;
use crate::output::tree::Tree;
use crate::output::unit::{Collector, Growing, UnitOut};

/// Writes the parts, one table after the other.
pub(super) struct Bundle<'s, 't> {
    tables: &'s Tables<'s>,
    tree: &'t Tree,
    /// Most bytes of a part, unless one line alone has more.
    limit: u64,
    table: Option<usize>,
    number: u32,
    part: Option<Part<'t>>,
}

struct Part<'t> {
    file: Growing<'t>,
    bytes: u64,
}

impl<'s, 't> Bundle<'s, 't> {
    /// Parts of up to `limit` bytes.
    pub fn new(tables: &'s Tables<'s>, tree: &'t Tree, limit: u64) -> Self {
        Bundle { tables, tree, limit, table: None, number: 0, part: None }
    }

    /// Appends lines of a table.
    ///
    /// # Errors
    /// A failed write.
    pub fn add(&mut self, lines: &Lines, collector: &mut Collector<'t>) -> Result<()> {
        if self.table != Some(lines.table) {
            self.finish(collector)?;
            (self.table, self.number) = (Some(lines.table), 0);
        }
        let table = self.tables.get(lines.table);
        collector.tally.add(Adapter::DynamoDb, &table.scope, "items", lines.items, lines.bytes.len() as u64);
        let mut rest = lines.bytes.as_slice();
        while !rest.is_empty() {
            let written = self.part.as_ref().map_or(0, |part| part.bytes);
            let Some(len) = fitting(rest, self.limit.saturating_sub(written), written == 0) else {
                self.finish(collector)?;
                continue;
            };
            let (now, later) = rest.split_at(len);
            self.append(lines.table, now)?;
            rest = later;
        }
        Ok(())
    }

    fn append(&mut self, table: usize, lines: &[u8]) -> Result<()> {
        let part = match &mut self.part {
            Some(part) => part,
            none => {
                self.number += 1;
                let dir = Arc::new(self.tree.make_dir(self.tables.get(table).items.as_bytes())?);
                let name = format!("data-{:05}.jsonl", self.number);
                none.insert(Part { file: UnitOut::new(self.tree).grow(&dir, name.as_bytes()), bytes: 0 })
            }
        };
        part.file.buffer.extend_from_slice(lines);
        part.bytes += lines.len() as u64;
        part.file.spill()
    }

    /// Completes the part at hand.
    ///
    /// # Errors
    /// A failed write.
    pub fn finish(&mut self, collector: &mut Collector<'t>) -> Result<()> {
        let Some(part) = self.part.take() else { return Ok(()) };
        let mut out = UnitOut::new(self.tree);
        out.finish(part.file)?;
        collector.take(out)
    }
}

/// Bytes of the whole lines at the front of `lines` that fit into `room`; `None` when not even one does. An empty part
/// takes one in any case.
fn fitting(lines: &[u8], room: u64, empty: bool) -> Option<usize> {
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if lines.len() <= room {
        return Some(lines.len());
    }
    let whole = memchr::memrchr(b'\n', &lines[..room]).map(|end| end + 1);
    whole.or_else(|| if empty { memchr::memchr(b'\n', lines).map(|end| end + 1) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_fit() {
        let lines = b"aa\nbbb\nc\n";
        let cases: &[(u64, bool, Option<usize>)] = &[
            (9, false, Some(9)),
            (8, false, Some(7)),
            (7, false, Some(7)),
            (6, false, Some(3)),
            (3, false, Some(3)),
            (2, false, None),
            (0, false, None),
            (2, true, Some(3)),
            (u64::MAX, true, Some(9)),
        ];
        for (room, empty, want) in cases {
            assert_eq!(fitting(lines, *room, *empty), *want, "{room} {empty}");
        }
    }
}
