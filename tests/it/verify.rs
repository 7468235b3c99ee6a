//! `ekvsnap verify`: intact and damaged snapshots and outputs.

use std::fs;
use std::path::Path;

use ekvsnap::format::fs::ROOT;
use serde_json::Value;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::fs::{base, chunk, inode, name, put};
use crate::kit::{packed, run, run_with};

const CORPORA: [&str; 11] = [
    "redis-small",
    "redis-nasty",
    "mvcc-interleave",
    "dynamodb-small",
    "dynamodb-nasty",
    "s3-small",
    "s3-nasty",
    "sqs-small",
    "sqs-nasty",
    "fs-small",
    "two-groups",
];

fn stdout(out: &std::process::Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Writes the snapshots of a corpus; returns their names.
fn written(dir: &Path, corpus: &str) -> Vec<String> {
    let write = |(n, bytes): (usize, Vec<u8>)| {
        let name = format!("g{n}.fsm");
        fs::write(dir.join(&name), bytes).unwrap();
        name
    };
    snapshots(&load(corpus)).into_iter().enumerate().map(write).collect()
}

#[track_caller]
fn verify(dir: &Path, args: &[&str], want: i32) -> String {
    let out = ekvsnap(dir, &[&["verify"], args].concat());
    let text = stdout(&out);
    assert_eq!(code(&out), want, "{args:?}: {text}{}", stderr(&out));
    text
}

#[track_caller]
fn decode(dir: &Path, args: &[&str]) {
    let out = ekvsnap(dir, &[&["decode", "--progress", "never"], args].concat());
    assert_eq!(code(&out), 0, "{args:?}: {}", stderr(&out));
}

/// A real snapshot and everything that is made of it pass, and equal a fresh decode.
#[test]
fn whatever_is_made_of_a_corpus_is_whole() {
    for corpus in CORPORA {
        let dir = tempfile::tempdir().unwrap();
        let (dir, names) = (dir.path(), written(dir.path(), corpus));
        let inputs: Vec<&str> = names.iter().map(String::as_str).collect();
        let text = verify(dir, &inputs, 0);
        assert!(text.contains("intact") && !text.contains("damage"), "{corpus}: {text}");
        for (output, flags) in [
            ("tree", &[][..]),
            ("lines", &["--layout", "jsonl"]),
            ("parts", &["--layout", "jsonl", "--part-size", "50"]),
            ("a.tar", &[]),
            ("b.tar.zst", &["--layout", "jsonl"]),
            ("c.tar", &["--layout", "jsonl", "--part-size", "500"]),
        ] {
            decode(dir, &[&inputs[..], &["-o", output, "--include-orphans"], flags].concat());
            let text = verify(dir, &[&[output, "--against"], &inputs[..]].concat(), 0);
            assert!(text.contains("equal a fresh decode"), "{corpus} {output}: {text}");
        }
    }
}

/// All damaged rows are shown, in file order, not only the first. What a decode does not read is a warning.
#[test]
fn every_damaged_row_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let meta = |key: &str| [b"!hs|meta|\0\0\0\x01", key.as_bytes()].concat();
    let snapshot = Snapshot::new()
        .put(meta("a"), "short")
        .put(meta("b"), [0; 8])
        .put("!redis|str|t", b"\xff\x01")
        .put_at(5 << 16, "!redis|hll|old", b"\xff\x02")
        .put_at(9 << 16, "!redis|hll|old", b"\xff\x02\0fine");
    fs::write(dir.path().join("x.fsm"), snapshot.build()).unwrap();
    let text = verify(dir.path(), &["x.fsm", "--json"], 2);
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let damage: Vec<&Value> = events.iter().filter(|event| event["event"] == "damage").collect();
    let families: Vec<&str> = damage.iter().map(|event| event["family"].as_str().unwrap()).collect();
    assert_eq!(families, ["!hs|meta|", "!redis|str|"], "{text}");
    let unread = events.iter().find(|event| event["code"] == "unread_rows_damaged").unwrap();
    assert_eq!((&unread["count"], &unread["examples"][0]["family"]), (&1.into(), &"!redis|hll|".into()));
    let summary = events.last().unwrap();
    assert_eq!((&summary["intact"], &summary["damaged"]), (&Value::Bool(false), &Value::from(2)));
    let text = verify(dir.path(), &["x.fsm", "--limit", "1"], 2);
    assert!(text.contains("and 1 more"), "{text}");
    let old = Snapshot::new().put_at(5 << 16, "!redis|hll|old", b"\xff\x02").put_at(
        9 << 16,
        "!redis|hll|old",
        b"\xff\x02\0f",
    );
    fs::write(dir.path().join("x.fsm"), old.build()).unwrap();
    let text = verify(dir.path(), &["x.fsm"], 0);
    assert!(text.contains("intact") && text.contains("!redis|hll| key \"!redis|hll|old\""), "{text}");
    verify(dir.path(), &["x.fsm", "--strict"], 4);
}

