//! JSON that every reader accepts: what the program writes, for every input of the tests, line by line.
//!
//! `serde_json` rejects what is not in the grammar and, in a `Value`, escapes of lone surrogates.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::load;
use crate::kit::{Tree, fs as fs_kit, s3};

const CORPORA: &[&str] = &[
    "dynamodb-nasty",
    "dynamodb-small",
    "expired-retype",
    "field",
    "fs-small",
    "incr-poison",
    "prefix-lock",
    "redis-nasty",
    "s3-nasty",
    "s3-small",
    "sqs-nasty",
    "sqs-small",
    "stale-ttl",
    "two-groups-pending",
];

/// Files that would only take time.
const LARGE: [&str; 5] = ["449-", "fs-deep-", "s3-1100-", "sparse-1T", "two-bit-"];

/// A document that must be strict JSON.
#[track_caller]
fn document(what: &str, bytes: &[u8]) -> Value {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{what}: {e}: {text}"))
}

/// Lines that must be.
#[track_caller]
fn lines(what: &str, bytes: &[u8]) -> Vec<Value> {
    assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "{what}: the last line has no end");
    bytes.split_inclusive(|b| *b == b'\n').map(|line| document(what, line)).collect()
}

/// Numbers of events and of ekvsnap's lines that not every reader keeps exactly, by the path of their members.
fn beyond(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Number(n) if n.as_f64().is_none_or(|n| n.abs() > 9_007_199_254_740_992.0) => found.push(at.to_owned()),
        Value::Array(all) => all.iter().for_each(|value| beyond(value, at, found)),
        Value::Object(all) => all.iter().for_each(|(name, value)| beyond(value, &format!("{at}.{name}"), found)),
        _ => {}
    }
}

/// Members whose numbers are above 2^53: sums of the apparent sizes of files with holes.
const LARGE_SUMS: [&str; 4] =
    [".adapters.fs.scopes.bytes", ".adapters.fs.scopes.kinds.bytes", ".bytes", ".needs.bytes"];

/// Checks standard output of a command, and how it ended.
fn said(dir: &Path, args: &[&str]) {
    let out = ekvsnap(dir, args);
    let mut found = Vec::new();
    let events = lines(&format!("{args:?}"), &out.stdout);
    events.iter().for_each(|event| beyond(event, "", &mut found));
    found.retain(|at| !LARGE_SUMS.contains(&&**at));
    assert_eq!(found, Vec::<String>::new(), "{args:?}");
    assert!(!events.is_empty(), "{args:?}: {}", stderr(&out));
}

/// Files of an output that are JSON by their names.
fn written(name: &str, out: &Path) {
    let tree = if out.is_dir() { files(out) } else { members(out) };
    for (path, bytes) in tree.into_iter().filter(|(path, _)| is_json(path)) {
        let what = format!("{name}: {}", path.escape_ascii());
        if path.ends_with(b".jsonl") {
            lines(&what, &bytes);
        } else {
            document(&what, &bytes);
        }
    }
}

/// Whether a file should be JSON: bodies of S3 objects and of files can be anything.
fn is_json(path: &[u8]) -> bool {
    match path {
        path if path.starts_with(b"fs/") => path == b"fs/metadata.jsonl",
        path if path.starts_with(b"s3/") => own_of_s3(path),
        path => path.ends_with(b".json") || path.ends_with(b".jsonl"),
    }
}

/// Files of a directory.
fn files(root: &Path) -> Tree {
    let (mut tree, mut todo) = (Tree::new(), vec![root.to_path_buf()]);
    while let Some(dir) = todo.pop() {
        for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            let below = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
            if path.is_dir() {
                todo.push(path);
            } else if is_json(&below) {
                tree.insert(below, fs::read(&path).unwrap());
            }
        }
    }
    tree
}

/// Regular members of an archive.
fn members(path: &Path) -> Tree {
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    let files = archive.entries().unwrap().map(Result::unwrap).filter(|entry| entry.header().entry_type().is_file());
    let read = |mut entry: tar::Entry<'_, fs::File>| {
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path_bytes().into_owned(), bytes)
    };
    files.map(read).collect()
}

fn own_of_s3(path: &[u8]) -> bool {
    let rest = path.splitn(3, |b| *b == b'/').nth(2).unwrap_or_default();
    matches!(rest, b"_index.jsonl" | b"_bucket.json" | b"KEYMAP.jsonl")
        || (rest.ends_with(b".elastickv-meta.json") && !rest.starts_with(b"_"))
}

/// Snapshots of all corpora, one by one.
fn inputs() -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for corpus in CORPORA {
        let large = |name: &str| LARGE.iter().any(|begin| name.starts_with(begin));
        let files = load(corpus).into_iter().filter(|(name, _)| name.ends_with(".fsm") && !large(name));
        all.extend(files.map(|(name, bytes)| (format!("{corpus}/{name}"), bytes)));
    }
    let odd: &[u8] = b"\xff\xed\xa0\x80\"\\";
    let s = fs_kit::file(s3::put(s3::base(), odd, "body"), odd, 2, b"text");
    all.insert(
        "odd".to_owned(),
        s.put([b"!redis|str|", odd].concat(), odd).put([b"!nobody|", odd].concat(), "").build(),
    );
    all
}

