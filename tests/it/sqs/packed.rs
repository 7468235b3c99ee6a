//! `--layout jsonl`: one file per queue (`rules.md` §6).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ekvsnap::decode::{Layout, Options};
use ekvsnap::format::Family;
use ekvsnap::index::Granularity;
use serde_json::{Value, json};

use super::decoded_with;
use super::layout::many;
use super::rows::{Rows, message_key, msg, queue_key};
use crate::kit::build::Snapshot;
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Tree, packed, run_with};

/// Options that write everything.
fn all() -> Options {
    Options { include_orphans: true, include_sqs_side_records: true, ..packed() }
}

fn vis(queue: &str) -> Vec<u8> {
    message_key(Family::SqsVis, queue.as_bytes(), None, 1, b"\0\0\0\0\0\0\0\x05YQ")
}

#[test]
fn every_queue_has_files_of_its_own() {
    let names = ["a", "a.side", "a.queue", "empty.fifo", ".", "..", "x/y", "_orphans", ""];
    let snapshot = names.iter().fold(Snapshot::new(), |snapshot, name| snapshot.queue(name, 1));
    let snapshot = snapshot.msg(&msg("a", 1, "of a")).msg(&msg("a.side", 1, "of a.side"));
    let decoded = decoded_with(snapshot.build(), &packed());
    let stems = ["%", "%2E", "%2E%2E", "_orphans", "a", "a%2Eside", "a.queue", "empty.fifo", "x%2Fy"];
    let files = |ends: &[&str]| {
        let mut all: Vec<String> =
            stems.iter().flat_map(|stem| ends.iter().map(move |end| format!("sqs/{stem}.{end}"))).collect();
        all.sort();
        all
    };
    assert_eq!(decoded.below("sqs/"), files(&["jsonl", "queue.json"]));
    let tree = crate::kit::decoded(snapshot.build());
    for (name, stem) in [("a", "a"), ("a.side", "a%2Eside")] {
        let lines = decoded.text(&format!("sqs/{stem}.jsonl"));
        assert_eq!(lines, tree.text(&format!("sqs/{name}/messages.jsonl")));
        assert_eq!(decoded.text(&format!("sqs/{stem}.queue.json")), tree.text(&format!("sqs/{name}/_queue.json")));
    }
    assert_eq!(decoded.text("sqs/empty.fifo.jsonl"), "");
    let snapshot = snapshot.row(vis("a"), b"side of a");
    let decoded = decoded_with(snapshot.build(), &all());
    assert_eq!(decoded.below("sqs/"), files(&["jsonl", "queue.json", "side.jsonl"]));
    assert_eq!(decoded.text("sqs/a.side.jsonl").lines().count(), 1);
    assert_eq!(decoded.text("sqs/a%2Eside.side.jsonl"), "");
    let manifest: Value = serde_json::from_str(decoded.text("MANIFEST.json")).unwrap();
    assert_eq!(manifest["adapters"]["sqs"]["queues"], json!(stems));
}

#[test]
fn what_no_queue_has_is_kept_apart() {
    let snapshot = Snapshot::new().queue("q", 2).queue("_orphans", 1).queue("gone.orphan", 1);
    let snapshot = snapshot.msg(&msg("q", 2, "live")).msg(&msg("q", 1, "old")).msg(&msg("gone", 7, "lost"));
    let snapshot = snapshot.row(vis("gone"), b"side").row(vis("q"), b"side");
    let decoded = decoded_with(snapshot.build(), &all());
    let orphans = ["gone.orphan/generation-7.jsonl", "gone.orphan/side.jsonl", "q.orphan/generation-1.jsonl"];
    assert_eq!(decoded.below("sqs/_orphans/"), orphans.map(|file| format!("sqs/_orphans/{file}")));
    let tree = decoded_with(snapshot.build(), &Options { layout: Layout::TREE, ..all() });
    for file in ["gone.orphan/generation-7.jsonl", "q.orphan/generation-1.jsonl"].map(|f| format!("sqs/_orphans/{f}")) {
        assert_eq!(decoded.text(&file), tree.text(&file));
    }
    let side = "sqs/Z29uZQ.orphan/_internals/side_records.jsonl";
    assert_eq!(decoded.text("sqs/_orphans/gone.orphan/side.jsonl"), tree.text(side));
    assert_eq!(decoded.warnings(), tree.warnings());
    let plain = decoded_with(snapshot.build(), &packed());
    assert_eq!(plain.below("sqs/_orphans/"), [""; 0]);
    assert_eq!(plain.text("sqs/q.jsonl").lines().count(), 1);
}

