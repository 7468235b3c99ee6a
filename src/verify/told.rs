//! Checks MANIFEST.json for contradictions, and describes which part of a snapshot an output contains.

use serde_json::Value;

use crate::decode::iso_time;
use crate::format::adapter::{self, Adapter};
use crate::layouts::jsonl::beside;
use crate::output::DELETED;
use crate::output::manifest::RecordedOptions;
use crate::output::manifest_read::ReadManifest;

/// Whether a manifest was written by this program, whose rules are known.
pub fn is_ours(manifest: &ReadManifest) -> bool {
    manifest.maker.starts_with("ekvsnap ")
}

/// Whether the decode of this manifest can write a file with this path: it writes few files into the root.
pub fn can_be(path: &[u8], manifest: &ReadManifest) -> bool {
    let root = memchr::memchr(b'/', path).map_or(path, |slash| &path[..slash]);
    let adapter = adapter::named(root).is_some();
    let in_root = || matches!(root, b"MANIFEST.json" | b"ERRORS.jsonl");
    let beside = || manifest.options.loaders && beside::is_one(root);
    let deleted = || root == DELETED.as_bytes() && manifest.options.since.is_some();
    if root.len() < path.len() { adapter } else { in_root() || beside() || deleted() }
}

/// Whether the decode may have left empty directories: a file was begun in them and then left out.
pub fn leaves_folders(manifest: &ReadManifest) -> bool {
    let RecordedOptions { on_error, min_size, max_size, .. } = &manifest.options;
    !on_error.is_empty() || min_size.is_some() || max_size.is_some()
}

/// A timestamp: a string of digits, or a number as older versions wrote it.
fn moment(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Members that contradict each other, in words.
pub fn contradictions(manifest: &ReadManifest) -> Vec<String> {
    let document = &manifest.document;
    let of = |name: &str| document.get(name).unwrap_or(&Value::Null);
    let inputs = of("inputs").as_array().map(Vec::as_slice).unwrap_or_default();
    let first = inputs.first().unwrap_or(&Value::Null);
    let mut words = Vec::new();
    let mut check = |holds: bool, what: &str| words.extend((!holds).then(|| what.to_owned()));
    for name in ["fsm_path", "fsm_crc32c"] {
        check(of("source").get(name) == first.get(name), "source is not the first of inputs");
    }
    let index = first.get("snapshot_index").filter(|index| index.as_u64() != Some(0));
    check(document.get("snapshot_index") == index, "snapshot_index is not that of the first of inputs");
    let newest = inputs.iter().filter_map(|input| moment(&input["last_commit_ts"])).max().unwrap_or(0);
    let told = of("last_commit_ts").as_u64().unwrap_or(0);
    check(told == newest, "last_commit_ts is not the newest of inputs");
    let exact = document.get("last_commit_ts_str").is_none_or(|text| moment(text) == Some(told));
    check(exact, "last_commit_ts_str differs from last_commit_ts");
    let moment = iso_time(newest.min(manifest.options.as_of.unwrap_or(u64::MAX)));
    check(
        of("wall_time_iso").as_str() == Some(&moment),
        "wall_time_iso is not the time of last_commit_ts, or of as_of",
    );
    let counters = of("counters");
    let sum = |names: &[&str]| names.iter().filter_map(|name| counters[name].as_u64()).fold(0u64, u64::saturating_add);
    let parts = ["dynamodb", "s3", "redis", "sqs", "fs", "tombstone", "internal", "unknown"];
    check(sum(&parts) == sum(&["entries"]), "entries of counters is not the sum of the others");
    for adapter in adapter::all().filter(|adapter| adapter.scoped().is_some()) {
        let Some(list) = adapter.spec().scopes else { continue };
        let adapter = &of("adapters")[adapter.name()];
        let scopes = adapter["scopes"].as_array().into_iter().flatten().map(|scope| scope["name"].as_str());
        let names = adapter[list].as_array().into_iter().flatten().map(Value::as_str);
        check(scopes.eq(names), "the names of an adapter are not those of its scopes");
    }
    words.dedup();
    words
}

/// The part of its snapshots that an output contains, in words, if it is not the complete newest state.
pub fn part(adapters: &[Adapter], options: &RecordedOptions) -> Option<String> {
    let mut words = Vec::new();
    if adapters.len() < adapter::BUILT_IN.len() {
        let names: Vec<&str> = adapters.iter().map(|adapter| adapter.name()).collect();
        words.push(format!("only {}", if names.is_empty() { "no adapter".to_owned() } else { names.join(", ") }));
    }
    let RecordedOptions {
        as_of, since, since_snapshots, drop_expired, scope, exclude, types, min_size, max_size, ..
    } = options;
    let list = |name: &str, all: &[String]| (!all.is_empty()).then(|| format!("{name} {}", all.join(", ")));
    words.extend([list("scope", scope), list("without", exclude), list("types", types)].into_iter().flatten());
    words.extend(min_size.map(|bytes| format!("at least {bytes} bytes an object")));
    words.extend(max_size.map(|bytes| format!("at most {bytes} bytes an object")));
    words.extend(drop_expired.map(|ms| format!("without what had expired at {ms} ms")));
    words.extend(as_of.map(|hlc| format!("the state as of about {} (commit timestamp {hlc})", iso_time(hlc))));
    let from = if since_snapshots.is_empty() { "" } else { "an older snapshot of " };
    let changed = |hlc| format!("what changed since {from}about {} (commit timestamp {hlc})", iso_time(hlc));
    words.extend(since.map(changed));
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let all = adapter::BUILT_IN;
        assert_eq!(part(&all, &RecordedOptions { layout: "jsonl".into(), ..RecordedOptions::default() }), None);
        let scoped =
            RecordedOptions { scope: vec!["redis:a*".into()], min_size: Some(1), ..RecordedOptions::default() };
        let words = part(&[adapter::REDIS], &scoped).unwrap();
        assert_eq!(words, "only redis; scope redis:a*; at least 1 bytes an object");
        let earlier = RecordedOptions { as_of: Some(1_700_000_000_000 << 16), ..RecordedOptions::default() };
        assert!(part(&all, &earlier).unwrap().starts_with("the state as of about 2023-11-14T22:13:20Z"));
    }
}
