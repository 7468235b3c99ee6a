//! Findings about a body that differs from its manifest.

use super::{BodyReport, PartDiffers, Verdict};
use crate::adapters::s3::findings;
use crate::format::s3::{Manifest, ObjectKey};
use crate::report::{Finding, Findings, Kind};

fn about(kind: &'static Kind, key: &ObjectKey<'_>) -> Finding {
    Finding::new(kind).with("bucket", key.bucket.as_ref()).with("object", key.object.as_ref())
}

/// Warns of every difference between the body of `key` and its manifest.
pub fn report(key: &ObjectKey<'_>, manifest: &Manifest<'_>, report: &BodyReport, findings: &mut Findings) {
    match &report.etag {
        Verdict::Match => {}
        Verdict::Mismatch { want, got } => {
            findings.add(about(&findings::ETAG, key).with("etag", want.as_str()).with("body_etag", got.as_str()));
        }
        Verdict::NotCheckable if manifest.etag.is_empty() => {}
        Verdict::NotCheckable => findings.add(about(&findings::NOT_CHECKED, key).with("etag", manifest.etag)),
    }
    if report.is_clean() {
        return;
    }
    if !report.size_matches {
        let finding = about(&findings::SIZE, key).with("size_bytes", manifest.size_bytes);
        findings.add(finding.with("body_bytes", report.size));
    }
    if let Some(part) = &report.part {
        findings.add(part_differs(key, part));
    }
    if let Some(chunk) = &report.chunk {
        let finding = about(&findings::CHUNK_SIZE, key).with("part_no", chunk.id.part_no);
        let finding = finding.with("chunk_no", chunk.id.chunk_no).with("chunk_size", chunk.want);
        findings.add(finding.with("stored_bytes", chunk.got));
    }
}

fn part_differs(key: &ObjectKey<'_>, part: &PartDiffers) -> Finding {
    match part {
        PartDiffers::Size { part_no, want, got } => {
            let finding = about(&findings::PART_SIZE, key).with("part_no", *part_no);
            finding.with("size_bytes", *want).with("part_bytes", *got)
        }
        PartDiffers::Etag { part_no, want, got } => {
            let finding = about(&findings::PART_ETAG, key).with("part_no", *part_no);
            finding.with("etag", want.as_str()).with("part_etag", got.as_str())
        }
    }
}
