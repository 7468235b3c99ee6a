//! Encodes the file system of an output back to rows. `decoded` also checks this for everything that other tests build.

use std::path::Path;

use ekvsnap::Snapshot;
use ekvsnap::decode::{Layout, Options, Silent};
use ekvsnap::encode::{self, encode};
use ekvsnap::format::Family;
use ekvsnap::format::fs::ROOT;
use serde_json::json;

use crate::encoded::live;
use crate::kit::build;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::fs::{base, chunk, comes_back, dir, file, inode, name, put, with};

/// Inodes, homes, names and chunks are what the server had stored.
#[test]
fn rows_of_a_real_file_system() {
    const ROWS: [Family; 4] = [Family::FsInode, Family::FsHome, Family::FsEntry, Family::FsChunk];
    let snapshot = snapshots(&load("fs-small")).remove(0);
    let dir = tempfile::tempdir().unwrap();
    let [out, again] = ["out", "again.fsm"].map(|name| dir.path().join(name));
    let options = Options { layout: Layout::JSONL, fsync: Some(false), ..Options::default() };
    Snapshot::from_bytes("x.fsm", snapshot.clone()).decode(&out, &options.for_restore(), &Silent).unwrap();
    let asked = encode::Options { fsync: Some(false), ..encode::Options::default() };
    encode(&[out], &again, &asked, &Silent).unwrap();
    let written = std::fs::read(&again).unwrap();
    let (mut want, got) = (live(&snapshot, &ROWS), live(&written, &ROWS));
    // A deleted file that was still open.
    want.retain(|key, _| {
        got.contains_key(key) || !key.windows(8).any(|part| part == 10_156_325_132_199_323_999u64.to_be_bytes())
    });
    assert_eq!(want.len(), got.len());
    for (key, value) in &want {
        assert_eq!(value.escape_ascii().to_string(), got[key].escape_ascii().to_string(), "{}", key.escape_ascii());
    }
    let others = live(&written, &[Family::FsDirVersion, Family::FsUsage]);
    let usage = others.get(&b"!fs|usage"[..]).map(|value| String::from_utf8_lossy(value).into_owned());
    assert_eq!((usage.as_deref(), others.len()), (Some(r#"{"files":107,"bytes":8390789}"#), 17));
}

/// Names that paths do not show, files with several names, inodes that no name leads to, and places by number.
#[test]
fn all_names_come_back() {
    let long = [b'n'; 300];
    let mut s = base(4);
    for (number, odd) in (10..).zip([&b""[..], b".", b"..", b"a/b", b"\xff", b"nul\0", &long]) {
        s = name(put(s, number, &with(inode(number, 0), json!({"nlink": 2}))), ROOT, odd, number, "file");
        s = name(s, ROOT, [b"~", odd].concat(), number, "file");
    }
    // A directory without a name of its own, one with a slash, and one whose name begins them.
    for (number, odd) in (30..).zip([&b""[..], b"a", b"d/e"]) {
        s = if odd.is_empty() { dir(s, number, 0) } else { name(dir(s, number, 0), ROOT, odd, number, "directory") };
        let inside = if number == 31 { &[&b"b"[..], b"x/y"][..] } else { &[&b"b"[..], b"x/y", b""][..] };
        for (at, inside) in (number * 100..).zip(inside) {
            s = name(chunk(put(s, at, &inode(at, 3)), at, 0, b"abc"), number, inside, at, "file");
        }
    }
    s = name(dir(s, 40, 0), 31, "", 40, "directory");
    s = name(put(s, 41, &inode(41, 0)), 40, "in nothing", 41, "file");
    comes_back(&s.build());
}

/// Chunks of all sizes: data after the end, zeros, a chunk that is too long, and one at another home.
#[test]
fn contents_come_back() {
    let mut s = base(0);
    for (n, (chunk_size, size)) in
        (10..).zip([(0, 5 << 20), (1, 7), (7, 100), (1 << 40, 40), (u64::MAX, 40), (16, 1 << 33)])
    {
        let value = with(inode(n, size), json!({"chunk_size": chunk_size, "mtime_nsec": -5, "mode": 0o6755}));
        s = name(put(s, n, &value), ROOT, format!("f{n}"), n, "file");
        s = chunk(chunk(s, n, 0, b"\0\0abc\0\0"), n, 1, b"\0");
        s = chunk(chunk(s, n, 3, [7; 30]), n, 1 << 20, b"far");
    }
    comes_back(&s.build());
}

fn decoded(dir: &Path, extra: &[&str]) {
    let s = file(file(base(1), "f", 7, b"body"), "~", 8, b"x");
    let s = name(dir_with(s), ROOT, "d", 5, "directory");
    std::fs::write(dir.join("s.fsm"), s.build()).unwrap();
    let out = ekvsnap(dir, &[&["decode", "s.fsm", "-o", "out"], extra].concat());
    assert_eq!(code(&out), 0, "{}", stderr(&out));
}

fn dir_with(s: build::Snapshot) -> build::Snapshot {
    let large = with(inode(9, 1 << 40), json!({"chunk_size": 4096}));
    let s = name(chunk(put(s, 9, &large), 9, 1 << 20, b"far"), 5, "large", 9, "file");
    dir(s, 5, 0)
}

/// Faults of an output, and their messages.
#[test]
fn files_that_no_decode_writes() {
    const META: &str = "out/fs/metadata.jsonl";
    let replaced = |dir: &Path, from: &str, to: &str| {
        let text = std::fs::read_to_string(dir.join(META)).unwrap();
        assert!(text.contains(from), "{from}: {text}");
        std::fs::write(dir.join(META), text.replacen(from, to, 1)).unwrap();
    };
    let sums = |dir: &Path| {
        let sum = |path: &str| {
            let bytes = std::fs::read(dir.join("out").join(path)).unwrap();
            let digest = <sha2::Sha256 as sha2::Digest>::digest(bytes);
            format!("{}  {path}\n", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        };
        let text = std::fs::read_to_string(dir.join("out/CHECKSUMS")).unwrap();
        let lines = text.lines().map(|line| line.split_once("  ").unwrap().1.to_owned());
        let there: Vec<String> = lines.filter(|path| dir.join("out").join(path).exists()).collect();
        std::fs::write(dir.join("out/CHECKSUMS"), there.iter().map(|path| sum(path)).collect::<String>()).unwrap();
    };
    let far = |dir: &Path| {
        use std::os::unix::fs::FileExt as _;
        let large = std::fs::OpenOptions::new().write(true).open(dir.join("out/fs/tree/d/large")).unwrap();
        large.write_all_at(b"F", (1 << 32) + 4096).unwrap();
    };
    type Change<'c> = &'c dyn Fn(&Path);
    let cases: [(Change<'_>, &str); 16] = [
        (&|dir| std::fs::remove_file(dir.join("out/fs/tree/f")).unwrap(), "it is missing"),
        (&|dir| std::fs::write(dir.join("out/fs/tree/new"), "x").unwrap(), "does not list it"),
        (&|dir| std::fs::write(dir.join("out/fs/tree/f"), "BODY").unwrap(), "differs from its digest"),
        (&far, "differs from its sha256_extents"),
        (&|dir| std::fs::remove_file(dir.join("out/fs/tree/d/large")).unwrap(), "it is missing"),
        (&|dir| replaced(dir, r#""mode":"0644""#, r#""mode":"0645""#), "differs from its digest"),
        (
            &|dir| {
                std::fs::remove_file(dir.join("out/fs/tree/f")).unwrap();
                sums(dir)
            },
            "it is missing",
        ),
        (
            &|dir| {
                replaced(dir, r#""size":"4""#, r#""size":"3""#);
                sums(dir)
            },
            "more bytes",
        ),
        (
            &|dir| {
                replaced(dir, r#""size":"4""#, r#""size":"5""#);
                sums(dir)
            },
            "fewer bytes",
        ),
        (
            &|dir| {
                replaced(dir, r#""size":"4""#, r#""size":"-1""#);
                sums(dir)
            },
            "a number in it is not valid",
        ),
        (
            &|dir| {
                replaced(dir, r#""mode":"0644""#, r#""mode":"9""#);
                sums(dir)
            },
            "its mode is not valid",
        ),
        (
            &|dir| {
                replaced(dir, r#""uid":0"#, r#""uid":0,"new":1"#);
                sums(dir)
            },
            "unknown field",
        ),
        (
            &|dir| {
                replaced(dir, r#""ino":"8""#, r#""ino":"7""#);
                sums(dir)
            },
            "occurs twice",
        ),
        (
            &|dir| {
                replaced(dir, r#""parent_ino":"5""#, r#""parent_ino":"6""#);
                sums(dir)
            },
            "no line before it has its directory",
        ),
        (
            &|dir| {
                replaced(dir, r#""type":"file""#, r#""type":"link""#);
                sums(dir)
            },
            "unknown variant",
        ),
        (
            &|dir| {
                std::fs::remove_dir_all(dir.join("out/fs")).unwrap();
                sums(dir)
            },
            "MANIFEST.json counts",
        ),
    ];
    for (change, words) in cases {
        let dir = tempfile::tempdir().unwrap();
        decoded(dir.path(), &["--for-restore"]);
        assert_eq!(code(&ekvsnap(dir.path(), &["encode", "out", "-o", "whole.fsm"])), 0);
        change(dir.path());
        let out = ekvsnap(dir.path(), &["encode", "out", "-o", "again.fsm"]);
        assert!(code(&out) == 2 && stderr(&out).contains(words), "{words}: {}", stderr(&out));
        assert!(!dir.path().join("again.fsm").exists());
    }
}

/// Without `--for-restore` directories are found by paths; a part of the file system, and names that paths may not show, are rejected.
#[test]
fn other_outputs() {
    let dir = tempfile::tempdir().unwrap();
    decoded(dir.path(), &[]);
    let run = |args: &[&str]| ekvsnap(dir.path(), args);
    assert_eq!(code(&run(&["encode", "out", "-o", "again.fsm"])), 0);
    let same = run(&["diff", "s.fsm", "again.fsm"]);
    assert_eq!(code(&same), 0, "{same:?}");
    assert_eq!(code(&run(&["decode", "s.fsm", "-o", "part", "--scope", "fs:/d", "--for-restore"])), 0);
    let part = run(&["encode", "part", "-o", "part.fsm"]);
    assert!(code(&part) == 2 && stderr(&part).contains("a part of the file system"), "{}", stderr(&part));
    std::fs::write(dir.path().join("odd.fsm"), file(base(0), "a/b", 7, b"x").build()).unwrap();
    assert_eq!(code(&run(&["decode", "odd.fsm", "-o", "odd"])), 0);
    let odd = run(&["encode", "odd", "-o", "x.fsm"]);
    assert!(code(&odd) == 2 && stderr(&odd).contains("--for-restore"), "{}", stderr(&odd));
    // Inodes that no name leads to are restored, names below them only if they are written.
    let s = name(dir_with(base(0)), 9, "inside", 5, "directory");
    std::fs::write(dir.path().join("lost.fsm"), s.build()).unwrap();
    for (flags, want) in [(&["--for-restore"][..], 0), (&[], 4)] {
        let lost = format!("lost{want}");
        let out = run(&[&["decode", "lost.fsm", "-o", &lost], flags].concat());
        assert_eq!(code(&out), 0, "{}", stderr(&out));
        let out = run(&["encode", &lost, "-o", &format!("{lost}.fsm"), "--strict"]);
        assert!(code(&out) == want && stderr(&out).contains("encode_not_served") == (want > 0), "{}", stderr(&out));
    }
}
