//! Reads MANIFEST.json, ours and the public tool's, and refuses everything else (`tree.md` §5.3).

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::MANIFEST;
use super::manifest::{Exclusions, RecordedOptions};
use super::reading::{Content, Entry, Output, broken, open_below};
use crate::error::{Error, ErrorKind};
use crate::format::adapter::{self, Adapter};
use crate::format::mvcc::hlc_millis;

/// The content of a manifest, checked.
#[derive(Debug, Clone)]
pub struct ReadManifest {
    /// Which program made the output, and its version.
    pub maker: String,
    /// As given with `--cluster-id`.
    pub cluster_id: String,
    /// Adapters that were selected.
    pub adapters: Vec<Adapter>,
    /// What the options included or excluded.
    pub exclusions: Exclusions,
    /// Options that no other member records; the defaults, if the public decoder made it.
    pub options: RecordedOptions,
    /// The inputs, as they were named.
    pub inputs: Vec<ReadInput>,
    /// For a backup made by the running server: the time at which it was read.
    pub live_read_ts: Option<u64>,
    /// Number of places that could not be read when it was made.
    pub skipped: u64,
    /// The whole document.
    pub document: Map<String, Value>,
}

/// An input that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct ReadInput {
    /// As it was named.
    pub fsm_path: String,
    /// Its footer.
    pub fsm_crc32c: Option<String>,
    /// Its size.
    pub bytes: u64,
    /// Its name in base64, if it is not UTF-8.
    fsm_path_b64: Option<String>,
}

impl ReadInput {
    /// As it was named.
    pub fn path(&self) -> PathBuf {
        let exact = self.fsm_path_b64.as_ref().and_then(|base64| STANDARD.decode(base64).ok());
        exact.map_or_else(|| PathBuf::from(&self.fsm_path), |path| PathBuf::from(OsString::from_vec(path)))
    }
}

/// How many objects of a kind a scope has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopeCount<'c> {
    /// The scope.
    pub scope: &'c str,
    /// The kind, in the plural.
    pub kind: &'c str,
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Flags that must be present, so that no reader has to guess them.
const FLAGS: [&str; 4] =
    ["include_incomplete_uploads", "include_orphans", "preserve_sqs_visibility", "include_sqs_side_records"];
/// Members that must be present and not empty.
const WORDS: [&str; 5] =
    ["checksum_algorithm", "checksum_format", "encoded_filename_charset", "s3_meta_suffix", "s3_collision_strategy"];
/// Maximum size of a manifest: it has lists of scopes and examples, and is held in memory.
pub const MOST: u64 = 256 << 20;

impl ReadManifest {
    /// Reads the manifest of an output. In an archive nothing after it is read.
    ///
    /// # Errors
    /// A failed read, an output without a manifest, or one that is not valid.
    pub fn of(output: &mut Output) -> Result<ReadManifest, Error> {
        let name = output.name().to_path_buf();
        let failed = |e| broken(&name.join(MANIFEST), e);
        let mut bytes = None;
        let read = match output.root() {
            Some(root) => {
                let mut held = Vec::new();
                let file = open_below(root, MANIFEST.as_bytes()).map_err(failed)?;
                file.take(MOST).read_to_end(&mut held).map_err(failed)?;
                bytes = Some(held);
                Ok(())
            }
            None => output.each(&mut |entry| match entry {
                Entry::File(path, Content::InArchive(stream, len)) if path == MANIFEST.as_bytes() => {
                    let mut held = Vec::new();
                    stream.take(len.min(MOST)).read_to_end(&mut held).map_err(failed)?;
                    bytes = Some(held);
                    Err(Error::usage("nothing more is wanted of the archive"))
                }
                _ => Ok(()),
            }),
        };
        let Some(bytes) = bytes else {
            read?;
            return Err(Error::new(ErrorKind::Output("it has no MANIFEST.json".into())).input(&name));
        };
        let parsed = ReadManifest::parse(&bytes);
        parsed.map_err(|why| Error::new(ErrorKind::Output(format!("MANIFEST.json: {why}"))).input(&name))
    }

    /// The newest commit timestamp of the inputs, or the time at which a running server was read; 0: the manifest has neither.
    pub fn last_commit_ts(&self) -> u64 {
        let number = |name| self.document.get(name).and_then(Value::as_u64);
        let digits = || self.document.get("last_commit_ts_str")?.as_str()?.parse().ok();
        digits().or_else(|| number("last_commit_ts")).or(self.live_read_ts).unwrap_or(0)
    }

    /// The time of those members of an archive that have none of their own, in Unix seconds.
    pub fn archive_time(&self) -> u64 {
        hlc_millis(self.last_commit_ts()) / 1000
    }

    /// The same in Unix nanoseconds.
    pub fn archive_nanos(&self) -> i64 {
        i64::try_from(self.archive_time()).unwrap_or(0).saturating_mul(1_000_000_000)
    }

