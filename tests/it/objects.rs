//! Compares objects that are reported while a snapshot is decoded with those that are read from its packed output.

use std::collections::BTreeMap;
use std::path::Path;

use ekvsnap::dataset::DataSet;
use ekvsnap::decode::{Options, Silent, decode, index};
use ekvsnap::diff::{Side, diff};
use ekvsnap::format::adapter::{self, Adapter};
use ekvsnap::format::fs::ROOT;
use ekvsnap::index::Granularity;
use ekvsnap::objects::{Object, of_output, of_snapshots};
use ekvsnap::output::reading::{Named, Output, look};
use ekvsnap::source::Source;
use serde_json::json;

use crate::kit::build::Snapshot;
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{fs as kit_fs, packed};

const CORPORA: [&str; 14] = [
    "redis-small",
    "redis-nasty",
    "mvcc-interleave",
    "two-groups",
    "two-groups-pending",
    "dynamodb-small",
    "dynamodb-nasty",
    "s3-small",
    "s3-nasty",
    "sqs-small",
    "sqs-nasty",
    "fs-small",
    "stale-ttl",
    "expired-retype",
];

/// Small pieces: every task has a few rows.
const FINE: Granularity = Granularity { checkpoint_interval: 1, read_size: 1, task_size: 1 };

/// Key, range, size and expiry of objects in their order, by adapter, scope and kind.
type Objects = BTreeMap<(Adapter, String, &'static str), Vec<(Vec<u8>, Option<Vec<u8>>, u64, Option<u64>)>>;

fn add(objects: &mut Objects, object: &Object<'_>) {
    let Object { adapter, scope, kind, key, range, size, expire_at_ms, .. } = *object;
    let of_kind = objects.entry((adapter, scope.to_owned(), kind)).or_default();
    of_kind.push((key.to_vec(), range.map(<[u8]>::to_vec), size, expire_at_ms));
}

fn told(sources: &[Source], options: &Options, marks: bool) -> Objects {
    let mut objects = Objects::new();
    of_snapshots(sources, options, marks, &Silent, &mut |object| {
        assert_eq!(object.value.is_some(), marks, "{object:?}");
        let has_rest = object.adapter == adapter::REDIS || matches!(object.kind, "objects" | "files" | "directories");
        assert_eq!(object.rest.is_some(), marks && has_rest, "{object:?}");
        // With marks, equal numbers of keys have one text.
        if !marks || object.adapter != adapter::DYNAMODB {
            add(&mut objects, object);
        }
        Ok(())
    })
    .unwrap();
    objects
}

fn read(sources: &[Source], options: &Options, target: &Path) -> Objects {
    decode(sources, target, &Options { force: true, fsync: Some(false), ..options.clone() }, &Silent).unwrap();
    let mut objects = Objects::new();
    of_output(&mut || Ok(opened(target)), false, &mut |object| {
        add(&mut objects, object);
        Ok(())
    })
    .unwrap();
    objects
}

fn opened(path: &Path) -> Output {
    let Named::Output(output) = look(path).unwrap() else { panic!("{} is no output", path.display()) };
    output
}

#[track_caller]
fn check(name: &str, inputs: &[Vec<u8>], options: &Options) {
    let inputs = inputs.iter().enumerate();
    let sources: Vec<Source> = inputs.map(|(n, bytes)| Source::from_bytes(format!("{n}.fsm"), bytes.clone())).collect();
    let dir = tempfile::tempdir().unwrap();
    let mut want = read(&sources, options, &dir.path().join("lines"));
    for (granularity, threads) in [(Granularity::default(), 1), (FINE, 4)] {
        let options = Options { granularity, threads, ..options.clone() };
        assert_eq!(told(&sources, &options, false), want, "{name}: {granularity:?}");
    }
    want.retain(|(adapter, ..), _| *adapter != adapter::DYNAMODB);
    assert_eq!(told(&sources, options, true), want, "{name}: with marks");
}

#[test]
fn as_in_the_output() {
    for corpus in CORPORA {
        let inputs = snapshots(&load(corpus));
        check(corpus, &inputs, &packed());
        let all = Options {
            include_orphans: true,
            include_incomplete_uploads: true,
            include_sqs_side_records: true,
            preserve_sqs_visibility: true,
            ..packed()
        };
        check(&format!("{corpus} with all"), &inputs, &all);
    }
}

#[test]
fn objects_that_are_not_held_as_a_whole() {
    let long = "v".repeat(9 << 20);
    let hash = |s: Snapshot, name: &str| {
        (0..3).fold(s, |s, n| s.put(crate::kit::build::sized("!hs|fld|", name, format!("f{n}")), long.as_str()))
    };
    let s = Snapshot::new().put("!redis|str|a", "v").put("!redis|str|long", long.as_str()).put("!redis|str|z", "v");
    check("long", &[hash(hash(s, "h"), "i").build()], &packed());
}

/// Directories in directories, until their paths are too long.
#[test]
fn paths_that_are_not_told_as_a_whole() {
    let long = "d".repeat(240);
    let mut s = kit_fs::base(1);
    for number in 100..130u64 {
        let above = if number == 100 { ROOT } else { number - 1 };
        s = kit_fs::name(kit_fs::dir(s, number, 1), above, &long, number, "directory");
        let file = 1000 + number;
        s = kit_fs::name(kit_fs::put(s, file, &kit_fs::inode(file, 5)), number, "f", file, "file");
        s = kit_fs::chunk(s, file, 0, "inner");
    }
    check("deep", &[s.build()], &packed());
}

/// The differences of two states, in words.
fn differences(mut sides: [Side; 2], options: [&Options; 2]) -> Vec<String> {
    let mut all = Vec::new();
    let [a, b] = &mut sides;
    let totals = diff([a, b], options, &Silent, &mut |difference| {
        all.push(format!("{difference:?}"));
        Ok(())
    });
    all.push(format!("{:?}", totals.unwrap().scopes));
    all
}

/// Fingerprints of reported objects distinguish values like those of the output's bytes.
#[test]
fn the_same_differs_as_between_outputs() {
    let mut differ = BTreeMap::new();
    // All of the files of the other corpus are of one moment.
    for corpus in CORPORA.into_iter().filter(|corpus| *corpus != "fs-small") {
        let inputs = snapshots(&load(corpus));
        let source = || inputs.iter().map(|bytes| Source::from_bytes("x.fsm", bytes.clone())).collect::<Vec<_>>();
        let (sources, dir) = (source(), tempfile::tempdir().unwrap());
        let set = DataSet::index(&sources, None, Granularity::default()).unwrap();
        let newest = set.inputs().map(|group| group.index.last_commit_ts).max().unwrap();
        let output = |name: &str, options: &Options| {
            let target = dir.path().join(name);
            decode(&sources, &target, &Options { force: true, fsync: Some(false), ..options.clone() }, &Silent)
                .unwrap();
            Side::output(opened(&target)).unwrap()
        };
        for back in [18, 24, 27, 29] {
            let now = packed();
            let before = Options { as_of: Some(newest - (1 << back)), ..packed() };
            if index(&sources, &before, &Silent).is_err() {
                break;
            }
            let outputs = [output(&format!("a{back}"), &before), output(&format!("b{back}"), &now)];
            let want = differences(outputs, [&now, &now]);
            let got = differences([Side::Snapshots(source()), Side::Snapshots(source())], [&before, &now]);
            assert_eq!(got, want, "{corpus} and 2^{back} before");
            *differ.entry(corpus).or_insert(0) += want.len() - 1;
        }
    }
    let few: Vec<_> = differ.iter().filter(|(_, n)| **n < 3).collect();
    assert!(few.is_empty(), "{few:?} of {differ:?}");
}

#[test]
fn the_same_differs_of_files() {
    let state = |second: bool| {
        let text = |one, other| if second { other } else { one };
        let pick = |one: u64, other: u64| if second { other } else { one };
        let file = |s, path: &str, number, body: &str, members| {
            let value = kit_fs::with(kit_fs::inode(number, 32), members);
            kit_fs::chunk(kit_fs::name(kit_fs::put(s, number, &value), ROOT, path, number, "file"), number, 0, body)
        };
        let s = file(kit_fs::base(0), "content", 10, text("one", "two"), json!({}));
        let s = file(s, "mode", 11, "same", json!({"mode": pick(0o644, 0o600)}));
        let s = file(s, "read", 12, "same", json!({"atime_nsec": pick(1, 2), "ctime_nsec": pick(1, 2)}));
        let s = file(s, "size", 13, "same", json!({"size": pick(32, 33)}));
        let zeros = file(s, "zeros", 14, "same", json!({}));
        let s = if second { kit_fs::chunk(zeros, 14, 1, [0; 16]) } else { zeros };
        let s = file(s, "huge", 15, "same", json!({"size": 1u64 << 30, "mtime_nsec": pick(1, 2)}));
        file(s, "holes", 16, text("same", "other"), json!({"size": 1u64 << 30}))
    };
    let dir = tempfile::tempdir().unwrap();
    let sides = [false, true].map(|second| {
        let source = || vec![Source::from_bytes("x.fsm", state(second).build())];
        let target = dir.path().join(second.to_string());
        decode(&source(), &target, &Options { fsync: Some(false), ..packed() }, &Silent).unwrap();
        (Side::Snapshots(source()), Side::output(opened(&target)).unwrap())
    });
    let [(a, output_a), (b, output_b)] = sides;
    let got = differences([a, b], [&packed(), &packed()]);
    assert_eq!(got, differences([output_a, output_b], [&packed(), &packed()]));
    let changed = |path: &str| got.iter().any(|line| line.contains(&format!("{:?}", path.as_bytes())));
    let all = ["content", "mode", "read", "size", "zeros", "huge", "holes"];
    assert_eq!(all.map(changed), [true, true, false, true, false, true, true], "{got:#?}");
}
