//! Notes and warnings about data that an output lacks, or that it has but a new store does not need.

use std::path::Path;

use crate::format::Adapter;
use crate::options::Options as Decode;
use crate::output::manifest_read::ReadManifest;
use crate::report::{Finding, Findings, kinds};

kinds! {
    Warning ASIDE "encode_not_served" "files below _orphans, and ERRORS.jsonl: the server did not serve what they have, and it is not in the snapshot";
    Warning SKIPPED "encode_output_incomplete" "the decode could not read all rows; what it skipped (ERRORS.jsonl) is not in the snapshot";
    Warning PARTIAL "encode_output_partial" "the decode was asked for some objects only; the others are not in the snapshot";
    Warning NOT_FOR_RESTORE "encode_not_for_restore" "the output was not made for a restore: it lacks receive counts, visibility, group locks and deduplication records of messages, unfinished uploads, and generations of deleted objects, which are derived or lost; bare strings are stored as other strings";
    Note SIDE_ROWS "encode_side_rows" "bookkeeping rows of SQS that a new store does not need: those of deleted generations, tombstones, and those that were created again";
}

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
    let mut add = |kind, counted: Option<(&'static str, u64)>| {
        let finding = Finding::new(kind).with("output", name.as_ref());
        findings.add(match counted {
            Some((what, count)) => finding.with(what, count),
            None => finding,
        });
    };
    if aside > 0 {
        add(&ASIDE, Some(("files", aside)));
    }
    if manifest.skipped > 0 {
        add(&SKIPPED, Some(("places", manifest.skipped)));
    }
    let left_behind = manifest.adapters.iter().any(|adapter| !adapters.contains(adapter));
    if !made.filter.is_trivial() || made.drop_expired.is_some() || left_behind {
        add(&PARTIAL, None);
    }
    if !made.for_restore {
        add(&NOT_FOR_RESTORE, None);
    }
    if left_out > 0 {
        add(&SIDE_ROWS, Some(("rows", left_out)));
    }
}
