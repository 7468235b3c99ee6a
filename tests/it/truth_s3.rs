//! Compares the answers that the live server gave its S3 clients when the snapshot was taken with the tree and the packed layout.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use ekvsnap::decode::{Layout, Options};

use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Tree, run_with};

const META: &str = ".elastickv-meta.json";

struct Ours {
    sha256: String,
    size: u64,
    sidecar: Value,
}

type Objects = BTreeMap<Vec<u8>, Ours>;

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// Names that are not the keys.
fn keymap(tree: &Tree, bucket: &str) -> BTreeMap<String, Vec<u8>> {
    let text = tree.get(format!("s3/{bucket}/KEYMAP.jsonl").as_bytes()).cloned().unwrap_or_default();
    let record = |line: &[u8]| {
        let line = json(line);
        let original = URL_SAFE_NO_PAD.decode(line["original"].as_str().unwrap()).unwrap();
        (line["encoded"].as_str().unwrap().to_owned(), original)
    };
    text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(record).collect()
}

fn ours(body: &[u8], sidecar: Value) -> Ours {
    let sha256 = Sha256::digest(body).iter().map(|b| format!("{b:02x}")).collect();
    Ours { sha256, size: body.len() as u64, sidecar }
}

/// Bytes: text, or an envelope.
fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        envelope => URL_SAFE_NO_PAD.decode(envelope["base64"].as_str().unwrap()).unwrap(),
    }
}

/// The objects of a packed bucket; its lines are sorted by key, and there are no files except those that they name.
fn indexed(tree: &Tree, bucket: &str) -> Objects {
    let (mut all, mut last) = (Objects::new(), None);
    let prefix = format!("s3/{bucket}/");
    let text = std::str::from_utf8(&tree[format!("{prefix}_index.jsonl").as_bytes()]).unwrap();
    for line in text.lines() {
        let line = json(line.as_bytes());
        let path = [prefix.as_bytes(), &bytes(&line["path"])].concat();
        let key = bytes(&line["key"]);
        assert!(last < Some(key.clone()), "{bucket}: keys ascend");
        last = Some(key.clone());
        all.insert(key, ours(&tree[&path], line));
    }
    let files = tree.keys().filter(|path| path.starts_with(prefix.as_bytes())).count();
    assert_eq!(files, all.len() + 2, "{bucket}: bodies, _bucket.json and _index.jsonl");
    all
}

fn objects(tree: &Tree, bucket: &str) -> Objects {
    let (keymap, prefix) = (keymap(tree, bucket), format!("s3/{bucket}/"));
    let mut all = Objects::new();
    for (path, text) in tree {
        let Some(body_path) = path.strip_suffix(META.as_bytes()) else { continue };
        let (Some(name), Some(body)) = (body_path.strip_prefix(prefix.as_bytes()), tree.get(body_path)) else {
            continue;
        };
        let key = keymap.get(&*String::from_utf8_lossy(name)).cloned().unwrap_or_else(|| name.to_vec());
        all.insert(key, ours(body, json(text)));
    }
    all
}

/// A key as shown by the S3 listing: characters that XML cannot represent are U+FFFD.
fn listed(key: &[u8]) -> String {
    let shown = |c: char| if c >= ' ' || "\t\n\r".contains(c) { c } else { '\u{fffd}' };
    String::from_utf8_lossy(key).chars().map(shown).collect()
}

fn lower(map: &Value) -> BTreeMap<String, Value> {
    let pairs = map.as_object().cloned().unwrap_or_default();
    pairs.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect()
}

fn compare(ours: &Ours, theirs: &Value, bad: &mut Vec<String>, key: &str) {
    let mut want = |what: &str, same: bool| {
        if !same {
            bad.push(format!("{what} of {key}"));
        }
    };
    let side = &ours.sidecar;
    want("size", theirs["size"] == ours.size && side["size_bytes"] == ours.size);
    want("body", theirs.get("sha256").is_none_or(|sha| *sha == ours.sha256.as_str()));
    // Keys that the server's own interface cannot reach.
    if theirs.get("err").is_some() {
        return;
    }
    for (name, short) in [("content_encoding", "ce"), ("cache_control", "cc"), ("content_disposition", "cd")] {
        want(name, side[name] == theirs[short]);
    }
    let default = side.get("content_type").is_none() && theirs["ct"].as_str().unwrap().ends_with("/octet-stream");
    want("content_type", default || side["content_type"] == theirs["ct"]);
    want("metadata", lower(&side["user_metadata"]) == lower(&theirs["meta"]));
    want("etag", theirs["etag"].as_str().unwrap().trim_matches('"') == side["etag"]);
}

fn check_bucket(tree: &Tree, layout: Layout, name: &str, theirs: &Value, bad: &mut Vec<String>) {
    if !tree.contains_key(format!("s3/{name}/_bucket.json").as_bytes()) {
        bad.push(format!("missing bucket {name}"));
    }
    let mut have = if layout == Layout::JSONL { indexed(tree, name) } else { objects(tree, name) };
    for (key, object) in theirs.as_object().unwrap() {
        let found =
            have.keys().find(|k| k.as_slice() == key.as_bytes()).or_else(|| have.keys().find(|k| listed(k) == *key));
        match found.cloned().and_then(|k| have.remove(&k)) {
            Some(ours) => compare(&ours, object, bad, key),
            None => bad.push(format!("missing {name}/{key}")),
        }
    }
    bad.extend(have.keys().map(|key| format!("only ours {name}/{}", key.escape_ascii())));
}

#[track_caller]
fn check(corpus: &str, objects: usize) {
    for layout in [Layout::TREE, Layout::JSONL] {
        check_layout(corpus, objects, layout);
    }
}

#[track_caller]
fn check_layout(corpus: &str, objects: usize, layout: Layout) {
    let files = load(corpus);
    let decoded = run_with(&snapshots(&files), &Options { layout, ..Options::default() }).unwrap();
    let truth = json(&files["expected.s3.json"]);
    let mut bad = Vec::new();
    for (name, theirs) in truth.as_object().unwrap() {
        check_bucket(&decoded.tree, layout, name, theirs, &mut bad);
    }
    assert_eq!(bad, [""; 0], "{corpus}");
    let dirs = decoded.below("s3/").iter().filter(|path| path.ends_with("/_bucket.json")).count();
    assert!(dirs >= truth.as_object().unwrap().len());
    // A corpus of all adapters has other warnings.
    let warnings: Vec<_> = decoded.warnings().into_iter().filter(|(name, _)| !name.starts_with("redis_")).collect();
    assert_eq!(warnings, [], "{corpus}");
    assert_eq!(truth.as_object().unwrap().values().map(|b| b.as_object().unwrap().len()).sum::<usize>(), objects);
}

#[test]
fn s3_small() {
    check("s3-small", 44);
}

#[test]
fn s3_in_a_bundle() {
    check("sst-plain", 26);
}

#[test]
fn s3_nasty() {
    check("s3-nasty", 71);
}
