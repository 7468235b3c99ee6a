//! Which rows count: versions, generations, inputs, transactions.

use super::{check_marks, with};
use crate::kit::build::{NOW, Snapshot};
use crate::kit::ddb::V::{N, S, Unset};
use crate::kit::ddb::{body, item, table};
use crate::kit::{decoded, run};

const OLD: u64 = NOW - (5 << 16);

#[test]
fn better_the_newest_version_wins() {
    let t = table(b"t");
    let snapshot = Snapshot::new().table(&t).item(&t, &[S("k")], "new").item_at(OLD, &t, &[S("k")], "old");
    check_marks(&decoded(snapshot.build()), &[("t/items/k.json", "new")]);
    check_marks(
        &with(&snapshot.put_at(OLD, t.schema_key(), t.schema()), |o| o.as_of = Some(OLD)),
        &[("t/items/k.json", "old")],
    );
}

#[test]
fn better_deleted_items_stay_deleted() {
    let t = table(b"t");
    let snapshot = Snapshot::new().table(&t).item_at(OLD, &t, &[S("k")], "old").delete_at(NOW, t.key(&[S("k")]));
    let decoded = decoded(snapshot.build());
    check_marks(&decoded, &[]);
    assert_eq!(decoded.outcome.manifest.adapters.tally.of(ekvsnap::format::adapter::DYNAMODB).count(), 1);
}

#[test]
fn better_the_newest_schema_tells_the_generation() {
    let (was, is) = (table(b"t"), table(b"t").generation(2));
    let snapshot = Snapshot::new().put_at(OLD, was.schema_key(), was.schema()).table(&is);
    let decoded = decoded(snapshot.item(&is, &[S("k")], "live").item_at(OLD, &was, &[S("k")], "stale").build());
    check_marks(&decoded, &[("t/items/k.json", "live")]);
    assert_eq!(decoded.notes(), [("ddb_replaced_generation_items", 1)]);
    let schema = decoded.text("dynamodb/t/_schema.json");
    assert!(schema.ends_with("  ],\n  \"generation\": 2,\n  \"key_encoding_version\": 2\n}"), "{schema}");
}

#[test]
fn a_migration_source_gives_what_is_not_copied_yet() {
    let new = table(b"t").types("N", None).generation(10).migrating(2);
    let old = new.generation(2).version(0);
    let other = old.generation(3);
    let snapshot = Snapshot::new()
        .table(&new)
        .item(&new, &[N("1")], "new 1")
        .item(&new, &[N("0.50")], "new half")
        // Equal numbers with another text are the same items; a string never is.
        .item(&old, &[N("1.0")], "old 1")
        .item(&old, &[N("0.5")], "old half")
        .item(&old, &[S("1e0")], "old text")
        .item(&old, &[N("7")], "old 7")
        .item(&old, &[N("9.50")], "old 9.5")
        .item(&other, &[N("8")], "stale");
    let decoded = decoded(snapshot.build());
    let want = [
        ("t/items/1.json", "new 1"),
        ("t/items/1%2F2.json", "new half"),
        ("t/items/1e0.json", "old text"),
        ("t/items/7.json", "old 7"),
        ("t/items/19%2F2.json", "old 9.5"),
    ];
    check_marks(&decoded, &want);
    assert_eq!((decoded.warnings(), decoded.notes()), (vec![], vec![("ddb_replaced_generation_items", 1)]));
    assert!(decoded.text("dynamodb/t/_schema.json").contains("\"migrating_from_generation\": 2"));
}

#[test]
fn a_copy_counts_only_while_it_is_there() {
    let new = table(b"t").types("S", Some("S")).generation(2).migrating(1);
    let old = new.generation(1).version(0);
    let keys = [S("h"), S("r")];
    let source = Snapshot::new().table(&new).item(&old, &keys, "old");
    check_marks(&decoded(source.build()), &[("t/items/h/r.json", "old")]);
    let copied = source.clone().item(&new, &keys, "new");
    check_marks(&decoded(copied.build()), &[("t/items/h/r.json", "new")]);
    let deleted = source.item_at(OLD, &new, &keys, "new").delete_at(NOW, new.key(&keys));
    check_marks(&decoded(deleted.build()), &[("t/items/h/r.json", "old")]);
}

#[test]
fn two_inputs_are_one_data_set() {
    let t = table(b"t");
    let one = Snapshot::new().table(&t).item(&t, &[S("a")], "a").item_at(OLD, &t, &[S("both")], "old");
    let two = Snapshot::new().item(&t, &[S("b")], "b").item(&t, &[S("both")], "new").delete_at(OLD, t.key(&[S("a")]));
    let decoded = run(&[one.build(), two.build()]).unwrap();
    check_marks(&decoded, &[("t/items/a.json", "a"), ("t/items/b.json", "b"), ("t/items/both.json", "new")]);
    assert_eq!(decoded.warnings(), [("key_in_several_groups", 1)]);
}

/// A prepared and committed transaction that writes `body` to `key`.
fn committed(snapshot: Snapshot, key: &[u8], body: Option<&[u8]>) -> Snapshot {
    let u64s = |numbers: &[u64]| numbers.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
    let start = NOW - 9;
    let lock = [&[1][..], &u64s(&[start, 0]), &[1], &u64s(&[key.len() as u64]), key].concat();
    let op = u8::from(body.is_none());
    let body = body.unwrap_or_default();
    let intent = [&[1][..], &u64s(&[start]), &[op], &u64s(&[body.len() as u64]), body].concat();
    snapshot
        .put([b"!txn|lock|", key].concat(), lock)
        .put([b"!txn|int|", key].concat(), intent)
        .put([b"!txn|cmt|", key, &start.to_be_bytes()].concat(), [&[1][..], &u64s(&[NOW])].concat())
}

