//! Findings about the inputs as a whole.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::filter::Matched;
use super::{Options, iso_time};
use crate::dataset::{AHEAD, DataSet, Group, Unresolved};
use crate::error::Result;
use crate::format::family::Class;
use crate::format::{Family, adapter, tso::Timestamps};
use crate::index::Layout;
use crate::report::{Finding, Findings, Value, kinds};
use crate::source::PassedOver;

kinds! {
    Warning PASSED_OVER "newer_file_passed_over" "a newer snapshot file is damaged; the newest intact one of its group was decoded in its place";
    Warning NOTHING_MATCHED "nothing_matched" "no object matches the adapters, patterns, types and sizes that were asked for";
    Warning CHOICE_UNMATCHED "flag_matched_nothing" "no object matches this adapter, pattern or type: is it mistyped?";
    Warning UNKNOWN_ROWS "unknown_rows" "rows of no known family; they were not decoded";
    Warning GROUP_TIMES "groups_at_different_times" "the snapshots were taken at different times: a transaction over several groups may be in only some of them";
    Warning GIVEN_TWICE "same_snapshot_twice" "two inputs have the same checksum and length: one snapshot was given twice, and that of another group may be missing";
    Warning HEADER_ONLY "no_store_stream" "an FSM header with neither stream nor footer: an empty result";
    Warning PENDING "txn_pending" "prepared transactions whose outcome is unknown; their keys have the last committed state: give the snapshots of all groups";
    Warning NOT_READ "rows_not_read" "rows of this input could not be read: objects may be missing, and expiries of keys";
    Warning STRAY_INTENTS "txn_stray_intents" "intents without a lock of the same transaction; ignored, as the server does",
        unread Warning "intents whose lock was not found; ignored: rows of the store are missing here, and the lock may be among them";
    Note TIMESTAMP_GROUP "timestamp_group" "the state of the timestamp group, no user data; skipped";
    Warning STAGED_ALONE "staged_rows_alone" "copies that a migration has made of rows of another group, whose snapshot is missing; they were decoded, but may not be the newest state: give the snapshots of all groups";
    Note STAGED "staged_rows" "copies that a migration between groups has made, and that are not in use yet; of each key the newest version of all rows was taken";
    Note SEVERAL_ROUTES "several_routes" "the store has a catalog of several routes: if there are several groups, give the snapshots of all of them, because the keys of the others are not in this one";
    Note LATER_MOMENT "moment_after_snapshot" "the moment that was asked for is after the last commit: what was written after the snapshot was taken is not in it";
    Note NO_FOOTER "no_footer" "the file has no CRC footer: if it was cut between two entries, this cannot be noticed";
    Note ABOVE_COMMIT "rows_above_last_commit" "rows newer than the last commit timestamp of the store (node-local rows, or a crash); they were kept";
    Warning TXN_APPLIED "txn_intents_applied" "values of committed transactions whose locks were never removed; they were applied, but the server may answer without them (see docs/GUIDE.md)";
    Note TXN_ROLLED_BACK "txn_rolled_back" "locks of transactions that were rolled back or have expired; ignored, as the server does";
    Note FENCES "redis_fence_rows" "rows that only detect conflicts, and have no data";
}

/// Adds the findings of the index and of the transactions.
///
/// # Errors
/// An input that changed.
pub(super) fn of_inputs(set: &DataSet<'_>, options: &Options, txn: &Unresolved, findings: &mut Findings) -> Result<()> {
    note_passed_over(&options.passed_over, findings);
    let about = |kind, group: &Group<'_>| Finding::new(kind).with("input", group.source.path());
    // If an input is broken, ERRORS.jsonl lists what is missing.
    for group in set.inputs().filter(|group| group.index.is_whole && group.index.crc32c.is_none()) {
        let kind = if group.index.layout == Layout::Empty { &HEADER_ONLY } else { &NO_FOOTER };
        findings.add(about(kind, group));
    }
    for group in set.inputs().filter(|group| !group.index.is_whole) {
        findings.add(about(&NOT_READ, group));
    }
    for group in set.inputs() {
        if let (Layout::Timestamps, Some(state)) = (group.index.layout, Timestamps::parse(group.file())) {
            findings.add(about(&TIMESTAMP_GROUP, group).with("ceiling_ms", state.ceiling_ms));
        }
    }
    for group in set.groups().iter().filter(|group| group.index.above_last_commit > 0) {
        findings.add(about(&ABOVE_COMMIT, group).with("rows", group.index.above_last_commit));
    }
    note_strangers(set, findings);
    several_routes(set, findings);
    later_moment(set, options, findings);
    staged_rows(set, findings)?;
    unowned_rows(set, options, findings)?;
    findings
        .add_all(&TXN_APPLIED, set.applied().iter().map(|row| Finding::new(&TXN_APPLIED).with("key", row.user_key)));
    transactions(txn, findings);
    Ok(())
}

/// Adds a finding for each newer file that is damaged, so that an older one of its group was taken.
pub(crate) fn note_passed_over(all: &[PassedOver], findings: &mut Findings) {
    for passed in all {
        let finding = Finding::new(&PASSED_OVER).with("file", passed.file.as_path());
        let finding = finding.with("why", passed.why.as_str());
        findings.add(finding.with("taken", passed.taken.as_path()));
    }
}

