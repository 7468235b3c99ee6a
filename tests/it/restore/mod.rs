//! Data directories: their content, byte by byte; rejected inputs; and that each fault a server would fail at is detected.

mod groups;
mod sealed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kit::build::{Snapshot, with_footer};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, raw, snapshots};
use crate::kit::sealed::{KEK, write_secret};
use crate::kit::{Tree, read_tree};

/// A snapshot of one key, as a server has it.
fn one_key() -> Vec<u8> {
    hex(
        "454b5654484c4331000000000000001f454b565042424c3100001e000000000014000000000000002172656469737c7374727c61ffffffffffe1\
         ffff0f00000000000000000000000000000000ff01006e6577c0ce8f89",
    )
}

fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

struct Ground(tempfile::TempDir);

impl Ground {
    fn new() -> Ground {
        let ground = Ground(tempfile::tempdir().unwrap());
        ground.write("000000000000030d.fsm", &one_key());
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Runs the program: exit code and both streams.
    fn run(&self, args: &[&str]) -> (i32, String) {
        let out = ekvsnap(self.0.path(), args);
        (code(&out), format!("{}{}", String::from_utf8_lossy(&out.stdout), stderr(&out)))
    }

    fn restored(&self, args: &[&str]) -> String {
        let (code, words) = self.run(&[&["restore", "-d", "data"], args].concat());
        assert_eq!(code, 0, "{words}");
        words
    }

    fn tree(&self, name: &str) -> Tree {
        read_tree(&self.path(name))
    }
}

/// Files as the public `elastickv-snapshot-prepare-restore` writes them, of its `wal` file all that is not zero.
#[test]
fn the_files_of_the_public_tool() {
    let ground = Ground::new();
    let nodes = "n1=127.0.0.1:50051,n2=127.0.0.1:50052";
    let words = ground.restored(&["000000000000030d.fsm", "--node", nodes, "--term", "3"]);
    assert!(words.contains("  elastickv --raftId n2 --address 127.0.0.1:50052 --raftDataDir data\n"), "{words}");
    let tree = ground.tree("data");
    for node in ["n1", "n2"] {
        for (name, want) in [
            ("fsm-snap/000000000000030d.fsm", one_key()),
            (
                "etcd-raft-peers.bin",
                hex(
                    "454b565000000003000000000000030d0000000208b37b07b558d4c000000000026e310000000f3132372e302e302e313a353030353108\
                     b37e07b558d9d900000000026e320000000f3132372e302e302e313a35303035320000000000",
                ),
            ),
            (
                "snap/0000000000000003-000000000000030d.snap",
                hex(
                    "08afbdd0910612300a11454b565401000000000000030dc0ce8f89121b0a1408c0a9e3aafbe0ded90808d9b3e3aafbc0dfd908108d06\
                     1803",
                ),
            ),
            (
                "wal/0000000000000000-0000000000000000.wal",
                hex(
                    "04000000000000840804100000000000040000000000008408011000000000000e00000000000082080510a0b39b8f081a0408001000\
                     00002500000000000083080510ee96b9ae081a1b088d0610031a1408c0a9e3aafbe0ded90808d9b3e3aafbc0dfd9080000000f000000\
                     00000081080310f2d8aa970f1a050803188d0600",
                ),
            ),
        ] {
            let got = tree.get(format!("{node}/{name}").as_bytes()).map(|bytes| bytes.escape_ascii().to_string());
            assert_eq!(got, Some(want.escape_ascii().to_string()), "{node}/{name}");
        }
    }
    assert_eq!(tree.len(), 8, "{:?}", tree.keys());
    let (code, words) = ground.run(&["verify", "data"]);
    assert_eq!(code, 0, "{words}");
    assert!(words.contains("data/n2: starts at index 781, term 3, with 2 members and 0 log entries\n"), "{words}");
}

/// Each row of what a server does when something is missing or wrong: `verify` says it of a data directory.
#[test]
fn what_a_server_would_fall_over_is_damage() {
    type Change = fn(&Path);
    const SNAP: &str = "snap/0000000000000001-000000000000030d.snap";
    const WAL: &str = "wal/0000000000000000-0000000000000000.wal";
    fn flip(file: PathBuf, at: usize) {
        let mut bytes = fs::read(&file).unwrap();
        bytes[at] ^= 1;
        fs::write(file, bytes).unwrap();
    }
    let cases: [(&str, Change, &str); 15] = [
        ("no log", |dir| fs::remove_dir_all(dir.join("wal")).unwrap(), "starts an empty store"),
        ("an empty log", |dir| fs::remove_file(dir.join(WAL)).unwrap(), "starts an empty store"),
        ("no snapshot of Raft", |dir| fs::remove_dir_all(dir.join("snap")).unwrap(), "no snapshot that the log knows"),
        (
            "another snapshot",
            |dir| fs::rename(dir.join(SNAP), dir.join("snap/0000000000000001-000000000000030e.snap")).unwrap(),
            "no snapshot that the log knows",
        ),
        ("a damaged snapshot", |dir| flip(dir.join(SNAP), 20), "CRC32C mismatch"),
        ("no peers", |dir| fs::remove_file(dir.join("etcd-raft-peers.bin")).unwrap(), "refuses to start"),
        ("damaged peers", |dir| flip(dir.join("etcd-raft-peers.bin"), 0), "does not begin like such a file"),
        ("a peer more", |dir| flip(dir.join("etcd-raft-peers.bin"), 20), "not those of the snapshot"),
        ("no store", |dir| fs::remove_file(dir.join("fsm-snap/000000000000030d.fsm")).unwrap(), "is missing"),
        (
            "a store of another index",
            |dir| {
                fs::rename(dir.join("fsm-snap/000000000000030d.fsm"), dir.join("fsm-snap/000000000000030e.fsm"))
                    .unwrap()
            },
            "is missing",
        ),
        ("a damaged store", |dir| flip(dir.join("fsm-snap/000000000000030d.fsm"), 70), "CRC32C mismatch"),
        (
            "another store",
            |dir| {
                let other = Snapshot::new().put("!redis|str|b", b"\xff\x01\0x").build();
                fs::write(dir.join("fsm-snap/000000000000030d.fsm"), other).unwrap();
            },
            "the snapshot token",
        ),
        (
            "a byte behind the store",
            |dir| {
                let mut bytes = fs::read(dir.join("fsm-snap/000000000000030d.fsm")).unwrap();
                bytes.push(0);
                fs::write(dir.join("fsm-snap/000000000000030d.fsm"), bytes).unwrap();
            },
            "CRC32C mismatch",
        ),
        ("a damaged log", |dir| flip(dir.join(WAL), 75), "at byte 56"),
        (
            "a cut log",
            |dir| {
                let bytes = fs::read(dir.join(WAL)).unwrap();
                fs::write(dir.join(WAL), &bytes[..bytes.len() - 24]).unwrap();
            },
            "only 0 is committed",
        ),
    ];
    for (name, change, want) in cases {
        let ground = Ground::new();
        ground.restored(&["000000000000030d.fsm", "--node", "n1=h:1"]);
        change(&ground.path("data/n1"));
        let (code, words) = ground.run(&["verify", "data/n1"]);
        assert!(code == 2 && words.contains(want), "{name}: {code} {words}");
    }
}

#[test]
fn old_stores_are_refused() {
    let ground = Ground::new();
    ground.restored(&["000000000000030d.fsm", "--node", "n1=h:1"]);
    let before = ground.tree("data");
    let args = ["restore", "000000000000030d.fsm", "--node", "n1=h:1", "-d", "data"];
    let (code, words) = ground.run(&args);
    assert!(code == 1 && words.contains("data is not empty"), "{words}");
    fs::create_dir(ground.path("data/n1/fsm.db")).unwrap();
    let (code, words) = ground.run(&args);
    assert!(code == 1 && words.contains("has the store of a server in data/n1"), "{words}");
    assert_eq!(before, ground.tree("data"));
    let (_, words) = ground.run(&["verify", "data"]);
    assert!(words.contains("a server continues with the store in fsm.db"), "{words}");
}

/// Inputs from which a server would not start, or would serve wrong data, and inputs that are not restorable: nothing is left behind.
#[test]
fn inputs_that_are_refused() {
    let base = || Snapshot::new().put("!redis|str|a", b"\xff\x01\0x");
    type Case<'c> = (&'c str, Vec<u8>, &'c [&'c str], i32, &'c str);
    let cases: [Case<'_>; 11] = [
        ("retained", base().raw("_meta_min_retained_ts", u64::MAX.to_le_bytes()).build(), &[], 1, "refuse every read"),
        (
            "below applied",
            base().raw("_meta_applied_index", 9_u64.to_le_bytes()).build(),
            &["--index", "8"],
            1,
            "applied index 9",
        ),
        ("newer header", with_footer([&b"EKVTHLC3"[..], &base().bare()].concat()), &[], 2, "newer server"),
        ("surplus", [base().build(), vec![0]].concat(), &[], 2, ""),
        (
            "damaged",
            {
                let mut file = base().build();
                file[60] ^= 1;
                file
            },
            &[],
            2,
            "CRC32C",
        ),
        ("outside", base().build(), &["--shard-ranges", "b:=1"], 64, "in.fsm: no group has this row"),
        (
            "encrypted, split",
            base().raw("!encryption|writers|\0\0\0\x01|\0\x01", [0; 12]).build(),
            SPLIT,
            1,
            "registered encryption keys",
        ),
        ("migrating, split", base().raw("_mighlc", b"x").build(), SPLIT, 1, "a migration"),
        ("bodies by hash, split", base().put("!s3|chunkblob|x", b"x").build(), SPLIT, 1, "bodies of S3 objects"),
        ("no node", base().build(), &["--only", "n2"], 64, "not one of the nodes"),
        ("flags of outputs", base().build(), &["--adapter", "redis"], 64, "are for outputs"),
    ];
    for (name, file, args, want, why) in cases {
        let ground = Ground::new();
        ground.write("in.fsm", &file);
        let (code, words) = ground.run(&[&["restore", "in.fsm", "-d", "data", "--node", "n1=h:1"], args].concat());
        assert!(code == want && words.contains(why), "{name}: {code} {words}");
        let left: Vec<_> = fs::read_dir(ground.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{name}: {left:?}");
    }
}

const SPLIT: &[&str] = &["--groups", "1=h:1,2=h:2", "--shard-ranges", ":b=1,b:=2"];

/// Encrypted rows are restored as they are, with a warning: a server asks for the keys of the node that wrote them.
#[test]
fn encrypted_rows() {
    let ground = Ground::new();
    ground.write("in.fsm", &snapshots(&load("enc-mixed"))[0]);
    let words = ground.restored(&["in.fsm", "--node", "n1=h:1"]);
    assert!(words.contains("warning: restore_encrypted"), "{words}");
    let (code, words) = ground.run(&[&["restore", "in.fsm", "-d", "split", "--node", "n1=h:1"], SPLIT].concat());
    assert!(code == 1 && words.contains("cannot be sent to other groups"), "{words}");
}

/// Whatever the name of the file or the store say, a server takes no new entry of its log for an applied one.
#[test]
fn the_index() {
    let applied = |index: u64| {
        Snapshot::new().put("!redis|str|a", b"\xff\x01\0x").raw("_meta_applied_index", index.to_le_bytes())
    };
    for (name, file, args, want) in [
        ("in.fsm", one_key(), &[][..], 1),
        ("in.fsm", one_key(), &["--index", "7"][..], 7),
        ("in.fsm", applied(9).build(), &[][..], 9),
        ("000000000000000a.fsm", applied(9).build(), &[][..], 10),
        ("0000000000000008.fsm", applied(9).build(), &[][..], 9),
        ("in.fsm", Snapshot::new().put("a", b"x").bare(), &[][..], 1),
    ] {
        let ground = Ground::new();
        ground.write(name, &file);
        ground.restored(&[&[name, "--node", "n1=h:1"], args].concat());
        let restored = fs::read(ground.path(&format!("data/n1/fsm-snap/{want:016x}.fsm"))).unwrap();
        // A file without a footer gets one: a server asks for it.
        assert!(restored == file || restored == with_footer(file), "{name} {want}");
    }
}

/// Outputs of each corpus, restored: a decode of the data directory gives the output again.
#[test]
fn outputs_come_back() {
    for corpus in ["redis-small", "sqs-small", "dynamodb-small", "s3-small"] {
        let ground = Ground::new();
        ground.write("in.fsm", &snapshots(&load(corpus))[0]);
        let decode = |input: &str, output: &str| {
            let args = ["decode", input, "-o", output, "--for-restore", "--layout", "jsonl"];
            let (code, words) = ground.run(&args);
            assert_eq!(code, 0, "{corpus}: {words}");
        };
        decode("in.fsm", "out");
        let words = ground.restored(&["out", "--node", "n1=h:1,n2=h:2,n3=h:3", "--only", "n2"]);
        assert!(words.contains("data: encoded from outputs") && !words.contains("--raftId n1"), "{words}");
        assert!(!ground.path("data/n1").exists() && !ground.path("data/encoded.fsm").exists());
        decode("data", "again");
        let (mut before, mut after) = (ground.tree("out"), ground.tree("again"));
        for name in [&b"MANIFEST.json"[..], b"CHECKSUMS"] {
            before.remove(name);
            after.remove(name);
        }
        assert!(before == after, "{corpus}: a decode of what was restored is not the output");
    }
}

/// A backup of long ago, moved: what was left of an expiry, a delay or a retention is left again.
#[test]
fn times_are_moved() {
    const DAY_MS: i64 = 86_400_000;
    let read = |ground: &Ground, args: &[&str]| -> Vec<serde_json::Value> {
        ground.restored(&[&["out", "--node", "n1=h:1"], args].concat());
        let (code, words) = ground.run(&["decode", "data", "-o", "again", "--for-restore", "--layout", "jsonl"]);
        assert_eq!(code, 0, "{words}");
        let mut lines = Vec::new();
        for (name, bytes) in ground.tree("again") {
            let is_data = name.ends_with(b".jsonl") && !name.ends_with(b".side.jsonl") && !name.starts_with(b"sqs/_");
            let text = String::from_utf8(bytes).unwrap();
            lines.extend(text.lines().filter(|_| is_data).map(|line| serde_json::from_str(line).unwrap()));
        }
        lines
    };
    let mut moved = 0;
    for corpus in ["redis-small", "sqs-small"] {
        let ground = Ground::new();
        ground.write("in.fsm", &snapshots(&load(corpus))[0]);
        assert_eq!(ground.run(&["decode", "in.fsm", "-o", "out", "--for-restore", "--layout", "jsonl"]).0, 0);
        let before = read(&ground, &[]);
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(ground.path("out/MANIFEST.json")).unwrap()).unwrap();
        let ts: u64 = manifest["last_commit_ts_str"].as_str().unwrap().parse().unwrap();
        let to = i64::try_from(ts >> 16).unwrap() + DAY_MS;
        for made in ["data", "again"] {
            fs::remove_dir_all(ground.path(made)).unwrap();
        }
        let after = read(&ground, &[&format!("--shift-times={to}")]);
        assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(&after) {
            for name in [
                "expire_at_ms",
                "send_timestamp_millis",
                "available_at_millis",
                "visible_at_millis",
                "first_receive_millis",
            ] {
                let (was, is) = (before[name].as_i64().unwrap_or(0), after[name].as_i64().unwrap_or(0));
                assert_eq!(is, if was == 0 { 0 } else { was + DAY_MS }, "{name}: {before} {after}");
                moved += i32::from(was != 0);
            }
        }
    }
    assert!(moved > 100, "only {moved} moments were seen");
}

