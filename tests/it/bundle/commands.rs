//! Every command on a bundle does the same as on the same rows in the plain form.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::kit::build::{NOW, Snapshot};
use crate::kit::bundle::{Parts, TINY, blocks_of, bundle_of};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::read_tree;

/// A directory with the same rows as `plain.fsm` and as `bundle.fsm`.
fn both() -> tempfile::TempDir {
    let plain = &snapshots(&load("redis-nasty"))[0];
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("plain.fsm"), plain).unwrap();
    fs::write(dir.path().join("bundle.fsm"), bundle_of(plain, TINY)).unwrap();
    dir
}

#[track_caller]
fn fine(output: Output) -> String {
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The same texts, except for the name of the input.
#[track_caller]
fn same(dir: &Path, command: &[&str]) {
    let run = |input: &str| {
        let args: Vec<&str> = command.iter().map(|arg| if *arg == "INPUT" { input } else { arg }).collect();
        fine(ekvsnap(dir, &args)).replace(input, "INPUT")
    };
    let (plain, bundle) = (run("plain.fsm"), run("bundle.fsm"));
    assert!(plain == bundle && !plain.is_empty(), "{command:?}: {plain}\n{bundle}");
}

#[test]
fn what_is_looked_up() {
    let dir = both();
    fine(ekvsnap(dir.path(), &["decode", "plain.fsm", "-o", "keys", "--layout", "jsonl"]));
    let lines = fs::read_to_string(dir.path().join("keys/redis/db_0/strings.jsonl")).unwrap();
    let mut looked_up = 0;
    for line in lines.lines().take(9) {
        let line: Value = serde_json::from_str(line).unwrap();
        let Some(key) = line["key"].as_str().filter(|key| !key.contains('\0')) else { continue };
        let key = format!("redis:{key}");
        same(dir.path(), &["get", "INPUT", &key]);
        same(dir.path(), &["get", "INPUT", &key, "--versions"]);
        looked_up += 1;
    }
    assert!(looked_up > 1);
}

#[test]
fn what_is_told() {
    let dir = both();
    let said = fine(ekvsnap(dir.path(), &["verify", "bundle.fsm"]));
    assert!(said.contains("bundle.fsm: intact") && said.contains("CRC32C"), "{said}");
    let json = fine(ekvsnap(dir.path(), &["inspect", "bundle.fsm", "--json"]));
    let input = |text: &str| serde_json::from_str::<Value>(text).unwrap()["inputs"][0].clone();
    let bundle = input(&json);
    let size = fs::metadata(dir.path().join("bundle.fsm")).unwrap().len();
    assert_eq!((bundle["stream"].as_str(), bundle["bytes"].as_u64()), (Some("EKVSSTI1"), Some(size)));
    let plain = input(&fine(ekvsnap(dir.path(), &["inspect", "plain.fsm", "--json"])));
    for same in ["header_version", "applied_index", "last_commit_ts", "min_retained_ts"] {
        assert_eq!(bundle[same], plain[same], "{same}");
    }
    fine(ekvsnap(dir.path(), &["diff", "plain.fsm", "bundle.fsm"]));
}

#[test]
fn outputs_are_verified_against_bundles() {
    let dir = both();
    for layout in ["tree", "jsonl"] {
        fine(ekvsnap(dir.path(), &["decode", "bundle.fsm", "-o", layout, "--layout", layout]));
        let said = fine(ekvsnap(dir.path(), &["verify", layout, "--against", "bundle.fsm"]));
        assert!(said.contains("equal a fresh decode"), "{said}");
        fine(ekvsnap(dir.path(), &["diff", layout, "bundle.fsm"]));
    }
}

/// By name, from a pipe, without a map: one output.
#[test]
fn ways_to_read_it() {
    let dir = both();
    fine(ekvsnap(dir.path(), &["decode", "bundle.fsm", "-o", "by-name"]));
    fine(ekvsnap(dir.path(), &["decode", "bundle.fsm", "-o", "no-mmap", "--no-mmap"]));
    let piped = |args: &[&str]| {
        let stdin = File::open(dir.path().join("bundle.fsm")).unwrap();
        Command::new(env!("CARGO_BIN_EXE_ekvsnap")).current_dir(dir.path()).args(args).stdin(stdin).output().unwrap()
    };
    fine(piped(&["decode", "-", "-o", "piped"]));
    fine(piped(&["verify", "-"]));
    let files = |out: &str| {
        let mut tree = read_tree(&dir.path().join(out));
        tree.retain(|path, _| !matches!(&path[..], b"MANIFEST.json" | b"CHECKSUMS"));
        tree
    };
    assert!(files("by-name").len() > 20);
    assert!(files("by-name") == files("no-mmap") && files("by-name") == files("piped"));
}

/// Both forms in one directory: the newest intact file is taken, whatever its form.
#[test]
fn both_forms_in_one_data_directory() {
    let plain = |key: &str| Snapshot::new().put(format!("!redis|str|{key}"), "v").build();
    let bundle = |key: &str| bundle_of(&plain(key), TINY);
    let mut damaged = bundle("c");
    damaged[90] ^= 1;
    for (old, new, want, warned) in [
        (plain("a"), bundle("b"), "b", false),
        (bundle("a"), plain("b"), "b", false),
        (bundle("a"), damaged, "a", true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("data/fsm-snap")).unwrap();
        fs::write(dir.path().join("data/fsm-snap/0000000000000010.fsm"), old).unwrap();
        fs::write(dir.path().join("data/fsm-snap/0000000000000011.fsm"), new).unwrap();
        let output = ekvsnap(dir.path(), &["decode", "data", "-o", "out"]);
        assert_eq!(stderr(&output).contains("newer_file_passed_over"), warned, "{}", stderr(&output));
        fine(output);
        assert!(dir.path().join(format!("out/redis/db_0/strings/{want}.bin")).exists());
    }
}

/// Groups in different forms are one data set.
#[test]
fn groups_in_both_forms() {
    let dir = tempfile::tempdir().unwrap();
    let one = |ts: u64, value: &str| {
        Snapshot::new().put_at(ts, "!redis|str|k", value).put_at(ts, format!("!redis|str|{value}"), "v")
    };
    fs::write(dir.path().join("1.fsm"), bundle_of(&one(NOW, "old").build(), TINY)).unwrap();
    fs::write(dir.path().join("2.fsm"), one(NOW + 1, "new").build()).unwrap();
    fine(ekvsnap(dir.path(), &["decode", "1.fsm", "2.fsm", "-o", "out"]));
    let read = |name: &str| fs::read_to_string(dir.path().join(format!("out/redis/db_0/strings/{name}.bin"))).unwrap();
    assert_eq!((read("k").as_str(), read("old").as_str(), read("new").as_str()), ("new", "v", "v"));
}

/// Faults are reported with file and block, as text and as JSON.
#[test]
fn damage_is_told_with_its_place() {
    let dir = both();
    let mut parts = Parts::parse(&fs::read(dir.path().join("bundle.fsm")).unwrap());
    let handle = blocks_of(&parts.tables[1]).0[2];
    parts.tables[1][handle.offset as usize + 5] ^= 1;
    fs::write(dir.path().join("broken.fsm"), parts.build()).unwrap();
    let place = format!("(000001.sst, block at {})", handle.offset);
    for command in [&["decode", "broken.fsm", "-o", "out"][..], &["inspect", "broken.fsm"], &["verify", "broken.fsm"]] {
        let output = ekvsnap(dir.path(), command);
        let said = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
        assert!(code(&output) == 2 && said.contains(&place) && said.contains("block checksum mismatch"), "{said}");
    }
    let output = ekvsnap(dir.path(), &["decode", "broken.fsm", "-o", "saved", "--on-error", "skip"]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    let lines = fs::read_to_string(dir.path().join("saved/ERRORS.jsonl")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_block = |line: &Value| line["sst_file"] == "000001.sst" && line["sst_block"].as_u64() == Some(handle.offset);
    assert!(lines.iter().any(is_block), "{lines:?}");
    assert_eq!(code(&ekvsnap(dir.path(), &["verify", "saved", "--against", "broken.fsm"])), 0);
}
