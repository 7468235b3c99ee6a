//! The manifest of a decode.

use super::Options;
use crate::dataset::DataSet;
use crate::format::adapter::{self, Adapter};
use crate::format::header::FsmHeader;
use crate::format::mvcc::hlc_millis;
use crate::index::Summary;
use crate::output::manifest::{self, HeaderInfo, InputInfo, Manifest};
use crate::output::split::Tally;
use crate::report::time;
use crate::report::{Findings, Level, exact_path};
use crate::source::{group_of, index_of};

/// Describes the inputs, the options and the results.
pub(super) fn describe(set: &DataSet<'_>, options: &Options, findings: &Findings, tally: Tally) -> Manifest {
    let inputs: Vec<InputInfo> = set.inputs().map(|group| input_info(group, options.for_restore)).collect();
    let last_commit_ts = inputs.iter().map(|i| i.last_commit_ts).max().unwrap_or(0);
    let first = inputs.first();
    let recorded = options.recorded(tally.of(adapter::FS).next().is_some());
    Manifest {
        format_version: 1,
        phase: "phase0-snapshot-decode",
        elastickv_version: concat!("ekvsnap ", env!("CARGO_PKG_VERSION")).to_owned(),
        cluster_id: options.cluster_id.clone(),
        snapshot_index: first.and_then(|i| i.snapshot_index).filter(|index| *index > 0),
        last_commit_ts,
        wall_time_iso: iso_time(last_commit_ts.min(set.view().as_of)),
        source: manifest::SourceInfo {
            fsm_path: first.map(|i| i.fsm_path.clone()).unwrap_or_default(),
            fsm_crc32c: first.and_then(|i| i.fsm_crc32c.clone()),
            fsm_path_b64: first.and_then(|i| i.fsm_path_b64.clone()),
        },
        adapters: manifest::Adapters { selected: selected(options), tally },
        exclusions: manifest::Exclusions {
            include_incomplete_uploads: options.include_incomplete_uploads,
            include_orphans: options.include_orphans,
            preserve_sqs_visibility: options.preserve_sqs_visibility,
            include_sqs_side_records: options.include_sqs_side_records,
            rename_s3_collisions: options.rename_s3_collisions,
        },
        checksum_algorithm: "sha256",
        checksum_format: "sha256sum",
        encoded_filename_charset: "rfc3986-unreserved-plus-percent",
        key_segment_max_bytes: 240,
        s3_meta_suffix: ".elastickv-meta.json",
        s3_collision_strategy: "leaf-data-suffix",
        dynamodb_layout: if options.packed() || options.dynamodb_bundle.is_some() { "jsonl" } else { "per-item" },
        last_commit_ts_str: if last_commit_ts == 0 { String::new() } else { last_commit_ts.to_string() },
        inputs,
        counters: counters(&set.counts().summary()),
        warnings: manifest::findings_of(findings, Level::Warning),
        notes: manifest::findings_of(findings, Level::Note),
        skipped: 0,
        options: recorded,
    }
}

fn selected(options: &Options) -> Vec<Adapter> {
    adapter::all().filter(|adapter| options.wants(*adapter)).collect()
}

fn input_info(group: &crate::dataset::Group<'_>, for_restore: bool) -> InputInfo {
    let path = group.source.path();
    InputInfo {
        fsm_path: path.to_string_lossy().into_owned(),
        fsm_crc32c: group.index.crc32c.map(|crc| format!("{crc:08x}")),
        snapshot_index: index_of(path),
        last_commit_ts: group.index.last_commit_ts,
        bytes: group.source.file().len() as u64,
        fsm_path_b64: exact_path(path),
        fsm_header: for_restore.then(|| header_info(group)),
    }
}

fn header_info(group: &crate::dataset::Group<'_>) -> HeaderInfo {
    let FsmHeader { version, ceiling_ms, cutover_index, .. } = group.index.header;
    HeaderInfo { version, ceiling_ms, cutover_index, group: group_of(group.source.path()) }
}

/// An HLC timestamp as a date.
pub fn iso_time(hlc: u64) -> String {
    time::clamped(hlc_millis(hlc))
}

fn counters(sum: &Summary) -> manifest::Counters {
    manifest::Counters {
        entries: sum.entries,
        dynamodb: sum.adapter(adapter::DYNAMODB),
        s3: sum.adapter(adapter::S3),
        redis: sum.adapter(adapter::REDIS),
        sqs: sum.adapter(adapter::SQS),
        fs: sum.adapter(adapter::FS),
        tombstone: sum.tombstones,
        internal: sum.internal,
        unknown: sum.unknown,
        live: sum.live,
        operational: sum.operational,
    }
}
