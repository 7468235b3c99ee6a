//! The file system in an archive: other programs extract the original files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ekvsnap::decode::{Options, Silent, decode};
use ekvsnap::format::fs::ROOT;
use ekvsnap::output::archive::Packing;
use ekvsnap::source::Source;
use serde_json::{Value, json};

use crate::kit::build::Snapshot;
use crate::kit::fixtures::{load, snapshots};
use crate::kit::fs::{base, chunk, dir, file, inode, name, put, with};

/// The archive of a snapshot: the same bytes for any number of threads.
fn archive(snapshot: &[u8], into: &Path) {
    let mut first: Option<Vec<u8>> = None;
    for threads in [1, 4] {
        let target = into.join(format!("{threads}.tar"));
        let sources = [Source::from_bytes("in.fsm", snapshot.to_vec())];
        let archive = Some(Packing::Tar);
        let options = Options { threads, archive, include_orphans: true, ..Options::default() };
        decode(&sources, &target, &options, &Silent).unwrap();
        let bytes = fs::read(&target).unwrap();
        assert!(first.as_ref().is_none_or(|first| *first == bytes), "threads change the archive");
        first = Some(bytes);
    }
    fs::rename(into.join("1.tar"), into.join("x.tar")).unwrap();
}

/// A path of a line: `tree`, or `hardlink_to`.
fn path(line: &Value, member: &str) -> Option<Vec<u8>> {
    let text = line.get(member).and_then(|path| Some(path.as_str()?.as_bytes().to_vec()));
    let base64 = || line.get(format!("{member}_b64")).map(|path| STANDARD.decode(path.as_str().unwrap()).unwrap());
    text.or_else(base64)
}

fn at(root: &Path, path: &[u8]) -> std::path::PathBuf {
    root.join(std::ffi::OsStr::from_bytes(path))
}

/// Extracts with every installed program, and compares with metadata.jsonl; returns its lines.
fn extracted(snapshot: &[u8]) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    archive(snapshot, dir.path());
    let is_root = fs::metadata(dir.path()).unwrap().uid() == 0;
    let mut lines = Vec::new();
    for program in ["tar", "bsdtar"] {
        let root = dir.path().join(program);
        fs::create_dir(&root).unwrap();
        let out = Command::new(program).args(["-xpf", "../x.tar"]).current_dir(&root).output();
        let Ok(out) = out else {
            assert_eq!(program, "bsdtar", "there is no tar");
            continue;
        };
        assert!(out.status.success(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
        let sums = Command::new("sha256sum").args(["--quiet", "-c", "CHECKSUMS"]).current_dir(&root).output().unwrap();
        assert!(sums.status.success(), "{program}: {}", String::from_utf8_lossy(&sums.stderr));
        lines = compare(&root, is_root);
    }
    lines
}

fn compare(root: &Path, is_root: bool) -> Vec<Value> {
    let text = fs::read(root.join("fs/metadata.jsonl")).unwrap();
    let lines = text.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap());
    let lines: Vec<Value> = lines.collect();
    for line in &lines {
        let Some(tree) = path(line, "tree") else { continue };
        let meta = fs::symlink_metadata(at(root, &tree)).unwrap_or_else(|e| panic!("{}: {e}", tree.escape_ascii()));
        let number = |name: &str| line[name].as_str().unwrap().parse::<i64>().unwrap();
        assert_eq!(meta.is_dir(), line["type"] == "directory");
        assert_eq!(meta.mtime() * 1_000_000_000 + meta.mtime_nsec(), number("mtime_ns"), "time of {line}");
        let mode = u32::from_str_radix(line["mode"].as_str().unwrap(), 8).unwrap();
        if is_root {
            assert_eq!(meta.mode() & 0o7777, mode, "mode of {line}");
            assert_eq!((meta.uid(), meta.gid()), (number_of(&line["uid"]), number_of(&line["gid"])), "owner of {line}");
        } else {
            assert_eq!(meta.mode() & 0o777, mode & 0o777, "mode of {line}");
        }
        if path(line, "hardlink_to").is_some() {
            assert_eq!(meta.nlink(), 2, "names of {line}");
        } else if meta.is_file() {
            assert_eq!(meta.len(), number("size") as u64, "size of {line}");
            let stretches = 1 + line["holes"].as_array().map_or(0, Vec::len) as u64;
            let most = line["stored_bytes"].as_u64().unwrap() + stretches * (8 << 10);
            assert!(meta.blocks() * 512 <= most, "{} blocks for {}", meta.blocks(), line["path"]);
        }
    }
    lines
}

