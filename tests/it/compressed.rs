//! Compressed snapshots, and directories with snapshot files.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use crate::kit::command::{code, ekvsnap, listening, stderr};

const PLAIN: &str = "testdata/redis-small.fsm";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// A snapshot in every form, in a new directory.
fn files() -> (tempfile::TempDir, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(PLAIN).unwrap();
    let (first, second) = bytes.split_at(bytes.len() / 3);
    for (name, content) in [
        ("x.fsm", bytes.clone()),
        ("x.fsm.gz", gzip(&bytes)),
        ("members.gz", [gzip(first), gzip(second)].concat()),
        ("x.fsm.zst", zstd(&bytes)),
        ("frames.zst", [zstd(first), zstd(second)].concat()),
    ] {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    (dir, bytes)
}

fn stdout(dir: &Path, args: &[&str]) -> Vec<u8> {
    let output = ekvsnap(dir, args);
    assert_eq!(code(&output), 0, "{args:?}: {}", stderr(&output));
    output.stdout
}

#[test]
fn every_command_reads_them() {
    let (dir, _) = files();
    let want = stdout(dir.path(), &["get", "x.fsm", "redis:lua:x"]);
    for name in ["x.fsm.gz", "members.gz", "x.fsm.zst", "frames.zst"] {
        for more in [&[][..], &["--no-mmap"]] {
            assert_eq!(stdout(dir.path(), &[&["get", name, "redis:lua:x"], more].concat()), want, "{name}");
        }
        stdout(dir.path(), &["verify", name]);
        stdout(dir.path(), &["diff", "x.fsm", name]);
        stdout(dir.path(), &["inspect", "--quick", name]);
        let out = format!("{name}.out");
        stdout(dir.path(), &["decode", name, "--layout", "jsonl", "-o", &out]);
        stdout(dir.path(), &["verify", &out, "--against", name]);
        let mut command = listening();
        let target = dir.path().join(format!("{name}.in"));
        command
            .args(["decode", "-", "--layout", "jsonl", "-o"])
            .arg(target)
            .stdin(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&std::fs::read(dir.path().join(name)).unwrap()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name} on standard input");
    }
}

#[test]
fn archives_are_still_archives() {
    let (dir, _) = files();
    for form in ["tar.gz", "tar.zst"] {
        let name = format!("out.{form}");
        stdout(dir.path(), &["decode", "x.fsm", "--layout", "jsonl", "-o", &name]);
        stdout(dir.path(), &["verify", &name]);
        stdout(dir.path(), &["diff", &name, "x.fsm.gz"]);
    }
}

/// A compressed file that holds neither an archive nor a snapshot is not called an output.
#[test]
fn other_compressed_files() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("h.gz"), gzip(b"hello\n")).unwrap();
    std::fs::write(dir.path().join("h.zst"), zstd(&[7; 10_000])).unwrap();
    for args in [&["decode", "h.gz", "-o", "x"][..], &["verify", "h.gz"], &["inspect", "h.zst"], &["verify", "h.zst"]] {
        let output = ekvsnap(dir.path(), args);
        assert_eq!(code(&output), 2, "{args:?}");
        let words = [&output.stdout[..], &output.stderr].concat();
        let words = String::from_utf8_lossy(&words);
        let is_told =
            ["header of the store stream", "no snapshot of elastickv"].iter().any(|told| words.contains(told));
        assert!(is_told && !words.contains("output of a decode"), "{args:?}: {words}");
    }
}

/// A cut one leaves nothing, and is the input's fault.
#[test]
fn damaged_ones_are_named() {
    let (dir, _) = files();
    for name in ["x.fsm.gz", "x.fsm.zst"] {
        let bytes = std::fs::read(dir.path().join(name)).unwrap();
        std::fs::write(dir.path().join("cut"), &bytes[..bytes.len() - 9]).unwrap();
        let output = ekvsnap(dir.path(), &["decode", "cut", "-o", "out"]);
        assert_eq!((code(&output), dir.path().join("out").exists()), (2, false), "{name}");
        assert!(stderr(&output).contains("cut: the compressed file cannot be unpacked"), "{}", stderr(&output));
    }
}

/// Files in one directory, with any names, are the groups of one cluster.
#[test]
fn a_directory_of_snapshot_files() {
    let (dir, bytes) = files();
    let groups = dir.path().join("groups");
    std::fs::create_dir(&groups).unwrap();
    std::fs::write(groups.join("one.fsm"), &bytes).unwrap();
    std::fs::write(groups.join("readme.txt"), "no snapshot").unwrap();
    stdout(dir.path(), &["diff", "x.fsm", "groups"]);
    std::fs::write(groups.join("two.fsm.zst"), zstd(&bytes)).unwrap();
    let output = ekvsnap(dir.path(), &["decode", "groups", "--layout", "jsonl", "-o", "out"]);
    assert_eq!(code(&output), 0);
    assert!(stderr(&output).contains("one snapshot was given twice"), "{}", stderr(&output));
}
