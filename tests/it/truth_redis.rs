//! Compares the answers that the live server gave its Redis clients when the snapshot was taken with the output.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ekvsnap::decode::{Layout, Options};
use serde_json::Value;

use crate::kit::Tree;
use crate::kit::fixtures::{load, snapshots};
use crate::kit::run_with;

/// TTLs were read a moment after the snapshot's time.
const SLACK_MS: i64 = 5000;

/// A decoded key.
struct Ours {
    kind: &'static str,
    content: Content,
    expire_ms: Option<i64>,
}

/// ID and fields of a stream entry.
type Entry = (String, Vec<(Vec<u8>, Vec<u8>)>);

#[derive(Debug, PartialEq)]
enum Content {
    Bytes(Vec<u8>),
    Map(BTreeMap<Vec<u8>, Vec<u8>>),
    List(Vec<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    Scores(BTreeMap<Vec<u8>, String>),
    Entries(Vec<Entry>),
}

fn raw(v: &Value) -> Vec<u8> {
    match v {
        Value::String(text) => text.clone().into_bytes(),
        _ => URL_SAFE_NO_PAD.decode(v["base64"].as_str().unwrap()).unwrap(),
    }
}

fn score(text: &str) -> String {
    let x: f64 = text.to_lowercase().replace('+', "").parse().unwrap();
    format!("{x:?}")
}

fn unseg(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = name.bytes();
    while let Some(b) = bytes.next() {
        let mut digit = || (bytes.next().unwrap() as char).to_digit(16).unwrap() as u8;
        out.push(if b == b'%' { digit() << 4 | digit() } else { b });
    }
    out
}

fn lines(tree: &Tree, path: &str) -> Vec<Value> {
    let text = tree.get(path.as_bytes()).map(|b| String::from_utf8(b.clone()).unwrap()).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn keymap(tree: &Tree) -> BTreeMap<String, Vec<u8>> {
    let decode = |v: &Value| URL_SAFE_NO_PAD.decode(v["original"].as_str().unwrap()).unwrap();
    lines(tree, "redis/db_0/KEYMAP.jsonl")
        .iter()
        .map(|v| (v["encoded"].as_str().unwrap().to_owned(), decode(v)))
        .collect()
}

fn ttls(tree: &Tree, side: &str) -> BTreeMap<String, i64> {
    lines(tree, &format!("redis/db_0/{side}"))
        .iter()
        .map(|v| (v["key"].as_str().unwrap().to_owned(), v["expire_at_ms"].as_i64().unwrap()))
        .collect()
}

fn ours(tree: &Tree) -> BTreeMap<Vec<u8>, Ours> {
    let keymap = keymap(tree);
    let key_of = |segment: &str| keymap.get(segment).cloned().unwrap_or_else(|| unseg(segment));
    let mut all = BTreeMap::new();
    let sides = [("strings", "strings_ttl.jsonl"), ("hll", "hll_ttl.jsonl")].map(|(f, s)| (f, ttls(tree, s)));
    for (path, body) in tree {
        let path = std::str::from_utf8(path).unwrap();
        let Some((folder, file)) = path.strip_prefix("redis/db_0/").and_then(|p| p.split_once('/')) else { continue };
        let (segment, _) = file.rsplit_once('.').unwrap();
        let side = sides.iter().find(|(f, _)| *f == folder).map(|(_, side)| side);
        let decoded = decode(folder, body, side.and_then(|side| side.get(segment)).copied());
        assert!(all.insert(key_of(segment), decoded).is_none(), "{segment} in two types");
    }
    all
}

/// The same for packed lines, which contain their keys.
fn packed(tree: &Tree) -> BTreeMap<Vec<u8>, Ours> {
    let mut all = BTreeMap::new();
    let mut add = |key: &Value, ours| assert!(all.insert(raw(key), ours).is_none(), "{key} is there twice");
    for (folder, kind) in [("strings", "string"), ("hll", "hll")] {
        for line in lines(tree, &format!("redis/db_0/{folder}.jsonl")) {
            let (content, expire_ms) = (Content::Bytes(raw(&line["value"])), line["expire_at_ms"].as_i64());
            add(&line["key"], Ours { kind, content, expire_ms });
        }
    }
    for folder in ["hashes", "lists", "sets", "zsets"] {
        for line in lines(tree, &format!("redis/db_0/{folder}.jsonl")) {
            add(&line["key"], decode(folder, line.to_string().as_bytes(), None));
        }
    }
    let entries = lines(tree, "redis/db_0/streams.jsonl");
    for rows in entries.split_inclusive(|row| row["_meta"] == true) {
        assert!(rows.iter().all(|row| row["key"] == rows[0]["key"]), "{}", rows[0]);
        add(&rows[0]["key"], stream(rows.to_vec()));
    }
    all
}

fn decode(folder: &str, body: &[u8], side: Option<i64>) -> Ours {
    if matches!(folder, "strings" | "hll") {
        let kind = if folder == "hll" { "hll" } else { "string" };
        return Ours { kind, content: Content::Bytes(body.to_vec()), expire_ms: side };
    }
    let text = std::str::from_utf8(body).unwrap();
    if folder == "streams" {
        return stream(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect());
    }
    let json: Value = serde_json::from_str(text).unwrap();
    let array = |name: &str| json[name].as_array().unwrap().clone();
    let (kind, content) = match folder {
        "hashes" => {
            ("hash", Content::Map(array("fields").iter().map(|f| (raw(&f["name"]), raw(&f["value"]))).collect()))
        }
        "lists" => ("list", Content::List(array("items").iter().map(raw).collect())),
        "sets" => ("set", Content::Set(array("members").iter().map(raw).collect())),
        _ => {
            let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            let scored = |m: &Value| (raw(&m["member"]), score(&text(&m["score"])));
            ("zset", Content::Scores(array("members").iter().map(scored).collect()))
        }
    };
    Ours { kind, content, expire_ms: json["expire_at_ms"].as_i64() }
}

fn stream(mut rows: Vec<Value>) -> Ours {
    let meta = rows.pop().unwrap();
    assert_eq!(meta["_meta"], true);
    let fields =
        |row: &Value| row["fields"].as_array().unwrap().iter().map(|f| (raw(&f["name"]), raw(&f["value"]))).collect();
    let entries = rows.iter().map(|row| (row["id"].as_str().unwrap().to_owned(), fields(row))).collect();
    Ours { kind: "stream", content: Content::Entries(entries), expire_ms: meta["expire_at_ms"].as_i64() }
}

fn theirs_bytes(v: &Value) -> Vec<u8> {
    STANDARD.decode(v["b64"].as_str().unwrap()).unwrap()
}

/// The server's answer in the form of the output.
fn theirs(kind: &str, v: &Value) -> Content {
    let items = || v.as_array().unwrap();
    let flat = || items().iter().map(theirs_bytes).collect::<Vec<_>>();
    match kind {
        "string" => Content::Bytes(theirs_bytes(v)),
        "hash" => Content::Map(items().iter().map(|p| (theirs_bytes(&p[0]), theirs_bytes(&p[1]))).collect()),
        "list" => Content::List(flat()),
        "set" => Content::Set(flat().into_iter().collect()),
        "zset" => {
            let text = |b: &[u8]| score(std::str::from_utf8(b).unwrap());
            Content::Scores(flat().chunks(2).map(|p| (p[0].clone(), text(&p[1]))).collect())
        }
        _ => Content::Entries(items().iter().map(entry).collect()),
    }
}

fn entry(v: &Value) -> Entry {
    let id = String::from_utf8(theirs_bytes(&v[0])).unwrap();
    let fields: Vec<Vec<u8>> = match &v[1] {
        Value::Array(flat) => flat.iter().map(theirs_bytes).collect(),
        folded => folded.as_object().unwrap().iter().flat_map(|(k, v)| [literal(k), theirs_bytes(v)]).collect(),
    };
    (id, fields.chunks(2).map(|p| (p[0].clone(), p[1].clone())).collect())
}

/// The client wrote folded field names as Python byte literals.
fn literal(text: &str) -> Vec<u8> {
    let inner = &text[2..text.len() - 1];
    let mut out = Vec::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend(c.to_string().bytes());
            continue;
        }
        match chars.next().unwrap() {
            'x' => {
                let hex: String = chars.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&hex, 16).unwrap());
            }
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            other => out.extend(other.to_string().bytes()),
        }
    }
    out
}

