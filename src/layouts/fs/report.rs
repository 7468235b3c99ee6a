//! `fs/report.json`: totals.

use super::findings::code;
use crate::adapters::fs::{Chunks, InternalRows, Unreached};
use crate::error::Result;
use crate::format::adapter;
use crate::output::json;
use crate::output::nested::Nested;
use crate::output::split::SplitOutput;
use crate::run::Job;

/// The report.
pub const REPORT: &str = "fs/report.json";

/// The counts.
pub struct Counted<'c> {
    /// Inodes.
    pub unreached: &'c Unreached<'c>,
    /// Chunks.
    pub chunks: Chunks,
    /// Everything else.
    pub internal: &'c InternalRows<'c>,
}

/// Writes the report.
///
/// # Errors
/// A failed write.
pub fn write(job: &mut Job<'_, '_, '_>, counted: Option<&Counted<'_>>) -> Result<()> {
    let mut text = Vec::new();
    Nested::<true>::new(&mut text).object(|w| {
        for (scope, kinds) in job.collector.tally.of(adapter::FS) {
            w.member(scope);
            w.object(|w| {
                for &(kind, objects, bytes) in kinds {
                    w.integer_member(kind, objects);
                    if kind == "files" {
                        w.integer_member("stored_bytes", bytes);
                    }
                }
            });
        }
        if let Some(counted) = counted {
            w.member("rows");
            w.object(|w| rows(w, counted));
        }
        w.member("anomalies");
        w.object(|w| {
            for (kind, seen) in job.collector.findings.iter().filter(|(kind, _)| kind.event.starts_with("fs_")) {
                w.integer_member(code(kind), seen.count);
            }
        });
    });
    text.push(b'\n');
    let mut out = SplitOutput::new(job.tree);
    let (folder, name) = REPORT.split_once('/').unwrap_or_default();
    let dir = out.dir(folder)?;
    out.put(&dir, name.as_bytes(), &text)?;
    job.collector.take(out)
}

fn rows(w: &mut Nested<'_, true>, counted: &Counted<'_>) {
    w.integer_member("inodes", counted.unreached.inodes);
    w.integer_member("lost_inodes", counted.unreached.lost.len());
    w.integer_member("orphans", counted.unreached.deleted_count);
    w.integer_member("chunks", counted.chunks.rows);
    w.integer_member("chunk_bytes", counted.chunks.bytes);
    for (name, rows) in &counted.internal.rows {
        w.integer_member(name, *rows);
    }
    if let Some(usage) = counted.internal.usage {
        for (name, n) in [("usage_files", usage.files), ("usage_bytes", usage.bytes)] {
            w.member(name);
            json::integer(n, w.out());
        }
    }
}
