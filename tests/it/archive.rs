//! `--format tar`, `--format tar.zst` and `-o -`. The kit checks for every decode of a test that an archive has the same content as the
//! directory.

use std::fs;
use std::process::{Command, Stdio};

use crate::kit::build::{Snapshot, sized};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{decoded, read_archive};

const CORPORA: [&str; 9] = [
    "redis-small",
    "redis-nasty",
    "mvcc-interleave",
    "dynamodb-small",
    "dynamodb-nasty",
    "s3-small",
    "s3-nasty",
    "sqs-small",
    "sqs-nasty",
];

#[test]
fn an_archive_is_the_directory_for_every_corpus() {
    for corpus in CORPORA {
        for snapshot in snapshots(&load(corpus)) {
            decoded(snapshot);
        }
    }
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    for corpus in ["redis-nasty", "dynamodb-nasty", "s3-nasty"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("in.fsm"), &snapshots(&load(corpus))[0]).unwrap();
        let mut archives = Vec::new();
        for (i, threads) in ["1", "2", "8", "1"].iter().enumerate() {
            let name = format!("{i}.tar");
            let out = ekvsnap(dir.path(), &["decode", "in.fsm", "-o", &name, "--threads", threads]);
            assert_eq!(code(&out), 0, "{}", stderr(&out));
            archives.push(fs::read(dir.path().join(name)).unwrap());
        }
        assert!(archives.iter().all(|archive| *archive == archives[0]), "{corpus}");
        let out = ekvsnap(dir.path(), &["decode", "in.fsm", "-o", "-"]);
        assert!(out.stdout == archives[0], "{corpus}: standard output");
        let out = ekvsnap(dir.path(), &["decode", "in.fsm", "-o", "z", "--format", "tar.zst", "--zstd-level", "1"]);
        assert_eq!(code(&out), 0, "{}", stderr(&out));
        let unpacked = zstd::decode_all(fs::File::open(dir.path().join("z")).unwrap()).unwrap();
        assert!(unpacked == archives[0], "{corpus}: zstd");
        for (name, threads) in [("a.tar.gz", "1"), ("b.tgz", "4")] {
            let out = ekvsnap(dir.path(), &["decode", "in.fsm", "-o", name, "--threads", threads]);
            assert_eq!(code(&out), 0, "{}", stderr(&out));
            let packed = fs::read(dir.path().join(name)).unwrap();
            // No flags, so that there is no name, and no time.
            assert_eq!(packed[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
            let mut unpacked = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut unpacked).unwrap();
            assert!(unpacked == archives[0], "{corpus}: {name}");
            for args in [&["verify", name][..], &["verify", name, "--against", "in.fsm"]] {
                let out = ekvsnap(dir.path(), args);
                assert_eq!(code(&out), 0, "{args:?}: {}", stderr(&out));
            }
            let out = ekvsnap(dir.path(), &["diff", name, "in.fsm"]);
            assert_eq!(code(&out), 0, "{}", stderr(&out));
            // Truncated, with a byte added at the end, with another byte in it.
            for damage in [&packed[..packed.len() - 9], &[&packed[..], b"x"].concat(), &{
                let mut other = packed.clone();
                other[packed.len() / 2] ^= 1;
                other
            }] {
                fs::write(dir.path().join("bad.tgz"), damage).unwrap();
                let out = ekvsnap(dir.path(), &["verify", "bad.tgz"]);
                assert_eq!(code(&out), 2, "{}", stderr(&out));
            }
        }
    }
}

#[test]
fn members_are_sorted_and_their_time_is_that_of_the_snapshot() {
    let long = "k".repeat(200);
    let file = Snapshot::new()
        .put("!redis|str|a", "1")
        .put(format!("!redis|str|{long}"), "2")
        .put(sized("!hs|fld|", "h", "f"), "v")
        .put("!redis|str|\u{e9}\n", "3")
        .build();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in.fsm"), file).unwrap();
    assert_eq!(code(&ekvsnap(dir.path(), &["decode", "in.fsm", "-o", "x.tar"])), 0);
    let archive = fs::read(dir.path().join("x.tar")).unwrap();
    let (_, members) = read_archive(archive.as_slice());
    assert!(members.is_sorted(), "{members:?}");
    assert!(members.contains(&b"redis/db_0/hashes".to_vec()));
    let mut times = tar::Archive::new(archive.as_slice());
    let times: Vec<u64> = times.entries().unwrap().map(|e| e.unwrap().header().mtime().unwrap()).collect();
    assert!(times[0] > 1_700_000_000 && times.iter().all(|t| *t == times[0]), "{times:?}");
    // Another program must be able to read it.
    let listed = Command::new("tar").args(["-tf", "x.tar"]).current_dir(dir.path()).output().unwrap();
    assert!(listed.status.success(), "{}", stderr(&listed));
}

#[test]
fn a_failed_run_leaves_and_prints_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = Snapshot::new().put("!redis|str|k", "v").build();
    let last = file.len() - 1;
    file[last] ^= 1;
    fs::write(dir.path().join("in.fsm"), file).unwrap();
    for target in ["x.tar", "-"] {
        let out = ekvsnap(dir.path(), &["decode", "in.fsm", "-o", target]);
        assert_eq!(code(&out), 2);
        assert!(out.stdout.is_empty());
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn archives_replace_files_only_when_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in.fsm"), Snapshot::new().put("!redis|str|k", "v").build()).unwrap();
    fs::write(dir.path().join("x.tar"), "old").unwrap();
    fs::write(dir.path().join("y.tar"), "").unwrap();
    fs::create_dir(dir.path().join("d.tar")).unwrap();
    let run = |args: &[&str]| code(&ekvsnap(dir.path(), &[&["decode", "in.fsm"], args].concat()));
    assert_eq!(run(&["-o", "x.tar"]), 1);
    assert_eq!(fs::read(dir.path().join("x.tar")).unwrap(), b"old");
    assert_eq!(run(&["-o", "x.tar", "--force"]), 1);
    assert_eq!(fs::read(dir.path().join("x.tar")).unwrap(), b"old");
    assert_eq!(run(&["-o", "y.tar"]), 1);
    assert_eq!(run(&["-o", "y.tar", "--force"]), 0);
    assert_eq!(run(&["-o", "y.tar", "--force"]), 0);
    assert_eq!(run(&["-o", "d.tar", "--force"]), 1);
    assert_eq!(run(&["-o", "in.fsm", "--format", "tar", "--force"]), 1);
    assert_eq!(run(&["-o", "-", "--json"]), 64);
    assert_eq!(run(&["-o", "-", "--format", "dir"]), 64);
    assert_eq!(run(&["-o", "e.tar", "--format", "dir"]), 0);
    assert!(dir.path().join("e.tar").is_dir());
}

/// A reader that closes the pipe ends the run without a message.
#[test]
fn a_closed_pipe_is_quiet() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in.fsm"), Snapshot::new().put("!redis|str|k", vec![b'v'; 4 << 20]).build()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ekvsnap"))
        .args(["decode", "in.fsm", "-o", "-"])
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert_eq!(code(&out), 1);
    assert!(out.stderr.is_empty(), "{}", stderr(&out));
}
