//! Which files a directory means, and what is reported about skipped ones.

use std::fs;
use std::path::Path;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};

const OLD: &str = "0000000000000010.fsm";
const NEW: &str = "000000000000003d.fsm";

fn intact(key: &str) -> Vec<u8> {
    Snapshot::new().put(format!("!redis|str|{key}"), "v").build()
}

fn cut(key: &str) -> Vec<u8> {
    let mut bytes = intact(key);
    bytes.pop();
    bytes
}

fn lay_out(root: &Path, files: &[(&str, &str, Vec<u8>)]) {
    for (group, name, bytes) in files {
        let dir = root.join(group).join("fsm-snap");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(name), bytes).unwrap();
    }
}

/// A cluster with one intact group and `files`: the exit codes, with and without `--strict`, and the expected texts.
#[track_caller]
fn check(files: &[(&str, &str, Vec<u8>)], codes: [i32; 2], words: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path(), &[("cl/g1", OLD, intact("a"))]);
    lay_out(&dir.path().join("cl"), files);
    for (flags, want) in [&[][..], &["--strict"]].into_iter().zip(codes) {
        let out = format!("out{}", flags.len());
        let got = ekvsnap(dir.path(), &[&["decode", "cl", "-o", &out], flags].concat());
        let text = stderr(&got);
        assert_eq!(code(&got), want, "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert_eq!(dir.path().join(&out).exists(), want != 1 && want != 2);
    }
}

#[test]
fn a_group_without_an_intact_file_ends_the_run() {
    let newest = "cl/g2/fsm-snap/000000000000003d.fsm";
    let none = "cl/g2/fsm-snap: none of its snapshot files is intact";
    check(&[("g2", NEW, cut("b"))], [2, 2], &[none, newest, "CRC32C mismatch"]);
    check(&[("g2", NEW, vec![]), ("g2", OLD, cut("b"))], [2, 2], &[none, newest, "the file is empty"]);
    check(&[("g2", NEW, vec![1, 2])], [2, 2], &[none, newest, "ends inside its footer"]);
    check(&[("g2", "b.fsm", intact("b"))], [1, 1], &["cl/g2/fsm-snap/b.fsm", "name the file itself"]);
    check(&[("g2", "0000000000000010.fsm.tmp", cut("b"))], [0, 0], &[]);
}

#[test]
fn a_newer_file_that_is_passed_over_is_a_warning() {
    let files = [("g2", OLD, intact("b")), ("g2", NEW, cut("b"))];
    let passed = "newer_file_passed_over (1)";
    check(&files, [0, 4], &[passed, "cl/g2/fsm-snap/000000000000003d.fsm", "CRC32C mismatch"]);
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path(), &files);
    let got = ekvsnap(dir.path(), &["decode", "g2", "-o", "out", "--json"]);
    let event: serde_json::Value =
        serde_json::from_str(String::from_utf8_lossy(&got.stdout).lines().next().unwrap()).unwrap();
    assert_eq!((&event["event"], &event["code"]), (&"warning".into(), &"newer_file_passed_over".into()));
    assert_eq!(event["examples"][0]["taken"], "g2/fsm-snap/0000000000000010.fsm");
    let manifest = fs::read_to_string(dir.path().join("out/MANIFEST.json")).unwrap();
    assert!(manifest.contains("newer_file_passed_over"), "{manifest}");
    for args in [
        &["plan", "g2", "-o", "PLAN"][..],
        &["ls", "g2"],
        &["get", "g2", "redis:b"],
        &["get", "g2", "redis:b", "--versions"],
    ] {
        assert!(stderr(&ekvsnap(dir.path(), args)).contains(passed), "{args:?}");
    }
}

#[test]
fn one_file_under_two_names_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path(), &[("g1", OLD, intact("a")), ("g2", OLD, intact("b"))]);
    let (g1, g2) = ("g1/fsm-snap/0000000000000010.fsm", "g2/fsm-snap/0000000000000010.fsm");
    fs::hard_link(dir.path().join(g1), dir.path().join("hard.fsm")).unwrap();
    std::os::unix::fs::symlink(g1, dir.path().join("soft.fsm")).unwrap();
    fs::write(dir.path().join("copy.fsm"), intact("a")).unwrap();
    for (i, (inputs, want)) in [
        (&[g1, g1][..], 1),
        (&["g1", "g1/fsm-snap"], 1),
        (&["g2", "g1", "hard.fsm"], 1),
        (&["soft.fsm", g1], 1),
        (&[".", g2], 1),
        (&[g1, g2], 0),
        (&[g1, "copy.fsm"], 0),
        (&[g1, "missing.fsm", "missing.fsm"], 1),
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("out{i}");
        let got = ekvsnap(dir.path(), &[&["decode", "-o", &out], inputs].concat());
        assert_eq!(code(&got), want, "{inputs:?}: {}", stderr(&got));
        assert_eq!(stderr(&got).contains("the same file"), want == 1 && i != 7, "{inputs:?}");
    }
}
