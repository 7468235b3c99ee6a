//! Notes and warnings about data that an output lacks, or that it has but a new store does not need.

use std::path::Path;

use crate::format::adapter::{self, Adapter};
use crate::options::Options as Decode;
use crate::output::manifest_read::ReadManifest;
use crate::report::{Finding, Findings, kinds};

kinds! {
    Warning ASIDE "encode_not_served" "files below _orphans, and ERRORS.jsonl: the server did not serve what they have, and it is not in the snapshot";
    Warning SKIPPED "encode_output_incomplete" "the decode could not read all rows; what it skipped (ERRORS.jsonl) is not in the snapshot";
    Warning PARTIAL "encode_output_partial" "the decode was asked for some objects only; the others are not in the snapshot";
    Warning NOT_FOR_RESTORE "encode_not_for_restore" "the output was not made for a restore: what it lacks is derived, or lost";
    Note SIDE_ROWS "encode_side_rows" "bookkeeping rows of SQS that a new store does not need: those of deleted generations, tombstones, and those that were created again";
}

/// What only an output that was made for a restore has, by adapter.
const LACKING: [(Adapter, &str); 4] = [
    (adapter::REDIS, "which strings were stored under bare keys (all get the prefix of strings)"),
    (adapter::DYNAMODB, "generations of deleted tables"),
    (adapter::S3, "unfinished uploads, generations of deleted buckets"),
    (adapter::SQS, "receive counts, visibility, group locks, deduplication records, generations of deleted queues"),
];

/// Adds the findings about an output.
pub(super) fn of_output(
    path: &Path,
    manifest: &ReadManifest,
    made: &Decode,
    adapters: &[Adapter],
    aside: u64,
    left_out: u64,
    findings: &mut Findings,
) {
    let name = path.to_string_lossy();
    let about = |kind| Finding::new(kind).with("output", name.as_ref());
    if aside > 0 {
        findings.add(about(&ASIDE).with("files", aside));
    }
    if manifest.skipped > 0 {
        findings.add(about(&SKIPPED).with("places", manifest.skipped));
    }
    let left_behind = manifest.adapters.iter().any(|adapter| !adapters.contains(adapter));
    if !made.filter.is_trivial() || made.drop_expired.is_some() || left_behind {
        findings.add(about(&PARTIAL));
    }
    if !made.for_restore {
        let lacks: Vec<&str> = LACKING.iter().filter(|(of, _)| adapters.contains(of)).map(|(_, what)| *what).collect();
        findings.add(about(&NOT_FOR_RESTORE).with("lacks", lacks.join("; ")));
    }
    if left_out > 0 {
        findings.add(about(&SIDE_ROWS).with("rows", left_out));
    }
}
