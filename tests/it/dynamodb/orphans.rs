//! Items of no live generation (`rules.md` §5).

use super::{check_marks, with};
use crate::kit::build::Snapshot;
use crate::kit::ddb::V::S;
use crate::kit::ddb::{Table, table};
use crate::kit::{Decoded, decoded};

/// Items of `t` in generations 1, 1, 4 and 12, and of a table without a schema.
fn snapshot(counter: Option<u64>) -> Snapshot {
    let (t, gone) = (table(b"t").generation(10), table(b"gone"));
    let mut snapshot = Snapshot::new().put(t.schema_key(), t.schema()).item(&t, &[S("live")], "live");
    for (generation, key) in [(1, "a"), (1, "b"), (4, "c"), (12, "d")] {
        snapshot = snapshot.item(&t.generation(generation), &[S(key)], key);
    }
    snapshot = snapshot.item(&gone, &[S("x")], "x").item(&gone.generation(3), &[S("y")], "y");
    match counter {
        Some(last) => snapshot.counter(&t, last).counter(&gone, 2),
        None => snapshot,
    }
}

/// The members of the one finding of an event.
fn members(decoded: &Decoded, event: &str) -> serde_json::Value {
    let manifest: serde_json::Value = serde_json::from_str(decoded.text("MANIFEST.json")).unwrap();
    let all = ["warnings", "notes"].map(|list| manifest[list].as_array().unwrap().clone()).concat();
    all.into_iter().find(|f| f["event"] == event).unwrap()["examples"][0].clone()
}

#[test]
fn leftovers_without_a_generation_row_are_warnings() {
    let decoded = decoded(snapshot(None).build());
    check_marks(&decoded, &[("t/items/live.json", "live")]);
    assert_eq!(decoded.warnings(), [("ddb_orphan_items", 1), ("ddb_stale_generation_items", 1)]);
    let orphans = members(&decoded, "ddb_orphan_items");
    assert_eq!(orphans.to_string(), r#"{"buffered_items":2,"encoded_table":"Z29uZQ"}"#);
    let stale = members(&decoded, "ddb_stale_generation_items");
    let want = r#"{"active_generation":10,"migration_source_generation":0,"stale_count":4,"table":"t"}"#;
    assert_eq!(stale.to_string(), want);
}

#[test]
fn leftovers_that_a_generation_row_explains_are_notes() {
    let decoded = decoded(snapshot(Some(20)).build());
    check_marks(&decoded, &[("t/items/live.json", "live")]);
    // Generation 12 of t is above the live one, and 3 of the deleted table was never handed out.
    assert_eq!(decoded.warnings(), [("ddb_orphan_items", 1), ("ddb_stale_generation_items", 1)]);
    let notes =
        [("ddb_deleted_table_items", 1), ("ddb_generation_without_table", 1), ("ddb_replaced_generation_items", 1)];
    assert_eq!(decoded.notes(), notes);
    assert_eq!(members(&decoded, "ddb_stale_generation_items")["stale_count"], 1);
    assert_eq!(members(&decoded, "ddb_orphan_items")["buffered_items"], 1);
    assert_eq!(members(&decoded, "ddb_replaced_generation_items")["stale_count"], 3);
    assert_eq!(members(&decoded, "ddb_deleted_table_items")["items"], 1);
}

#[test]
fn include_orphans_writes_them_by_row_key() {
    let decoded = with(&snapshot(Some(20)), |o| o.include_orphans = true);
    let want = [
        ("t/items/live.json", "live"),
        ("_orphans/t/gen-1/items/a%00%01.json", "a"),
        ("_orphans/t/gen-1/items/b%00%01.json", "b"),
        ("_orphans/t/gen-4/items/c%00%01.json", "c"),
        ("_orphans/t/gen-12/items/d%00%01.json", "d"),
        ("_orphans/gone/gen-1/items/x%00%01.json", "x"),
        ("_orphans/gone/gen-3/items/y%00%01.json", "y"),
    ];
    check_marks(&decoded, &want);
    let tally = &decoded.outcome.manifest.adapters.tally;
    let scopes: Vec<(&str, u64)> =
        tally.of(ekvsnap::format::adapter::DYNAMODB).map(|(scope, kinds)| (scope, kinds[0].1)).collect();
    assert_eq!(scopes, [("_orphans/gone", 2), ("_orphans/t", 4), ("t", 1)]);
}

#[test]
fn one_generation_in_two_spellings_is_kept_apart() {
    let key = |generation: &str| format!("!ddb|item|{}|{generation}|k", table(b"gone").encoded());
    let value = crate::kit::ddb::item(&[]);
    let snapshot = Snapshot::new().put(key("7"), &value).put(key("07"), &value);
    let decoded = with(&snapshot, |o| o.include_orphans = true);
    let paths = ["gen-07", "gen-7"].map(|g| format!("dynamodb/_orphans/gone/{g}/items/k.json"));
    assert_eq!(decoded.below("dynamodb/"), paths);
}

#[test]
fn an_empty_table_has_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let source = ekvsnap::source::Source::from_bytes("x.fsm", Snapshot::new().table(&EMPTY).build());
    let target = dir.path().join("out");
    let options = ekvsnap::decode::Options::default();
    ekvsnap::decode::decode(&[source], &target, &options, &ekvsnap::decode::Silent).unwrap();
    assert!(target.join("dynamodb/empty/items").is_dir());
}

const EMPTY: Table<'_> = table(b"empty");
