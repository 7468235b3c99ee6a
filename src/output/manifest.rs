//! MANIFEST.json: the members of the public decoder in its order, then ekvsnap's own (`tree.md` §5).

use std::io;

use serde::de::Error as _;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::split::Tally;
use crate::format::Adapter;
use crate::report::{Findings, Level, Value, digits};

/// The document.
#[derive(Debug, Serialize)]
pub struct Manifest {
    /// Version of the layout; 1.
    pub format_version: u32,
    /// Which phase of the public tool made it.
    pub phase: &'static str,
    /// The program that wrote it. The member has the name that the public decoder uses.
    pub elastickv_version: String,
    /// As given with `--cluster-id`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster_id: String,
    /// Raft index, from the hexadecimal file name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_index: Option<u64>,
    /// Newest commit timestamp (HLC) of all inputs.
    #[serde(skip_serializing_if = "is_zero")]
    pub last_commit_ts: u64,
    /// The moment of the state in the data, RFC 3339. It is not the time of the run, so that the same input gives the same bytes.
    pub wall_time_iso: String,
    /// The first input.
    pub source: SourceInfo,
    /// Selected adapters with their scopes.
    pub adapters: Adapters,
    /// What the options included or excluded.
    pub exclusions: Exclusions,
    /// `sha256`
    pub checksum_algorithm: &'static str,
    /// `sha256sum`
    pub checksum_format: &'static str,
    /// How file names are encoded.
    pub encoded_filename_charset: &'static str,
    /// Longest encoded segment.
    pub key_segment_max_bytes: u32,
    /// Suffix of the metadata file of an S3 object.
    pub s3_meta_suffix: &'static str,
    /// How an object is distinguished from a directory of the same name.
    pub s3_collision_strategy: &'static str,
    /// `per-item` or `jsonl`.
    pub dynamodb_layout: &'static str,
    /// `last_commit_ts` as a string: some readers of JSON lose digits of numbers above 2^53. It is the first member
    /// that the public decoder does not have.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_commit_ts_str: String,
    /// Every input.
    pub inputs: Vec<InputInfo>,
    /// Rows of the inputs.
    pub counters: Counters,
    /// Warnings by event.
    pub warnings: Vec<FindingInfo>,
    /// Notes by event.
    pub notes: Vec<FindingInfo>,
    /// Places listed in ERRORS.jsonl.
    #[serde(skip_serializing_if = "is_zero")]
    pub skipped: u64,
    /// Options that no other member records.
    #[serde(skip_serializing_if = "RecordedOptions::is_default")]
    pub options: RecordedOptions,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Options of the decode that no other member of the manifest records, so that the decode can be repeated. Defaults are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordedOptions {
    /// `jsonl` for packed lines, `parquet`, `aws-export`; absent for a tree.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub layout: String,
    /// Whether the schema of lines and the load scripts are included; absent in outputs of older versions.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub loaders: bool,
    /// `--part-size`, if it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_size: Option<u64>,
    /// `--as-of`: a string, or a number in outputs of older versions.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "digits_of",
        deserialize_with = "number_or_digits"
    )]
    pub as_of: Option<u64>,
    /// `--since`: a string.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "digits_of",
        deserialize_with = "number_or_digits"
    )]
    pub since: Option<u64>,
    /// The CRC32C that each snapshot of `--since-snapshot` ends with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub since_snapshots: Vec<String>,
    /// `--drop-expired`, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_expired: Option<u64>,
    /// `skip` with `--on-error skip`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub on_error: String,
    /// `--dynamodb-bundle-size`, for bundles in JSONL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamodb_bundle_size: Option<u64>,
    /// `--scope`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// `--exclude`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// `--type`, by the folders of the types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// `--min-size`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_size: Option<u64>,
    /// `--max-size`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    /// `raw` where files of the file system have their own names, as in archives.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fs_names: String,
    /// `--for-restore`
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub for_restore: bool,
}

fn digits_of<S: Serializer>(n: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    n.map(|n| n.to_string()).serialize(serializer)
}

fn number_or_digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Digits(String),
    }
    match Option::deserialize(deserializer)? {
        None => Ok(None),
        Some(Either::Number(n)) => Ok(Some(n)),
        Some(Either::Digits(digits)) => digits.parse().map(Some).map_err(D::Error::custom),
    }
}

impl RecordedOptions {
    fn is_default(&self) -> bool {
        *self == RecordedOptions::default()
    }
}

/// Where the data come from.
#[derive(Debug, Serialize)]
pub struct SourceInfo {
    /// As the user gave it.
    pub fsm_path: String,
    /// The verified footer, eight lower-case hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fsm_crc32c: Option<String>,
    /// In base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fsm_path_b64: Option<String>,
}

/// One input.
#[derive(Debug, Serialize)]
pub struct InputInfo {
    /// As the user gave it.
    pub fsm_path: String,
    /// The verified footer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fsm_crc32c: Option<String>,
    /// Raft index, from the hexadecimal file name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_index: Option<u64>,
    /// Newest commit timestamp of the input.
    #[serde(serialize_with = "digits")]
    pub last_commit_ts: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Its name in base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fsm_path_b64: Option<String>,
    /// With `--for-restore`, what its header records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fsm_header: Option<HeaderInfo>,
}

