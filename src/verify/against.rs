//! A fresh decode into the null sink, to compare an output with.
//!
//! It uses the options in the output's manifest. Inputs that are those of the manifest, by size and footer, get the names that they have
//! there: MANIFEST.json and ERRORS.jsonl contain these names.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::live;
use crate::compare::since::prepare;
use crate::decode::{DecodeResult, Options, Progress, fill_nowhere};
use crate::error::{Error, Result};
use crate::output::checksums::Checksums;
use crate::output::manifest_read::{ReadInput, ReadManifest};
use crate::source::{PassedOver, Source};

/// The result of a fresh decode.
pub struct Fresh {
    /// Every file except CHECKSUMS.
    pub checksums: Checksums,
    manifest: Map<String, Value>,
}

/// Members in which a manifest may differ although the data are the same.
const FREE: [&str; 1] = ["elastickv_version"];
/// Members about the snapshots and not about their data: another replica has the same data in other rows.
const ORIGIN: [&str; 7] =
    ["counters", "inputs", "last_commit_ts", "last_commit_ts_str", "snapshot_index", "source", "wall_time_iso"];
/// The warning that depends on whether the inputs were named as files or as a directory.
const PASSED_OVER: &str = "newer_file_passed_over";

/// Decodes `sources` with the options of a manifest.
///
/// # Errors
/// The errors of a decode.
pub fn decode(
    sources: Vec<Source>,
    passed_over: Vec<PassedOver>,
    told: &ReadManifest,
    progress: &dyn Progress,
) -> Result<Fresh> {
    if !told.options.since_snapshots.is_empty() {
        return Err(Error::usage(
            "it has the changes since an older snapshot, and cannot be compared without that one: verify it alone",
        ));
    }
    let options = Options { passed_over, ..Options::of_manifest(told)? };
    let (sources, given) = as_recorded(sources, &told.inputs);
    let filled = prepare(&sources, options, progress).and_then(|options| fill_nowhere(&sources, &options, progress));
    let DecodeResult { manifest, checksums, .. } = filled.map_err(|error| renamed(error, &sources, &given))?;
    let manifest = match serde_json::to_value(&manifest) {
        Ok(Value::Object(members)) => members,
        // Plain data becomes an empty manifest; that would differ from every other one.
        _ => Map::new(),
    };
    Ok(Fresh { checksums, manifest })
}

/// Puts the sources into the order of the manifest's inputs and gives them the names they have there, if each input of the manifest is
/// among the sources. Returns their own names too.
fn as_recorded(sources: Vec<Source>, inputs: &[ReadInput]) -> (Vec<Source>, Vec<PathBuf>) {
    let mut left: Vec<Option<Source>> = sources.into_iter().map(Some).collect();
    let mut places = Vec::new();
    for input in inputs {
        let place = left.iter().enumerate().position(|(i, source)| {
            !places.contains(&i) && source.as_ref().is_some_and(|source| is_input(source, input))
        });
        places.extend(place);
    }
    let whole = places.len() == inputs.len() && places.len() == left.len();
    if !whole {
        let sources: Vec<Source> = left.into_iter().flatten().collect();
        let given = sources.iter().map(|source| source.path().to_path_buf()).collect();
        return (sources, given);
    }
    let ordered: Vec<Source> = places.iter().filter_map(|place| left[*place].take()).collect();
    let given = ordered.iter().map(|source| source.path().to_path_buf()).collect();
    let named = ordered.into_iter().zip(inputs).map(|(source, input)| source.named(&input.path()));
    (named.collect(), given)
}

fn is_input(source: &Source, input: &ReadInput) -> bool {
    let bytes = source.file();
    let footer = bytes.last_chunk::<4>().map(|footer| format!("{:08x}", u32::from_be_bytes(*footer)));
    bytes.len() as u64 == input.bytes && (input.fsm_crc32c.is_none() || input.fsm_crc32c == footer)
}

/// Restores the given name of the input in an error.
fn renamed(error: Error, sources: &[Source], given: &[PathBuf]) -> Error {
    let place = sources.iter().position(|source| Some(source.path()) == error.path());
    match place.and_then(|place| given.get(place)) {
        Some(name) => error.input(name),
        None => error,
    }
}

impl Fresh {
    /// How a manifest differs from the fresh one.
    pub fn differs_from(&self, other: &ReadManifest) -> Difference {
        if other.live_read_ts.is_some() {
            return Difference { data: live::differing(&self.manifest, other), ..Difference::default() };
        }
        let names: std::collections::BTreeSet<&String> = self.manifest.keys().chain(other.document.keys()).collect();
        let differ = names.into_iter().filter(|name| {
            let (mine, theirs) = (self.manifest.get(*name), other.document.get(*name));
            !FREE.contains(&name.as_str()) && comparable(mine) != comparable(theirs)
        });
        let (origin, data): (Vec<String>, _) = differ.cloned().partition(|name| ORIGIN.contains(&name.as_str()));
        let words = (!origin.is_empty()).then(|| {
            let (made, now) = (snapshots(&other.document), snapshots(&self.manifest));
            if made == now {
                return "MANIFEST.json does not describe its snapshot as it is".to_owned();
            }
            format!("made from another snapshot: {made}; compared with {now}")
        });
        Difference { origin, data, words }
    }
}

/// How a manifest differs from a fresh one.
#[derive(Debug, Default)]
pub struct Difference {
    /// Differing members about the snapshots.
    pub origin: Vec<String>,
    /// All other differing members.
    pub data: Vec<String>,
    /// How the snapshots differ.
    pub words: Option<String>,
}

/// Checksums and time of the snapshots of a manifest.
fn snapshots(manifest: &Map<String, Value>) -> String {
    let inputs = manifest.get("inputs").and_then(Value::as_array).into_iter().flatten();
    let sums: Vec<&str> = inputs.map(|input| input["fsm_crc32c"].as_str().unwrap_or("unknown")).collect();
    let taken = manifest.get("wall_time_iso").and_then(Value::as_str).unwrap_or("at an unknown time");
    format!("CRC32C {} of about {taken}", sums.join(", "))
}

fn comparable(member: Option<&Value>) -> Option<Value> {
    let mut member = member.cloned();
    if let Some(Value::Array(findings)) = &mut member {
        // Other versions of this program may have other words for the same finding.
        findings.iter_mut().filter_map(Value::as_object_mut).for_each(|finding| drop(finding.remove("hint")));
        findings.retain(|finding| finding.get("event").and_then(Value::as_str) != Some(PASSED_OVER));
    }
    member
}
