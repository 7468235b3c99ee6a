//! `get` from outputs: the same bytes as from the snapshot, and nothing that CHECKSUMS does not prove.

use std::fs;
use std::path::Path;

use ekvsnap::decode::one::One;
use ekvsnap::decode::{Layout, Options, Silent};
use ekvsnap::diff::Side;
use ekvsnap::format::Adapter;
use ekvsnap::get::{get, get_from_output};
use ekvsnap::objects::{Object, of_snapshots};
use ekvsnap::output::reading::{Named, look};
use ekvsnap::source::Source;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::ddb::{V, table};
use crate::kit::fixtures::{load, snapshots};

const LAYOUTS: [(&str, &[&str]); 5] = [
    ("tree", &[]),
    ("lines", &["--layout", "jsonl"]),
    ("bundles", &["--dynamodb-bundle-mode", "jsonl"]),
    ("tree.tar.zst", &[]),
    ("lines.tar.gz", &["--layout", "jsonl"]),
];

/// The name of an object, as a person would type it; several spellings of it exist.
fn one_of(object: &Object<'_>) -> Option<One> {
    let Object { adapter, scope, kind, key, range, .. } = *object;
    let (name, rest) = match (adapter, kind) {
        (_, "queues") => (scope.as_bytes().to_vec(), None),
        (_, "tables" | "buckets" | "directories") => return None,
        (Adapter::Redis | Adapter::Fs, _) => (key.to_vec(), None),
        _ => {
            let range = range.map(|range| [b"/", range].concat()).unwrap_or_default();
            (scope.as_bytes().to_vec(), Some([key, &range].concat()))
        }
    };
    Some(One { adapter, name, rest })
}

/// A sample of the names in a snapshot: all of small ones.
pub fn names(source: &[Source]) -> Vec<One> {
    let mut names = Vec::new();
    of_snapshots(source, &Options::default(), false, &Silent, &mut |object| {
        // Files of holes alone: `size` counts what is stored, but a terabyte of zeros would be held here.
        names.extend(one_of(object).filter(|one| !one.name.starts_with(b"sparse/huge")));
        Ok(())
    })
    .unwrap();
    let step = names.len().div_ceil(60);
    names.into_iter().step_by(step).collect()
}

fn from_snapshot(source: &[Source], one: &One, layout: Layout) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let options = Options { layout, ..Options::default() };
    // Of a directory there is no file.
    get(source, one, &options, &Silent, &mut out).ok()?.then_some(out)
}

fn from_output(path: &Path, one: &One, lines: bool) -> Option<Vec<u8>> {
    let Named::Output(output) = look(path).unwrap() else { panic!("no output") };
    let Side::Output(path, manifest) = Side::output(output).unwrap() else { panic!("no output") };
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
        let (files, lines) = (want(Layout::Tree), want(Layout::Packed));
        for (target, flags) in LAYOUTS {
            let out = ekvsnap(dir.path(), &[&["decode", "x.fsm", "-o", target], flags].concat());
            assert_eq!(code(&out), 0, "{}", stderr(&out));
            let path = dir.path().join(target);
            // A pass over an archive for each name takes its time.
            let step = if target.contains('.') { 6 } else { 1 };
            for ((one, file), line) in names.iter().zip(&files).zip(&lines).step_by(step) {
                let what = format!("{corpus}, {target}: {}", one.words());
                assert!(&from_output(&path, one, false) == file, "{what}");
                if target.contains("lines") {
                    let found = from_output(&path, one, true);
                    // An archive keeps files under their raw names, so its lines tell of other names in the tree.
                    let is_raw = target.contains('.') && one.adapter == Adapter::Fs;
                    let same = if is_raw { without_tree(&found) == without_tree(line) } else { &found == line };
                    assert!(same, "{what} as a line");
                }
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
        (&["part", "redis:other"], 1, "it is a part of the snapshot: only redis; --scope redis:k"),
        (&["part", "redis:k"], 0, ""),
        (&["x.fsm", "redis:base64:-_8="], 0, ""),
        (&["tree", "redis:base64:-_8="], 0, ""),
        (&["lines", "redis:base64:+/8="], 0, ""),
        (&["lines", "redis:base64:+/8"], 0, ""),
        (&["lines", "redis:k", "--json"], 0, ""),
        (&["tree", "redis:k", "--json"], 64, "leave out --json"),
        (&["tree", "redis:k", "--versions"], 64, "are for snapshots"),
        (&["tree", "redis:k", "--as-of", "2026-01-01"], 64, "are for snapshots"),
        (&["tree", "redis:k", "--on-error", "skip"], 64, "are for snapshots"),
        (&["tree", "x.fsm", "redis:k"], 64, "read alone"),
    ] {
        let out = ekvsnap(dir.path(), &[&["get"], args].concat());
        assert_eq!(code(&out), want, "{args:?}: {}", stderr(&out));
        assert!(stderr(&out).contains(words), "{args:?}: {}", stderr(&out));
    }
}
