//! Rows that a migration between groups has staged (`future.md` F4).

use std::collections::BTreeSet;

use ekvsnap::decode::{Options, Silent, decode};
use ekvsnap::format::frame::{self, Step};
use ekvsnap::format::mvcc::{self, Operational};
use ekvsnap::index::{self, Granularity};
use ekvsnap::source::Source;

use crate::kit::build::{NOW, Snapshot, Version, mvcc2, staged};
use crate::kit::command::{code, ekvsnap};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{decoded, run, run_with};

const CORPORA: [&str; 8] = [
    "dynamodb-nasty",
    "dynamodb-small",
    "fs-small",
    "mvcc-interleave",
    "redis-nasty",
    "redis-small",
    "s3-nasty",
    "sqs-nasty",
];

/// The rows of a snapshot, each where `place` says: unchanged in the file, or as a staged row of a job.
fn moved(file: &[u8], place: impl Fn(&[u8], u64) -> Option<u64>) -> Vec<u8> {
    let mut out = Snapshot::new();
    let mut at = index::stream(file).unwrap().1;
    while let Step::Entry(entry) = frame::step(file, at).unwrap() {
        at = entry.end;
        if Operational::of(entry.raw_key, entry.raw_value).is_some() {
            out = out.raw(entry.raw_key, entry.raw_value);
            continue;
        }
        let (user_key, ts) = mvcc::split_key(entry.raw_key).unwrap();
        // Node-local rows and the catalog do not move.
        let stays = user_key.starts_with(b"!dist|");
        match place(user_key, ts).filter(|_| !stays) {
            Some(job) => out = out.raw(staged(job, entry.raw_key), entry.raw_value),
            None => out = out.raw(entry.raw_key, entry.raw_value),
        }
    }
    let last = index::last_commit_ts(&Source::from_bytes("x", file.to_vec())).unwrap();
    out.last_commit(last).build()
}

/// Paths and digests of all files but the manifest.
fn digests(file: &[u8], granularity: Granularity) -> BTreeSet<String> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let options = Options { include_orphans: true, granularity, ..Options::default() };
    decode(&[Source::from_bytes("x.fsm", file.to_vec())], &out, &options, &Silent).unwrap_or_else(|e| panic!("{e}"));
    let sums = std::fs::read(out.join("CHECKSUMS")).unwrap();
    let lines = String::from_utf8_lossy(&sums).lines().map(str::to_owned).collect::<Vec<_>>();
    lines.into_iter().filter(|line| !line.ends_with("  MANIFEST.json")).collect()
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3)) >> 7
}

/// Whatever part of the rows is staged, in however many jobs, and be it one version of a key but not the next: the output
/// is the same.
#[test]
fn every_adapter_sees_staged_rows() {
    for name in CORPORA {
        for original in snapshots(&load(name)) {
            let tiny = Granularity { checkpoint_interval: 200, read_size: 1000, task_size: 2000 };
            let want = digests(&original, Granularity::default());
            let all = moved(&original, |_, _| Some(7));
            let keys = moved(&original, |key, _| Some(hash(key) % 3).filter(|job| *job > 0));
            let versions = moved(&original, |key, ts| Some((hash(key) ^ ts >> 5) & 1).filter(|job| *job > 0));
            for (how, file) in [("all", all), ("keys", keys), ("versions", versions)] {
                for granularity in [Granularity::default(), tiny] {
                    let got = digests(&file, granularity);
                    let differs: Vec<_> = want.symmetric_difference(&got).take(9).collect();
                    assert!(differs.is_empty(), "{name} {how} {granularity:?}: {differs:#?}");
                }
            }
        }
    }
}

fn string(text: &str) -> Vec<u8> {
    [b"\xff\x01\x00", text.as_bytes()].concat()
}

fn k() -> Vec<u8> {
    staged(7, "!redis|str|k")
}

const FILE: &str = "redis/db_0/strings/k.bin";

