//! The schema of each table, as a separate document.

use std::sync::Arc;

use super::paths::{self, DOCUMENT, PACKED_DOCUMENT, Paths};
use super::render;
use crate::adapters::dynamodb::{self, Tables};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::adapter;
use crate::options::{Layout, Options};
use crate::output::json::{self, Escape};
use crate::output::observer::Object;
use crate::output::out::Out as _;
use crate::output::split::{Collector, SplitOutput};
use crate::output::tree::Dir;

/// Writes every table's schema. In a tree it also makes the folder of the items, which exists even if the table is empty.
///
/// # Errors
/// A failed write.
pub fn write(tables: &Tables<'_>, options: &Options, collector: &mut Collector<'_>) -> Result<()> {
    for table in tables.wanted(&options.filter) {
        let mut out = SplitOutput::new(collector.tree());
        let paths = Paths::of(&table);
        let (dir, name) = place(&paths, options.layout, &mut out)?;
        let mut file = out.grow(&dir, name.as_bytes());
        if let Some(schema) = tables.stored(table.place) {
            render::schema(&schema, options.for_restore, &mut file);
        }
        let value = if out.is_observed() { file.fingerprint() } else { None };
        let size = out.finish(file)?;
        if let Some(objects) = out.objects() {
            objects.add(&Object::scope(adapter::DYNAMODB, "tables", &paths.scope, size, value));
        }
        out.tally.scope(adapter::DYNAMODB, &paths.scope);
        collector.take(out)?;
    }
    Ok(())
}

/// Writes the generations that are not in any schema, if there are any.
///
/// # Errors
/// An input that changed, or a failed write.
pub fn generations(
    set: &DataSet<'_>,
    tables: &Tables<'_>,
    options: &Options,
    collector: &mut Collector<'_>,
) -> Result<()> {
    let mut out = SplitOutput::new(collector.tree());
    let path = paths::generations();
    dynamodb::counters(set, tables, &options.filter, |name, generation| {
        let lines = out.lines(&path);
        lines.extend_from_slice(b"{\"name\":");
        lines.bytes(name, Escape::Plain);
        lines.extend_from_slice(b",\"generation\":");
        json::integer(generation, lines);
        lines.extend_from_slice(b"}\n");
    })?;
    collector.take(out)
}

fn place(paths: &Paths, layout: Layout, out: &mut SplitOutput<'_>) -> Result<(Arc<Dir>, String)> {
    if layout.is_packed() {
        return Ok((out.dir("dynamodb")?, format!("{}{PACKED_DOCUMENT}", paths.scope)));
    }
    let dir = out.tree().make_dir(paths.dir.as_bytes())?;
    out.tree().make_dir(paths.items.as_bytes())?;
    Ok((Arc::new(dir), DOCUMENT.to_owned()))
}
