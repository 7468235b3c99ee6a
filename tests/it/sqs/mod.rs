//! SQS: golden trees, and small snapshots for every rule.

mod better;
mod errors;
mod findings;
mod layout;
mod packed;
pub mod rows;

use ekvsnap::decode::Options;

use crate::kit::fixtures::{load, snapshots};
use crate::kit::golden::differences;
use crate::kit::{Decoded, run_with};

fn visible() -> Options {
    Options { preserve_sqs_visibility: true, ..Options::default() }
}

fn with_side_records() -> Options {
    Options { include_sqs_side_records: true, ..Options::default() }
}

fn with_orphans() -> Options {
    Options { include_orphans: true, ..Options::default() }
}

/// Decodes one intact snapshot.
#[track_caller]
fn decoded_with(snapshot: Vec<u8>, options: &Options) -> Decoded {
    run_with(&[snapshot], options).unwrap_or_else(|e| panic!("{e}"))
}

/// A member of every line of a file.
#[track_caller]
fn lines(decoded: &Decoded, path: &str, member: &str) -> Vec<String> {
    let parse = |line| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let text = |value: serde_json::Value| value[member].as_str().map_or(value[member].to_string(), str::to_owned);
    decoded.text(path).lines().map(|line| text(parse(line))).collect()
}

#[track_caller]
fn ids(decoded: &Decoded, queue: &str) -> Vec<String> {
    lines(decoded, &format!("sqs/{queue}/messages.jsonl"), "message_id")
}

#[test]
fn sqs_trees_are_byte_identical() {
    let files = load("sqs-small");
    for (folder, options) in [("golden", Options::default()), ("golden-preserve-visibility", visible())] {
        let decoded = run_with(&snapshots(&files), &options).unwrap();
        assert_eq!(differences(&files, folder, "sqs", &decoded.tree), Vec::<String>::new(), "{folder}");
    }
}

#[test]
fn side_records_are_the_peers_and_the_sequence_rows() {
    let mut files = load("sqs-small");
    let mut decoded = run_with(&snapshots(&files), &with_side_records()).unwrap();
    let is_extra = |line: &&[u8]| line.starts_with(br#"{"prefix":"!sqs|queue|seq|""#);
    let mut extra = 0;
    for (path, body) in &mut decoded.tree {
        if path.ends_with(b"/side_records.jsonl") {
            let lines = body.split_inclusive(|b| *b == b'\n');
            extra += lines.clone().filter(is_extra).count();
            *body = lines.filter(|line| !is_extra(line)).collect::<Vec<_>>().concat();
        }
    }
    assert_eq!(extra, 3);
    files.retain(|name, _| name.starts_with("golden-side-records/"));
    assert_eq!(differences(&files, "golden-side-records", "sqs", &decoded.tree), Vec::<String>::new());
}

#[test]
fn a_damaged_file_is_rejected() {
    let files = load("damaged");
    let error = run_with(&[files["sqs-meta-garbage.fsm"].clone()], &Options::default()).err().unwrap();
    assert!(error.to_string().contains("invalid !sqs|queue|meta| value"), "{error}");
}
