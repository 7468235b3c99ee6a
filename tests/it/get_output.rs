//! `get` from outputs: the same bytes as from the snapshot, and no file that does not match CHECKSUMS.

use std::fs;
use std::path::Path;

use ekvsnap::decode::{Layout, Options, Silent};
use ekvsnap::diff::Side;
use ekvsnap::format::adapter;
use ekvsnap::get::{get, get_from_output};
use ekvsnap::objects::{Object, of_snapshots};
use ekvsnap::options::ObjectName;
use ekvsnap::output::reading::{Named, look};
use ekvsnap::source::Source;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::ddb::{V, item, table};
use crate::kit::fixtures::{load, snapshots};

const LAYOUTS: [(&str, &[&str]); 7] = [
    ("tree", &[]),
    ("lines", &["--layout", "jsonl"]),
    ("bundles", &["--dynamodb-bundle-mode", "jsonl"]),
    ("tree.tar.zst", &[]),
    ("lines.tar.gz", &["--layout", "jsonl"]),
    ("parts", &["--layout", "jsonl", "--part-size", "1"]),
    ("parts.tar", &["--layout", "jsonl", "--part-size", "300"]),
];

/// The name of an object as a user would type it; there are several spellings.
fn one_of(object: &Object<'_>) -> Option<ObjectName> {
    let Object { adapter, scope, kind, key, range, .. } = *object;
    let (name, rest) = match (adapter, kind) {
        (_, "queues") => (scope.as_bytes().to_vec(), None),
        (_, "tables" | "buckets" | "directories") => return None,
        (adapter::REDIS | adapter::FS, _) => (key.to_vec(), None),
        _ => {
            let range = range.map(|range| [b"/", range].concat()).unwrap_or_default();
            (scope.as_bytes().to_vec(), Some([key, &range].concat()))
        }
    };
    Some(ObjectName { adapter, name, rest })
}

/// A sample of the names in a snapshot: all of small ones.
pub fn names(source: &[Source]) -> Vec<ObjectName> {
    let mut names = Vec::new();
    of_snapshots(source, &Options::default(), false, &Silent, &mut |object| {
        // Not for files with holes only: `size` counts stored bytes, but a terabyte of zeros would be in memory here.
        names.extend(one_of(object).filter(|one| !one.name.starts_with(b"sparse/huge")));
        Ok(())
    })
    .unwrap();
    let step = names.len().div_ceil(60);
    names.into_iter().step_by(step).collect()
}

fn from_snapshot(source: &[Source], one: &ObjectName, layout: Layout) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let options = Options { layout, ..Options::default() };
    // Of a directory there is no file.
    get(source, one, &options, &Silent, &mut out).ok()?.then_some(out)
}

fn from_output(path: &Path, one: &ObjectName, lines: bool) -> Option<Vec<u8>> {
    let Named::Output(output) = look(path).unwrap() else { panic!("not an output") };
    let Side::Output(path, manifest) = Side::output(output).unwrap() else { panic!("not an output") };
    let mut out = Vec::new();
    get_from_output(&path, &manifest, one, lines, &mut out).ok()?.then_some(out)
}

/// Lines of a file system without the names that files have in the tree.
fn without_tree(lines: &Option<Vec<u8>>) -> Option<Vec<serde_json::Value>> {
    let lines = lines.as_ref()?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let parsed = lines.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap());
    let without = parsed.map(|mut line| {
        line.as_object_mut().unwrap().retain(|name, _| !["tree", "tree_b64"].contains(&&**name));
        line
    });
    Some(without.collect())
}

#[test]
fn same_bytes() {
    for corpus in [
        "redis-small",
        "redis-nasty",
        "dynamodb-small",
        "dynamodb-nasty",
        "s3-small",
        "s3-nasty",
        "sqs-small",
        "sqs-nasty",
        "fs-small",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let bytes = snapshots(&load(corpus)).remove(0);
        fs::write(dir.path().join("x.fsm"), &bytes).unwrap();
        let source = [Source::from_bytes("x.fsm", bytes)];
        let names = names(&source);
        assert!(names.len() > 10, "{corpus}: {}", names.len());
        let want = |layout| names.iter().map(|one| from_snapshot(&source, one, layout)).collect::<Vec<_>>();
        let (files, lines) = (want(Layout::TREE), want(Layout::JSONL));
        for (target, flags) in LAYOUTS {
            let out = ekvsnap(dir.path(), &[&["decode", "x.fsm", "-o", target], flags].concat());
            assert_eq!(code(&out), 0, "{}", stderr(&out));
            let path = dir.path().join(target);
            // A pass over an archive for each name takes its time.
            let step = if target.contains('.') { 6 } else { 1 };
            for ((one, file), line) in names.iter().zip(&files).zip(&lines).step_by(step) {
                let what = format!("{corpus}, {target}: {}", one.words());
                assert!(&from_output(&path, one, false) == file, "{what}");
                let found = from_output(&path, one, true);
                // An archive keeps files under their raw names, so its lines have other names in the tree.
                let is_raw = target.contains('.') && one.adapter == adapter::FS;
                let same = if is_raw { without_tree(&found) == without_tree(line) } else { &found == line };
                assert!(same, "{what} as a line");
            }
        }
    }
}

