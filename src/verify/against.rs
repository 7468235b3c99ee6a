//! A fresh decode of which nothing is written, to compare an output with.
//!
//! It is made with the options that the output's manifest tells. Inputs that are those of the manifest, by size and
//! footer, get the names that they have there: MANIFEST.json and ERRORS.jsonl name them.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::live;
use crate::decode::{Filled, Options, Progress, fill_nowhere};
use crate::error::{Error, Result};
use crate::output::checksums::Checksums;
use crate::output::manifest_read::{ReadInput, ReadManifest};
use crate::source::{PassedOver, Source};

/// What a fresh decode gives.
pub struct Fresh {
    /// Every file but CHECKSUMS.
    pub index: Checksums,
    manifest: Map<String, Value>,
}

/// Members in which a manifest may differ although the data are the same.
const FREE: [&str; 1] = ["elastickv_version"];
/// The warning that depends on how the inputs were named: as files, or as a directory.
const PASSED_OVER: &str = "newer_file_passed_over";

/// Decodes `sources` as a manifest tells.
///
/// # Errors
/// What a decode gives.
pub fn decode(
    sources: Vec<Source>,
    passed_over: Vec<PassedOver>,
    told: &ReadManifest,
    progress: &dyn Progress,
) -> Result<Fresh> {
    let options = Options { passed_over, ..Options::of_manifest(told)? };
    let (sources, given) = as_recorded(sources, &told.inputs);
    let filled = fill_nowhere(&sources, &options, progress);
    let Filled { manifest, index, .. } = filled.map_err(|error| renamed(error, &sources, &given))?;
    let document = serde_json::from_slice(&manifest.to_bytes());
    Ok(Fresh { index, manifest: document.unwrap_or_default() })
}

/// Brings the sources into the order of the manifest's inputs and gives them their names there, if every one of them is
/// among them. Gives their own names too.
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
    let bytes = source.bytes();
    let footer = bytes.last_chunk::<4>().map(|footer| format!("{:08x}", u32::from_be_bytes(*footer)));
    bytes.len() as u64 == input.bytes && (input.fsm_crc32c.is_none() || input.fsm_crc32c == footer)
}

/// An error names the input as it was given now.
fn renamed(error: Error, sources: &[Source], given: &[PathBuf]) -> Error {
    let place = sources.iter().position(|source| Some(source.path()) == error.path());
    match place.and_then(|place| given.get(place)) {
        Some(name) => error.input(name),
        None => error,
    }
}

impl Fresh {
    /// Whether a manifest tells of other data than the fresh one, and where.
    pub fn differs_from(&self, other: &ReadManifest) -> Option<String> {
        if other.live_read_ts.is_some() {
            return words_of(&live::differing(&self.manifest, other));
        }
        let names: std::collections::BTreeSet<&String> = self.manifest.keys().chain(other.document.keys()).collect();
        let differ = names.into_iter().filter(|name| {
            let (mine, theirs) = (self.manifest.get(*name), other.document.get(*name));
            !FREE.contains(&name.as_str()) && comparable(mine) != comparable(theirs)
        });
        words_of(&differ.cloned().collect::<Vec<String>>())
    }
}

fn words_of(differ: &[String]) -> Option<String> {
    (!differ.is_empty()).then(|| format!("these members differ from a fresh decode: {}", differ.join(", ")))
}

fn comparable(member: Option<&Value>) -> Option<Value> {
    let mut member = member.cloned();
    if let Some(Value::Array(findings)) = &mut member {
        findings.retain(|finding| finding.get("event").and_then(Value::as_str) != Some(PASSED_OVER));
    }
    member
}
