//! File names, and the order of packed lines, compared with a simple model that has all items in memory: random tables with many
//! collisions.

use std::collections::{BTreeMap, BTreeSet};

use ekvsnap::decode::Layout;
use ekvsnap::format::dynamodb::number::{canon, is_canonical};
use ekvsnap::format::dynamodb::{KeyValue, PrimaryKey};
use ekvsnap::index::Granularity;
use ekvsnap::layouts::dynamodb::name::{collided_item_into, item_into};
use proptest::prelude::*;
use proptest::sample::select;

use super::{line_marks, marks, with};
use crate::kit::build::Snapshot;
use crate::kit::ddb::V::{B, N, S};
use crate::kit::ddb::{Table, V, table};

type Keys = Vec<V<'static>>;

const TEXTS: [&str; 9] = ["1", "0.5", "1/2", "1%2F2", ".", "..", "", "a", "-1"];
const NUMBERS: [&str; 7] = ["1", "1.0", "0.5", "0.50", "5e-1", "-1", "-1.00"];
/// Only the old encoding has these.
const OLD_NUMBERS: [&str; 5] = ["1/2", "abc", ".", "..", " 1 "];

fn value(old: bool) -> impl Strategy<Value = V<'static>> {
    let numbers = if old { [&NUMBERS[..], &OLD_NUMBERS].concat() } else { NUMBERS.to_vec() };
    prop_oneof![
        4 => select(&TEXTS[..]).prop_map(S),
        4 => select(numbers).prop_map(N),
        1 => select(vec![&b"1"[..], b""]).prop_map(B),
    ]
}

fn items(old: bool, range: bool) -> impl Strategy<Value = Vec<Keys>> {
    let keys = prop::collection::vec(value(old), if range { 2 } else { 1 });
    prop::collection::vec(keys, 0..25)
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Old,
    Ordered,
    Moving,
}

fn key_value(value: V<'static>) -> KeyValue<'static> {
    match value {
        S(text) => KeyValue::S(text),
        N(text) => KeyValue::N(text),
        B(bytes) => KeyValue::B(bytes),
        V::Bool | V::Unset => panic!("no key"),
    }
}

fn primary(keys: &Keys) -> PrimaryKey<'static> {
    PrimaryKey { hash: key_value(keys[0]), range: keys.get(1).map(|v| key_value(*v)) }
}

/// One row: its user key, its key values, its mark.
type Row = (Vec<u8>, Keys, String);

fn identity(keys: &Keys) -> Vec<(&'static str, Vec<u8>)> {
    let one = |value: &V<'static>| match *value {
        S(text) => ("S", text.as_bytes().to_vec()),
        N(text) => ("N", canon(text).as_bytes().to_vec()),
        _ => ("B", key_value(*value).raw().to_vec()),
    };
    keys.iter().map(one).collect()
}

fn is_regular(table: &Table<'_>, keys: &Keys) -> bool {
    let kinds = [Some(table.types.0), table.types.1];
    keys.iter().zip(kinds).all(|(value, kind)| match *value {
        S(_) => kind == Some("S"),
        N(text) => kind == Some("N") && is_canonical(text),
        _ => kind == Some("B"),
    })
}

/// The paths and marks that `rules.md` §2 defines for rows in user-key order.
fn expected(table: &Table<'_>, rows: Vec<Row>) -> BTreeMap<String, String> {
    let (regular, others): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| is_regular(table, &row.1));
    let mut files = BTreeMap::new();
    for (user_key, keys, mark) in regular.into_iter().chain(others) {
        let mut path = String::from("t/");
        item_into(primary(&keys), &mut path);
        if files.contains_key(&path) {
            path.truncate(2);
            collided_item_into(primary(&keys), &user_key, &mut path);
        }
        assert!(files.insert(path, mark).is_none());
    }
    files
}

/// Rows of one generation; a later item replaces an earlier one of the same row key.
fn rows(table: &Table<'_>, items: &[Keys], from: &str) -> Vec<Row> {
    let mut rows = BTreeMap::new();
    for (i, keys) in items.iter().enumerate() {
        rows.insert(table.key(keys), (keys.clone(), format!("{from} {i}")));
    }
    rows.into_iter().map(|(user_key, (keys, mark))| (user_key, keys, mark)).collect()
}

fn check(shape: Shape, hash: &'static str, range: Option<&'static str>, new: &[Keys], old: &[Keys]) {
    let base = table(b"t").types(hash, range);
    let (t, source) = match shape {
        Shape::Old => (base.version(0), None),
        Shape::Ordered => (base, None),
        // "10" sorts before "9".
        Shape::Moving => (base.generation(10).migrating(9), Some(base.generation(9).version(0))),
    };
    let mut live = rows(&t, new, "new");
    let copied: BTreeSet<_> = live.iter().map(|row| identity(&row.1)).collect();
    let mut all = live.clone();
    if let Some(source) = source {
        let left = rows(&source, old, "old");
        live.extend(left.iter().filter(|row| !copied.contains(&identity(&row.1))).cloned());
        all.extend(left);
    }
    let mut snapshot = Snapshot::new().table(&t);
    for (user_key, keys, mark) in &all {
        snapshot = snapshot.put(user_key, crate::kit::ddb::body(keys, mark));
    }
    live.sort_by(|a, b| a.0.cmp(&b.0));
    let in_order: Vec<String> = live.iter().map(|row| row.2.clone()).collect();
    let want = expected(&t, live);
    // Also with as many seams as there can be.
    for granularity in [Granularity::default(), Granularity { checkpoint_interval: 1, read_size: 1, task_size: 1 }] {
        let got: BTreeMap<String, String> =
            marks(&with(&snapshot, |o| o.granularity = granularity)).into_iter().collect();
        assert_eq!(got, want);
        let packed = with(&snapshot, |o| (o.granularity, o.layout) = (granularity, Layout::JSONL));
        assert_eq!(line_marks(&packed, "dynamodb/t.jsonl"), in_order);
    }
}

fn any_case() -> impl Strategy<Value = (Shape, &'static str, Option<&'static str>, Vec<Keys>, Vec<Keys>)> {
    let shape = select(vec![Shape::Old, Shape::Ordered, Shape::Moving]);
    let hash = select(vec!["S", "N"]);
    let range = select(vec![None, Some("S"), Some("N")]);
    (shape, hash, range).prop_flat_map(|(shape, hash, range)| {
        let new = items(matches!(shape, Shape::Old), range.is_some());
        (Just(shape), Just(hash), Just(range), new, items(true, range.is_some()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn names_and_order_are_those_of_the_model((shape, hash, range, new, old) in any_case()) {
        check(shape, hash, range, &new, &old);
    }
}