fn small() -> Snapshot {
    let items = table(b"t").types("S", Some("S"));
    let snapshot = Snapshot::new()
        .put("!redis|str|k", "v")
        .put("!redis|str|other", "w")
        .put(b"!redis|str|\xfb\xff".as_slice(), "b");
    snapshot.table(&items).item(&items, &[V::S("p"), V::S("s")], "item")
}

/// Outputs of a snapshot by their names, and the result of `get` for one name from each.
fn from_each(snapshot: &[u8], key: &str) -> Vec<(&'static str, i32, String, String)> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.fsm"), snapshot).unwrap();
    let get = |from: &'static str| {
        let out = ekvsnap(dir.path(), &["get", from, key]);
        (from, code(&out), String::from_utf8_lossy(&out.stdout).into_owned(), stderr(&out))
    };
    let mut all = vec![get("x.fsm")];
    for (target, flags) in LAYOUTS {
        let out = ekvsnap(dir.path(), &[&["decode", "x.fsm", "-o", target], flags].concat());
        assert_eq!(code(&out), 0, "{}", stderr(&out));
        all.push(get(target));
    }
    all
}

/// Names that look like those of other files, and objects without bytes.
#[test]
fn odd_names_and_empty_ones() {
    let field = load("field");
    for (file, key, want, value) in [
        ("s3-metasuffix.fsm", "s3:b/x.elastickv-meta.json", 0, Some("hello")),
        ("s3-metasuffix.fsm", "s3:b/x.elastickv-meta.json.elastickv-meta.json", 1, Some("")),
        ("s3-metasuffix.fsm", "s3:b/y", 1, Some("")),
        ("sqs-empty.fsm", "sqs:empty", 0, Some("")),
        ("sqs-empty.fsm", "sqs:empty/id", 1, Some("")),
        ("sqs-empty.fsm", "sqs:none", 1, Some("")),
        ("get-warn.fsm", "s3:b/o", 0, None),
        ("get-warn.fsm", "sqs:q", 0, None),
    ] {
        let all = from_each(&field[file], key);
        let first = all[0].2.clone();
        for (from, code, out, words) in all {
            assert_eq!(code, want, "{key} of {from}: {words}");
            assert_eq!(out, value.unwrap_or(&first), "{key} of {from}");
            assert_eq!(words.contains("not found"), want == 1, "{key} of {from}: {words}");
        }
    }
}

/// Items whose file has another item's name, and texts that are equal only as numbers, or only as texts.
#[test]
fn items_that_are_alike() {
    let (new, old, text) = (table(b"new"), table(b"old").version(0).types("N", None), table(b"text"));
    let both = table(b"both").types("S", Some("N"));
    let snapshot = Snapshot::new().table(&new).item(&new, &[V::N("1.0")], "number").item(&new, &[V::S("2.0")], "text");
    let snapshot = snapshot.table(&old).item(&old, &[V::N("1")], "regular").item(&old, &[V::N("1.0")], "renamed");
    let snapshot = snapshot.table(&text).item(&text, &[V::S("1")], "text").item(&text, &[V::N("2")], "number");
    let snapshot = snapshot.table(&both).item(&both, &[V::S("a/b"), V::N("5")], "number");
    let snapshot =
        snapshot.item(&both, &[V::S("a"), V::S("b/5")], "text").item(&both, &[V::N("7"), V::S("5")], "renamed");
    let snapshot = snapshot.item(&both, &[V::S("7"), V::N("5")], "plain").build();
    for (key, want) in [
        ("new/1", Some("number")),
        ("new/1.00", Some("number")),
        ("new/2.0", Some("text")),
        ("new/2", None),
        ("old/1", Some("regular")),
        ("old/1.0", Some("renamed")),
        ("old/1.00", None),
        ("text/1", Some("text")),
        ("text/1.0", None),
        ("text/2.0", Some("number")),
        ("both/a/b/6", None),
        ("both/7/5.0", Some("plain")),
        ("both/7", None),
    ] {
        for (from, code, out, words) in from_each(&snapshot, &format!("dynamodb:{key}")) {
            assert_eq!(code, i32::from(want.is_none()), "{key} of {from}: {words}");
            assert!(out.contains(want.unwrap_or_default()), "{key} of {from}: {out}");
        }
    }
}

