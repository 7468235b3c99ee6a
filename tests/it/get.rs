//! `get`: every object of every corpus equals the result of a complete decode, and the history of its rows.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use ekvsnap::decode::{Layout, Options, Silent, decode, on_threads};
use ekvsnap::format::adapter;
use ekvsnap::get::get;
use ekvsnap::index::Granularity;
use ekvsnap::objects::{Object, of_snapshots};
use ekvsnap::options::ObjectName;
use ekvsnap::source::Source;
use serde_json::Value;

use crate::kit::build::{NOW, Snapshot, sized};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::ddb::{V, table};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::fs as kit_fs;
use crate::kit::{Tree, decoded, packed};

fn one_of(object: &Object<'_>) -> Option<ObjectName> {
    let Object { adapter, scope, kind, key, range, .. } = *object;
    let (name, rest) = match (adapter, kind) {
        (_, "tables" | "buckets" | "queues" | "directories") => return None,
        // Of a path that is not UTF-8 only the bytes can be had.
        (adapter::FS, _) if std::str::from_utf8(key).is_err() => return None,
        (adapter::REDIS | adapter::FS, _) => (key.to_vec(), None),
        // Scopes are encoded names; those of the corpora need no encoding.
        _ => {
            let range = range.map(|range| [b"/", range].concat()).unwrap_or_default();
            (scope.as_bytes().to_vec(), Some([key, &range].concat()))
        }
    };
    Some(ObjectName { adapter, name, rest })
}

fn gotten(source: &[Source], one: &ObjectName, layout: Layout) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let options = Options { layout, ..Options::default() };
    get(source, one, &options, &Silent, &mut out).unwrap().then_some(out)
}

/// The files of a packed output that have lines. (A file of a file system may have a terabyte of holes.)
fn packed_lines(source: &[Source]) -> Tree {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out");
    decode(source, &target, &packed(), &Silent).unwrap();
    let (mut lines, mut folders) = (Tree::new(), vec![target.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false if entry.path().extension().is_some_and(|extension| extension == "jsonl") => {
                    let path = entry.path().strip_prefix(&target).unwrap().as_os_str().as_bytes().to_vec();
                    lines.insert(path, fs::read(entry.path()).unwrap());
                }
                false => {}
            }
        }
    }
    lines
}

/// Lines of packed files by their object.
fn lines_of(tree: &Tree, object: &Object<'_>) -> Vec<u8> {
    let Object { adapter, scope, kind, key, range, .. } = *object;
    let path = match adapter {
        adapter::REDIS => format!("redis/{scope}/{kind}.jsonl"),
        adapter::DYNAMODB => format!("dynamodb/{scope}.jsonl"),
        adapter::S3 => format!("s3/{scope}/_index.jsonl"),
        adapter::SQS => format!("sqs/{scope}.jsonl"),
        _ => "fs/metadata.jsonl".into(),
    };
    let text = |value: &Value| value.as_str().map(str::as_bytes).map(<[u8]>::to_vec);
    let envelope = |value: &Value| {
        use base64::Engine as _;
        let base64 = value["base64"].as_str().map(|text| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text));
        base64.map_or_else(|| text(value), Result::ok)
    };
    let is_it = |line: &&[u8]| {
        let line: Value = serde_json::from_slice(line).unwrap();
        match adapter {
            adapter::REDIS | adapter::S3 => envelope(&line["key"]).as_deref() == Some(key),
            adapter::SQS => text(&line["message_id"]).as_deref() == Some(key),
            adapter::DYNAMODB => {
                // So are the key attributes named in the corpora.
                let item = &line["Item"];
                let hash = key_value(&item["pk"]).or_else(|| key_value(&item["id"]));
                hash.as_deref() == Some(key)
                    && range.is_none_or(|range| key_value(&item["sk"]).as_deref() == Some(range))
            }
            _ => text(&line["path"]).as_deref() == Some(key),
        }
    };
    tree[path.as_bytes()].split_inclusive(|b| *b == b'\n').filter(is_it).collect::<Vec<_>>().concat()
}

/// A single object has no path.
fn without_path(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let (before, rest) = line.split_once(",\"path\":").unwrap();
    format!("{before}{}", &rest[rest.find(",\"etag\"").unwrap()..])
}

fn key_value(value: &Value) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let (kind, value) = value.as_object()?.iter().next()?;
    match (kind.as_str(), value.as_str()?) {
        ("B", base64) => base64::engine::general_purpose::STANDARD.decode(base64).ok(),
        (_, text) => Some(text.as_bytes().to_vec()),
    }
}

