//! A test for each anomaly (`fs.md` §4, §5 and §7): what is reported, and what is written nevertheless.

use ekvsnap::format::Family;
use ekvsnap::format::fs::{ROOT, key};
use serde_json::{Value, json};

use crate::kit::build::Snapshot;
use crate::kit::fs::{Fs, base, chunk, decoded, dir, file, inode, name, put, put_alone, with};

/// The only finding of its level, and the notes in the line of `path`.
#[track_caller]
fn check(s: &Snapshot, code: &str, path: Option<&str>) -> Fs {
    let fs = decoded(s);
    let all = [fs.warnings(), fs.noted()].concat();
    assert_eq!(all, [(code, 1)]);
    if let Some(path) = path {
        assert_eq!(fs.notes(path), [code]);
    }
    let report: Value = serde_json::from_slice(fs.file("report.json")).unwrap();
    assert_eq!(report["anomalies"], json!({code: 1}));
    fs
}

fn one_file(members: Value) -> Snapshot {
    let s = name(put(base(0), 7, &with(inode(7, 3), members)), ROOT, "f", 7, "file");
    chunk(s, 7, 0, "abc")
}

#[test]
fn a_sound_one_has_none() {
    let fs = decoded(&name(dir(file(base(1), "f", 7, b"abc"), 8, 0), ROOT, "d", 8, "directory"));
    assert_eq!((fs.warnings(), fs.noted()), (vec![], vec![]));
    assert_eq!(fs.paths(), ["tree/f"]);
    assert!(fs.dirs.contains(&"fs/tree/d".to_owned()));
}

#[test]
fn dangling() {
    let fs = check(&name(base(0), ROOT, "gone", 9, "file"), "dangling", None);
    assert_eq!((fs.paths(), fs.lines().len()), (vec![], 1));
}

#[test]
fn beyond_eof() {
    check(&chunk(one_file(json!({})), 7, 5, "x"), "beyond_eof", None);
}

#[test]
fn foreign_home_chunk() {
    let s = one_file(json!({})).put(key::numbers(Family::FsChunk, &[8, 7, 0]), "x");
    check(&s, "foreign_home_chunk", None);
}

#[test]
fn orphan_chunk() {
    check(&chunk(chunk(one_file(json!({})), 9, 0, "x"), 9, 1, "y"), "orphan_chunk", None);
}

#[test]
fn chunk_over_size() {
    let s = one_file(json!({"size": 16})).put_at(
        crate::kit::build::NOW + 1,
        key::numbers(Family::FsChunk, &[7, 7, 0]),
        "y".repeat(17),
    );
    check(&s, "chunk_over_size", None);
}

#[test]
fn nlink_mismatch() {
    check(&one_file(json!({"nlink": 2})), "nlink_mismatch", Some("f"));
    check(&file(base(1), "f", 7, b"x"), "nlink_mismatch", None);
    // Two names of one file are two links.
    let s = name(one_file(json!({"nlink": 2})), ROOT, "g", 7, "file");
    let fs = decoded(&s);
    assert_eq!((fs.warnings(), fs.paths()), (vec![], vec!["tree/f".to_owned()]));
    assert_eq!(fs.line("g")["hardlink_to"], "fs/tree/f");
    assert_eq!(fs.line("g").get("tree"), None);
}

#[test]
fn type_mismatch() {
    let s = name(put(base(0), 7, &inode(7, 0)), ROOT, "f", 7, "directory");
    check(&s, "type_mismatch", Some("f"));
    let s = name(dir(base(1), 8, 0), ROOT, "d", 8, "file");
    assert!(check(&s, "type_mismatch", Some("d")).dirs.contains(&"fs/tree/d".to_owned()));
}

#[test]
fn unknown_type() {
    let fs = check(&one_file(json!({"type": "socket"})), "unknown_type", Some("f"));
    assert_eq!((fs.file("tree/f"), &fs.line("f")["type"]), (&b"abc"[..], &"file".into()));
}

#[test]
fn ino_key_mismatch() {
    let fs = check(&one_file(json!({"inode": 8})), "ino_key_mismatch", Some("f"));
    assert_eq!((fs.file("tree/f"), &fs.line("f")["ino"]), (&b"abc"[..], &"7".into()));
}

