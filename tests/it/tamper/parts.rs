//! Changes of packed lines in parts.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::folder::{add_row, fix, remove_row};
use super::{Verdict, failures, snapshot};
use crate::kit::command::{code, ekvsnap, stderr};

/// One change of the output at the path; the reports of `verify` alone and against the snapshot, and of `encode`.
struct Row(&'static str, fn(&Path), [Verdict; 3]);

const DIR: &str = "redis/db_0/strings.jsonl";

fn part(number: u32) -> String {
    format!("{DIR}/part-{number:05}.jsonl")
}

fn swap(out: &Path) {
    let [one, two] = [1, 2].map(|n| out.join(part(n)));
    let held = fs::read(&one).unwrap();
    fs::copy(&two, &one).unwrap();
    fs::write(&two, held).unwrap();
}

fn copy(out: &Path, from: &str, number: u32) {
    fs::copy(out.join(from), out.join(part(number))).unwrap();
}

fn remove(out: &Path, number: u32) {
    fs::remove_file(out.join(part(number))).unwrap();
}

const ROWS: &[Row] = &[
    Row("nothing", |_| (), [None, None, None]),
    Row(
        "one is missing",
        |out| remove(out, 2),
        [Some("part-00002.jsonl"), Some("part-00002.jsonl"), Some("part-00003.jsonl")],
    ),
    Row(
        "one is missing, with its row",
        |out| {
            remove(out, 2);
            remove_row(out, &part(2));
        },
        [
            Some("strings.jsonl has 3 parts, but the last one has number 4"),
            Some("part-00002.jsonl"),
            Some("part-00003.jsonl"),
        ],
    ),
    Row(
        "the first one is missing, with its row",
        |out| {
            remove(out, 1);
            remove_row(out, &part(1));
        },
        [Some("strings.jsonl has 3 parts"), Some("part-00001.jsonl"), Some("part 1 is missing")],
    ),
    // What is left looks whole: only the manifest's counts and the snapshot know better.
    Row(
        "the last one is missing, with its row",
        |out| {
            remove(out, 4);
            remove_row(out, &part(4));
        },
        [Some("has 3 strings"), Some("part-00004.jsonl"), Some("the output has 3")],
    ),
    Row(
        "doubled",
        |out| copy(out, &part(2), 5),
        [Some("part-00005.jsonl"), Some("part-00005.jsonl"), Some("part-00005.jsonl")],
    ),
    Row(
        "doubled, with a row",
        |out| {
            copy(out, &part(2), 5);
            add_row(out, &part(5));
        },
        [Some("has 5 strings"), Some("part-00005.jsonl"), Some("the output has 5")],
    ),
    Row("swapped", swap, [Some("part-00001.jsonl"), Some("part-00002.jsonl"), Some("part-0000")]),
    // The same keys: nothing but a fresh decode knows the order.
    Row(
        "swapped, with their rows",
        |out| {
            swap(out);
            fix(out, &part(1));
            fix(out, &part(2));
        },
        [None, Some("part-00001.jsonl"), None],
    ),
    Row(
        "one of another file",
        |out| copy(out, "redis/db_0/hashes.jsonl/part-00001.jsonl", 5),
        [Some("part-00005.jsonl"), Some("part-00005.jsonl"), Some("part-00005.jsonl")],
    ),
    Row(
        "one of another file, with a row",
        |out| {
            copy(out, "redis/db_0/hashes.jsonl/part-00001.jsonl", 5);
            add_row(out, &part(5));
        },
        [Some("has 5 strings"), Some("part-00005.jsonl"), Some("part-00005.jsonl")],
    ),
    Row(
        "a name that no part has",
        |out| {
            let name = format!("{DIR}/part-5.jsonl");
            fs::copy(out.join(part(4)), out.join(&name)).unwrap();
            add_row(out, &name);
        },
        [None, Some("part-5.jsonl"), Some("part-5.jsonl")],
    ),
    Row(
        "cut in a line",
        |out| {
            let (one, two) = (fs::read(out.join(part(1))).unwrap(), fs::read(out.join(part(2))).unwrap());
            fs::write(out.join(part(1)), &one[..9]).unwrap();
            fs::write(out.join(part(2)), [&one[9..], &two].concat()).unwrap();
            fix(out, &part(1));
            fix(out, &part(2));
        },
        [None, Some("part-00001.jsonl"), Some("part-00001.jsonl")],
    ),
];

#[test]
fn every_change_of_parts_has_its_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    snapshot(dir);
    let flags = ["--layout", "jsonl", "--part-size", "1"];
    assert_eq!(code(&ekvsnap(dir, &[&["decode", "s.fsm", "-o", "made"], &flags[..]].concat())), 0);
    let mut wrong = Vec::new();
    for Row(what, change, [alone, against, encode]) in ROWS {
        let copied = Command::new("cp").args(["-a", "made", "out"]).current_dir(dir).status().unwrap();
        assert!(copied.success());
        change(&dir.join("out"));
        wrong.extend(failures(dir, what, "out", *alone, *against));
        let encoded = ekvsnap(dir, &["encode", "out", "-o", "x.fsm"]);
        let text = stderr(&encoded);
        if code(&encoded) != encode.map_or(0, |_| 2) || !text.contains(encode.unwrap_or_default()) {
            wrong.push(format!("{what}: encode: code {}, wanted {encode:?}: {text}", code(&encoded)));
        }
        fs::remove_dir_all(dir.join("out")).unwrap();
        fs::remove_file(dir.join("x.fsm")).ok();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `get` reads only the parts of one file.
#[test]
fn get_proves_parts() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    snapshot(dir);
    let flags = ["--layout", "jsonl", "--part-size", "1"];
    for (change, want) in [
        ((|_| ()) as fn(&Path), None),
        (|out| remove(out, 2), Some("part-00002.jsonl")),
        (|out| remove_row(out, &part(2)), Some("part-00003.jsonl")),
        (|out| copy(out, &part(2), 5), Some("part-00005.jsonl")),
        (swap, Some("part-00001.jsonl")),
    ] {
        assert_eq!(code(&ekvsnap(dir, &[&["decode", "s.fsm", "-o", "out"], &flags[..]].concat())), 0);
        change(&dir.join("out"));
        let got = ekvsnap(dir, &["get", "out", "redis:s3"]);
        assert_eq!(code(&got), if want.is_some() { 2 } else { 0 }, "{}", stderr(&got));
        match want {
            None => assert_eq!(got.stdout, b"\0value3"),
            Some(want) => assert!(stderr(&got).contains(want), "{}", stderr(&got)),
        }
        fs::remove_dir_all(dir.join("out")).unwrap();
    }
}
