//! Compares a backup made by the running server with a fresh decode (`future.md` F13): its manifest has other members for its origin, and
//! for each adapter only the names.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::decode::iso_time;
use crate::format::adapter;
use crate::output::manifest_read::ReadManifest;

/// Members about the form of the data.
const FORMAT: [&str; 4] = ["encoded_filename_charset", "key_segment_max_bytes", "s3_meta_suffix", "dynamodb_layout"];
/// The lists of an adapter.
const NAMES: [&str; 4] = ["tables", "buckets", "databases", "queues"];

/// Members in which the manifest of a live backup describes other data than that of a fresh decode.
pub fn differing(fresh: &Map<String, Value>, live: &ReadManifest) -> Vec<String> {
    let theirs = &live.document;
    let mut differ: Vec<String> =
        FORMAT.iter().filter(|name| fresh.get(**name) != theirs.get(**name)).map(|name| (*name).to_owned()).collect();
    for adapter in adapter::all().map(|adapter| adapter.name()) {
        for list in NAMES {
            let [mine, others] = [fresh, theirs].map(|manifest| names(manifest, adapter, list));
            if mine != others {
                differ.push(format!("adapters.{adapter}.{list}"));
            }
        }
    }
    differ
}

/// In any order; a missing list is empty.
fn names(manifest: &Map<String, Value>, adapter: &str, list: &str) -> BTreeSet<String> {
    let names = manifest.get("adapters").and_then(|all| all.get(adapter)?.get(list)?.as_array());
    names.into_iter().flatten().map(Value::to_string).collect()
}

/// The origin of a live backup, in words.
pub fn origin(read_ts: u64) -> String {
    format!("a live backup, read at commit timestamp {read_ts} (about {})", iso_time(read_ts))
}