#[test]
fn home_missing() {
    let s = name(put_alone(base(0), 7, &inode(7, 3)), ROOT, "f", 7, "file");
    assert_eq!(check(&chunk(s, 7, 0, "abc"), "home_missing", Some("f")).file("tree/f"), b"abc");
}

#[test]
fn home_stale() {
    let good = json!({"home_slot": 7, "state": "active", "epoch": 1});
    for other in [json!({"home_slot": 8}), json!({"epoch": 2}), json!({"state": "closed"})] {
        let s = name(put_alone(base(0), 7, &inode(7, 3)), ROOT, "f", 7, "file");
        let s = s.put(key::numbers(Family::FsHome, &[7]), with(good.clone(), other).to_string());
        assert_eq!(check(&chunk(s, 7, 0, "abc"), "home_stale", Some("f")).file("tree/f"), b"abc");
    }
}

#[test]
fn unlinked_but_named() {
    for members in [json!({"orphaned": true}), json!({"nlink": 0}), json!({"nlink": 0, "orphaned": true})] {
        assert_eq!(check(&one_file(members), "unlinked_but_named", Some("f")).file("tree/f"), b"abc");
    }
}

#[test]
fn intent_pending() {
    for kind in ["create", "delete"] {
        let value = json!({"id": "aQ==", "kind": kind, "phase": "prepared", "parent": 1, "name": "Zg=="});
        let s = one_file(json!({})).put(key::by_id(Family::FsIntent, b"i"), value.to_string());
        assert_eq!(check(&s, "intent_pending", None).file("tree/f"), b"abc");
    }
}

#[test]
fn move_pending() {
    // About a deleted file: harmless.
    let value = json!({"id": "AQ==", "inode": 99, "phase": "completed"});
    check(&one_file(json!({})).put(key::by_id(Family::FsMoveJob, &[1]), value.to_string()), "move_pending", None);
}

#[test]
fn usage_mismatch() {
    let counter = |add: u64, bytes: u64| json!({"files_add": add, "files_sub": 1, "bytes_add": bytes, "bytes_sub": 4});
    let usage = |files: u64, add, bytes| {
        let s = one_file(json!({})).put("!fs|usage", json!({"files": files, "bytes": 1}).to_string());
        s.put(key::counter(b"!fs|ino|x"), counter(add, bytes).to_string())
    };
    let right = decoded(&usage(1, 2, 6));
    assert_eq!((right.warnings(), right.noted()), (vec![], vec![]));
    check(&usage(1, 3, 6), "usage_mismatch", None);
    check(&usage(1, 2, 7), "usage_mismatch", None);
    check(&usage(0, 0, 6), "usage_mismatch", None);
    check(&usage(1, 2, u64::MAX), "usage_mismatch", None);
    // Copies of a file that is being moved are not counted.
    let job = json!({"id": "AQ==", "inode": 7}).to_string();
    let moving = usage(1, 2, 7).put(key::by_id(Family::FsMoveJob, &[1]), job);
    assert_eq!(decoded(&moving).warnings(), []);
}

#[test]
fn cycle() {
    // A directory in itself, in its child, under two names; and the root in a directory.
    let d = |s, children| dir(s, 8, children);
    let into = |s, parent, path: &str, number| name(s, parent, path, number, "directory");
    for (s, path) in [
        (into(into(d(base(1), 1), ROOT, "d", 8), 8, "self", 8), "d/self"),
        (into(into(into(dir(d(base(1), 1), 9, 1), ROOT, "d", 8), 8, "e", 9), 9, "back", 8), "d/e/back"),
        (into(into(d(base(2), 0), ROOT, "d", 8), ROOT, "twin", 8), "twin"),
        (into(into(d(base(1), 1), ROOT, "d", 8), 8, "root", ROOT), "d/root"),
    ] {
        let fs = check(&s, "cycle", None);
        assert!(fs.lines().iter().all(|line| line["path"] != path), "{path}");
        assert!(fs.dirs.contains(&"fs/tree/d".to_owned()));
        let cycle = &fs.outcome.manifest.warnings[0].examples[0];
        assert!(format!("{cycle:?}").contains(&format!("Text(\"{path}\")")), "{cycle:?}");
    }
}

#[test]
fn no_root() {
    let fs = check(&Snapshot::new().put(key::numbers(Family::FsDirVersion, &[1]), "5"), "no_root", None);
    assert_eq!((fs.paths(), fs.lines().len()), (vec![], 0));
}