fn check(corpus: &str) {
    let bytes = snapshots(&load(corpus)).remove(0);
    let mut asked = Vec::new();
    let source = [Source::from_bytes("x.fsm", bytes)];
    let lines = packed_lines(&source);
    of_snapshots(&source, &Options::default(), false, &Silent, &mut |object| {
        asked.extend(one_of(object).map(|one| (one, lines_of(&lines, object))));
        Ok(())
    })
    .unwrap();
    assert!(asked.len() > 20, "{corpus}");
    for (one, want) in &asked {
        let got = gotten(&source, one, Layout::JSONL).unwrap_or_default();
        assert!(!want.is_empty());
        let want = if one.adapter == adapter::S3 { without_path(want) } else { String::from_utf8_lossy(want).into() };
        assert_eq!(String::from_utf8_lossy(&got), want, "{corpus}: {one:?}");
    }
}

#[test]
fn every_line() {
    for corpus in ["redis-small", "redis-nasty", "dynamodb-small", "s3-small", "sqs-small", "fs-small"] {
        check(corpus);
    }
}

/// The files of a tree, if their names show the object.
#[test]
fn every_file() {
    let whole = |corpus: &str| decoded(snapshots(&load(corpus)).remove(0)).tree;
    for (corpus, begin, end) in [
        ("s3-small", "s3/bucket-one/", ""),
        ("redis-small", "redis/db_0/strings/", ".bin"),
        ("redis-small", "redis/db_0/hashes/", ".json"),
        ("dynamodb-small", "dynamodb/hashrange/items/", ".json"),
    ] {
        let source = [Source::from_bytes("x.fsm", snapshots(&load(corpus)).remove(0))];
        let mut files = 0;
        for (path, body) in &whole(corpus) {
            let Ok(path) = std::str::from_utf8(path) else { continue };
            let Some(name) = path.strip_prefix(begin).and_then(|name| name.strip_suffix(end)) else { continue };
            let special = [".elastickv-", "_bucket", "%", "__", "_encoded", "KEYMAP", "b64."];
            if special.iter().any(|mark| name.contains(mark)) || body.len() > 8 << 20 {
                continue;
            }
            let name = name.as_bytes().to_vec();
            let one = match begin.split('/').next().unwrap() {
                "s3" => ObjectName { adapter: adapter::S3, name: b"bucket-one".to_vec(), rest: Some(name) },
                "redis" => ObjectName { adapter: adapter::REDIS, name, rest: None },
                _ => ObjectName { adapter: adapter::DYNAMODB, name: b"hashrange".to_vec(), rest: Some(name) },
            };
            assert!(gotten(&source, &one, Layout::TREE).as_ref() == Some(body), "{path}");
            files += 1;
        }
        assert!(files > 1, "{begin}: {files}");
    }
}

#[test]
fn what_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.fsm"), Snapshot::new().put("!redis|str|k", "v").build()).unwrap();
    for (key, want, words) in [
        ("redis:k", 0, ""),
        ("redis:kk", 1, "not found in the snapshot: "),
        ("dynamodb:t/x", 1, "not found in the snapshot: "),
        ("s3:b/x", 1, "not found in the snapshot: "),
        ("sqs:q", 1, "not found in the snapshot: "),
        ("fs:/x", 1, "not found in the snapshot: "),
        ("k", 64, "want ADAPTER:KEY"),
        ("s3:b", 64, "want s3:BUCKET/KEY"),
    ] {
        for flags in [&[][..], &["--json"], &["--versions"]] {
            let out = ekvsnap(dir.path(), &[&["get", "x.fsm", key], flags].concat());
            assert_eq!(code(&out), want, "{key} {flags:?}: {}", stderr(&out));
            assert!(stderr(&out).contains(words), "{key}: {}", stderr(&out));
        }
    }
}

/// A path that is not UTF-8 can be asked for, in every form of answer.
#[test]
fn paths_of_any_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = OsStr::from_bytes(b"fs:/\xff[*]/f");
    let inner = kit_fs::name(kit_fs::dir(kit_fs::base(1), 2, 1), 1, b"\xff[*]", 2, "dir");
    let file =
        kit_fs::chunk(kit_fs::put(kit_fs::name(inner, 2, "f", 3, "file"), 3, &kit_fs::inode(3, 4)), 3, 0, "text");
    fs::write(dir.path().join("x.fsm"), file.build()).unwrap();
    for (flag, want) in [(None, "text"), (Some("--json"), "path_b64"), (Some("--versions"), "!fs|ino|")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
        let out = command.current_dir(dir.path()).args(["get", "x.fsm"]).arg(path).args(flag).output().unwrap();
        assert_eq!(code(&out), 0, "{flag:?}: {}", stderr(&out));
        assert!(
            String::from_utf8_lossy(&out.stdout).contains(want),
            "{flag:?}: {}",
            String::from_utf8_lossy(&out.stdout)
        );
    }
}