/// What the header of an input records about the group that wrote it.
#[derive(Debug, Serialize)]
pub struct HeaderInfo {
    /// 1 or 2; 0: the input has no header.
    pub version: u8,
    /// Ceiling of the hybrid logical clock, Unix milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub ceiling_ms: u64,
    /// Raft index from which log entries are encrypted.
    #[serde(skip_serializing_if = "is_zero")]
    pub cutover_index: u64,
    /// The Raft group, if the directory of the input names it: `group-N`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<u64>,
}

/// What the options included or excluded.
#[derive(Debug, Serialize, Deserialize, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Exclusions {
    /// `--include-incomplete-uploads`
    pub include_incomplete_uploads: bool,
    /// `--include-orphans`
    pub include_orphans: bool,
    /// `--preserve-sqs-visibility`
    pub preserve_sqs_visibility: bool,
    /// `--include-sqs-side-records`
    pub include_sqs_side_records: bool,
    /// `--rename-collisions`
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rename_s3_collisions: bool,
}

/// Rows of the inputs, each counted once: `entries` is the sum of all other members except `live` and `operational`.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct Counters {
    pub entries: u64,
    pub dynamodb: u64,
    pub s3: u64,
    pub redis: u64,
    pub sqs: u64,
    pub fs: u64,
    pub tombstone: u64,
    pub internal: u64,
    pub unknown: u64,
    pub live: u64,
    pub operational: u64,
}

/// The selected adapters.
#[derive(Debug)]
pub struct Adapters {
    /// Which were selected.
    pub selected: Vec<Adapter>,
    /// What was written of them.
    pub tally: Tally,
}

impl Serialize for Adapters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.selected.len()))?;
        for adapter in &self.selected {
            map.serialize_entry(adapter.name(), &Scopes { adapter: *adapter, tally: &self.tally })?;
        }
        map.end()
    }
}

struct Scopes<'a> {
    adapter: Adapter,
    tally: &'a Tally,
}

#[derive(Serialize)]
struct Kind {
    kind: &'static str,
    objects: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Scope<'a> {
    name: &'a str,
    objects: u64,
    bytes: u64,
    kinds: Vec<Kind>,
}

impl Serialize for Scopes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.tally.of(self.adapter).next().is_none() {
            return map.end();
        }
        match (self.adapter.spec().scopes, self.adapter.scoped()) {
            (Some(list), Some(_)) => {
                map.serialize_entry(list, &Each(|| self.tally.of(self.adapter).map(|(name, _)| name)))?
            }
            // Databases have numbers.
            (Some(list), None) => map.serialize_entry(list, &[0])?,
            (None, _) => {}
        }
        map.serialize_entry("scopes", &Each(|| self.tally.of(self.adapter).map(|(name, kinds)| scope(name, kinds))))?;
        map.end()
    }
}

/// A sequence that is made while it is serialized: there may be many scopes.
struct Each<F>(F);

impl<I: Iterator<Item: Serialize>, F: Fn() -> I> Serialize for Each<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0())
    }
}

fn scope<'a>(name: &'a str, kinds: &[(&'static str, u64, u64)]) -> Scope<'a> {
    let objects = kinds.iter().map(|k| k.1).sum();
    let bytes = kinds.iter().map(|k| k.2).sum();
    let kinds = kinds.iter().map(|&(kind, objects, bytes)| Kind { kind, objects, bytes }).collect();
    Scope { name, objects, bytes, kinds }
}

/// Findings of one event.
#[derive(Debug, Serialize)]
pub struct FindingInfo {
    /// Name of the event.
    pub event: &'static str,
    /// How often it occurred.
    pub count: u64,
    /// What it means and what to do.
    pub hint: &'static str,
    /// The first occurrences.
    #[serde(serialize_with = "examples")]
    pub examples: Vec<Vec<(&'static str, Value)>>,
}

fn examples<S: Serializer>(all: &[Vec<(&'static str, Value)>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().map(|fields| Members(fields)))
}

/// Members in the given order.
pub struct Members<'a>(pub &'a [(&'static str, Value)]);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The findings of one level.
pub fn findings_of(findings: &Findings, level: Level) -> Vec<FindingInfo> {
    let of_level = findings.iter().filter(|(kind, _)| kind.level == level);
    of_level
        .map(|(kind, seen)| FindingInfo {
            event: kind.event,
            count: seen.count,
            hint: kind.hint,
            examples: seen.examples.iter().filter(|fields| !fields.is_empty()).cloned().collect(),
        })
        .collect()
}

impl Manifest {
    /// Writes the file: two-space indent, a line feed at the end.
    ///
    /// # Errors
    /// Whatever `to` returns.
    pub fn write(&self, to: &mut impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *to, self)?;
        to.write_all(b"\n")
    }
}
