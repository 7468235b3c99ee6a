//! Packed lines in parts: joined they are the complete file, and every reader treats them like it.

use std::collections::BTreeMap;
use std::fs;

use ekvsnap::decode::Options;
use ekvsnap::index::Granularity;
use ekvsnap::output::parts;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::ddb::{V, table};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Tree, packed, run_with, s3};

const CORPORA: [&str; 17] = [
    "dynamodb-nasty",
    "dynamodb-small",
    "empty",
    "expired-retype",
    "incr-poison",
    "mvcc-interleave",
    "prefix-lock",
    "redis-nasty",
    "redis-small",
    "s3-nasty",
    "s3-small",
    "sqs-nasty",
    "sqs-small",
    "sst-two-files",
    "stale-ttl",
    "two-groups",
    "two-groups-pending",
];

/// The tree with joined parts; each part must have the lines of its size.
fn joined(tree: &Tree, size: u64) -> Tree {
    let mut files: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
    for (path, bytes) in tree {
        let number = parts::of(path).map_or(1, |(_, number)| number);
        let before = files.entry(parts::joined(path)).or_default();
        before.push(bytes);
        assert_eq!(before.len(), number as usize, "{}", path.escape_ascii());
    }
    for (file, parts) in files.iter().filter(|(_, parts)| parts.len() > 1) {
        for (at, part) in parts.iter().enumerate() {
            let last_line = part[..part.len() - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            assert!((last_line as u64) < size, "{}: a line too many in part {at}", file.escape_ascii());
            let is_last = at + 1 == parts.len();
            assert!(is_last || part.len() as u64 >= size, "{}: a line too few in part {at}", file.escape_ascii());
        }
    }
    files.into_iter().map(|(file, parts)| (file.to_vec(), parts.concat())).collect()
}

/// Without the data about the files themselves.
fn data(mut tree: Tree) -> Tree {
    tree.remove(&b"MANIFEST.json"[..]).unwrap();
    tree.remove(&b"CHECKSUMS"[..]).unwrap();
    tree
}

#[test]
fn joined_parts_are_the_file() {
    let mut cut = 0;
    for corpus in CORPORA {
        let inputs = snapshots(&load(corpus));
        let options = Options { include_orphans: true, include_sqs_side_records: true, ..packed() };
        let plain = data(run_with(&inputs, &options).unwrap().tree);
        for (size, threads) in [(1, &[3][..]), (40, &[1, 8]), (5000, &[2])] {
            let mut first = None;
            for threads in threads.iter().copied() {
                let granularity = match threads % 2 {
                    0 => Granularity { checkpoint_interval: 1, read_size: 1, task_size: 1 },
                    _ => Granularity::default(),
                };
                let tree =
                    run_with(&inputs, &Options { threads, granularity, part_size: Some(size), ..options.clone() })
                        .unwrap()
                        .tree;
                if let Some(first) = &first {
                    assert!(*first == tree, "{corpus}, parts of {size}, {threads} threads");
                    continue;
                }
                cut += tree.keys().filter(|path| parts::of(path).is_some_and(|(_, number)| number > 1)).count();
                let whole: Vec<_> = plain
                    .keys()
                    .filter(|path| parts::of(&[path, &b"/part-00001.jsonl"[..]].concat()).is_some())
                    .collect();
                let parted = whole.iter().filter(|path| !tree.contains_key(**path)).count();
                let still_whole: Vec<_> = whole
                    .iter()
                    .filter(|path| tree.contains_key(**path))
                    .map(|path| path.escape_ascii().to_string())
                    .collect();
                assert!(still_whole.iter().all(|path| path.ends_with("~.jsonl")), "{corpus}: {still_whole:?}");
                assert!(parted > 0 || whole.is_empty(), "{corpus}");
                assert!(joined(&data(tree.clone()), size) == plain, "{corpus}, parts of {size}");
                first = Some(tree);
            }
        }
    }
    assert!(cut > 1000, "{cut}");
}

/// Names that look like parts and like the folders of parts.
fn clashing() -> Snapshot {
    let mut s = s3::base();
    for name in ["x", "x.jsonl", "part-00001", "part-00001.jsonl", "x.part-00001", "_orphans", "x.jsonl/part-00001"] {
        let table = table(name.as_bytes());
        s = s.table(&table).item(&table, &[V::S("1")], "x").item(&table, &[V::S("2")], "x");
    }
    for key in [
        "_index.jsonl",
        "_index.jsonl/part-00001.jsonl",
        "logs.jsonl/part-00001.jsonl",
        "part-00001.jsonl",
        "logs.jsonl/part-00003.jsonl",
    ] {
        s = s3::put(s, key, "hello");
    }
    for n in 0..5 {
        s = s.put(format!("!redis|str|part-0000{n}.jsonl"), format!("value{n}"));
    }
    s
}

#[test]
fn names_do_not_clash() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let out = ekvsnap(dir.path(), args);
        assert_eq!(code(&out), 0, "{args:?}: {}{}", String::from_utf8_lossy(&out.stdout), stderr(&out));
        out
    };
    fs::write(dir.path().join("s.fsm"), clashing().build()).unwrap();
    run(&["decode", "s.fsm", "-o", "plain", "--layout", "jsonl", "--for-restore"]);
    for size in ["1", "100"] {
        let (out, again, snapshot) = (format!("out{size}"), format!("again{size}"), format!("again{size}.fsm"));
        run(&["decode", "s.fsm", "-o", &out, "--layout", "jsonl", "--for-restore", "--part-size", size]);
        run(&["verify", &out, "--against", "s.fsm"]);
        run(&["diff", &out, "plain"]);
        run(&["encode", &out, "-o", &snapshot]);
        run(&["decode", &snapshot, "-o", &again, "--layout", "jsonl", "--for-restore", "--part-size", size]);
        let read = |name: &str| data(crate::kit::read_tree(&dir.path().join(name)));
        assert!(joined(&read(&out), size.parse().unwrap()) == read("plain"));
        assert!(read(&out) == read(&again));
    }
}