#[test]
fn keys_of_any_bytes_and_kinds() {
    let dir = tempfile::tempdir().unwrap();
    let (binary, loose) = (table(b"bin").types("B", Some("N")), table(b"loose"));
    let s = Snapshot::new().put(b"!redis|str|\0\xfe".as_slice(), "binary").put("!redis|str|base64:AP8", "literal");
    let s = s.table(&binary).item(&binary, &[V::B(b"\0\x01"), V::N("1.5")], "b").table(&loose);
    let s = s.item(&loose, &[V::N("7")], "number").item(&loose, &[V::S("a/b")], "slash");
    fs::write(dir.path().join("x.fsm"), s.build()).unwrap();
    let get = |key: &str| {
        let out = ekvsnap(dir.path(), &["get", "x.fsm", key]);
        assert_eq!(code(&out), 0, "{key}: {}", stderr(&out));
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(get("redis:base64:YmFzZTY0OkFQOA"), "literal");
    assert_eq!(get("redis:base64:AP4"), "binary");
    for (key, mark) in [
        ("dynamodb:bin/base64:AAE/1.5", "\"b\""),
        ("dynamodb:bin/base64:AAE/15e-1", "\"b\""),
        ("dynamodb:loose/7", "\"number\""),
        ("dynamodb:loose/a/b", "\"slash\""),
    ] {
        assert!(get(key).contains(mark), "{key}: {}", get(key));
    }
}

/// History, across inputs and in both kinds of stream.
#[test]
fn versions() {
    let at = |n: u64| NOW + (n << 16);
    let s = Snapshot::new().put_at(at(1), "!redis|str|k", "1").delete_at(at(2), "!redis|str|k");
    let s = s.put_at(at(3), sized("!hs|fld|", "k", "f"), "x").put_at(at(3), "!redis|str|k\0", "other");
    let s = s.put_at(at(4), "!redis|str|kk", "other").put_at(at(5), "!redis|ttl|k", 9u64.to_be_bytes());
    let second = Snapshot::new().put_at(at(6), "!redis|str|k", "second");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.fsm"), s.build()).unwrap();
    fs::write(dir.path().join("y.fsm"), second.build()).unwrap();
    let history = |flags: &[&str]| -> Vec<(u64, String, String)> {
        let out = ekvsnap(dir.path(), &[&["get", "x.fsm", "y.fsm", "redis:k", "--versions", "--json"], flags].concat());
        assert_eq!(code(&out), 0, "{}", stderr(&out));
        let text = String::from_utf8(out.stdout).unwrap();
        let line = |line: &str| {
            let event: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            ((text("commit_ts").parse::<u64>().unwrap() - NOW) >> 16, text("op"), text("family"))
        };
        text.lines().map(line).collect()
    };
    let row = |n: u64, op: &str, family: &str| (n, op.to_owned(), family.to_owned());
    let all = [
        row(6, "put", "!redis|str|"),
        row(5, "put", "!redis|ttl|"),
        row(3, "put", "!hs|fld|"),
        row(2, "delete", "!redis|str|"),
        row(1, "put", "!redis|str|"),
    ];
    assert_eq!(history(&[]), all);
    assert_eq!(history(&["--as-of", &at(2).to_string()]), all[3..]);
    let out = ekvsnap(dir.path(), &["get", "x.fsm", "redis:k", "--versions"]);
    insta::assert_snapshot!("get --versions", String::from_utf8(out.stdout).unwrap());
}

/// Where every row is a seam, an object is still found whole.
#[test]
fn with_tiny_pieces() {
    let mut snapshot = Snapshot::new();
    let mut want = BTreeMap::new();
    for n in 0..200u32 {
        let key = "k".repeat(n as usize % 20) + &n.to_string();
        snapshot = snapshot.put(format!("!redis|str|{key}"), key.as_bytes());
        want.insert(key.clone(), key);
    }
    let source = [Source::from_bytes("x.fsm", snapshot.build())];
    let options = Options {
        granularity: Granularity { checkpoint_interval: 1, read_size: 1, task_size: 1 },
        ..Options::default()
    };
    on_threads(2, || {
        for (key, value) in &want {
            let one = ObjectName { adapter: adapter::REDIS, name: key.as_bytes().to_vec(), rest: None };
            let mut out = Vec::new();
            assert!(get(&source, &one, &options, &Silent, &mut out).unwrap(), "{key}");
            assert_eq!(out, value.as_bytes());
        }
    })
    .unwrap();
}
