//! What the public decoder gets wrong (`sqs.md` §6): one test for each thing that ekvsnap does better.

use ekvsnap::format::Family;
use serde_json::{Value, json};

use super::rows::{Rows, msg, queue_key, record};
use super::{decoded_with, ids, lines, with_side_records};
use crate::kit::build::{NOW, Snapshot};
use crate::kit::decoded;

/// A queue that was purged, with the versions before the purge still in the snapshot.
#[test]
fn after_a_purge_the_new_messages_are_written_not_the_old_ones() {
    let old = record(1, json!({ "name": "q", "delay_seconds": 7 }));
    let snapshot = Snapshot::new()
        .put_at(NOW - 9, queue_key(Family::SqsGen, "q"), b"1")
        .put_at(NOW - 9, queue_key(Family::SqsQueue, "q"), old)
        .put_at(NOW - 8, msg("q", 1, "old").key(), msg("q", 1, "old").value())
        .queue("q", 2)
        .tombstone("q", 1)
        .msg(&msg("q", 2, "new"));
    let decoded = decoded(snapshot.build());
    assert_eq!(ids(&decoded, "q"), ["new"]);
    assert!(decoded.text("sqs/q/_queue.json").contains("\"delay_seconds\": 0,"));
    assert_eq!(decoded.warnings(), []);
}

#[test]
fn a_received_message_is_written_once() {
    let version = |count: u64| msg("q", 1, "a").set("receive_count", count);
    let old = version(0);
    let snapshot = Snapshot::new().put_at(NOW - 1, old.key(), old.value()).msg(&version(1)).queue("q", 1);
    let decoded = decoded_with(snapshot.build(), &super::visible());
    assert_eq!(lines(&decoded, "sqs/q/messages.jsonl", "receive_count"), ["1"]);
}

#[test]
fn deleted_messages_and_queues_stay_deleted() {
    let (gone, queue) = (msg("q", 1, "gone"), queue_key(Family::SqsQueue, "deleted"));
    let snapshot = Snapshot::new()
        .queue("q", 1)
        .put_at(NOW - 1, gone.key(), gone.value())
        .delete_at(NOW, gone.key())
        .put_at(NOW - 1, &queue, record(1, json!({})))
        .delete_at(NOW, &queue);
    assert_eq!(decoded(snapshot.build()).below("sqs/"), ["sqs/q/_queue.json"]);
}

#[test]
fn sequence_rows_do_not_stop_side_records() {
    let snapshot = Snapshot::new().queue("q.fifo", 1).row(queue_key(Family::SqsSeq, "q.fifo"), b"12");
    let decoded = decoded_with(snapshot.build(), &with_side_records());
    let line = "{\"prefix\":\"!sqs|queue|seq|\",\"key_hex\":\"217371737c71756575657c7365717c6353356d61575a76\",\
                \"value_b64\":\"MTI\"}\n";
    assert_eq!(decoded.text("sqs/q.fifo/_internals/side_records.jsonl"), line);
}

#[test]
fn nothing_of_the_record_is_lost() {
    let members = json!({
        "name": "q.fifo", "is_fifo": true, "incarnation": 3, "created_at_hlc": 9_007_199_254_740_993_u64,
        "created_at_millis": 11, "last_modified_at_millis": 12, "last_purged_at_millis": 13,
        "tags": { "z": "1", "a": "<é>" }, "throttle": { "send_capacity": 10.5, "recv_capacity": 3.0 },
    });
    let snapshot = Snapshot::new().queue_with("q.fifo", 4, members).row(queue_key(Family::SqsSeq, "q.fifo"), b"77");
    let decoded = decoded(snapshot.build());
    let queue = decoded.text("sqs/q.fifo/_queue.json");
    let ours = &queue[queue.find("  \"generation\"").unwrap()..];
    let want = r#"  "generation": 4,
  "incarnation": 3,
  "created_at_hlc": 9007199254740993,
  "created_at_millis": 11,
  "last_modified_at_millis": 12,
  "last_purged_at_millis": 13,
  "tags": {
    "a": "\u003cé\u003e",
    "z": "1"
  },
  "throttle": {
    "send_capacity": 10.5,
    "recv_capacity": 3
  },
  "last_sequence_number": 77
}"#;
    assert_eq!(ours, want);
}

#[test]
fn the_record_tells_the_live_generation_without_a_generation_row() {
    let record = record(2, json!({ "name": "q" }));
    let snapshot = Snapshot::new().row(queue_key(Family::SqsQueue, "q"), &record).tombstone("q", 1);
    let decoded = decoded(snapshot.msg(&msg("q", 1, "purged")).msg(&msg("q", 2, "live")).build());
    assert_eq!(ids(&decoded, "q"), ["live"]);
}

#[test]
fn a_deleted_queue_is_a_note_forever_not_a_warning() {
    let decoded = decoded(Snapshot::new().generation("q", 2).build());
    assert_eq!((decoded.warnings(), decoded.notes()), (vec![], vec![("sqs_deleted_queues", 1)]));
    assert_eq!(decoded.below("sqs"), [""; 0]);
}

#[test]
fn a_purged_queue_without_messages_is_told_by_a_note() {
    let decoded = decoded(Snapshot::new().queue("q", 2).tombstone("q", 1).msg(&msg("q", 1, "a")).build());
    assert_eq!(decoded.notes(), [("sqs_purged_messages", 1)]);
    assert_eq!(decoded.below("sqs/"), ["sqs/q/_queue.json"]);
}

#[test]
fn the_sequence_counter_survives_its_last_message() {
    let snapshot = Snapshot::new().queue("q.fifo", 1).row(queue_key(Family::SqsSeq, "q.fifo"), b"41");
    let queue: Value = serde_json::from_str(decoded(snapshot.build()).text("sqs/q.fifo/_queue.json")).unwrap();
    assert_eq!(queue["last_sequence_number"], 41);
}

#[test]
fn names_that_are_no_directories_stay_inside() {
    let row = |name| (queue_key(Family::SqsQueue, name), record(1, json!({})));
    let rows = ["", ".", ".."].map(row);
    let snapshot = rows.iter().fold(Snapshot::new(), |snapshot, (key, value)| snapshot.put(key, value));
    let want = ["sqs/%/_queue.json", "sqs/%2E%2E/_queue.json", "sqs/%2E/_queue.json"];
    assert_eq!(decoded(snapshot.build()).below("sqs/"), want);
}