/// What can happen to a directory.
#[test]
fn changed_outputs_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, names) = (dir.path(), written(dir.path(), "redis-small"));
    let change = |words: &str, change: &dyn Fn(&Path)| {
        let _ = fs::remove_dir_all(dir.join("out"));
        decode(dir, &[&names[0], "-o", "out"]);
        change(&dir.join("out"));
        let text = verify(dir, &["out"], 2);
        assert!(text.contains(words), "want {words:?} in {text}");
    };
    let hash = "redis/db_0/hashes/h%3Abig.json";
    let file =
        |out: &Path| if out.join(hash).exists() { out.join(hash) } else { first_file(&out.join("redis/db_0/hashes")) };
    change("SHA-256 is", &|out| {
        let mut bytes = fs::read(file(out)).unwrap();
        bytes[0] ^= 1;
        fs::write(file(out), bytes).unwrap();
    });
    change("it is missing", &|out| fs::remove_file(file(out)).unwrap());
    change("it is not in CHECKSUMS", &|out| fs::write(out.join("redis/foreign"), "x").unwrap());
    change("a symbolic link", &|out| {
        let file = file(out);
        fs::rename(&file, out.with_extension("moved")).unwrap();
        std::os::unix::fs::symlink(out.with_extension("moved"), file).unwrap();
    });
    change("it is missing", &|out| fs::remove_file(out.join("MANIFEST.json")).unwrap());
    change("nothing can be verified", &|out| fs::remove_file(out.join("CHECKSUMS")).unwrap());
    change("line 1", &|out| {
        let text = fs::read_to_string(out.join("CHECKSUMS")).unwrap();
        fs::write(out.join("CHECKSUMS"), format!("no row\n{text}")).unwrap();
    });
}

fn first_file(dir: &Path) -> std::path::PathBuf {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).min().unwrap()
}

/// A snapshot that has one more key, or another value.
#[test]
fn an_output_of_another_snapshot_is_not_equal() {
    let dir = tempfile::tempdir().unwrap();
    let one = Snapshot::new().put("!redis|str|a", "1").put("!redis|str|b", "2");
    let other = Snapshot::new().put("!redis|str|a", "1").put("!redis|str|b", "3").put("!redis|str|c", "4");
    fs::write(dir.path().join("one.fsm"), one.build()).unwrap();
    fs::write(dir.path().join("other.fsm"), other.build()).unwrap();
    decode(dir.path(), &["one.fsm", "-o", "out"]);
    let text = verify(dir.path(), &["out", "--against", "other.fsm"], 2);
    assert!(text.contains("strings/b.bin") && text.contains("strings/c.bin"), "{text}");
    assert!(!text.contains("strings/a.bin"), "{text}");
    decode(dir.path(), &["one.fsm", "-o", "out.tar"]);
    verify(dir.path(), &["out.tar", "--against", "other.fsm"], 2);
    verify(dir.path(), &["one.fsm", "--against", "one.fsm"], 64);
}

