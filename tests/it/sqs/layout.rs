//! Names, order, and independence of threads, inputs and intents.

use ekvsnap::decode::Options;
use ekvsnap::format::Family;
use serde_json::{Value, json};

use super::rows::{Msg, Rows, message_key, msg, queue_key, record};
use super::{decoded_with, ids, lines, visible, with_side_records};
use crate::kit::build::{NOW, Snapshot, mvcc2};
use crate::kit::{decoded, run, run_with};

#[test]
fn directories_of_queues() {
    let long = "a".repeat(241);
    for (name, directory) in [
        (&b"orders.fifo"[..], "orders.fifo"),
        (b"", "%"),
        (b".", "%2E"),
        (b"..", "%2E%2E"),
        (b"../x", "..%2Fx"),
        (b"a/b", "a%2Fb"),
        (b"\xff", "%FF"),
        (b"b64.foo", "72ef1a090c013093607ce5a62f598cf4__b64.foo"),
        (long.as_bytes(), &format!("ec6e326ef29fe322b62111584194c54e__{}", "a".repeat(64))),
    ] {
        let snapshot = Snapshot::new().row(queue_key(Family::SqsQueue, name), &record(1, json!({})));
        assert_eq!(decoded(snapshot.build()).below("sqs/"), [format!("sqs/{directory}/_queue.json")]);
    }
}

/// Side records of the queue `q` without its record, while a queue is named as their directory.
#[test]
fn a_queue_named_as_an_orphan_directory() {
    let vis = |queue: &str| message_key(Family::SqsVis, queue.as_bytes(), None, 1, b"\0\0\0\0\0\0\0\x05YQ");
    let snapshot = Snapshot::new().queue("cQ.orphan", 1).row(vis("cQ.orphan"), b"a").row(vis("q"), b"a");
    let want = [
        "sqs/_orphans/cQ.orphan/_internals/side_records.jsonl",
        "sqs/cQ.orphan/_internals/side_records.jsonl",
        "sqs/cQ.orphan/_queue.json",
    ];
    assert_eq!(decoded_with(snapshot.build(), &with_side_records()).below("sqs/"), want);
}

#[test]
fn messages_are_in_order() {
    let at =
        |id: &str, time: i64, seq: u64| msg("q", 1, id).set("send_timestamp_millis", time).set("sequence_number", seq);
    let prefix = "same sixteen bytes ";
    let sorted = [
        at("z", -5, 9),
        at("\u{0}", 0, 0),
        at("B", 0, 0),
        at("a", 0, 0),
        at("a\u{0}", 0, 0),
        at(&format!("{prefix}a"), 0, 0),
        at(&format!("{prefix}b"), 0, 0),
        at(&format!("{prefix}ba"), 0, 0),
        at(&format!("{prefix}é\""), 0, 0),
        at("A", 0, 1),
        at("y", 0, u64::MAX),
        at("x", 1, 0),
    ];
    let snapshot = sorted.iter().fold(Snapshot::new().queue("q", 1), |snapshot, message| snapshot.msg(message));
    let want: Vec<_> = sorted.iter().map(|message| message.id.clone()).collect();
    assert_eq!(ids(&decoded(snapshot.build()), "q"), want);
}

#[test]
fn partitions_are_mixed_and_shown() {
    let grouped = |id: &str, group: &str, time: i64| {
        msg("q.fifo", 1, id).set("message_group_id", group).set("send_timestamp_millis", time)
    };
    let snapshot = Snapshot::new()
        .queue_with("q.fifo", 1, json!({ "name": "q.fifo", "is_fifo": true, "partition_count": 8 }))
        .msg(&grouped("c", "a", 3).partition(4))
        .msg(&grouped("a", "a", 1).partition(4))
        .msg(&grouped("b", "", 2).partition(0));
    let decoded = decoded(snapshot.build());
    assert_eq!(ids(&decoded, "q.fifo"), ["a", "b", "c"]);
    assert_eq!(lines(&decoded, "sqs/q.fifo/messages.jsonl", "partition"), ["4", "0", "4"]);
    assert_eq!(decoded.warnings(), []);
}

