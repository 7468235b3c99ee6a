//! `diff` of snapshots, of outputs, and of a snapshot with an output.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::kit::build::{NOW, Snapshot, entry, sized};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::ddb::{V, table};
use crate::kit::fixtures::{load, snapshots};

const CORPORA: [&str; 5] = ["redis-small", "dynamodb-small", "s3-small", "sqs-small", "fs-small"];

fn write(dir: &Path, name: &str, snapshot: &Snapshot) {
    fs::write(dir.join(name), snapshot.build()).unwrap();
}

fn diff(dir: &Path, want: i32, args: &[&str]) -> String {
    let out = ekvsnap(dir, &[&["diff"], args].concat());
    assert_eq!(code(&out), want, "{args:?}: {}{}", String::from_utf8_lossy(&out.stdout), stderr(&out));
    String::from_utf8(out.stdout).unwrap()
}

/// Two states of a few objects.
fn two() -> (Snapshot, Snapshot) {
    let table = table(b"t");
    let base = Snapshot::new().put("!redis|str|same", "v").put("!redis|str|gone", "v").table(&table);
    let base = base.item(&table, &[V::S("p")], "same");
    let stream = |s: Snapshot, ids: u64| {
        let meta = [ids.to_be_bytes(), ids.to_be_bytes(), 0u64.to_be_bytes()].concat();
        (1..=ids).fold(s.put(sized("!stream|meta|", "x", ""), meta), |s, id| {
            let key = sized("!stream|entry|", "x", [id.to_be_bytes(), 0u64.to_be_bytes()].concat());
            s.put(key, entry(&format!("{id}-0"), &[b"f", b"v"]))
        })
    };
    let a = stream(base.clone().put("!redis|str|value", "1").put("!redis|str|type", "1").put("!redis|str|ttl", "1"), 2);
    let a = a.put("!redis|ttl|ttl", 5u64.to_be_bytes());
    let b = base.delete_at(NOW + 1, "!redis|str|gone").put("!redis|str|new", "v").put("!redis|str|value", "22");
    let b = stream(b.put(sized("!hs|fld|", "type", "f"), "1").put("!redis|str|ttl", "1"), 3);
    let b = b.put("!redis|ttl|ttl", 6u64.to_be_bytes()).item(&table, &[V::S("q")], "new");
    (a, b)
}

const TWO: &str = "\
+ dynamodb:t/q (items)
- redis:gone (strings)
+ redis:new (strings)
~ redis:ttl (strings) expiry
~ redis:type (hashes) type
~ redis:value (strings) value
~ redis:x (streams) value
dynamodb/t: 1 added, 0 removed, 0 changed, 2 the same
redis/db_0: 1 added, 1 removed, 4 changed, 1 the same
";

/// Lines without sizes, which outputs do not always have.
fn without_sizes(text: &str) -> String {
    let line =
        |line: &str| line.split(", ").filter(|part| !part.contains(" to ")).collect::<Vec<_>>().join(", ") + "\n";
    text.lines().map(line).collect()
}

#[test]
fn snapshots_and_outputs_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = two();
    write(dir.path(), "a.fsm", &a);
    write(dir.path(), "b.fsm", &b);
    let text = diff(dir.path(), 1, &["a.fsm", "b.fsm"]);
    assert_eq!(without_sizes(&text), TWO);
    assert!(text.contains("value, 48 B to 49 B"), "{text}");
    for flags in [&["--threads", "1"][..], &["--threads", "8"], &["--no-mmap"]] {
        assert_eq!(diff(dir.path(), 1, &[&["a.fsm", "b.fsm"], flags].concat()), text);
    }
    let forms = [
        ("tree", &[][..]),
        ("jsonl", &["--layout", "jsonl"]),
        ("bundles", &["--dynamodb-bundle-mode", "jsonl"]),
        ("parts", &["--layout", "jsonl", "--part-size", "1"]),
    ];
    for (form, flags) in forms {
        for suffix in ["", ".tar", ".tar.zst"] {
            for side in ["a", "b"] {
                let target = format!("{form}-{side}{suffix}");
                let out = ekvsnap(dir.path(), &[&["decode", &format!("{side}.fsm"), "-o", &target], flags].concat());
                assert_eq!(code(&out), 0, "{}", stderr(&out));
            }
            let (a, b) = (format!("{form}-a{suffix}"), format!("{form}-b{suffix}"));
            for (a, b) in [(a.as_str(), b.as_str()), ("a.fsm", b.as_str()), (a.as_str(), "b.fsm")] {
                assert_eq!(without_sizes(&diff(dir.path(), 1, &[a, b])), TWO, "{a} {b}");
            }
            diff(dir.path(), 0, &[&a, "a.fsm"]);
        }
    }
    let error = ekvsnap(dir.path(), &["diff", "tree-a", "jsonl-b"]);
    assert_eq!(code(&error), 2);
    assert!(stderr(&error).contains("the outputs have different layouts"), "{}", stderr(&error));
}

#[test]
fn every_corpus_equals_its_outputs() {
    let dir = tempfile::tempdir().unwrap();
    for corpus in CORPORA {
        fs::write(dir.path().join("x.fsm"), &snapshots(&load(corpus))[0]).unwrap();
        for (target, flags) in [
            ("tree", &[][..]),
            ("x.tar.zst", &[]),
            ("lines", &["--layout", "jsonl"]),
            ("parts", &["--layout", "jsonl", "--part-size", "60"]),
        ] {
            let out = ekvsnap(dir.path(), &[&["decode", "x.fsm", "--force", "-o", target], flags].concat());
            assert_eq!(code(&out), 0, "{}", stderr(&out));
            let text = diff(dir.path(), 0, &["x.fsm", target]);
            assert!(text.lines().all(|line| line.contains(" 0 added, 0 removed, 0 changed, ")), "{corpus}: {text}");
        }
    }
}

