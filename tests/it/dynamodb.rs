//! DynamoDB tables and items.

mod bundle;
mod damage;
mod live;
mod model;
mod names;
mod orphans;
mod packed;

use ekvsnap::decode::Options;
use ekvsnap::format::adapter;

use crate::kit::build::Snapshot;
use crate::kit::fixtures::{load, snapshots};
use crate::kit::golden::differences;
use crate::kit::{Decoded, run, run_with};

/// Decodes an intact snapshot with some options.
#[track_caller]
fn with(snapshot: &Snapshot, change: impl FnOnce(&mut Options)) -> Decoded {
    let mut options = Options::default();
    change(&mut options);
    run_with(&[snapshot.build()], &options).unwrap_or_else(|e| panic!("{e}"))
}

/// The DynamoDB files with their marks (`v`), in path order; schemas are left out.
fn marks(decoded: &Decoded) -> Vec<(String, String)> {
    let items = decoded.below("dynamodb/").into_iter().filter(|path| path.contains("/items/"));
    let mark = |path: &str| {
        let item: serde_json::Value = serde_json::from_str(decoded.text(path)).unwrap();
        item["v"]["S"].as_str().unwrap_or_default().to_owned()
    };
    items.map(|path| (path["dynamodb/".len()..].to_owned(), mark(&path))).collect()
}

/// The marks of a file of packed items, in its order.
#[track_caller]
fn line_marks(decoded: &Decoded, path: &str) -> Vec<String> {
    let mark = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["Item"]["v"]["S"].as_str().unwrap().to_owned()
    };
    decoded.text(path).lines().map(mark).collect()
}

/// Checks paths (below `dynamodb/`) and marks of all items.
#[track_caller]
fn check_marks(decoded: &Decoded, want: &[(&str, &str)]) {
    let got = marks(decoded);
    let got: Vec<(&str, &str)> = got.iter().map(|(path, mark)| (path.as_str(), mark.as_str())).collect();
    let mut want = want.to_vec();
    want.sort_unstable();
    assert_eq!(got, want);
}

#[test]
fn golden_trees_are_byte_identical() {
    let files = load("dynamodb-small");
    let decoded = run(&snapshots(&files)).unwrap();
    assert_eq!(differences(&files, "golden", "dynamodb", &decoded.tree), [""; 0]);
    assert_eq!(decoded.warnings(), []);
    // The reduced tree lacks the two tables with keys `.` and `..`, at which the public decoder fails.
    let files = load("dynamodb-nasty");
    let decoded = run(&snapshots(&files)).unwrap();
    let others = differences(&files, "golden-reduced", "dynamodb", &decoded.tree);
    let explained = ["only ours dynamodb/hashonly/", "only ours dynamodb/hashrange/"];
    let unexplained: Vec<_> = others.iter().filter(|d| !explained.iter().any(|e| d.starts_with(e))).collect();
    assert_eq!(unexplained, [""; 0]);
    assert!(others.contains(&"only ours dynamodb/hashrange/KEYMAP.jsonl".to_owned()));
}

#[test]
fn another_adapter_writes_no_tables() {
    let inputs = [snapshots(&load("dynamodb-small")), snapshots(&load("redis-small"))].concat();
    let options = Options { adapters: vec![adapter::REDIS], ..Options::default() };
    let decoded = run_with(&inputs, &options).unwrap();
    assert_eq!(decoded.below("dynamodb"), [""; 0]);
}