/// Queue names that begin with one another, and with the letters of a partitioned key.
#[test]
fn queues_do_not_mix() {
    let names = ["q", "qa", "qab", "qabc", "p", "\u{a7}", "r"];
    let mut snapshot = Snapshot::new();
    for name in names {
        let parts = json!({ "name": format!("{name}{name}"), "partition_count": 2 });
        let partitioned = msg(&format!("{name}{name}"), 1, &format!("{name}p")).partition(0);
        snapshot = snapshot.queue(name, 1).msg(&msg(name, 1, name));
        snapshot = snapshot.queue_with(&format!("{name}{name}"), 1, parts).msg(&partitioned);
    }
    let decoded = decoded(snapshot.build());
    assert_eq!(decoded.warnings(), []);
    for name in names {
        let directory = name.replace('\u{a7}', "%C2%A7");
        assert_eq!(ids(&decoded, &directory), [name]);
        assert_eq!(ids(&decoded, &format!("{directory}{directory}")), [format!("{name}p")]);
    }
}

#[test]
fn visibility_is_zero_unless_preserved() {
    let snapshot = Snapshot::new().queue("q", 1).msg(&msg("q", 1, "a")).build();
    for (options, count) in [(Options::default(), "0"), (visible(), "3")] {
        let decoded = decoded_with(snapshot.clone(), &options);
        assert_eq!(lines(&decoded, "sqs/q/messages.jsonl", "receive_count"), [count]);
    }
}

/// Snapshot order: families, then raw keys; so a key that another one begins with comes after it.
#[test]
fn side_records_are_in_snapshot_order() {
    let key = |family, generation, rest: &[u8]| message_key(family, b"q", None, generation, rest);
    let snapshot = Snapshot::new()
        .queue("q", 2)
        .tombstone("q", 1)
        .row(queue_key(Family::SqsSeq, "q"), b"6")
        .row(key(Family::SqsVis, 2, b"\0\0\0\0\0\0\0\x05YQ"), b"5")
        .row(key(Family::SqsGroup, 1, b"YQ"), b"4")
        .row(key(Family::SqsDedup, 2, b"YQ"), b"3")
        .row(key(Family::SqsDedup, 2, b"YQYQ"), b"2")
        .row(key(Family::SqsByAge, 2, b"\0\0\0\0\0\0\0\x05YQ"), b"1");
    let decoded = decoded_with(snapshot.build(), &with_side_records());
    let path = "sqs/q/_internals/side_records.jsonl";
    assert_eq!(lines(&decoded, path, "value_b64"), ["MQ", "Mg", "Mw", "NA", "NQ", "Ng", "AQ"]);
}

/// Enough messages in two queues for several tasks in every stage, and small queues.
pub fn many() -> Snapshot {
    let sender = "s".repeat(2500);
    let mut snapshot = Snapshot::new().queue("q", 2).queue_with("f", 1, json!({ "name": "f", "partition_count": 4 }));
    for i in 0..4500_i64 {
        let queue = if i % 3 == 0 { "f" } else { "q" };
        let message = msg(queue, if queue == "q" { 2 } else { 1 }, &format!("{i:032x}"));
        let time = i * 7919 % 1000;
        let message = message.set("sender_id", &*sender).set("send_timestamp_millis", time);
        let partition = (queue == "f").then_some(0);
        snapshot = snapshot.msg(&Msg { partition, ..message });
    }
    (0..100)
        .fold(snapshot, |snapshot, i| snapshot.queue(&format!("small-{i}"), 1).msg(&msg(&format!("small-{i}"), 1, "a")))
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let bytes = many().build();
    let with = |threads| {
        let options = Options { threads, include_orphans: true, include_sqs_side_records: true, ..Options::default() };
        decoded_with(bytes.clone(), &options)
    };
    let one = with(1);
    let order = |queue| {
        let path = format!("sqs/{queue}/messages.jsonl");
        let key = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["send_timestamp_millis"].as_i64().unwrap(), line["message_id"].as_str().unwrap().to_owned())
        };
        one.text(&path).lines().map(key).collect::<Vec<_>>()
    };
    assert_eq!((order("q").len(), order("f").len()), (3000, 1500));
    assert!(order("q").is_sorted() && order("f").is_sorted());
    for threads in [2, 3, 8] {
        assert!(with(threads).tree == one.tree, "{threads} threads");
    }
}

#[test]
fn the_tally_counts_messages() {
    let snapshot = Snapshot::new().queue("q", 1).queue("empty", 1).msg(&msg("q", 1, "a")).msg(&msg("q", 1, "b"));
    let decoded = decoded(snapshot.build());
    let manifest: Value = serde_json::from_str(decoded.text("MANIFEST.json")).unwrap();
    let sqs = &manifest["adapters"]["sqs"];
    let bytes = decoded.text("sqs/q/messages.jsonl").len();
    assert_eq!(sqs["queues"], json!(["empty", "q"]));
    assert_eq!(sqs["scopes"][1]["kinds"], json!([{ "kind": "messages", "objects": 2, "bytes": bytes }]));
}