    /// The objects of an adapter as the manifest counts them, by scope and kind; `None`: it does not count them, as in a manifest of the
    /// public tool.
    pub fn counts(&self, adapter: Adapter) -> Option<Vec<ScopeCount<'_>>> {
        let scopes = self.document.get("adapters")?.get(adapter.name())?.get("scopes")?.as_array()?;
        let mut counts = Vec::new();
        for scope in scopes {
            let kinds = scope["kinds"].as_array().into_iter().flatten();
            counts.extend(kinds.map(|kind| ScopeCount {
                scope: scope["name"].as_str().unwrap_or_default(),
                kind: kind["kind"].as_str().unwrap_or_default(),
                objects: kind["objects"].as_u64().unwrap_or_default(),
                bytes: kind["bytes"].as_u64().unwrap_or_default(),
            }));
        }
        Some(counts)
    }

    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// A message that says what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<ReadManifest, String> {
        let document: Value = serde_json::from_slice(bytes).map_err(|e| format!("it is not one JSON object: {e}"))?;
        let Value::Object(document) = document else { return Err("it is not a JSON object".into()) };
        format_version(&document)?;
        let exclusions = exclusions(&document)?;
        required(&document)?;
        let live_read_ts = phase(&document)?;
        let options = typed(&document, "options")?.unwrap_or_default();
        Ok(ReadManifest {
            maker: typed(&document, "elastickv_version")?.unwrap_or_default(),
            cluster_id: typed(&document, "cluster_id")?.unwrap_or_default(),
            adapters: adapters(&document)?,
            exclusions,
            options,
            inputs: typed(&document, "inputs")?.unwrap_or_default(),
            live_read_ts,
            skipped: typed(&document, "skipped")?.unwrap_or_default(),
            document,
        })
    }
}

/// A member by its name; the public decoder's reader takes either case.
fn member<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    let other_case = || object.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    object.get(name).or_else(other_case).filter(|value| !value.is_null())
}

fn typed<T: DeserializeOwned>(object: &Map<String, Value>, name: &str) -> Result<Option<T>, String> {
    let value = member(object, name).cloned();
    value.map(|value| serde_json::from_value(value).map_err(|e| format!("member {name}: {e}"))).transpose()
}

/// Checked before anything else: in a newer version all other members may have another meaning.
fn format_version(document: &Map<String, Value>) -> Result<(), String> {
    match typed::<u32>(document, "format_version")? {
        Some(1) => Ok(()),
        Some(0) => Err("format_version 0 is not supported".into()),
        Some(newer) => Err(format!("format_version {newer} is newer than 1: update ekvsnap")),
        None => Err("member format_version is missing".into()),
    }
}

fn exclusions(document: &Map<String, Value>) -> Result<Exclusions, String> {
    let Some(Value::Object(flags)) = member(document, "exclusions") else {
        return Err("member exclusions is missing or no object".into());
    };
    if let Some(missing) = FLAGS.iter().find(|name| member(flags, name).is_none()) {
        return Err(format!("exclusions.{missing} is missing"));
    }
    let flag = |name| typed::<bool>(flags, name).map(Option::unwrap_or_default);
    Ok(Exclusions {
        include_incomplete_uploads: flag(FLAGS[0])?,
        include_orphans: flag(FLAGS[1])?,
        preserve_sqs_visibility: flag(FLAGS[2])?,
        include_sqs_side_records: flag(FLAGS[3])?,
        rename_s3_collisions: flag("rename_s3_collisions")?,
    })
}

fn required(document: &Map<String, Value>) -> Result<(), String> {
    for name in WORDS {
        if typed::<String>(document, name)?.is_none_or(|text| text.is_empty()) {
            return Err(format!("member {name} is missing or empty"));
        }
    }
    let time: String = typed(document, "wall_time_iso")?.unwrap_or_default();
    if time.parse::<jiff::Timestamp>().is_err() {
        return Err("member wall_time_iso is not a date (RFC 3339)".into());
    }
    if typed::<u32>(document, "key_segment_max_bytes")?.is_none_or(|n| n == 0) {
        return Err("member key_segment_max_bytes is missing or 0".into());
    }
    match typed::<String>(document, "dynamodb_layout")?.as_deref() {
        Some("per-item" | "jsonl") => Ok(()),
        _ => Err("member dynamodb_layout is neither per-item nor jsonl".into()),
    }
}

/// Whether it was made from snapshots, or by the running server: then the time.
fn phase(document: &Map<String, Value>) -> Result<Option<u64>, String> {
    let live: Option<Map<String, Value>> = typed(document, "live")?;
    let source: Option<Map<String, Value>> = typed(document, "source")?;
    match typed::<String>(document, "phase")?.as_deref() {
        Some("phase0-snapshot-decode") if live.is_some() => {
            Err("a decoded snapshot cannot have the member live".into())
        }
        Some("phase0-snapshot-decode") => Ok(None),
        Some("phase1-live-pinned") if source.is_some() => Err("a live dump cannot have the member source".into()),
        Some("phase1-live-pinned") => {
            let read_ts = live.map(|live| typed::<u64>(&live, "read_ts")).transpose()?.flatten();
            read_ts.filter(|ts| *ts > 0).map(Some).ok_or_else(|| "a live dump needs live.read_ts".into())
        }
        _ => Err("member phase is missing or unknown".into()),
    }
}

