//! What there is in all: compared with the server's counters, and written to `fs/report.json`.

use super::chunks::Chunks;
use super::findings::{self, code};
use super::flight::Flight;
use super::left::Left;
use crate::decode::Job;
use crate::error::Result;
use crate::format::Adapter;
use crate::output::json;
use crate::output::nested::Nested;
use crate::output::unit::UnitOut;
use crate::report::Finding;

/// What was counted.
pub struct Counted<'c> {
    /// Inodes.
    pub left: &'c Left,
    /// Chunks.
    pub chunks: Chunks,
    /// Everything else.
    pub flight: &'c Flight,
}

/// Warns where the server's counters tell otherwise.
///
/// They count inodes and the bytes of chunks as they are stored. While files are moved, copies are not counted.
pub fn compare(job: &mut Job<'_, '_, '_>, counted: &Counted<'_>) {
    let Some(usage) = counted.flight.usage else { return };
    let files = i128::from(counted.left.inodes);
    let bytes = i128::from(counted.chunks.bytes);
    let moving = counted.flight.moving.len() > 0;
    if usage.files != files || (usage.bytes != bytes && !moving) {
        let finding = Finding::new(&findings::USAGE).with("files", usage.files).with("inodes", counted.left.inodes);
        let finding = finding.with("bytes", usage.bytes).with("chunk_bytes", counted.chunks.bytes);
        job.collector.findings.add(finding);
    }
}

/// Writes the report.
///
/// # Errors
/// A failed write.
pub fn write(job: &mut Job<'_, '_, '_>, counted: Option<&Counted<'_>>) -> Result<()> {
    let mut text = Vec::new();
    Nested::<true>::new(&mut text).object(|w| {
        for (scope, kinds) in job.collector.tally.of(Adapter::Fs) {
            w.member(scope);
            w.object(|w| {
                for (kind, objects, bytes) in kinds {
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
    let mut out = UnitOut::new(job.tree);
    let dir = out.dir("fs")?;
    out.put(&dir, b"report.json", &text)?;
    job.collector.take(out)
}

fn rows(w: &mut Nested<'_, true>, counted: &Counted<'_>) {
    w.integer_member("inodes", counted.left.inodes);
    w.integer_member("lost_inodes", counted.left.lost.len());
    w.integer_member("orphans", counted.left.orphan_count);
    w.integer_member("chunks", counted.chunks.rows);
    w.integer_member("chunk_bytes", counted.chunks.bytes);
    for (name, rows) in &counted.flight.rows {
        w.integer_member(name, *rows);
    }
    if let Some(usage) = counted.flight.usage {
        for (name, n) in [("usage_files", usage.files), ("usage_bytes", usage.bytes)] {
            w.member(name);
            json::integer(n, w.out());
        }
    }
}