/// Adds findings about inputs that do not belong together: a repeated input, or inputs of different times.
pub(crate) fn note_strangers(set: &DataSet<'_>, findings: &mut Findings) {
    given_twice(set, findings);
    group_times(set, findings);
}

/// Adds findings about filters that matched nothing.
pub(crate) fn of_choice(matched: &Matched, findings: &mut Findings) {
    if matched.nothing {
        findings.add(Finding::new(&NOTHING_MATCHED));
    }
    for unmet in &matched.unmet {
        findings.add(Finding::new(&CHOICE_UNMATCHED).with("asked", unmet.as_str()));
    }
}

/// A moment far after every input: the result must not be taken for the state of that moment.
/// Notes a moment after the last commit: the state of that moment may not be in the inputs.
pub(crate) fn later_moment(set: &DataSet<'_>, options: &Options, findings: &mut Findings) {
    let last = set.stores().map(|group| group.index.last_commit_ts.max(group.index.max_commit_ts)).max();
    let (Some(as_of), Some(last)) = (options.as_of, last) else { return };
    if as_of > last.saturating_add(AHEAD) {
        let finding = Finding::new(&LATER_MOMENT).with("as_of", Value::Exact(as_of)).with("last", Value::Exact(last));
        findings.add(finding.with("last_iso", iso_time(last)));
    }
}

fn several_routes(set: &DataSet<'_>, findings: &mut Findings) {
    if let Some((only, routes)) = set.one_of_several() {
        findings.add(Finding::new(&SEVERAL_ROUTES).with("input", only.source.path()).with("routes", routes));
    }
}

fn group_times(set: &DataSet<'_>, findings: &mut Findings) {
    let times = || set.stores().map(|g| g.index.last_commit_ts);
    let (Some(low), Some(high)) = (times().min(), times().max()) else { return };
    if low != high && set.view().as_of > low {
        let finding =
            Finding::new(&GROUP_TIMES).with("smallest", Value::Exact(low)).with("largest", Value::Exact(high));
        findings.add(finding.with("smallest_iso", iso_time(low)).with("largest_iso", iso_time(high)));
    }
}

fn staged_rows(set: &DataSet<'_>, findings: &mut Findings) -> Result<()> {
    for staged in set.staged()? {
        let input = set.groups().get(staged.group as usize).map(|group| group.source.path().to_string_lossy());
        let about = |kind| {
            let finding = Finding::new(kind).with("input", input.as_deref().unwrap_or_default());
            finding.with("job", staged.job).with("rows", staged.rows)
        };
        findings.add(match &staged.example {
            Some(key) => about(&STAGED_ALONE).with("alone", staged.alone).with("key", key.as_slice()),
            None => about(&STAGED),
        });
    }
    Ok(())
}

/// Copies of one file count nothing twice, but another group may have been meant.
fn given_twice(set: &DataSet<'_>, findings: &mut Findings) {
    let mut seen = BTreeMap::new();
    for group in set.inputs() {
        let is_store = group.index.counts.summary().entries > 0;
        let Some(crc) = group.index.crc32c.filter(|_| is_store) else { continue };
        match seen.entry((crc, group.source.file().len())) {
            Entry::Vacant(free) => drop(free.insert(group.source.path())),
            Entry::Occupied(first) => {
                findings.add(Finding::new(&GIVEN_TWICE).with("input", group.source.path()).with("same", *first.get()));
            }
        }
    }
}

fn unowned_rows(set: &DataSet<'_>, options: &Options, findings: &mut Findings) -> Result<()> {
    let mut counts = set.merged_counts();
    for row in set.made_by_intents(|family| family.class() == Class::Unknown)? {
        counts.note_unknown(row.user_key, row.offset);
    }
    let is_added = |prefix: &[u8]| {
        let mut prefixes = options.adapters.iter().flat_map(|adapter| adapter.spec().prefixes);
        prefixes.any(|own| own.as_bytes() == prefix)
    };
    for (prefix, unknown) in counts.unknown.iter().filter(|(prefix, _)| !is_added(prefix)) {
        let finding = Finding::new(&UNKNOWN_ROWS).with("prefix", prefix.as_slice()).with("rows", unknown.rows);
        findings.add(finding.with("key", unknown.example.as_slice()).with("offset", unknown.offset));
    }
    let fences = counts.family(Family::Fence).live;
    if fences > 0 && options.adapters.contains(&adapter::REDIS) {
        findings.add(Finding::new(&FENCES).with("rows", fences));
    }
    Ok(())
}

fn transactions(txn: &Unresolved, findings: &mut Findings) {
    let mut add = |kind, rows: u64| {
        if rows > 0 {
            findings.add(Finding::new(kind).with("rows", rows));
        }
    };
    add(&TXN_ROLLED_BACK, txn.rolled_back);
    add(&STRAY_INTENTS, txn.stray_intents);
    if txn.pending > 0 {
        let example = txn.pending_example.as_deref().unwrap_or_default();
        findings.add(Finding::new(&PENDING).with("rows", txn.pending).with("key", example));
    }
}