fn adapters(document: &Map<String, Value>) -> Result<Vec<Adapter>, String> {
    let all: Map<String, Value> = typed(document, "adapters")?.ok_or("member adapters is missing")?;
    for (name, scopes) in &all {
        let Value::Object(scopes) = scopes else { return Err(format!("adapters.{name} is no object")) };
        for names in ["tables", "buckets", "queues"] {
            typed::<Vec<String>>(scopes, names)?;
        }
        typed::<Vec<u32>>(scopes, "databases")?;
    }
    Ok(adapter::all().filter(|adapter| member(&all, adapter.name()).is_some()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn peers() -> Value {
        json!({
            "format_version": 1, "phase": "phase0-snapshot-decode", "elastickv_version": "dev",
            "wall_time_iso": "2026-01-02T03:04:05.6Z", "source": { "fsm_path": "x" }, "adapters": { "redis": {} },
            "exclusions": {
                "include_incomplete_uploads": false, "include_orphans": true, "preserve_sqs_visibility": false,
                "include_sqs_side_records": false,
            },
            "checksum_algorithm": "sha256", "checksum_format": "sha256sum", "encoded_filename_charset": "r",
            "key_segment_max_bytes": 240, "s3_meta_suffix": "m", "s3_collision_strategy": "s",
            "dynamodb_layout": "per-item",
        })
    }

    #[test]
    fn the_peers_own() {
        let read = ReadManifest::parse(peers().to_string().as_bytes()).unwrap();
        assert_eq!((read.maker.as_str(), read.adapters), ("dev", vec![adapter::REDIS]));
        assert!(read.exclusions.include_orphans && !read.exclusions.rename_s3_collisions);
        assert_eq!(read.options, RecordedOptions::default());
        let spaced = format!(" {}\n\n", peers());
        assert!(ReadManifest::parse(spaced.as_bytes()).is_ok());
    }

    #[test]
    fn every_rule() {
        let cases: &[(&str, Value, &str)] = &[
            ("/format_version", Value::Null, "format_version is missing"),
            ("/format_version", json!("1"), "format_version"),
            ("/format_version", json!(0), "not supported"),
            ("/format_version", json!(2), "newer than 1"),
            ("/phase", json!("phase9"), "phase"),
            ("/phase", json!("phase1-live-pinned"), "cannot have the member source"),
            ("/elastickv_version", json!(7), "elastickv_version"),
            ("/wall_time_iso", json!("yesterday"), "wall_time_iso"),
            ("/adapters", Value::Null, "adapters is missing"),
            ("/adapters/redis", json!([]), "adapters.redis"),
            ("/adapters/redis", json!({ "databases": ["x"] }), "databases"),
            ("/exclusions", Value::Null, "exclusions is missing"),
            ("/exclusions/include_orphans", Value::Null, "exclusions.include_orphans"),
            ("/exclusions/include_orphans", json!("yes"), "include_orphans"),
            ("/checksum_format", json!(""), "checksum_format"),
            ("/key_segment_max_bytes", json!(0), "key_segment_max_bytes"),
            ("/dynamodb_layout", json!("csv"), "dynamodb_layout"),
        ];
        for (place, value, words) in cases {
            let mut document = peers();
            *document.pointer_mut(place).unwrap() = value.clone();
            let error = ReadManifest::parse(document.to_string().as_bytes()).unwrap_err();
            assert!(error.contains(words), "{place} {value}: {error}");
        }
        for text in ["", "[]", "{}{}", &format!("{} 1", peers())] {
            assert!(ReadManifest::parse(text.as_bytes()).is_err(), "{text}");
        }
        // The version decides before the types of others count.
        let newer = r#"{"format_version": 3, "phase": 5}"#;
        assert!(ReadManifest::parse(newer.as_bytes()).unwrap_err().contains("newer than 1"));
    }

    #[test]
    fn live_dumps() {
        let mut document = peers();
        document["phase"] = json!("phase1-live-pinned");
        document["source"] = Value::Null;
        let parse = |document: &Value| ReadManifest::parse(document.to_string().as_bytes());
        assert!(parse(&document).unwrap_err().contains("read_ts"));
        document["live"] = json!({ "read_ts": 5, "pin_token_sha256": "00" });
        document["shards"] = json!([{ "raft_group_id": 1, "applied_index": 7 }]);
        document["backup_ts_ttl_ms"] = json!(60000);
        document["max_active_backup_pins"] = json!(4);
        assert_eq!(parse(&document).unwrap().live_read_ts, Some(5));
        document["shards"] = Value::Null;
        document["live"]["read_ts"] = json!(0);
        assert!(parse(&document).unwrap_err().contains("read_ts"));
        document["phase"] = json!("phase0-snapshot-decode");
        assert!(parse(&document).unwrap_err().contains("live"));
    }
}
