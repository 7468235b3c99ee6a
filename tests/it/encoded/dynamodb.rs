//! Tables and items.

use std::collections::{BTreeMap, BTreeSet};

use ekvsnap::Snapshot;
use ekvsnap::decode::{Layout, Silent};
use ekvsnap::format::dynamodb::{Item, Schema};
use ekvsnap::format::messages::DynamoItem;
use ekvsnap::format::{Family, adapter};

use super::{FORMS, live, options, round, rows_of};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{build, ddb};

const DYNAMODB: [Family; 4] = [Family::DdbTable, Family::DdbGen, Family::DdbItem, Family::DdbGsi];

/// The content of a row, whatever the order and the defaults of its fields.
fn meaning(key: &[u8], value: &[u8]) -> String {
    match Family::of(key) {
        Family::DdbTable => format!("{:?}", Schema::parse(value)),
        Family::DdbItem => format!("{:?}", Item::parse(value).map(DynamoItem::from)),
        _ => value.escape_ascii().to_string(),
    }
}

/// Keys of rows that differ between the two sides.
fn differences(want: &BTreeMap<Vec<u8>, Vec<u8>>, got: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<String> {
    let meant = |rows: &BTreeMap<Vec<u8>, Vec<u8>>, key: &[u8]| rows.get(key).map(|value| meaning(key, value));
    let keys: BTreeSet<_> = want.keys().chain(got.keys()).collect();
    let differ = keys.into_iter().filter(|key| meant(want, key) != meant(got, key));
    differ.map(|key| key.escape_ascii().to_string()).collect()
}

/// A server stored these tables: all their rows are restored, also those of indexes and generations.
#[test]
fn what_a_server_stored() {
    let mut encoded = 0;
    for name in ["empty", "dynamodb-small", "dynamodb-nasty", "two-groups", "mvcc-interleave"] {
        for snapshot in snapshots(&load(name)) {
            let want = live(&snapshot, &DYNAMODB);
            if !want.is_empty() {
                let rows = round(snapshot, adapter::DYNAMODB, name);
                assert_eq!(differences(&want, &rows), [""; 0], "{name}");
                encoded += rows.len();
            }
        }
    }
    assert!(encoded > 250, "{encoded}");
}

/// Rows that no current server writes, but whose objects it serves, and generations of deleted tables.
#[test]
fn rows_that_items_do_not_tell() {
    use ddb::V::{B, N, S};
    let migrating = ddb::table(b"moving").types("N", None).generation(10).migrating(2);
    let old = ddb::table(b"moving").types("N", None).generation(2).version(0);
    let first = ddb::table(b"first").generation(0).version(0);
    let odd = ddb::table(b"odd").types("S", Some("B"));
    let gone = ddb::table(b"gone").generation(7);
    let renamed = ddb::Table { name: b"told", ..ddb::table(b"told") };
    let long = "x".repeat(300);
    let rows = build::Snapshot::new()
        .table(&migrating)
        .item(&migrating, &[N("1")], "new")
        .item(&old, &[N("1.0")], "copied")
        .item(&old, &[N("2")], "old")
        .item(&old, &[N("2.0")], "equal by value")
        .item(&old, &[N("0x10")], "no number of today")
        .table(&first)
        .item(&first, &[S("a")], "x")
        .table(&odd)
        .put_at(build::NOW + 1, odd.counter_key(), "4")
        .item(&odd, &[S("."), B(b"")], "special")
        .item(&odd, &[S(&long), B(b"\0\xff")], "long")
        // Two equal items, one of them with a row of another key, and one that two such rows have.
        .item(&odd, &[S("a"), B(b"b")], "same")
        .put(odd.key(&[S("other"), B(b"b")]), ddb::body(&[S("a"), B(b"b")], "same"))
        .put(odd.key(&[S("third"), B(b"b")]), ddb::body(&[S("a"), B(b"b")], "same"))
        .put(odd.key(&[S("y"), B(b"")]), ddb::item(&[("pk", S("z")), ("sk", N("1e3")), ("none", ddb::V::Unset)]))
        .put(renamed.schema_key(), ddb::table(b"another name").schema())
        .table(&ddb::table(b"_orphans"))
        .table(&ddb::table(b".."))
        .table(&ddb::table(long.as_bytes()))
        .counter(&gone, 7)
        .item(&gone, &[S("a")], "stale");
    let snapshot = rows.build();
    let mut want = live(&snapshot, &DYNAMODB);
    want.remove(&*gone.key(&[S("a")])).unwrap();
    want.remove(&*old.key(&[N("1.0")])).unwrap();
    // A table without a generation row gets one.
    want.insert(renamed.counter_key().into(), b"1".to_vec());
    // A value without a type is one of type null.
    let untyped = want.get_mut(&odd.key(&[S("y"), B(b"")])).unwrap();
    *untyped = [&untyped[..], &ddb::field(1, &[ddb::field(1, b"none"), ddb::field(2, b"\x28\x01")].concat())].concat();
    assert_eq!(differences(&want, &round(snapshot.clone(), adapter::DYNAMODB, "planted")), [""; 0]);

    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.fsm"), &snapshot).unwrap();
    for layout in ["tree", "jsonl"] {
        let run = |args: &[&str]| {
            let output = ekvsnap(dir.path(), args);
            assert_eq!(code(&output), 0, "{args:?}: {}", stderr(&output));
        };
        run(&["decode", "s.fsm", "-o", layout, "--layout", layout, "--for-restore"]);
        run(&["verify", layout]);
        run(&["verify", layout, "--against", "s.fsm"]);
        run(&["diff", layout, "s.fsm"]);
    }
}

/// As deep as an item of a snapshot can be, and one level more.
#[test]
fn deep_items() {
    let table = ddb::table(b"t");
    let nested = |levels| (1..levels).fold(ddb::field(9, b""), |inner, _| ddb::field(9, &ddb::field(1, &inner)));
    let deep = ddb::field(1, &[ddb::field(1, b"deep"), ddb::field(2, &nested(256))].concat());
    let item = [ddb::item(&[("pk", ddb::V::S("a"))]), deep].concat();
    let rows = build::Snapshot::new().table(&table).put(table.key(&[ddb::V::S("a")]), item);
    let snapshot = Snapshot::from_bytes("input.fsm", rows.build());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lines");
    snapshot.decode(&path, &options(FORMS[1], adapter::DYNAMODB), &Silent).unwrap();
    assert_eq!(rows_of(&path, Layout::JSONL, adapter::DYNAMODB).unwrap().len(), 3);
    let lines = std::fs::read_to_string(path.join("dynamodb/t.jsonl")).unwrap();
    let deeper = lines.replacen(r#"{"L":"#, r#"{"L":[{"L":"#, 1).replacen("}}}\n", "}]}}}\n", 1);
    std::fs::write(path.join("dynamodb/t.jsonl"), deeper).unwrap();
    let error = rows_of(&path, Layout::JSONL, adapter::DYNAMODB).unwrap_err().to_string();
    assert!(error.contains("nested more than 256"), "{error}");
}

/// Faults of an output, and their messages.
#[test]
fn files_that_no_decode_writes() {
    let item = r#"{"Item":{"pk":{"S":"a"},"v":{"S":"x"}}}"#;
    let schema = |member: &str, value: &str| ("dynamodb/t.schema.json", member.to_owned(), value.to_owned());
    let line = |text: &str| ("dynamodb/t.jsonl", item.to_owned(), text.to_owned());
    let cases = [
        (line(r#"{"Item":{"v":{"S":"x"}}}"#), "lacks the hash attribute"),
        (line(r#"{"Item":{"pk":{"BOOL":true}}}"#), "neither S nor N nor B"),
        (line(r#"{"Item":{"pk":{"N":"x"}}}"#), "a number in its key"),
        (line(r#"{"Item":{"pk":{"S":"a","N":"1"}}}"#), "two types"),
        (line(r#"{"Item":{"pk":{}}}"#), "no type"),
        (line(r#"{"Item":{"pk":{"S":"a"},"pk":{"S":"a"}}}"#), "occurs twice"),
        (line(r#"{"Item":{"pk":{"B":"a"}}}"#), "not base64"),
        (line(r#"{"Item":{"pk":{"T":"a"}}}"#), "unknown field"),
        (line(r#"{"Item":{"pk":{"S":"a"}},"more":1}"#), "unknown field"),
        (line("{}"), "missing field"),
        (line(r#"{"Item":{"pk":{"S":"b"}}}"#), "it differs from its digest"),
        (schema(r#""format_version": 1"#, r#""format_version": 2"#), "newer"),
        (schema(r#""primary_key""#, r#""other_key""#), "unknown field"),
    ];
    for ((file, from, to), words) in cases {
        let table = ddb::table(b"t");
        let rows = build::Snapshot::new().table(&table).item(&table, &[ddb::V::S("a")], "x");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let snapshot = Snapshot::from_bytes("input.fsm", rows.build());
        snapshot.decode(&path, &options(FORMS[1], adapter::DYNAMODB), &Silent).unwrap();
        let file = path.join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(&from), "{text}");
        std::fs::write(&file, text.replacen(&from, &to, 1)).unwrap();
        let error = rows_of(&path, Layout::JSONL, adapter::DYNAMODB).unwrap_err().to_string();
        assert!(error.contains(words), "{to}: {error}");
    }
}