#[test]
fn the_newest_version_of_all_wins() {
    let live = |ts, text: &str| Snapshot::new().put_at(ts, "!redis|str|k", string(text)).last_commit(NOW);
    let copy = |ts, text: &str| Snapshot::new().put_at(ts, k(), string(text)).last_commit(NOW);
    let gone = |ts| Snapshot::new().delete_at(ts, k()).last_commit(NOW);
    let cases: [(&[Snapshot], Option<&str>); 9] = [
        (&[live(NOW - 5, "source"), copy(NOW - 5, "source")], Some("source")),
        (&[live(NOW - 5, "newer"), copy(NOW - 6, "older")], Some("newer")),
        (&[live(NOW - 6, "older"), copy(NOW - 5, "newer")], Some("newer")),
        (&[live(NOW - 6, "older"), gone(NOW - 5)], None),
        (&[live(NOW - 5, "newer"), gone(NOW - 6)], Some("newer")),
        // Promoted, in one file: a duplicate, or written again since.
        (&[live(NOW - 5, "same").put_at(NOW - 5, k(), string("same"))], Some("same")),
        (&[live(NOW - 5, "written").put_at(NOW - 6, k(), string("copied"))], Some("written")),
        // Deleted since: the copy does not become visible.
        (&[copy(NOW - 6, "copied").delete_at(NOW - 5, "!redis|str|k")], None),
        // Of two jobs.
        (&[live(1, "x"), copy(NOW - 6, "7").put_at(NOW - 5, staged(8, "!redis|str|k"), string("8"))], Some("8")),
    ];
    for (i, (inputs, want)) in cases.into_iter().enumerate() {
        let files: Vec<Vec<u8>> = inputs.iter().map(Snapshot::build).collect();
        let got = run(&files).unwrap();
        assert_eq!(got.has(FILE).then(|| got.text(FILE)), want, "case {i}");
        assert_eq!(got.warnings(), [], "case {i}");
        assert!(got.notes().iter().all(|(event, _)| *event == "staged_rows"), "case {i}: {:?}", got.notes());
    }
    let past = Options { as_of: Some(NOW - 6), ..Options::default() };
    let file = copy(NOW - 5, "new").put_at(NOW - 7, k(), string("old")).put_at(NOW - 8, "!redis|str|k", string("x"));
    assert_eq!(run_with(&[file.build()], &past).unwrap().text(FILE), "old");
}

/// An applied intent meets staged locks and records.
#[test]
fn staged_transactions_are_resolved() {
    let sized = |bytes: &[u8]| [&(bytes.len() as u64).to_be_bytes()[..], bytes].concat();
    let start = NOW - 9;
    let lock = [&[1][..], &start.to_be_bytes(), &[0; 8], &[1], &sized(b"!redis|str|k")].concat();
    let intent = [&[1][..], &start.to_be_bytes(), &[0], &sized(&string("after"))].concat();
    let record = [&b"!txn|cmt|!redis|str|k"[..], &start.to_be_bytes()].concat();
    let snapshot = Snapshot::new()
        .put_at(NOW - 20, k(), string("before"))
        .put_at(start, staged(7, "!txn|lock|!redis|str|k"), lock)
        .put_at(start, staged(7, "!txn|int|!redis|str|k"), intent)
        .put_at(NOW - 5, record, [&[1][..], &(NOW - 5).to_be_bytes()].concat());
    assert_eq!(decoded(snapshot.build()).text(FILE), "after");
}

