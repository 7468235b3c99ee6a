//! Bundled items: `items/data-00001.jsonl` and on, each up to a size (`Options::dynamodb_bundle`).
//!
//! Lines come in key order, and a part takes lines as long as they fit. So the ends of parts depend only on the items.

use std::sync::Arc;

use super::files::Files;
use crate::adapters::dynamodb::Tables;
use crate::error::Result;
use crate::format::adapter;
use crate::format::wire::{self, Reader};
use crate::layouts::dynamodb::count::note_untyped;
use crate::layouts::dynamodb::paths::Paths;
use crate::layouts::dynamodb::render::ItemRenderer;
use crate::layouts::dynamodb::{Gather, Share, Writer};
use crate::model::dynamodb::{Item, StaleItem, Table, Visitor};
use crate::output::split::{Collector, SpillWriter, SplitOutput};
use crate::output::tree::Tree;

/// Lines of one table.
pub(super) struct Lines {
    /// Number of the table.
    table: usize,
    /// Number of lines.
    items: u64,
    /// The lines.
    bytes: Vec<u8>,
}

impl Share for Vec<Lines> {
    fn held(&self) -> usize {
        self.iter().map(|lines| lines.bytes.capacity()).sum()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        wire::number(self.len() as u64, out);
        for Lines { table, items, bytes } in self {
            wire::number(*table as u64, out);
            wire::number(*items, out);
            wire::bytes(bytes, out);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Vec<Lines>> {
        let count = reader.count()?;
        let mut lines =
            || Some(Lines { table: reader.size()?, items: reader.number()?, bytes: reader.bytes()?.to_vec() });
        (0..count).map(|_| lines()).collect()
    }
}

/// Renders the items of a split.
pub(super) struct Bundled<'a, 't> {
    out: SplitOutput<'t>,
    renderer: ItemRenderer<'a>,
    lines: Vec<Lines>,
    /// Writes stale items, which are not bundled.
    files: Files<'a>,
}

impl<'t> Bundled<'_, 't> {
    /// Writes to `out`.
    pub fn new(out: SplitOutput<'t>) -> Self {
        Bundled { out, renderer: ItemRenderer::default(), lines: Vec::new(), files: Files::default() }
    }
}

impl<'a, 't> Writer<'a, 't> for Bundled<'a, 't> {
    type Share = Vec<Lines>;

    fn finish(mut self) -> Result<(SplitOutput<'t>, Vec<Lines>)> {
        self.files.finish(&mut self.out);
        Ok((self.out, self.lines))
    }
}

impl<'a> Visitor<'a> for Bundled<'a, '_> {
    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        if self.lines.last().is_none_or(|lines| lines.table != table.place) {
            self.lines.push(Lines { table: table.place, items: 0, bytes: Vec::new() });
        }
        if let Some(lines) = self.lines.last_mut() {
            self.renderer.line(item.value, &mut lines.bytes);
            lines.items += 1;
        }
        note_untyped(&mut self.renderer, &mut self.out, table, item);
        Ok(())
    }

    fn stale(&mut self, item: &StaleItem<'a>) -> Result<()> {
        self.files.put_stale(&mut self.out, item)
    }
}

impl<'t> Gather<'t> for Bundle<'_, 't> {
    type Share = Vec<Lines>;

    fn take(&mut self, _: usize, share: Vec<Lines>, collector: &mut Collector<'t>) -> Result<()> {
        share.iter().try_for_each(|lines| self.add(lines, collector))
    }
}

/// Writes the parts, one table after the other.
pub(super) struct Bundle<'s, 't> {
    tables: &'s Tables<'s>,
    tree: &'t Tree,
    /// Maximum bytes of a part, unless one line alone has more.
    limit: u64,
    table: Option<usize>,
    number: u32,
    part: Option<Part<'t>>,
}

struct Part<'t> {
    file: SpillWriter<'t>,
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
    fn add(&mut self, lines: &Lines, collector: &mut Collector<'t>) -> Result<()> {
        if self.table != Some(lines.table) {
            self.finish(collector)?;
            (self.table, self.number) = (Some(lines.table), 0);
        }
        let scope = Paths::of(&self.tables.get(lines.table)).scope;
        collector.tally.add(adapter::DYNAMODB, &scope, "items", lines.items, lines.bytes.len() as u64);
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
                let dir = Arc::new(self.tree.make_dir(Paths::of(&self.tables.get(table)).items.as_bytes())?);
                let name = format!("data-{:05}.jsonl", self.number);
                none.insert(Part { file: SplitOutput::new(self.tree).grow(&dir, name.as_bytes()), bytes: 0 })
            }
        };
        part.file.buffer.extend_from_slice(lines);
        part.bytes += lines.len() as u64;
        part.file.spill()
    }

    /// Completes the current part.
    ///
    /// # Errors
    /// A failed write.
    pub fn finish(&mut self, collector: &mut Collector<'t>) -> Result<()> {
        let Some(part) = self.part.take() else { return Ok(()) };
        let mut out = SplitOutput::new(self.tree);
        out.finish(part.file)?;
        collector.take(out)
    }
}

/// Bytes of the complete lines at the start of `lines` that fit into `room`; `None` if not even one does. An empty part takes one in any
/// case.
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
