//! Lines of changes on random histories: an older state, with the changed lines replaced and the deleted ones removed, has the lines of the
//! newer state.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use ekvsnap::compare::since::prepare;
use ekvsnap::decode::{Layout, Options, Silent, decode};
use ekvsnap::format::adapter::Adapter;
use ekvsnap::options::changes::Older;
use ekvsnap::source::Source;
use proptest::prelude::*;
use serde_json::Value;

use super::history::{History, NOW, Operation};
use super::{Manner, differences};
use crate::kit::read_tree;
use crate::reference::Tree;

/// The states between which changes are requested.
#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    /// Two moments of one history; the second is its end unless it is given.
    Moments(u64, Option<u64>),
    /// A snapshot of the first steps, as sixteenths of all steps, and one of all.
    Snapshots(usize),
}

pub(super) fn span() -> impl Strategy<Value = Span> {
    let moments = (0..60u64, prop::option::of(0..60u64));
    prop_oneof![
        3 => moments.prop_map(|(from, to)| Span::Moments(NOW + from, to.map(|to| NOW + from + to))),
        1 => (0..=16usize).prop_map(Span::Snapshots),
    ]
}

/// Lines of a file by the names of their objects.
type Lines = BTreeMap<String, Vec<String>>;

/// An output, split into its kinds of files.
struct Parts {
    lines: BTreeMap<String, Lines>,
    /// Documents of tables, buckets and queues.
    documents: BTreeMap<String, Vec<u8>>,
    /// Bodies of S3 objects.
    bodies: BTreeMap<String, Vec<u8>>,
    /// File and name of deleted objects; for a document only the file.
    gone: Vec<(String, Option<String>)>,
}

impl Parts {
    fn of(tree: &Tree) -> Parts {
        let (mut lines, mut documents, mut bodies) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut gone = Vec::new();
        let paths = || tree.iter().map(|(path, bytes)| (String::from_utf8(path.clone()).unwrap(), bytes));
        for (path, bytes) in paths() {
            if path == "deleted.jsonl" {
                let parsed = texts(bytes).into_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
                let of =
                    |line: Value| (line["file"].as_str().unwrap().to_owned(), line.get("key").map(Value::to_string));
                gone.extend(parsed.map(of));
                continue;
            }
            // A body can have the name of any file, but not in the folder of its bucket.
            let in_bucket = path.starts_with("s3/") && path.split('/').count() == 3;
            let is_document = if path.starts_with("s3/") {
                in_bucket && path.ends_with("/_bucket.json")
            } else {
                path.ends_with(".schema.json") || path.ends_with(".queue.json")
            };
            if is_document {
                documents.insert(path, bytes.clone());
            } else if path.starts_with("s3/") && !(in_bucket && path.ends_with("/_index.jsonl")) {
                bodies.insert(path, bytes.clone());
            } else if path.ends_with(".jsonl") && path.contains('/') {
                let schema = path.strip_suffix(".jsonl").map(|stem| format!("{stem}.schema.json"));
                let schema = schema.and_then(|path| tree.get(path.as_bytes()));
                let mut named = Lines::new();
                for line in texts(bytes) {
                    named.entry(name(&path, schema, &line)).or_default().push(line);
                }
                named.values_mut().for_each(|lines| lines.sort());
                lines.insert(path, named);
            }
        }
        Parts { lines, documents, bodies, gone }
    }

    /// All of it, as files that can be compared; a file without lines is left out.
    fn into_tree(self) -> Tree {
        let text = |lines: &Lines| {
            lines.values().flatten().fold(Vec::new(), |text, line| [&text[..], line.as_bytes(), b"\n"].concat())
        };
        let lines = self.lines.iter().filter(|(_, lines)| !lines.is_empty());
        let lines = lines.map(|(path, lines)| (path.clone().into_bytes(), text(lines)));
        let others = self.documents.into_iter().chain(self.bodies).map(|(path, bytes)| (path.into_bytes(), bytes));
        lines.chain(others).collect()
    }
}