/// Against a naive comparison of packed lines, on two real snapshots.
#[test]
fn what_differs_between_real_snapshots() {
    let dir = tempfile::tempdir().unwrap();
    let mut lines: Vec<BTreeMap<(String, String), Vec<String>>> = Vec::new();
    for corpus in ["redis-small", "redis-nasty"] {
        let file = format!("{corpus}.fsm");
        fs::write(dir.path().join(&file), &snapshots(&load(corpus))[0]).unwrap();
        ekvsnap(dir.path(), &["decode", &file, "--layout", "jsonl", "-o", corpus]);
        let mut keys = BTreeMap::new();
        for kind in ["strings", "hll", "lists", "hashes", "sets", "zsets", "streams"] {
            let text = fs::read_to_string(dir.path().join(corpus).join(format!("redis/db_0/{kind}.jsonl"))).unwrap();
            for line in text.lines() {
                let parsed: Value = serde_json::from_str(line).unwrap();
                let id = (parsed["key"].to_string(), kind.to_owned());
                keys.entry(id).or_insert_with(Vec::new).push(line.to_owned());
            }
        }
        lines.push(keys);
    }
    let mut want = BTreeSet::new();
    for id in lines[0].keys().chain(lines[1].keys()) {
        let event = match (lines[0].get(id), lines[1].get(id)) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "removed",
            _ => "added",
        };
        want.insert((id.0.clone(), event.to_owned()));
    }
    let text = diff(dir.path(), 1, &["redis-small.fsm", "redis-nasty.fsm", "--json"]);
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = events.last().unwrap();
    assert_eq!((&summary["event"], &summary["equal"]), (&"summary".into(), &false.into()));
    let mut got = BTreeSet::new();
    for event in &events[..events.len() - 1] {
        assert!(got.insert((event["key"].to_string(), event["event"].as_str().unwrap().to_owned())), "{event}");
    }
    assert!(want.len() > 40);
    assert_eq!(got, want);
}

#[test]
fn two_times_of_one_snapshot_and_filters() {
    let dir = tempfile::tempdir().unwrap();
    let at = |n: u64| NOW + (n << 16);
    let s = Snapshot::new().put_at(at(1), "!redis|str|a:1", "1").put_at(at(2), "!redis|str|a:1", "2");
    write(dir.path(), "x.fsm", &s.put_at(at(2), "!redis|str|b:1", "1").delete_at(at(3), "!redis|str|a:1"));
    let times = |a: u64, b: u64| format!("{},{}", at(a), at(b));
    let compare = |want, flags: &[&str]| diff(dir.path(), want, &[&["x.fsm", "x.fsm"], flags].concat());
    assert!(compare(1, &["--as-of", &times(1, 2)]).starts_with("~ redis:a:1 (strings) value\n+ redis:b:1 (strings)\n"));
    assert!(compare(1, &["--as-of", &times(2, 3)]).starts_with("- redis:a:1 (strings)\n"));
    assert!(compare(1, &["--as-of", &times(1, 2), "--summary"]).starts_with("redis/db_0: 1 added"));
    let b = compare(1, &["--as-of", &times(1, 2), "--exclude", "redis:a:*"]);
    assert!(b.starts_with("+ redis:b:1 (strings)\nredis"), "{b}");
    compare(0, &["--as-of", &times(1, 2), "--scope", "redis:c*"]);
    compare(0, &[]);
}

#[test]
fn trouble() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = two();
    write(dir.path(), "a.fsm", &a);
    let damaged = b.put("!redis|zset|z", "no blob");
    write(dir.path(), "b.fsm", &damaged);
    ekvsnap(dir.path(), &["decode", "a.fsm", "--layout", "jsonl", "-o", "lines"]);
    ekvsnap(dir.path(), &["decode", "a.fsm", "-o", "tree"]);
    let ends = |want: i32, args: &[&str], words: &str| {
        let out = ekvsnap(dir.path(), &[&["diff"], args].concat());
        assert_eq!(code(&out), want, "{args:?}");
        assert!(stderr(&out).contains(words), "{args:?}: {}", stderr(&out));
    };
    let fails = |args: &[&str], words: &str| ends(2, args, words);
    fails(&["a.fsm", "b.fsm"], "!redis|zset|");
    ends(64, &["a.fsm"], "required");
    fails(&["a.fsm", "none.fsm"], "No such file");
    ends(64, &["lines", "a.fsm", "--scope", "redis:a"], "compared as it was made");
    ends(64, &["a.fsm", "a.fsm", "--as-of", "1,2,3"], "--as-of");
    diff(dir.path(), 3, &["a.fsm", "b.fsm", "--on-error", "skip"]);
    fs::write(dir.path().join("lines/redis/db_0/strings.jsonl"), "{\"key\":\"a\"}\n").unwrap();
    fails(&["lines", "a.fsm"], "strings.jsonl");
    fs::write(dir.path().join("tree/CHECKSUMS"), "nonsense\n").unwrap();
    fails(&["a.fsm", "tree"], "\"CHECKSUMS\": line 1");
    fs::write(dir.path().join("tree/MANIFEST.json"), "{}").unwrap();
    fails(&["a.fsm", "tree"], "not a valid output: MANIFEST.json");
}
