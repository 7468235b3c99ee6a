//! `--layout jsonl`: one file per table (`rules.md` §6).

use ekvsnap::decode::{Layout, Options};
use ekvsnap::format::adapter;
use ekvsnap::index::Granularity;
use serde_json::{Value, json};

use super::bundle::large;
use super::{line_marks, with};
use crate::kit::build::Snapshot;
use crate::kit::ddb::V::{N, S};
use crate::kit::ddb::{item, table};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Decoded, packed, run_with};

fn pack(snapshot: &Snapshot, orphans: bool) -> Decoded {
    with(snapshot, |o| (o.layout, o.include_orphans) = (Layout::JSONL, orphans))
}

#[test]
fn every_table_has_a_file_of_its_own() {
    let t = table(b"t");
    let snapshot = Snapshot::new().table(&t).item(&t, &[S("b")], "2").item(&t, &[S("a<")], "1");
    let names = [&b"a"[..], b"a.schema", b"a.jsonl", b".", b"..", b"x/y", b"_orphans"];
    let snapshot = names.iter().fold(snapshot, |snapshot, name| snapshot.table(&table(name)));
    let decoded = pack(&snapshot, true);
    let stems = ["%2E", "%2E%2E", "%5Forphans", "a", "a.jsonl", "a.schema", "t", "x%2Fy"];
    let mut want: Vec<String> =
        stems.iter().flat_map(|stem| ["jsonl", "schema.json"].map(|end| format!("dynamodb/{stem}.{end}"))).collect();
    want.sort();
    assert_eq!(decoded.below("dynamodb/"), want);
    let lines = [("a\\u003c", "1"), ("b", "2")]
        .map(|(key, mark)| format!("{{\"Item\":{{\"pk\":{{\"S\":\"{key}\"}},\"v\":{{\"S\":\"{mark}\"}}}}}}\n"));
    assert_eq!(decoded.text("dynamodb/t.jsonl"), lines.concat());
    for stem in stems.iter().filter(|stem| **stem != "t") {
        assert_eq!(decoded.text(&format!("dynamodb/{stem}.jsonl")), "");
    }
    let tree = with(&snapshot, |_| ());
    assert_eq!(decoded.text("dynamodb/t.schema.json"), tree.text("dynamodb/t/_schema.json"));
}

#[test]
fn attribute_names_are_sorted_and_the_last_of_one_name_counts() {
    let t = table(b"t");
    let value = item(&[("v", S("1")), ("pk", S("k")), ("é", N("1")), ("v", S("2")), ("B", N("1.50"))]);
    let decoded = pack(&Snapshot::new().table(&t).put(t.key(&[S("k")]), value), false);
    let want = r#"{"Item":{"B":{"N":"1.50"},"pk":{"S":"k"},"v":{"S":"2"},"é":{"N":"1"}}}"#;
    assert_eq!(decoded.text("dynamodb/t.jsonl"), format!("{want}\n"));
}

/// Items that share a file name in a tree are lines like any other.
#[test]
fn there_are_no_collisions_of_names() {
    let c = table(b"c");
    let snapshot = Snapshot::new().table(&c).item(&c, &[S("1")], "text").item(&c, &[N("1")], "number");
    assert_eq!(with(&snapshot, |_| ()).warnings(), [("ddb_name_collision", 1)]);
    let decoded = pack(&snapshot, false);
    assert_eq!(line_marks(&decoded, "dynamodb/c.jsonl"), ["number", "text"]);
    assert_eq!(decoded.warnings(), []);
}

#[test]
fn orphans_have_a_file_for_each_generation() {
    let (t, gone) = (table(b"t").generation(10), table(b"_orphans"));
    let mut snapshot = Snapshot::new().table(&t).item(&t, &[S("live")], "live");
    for (generation, key) in [(1, "a"), (1, "b"), (4, "c"), (12, "d")] {
        snapshot = snapshot.item(&t.generation(generation), &[S(key)], key);
    }
    let zeros = "0".repeat(300);
    let long = format!("!ddb|item|{}|{zeros}7|\u{7f}\\", gone.encoded());
    let snapshot = snapshot.item(&gone, &[S("x")], "x").put(long, item(&[("v", S("y"))]));
    let without = pack(&snapshot, false);
    assert_eq!(without.below("dynamodb/"), ["dynamodb/t.jsonl", "dynamodb/t.schema.json"]);
    assert_eq!(line_marks(&without, "dynamodb/t.jsonl"), ["live"]);
    let decoded = pack(&snapshot, true);
    assert_eq!(decoded.warnings(), without.warnings());
    let text = |path: &str| decoded.text(&format!("dynamodb/_orphans/{path}.jsonl")).to_owned();
    let line = |key: &str, mark: &str| {
        format!(
            "{{\"key\":\"{key}\\u0000\\u0001\",\"Item\":{{\"pk\":{{\"S\":\"{key}\"}},\"v\":{{\"S\":\"{mark}\"}}}}}}\n"
        )
    };
    assert_eq!(text("t/gen-1"), line("a", "a") + &line("b", "b"));
    assert_eq!(text("t/gen-4"), line("c", "c"));
    assert_eq!(text("t/gen-12"), line("d", "d"));
    assert_eq!(text("%5Forphans/gen-1"), line("x", "x"));
    // A name that no file system can store unchanged gets a fallback name.
    let path = decoded.below("dynamodb/_orphans/%5Forphans/").into_iter().find(|path| path.contains("__")).unwrap();
    assert_eq!(decoded.text(&path), "{\"key\":\"\u{7f}\\\\\",\"Item\":{\"v\":{\"S\":\"y\"}}}\n");
    assert!(with(&snapshot, |o| o.include_orphans = true).has(&path.replace(".jsonl", "/items/%7F%5C.json")));
    let tally = &decoded.outcome.manifest.adapters.tally;
    let scopes: Vec<(&str, &str, u64)> =
        tally.of(adapter::DYNAMODB).flat_map(|(scope, kinds)| kinds.iter().map(move |k| (scope, k.0, k.1))).collect();
    assert_eq!(scopes, [("_orphans/%5Forphans", "orphans", 2), ("_orphans/t", "orphans", 4), ("t", "items", 1)]);
}