#[test]
fn two_groups_are_one_store() {
    let one = Snapshot::new().queue("q", 2).msg(&msg("q", 2, "b")).put_at(NOW - 1, msg("q", 2, "d").key(), b"old");
    let deleted = msg("q", 2, "c");
    let one = one.put_at(NOW - 1, deleted.key(), deleted.value());
    let newer = msg("q", 2, "d");
    let two = Snapshot::new().queue("r", 1).msg(&msg("q", 2, "a")).put_at(NOW, newer.key(), newer.value());
    let two = two.delete_at(NOW, deleted.key()).msg(&msg("r", 1, "x"));
    for inputs in [[&one, &two], [&two, &one]] {
        let both = run(&inputs.map(Snapshot::build)).unwrap();
        assert_eq!((ids(&both, "q"), ids(&both, "r")), (["a", "b", "d"].map(str::to_owned).to_vec(), vec!["x".into()]));
        assert_eq!(both.warnings(), [("key_in_several_groups", 1)]);
    }
}

/// Reported once, although the queues' own rows are read twice with the flag.
#[test]
fn a_shared_counter_is_reported_once() {
    let counter = Snapshot::new().queue("q", 1).row(queue_key(Family::SqsSeq, "q"), b"3");
    let other = Snapshot::new().row(queue_key(Family::SqsSeq, "q"), b"3");
    let both = run_with(&[counter.build(), other.build()], &with_side_records()).unwrap();
    assert_eq!(both.warnings(), [("key_in_several_groups", 1)]);
}

fn blob(parts: &[&[u8]], bytes: &[u8]) -> Vec<u8> {
    [&parts.concat()[..], &(bytes.len() as u64).to_be_bytes(), bytes].concat()
}

/// A committed transaction that created a queue with a message and deleted another, while its rows are still intents.
#[test]
fn committed_intents_are_applied() {
    let start = (NOW - 10).to_be_bytes();
    let (new, gone) = (msg("q", 1, "new"), msg("q", 1, "gone"));
    let rows = [
        (queue_key(Family::SqsQueue, "q"), Some(record(1, json!({ "name": "q" })))),
        (queue_key(Family::SqsGen, "q"), Some(b"1".to_vec())),
        (new.key(), Some(new.value())),
        (gone.key(), None),
    ];
    let primary = rows[0].0.clone();
    let mut snapshot = Snapshot::new().put_at(NOW - 100, gone.key(), gone.value()).msg(&msg("q", 1, "kept"));
    for (key, value) in &rows {
        let lock = blob(&[&[1], &start, &[0; 8], &[0]], &primary);
        let op = u8::from(value.is_none());
        let intent = blob(&[&[1], &start, &[op]], value.as_deref().unwrap_or_default());
        snapshot = snapshot.put([b"!txn|lock|", &key[..]].concat(), lock);
        snapshot = snapshot.put([b"!txn|int|", &key[..]].concat(), intent);
    }
    let pending = decoded(snapshot.build());
    assert_eq!(pending.below("sqs/"), [""; 0]);
    let commit = [&[1], &NOW.to_be_bytes()[..]].concat();
    let committed = snapshot.put([b"!txn|cmt|", &primary[..], &start].concat(), commit);
    let applied = decoded(committed.build());
    assert_eq!(ids(&applied, "q"), ["kept", "new"]);
    assert_eq!(applied.warnings(), [("txn_intents_applied", 4)]);
}

#[test]
fn another_stream_format_gives_the_same_tree() {
    let messages = [msg("q", 1, "b"), msg("q", 1, "a")];
    let mut rows = vec![
        (queue_key(Family::SqsQueue, "q"), record(1, json!({ "name": "q" }))),
        (queue_key(Family::SqsGen, "q"), b"1".to_vec()),
    ];
    rows.extend(messages.iter().map(|message| (message.key(), message.value())));
    rows.sort();
    let versions: Vec<_> =
        rows.iter().map(|(_, value)| [(5, true, 0, &b""[..]), (NOW, false, 0, &value[..])]).collect();
    let keys: Vec<_> = rows.iter().zip(&versions).map(|((key, _), versions)| (&key[..], &versions[..])).collect();
    let decoded = decoded(mvcc2(NOW, &keys));
    assert_eq!(ids(&decoded, "q"), ["a", "b"]);
}