fn texts(bytes: &[u8]) -> Vec<String> {
    std::str::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

/// The name of a line's object, in its file.
fn name(path: &str, schema: Option<&Vec<u8>>, line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap();
    match path.split('/').next().unwrap() {
        "sqs" => line["message_id"].to_string(),
        "dynamodb" => {
            let schema: Value = serde_json::from_slice(schema.unwrap()).unwrap();
            let name = |which: &str| schema["primary_key"][which]["name"].as_str().map(str::to_owned);
            let names = [name("hash_key"), name("range_key")].into_iter().flatten();
            let key = names.filter_map(|name| Some((name.clone(), line["Item"].get(&name)?.clone()))).collect();
            Value::Object(key).to_string()
        }
        _ => line["key"].to_string(),
    }
}

/// Applies changes to an older state, by the rules of `changes.md`.
fn applied(older: &Parts, changes: &Parts) -> Result<Parts, TestCaseError> {
    let (mut lines, mut documents) = (older.lines.clone(), older.documents.clone());
    for (file, name) in &changes.gone {
        let was_there = match name {
            Some(name) => lines.get_mut(file).and_then(|lines| lines.remove(name)).is_some(),
            None => documents.remove(file).is_some(),
        };
        prop_assert!(was_there, "{file} {name:?} was not there");
    }
    for (file, changed) in &changes.lines {
        for (name, text) in changed {
            // The lines of an object are consecutive: all new ones replace the old ones.
            lines.entry(file.clone()).or_default().insert(name.clone(), text.clone());
        }
    }
    documents.extend(changes.documents.clone());
    let mut bodies = BTreeMap::new();
    for (file, lines) in lines.iter().filter(|(file, _)| file.starts_with("s3/")) {
        let bucket = file.strip_suffix("_index.jsonl").unwrap();
        for (name, text) in lines.iter().flat_map(|(name, lines)| lines.iter().map(move |line| (name, line))) {
            let path =
                serde_json::from_str::<Value>(text).unwrap()["path"].as_str().map(|path| format!("{bucket}{path}"));
            let has_changed = changes.lines.get(file).is_some_and(|lines| lines.contains_key(name));
            let from = if has_changed { changes } else { older };
            let body = path.and_then(|path| Some((path.clone(), from.bodies.get(&path)?.clone())));
            bodies.extend(body);
        }
    }
    Ok(Parts { lines, documents, bodies, gone: Vec::new() })
}

/// Nothing is written that did not change, and no body without its line.
fn check_minimal(older: &Parts, changes: &Parts) -> Result<(), TestCaseError> {
    for (file, changed) in &changes.lines {
        for (name, text) in changed.iter().filter(|_| !file.starts_with("s3/")) {
            let old = older.lines.get(file).and_then(|lines| lines.get(name));
            prop_assert!(old != Some(text), "{file} {name} did not change: {text:?}");
        }
    }
    let of_buckets = changes.lines.iter().filter(|(file, _)| file.starts_with("s3/"));
    let lines: usize = of_buckets.map(|(_, lines)| lines.values().map(Vec::len).sum::<usize>()).sum();
    prop_assert!(changes.bodies.len() <= lines, "bodies without lines: {:?}", changes.bodies.keys());
    let gone: BTreeSet<_> = changes.gone.iter().collect();
    prop_assert_eq!(gone.len(), changes.gone.len(), "named twice");
    Ok(())
}

/// Errors that are allowed for a pair of states, instead of changes.
const REFUSED: [&str; 2] = ["choose an earlier moment", "nothing matches"];

pub(super) fn lead_on<Op: Operation>(
    adapter: Adapter,
    history: &History<Op>,
    span: Span,
    shown: bool,
    manner: &Manner,
) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out");
    let sources = |files: &[Vec<u8>]| -> Vec<Source> {
        files.iter().enumerate().map(|(i, file)| Source::from_bytes(format!("{i}.fsm"), file.clone())).collect()
    };
    let base = Options {
        layout: Layout::JSONL,
        preserve_sqs_visibility: shown,
        threads: manner.threads,
        granularity: manner.granularity,
        force: true,
        fsync: Some(false),
        ..Options::default()
    };
    let write = |files: &[Vec<u8>], options: Options| {
        let sources = sources(files);
        decode(&sources, &target, &prepare(&sources, options, &Silent)?, &Silent).map(|_| read_tree(&target))
    };
    // A stray row can be one of the file system.
    let adapters: Vec<Adapter> =
        ekvsnap::format::adapter::BUILT_IN.into_iter().filter(|one| *one != ekvsnap::format::adapter::FS).collect();
    let base = Options { adapters, ..base };
    let (older, newer, options) = match span {
        Span::Moments(from, to) => {
            let state = |as_of| write(&history.files, Options { as_of, ..base.clone() });
            (state(Some(from)), state(to), Ok(Options { as_of: to, since: Some(from), ..base.clone() }))
        }
        Span::Snapshots(share) => {
            let first = history.first(share);
            let options = Older::of(sources(&first)).map(|older| base.clone().since_older(older));
            (write(&first, base.clone()), write(&history.files, base.clone()), options)
        }
    };
    // Damaged, or without an object.
    let (Ok(older), Ok(newer)) = (older, newer) else { return Ok(()) };
    let changes = match options.and_then(|options| write(&history.files, options)) {
        Ok(changes) => Parts::of(&changes),
        Err(error) if REFUSED.iter().any(|why| error.reason().contains(why)) => return Ok(()),
        Err(error) => return Err(TestCaseError::fail(format!("{}: {error}", adapter.name()))),
    };
    let (older, newer) = (Parts::of(&older), Parts::of(&newer));
    check_minimal(&older, &changes)?;
    prop_assert_eq!(&changes.documents, &newer.documents);
    let all = differences(&newer.into_tree(), &applied(&older, &changes)?.into_tree());
    prop_assert!(all.is_empty(), "{span:?} {manner:?}\n{}", all.join("\n"));
    Ok(())
}
