//! The options of a decode in a plan: all that change a byte of the output.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::decode::filter::{Filter, Pattern};
use crate::decode::{Layout, Options};
use crate::error::{Error, Remedy, Result};
use crate::format::adapter;
use crate::index::Granularity;
use crate::source::PassedOver;

/// Their form in a plan.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)]
struct Task {
    adapters: Vec<String>,
    as_of: Option<u64>,
    since: Option<u64>,
    cluster_id: String,
    include_orphans: bool,
    include_incomplete_uploads: bool,
    preserve_sqs_visibility: bool,
    include_sqs_side_records: bool,
    rename_s3_collisions: bool,
    for_restore: bool,
    drop_expired: Option<u64>,
    dynamodb_bundle: Option<u64>,
    layout: String,
    loaders: bool,
    part_size: Option<u64>,
    include: Vec<String>,
    exclude: Vec<String>,
    types: Vec<String>,
    min_size: u64,
    max_size: u64,
    checkpoint_interval: usize,
    read_size: usize,
    task_size: usize,
    passed_over: Vec<(Vec<u8>, String, Vec<u8>)>,
}

/// The options as bytes.
///
/// # Errors
/// Options of a decode that cannot be divided among shards.
pub(super) fn encode(options: &Options) -> Result<Vec<u8>> {
    check(options)?;
    // Every option is named: a new one must be written here, or it would not reach the shards.
    let Options {
        adapters,
        as_of,
        since,
        // Rejected.
        older: _,
        threads: _,
        cluster_id,
        include_orphans,
        include_incomplete_uploads,
        preserve_sqs_visibility,
        include_sqs_side_records,
        rename_s3_collisions,
        for_restore,
        drop_expired,
        dynamodb_bundle,
        layout,
        loaders,
        part_size,
        archive: _,
        filter: Filter { include, exclude, types, min_size, max_size, changes: _ },
        force: _,
        fsync: _,
        skip_damage: _,
        passed_over,
        granularity: Granularity { checkpoint_interval, read_size, task_size },
    } = options.clone();
    let texts = |patterns: &[Pattern]| patterns.iter().map(Pattern::to_string).collect();
    let bytes = |path: &PathBuf| path.as_os_str().as_bytes().to_vec();
    let passed_over = passed_over.iter();
    let task = Task {
        adapters: adapters.iter().map(|adapter| adapter.name().to_owned()).collect(),
        as_of,
        since,
        cluster_id,
        include_orphans,
        include_incomplete_uploads,
        preserve_sqs_visibility,
        include_sqs_side_records,
        rename_s3_collisions,
        for_restore,
        drop_expired,
        dynamodb_bundle,
        layout: layout.name().to_owned(),
        loaders,
        part_size,
        include: texts(&include),
        exclude: texts(&exclude),
        types,
        min_size,
        max_size,
        checkpoint_interval,
        read_size,
        task_size,
        passed_over: passed_over
            .map(|passed| (bytes(&passed.file), passed.why.clone(), bytes(&passed.taken)))
            .collect(),
    };
    serde_json::to_vec(&task).map_err(|e| Error::internal(format!("the options cannot be written: {e}")))
}

/// Rejects options that only one machine can fulfil.
fn check(options: &Options) -> Result<()> {
    options.check()?;
    if options.skip_damage {
        const WHY: &str = "a plan is made of intact snapshots: damaged ones are decoded on one machine";
        return Err(Error::command_line(WHY).with_remedy(Remedy::FailOnDamage));
    }
    if options.writes_changes() || options.older.is_some() {
        return Err(Error::command_line(
            "changes are found by one run over both states: they cannot be planned, and such a run cannot be resumed",
        ));
    }
    if options.archive.is_some() {
        return Err(Error::command_line("shards are merged into a directory: ekvsnap pack makes an archive of it"));
    }
    Ok(())
}

/// The options of a plan.
///
/// # Errors
/// The bytes are not those of this version.
pub(super) fn decode(bytes: &[u8]) -> Result<Options> {
    if bytes.is_empty() {
        return Err(Error::usage("the file has only indexes: make a plan with ekvsnap plan INPUT… -o PLAN"));
    }
    let unreadable = |e: &dyn std::fmt::Display| Error::usage(format!("the options of the plan cannot be read: {e}"));
    let task: Task = serde_json::from_slice(bytes).map_err(|e| unreadable(&e))?;
    let patterns = |texts: &[String]| -> Result<Vec<Pattern>> {
        texts.iter().map(|text| text.parse().map_err(|e: String| unreadable(&e))).collect()
    };
    let named =
        |name: &String| adapter::named(name.as_bytes()).ok_or_else(|| unreadable(&format!("unknown adapter {name}")));
    let path = |bytes: Vec<u8>| PathBuf::from(OsStr::from_bytes(&bytes));
    let passed_over = task.passed_over.into_iter();
    Ok(Options {
        adapters: task.adapters.iter().map(named).collect::<Result<_>>()?,
        as_of: task.as_of,
        since: task.since,
        cluster_id: task.cluster_id,
        include_orphans: task.include_orphans,
        include_incomplete_uploads: task.include_incomplete_uploads,
        preserve_sqs_visibility: task.preserve_sqs_visibility,
        include_sqs_side_records: task.include_sqs_side_records,
        rename_s3_collisions: task.rename_s3_collisions,
        for_restore: task.for_restore,
        drop_expired: task.drop_expired,
        dynamodb_bundle: task.dynamodb_bundle,
        layout: Layout::named(&task.layout).ok_or_else(|| unreadable(&format!("unknown layout {}", task.layout)))?,
        loaders: task.loaders,
        part_size: task.part_size,
        filter: Filter {
            include: patterns(&task.include)?,
            exclude: patterns(&task.exclude)?,
            types: task.types,
            min_size: task.min_size,
            max_size: task.max_size,
            changes: None,
        },
        granularity: Granularity {
            checkpoint_interval: task.checkpoint_interval,
            read_size: task.read_size,
            task_size: task.task_size,
        },
        passed_over: passed_over
            .map(|(file, why, taken)| PassedOver { file: path(file), why, taken: path(taken) })
            .collect(),
        ..Options::default()
    })
}
