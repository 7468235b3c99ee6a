//! DynamoDB: tables that change, move to a new generation, are deleted, with items of all generations.

use std::collections::BTreeMap;

use ekvsnap::decode::{Layout, Options, Silent, decode};
use ekvsnap::format::adapter;
use ekvsnap::options::changes::Older;
use ekvsnap::source::Source;
use proptest::prelude::*;
use proptest::sample::select;

use super::changes::Span;
use super::history::{History, Operation, Row, history};
use super::{Manner, ask, changes, comes_back, compare, config, manner};
use crate::kit::ddb::V::{B, N, S};
use crate::kit::ddb::{Table, V, field, table};
use crate::kit::read_tree;

/// A non-key attribute.
#[derive(Debug, Clone)]
enum Value {
    Text(u64, &'static str),
    Bytes(Vec<u8>),
    Flag(u64, bool),
    Set(u64, Vec<&'static str>),
    List(Vec<Value>),
    Map(Vec<(&'static str, Value)>),
    Unset,
}

impl Value {
    fn encode(&self) -> Vec<u8> {
        match self {
            Value::Text(number, text) => field(*number, text.as_bytes()),
            Value::Bytes(bytes) => field(3, bytes),
            Value::Flag(number, flag) => vec![(number << 3) as u8, u8::from(*flag)],
            Value::Set(number, all) => {
                field(*number, &all.iter().flat_map(|text| field(1, text.as_bytes())).collect::<Vec<u8>>())
            }
            Value::List(all) => field(9, &all.iter().flat_map(|one| field(1, &one.encode())).collect::<Vec<u8>>()),
            Value::Map(all) => field(10, &attributes(all)),
            Value::Unset => Vec::new(),
        }
    }
}

fn attributes(all: &[(&'static str, Value)]) -> Vec<u8> {
    let one =
        |(name, value): &(&str, Value)| field(1, &[field(1, name.as_bytes()), field(2, &value.encode())].concat());
    all.iter().flat_map(one).collect()
}

/// Tables by number: a name, and whether there is a range attribute.
const TABLES: [(&[u8], bool); 6] =
    [(b"t", false), (b"ta", true), (b"..", false), (b"_orphans", true), (b"<&>/\xc3\xbc", false), (b"deleted", true)];

/// The key encoding of a generation: the first two are older than the ordered encoding.
const fn version_of(generation: u64) -> u64 {
    if generation < 2 { 0 } else { 2 }
}

#[derive(Debug, Clone)]
enum Op {
    Schema {
        table: usize,
        types: (&'static str, &'static str),
        generation: u64,
        from: u64,
        index: Option<&'static str>,
    },
    Counter(usize, u64),
    Item {
        table: usize,
        generation: u64,
        keys: [V<'static>; 2],
        others: Vec<(&'static str, Value)>,
        first: bool,
    },
    IndexRow(usize, &'static str),
}

fn shape(at: usize, types: (&'static str, &'static str), generation: u64) -> (Table<'static>, usize) {
    let (name, ranged) = TABLES[at];
    let range = ranged.then_some(types.1);
    (table(name).types(types.0, range).generation(generation).version(version_of(generation)), 1 + usize::from(ranged))
}

impl Operation for Op {
    fn rows(&self) -> Vec<Row> {
        vec![match self {
            Op::Schema { table, types, generation, from, index } => {
                let table = shape(*table, *types, *generation).0.migrating(*from);
                let mut value = table.schema();
                if let Some(name) = index {
                    let key = field(1, &[field(1, b"pk"), field(2, b"nobody")].concat());
                    let projection = field(2, &[field(1, b"INCLUDE"), field(2, b"b"), field(2, b"a<")].concat());
                    value
                        .extend(field(4, &[field(1, name.as_bytes()), field(2, &[key, projection].concat())].concat()));
                }
                (table.schema_key().into(), value)
            }
            Op::Counter(table, last) => (shape(*table, ("S", "S"), 1).0.counter_key().into(), last.to_string().into()),
            Op::Item { table, generation, keys, others, first } => {
                let (table, n) = shape(*table, ("S", "S"), *generation);
                let body =
                    crate::kit::ddb::item(&["pk", "sk"].into_iter().zip(keys[..n].iter().copied()).collect::<Vec<_>>());
                let others = attributes(others);
                // Attributes in the server's order, or not.
                let body = if *first { [&body[..4], &others, &body[4..]].concat() } else { [body, others].concat() };
                (table.key(&keys[..n]), body)
            }
            Op::IndexRow(table, index) => {
                let encoded = shape(*table, ("S", "S"), 1).0.encoded();
                (format!("!ddb|gsi|{encoded}|1|{index}|x").into(), b"a key".to_vec())
            }
        }]
    }
}

fn words() -> impl Strategy<Value = &'static str> {
    select(vec!["", "a", "v", "<&>\u{2028}\"\\\n\u{1}", "\u{fc}\u{1f600}", "zz"])
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (1..3u64, words()).prop_map(|(number, text)| Value::Text(number, text)),
        prop::collection::vec(any::<u8>(), 0..5).prop_map(Value::Bytes),
        (4..6u64, any::<bool>()).prop_map(|(number, flag)| Value::Flag(number, flag)),
        (6..9u64, prop::collection::vec(words(), 0..3)).prop_map(|(number, all)| Value::Set(number, all)),
        Just(Value::Unset),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            prop::collection::vec((words(), inner), 0..3).prop_map(Value::Map),
        ]
    })
}

/// Key values with the same name, or nearly the same.
fn key(version: u64) -> BoxedStrategy<V<'static>> {
    let texts = select(vec!["1", "0.5", "1/2", "1%2F2", ".", "..", "", "a", "-1", "b64.MQ", "\u{fc}"]).prop_map(S);
    let long = Just(S("longer than a file name can be longer than a file name can be longer than a file name can be \
                       longer than a file name can be longer than a file name can be longer than a file name can be \
                       longer than a file name can be longer than a file name can be"));
    let numbers =
        vec!["1", "1.0", "0.5", "0.50", "5e-1", "-1", "-1.00", "0", "-0.0", "1e3", "12345678901234567890123", "3e-7"];
    let old = vec!["1/2", "abc", ".", "..", " 1 ", "+1"];
    let numbers = if version == 0 { [numbers, old].concat() } else { numbers };
    let bytes = select(vec![&b"1"[..], b"", b"\xff\0", &[7; 200]]).prop_map(B);
    prop_oneof![4 => texts, 1 => long, 4 => select(numbers).prop_map(N), 1 => bytes].boxed()
}

/// The first two more often than the others, so that items collide.
fn a_table() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(0), 1 => Just(1), 2 => 0..TABLES.len()]
}

fn item() -> impl Strategy<Value = Op> {
    let others = prop::collection::vec((select(vec!["v", "<a>", "\u{fc}", "pk2", "a"]), value()), 0..3);
    let keys = (0..4u64).prop_flat_map(|n| (Just(n), key(version_of(n)), key(version_of(n))));
    (a_table(), keys, others, any::<bool>()).prop_map(|(table, (generation, hash, range), others, first)| Op::Item {
        table,
        generation,
        keys: [hash, range],
        others,
        first,
    })
}

fn op() -> impl Strategy<Value = Op> {
    let kind = || select(vec!["S", "N", "B"]);
    // Only the ordered encoding is moved to, from the old one.
    let generations = prop_oneof![1 => (0..4u64, Just(0)), 1 => (2..4u64, 0..2u64)];
    let index = prop::option::weighted(0.3, select(vec!["i", "i<"]));
    let schema = (a_table().prop_map(|table| table % (TABLES.len() - 1)), kind(), kind(), generations, index);
    prop_oneof![
        3 => schema.prop_map(|(table, hash, range, (generation, from), index)| {
            Op::Schema { table, types: (hash, range), generation, from, index }
        }),
        1 => (0..TABLES.len(), 0..5u64).prop_map(|(table, last)| Op::Counter(table, last)),
        12 => item(),
        1 => (0..TABLES.len(), words()).prop_map(|(table, index)| Op::IndexRow(table, index)),
    ]
}

proptest! {
    #![proptest_config(config(60))]
    #[test]
    fn both_decoders_agree(history in history(op(), 60), ask in ask(), manner in manner()) {
        compare(adapter::DYNAMODB, &history, ask, &manner)?;
    }
}

proptest! {
    #![proptest_config(config(60))]
    #[test]
    fn what_is_encoded_is_decoded_alike(history in history(op(), 60), manner in manner()) {
        comes_back(adapter::DYNAMODB, &history, &manner)?;
    }
}

/// Images of items by table, with the number of each.
type Images = BTreeMap<(String, String), i64>;

/// Adds the images in the tables of an output.
fn add_images(tree: &crate::reference::Tree, member: &str, by: i64, images: &mut Images) {
    for (path, bytes) in tree {
        let path = std::str::from_utf8(path).unwrap();
        let Some(below) = path.strip_prefix("dynamodb/") else { continue };
        let (table, bytes) = match below.split_once('/') {
            None if below.ends_with(".jsonl") => (below.strip_suffix(".jsonl").unwrap(), bytes.clone()),
            Some((table, "refused.jsonl")) => (table, bytes.clone()),
            Some((table, object)) if object.ends_with(".json.gz") => {
                let mut all = Vec::new();
                std::io::Read::read_to_end(&mut flate2::bufread::GzDecoder::new(&bytes[..]), &mut all).unwrap();
                (table, all)
            }
            _ => continue,
        };
        for line in std::str::from_utf8(&bytes).unwrap().lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let Some(image) = line.get(member) else { continue };
            if let Some(keys) = line.get("Keys") {
                let written = line["Metadata"]["WriteTimestampMicros"]["N"].as_str().unwrap();
                assert!(written.parse::<u64>().is_ok(), "{line}");
                let is_part = |(name, value): (&String, &serde_json::Value)| image.get(name) == Some(value);
                assert!(keys.as_object().unwrap().iter().all(is_part) && keys.get("pk").is_some(), "{line}");
                assert_ne!(line.get("OldImage"), line.get("NewImage"), "no change: {line}");
            }
            *images.entry((table.to_owned(), image.to_string())).or_default() += by;
        }
    }
    images.retain(|_, count| *count != 0);
}

/// The items of one state, minus the old images of the changes, plus the new ones, are the items of a later state.
fn changes_lead_on(history: &History<Op>, span: Span, manner: &Manner) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let sources = |files: &[Vec<u8>]| -> Vec<Source> {
        files.iter().map(|file| Source::from_bytes("x.fsm", file.clone())).collect()
    };
    let decoded = |files: &[Vec<u8>], options: Options| {
        let target = dir.path().join("out");
        let sources = sources(files);
        let base = Options { threads: manner.threads, granularity: manner.granularity, force: true, ..options };
        decode(&sources, &target, &Options { fsync: Some(false), ..base }, &Silent).map(|_| read_tree(&target))
    };
    // With all adapters a state without an item is no error; only rows of this one are in the histories, or stray ones.
    let state =
        |files: &[Vec<u8>], as_of| decoded(files, Options { as_of, layout: Layout::JSONL, ..Options::default() });
    let export = |options| {
        let (layout, part_size, adapters) = (Layout::AWS_EXPORT, Some(300), vec![adapter::DYNAMODB]);
        decoded(&history.files, Options { layout, part_size, adapters, ..options })
    };
    let (before, after, export) = match span {
        Span::Moments(from, to) => {
            let files = &history.files;
            let export = export(Options { as_of: to, since: Some(from), ..Options::default() });
            (state(files, Some(from)), state(files, to), export)
        }
        Span::Snapshots(share) => {
            let first = history.first(share);
            let older = Older::of(sources(&first));
            let export = older.and_then(|older| export(Options::default().since_older(older)));
            (state(&first, None), state(&history.files, None), export)
        }
    };
    let (Ok(before), Ok(after)) = (before, after) else { return Ok(()) };
    let changes = match export {
        Ok(changes) => changes,
        Err(error)
            if ["choose an earlier moment", "nothing matches"].iter().any(|why| error.reason().contains(why)) =>
        {
            return Ok(());
        }
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    let (mut got, mut want) = (Images::new(), Images::new());
    add_images(&before, "Item", 1, &mut got);
    add_images(&changes, "OldImage", -1, &mut got);
    add_images(&changes, "NewImage", 1, &mut got);
    add_images(&after, "Item", 1, &mut want);
    prop_assert_eq!(got, want);
    Ok(())
}

proptest! {
    #![proptest_config(config(60))]
    #[test]
    fn changes_lead_from_one_state_to_another(
        history in history(op(), 60), span in changes::span(), manner in manner(),
    ) {
        changes_lead_on(&history, span, &manner)?;
    }
}

proptest! {
    #![proptest_config(config(20))]
    #[test]
    fn lines_of_changes_lead_from_one_state_to_another(
        history in history(op(), 60), span in changes::span(), shown: bool, manner in manner(),
    ) {
        changes::lead_on(adapter::DYNAMODB, &history, span, shown, &manner)?;
    }
}
