//! RDB files, read back by a separate reader.

use std::path::{Path, PathBuf};

use ekvsnap::decode::{Layout, Options as Decode, Silent, decode};
use ekvsnap::format::redis::stream::{StreamId, entry_into};
use ekvsnap::load::{Input, Options, Outcome, Target, load};
use ekvsnap::source::Source;
use proptest::prelude::*;

use super::rdb_reader::read;
use super::truth::{Keys, Value, held, keys};
use crate::kit::build::{Snapshot, be, entry, item, plain, sized};
use crate::kit::command::{code, ekvsnap};
use crate::kit::fixtures::{load as fixture, snapshots};

/// Corpora with Redis keys.
pub const CORPORA: [&str; 7] =
    ["redis-small", "redis-nasty", "expired-retype", "stale-ttl", "incr-poison", "mvcc-interleave", "two-groups"];

pub fn sources(inputs: &[Vec<u8>]) -> Vec<Source> {
    let named = inputs.iter().enumerate();
    named.map(|(n, bytes)| Source::from_bytes(format!("{n}.fsm"), bytes.clone())).collect()
}

/// Writes the file, and reads it.
fn written(input: &Input, options: &Options) -> (Keys, Outcome, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dump.rdb");
    let outcome = load(input, &Target::Rdb(path.clone()), options, &Silent).unwrap();
    let file = std::fs::read(path).unwrap();
    (read(&file), outcome, file)
}

/// The keys in a file, sketches of HyperLogLogs aside: those are compared by a server.
#[track_caller]
pub fn same(got: &Keys, want: &Keys) {
    assert!(got.keys().eq(want.keys()), "other keys");
    for (name, (value, expiry)) in want {
        let (found, at) = &got[name];
        let shown = name.escape_ascii();
        match (value, found) {
            (Value::Members(_), Value::String(sketch)) => assert!(sketch.starts_with(b"HYLL"), "{shown}"),
            _ => assert_eq!(found, value, "{shown}"),
        }
        assert_eq!(at, expiry, "{shown}");
    }
}

fn outputs(inputs: &[Vec<u8>], dir: &Path) -> Vec<PathBuf> {
    let layouts = [(Layout::TREE, "tree"), (Layout::JSONL, "lines")];
    let each = layouts.map(|(layout, name)| {
        let target = dir.join(name);
        let options = Decode { layout, fsync: Some(false), ..Decode::default() };
        decode(&sources(inputs), &target, &options, &Silent).unwrap();
        target
    });
    each.into()
}

#[test]
fn every_corpus_is_in_its_file() {
    for name in CORPORA {
        let inputs = snapshots(&fixture(name));
        let want = held(keys(&inputs), 0);
        let (found, outcome, file) = written(&Input::Snapshots(sources(&inputs)), &Options::default());
        same(&found, &want);
        assert_eq!(outcome.objects.iter().map(|(_, count)| count).sum::<u64>(), want.len() as u64, "{name}");
        let dir = tempfile::tempdir().unwrap();
        for output in outputs(&inputs, dir.path()) {
            let (found, ..) = written(&Input::Outputs(vec![output]), &Options::default());
            same(&found, &want);
        }
        let (_, _, again) = written(&Input::Snapshots(sources(&inputs)), &Options::default());
        assert!(file == again, "{name}: not the same bytes in a second run");
    }
}

#[test]
fn expiries_move_with_the_backup() {
    let inputs = snapshots(&fixture("redis-small"));
    let taken = Source::from_bytes("x.fsm", inputs[0].clone());
    let taken_ms = (ekvsnap::index::last_commit_ts(&taken).unwrap() >> 16) as i64;
    let options = Options { shift_to_ms: Some(4_000_000_000_000), ..Options::default() };
    let (found, outcome, _) = written(&Input::Snapshots(sources(&inputs)), &options);
    assert_eq!(outcome.shifted_ms, 4_000_000_000_000 - taken_ms);
    same(&found, &held(keys(&inputs), outcome.shifted_ms));
}

/// Objects without a form in Redis are reported with their names, and `--strict` fails.
#[test]
fn what_redis_cannot_hold() {
    let snapshot = Snapshot::new()
        .put(sized("!hs|meta|", "empty", ""), be(&[0]))
        .put(sized("!zs|meta|", "z", ""), be(&[2]))
        .put(sized("!zs|mem|", "z", "nan"), be(&[0x7ff8_0000_0000_0001]))
        .put(sized("!zs|mem|", "z", "one"), 1f64.to_be_bytes())
        .put(sized("!stream|meta|", "s", ""), be(&[2, 5, 5]))
        .put(sized("!stream|entry|", "s", be(&[1, 1])), entry("1-1", &[]))
        .put(sized("!stream|entry|", "s", be(&[2, 2])), entry("2-2", &[b"a", b"b"]))
        .put(sized("!hs|meta|", "late", ""), be(&[1, u64::MAX]))
        .put(sized("!hs|fld|", "late", "f"), "v");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.fsm"), snapshot.build()).unwrap();
    let out = ekvsnap(dir.path(), &["load", "x.fsm", "--to", "x.rdb", "--strict"]);
    assert_eq!(code(&out), 4);
    let told = String::from_utf8(out.stderr).unwrap();
    for words in [
        "redis:empty: it is empty",
        "redis:z: the score of its member \"nan\" is not a number",
        "redis:s: its entry 1-1 has no fields",
        "changed: redis:late: it expires at",
    ] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    let found = read(&std::fs::read(dir.path().join("x.rdb")).unwrap());
    same(&found, &held(keys(&[snapshot.build()]), 0));
    assert_eq!(found.len(), 3);
}

