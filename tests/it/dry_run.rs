//! `decode --dry-run`: its numbers are those of a decode, and nothing is written.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};

/// Files, directories with the root, bytes, and bytes in whole blocks.
fn measured(root: &Path) -> [u64; 4] {
    let (mut all, mut todo) = ([0, 1, 0, 4096], vec![root.to_path_buf()]);
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let (path, meta) = entry.map(|e| (e.path(), e.metadata().unwrap())).unwrap();
            let [files, directories, bytes, blocks] = &mut all;
            if meta.is_dir() {
                *directories += 1;
                *blocks += 4096;
                todo.push(path);
            } else {
                *files += 1;
                *bytes += meta.len();
                *blocks += meta.len().next_multiple_of(4096);
            }
        }
    }
    all
}

#[test]
fn the_figures_are_those_of_a_real_run() {
    for corpus in ["redis-small", "dynamodb-small", "s3-nasty", "sqs-small", "empty"] {
        for flags in
            [&["--layout", "tree"][..], &["--layout", "jsonl"], &["--include-orphans", "--exclude", "redis:h*"]]
        {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("x.fsm"), &snapshots(&load(corpus))[0]).unwrap();
            let dry = ekvsnap(dir.path(), &[&["decode", "x.fsm", "--dry-run", "--json"], flags].concat());
            assert_eq!(code(&dry), 0, "{}", stderr(&dry));
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something was written");
            let summary: Value =
                serde_json::from_slice(dry.stdout.split(|b| *b == b'\n').rev().nth(1).unwrap()).unwrap();
            let said =
                ["files", "directories", "bytes", "disk_bytes"].map(|name| summary["needs"][name].as_u64().unwrap());
            let real = ekvsnap(dir.path(), &[&["decode", "x.fsm", "-o", "out"], flags].concat());
            assert_eq!(code(&real), 0, "{}", stderr(&real));
            assert_eq!(said, measured(&dir.path().join("out")), "{corpus} {flags:?}");
        }
    }
}

#[test]
fn words_and_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.fsm"), &snapshots(&load("redis-nasty"))[0]).unwrap();
    let dry = ekvsnap(dir.path(), &["decode", "x.fsm", "--dry-run", "--strict"]);
    assert_eq!(code(&dry), 4);
    assert!(stderr(&dry).contains("nothing written; a directory would have"), "{}", stderr(&dry));
    fs::write(dir.path().join("x.fsm"), "no snapshot").unwrap();
    assert_eq!(code(&ekvsnap(dir.path(), &["decode", "x.fsm", "--dry-run"])), 2);
    assert_eq!(code(&ekvsnap(dir.path(), &["decode", "x.fsm"])), 64, "an output or --dry-run is needed");
}