/// An archive that was cut, and one with a flipped byte.
#[test]
fn damaged_archives_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, names) = (dir.path(), written(dir.path(), "redis-small"));
    for output in ["a.tar", "a.tar.zst"] {
        decode(dir, &[&names[0], "-o", output]);
        let whole = fs::read(dir.join(output)).unwrap();
        fs::write(dir.join(output), &whole[..whole.len() / 2]).unwrap();
        verify(dir, &[output], 2);
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0x10;
        fs::write(dir.join(output), flipped).unwrap();
        verify(dir, &[output], 2);
    }
}

/// Files with large holes have no row in CHECKSUMS, and links have none at all: the metadata lists both.
#[test]
fn large_holes_and_further_names_are_verified() {
    let dir = tempfile::tempdir().unwrap();
    let large = inode(7, (1 << 40) + 5);
    let s = chunk(put(name(base(2), ROOT, "sparse", 7, "file"), 7, &large), 7, 1 << 17, "in the middle");
    let two = crate::kit::fs::with(inode(8, 3), serde_json::json!({"nlink": 2}));
    let s = chunk(put(name(name(s, ROOT, "one", 8, "file"), ROOT, "two", 8, "file"), 8, &two), 8, 0, "abc");
    fs::write(dir.path().join("x.fsm"), s.build()).unwrap();
    for output in ["out", "out.tar", "out.tar.zst"] {
        decode(dir.path(), &["x.fsm", "-o", output]);
        let text = verify(dir.path(), &[output, "--against", "x.fsm"], 0);
        assert!(text.contains("equal a fresh decode"), "{text}");
    }
    let sparse = dir.path().join("out/fs/tree/sparse");
    use std::os::unix::fs::FileExt as _;
    fs::File::options().write(true).open(&sparse).unwrap().write_all_at(b"x", 1 << 30).unwrap();
    let text = verify(dir.path(), &["out"], 2);
    assert!(text.contains("sha256_extents is"), "{text}");
    fs::remove_file(&sparse).unwrap();
    verify(dir.path(), &["out"], 2);
}

/// Objects that were left out on request are not a difference: the manifest records it.
#[test]
fn the_options_of_a_decode_are_in_its_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, names) = (dir.path(), written(dir.path(), "redis-small"));
    for (n, flags) in [
        &["--scope", "redis:h*"][..],
        &["--exclude", "redis:h*", "--type", "strings,hashes"],
        &["--adapter", "redis", "--drop-expired=2026-11-24T00:00:00Z"],
        &["--max-size", "100"],
    ]
    .into_iter()
    .enumerate()
    {
        let output = format!("out{n}");
        decode(dir, &[&[names[0].as_str(), "-o", &output], flags].concat());
        verify(dir, &[&output, "--against", &names[0]], 0);
    }
}

#[test]
fn standard_input() {
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let names = written(dir.path(), "redis-small");
    decode(dir.path(), &[&names[0], "-o", "out.tar.zst"]);
    for file in [names[0].as_str(), "out.tar.zst"] {
        let stdin = Stdio::from(fs::File::open(dir.path().join(file)).unwrap());
        let out = Command::new(env!("CARGO_BIN_EXE_ekvsnap")).args(["verify", "-"]).stdin(stdin).output().unwrap();
        assert_eq!(code(&out), 0, "{file}: {}{}", stdout(&out), stderr(&out));
    }
}

/// Both layouts of both decoders agree on how much there is.
#[test]
fn the_kits_decodes_are_what_verify_counts() {
    let files = snapshots(&load("redis-small"));
    let (tree, lines) = (run(&files).unwrap(), run_with(&files, &packed()).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let names = written(dir.path(), "redis-small");
    let text = verify(dir.path(), &[&names[0], "--json"], 0);
    let summary: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(summary["files"], tree.outcome.files);
    assert_eq!(summary["live"], lines.outcome.manifest.counters.live);
}