#[test]
fn the_tally_counts_lines_and_their_bytes() {
    let snapshot = Snapshot::new().queue("q", 1).queue("none", 1).msg(&msg("q", 1, "a")).msg(&msg("q", 1, "b"));
    let decoded = decoded_with(snapshot.row(vis("q"), b"side").build(), &all());
    let manifest: Value = serde_json::from_str(decoded.text("MANIFEST.json")).unwrap();
    let kind = |kind: &str, path: &str| {
        let text = decoded.text(path);
        json!({ "kind": kind, "objects": text.lines().count(), "bytes": text.len() })
    };
    let kinds = [kind("messages", "sqs/q.jsonl"), kind("side_records", "sqs/q.side.jsonl")];
    let scopes = &manifest["adapters"]["sqs"]["scopes"];
    assert_eq!((&scopes[0]["name"], &scopes[0]["kinds"]), (&json!("none"), &json!([])));
    assert_eq!((&scopes[1]["name"], &scopes[1]["kinds"]), (&json!("q"), &json!(kinds)));
}

#[test]
fn a_damaged_message_is_one_line_less() {
    let (good, bad) = (msg("q", 1, "good"), msg("q", 1, "bad").set("body", "not base64"));
    let lone = msg("r", 1, "lone").set("body", "not base64");
    let snapshot = Snapshot::new().queue("q", 1).queue("r", 1).msg(&good).msg(&bad).msg(&lone);
    let snapshot = snapshot.row(queue_key(Family::SqsQueue, "broken"), b"garbage");
    assert!(run_with(&[snapshot.build()], &packed()).is_err());
    let decoded = decoded_with(snapshot.build(), &Options { skip_damage: true, ..packed() });
    let files = ["q.jsonl", "q.queue.json", "r.jsonl", "r.queue.json"].map(|file| format!("sqs/{file}"));
    assert_eq!(decoded.below("sqs/"), files);
    assert!(decoded.text("sqs/q.jsonl").starts_with("{\"message_id\":\"good\""));
    assert_eq!((decoded.text("sqs/q.jsonl").lines().count(), decoded.text("sqs/r.jsonl")), (1, ""));
    assert_eq!(decoded.text("ERRORS.jsonl").lines().count(), 3);
}

/// Files below `sqs/` under their names in the packed layout.
fn as_packed(tree: &Tree) -> BTreeMap<String, Vec<u8>> {
    let decoded = |queue: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(queue).unwrap()).unwrap();
    let rename = |path: &str| match path.split_once('/') {
        Some((queue, "messages.jsonl")) => format!("{queue}.jsonl"),
        Some((queue, "_queue.json")) => format!("{queue}.queue.json"),
        Some((queue, "_internals/side_records.jsonl")) => match queue.strip_suffix(".orphan") {
            Some(queue) => format!("_orphans/{}.orphan/side.jsonl", decoded(queue)),
            None => format!("{queue}.side.jsonl"),
        },
        _ => path.to_owned(),
    };
    let files = tree.iter().filter_map(|(path, body)| {
        let path = std::str::from_utf8(path).unwrap().strip_prefix("sqs/")?;
        Some((rename(path), body.clone()))
    });
    files.filter(|(_, body)| !body.is_empty()).collect()
}

fn inputs() -> Vec<Vec<Vec<u8>>> {
    let mut all = ["sqs-small", "sqs-nasty"].map(|name| snapshots(&load(name))).to_vec();
    let other = Snapshot::new().msg(&msg("q", 2, "of another group")).msg(&msg("q", 1, "old"));
    all.push(vec![many().build(), other.row(vis("q"), b"side").build()]);
    all
}

#[test]
fn both_layouts_hold_the_same_lines() {
    for inputs in inputs() {
        let [tree, lines] = [Layout::TREE, Layout::JSONL]
            .map(|layout| as_packed(&run_with(&inputs, &Options { layout, ..all() }).unwrap().tree));
        assert!(lines.len() >= 10, "{}", lines.len());
        assert_eq!(tree.keys().collect::<Vec<_>>(), lines.keys().collect::<Vec<_>>());
        assert!(tree == lines);
    }
}

#[test]
fn any_number_of_threads_and_seams_gives_the_same_bytes() {
    let fine = Granularity { checkpoint_interval: 1, read_size: 1, task_size: 1 };
    for inputs in inputs() {
        let with = |threads, granularity| run_with(&inputs, &Options { threads, granularity, ..all() }).unwrap().tree;
        let one = with(1, Granularity::default());
        for threads in [2, 3, 8] {
            assert!(with(threads, Granularity::default()) == one, "{threads} threads");
        }
        assert!(with(3, fine) == one, "as many seams as there can be");
    }
}
