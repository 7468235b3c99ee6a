//! Compares the answers of the live server about its queues with the output.

use serde_json::Value;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ekvsnap::decode::{Layout, Options};
use md5::{Digest as _, Md5};

use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Decoded, run_with};

/// The name of an attribute in the output, and the server's.
const ATTRIBUTES: [(&str, &str); 4] = [
    ("visibility_timeout_seconds", "VisibilityTimeout"),
    ("delay_seconds", "DelaySeconds"),
    ("message_retention_seconds", "MessageRetentionPeriod"),
    ("maximum_message_size", "MaximumMessageSize"),
];

fn number(value: &Value) -> i64 {
    value.as_str().map_or_else(|| value.as_i64().unwrap_or(0), |text| text.parse().unwrap())
}

fn body(message: &Value) -> Vec<u8> {
    match &message["body"] {
        Value::String(text) => text.as_bytes().to_vec(),
        envelope => URL_SAFE_NO_PAD.decode(envelope["base64"].as_str().unwrap()).unwrap(),
    }
}

/// Where a queue's document and its messages are.
fn paths(name: &str, layout: Layout) -> [String; 2] {
    match layout {
        Layout::TREE => ["_queue.json", "messages.jsonl"].map(|file| format!("sqs/{name}/{file}")),
        _ => ["queue.json", "jsonl"].map(|end| format!("sqs/{name}.{end}")),
    }
}

fn check_queue(name: &str, told: &Value, decoded: &Decoded, layout: Layout, diffs: &mut Vec<String>) {
    let [document, messages] = paths(name, layout);
    if !decoded.has(&document) {
        return diffs.push(format!("{name}: missing"));
    }
    let queue: Value = serde_json::from_str(decoded.text(&document)).unwrap();
    // Only a tree may lack the file of an empty queue.
    let lines = if layout == Layout::JSONL || decoded.has(&messages) { decoded.text(&messages) } else { "" };
    let messages: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for message in &messages {
        let md5: String = Md5::digest(body(message)).iter().map(|b| format!("{b:02x}")).collect();
        if message["md5_of_body"] != md5 {
            diffs.push(format!("{name}: body of {}", message["message_id"]));
        }
    }
    let attrs = &told["attrs"];
    let counts = ["", "Delayed", "NotVisible"].map(|what| number(&attrs[format!("ApproximateNumberOfMessages{what}")]));
    // The server counts no messages of partitioned queues.
    if number(&queue["partition_count"]) <= 1 && counts.iter().sum::<i64>() != messages.len() as i64 {
        diffs.push(format!("{name}: {counts:?} messages, got {}", messages.len()));
    }
    for (ours, theirs) in ATTRIBUTES {
        if !attrs[theirs].is_null() && number(&attrs[theirs]) != number(&queue[ours]) {
            diffs.push(format!("{name}: {ours} {} is not {}", queue[ours], attrs[theirs]));
        }
    }
    let tags = told["tags"].as_object().filter(|tags| !tags.is_empty());
    if tags != queue["tags"].as_object() {
        diffs.push(format!("{name}: tags {}", queue["tags"]));
    }
    if number(&queue["created_at_millis"]) / 1000 != number(&attrs["CreatedTimestamp"]) {
        diffs.push(format!("{name}: created {}", queue["created_at_millis"]));
    }
}

#[track_caller]
fn check(corpus: &str, layout: Layout) {
    let files = load(corpus);
    let options = Options { layout, ..Options::default() };
    let decoded = run_with(&snapshots(&files), &options).unwrap();
    let expected: Value = serde_json::from_slice(&files["expected.sqs.json"]).unwrap();
    let told: Vec<(&str, &Value)> =
        expected.as_object().unwrap().iter().map(|(url, q)| (url.rsplit('/').next().unwrap(), q)).collect();
    let mut diffs = Vec::new();
    for (name, queue) in &told {
        check_queue(name, queue, &decoded, layout, &mut diffs);
    }
    let ours = decoded.below("sqs/").into_iter().filter(|path| path.ends_with("queue.json")).count();
    assert!(diffs.is_empty(), "{corpus}: {diffs:#?}");
    assert_eq!(ours, told.len(), "{corpus}");
    // A corpus of all adapters has other warnings.
    let warnings: Vec<_> = decoded.warnings().into_iter().filter(|(name, _)| !name.starts_with("redis_")).collect();
    assert_eq!(warnings, [], "{corpus}");
}

#[test]
fn sqs_corpora_match_the_server() {
    for layout in [Layout::TREE, Layout::JSONL] {
        check("sqs-small", layout);
        check("sqs-nasty", layout);
        check("sst-plain", layout);
    }
}