/// A client that folds repeated field names keeps the last value of each, at the place of the first.
fn folded(content: Content, like: &Value) -> Content {
    let Content::Entries(entries) = content else { return content };
    if !like.as_array().unwrap().iter().any(|e| e[1].is_object()) {
        return Content::Entries(entries);
    }
    let fold = |fields: Vec<(Vec<u8>, Vec<u8>)>| {
        let mut out: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for (name, value) in fields {
            match out.iter_mut().find(|(n, _)| *n == name) {
                Some(slot) => slot.1 = value,
                None => out.push((name, value)),
            }
        }
        out.sort();
        out
    };
    Content::Entries(entries.into_iter().map(|(id, fields)| (id, fold(fields))).collect())
}

/// Compares a decode in both layouts. `ours_alone`: keys that the server does not serve because of a bug of its own.
#[track_caller]
fn check(corpus: &str, keys: usize, ours_alone: &[(&str, &str)]) {
    check_layout(corpus, Layout::TREE, keys, ours_alone);
    check_layout(corpus, Layout::JSONL, keys, ours_alone);
}

#[track_caller]
fn check_layout(corpus: &str, layout: Layout, wanted: usize, ours_alone: &[(&str, &str)]) {
    let files = load(corpus);
    let decoded = run_with(&snapshots(&files), &Options { layout, ..Options::default() }).unwrap();
    let expected: Value = serde_json::from_slice(&files["expected.redis.json"]).unwrap();
    let t = expected["t_ms"].as_i64().unwrap();
    let mut ours = if layout == Layout::JSONL { packed(&decoded.tree) } else { ours(&decoded.tree) };
    let keys = expected["keys"].as_array().unwrap();
    for want in keys {
        let key = theirs_bytes(&want["key"]);
        let shown = key.escape_ascii().to_string();
        let got = ours.remove(&key).unwrap_or_else(|| panic!("{shown} is missing"));
        let kind = want["type"].as_str().unwrap();
        assert_eq!(if got.kind == "hll" { "string" } else { got.kind }, kind, "{shown}");
        let pttl = want["pttl"].as_i64().unwrap();
        match got.expire_ms {
            Some(at) => assert!(pttl >= 0 && (at - t - pttl).abs() <= SLACK_MS, "{shown}: TTL {at}"),
            None => assert!(pttl < 0, "{shown}: no TTL"),
        }
        let value = &want["value"];
        if got.kind != "hll" && !value.is_null() {
            assert_eq!(folded(got.content, value), folded(theirs(kind, value), value), "{shown}");
        }
    }
    for (key, value) in ours_alone {
        let got = ours.remove(key.as_bytes()).unwrap_or_else(|| panic!("{key} is missing"));
        assert_eq!((got.content, got.expire_ms), (Content::Bytes(value.as_bytes().to_vec()), None), "{key}");
    }
    // What is left had expired before the server was asked.
    for (key, left) in ours {
        let expired = left.expire_ms.is_some_and(|at| at <= t + SLACK_MS);
        assert!(expired, "{}: the server does not have it", key.escape_ascii());
    }
    assert_eq!(keys.len(), wanted);
}

#[test]
fn redis_small() {
    check("redis-small", 184, &[]);
}

#[test]
fn redis_nasty() {
    check("redis-nasty", 187, &[]);
}

/// Snapshots in the form of bundles.
#[test]
fn bundles() {
    check("sst-tiny", 1, &[]);
    check("sst-plain", 53, &[]);
}

/// A bundle of two files.
#[test]
fn a_bundle_of_two_files() {
    check_layout("sst-two-files", Layout::JSONL, 91, &[]);
}

/// Keys that were created again after they expired: as another type, and with an index row of their former life.
#[test]
fn reused_keys() {
    check("expired-retype", 523, &[]);
    check("stale-ttl", 31, &[]);
}

/// A client wrote a row of the TTL index.
#[test]
fn planted_rows() {
    check("incr-poison", 4, &[]);
}

/// The lock of a committed transaction that stays for ever: the server answers nil for `z`, the client was promised 1.
#[test]
fn locks_that_stay() {
    check("prefix-lock", 4, &[("z", "1")]);
}