/// Data directories as they were when the real server was started on them and answered as its clients remembered
/// (docs/RELIABILITY.md): a change of a byte asks for that again. Of S3 the store itself is left out: the token has its checksum.
#[test]
fn data_directories_that_a_server_was_started_on() {
    let golden = raw("restored");
    let mut seen = 0;
    for corpus in ["stale-ttl", "sqs-small", "dynamodb-small", "s3-small"] {
        let ground = Ground::new();
        ground.write("in.fsm", &snapshots(&load(corpus))[0]);
        assert_eq!(ground.run(&["decode", "in.fsm", "-o", "out", "--for-restore", "--layout", "jsonl"]).0, 0);
        ground.restored(&["out", "--node", "n1=127.0.0.1:50051"]);
        let tree = ground.tree("data");
        let prefix = format!("{corpus}/").into_bytes();
        for (name, want) in golden.iter().filter(|(name, _)| name.starts_with(&prefix)) {
            let got = tree.get(&name[prefix.len()..]);
            assert!(got == Some(want), "{} is not as it was", name.escape_ascii());
            seen += 1;
        }
    }
    assert_eq!((seen, golden.len()), (15, 15));
}

/// Every system call of the output fails once: a message, exit code 1, nothing left.
#[test]
fn every_failed_call_leaves_nothing() {
    let ground = Ground::new();
    ground.write("in.fsm", &snapshots(&load("stale-ttl"))[0]);
    write_secret(&ground.path("kek"), &KEK);
    assert_eq!(ground.run(&["decode", "in.fsm", "-o", "out", "--for-restore", "--layout", "jsonl"]).0, 0);
    for args in [
        &["in.fsm", "--node", "n1=h:1,n2=h:2"][..],
        &["out", "--node", "n1=h:1"],
        &["out", "--node", "n1=h:1", "--kek", "kek"],
        &[&["in.fsm", "--node", "n=h:1"], SPLIT].concat(),
    ] {
        let mut calls = 0;
        for call in 1.. {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
            command.current_dir(ground.0.path()).args(["restore", "-d", "data", "--threads", "1"]).args(args);
            let out = command.env("EKVSNAP_FAULT", format!("{call}:ENOSPC")).stdin(Stdio::null()).output().unwrap();
            let words = stderr(&out);
            if !words.contains("fault injected") {
                assert_eq!(code(&out), 0, "{words}");
                break;
            }
            calls += 1;
            assert!(code(&out) == 1 && words.contains("No space left"), "{call}: {} {words}", code(&out));
            let mut left: Vec<_> =
                fs::read_dir(ground.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            left.sort();
            assert_eq!(left, ["000000000000030d.fsm", "in.fsm", "kek", "out"], "{call}");
        }
        assert!(calls > 10, "{calls}");
        fs::remove_dir_all(ground.path("data")).unwrap();
    }
}
