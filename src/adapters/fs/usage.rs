//! The server's own counters, compared with what is there.

use super::chunks::Chunks;
use super::findings;
use super::internal::InternalRows;
use super::unreached::Unreached;
use crate::report::{Finding, Findings};

/// Warns where the server's counters tell otherwise.
///
/// They count inodes and the bytes of chunks as they are stored. While files are moved, copies are not counted.
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