#[test]
fn the_manifest_tells_the_layout_and_what_was_written() {
    let t = table(b"t");
    let decoded = pack(&Snapshot::new().table(&t).item(&t, &[S("a")], "1").item(&t, &[S("b")], "2"), false);
    let manifest: Value = serde_json::from_str(decoded.text("MANIFEST.json")).unwrap();
    assert_eq!(manifest["dynamodb_layout"], "jsonl");
    let bytes = decoded.text("dynamodb/t.jsonl").len();
    let scope = json!({
        "name": "t", "objects": 2, "bytes": bytes, "kinds": [{ "kind": "items", "objects": 2, "bytes": bytes }],
    });
    assert_eq!(manifest["adapters"]["dynamodb"], json!({ "tables": ["t"], "scopes": [scope] }));
}

#[test]
fn values_of_no_type_and_foreign_keys_are_warned_of_as_in_a_tree() {
    let t = table(b"t");
    let value = item(&[("pk", S("k")), ("v", crate::kit::ddb::V::Unset)]);
    let snapshot = Snapshot::new().table(&t).put(t.key(&[S("other")]), value);
    let want = [("ddb_key_mismatch", 1), ("ddb_untyped_values", 1)];
    assert_eq!((pack(&snapshot, false).warnings(), with(&snapshot, |_| ()).warnings()), (want.to_vec(), want.to_vec()));
}

#[test]
fn a_damaged_item_is_one_line_less() {
    let t = table(b"t");
    let snapshot = Snapshot::new().table(&t).item(&t, &[S("a")], "a").item(&t, &[S("c")], "c");
    let snapshot = snapshot.put(t.key(&[S("b")]), b"\0DI\x01\x0a\x05").put("!ddb|meta|table|enp6", "garbage");
    assert!(run_with(&[snapshot.build()], &packed()).is_err());
    let decoded = with(&snapshot, |o| (o.layout, o.skip_damage) = (Layout::JSONL, true));
    assert_eq!(line_marks(&decoded, "dynamodb/t.jsonl"), ["a", "c"]);
    assert_eq!(decoded.text("ERRORS.jsonl").lines().count(), 2);
}

#[test]
fn a_bundle_of_a_packed_layout_is_refused() {
    let options = Options { dynamodb_bundle: Some(1 << 20), ..packed() };
    let error = run_with(&[Snapshot::new().build()], &options).err().unwrap();
    assert!(error.to_string().contains("a packed layout has no file for each item"), "{error}");
    assert!(!error.is_damage());
}

/// Items by table, as sorted text.
fn items(decoded: &Decoded, layout: Layout) -> Vec<(String, String)> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let mut all = Vec::new();
    for path in decoded.below("dynamodb/") {
        match layout {
            Layout::TREE if path.contains("/items/") => {
                let table = path.split("/items/").next().unwrap().to_owned();
                all.push((table, parse(decoded.text(&path)).to_string()));
            }
            Layout::JSONL if path.ends_with(".jsonl") => {
                let table = path.strip_suffix(".jsonl").unwrap();
                all.extend(decoded.text(&path).lines().map(|line| (table.to_owned(), parse(line)["Item"].to_string())));
            }
            _ => {}
        }
    }
    all.sort();
    all
}

#[test]
fn both_layouts_hold_the_same_items() {
    let corpora = ["dynamodb-small", "dynamodb-nasty"].map(|name| snapshots(&load(name)));
    for (inputs, least) in corpora.iter().map(|inputs| (&inputs[..], 60)).chain([(&large()[..], 2000)]) {
        let [tree, lines] = [Layout::TREE, Layout::JSONL].map(|layout| {
            let options = Options { layout, include_orphans: true, ..Options::default() };
            items(&run_with(inputs, &options).unwrap(), layout)
        });
        assert!(lines.len() >= least, "{}", lines.len());
        assert_eq!(tree, lines);
    }
}

#[test]
fn any_number_of_threads_and_seams_gives_the_same_bytes() {
    let corpora = ["dynamodb-small", "dynamodb-nasty"].map(|name| snapshots(&load(name)));
    let fine = Granularity { checkpoint_interval: 1, read_size: 1, task_size: 1 };
    for inputs in corpora.iter().map(Vec::as_slice).chain([&large()[..]]) {
        let with = |threads, granularity| {
            run_with(inputs, &Options { threads, granularity, include_orphans: true, ..packed() }).unwrap().tree
        };
        let one = with(1, Granularity::default());
        for threads in [2, 3, 8] {
            assert!(with(threads, Granularity::default()) == one, "{threads} threads");
        }
        assert!(with(3, fine) == one, "as many seams as there can be");
    }
}
