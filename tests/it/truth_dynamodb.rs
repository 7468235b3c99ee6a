//! Compares the decode with the answers of the running server.

use std::collections::BTreeMap;

use ekvsnap::decode::{Layout, Options};
use serde_json::{Value, json};

use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Tree, run_with};

/// A value with sorted sets and plain binaries: the server answers with `{"b64": …}`.
fn canonical(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|o| o.iter().next()) else { panic!("{value}") };
    let blob = |v: &Value| v.get("b64").unwrap_or(v).clone();
    let inner = match kind.as_str() {
        "B" => blob(inner),
        "SS" | "NS" | "BS" => {
            let mut all: Vec<Value> = inner.as_array().unwrap().iter().map(blob).collect();
            all.sort_by_key(Value::to_string);
            Value::from(all)
        }
        "L" => inner.as_array().unwrap().iter().map(canonical).collect(),
        "M" => canonical_item(inner),
        _ => inner.clone(),
    };
    json!({ kind: inner })
}

fn canonical_item(item: &Value) -> Value {
    item.as_object().unwrap().iter().map(|(name, value)| (name.clone(), canonical(value))).collect()
}

fn sorted<'v>(items: impl Iterator<Item = &'v Value>) -> Vec<String> {
    let mut all: Vec<String> = items.map(|item| canonical_item(item).to_string()).collect();
    all.sort();
    all
}

/// The items of a table: one file each, or lines.
fn decoded_items(tree: &Tree, folder: &str, layout: Layout) -> Vec<Value> {
    if layout == Layout::JSONL {
        let text = std::str::from_utf8(&tree[format!("dynamodb/{folder}.jsonl").as_bytes()]).unwrap();
        return text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["Item"].clone()).collect();
    }
    let items = format!("dynamodb/{folder}/items/");
    let items = tree.iter().filter(|(path, _)| path.starts_with(items.as_bytes()));
    items.map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
}

/// Table name to its schema and its items.
fn decoded_tables(tree: &Tree, layout: Layout) -> BTreeMap<String, (Value, Vec<Value>)> {
    let end = if layout == Layout::JSONL { ".schema.json" } else { "/_schema.json" };
    let mut tables = BTreeMap::new();
    for (path, body) in tree {
        let path = std::str::from_utf8(path).unwrap();
        let Some(folder) = path.strip_prefix("dynamodb/").and_then(|p| p.strip_suffix(end)) else {
            continue;
        };
        let items = decoded_items(tree, folder, layout);
        let schema: Value = serde_json::from_slice(body).unwrap();
        tables.insert(schema["table_name"].as_str().unwrap().to_owned(), (schema, items));
    }
    tables
}

fn key_names(desc: &Value) -> [Option<&str>; 2] {
    ["HASH", "RANGE"].map(|kind| {
        let keys = desc["KeySchema"].as_array().unwrap();
        keys.iter().find(|k| k["KeyType"] == kind).and_then(|k| k["AttributeName"].as_str())
    })
}

fn index_names<'v>(indexes: &'v Value, name: &str) -> Vec<&'v str> {
    let mut names: Vec<&str> = indexes.as_array().into_iter().flatten().filter_map(|i| i[name].as_str()).collect();
    names.sort_unstable();
    names
}

#[track_caller]
fn check(corpus: &str, layout: Layout, things: usize) {
    let files = load(corpus);
    let want: Value = serde_json::from_slice(&files["expected.dynamodb.json"]).unwrap();
    let want = want.as_object().unwrap();
    let options = Options { layout, ..Options::default() };
    let got = decoded_tables(&run_with(&snapshots(&files), &options).unwrap().tree, layout);
    assert_eq!(got.keys().collect::<Vec<_>>(), want.keys().collect::<Vec<_>>());
    let mut checked = 0;
    for (name, table) in want {
        let ((schema, items), desc) = (&got[name], &table["desc"]);
        let keys = ["hash_key", "range_key"].map(|key| schema["primary_key"][key]["name"].as_str());
        assert_eq!(keys, key_names(desc), "{name}");
        let indexes = index_names(&schema["global_secondary_indexes"], "name");
        assert_eq!(indexes, index_names(&desc["GlobalSecondaryIndexes"], "IndexName"), "{name}");
        let items = sorted(items.iter());
        assert_eq!(items, sorted(table["items"].as_array().unwrap().iter()), "{name}");
        checked += 1 + items.len();
    }
    assert_eq!(checked, things);
}

#[test]
fn dynamodb_items_are_what_the_server_answered() {
    for layout in [Layout::TREE, Layout::JSONL] {
        check("dynamodb-small", layout, 92);
        check("dynamodb-nasty", layout, 94);
        check("sst-plain", layout, 77);
    }
}