#[test]
fn files_are_new_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy("testdata/redis-small.fsm", dir.path().join("x.fsm")).unwrap();
    let run = |args: &[&str]| code(&ekvsnap(dir.path(), args));
    assert_eq!(run(&["load", "x.fsm", "--to", "x.rdb", "--dry-run"]), 0);
    assert!(!dir.path().join("x.rdb").exists());
    assert_eq!(run(&["load", "x.fsm", "--to", "x.rdb"]), 0);
    assert_eq!(run(&["load", "x.fsm", "--to", "x.rdb"]), 1, "it is there");
    for misuse in [
        &["load", "x.fsm", "--to", "dump"][..],
        &["load", "x.fsm", "--to", "ftp://h"],
        &["load", "x.fsm", "--to", "y.rdb", "--merge"],
        &["load", "x.fsm", "--to", "y.rdb", "--start-after", "redis:a"],
        &["load", "x.fsm", "--to", "redis://h", "--start-after", "s3:a/b"],
    ] {
        assert_eq!(run(misuse), 64, "{misuse:?}");
    }
    // The damage is found when much is written, and nothing is left of it.
    let mut bytes = std::fs::read("testdata/redis-small.fsm").unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(dir.path().join("bad.fsm"), bytes).unwrap();
    assert_eq!(run(&["load", "bad.fsm", "--to", "bad.rdb"]), 2);
    let names = || std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names().any(|name| name.to_string_lossy().contains("bad.rdb")), "{:?}", names().collect::<Vec<_>>());
    // Two outputs with the same keys: a server would not load the file.
    assert_eq!(run(&["decode", "x.fsm", "-o", "a"]), 0);
    assert_eq!(run(&["load", "a", "a", "--to", "twice.rdb"]), 2);
    assert!(!dir.path().join("twice.rdb").exists());
}

/// Rows of random collections: lengths around every bound of the encodings.
fn collections() -> impl Strategy<Value = Snapshot> {
    let lengths = prop_oneof![0usize..70, 120usize..140, 4090usize..4100, 16370usize..16400, Just(70_000usize)];
    let text = (lengths, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]);
    let ids = prop::collection::btree_set((0u64..5, prop_oneof![0u64..300, Just(u64::MAX)]), 0..250);
    let fields = prop::collection::vec((0usize..3, text.clone()), 1..4);
    (prop::collection::vec(text, 1..12), ids, prop::collection::vec(fields, 1..6), any::<i64>()).prop_map(
        |(texts, ids, fields, score)| {
            let mut snapshot = Snapshot::new();
            for (n, text) in texts.iter().enumerate() {
                let name = [format!("{n}").as_bytes(), &text[..text.len().min(90)]].concat();
                snapshot = snapshot
                    .put(plain("!redis|str|", [b"s", &name[..]].concat()), [b"\xff\x01\0", &text[..]].concat())
                    .put(sized("!hs|fld|", "hash", &name), text)
                    .put(sized("!st|mem|", "set", &name), "")
                    .put(sized("!zs|mem|", "zset", &name), (score as f64 / 7.0 + n as f64).to_be_bytes())
                    .put(item("list", n as i64), text);
            }
            let count = texts.len() as u64;
            snapshot = snapshot.put(plain("!lst|meta|", "list"), be(&[0, count, count]));
            for (n, (ms, seq)) in ids.iter().enumerate() {
                let of = &fields[n % fields.len()];
                let names = ["a", "name", "x"];
                let pairs = of.iter().map(|(name, value)| (names[*name].as_bytes(), &value[..]));
                let mut row = Vec::new();
                entry_into(StreamId { ms: *ms, seq: *seq }, pairs, &mut row);
                snapshot = snapshot.put(sized("!stream|entry|", "stream", be(&[*ms, *seq])), row);
            }
            let last = ids.last().copied().unwrap_or((7, 7));
            snapshot.put(sized("!stream|meta|", "stream", ""), be(&[ids.len() as u64, last.0, last.1]))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_collections_are_read_back(snapshot in collections()) {
        let inputs = [snapshot.build()];
        let (found, ..) = written(&Input::Snapshots(sources(&inputs)), &Options::default());
        same(&found, &held(keys(&inputs), 0));
    }
}