#[test]
fn intents_of_committed_transactions_apply() {
    let t = table(b"t");
    let mut snapshot = Snapshot::new().table(&t).item_at(OLD, &t, &[S("a")], "old").item_at(OLD, &t, &[S("b")], "old");
    let [a, b, c] = ["a", "b", "c"].map(|k| t.key(&[S(k)]));
    for (key, value) in [(a, Some(body(&[S("a")], "new"))), (b, None), (c, Some(body(&[S("c")], "new")))] {
        snapshot = committed(snapshot, &key, value.as_deref());
    }
    let one = decoded(snapshot.build());
    check_marks(&one, &[("t/items/a.json", "new"), ("t/items/c.json", "new")]);
    assert_eq!(one.warnings(), [("txn_intents_applied", 3)]);
    // A schema that is still an intent makes its table.
    let u = table(b"u");
    let snapshot = committed(Snapshot::new().item(&u, &[S("x")], "x"), u.schema_key().as_bytes(), Some(&u.schema()));
    check_marks(&decoded(snapshot.build()), &[("u/items/x.json", "x")]);
}

#[test]
fn better_values_without_a_type_are_reported() {
    let t = table(b"t");
    let value = item(&[("pk", S("k")), ("u", Unset)]);
    let decoded = decoded(Snapshot::new().table(&t).put(t.key(&[S("k")]), value).build());
    assert!(decoded.text("dynamodb/t/items/k.json").contains("\"u\": {\n    \"NULL\": true\n  }"));
    assert_eq!(decoded.warnings(), [("ddb_untyped_values", 1)]);
}

#[test]
fn better_rows_that_disagree_with_their_key_are_reported() {
    let t = table(b"t");
    let snapshot = Snapshot::new().table(&t).put(t.key(&[S("a")]), body(&[S("b")], "by attribute"));
    let alone = decoded(snapshot.build());
    check_marks(&alone, &[("t/items/b.json", "by attribute")]);
    assert_eq!(alone.warnings(), [("ddb_key_mismatch", 1)]);
    // The item to which the name belongs comes first; this one is written with another name.
    let both = decoded(snapshot.item(&t, &[S("b")], "right").build());
    assert!(both.text("dynamodb/t/items/b.json").contains("right"));
    assert_eq!(both.below("dynamodb/t/items/").len(), 2);
    assert_eq!(both.warnings(), [("ddb_key_mismatch", 1), ("ddb_name_collision", 1)]);
    // A generation with leading zeros is the same generation, under a key that the server does not use.
    let zeros = [b"!ddb|item|dA|001|".as_slice(), b"z\0\x01"].concat();
    let decoded = decoded(Snapshot::new().table(&t).put(zeros, body(&[S("z")], "z")).build());
    check_marks(&decoded, &[("t/items/z.json", "z")]);
    assert_eq!(decoded.warnings(), [("ddb_key_mismatch", 1)]);
}

#[test]
fn better_the_manifest_counts_items_of_each_table() {
    let (t, u) = (table(b"t"), table(b"u"));
    let snapshot = Snapshot::new().table(&t).table(&u).item(&t, &[S("a")], "1").item(&t, &[S("b")], "2");
    let decoded = decoded(snapshot.build());
    let manifest: serde_json::Value = serde_json::from_str(decoded.text("MANIFEST.json")).unwrap();
    let tables = &manifest["adapters"]["dynamodb"];
    assert_eq!(tables["tables"], serde_json::json!(["t", "u"]));
    assert_eq!((&tables["scopes"][0]["objects"], &tables["scopes"][1]["objects"]), (&2.into(), &0.into()));
    let bytes: usize = ["a", "b"].map(|k| decoded.text(&format!("dynamodb/t/items/{k}.json")).len()).iter().sum();
    assert_eq!(tables["scopes"][0]["bytes"], bytes);
    assert_eq!(manifest["dynamodb_layout"], "per-item");
}

/// Names that look alike as text are tables of their own in the manifest, by the names of their folders.
#[test]
fn the_manifest_tells_tables_apart() {
    let names: [&[u8]; 5] = [b".", b"%2E", b"_orphans", b"t\xfe", b"t\xff"];
    let mut snapshot = Snapshot::new();
    for name in names {
        let t = table(name);
        snapshot = snapshot.table(&t).item(&t, &[S("k")], "x");
    }
    let decoded = decoded(snapshot.build());
    let manifest: serde_json::Value = serde_json::from_str(decoded.text("MANIFEST.json")).unwrap();
    let tables = &manifest["adapters"]["dynamodb"];
    assert_eq!(tables["tables"], serde_json::json!(["%252E", "%2E", "%5Forphans", "t%FE", "t%FF"]));
    assert!(tables["scopes"].as_array().unwrap().iter().all(|scope| scope["objects"] == 1), "{tables}");
}

#[test]
fn no_row_is_lost_where_pieces_and_units_meet() {
    // Rows of many sizes, so that a piece or a task ends at every kind of key; names that are prefixes of others.
    let t = table(b"t");
    for size in [700, 20_000, 300_000] {
        let mark = "x".repeat(size);
        let names: Vec<String> = (0..3_000_000 / size).map(|i| format!("{i:x}")).collect();
        let mut snapshot = Snapshot::new().table(&t);
        for name in &names {
            snapshot = snapshot.item(&t, &[S(name)], &mark);
        }
        let decoded = decoded(snapshot.build());
        assert_eq!(decoded.below("dynamodb/t/items/").len(), names.len(), "{size}");
    }
}