#[test]
fn every_line_of_every_command_is_strict_json() {
    for (name, bytes) in inputs() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("x.fsm"), bytes).unwrap();
        let skip = ["--on-error", "skip", "--json"];
        let decode = |rest: &[&str]| said(dir.path(), &[&["decode", "x.fsm"], rest, &skip].concat());
        decode(&["-o", "tree", "--include-orphans", "--include-sqs-side-records", "--include-incomplete-uploads"]);
        decode(&["-o", "lines", "--layout", "jsonl", "--include-orphans"]);
        if name == "odd" {
            decode(&["-o", "x.tar"]);
        }
        for out in ["tree", "lines", "x.tar"].map(|out| dir.path().join(out)).iter().filter(|out| out.exists()) {
            written(&name, out);
        }
        said(dir.path(), &["inspect", "x.fsm", "--json", "--on-error", "skip"]);
        said(dir.path(), &["verify", "x.fsm", "--json"]);
        said(dir.path(), &["diff", "x.fsm", "x.fsm", "--json", "--on-error", "skip"]);
    }
}

/// Names of inputs and outputs that are not UTF-8 come back exactly.
#[test]
fn names_of_files_are_exact() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (OsStr::from_bytes(b"in\xff.fsm"), OsStr::from_bytes(b"out\xff"));
    let snapshot = Snapshot::new().put("!redis|str|k", "v").put("!redis|hll|bad", b"\xff\x02");
    fs::write(dir.path().join(input), snapshot.build()).unwrap();
    let run = |args: &[&str], path: &OsStr, rest: &[&OsStr]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
        let out = command.current_dir(dir.path()).args(args).arg(path).args(rest).output().unwrap();
        (code(&out), lines(&format!("{args:?}"), &out.stdout))
    };
    let flags = ["-o".as_ref(), output, "--on-error".as_ref(), "skip".as_ref()];
    let (code, events) = run(&["decode", "--json"], input, &flags);
    assert_eq!(code, 3);
    assert_eq!(events.last().unwrap()["output"]["base64"], "b3V0_w");
    let out = dir.path().join(output);
    let manifest = document("manifest", &fs::read(out.join("MANIFEST.json")).unwrap());
    for input in [&manifest["source"], &manifest["inputs"][0]] {
        assert_eq!(input["fsm_path_b64"], "aW7/LmZzbQ==");
    }
    let lost = lines("ERRORS.jsonl", &fs::read(out.join("ERRORS.jsonl")).unwrap());
    assert_eq!(lost[0]["input_b64"], "aW7/LmZzbQ==");
    let (_, events) = run(&["inspect", "--json", "--on-error", "skip"], input, &[]);
    assert_eq!(events[0]["inputs"][0]["path_b64"], "aW7/LmZzbQ==");
    let (code, events) = run(&["verify", "--json"], output, &["--against".as_ref(), input]);
    assert_eq!((code, &events.last().unwrap()["compared"]), (0, &Value::Bool(true)), "{events:?}");
}

/// A commit timestamp goes from the manifest, through a reader that holds numbers as doubles, back into `--as-of`.
#[test]
fn timestamps_are_exact() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.fsm"), &load("field")["jq-bigint.fsm"]).unwrap();
    let decode = |out: &str, flags: &[&str]| {
        let out = ekvsnap(dir.path(), &[&["decode", "x.fsm", "-o", out], flags].concat());
        assert_eq!(code(&out), 0, "{}", stderr(&out));
    };
    decode("out", &[]);
    let text = fs::read_to_string(dir.path().join("out/MANIFEST.json")).unwrap();
    let manifest = document("manifest", text.as_bytes());
    let ts = manifest["last_commit_ts_str"].as_str().unwrap();
    assert_ne!(manifest["last_commit_ts"].as_f64().unwrap().to_string(), ts, "no number above 2^53");
    assert_eq!(manifest["last_commit_ts"].to_string(), ts);
    assert_eq!(manifest["inputs"][0]["last_commit_ts"], ts);
    assert!(text.find("last_commit_ts_str").unwrap() > text.find("dynamodb_layout").unwrap(), "behind the peer's");
    decode("at", &["--as-of", ts]);
    let at = document("manifest", &fs::read(dir.path().join("at/MANIFEST.json")).unwrap());
    assert_eq!(at["options"]["as_of"], ts);
    // Outputs of old have a number there.
    let old = fs::read_to_string(dir.path().join("at/MANIFEST.json")).unwrap();
    for text in [&old, &old.replace(&format!("\"as_of\": \"{ts}\""), &format!("\"as_of\": {ts}"))] {
        let read = ekvsnap::output::manifest_read::ReadManifest::parse(text.as_bytes()).unwrap();
        assert_eq!(read.options.as_of, Some(ts.parse().unwrap()));
    }
    let inspected = ekvsnap(dir.path(), &["inspect", "x.fsm", "--json"]);
    assert_eq!(document("inspect", &inspected.stdout)["inputs"][0]["last_commit_ts"], ts);
}