fn number_of(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn extracting_gives_the_files_back() {
    let lines = extracted(&snapshots(&load("fs-small"))[0]);
    assert_eq!(lines.len(), 108);
    // All have their own names, except the one that no file system can store.
    let is_own = |line: &&Value| {
        path(line, "path").is_some_and(|own| path(line, "tree") == Some([&b"fs/tree/"[..], &own].concat()))
    };
    assert_eq!(lines.iter().filter(is_own).count(), 105);
    let apart: Vec<&Value> = lines.iter().filter(|line| line["notes"] == json!(["apart"])).collect();
    assert_eq!(apart.len(), 1);
    assert_eq!(apart[0]["path"].as_str().unwrap().len(), "names/".len() + 256);
}

/// Names of any length and bytes, owners and times at their limits, and second names.
#[test]
fn what_plain_headers_do_not_hold() {
    let mut s = base(2);
    let long = |n| vec![b'n'; n];
    let names: [Vec<u8>; 12] = [
        b"plain".to_vec(),
        long(255),
        long(100),
        long(101),
        "é".repeat(100).into_bytes(),
        "e\u{301}".repeat(60).into_bytes(),
        vec![0xff; 200],
        vec![0xff],
        b"new\nline\\".to_vec(),
        b"..".to_vec(),
        b"a/b".to_vec(),
        b"nul\0".to_vec(),
    ];
    for (n, name) in names.iter().enumerate() {
        s = file(s, name, 100 + n as u64, format!("body {n}").as_bytes());
    }
    let deep = "d".repeat(250);
    s = name(dir(dir(s, 50, 1), 51, 0), ROOT, &deep, 50, "directory");
    s = name(s, 50, &deep, 51, "directory");
    let odd = json!({"uid": u32::MAX - 1, "gid": 2_097_152, "mode": 0o4755, "mtime_nsec": 4_000_000_000_000_000_001i64, "nlink": 2});
    s = name(put(s, 60, &with(inode(60, 5), odd)), 51, "f", 60, "file");
    s = name(chunk(s, 60, 0, "12345"), 51, "second", 60, "file");
    s = name(dir(s, 70, 0), ROOT, ".", 70, "directory");
    s = name(put(s, 71, &inode(71, 0)), 70, "inside", 71, "file");
    let lines = extracted(&s.build());
    let links: Vec<_> = lines.iter().filter_map(|line| path(line, "hardlink_to")).collect();
    assert_eq!(links, [format!("fs/tree/{deep}/{deep}/f").into_bytes()]);
    let apart: BTreeSet<Vec<u8>> =
        lines.iter().filter_map(|l| path(l, "tree")).filter(|p| p.starts_with(b"fs/apart/")).collect();
    let want = ["109", "110", "111", "70", "70/inside"].map(|number| format!("fs/apart/{number}").into_bytes());
    assert_eq!(apart, BTreeSet::from(want));
}

/// Stretches of any length at any place, of which some reach over blocks; the archive holds none of the holes.
#[test]
fn files_with_many_holes() {
    let value = |n, size| with(inode(n, size), json!({"chunk_size": 5_000}));
    let (mut s, size) = (base(0), 5_000 * 600 + 4_321);
    for n in 2..5u64 {
        s = name(put(s, n, &value(n, size)), ROOT, format!("f{n}"), n, "file");
        for index in (0..=600).filter(|index| index % n == 0) {
            s = chunk(s, n, index, vec![b'a' + n as u8; (index * 7 % 400 + 1) as usize]);
        }
    }
    s = name(put(s, 9, &value(9, 1 << 42)), ROOT, "huge", 9, "file");
    s = chunk(s, 9, 3, "x");
    s = name(put(s, 10, &value(10, 1 << 33)), ROOT, "nothing but a hole", 10, "file");
    let lines = extracted(&s.build());
    assert_eq!(lines.iter().filter(|line| line.get("holes").is_some()).count(), 5);
    let dir = tempfile::tempdir().unwrap();
    archive(&s.build(), dir.path());
    assert!(fs::metadata(dir.path().join("x.tar")).unwrap().len() < 4 << 20);
}

/// Lost and deleted files are there too.
#[test]
fn what_was_left() {
    let s = chunk(put(base(0), 7, &inode(7, 3)), 7, 0, "abc");
    let s = chunk(put(s, 8, &with(inode(8, 3), json!({"nlink": 0}))), 8, 0, "def");
    let s = name(put(s, 9, &inode(9, 0)), 99, "in nothing", 9, "file");
    let lines = extracted(&s.build());
    let paths: Vec<_> = lines.iter().map(|line| line["tree"].as_str().unwrap()).collect();
    assert_eq!(paths, ["fs/tree", "fs/lost+found/99.dir/in nothing", "fs/lost+found/7", "fs/orphans/8"]);
}

/// A row of nothing else: an archive of other data is what it was.
#[test]
fn other_archives_have_no_extended_headers() {
    let dir = tempfile::tempdir().unwrap();
    archive(&Snapshot::new().put("!redis|str|k", "v").build(), dir.path());
    let bytes = fs::read(dir.path().join("x.tar")).unwrap();
    assert!(!bytes.windows(10).any(|bytes| bytes == b"PaxHeaders"));
}
