//! `inspect`: describes the content of a snapshot without writing any of it.
//!
//! Two sources: the index of the files (rows, versions, tombstones, stored bytes, by family) and the logical objects that a decode would
//! write (by scope and kind, by prefix, by size, by expiry).

pub mod census;
mod page;
mod prefixes;
mod sum;

use std::path::Path;

use serde::Serialize;

pub use page::{is_page, page};

use crate::dataset::{DataSet, Group, Losses, SkipLog};
use crate::decode::filter::Matched;
use crate::decode::findings::later_moment;
use crate::decode::{Options, Progress, fill_indexed, index, iso_time, on_threads, or_changed};
use crate::error::Result;
use crate::format::family::Class;
use crate::format::mvcc::hlc_millis;
use crate::index::{Counts, Layout, OfKey};
use crate::objects;
use crate::output::manifest::{FindingInfo, findings_of};
use crate::output::tree::Tree;
use crate::report::{Findings, Level, Value, digits, exact_path};
use crate::source::{Source, index_of};
use census::{Census, Report};

/// How much is examined.
#[derive(Debug, Clone, Copy)]
pub struct Depth {
    /// Whether objects are examined, not only rows.
    pub objects: bool,
    /// How many of the largest objects are kept.
    pub top: usize,
    /// Separators in a prefix.
    pub prefix_depth: usize,
}

/// One input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Input {
    /// Its name as given.
    pub path: String,
    /// The same in base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// Its size.
    pub bytes: u64,
    /// 0: the file has no FSM header.
    pub header_version: u8,
    /// The clock's ceiling in the header: Unix milliseconds.
    pub hlc_ceiling_ms: u64,
    /// Magic of the store stream; empty: none.
    pub stream: &'static str,
    /// Raft index, from the name of the file.
    pub snapshot_index: Option<u64>,
    /// Raft index, from the store.
    pub applied_index: Option<u64>,
    /// Newest commit timestamp according to the store.
    #[serde(serialize_with = "digits")]
    pub last_commit_ts: u64,
    /// The same as a date.
    pub last_commit_time: String,
    /// Newest commit timestamp of a row.
    #[serde(serialize_with = "digits")]
    pub max_commit_ts: u64,
    /// Rows that are newer than that timestamp.
    pub rows_above_last_commit: u64,
    /// History below this timestamp may be compacted away.
    #[serde(serialize_with = "digits")]
    pub min_retained_ts: u64,
    /// The matching footer; `None`: the file has none.
    pub crc32c: Option<String>,
}

/// Rows of a family, over all inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FamilyRows {
    /// The prefix of its keys; empty: keys without a prefix.
    pub family: &'static str,
    /// Its owner: an adapter, `internal` or `unknown`.
    pub owner: &'static str,
    /// All versions.
    pub rows: u64,
    /// Keys that can be read.
    pub live: u64,
    /// Versions that delete a key.
    pub tombstones: u64,
    /// Bytes of all versions.
    pub bytes: u64,
    /// Bytes of the live versions; the rest is history.
    pub live_bytes: u64,
}

/// Rows that no family owns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnknownRows {
    /// Their prefix.
    pub prefix: Value,
    /// Their number.
    pub rows: u64,
    /// One of them.
    pub example: Value,
    /// Its position.
    pub offset: u64,
}

/// Encrypted rows of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EncryptedRows {
    /// The id of the key; `None`: all keys that are not listed, because there are too many.
    pub key_id: Option<u32>,
    /// Every version.
    pub rows: u64,
    /// Keys that can be read with it.
    pub live: u64,
    /// Whether the key is known.
    pub decrypted: bool,
}

/// The content of a snapshot.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// The inputs.
    pub inputs: Vec<Input>,
    /// The time that is shown, as a date.
    pub taken: String,
    /// All rows.
    pub rows: u64,
    /// Keys that can be read.
    pub live: u64,
    /// Versions that delete a key.
    pub tombstones: u64,
    /// Bytes of all rows.
    pub bytes: u64,
    /// Bytes of the live versions.
    pub live_bytes: u64,
    /// Raw rows of the store itself.
    pub operational: u64,
    /// Rows by family.
    pub families: Vec<FamilyRows>,
    /// Encrypted rows, by the key that they need.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub encrypted: Vec<EncryptedRows>,
    /// Rows that no family owns, by prefix.
    pub unknown: Vec<UnknownRows>,
    /// The logical objects, if they were examined.
    pub objects: Option<Report>,
    /// The warnings of a decode.
    pub warnings: Vec<FindingInfo>,
    /// The notes of a decode.
    pub notes: Vec<FindingInfo>,
    /// Places that could not be read: they are not serialized, because they can be many.
    #[serde(skip)]
    pub lost: Losses,
    /// What the conditions that choose objects matched, if objects were examined.
    #[serde(skip)]
    pub matched: Option<Matched>,
}