#[test]
fn copies_of_a_missing_group_are_warned_of() {
    let target = Snapshot::new().put(k(), string("1")).put(staged(7, "!redis|str|l"), string("2"));
    let other = Snapshot::new().put("!redis|str|l", string("2"));
    let alone = |inputs: &[&Snapshot]| {
        let files: Vec<Vec<u8>> = inputs.iter().map(|snapshot| snapshot.build()).collect();
        let got = run(&files).unwrap();
        assert_eq!(got.text(FILE), "1");
        (got.warnings().len(), got.text("MANIFEST.json").to_owned())
    };
    let (warnings, manifest) = alone(&[&target]);
    assert_eq!(warnings, 1);
    for told in ["\"staged_rows_alone\"", "\"job\": 7", "\"rows\": 2", "\"alone\": 2", "!redis|str|k"] {
        assert!(manifest.contains(told), "{told}: {manifest}");
    }
    // One of them is promoted.
    let (warnings, manifest) = alone(&[&target.clone().put("!redis|str|l", string("2"))]);
    assert!(warnings == 1 && manifest.contains("\"alone\": 1"), "{manifest}");
    // An input that has none of the family is no help, one that has is.
    let (warnings, _) = alone(&[&target, &Snapshot::new().put("!txn|meta|x", "1")]);
    assert_eq!(warnings, 1);
    let (warnings, manifest) = alone(&[&target, &other]);
    assert!(warnings == 0 && manifest.contains("\"staged_rows\""), "{manifest}");
    // What is deleted misses nothing.
    let (warnings, _) =
        alone(&[&Snapshot::new().delete_at(NOW, staged(7, "!redis|str|x")).put("!redis|str|k", string("1"))]);
    assert_eq!(warnings, 0);
}

#[test]
fn the_memory_store_stages_too() {
    let (inner, other) = (string("zz"), string("1"));
    let row: [&[Version<'_>]; 2] = [&[(5, false, 0, b"old"), (9, false, 0, &inner)], &[(9, false, 0, &other)]];
    let decoded = decoded(mvcc2(9, &[(&k(), row[0]), (b"!redis|str|a", row[1])]));
    assert_eq!((decoded.text(FILE), decoded.text("redis/db_0/strings/a.bin")), ("zz", "1"));
}

#[test]
fn what_only_looks_staged() {
    // Malformed keys are unknown rows, wherever they are.
    let mut odd = Snapshot::new().put(k(), string("1")).put("!redis|str|k", string("1"));
    for key in [&b"!dist|migstage|"[..], b"!dist|migstage|short", b"!dist|migstage|12345678-x", &staged(1, k())] {
        odd = odd.put(key, "?");
    }
    // A timestamp that continues like a job: the row is among those of job 7.
    let timestamp = !u64::from_be_bytes(*b"|AAAAAAA");
    let cut = k()[..23].to_vec();
    let got = decoded(odd.put_at(timestamp, cut, "?").last_commit(NOW).build());
    assert_eq!(got.text(FILE), "1");
    assert!(got.text("MANIFEST.json").contains("\"rows\": 5"), "{}", got.text("MANIFEST.json"));
    let many = (0..65).fold(Snapshot::new(), |snapshot, job| snapshot.put(staged(job, "!redis|str|k"), string("1")));
    let error = run(&[many.build()]).err().unwrap();
    assert!(error.is_damage() && error.to_string().contains("64 migration jobs"), "{error}");
}

/// The commands around the decode see them as well.
#[test]
fn get_versions_verify_and_diff() {
    let dir = tempfile::tempdir().unwrap();
    let target = Snapshot::new().put_at(NOW - 3, k(), string("new")).put_at(NOW - 9, "!redis|str|k", string("old"));
    let plain = Snapshot::new().put_at(NOW - 3, "!redis|str|k", string("new"));
    let damaged = target.clone().put(staged(7, "!redis|ttl|k"), "not eight bytes").put(staged(7, "!zs|mem|"), "");
    for (name, snapshot) in [("target", target), ("plain", plain), ("damaged", damaged)] {
        std::fs::write(dir.path().join(name), snapshot.last_commit(NOW).build()).unwrap();
    }
    let told = |args: &[&str], want: i32| {
        let output = ekvsnap(dir.path(), args);
        let text = String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap();
        assert_eq!(code(&output), want, "{args:?}: {text}");
        text
    };
    assert_eq!(told(&["get", "target", "redis:k"], 0), "new");
    let versions = told(&["get", "target", "redis:k", "--versions", "--json"], 0);
    assert_eq!(versions.matches("\"family\":\"!redis|str|\",\"input\":0,\"key\":\"k\"").count(), 2, "{versions}");
    told(&["verify", "target"], 0);
    told(&["verify", "damaged"], 2);
    told(&["diff", "target", "plain"], 0);
    told(&["decode", "target", "-o", "out"], 0);
    told(&["verify", "out", "--against", "target"], 0);
}
