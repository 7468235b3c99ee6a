//! Every warning and note, and when there is none.

use ekvsnap::decode::Options;
use ekvsnap::format::{Family, adapter};
use serde_json::{Value, json};

use super::rows::{NOW_MS, Rows, message_key, msg, queue_key, record};
use super::{decoded_with, ids, lines, with_orphans, with_side_records};
use crate::kit::build::Snapshot;
use crate::kit::{Decoded, decoded};

type Counts<'a> = &'a [(&'a str, u64)];

/// Decodes and compares the events; returns the decode.
#[track_caller]
fn check(snapshot: &Snapshot, warnings: Counts<'_>, notes: Counts<'_>) -> Decoded {
    let decoded = decoded(snapshot.build());
    assert_eq!(decoded.warnings(), warnings);
    assert_eq!(decoded.notes(), notes);
    decoded
}

/// Members of the first example of an event, in order.
#[track_caller]
fn example(decoded: &Decoded, event: &str) -> String {
    let manifest: Value = serde_json::from_str(decoded.text("MANIFEST.json")).unwrap();
    let all = ["warnings", "notes"].map(|level| manifest[level].as_array().unwrap().clone()).concat();
    let info = all.into_iter().find(|info| info["event"] == event).unwrap_or_else(|| panic!("no {event}"));
    assert!(!info["hint"].as_str().unwrap().is_empty());
    info["examples"][0].to_string()
}

#[test]
fn a_sound_queue_is_silent() {
    let snapshot = Snapshot::new().queue("q", 2).msg(&msg("q", 2, "a"));
    let decoded = check(&snapshot, &[], &[]);
    assert_eq!(ids(&decoded, "q"), ["a"]);
}

#[test]
fn orphans_without_a_trace_of_a_deletion_are_a_warning() {
    let snapshot = Snapshot::new().msg(&msg("lost", 3, "a")).msg(&msg("lost", 4, "b"));
    let decoded = check(&snapshot, &[("sqs_orphan_messages", 1)], &[]);
    let want = r#"{"buffered_messages":2,"buffered_side_records":0,"encoded_queue":"bG9zdA","queue":"lost"}"#;
    assert_eq!(example(&decoded, "sqs_orphan_messages"), want);
    assert_eq!(decoded.below("sqs/"), [""; 0]);
}

#[test]
fn messages_of_a_deleted_queue_are_a_note() {
    let message = Snapshot::new().msg(&msg("q", 3, "a"));
    check(&message.clone().tombstone("q", 3), &[], &[("sqs_deleted_queues", 1)]);
    check(&message.clone().generation("q", 4), &[], &[("sqs_deleted_queues", 1)]);
    // The generation row does not explain the deletion of its own generation, nor the tombstone that of another one.
    let both = [("sqs_orphan_messages", 1)];
    check(&message.clone().generation("q", 3), &both, &[("sqs_deleted_queues", 1)]);
    check(&message.tombstone("q", 2), &both, &[("sqs_deleted_queues", 1)]);
}

#[test]
fn stale_messages_are_a_warning_unless_a_purge_is_known() {
    let queue = |generation| Snapshot::new().queue("q", 3).msg(&msg("q", 3, "a")).msg(&msg("q", generation, "b"));
    let purged = check(&queue(2), &[], &[("sqs_purged_messages", 1)]);
    assert_eq!(example(&purged, "sqs_purged_messages"), r#"{"active_gen":3,"dropped":1,"queue":"q"}"#);
    assert_eq!(ids(&purged, "q"), ["a"]);
    let stale = check(&queue(4), &[("sqs_stale_generation_messages_dropped", 1)], &[]);
    let want = r#"{"active_gen":3,"dropped":1,"queue":"q"}"#;
    assert_eq!(example(&stale, "sqs_stale_generation_messages_dropped"), want);
    check(&queue(4).tombstone("q", 4), &[], &[("sqs_purged_messages", 1)]);
    // Without its generation row only a tombstone explains.
    let bare = Snapshot::new().row(queue_key(Family::SqsQueue, "q"), &record(3, json!({}))).msg(&msg("q", 2, "b"));
    check(&bare, &[("sqs_stale_generation_messages_dropped", 1)], &[]);
    check(&bare.tombstone("q", 2), &[], &[("sqs_purged_messages", 1)]);
}

#[test]
fn generations_that_differ_are_a_warning_and_the_record_counts() {
    let record = record(3, json!({ "name": "q" }));
    let snapshot = Snapshot::new().row(queue_key(Family::SqsQueue, "q"), &record).generation("q", 4);
    let decoded = check(&snapshot.msg(&msg("q", 3, "a")), &[("sqs_generation_mismatch", 1)], &[]);
    assert_eq!(example(&decoded, "sqs_generation_mismatch"), r#"{"queue":"q","record":3,"row":4}"#);
    assert_eq!(ids(&decoded, "q"), ["a"]);
}

#[test]
fn another_name_in_the_record_is_a_warning() {
    let snapshot = Snapshot::new().queue_with("q", 1, json!({ "name": "other" }));
    let decoded = check(&snapshot, &[("sqs_queue_name_mismatch", 1)], &[]);
    assert!(decoded.text("sqs/q/_queue.json").contains(r#""name": "other""#));
}

#[test]
fn a_wrong_md5_is_a_warning() {
    let message = msg("q", 1, "a").set("md5_of_body", "0123");
    let decoded = check(&Snapshot::new().queue("q", 1).msg(&message), &[("sqs_body_md5_mismatch", 1)], &[]);
    let want = r#"{"md5_of_body":"0123","message_id":"a","queue":"q"}"#;
    assert_eq!(example(&decoded, "sqs_body_md5_mismatch"), want);
    assert_eq!(ids(&decoded, "q"), ["a"]);
}

#[test]
fn messages_that_are_not_what_their_key_says_are_a_warning() {
    let partitioned = json!({ "name": "q", "partition_count": 8 });
    let parts = |limit: &str| {
        let mut members = partitioned.clone();
        members["fifo_throughput_limit"] = limit.into();
        members
    };
    let grouped = || msg("q", 2, "a").set("message_group_id", "a");
    let plain = || json!({ "name": "q" });
    for (members, message, member) in [
        (plain(), msg("q", 2, "a").set("message_id", "b"), Some("message_id")),
        (plain(), msg("q", 2, "a").set("message_id", "b".repeat(99)), Some("message_id")),
        (plain(), msg("q", 1, "a").set("queue_generation", 2), Some("queue_generation")),
        (plain(), grouped().partition(4), Some("partition")),
        (partitioned.clone(), grouped(), Some("partition")),
        (partitioned.clone(), grouped().partition(3), Some("partition")),
        (partitioned.clone(), grouped().partition(4), None),
        (parts("perQueue"), grouped().partition(4), Some("partition")),
        (parts("perQueue"), grouped().partition(0), None),
    ] {
        let decoded = decoded(Snapshot::new().queue_with("q", 2, members).msg(&message).build());
        assert_eq!(ids(&decoded, "q"), [message.members["message_id"].as_str().unwrap()]);
        let Some(member) = member else {
            assert_eq!(decoded.warnings(), []);
            continue;
        };
        assert_eq!(decoded.warnings(), [("sqs_message_key_mismatch", 1)], "{member}");
        let shown: Value = serde_json::from_str(&example(&decoded, "sqs_message_key_mismatch")).unwrap();
        assert_eq!((&shown["member"], &shown["queue"]), (&json!(member), &json!("q")));
    }
}

/// The value decides which generation a message belongs to, as in the public decoder.
#[test]
fn the_generation_of_the_value_counts() {
    let message = msg("q", 2, "a").set("queue_generation", 1);
    check(&Snapshot::new().queue("q", 2).msg(&message), &[], &[("sqs_purged_messages", 1)]);
}

#[test]
fn messages_past_retention_are_kept_and_counted() {
    let sent = |id: &str, ms: i64| msg("q", 1, id).set("send_timestamp_millis", ms);
    let snapshot = Snapshot::new().queue_with("q", 1, json!({ "name": "q", "message_retention_seconds": 60 }));
    let snapshot = snapshot.msg(&sent("a", NOW_MS - 60_000)).msg(&sent("b", NOW_MS - 59_999)).msg(&sent("c", 0));
    let decoded = check(&snapshot, &[], &[("sqs_messages_past_retention", 1)]);
    assert_eq!(example(&decoded, "sqs_messages_past_retention"), r#"{"messages":2,"queue":"q"}"#);
    assert_eq!(ids(&decoded, "q"), ["c", "a", "b"]);
}

#[test]
fn orphans_are_written_when_wanted() {
    let snapshot = Snapshot::new()
        .queue("_orphans", 3)
        .msg(&msg("_orphans", 3, "live"))
        .msg(&msg("_orphans", 2, "z").set("send_timestamp_millis", 1))
        .msg(&msg("_orphans", 2, "a").set("send_timestamp_millis", 2))
        .msg(&msg("_orphans", 1, "b"))
        .msg(&msg("..", 7, "c").partition(4));
    let decoded = decoded_with(snapshot.build(), &with_orphans());
    let orphans = |name: &str| lines(&decoded, &format!("sqs/_orphans/{name}.jsonl"), "message_id");
    assert_eq!(orphans("_orphans.orphan/generation-2"), ["z", "a"]);
    assert_eq!(orphans("_orphans.orphan/generation-1"), ["b"]);
    assert_eq!(orphans("%2E%2E.orphan/generation-7"), ["c"]);
    assert_eq!(ids(&decoded, "_orphans"), ["live"]);
    assert_eq!(lines(&decoded, "sqs/_orphans/%2E%2E.orphan/generation-7.jsonl", "partition"), ["4"]);
    assert_eq!(decoded.below("sqs/").len(), 5);
}

#[test]
fn orphaned_side_records_are_a_warning_without_a_trace() {
    let vis = message_key(Family::SqsVis, b"q", None, 1, b"\0\0\0\0\0\0\0\x05YQ");
    let snapshot = Snapshot::new().row(vis, b"a");
    check(&snapshot, &[], &[]);
    let wanted = decoded_with(snapshot.build(), &with_side_records());
    assert_eq!(wanted.warnings(), [("sqs_orphan_messages", 1)]);
    assert_eq!(wanted.below("sqs/"), ["sqs/cQ.orphan/_internals/side_records.jsonl"]);
    let deleted = decoded_with(snapshot.tombstone("q", 1).build(), &with_side_records());
    assert_eq!((deleted.warnings(), deleted.notes()), (vec![], vec![("sqs_deleted_queues", 1)]));
    assert_eq!(lines(&deleted, "sqs/cQ.orphan/_internals/side_records.jsonl", "value_b64"), ["YQ", "AQ"]);
}

#[test]
fn a_deselected_adapter_says_and_writes_nothing() {
    let options = Options { adapters: vec![adapter::REDIS], ..Options::default() };
    let snapshot = Snapshot::new().put("!redis|str|k", "v").queue("q", 1).msg(&msg("lost", 1, "a"));
    let decoded = decoded_with(snapshot.build(), &options);
    assert_eq!((decoded.warnings(), decoded.below("sqs")), (vec![], vec![]));
}