/// Inspects snapshots, several as one data set; `options` choose objects as for a decode.
///
/// # Errors
/// As [`fill`](crate::decode::fill).
pub fn inspect(sources: &[Source], options: &Options, depth: Depth, progress: &dyn Progress) -> Result<Inspection> {
    if depth.objects {
        return or_changed(sources, || with_objects(sources, options, depth, progress));
    }
    progress.begin("scan", 1);
    on_threads(options.threads, || {
        let losses = SkipLog::new(options.skip_damage);
        let set = DataSet::index_with(sources, options.as_of, options.granularity, losses)?;
        set.check_unchanged()?;
        let mut findings = Findings::default();
        later_moment(&set, options, &mut findings);
        let notes = findings_of(&findings, Level::Note);
        Ok(Inspection { notes, lost: set.losses().take()?, ..rows(&set) })
    })?
}

fn with_objects(sources: &[Source], options: &Options, depth: Depth, progress: &dyn Progress) -> Result<Inspection> {
    let options = &objects::packed(options);
    let indexed = on_threads(options.threads, || index(sources, options, progress))??;
    let mut found = rows(&indexed.set);
    let newest = found.inputs.iter().map(|input| input.last_commit_ts).max().unwrap_or(0);
    let now = hlc_millis(options.as_of.unwrap_or(newest).min(newest));
    let mut census = Census::new(depth.top, depth.prefix_depth, now);
    let fill = |tree: &Tree, scratch: &Path| fill_indexed(&indexed, tree, scratch, options, progress);
    let filled = objects::of_filling(options.threads, fill, &mut |object| {
        census.add(object);
        Ok(())
    })?;
    found.objects = Some(census.report());
    found.warnings = filled.manifest.warnings;
    found.notes = filled.manifest.notes;
    found.lost = filled.lost;
    found.matched = Some(filled.matched);
    Ok(found)
}

/// The data of the index.
fn rows(set: &DataSet<'_>) -> Inspection {
    let counts = set.counts();
    let families: Vec<FamilyRows> = families(&counts);
    let sum = |of: fn(&FamilyRows) -> u64| families.iter().map(of).sum();
    let newest = set.inputs().map(|group| group.index.last_commit_ts).max().unwrap_or(0);
    Inspection {
        inputs: set.inputs().map(input).collect(),
        taken: iso_time(newest.min(set.view().as_of)),
        rows: sum(|family| family.rows),
        live: sum(|family| family.live),
        tombstones: sum(|family| family.tombstones),
        bytes: sum(|family| family.bytes),
        live_bytes: sum(|family| family.live_bytes),
        operational: counts.operational,
        encrypted: encrypted(set),
        unknown: unknown(&counts),
        families,
        objects: None,
        warnings: Vec::new(),
        notes: Vec::new(),
        lost: Losses::default(),
        matched: None,
    }
}

fn input(group: &Group<'_>) -> Input {
    let index = &group.index;
    Input {
        path: group.source.path().to_string_lossy().into_owned(),
        path_b64: exact_path(group.source.path()),
        bytes: group.source.file().len() as u64,
        header_version: index.header.version,
        hlc_ceiling_ms: index.header.ceiling_ms,
        stream: match index.layout {
            Layout::Empty => "",
            Layout::Timestamps => "TSO",
            Layout::Pebble if group.source.unpacked().is_some() => "EKVSSTI1",
            Layout::Pebble => "EKVPBBL1",
            Layout::Mvcc2 => "EKVMVCC2",
        },
        snapshot_index: index_of(group.source.path()),
        applied_index: index.applied_index,
        last_commit_ts: index.last_commit_ts,
        last_commit_time: iso_time(index.last_commit_ts),
        max_commit_ts: index.max_commit_ts,
        rows_above_last_commit: index.above_last_commit,
        min_retained_ts: index.min_retained_ts,
        crc32c: index.crc32c.map(|crc| format!("{crc:08x}")),
    }
}

fn encrypted(set: &DataSet<'_>) -> Vec<EncryptedRows> {
    let has = |key_id| set.inputs().all(|group| group.source.keys().get(key_id).is_some());
    let sealed = set.sealed();
    let of = |key_id: Option<u32>, of_key: OfKey| EncryptedRows {
        key_id,
        rows: of_key.rows,
        live: of_key.live,
        decrypted: key_id.is_some_and(has),
    };
    let listed = sealed.keys().map(|(key_id, of_key)| of(Some(key_id), of_key));
    listed.chain(sealed.others().map(|others| of(None, others))).collect()
}

fn families(counts: &Counts) -> Vec<FamilyRows> {
    let rows = counts.families().map(|(family, count)| FamilyRows {
        family: family.prefix(),
        owner: match family.class() {
            Class::Adapter(adapter) => adapter.name(),
            Class::Internal => "internal",
            Class::Unknown => "unknown",
        },
        rows: count.rows,
        live: count.live,
        tombstones: count.tombstones,
        bytes: count.bytes,
        live_bytes: count.live_bytes,
    });
    rows.collect()
}

fn unknown(counts: &Counts) -> Vec<UnknownRows> {
    let value = |bytes: &[u8]| Value::from(bytes).cut();
    let rows = counts.unknown.iter().map(|(prefix, unknown)| UnknownRows {
        prefix: value(prefix),
        rows: unknown.rows,
        example: value(&unknown.example),
        offset: unknown.offset,
    });
    rows.collect()
}