/// What a decode of the item warns of is on standard error.
#[test]
fn warnings_of_items() {
    let t = table(b"t");
    let untyped = item(&[("pk", V::S("k")), ("v", V::Unset)]);
    let snapshot = Snapshot::new().table(&t).put(t.key(&[V::S("other")]), untyped).item(&t, &[V::S("sound")], "x");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.fsm"), snapshot.build()).unwrap();
    for (key, words) in [("other", &["ddb_key_mismatch (1)", "ddb_untyped_values (1)"][..]), ("sound", &[])] {
        for flags in [&[][..], &["--json"]] {
            let out = ekvsnap(dir.path(), &[&["get", "x.fsm", &format!("dynamodb:t/{key}")], flags].concat());
            assert_eq!(code(&out), 0, "{}", stderr(&out));
            assert_eq!(stderr(&out).matches("warning: ").count(), words.len(), "{}", stderr(&out));
            assert!(words.iter().all(|word| stderr(&out).contains(word)), "{}", stderr(&out));
            assert!(!String::from_utf8_lossy(&out.stdout).contains("warning"));
        }
    }
}

/// What is not as CHECKSUMS says is no answer.
#[test]
fn only_what_is_proven() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.fsm"), small().build()).unwrap();
    let get = |key: &str| ekvsnap(dir.path(), &["get", "out", key]);
    let file = dir.path().join("out/redis/db_0/strings/k.bin");
    let sums = dir.path().join("out/CHECKSUMS");
    type Fault<'f> = (&'f str, &'f dyn Fn());
    let faults: [Fault<'_>; 4] = [
        ("differs from its digest", &|| fs::write(&file, "V").unwrap()),
        ("it is missing", &|| fs::remove_file(&file).unwrap()),
        ("CHECKSUMS does not list it", &|| {
            let kept = fs::read_to_string(&sums).unwrap();
            let kept: Vec<&str> = kept.lines().filter(|line| !line.ends_with("k.bin")).collect();
            fs::write(&sums, kept.join("\n")).unwrap();
        }),
        ("no CHECKSUMS", &|| fs::remove_file(&sums).unwrap()),
    ];
    for (words, fault) in faults {
        let made = ekvsnap(dir.path(), &["decode", "x.fsm", "-o", "out", "--force"]);
        assert_eq!(code(&made), 0, "{}", stderr(&made));
        assert_eq!(get("redis:k").stdout, b"v");
        fault();
        let out = get("redis:k");
        assert_eq!((code(&out), &*out.stdout), (2, &b""[..]), "{words}");
        assert!(stderr(&out).contains(words), "{words}: {}", stderr(&out));
        fs::remove_dir_all(dir.path().join("out")).unwrap();
    }
}

/// What is asked wrongly or is not there, of snapshots and of outputs.
#[test]
fn words() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.fsm"), small().build()).unwrap();
    for (target, flags) in [("tree", &[][..]), ("part", &["--scope", "redis:k"]), ("lines", &["--layout", "jsonl"])] {
        let out = ekvsnap(dir.path(), &[&["decode", "x.fsm", "-o", target], flags].concat());
        assert_eq!(code(&out), 0, "{}", stderr(&out));
    }
    for (args, want, words) in [
        (&["x.fsm", "dynamodb:t/p"][..], 1, "range key, name that too: dynamodb:TABLE/PK/SK"),
        (&["tree", "dynamodb:t/p"], 1, "range key, name that too: dynamodb:TABLE/PK/SK"),
        (&["lines", "dynamodb:t/p"], 1, "range key, name that too: dynamodb:TABLE/PK/SK"),
        (&["tree", "dynamodb:t/p/s"], 0, ""),
        (&["lines", "dynamodb:t/p/s"], 0, ""),
        (&["tree", "redis:none"], 1, "not found in the output: redis key \"none\""),
        (&["part", "redis:other"], 1, "it is a part of the snapshot: only redis; scope redis:k"),
        (&["part", "redis:k"], 0, ""),
        (&["x.fsm", "redis:base64:-_8="], 0, ""),
        (&["tree", "redis:base64:-_8="], 0, ""),
        (&["lines", "redis:base64:+/8="], 0, ""),
        (&["lines", "redis:base64:+/8"], 0, ""),
        (&["lines", "redis:k", "--json"], 0, ""),
        (&["tree", "redis:k", "--json"], 0, ""),
        (&["tree", "redis:none", "--json"], 1, "not found in the output"),
        (&["tree", "redis:k", "--versions"], 64, "are for snapshots"),
        (&["tree", "redis:k", "--as-of", "2026-01-01"], 64, "are for snapshots"),
        (&["tree", "redis:k", "--on-error", "skip"], 64, "are for snapshots"),
        (&["tree", "x.fsm", "redis:k"], 64, "must be the only input"),
    ] {
        let out = ekvsnap(dir.path(), &[&["get"], args].concat());
        assert_eq!(code(&out), want, "{args:?}: {}", stderr(&out));
        assert!(stderr(&out).contains(words), "{args:?}: {}", stderr(&out));
    }
}
