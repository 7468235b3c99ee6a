//! Compares the server's counters with the rows.

use super::chunks::Chunks;
use super::findings;
use super::internal::InternalRows;
use super::unreached::Unreached;
use crate::report::{Finding, Findings};

/// Warns if the server's counters differ from the rows.
///
/// They count inodes and the stored bytes of chunks. While files are moved, copies are not counted.
pub fn compare_usage(unreached: &Unreached<'_>, chunks: &Chunks, internal: &InternalRows<'_>, findings: &mut Findings) {
    let Some(usage) = internal.usage else { return };
    let files = i128::from(unreached.inodes);
    let bytes = i128::from(chunks.bytes);
    let moving = !internal.moving.is_empty();
    if usage.files != files || (usage.bytes != bytes && !moving) {
        let finding = Finding::new(&findings::USAGE).with("files", usage.files).with("inodes", unreached.inodes);
        findings.add(finding.with("bytes", usage.bytes).with("chunk_bytes", chunks.bytes));
    }
}
