//! The files of lines across all splits. A file is closed once another table of its lane gets lines, and a table without items gets an
//! empty file.

use crate::adapters::dynamodb::Tables;
use crate::error::Result;
use crate::format::wire::Reader;
use crate::layouts::dynamodb::paths::Paths;
use crate::layouts::dynamodb::{Gather, Share, decode_places, encode_places};
use crate::output::split::{Collector, SplitOutput};
use crate::run::Job;

/// Positions of the tables that got lines in a split, in key order.
pub(super) struct TablesWithLines(pub Vec<usize>);

impl Share for TablesWithLines {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_places(&self.0, out);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        decode_places(reader).map(TablesWithLines)
    }
}

/// The files of all tables.
pub(super) struct FilesOfTables<'s> {
    tables: &'s Tables<'s>,
    /// Which tables got lines, by position.
    pub with_lines: Vec<bool>,
    /// The last such table of each lane: only it can get more lines.
    open: Vec<Option<usize>>,
}

impl<'s> FilesOfTables<'s> {
    /// No table has lines yet.
    pub fn new(tables: &'s Tables<'s>, lanes: usize) -> Self {
        FilesOfTables { tables, with_lines: vec![false; tables.len()], open: vec![None; lanes] }
    }
}

impl<'t> Gather<'t> for FilesOfTables<'_> {
    type Share = TablesWithLines;

    fn take(&mut self, lane: usize, share: TablesWithLines, collector: &mut Collector<'t>) -> Result<()> {
        for at in share.0 {
            if let Some(before) = self.open[lane].replace(at).filter(|before| *before != at) {
                collector.close(&Paths::of(&self.tables.get(before)).lines());
            }
            if let Some(has_lines) = self.with_lines.get_mut(at) {
                *has_lines = true;
            }
        }
        Ok(())
    }
}

/// Writes the files of the tables that got no lines.
///
/// # Errors
/// A failed write.
pub(in crate::layouts) fn write_empty(
    tables: &Tables<'_>,
    with_lines: &[bool],
    job: &mut Job<'_, '_, '_>,
) -> Result<()> {
    let is_empty = |at: usize| !with_lines.get(at).copied().unwrap_or(false);
    for table in tables.wanted(&job.options.filter).filter(|table| is_empty(table.place)) {
        let mut out = SplitOutput::new(job.tree);
        let log = out.log_in_parts(&Paths::of(&table).lines());
        out.complete(log);
        job.collector.take(out)?;
    }
    Ok(())
}
