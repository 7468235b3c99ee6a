//! Every rule of rendering, on records as the store has them.

use bumpalo::Bump;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::format::sqs::{message, queue};

const PLAIN: Shown = Shown { preserve_visibility: false, partition: None };
const LIVE: Shown = Shown { preserve_visibility: true, partition: None };

fn shown(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = b"before\n".to_vec();
    write(&mut out);
    String::from_utf8(out).unwrap().strip_prefix("before\n").unwrap().to_owned()
}

fn queue_json(record: &str, key_name: &[u8], last_sequence: u64) -> String {
    let (arena, value) = (Bump::new(), [queue::MAGIC, record.as_bytes()].concat());
    let queue = Queue::parse(&arena, &value).unwrap();
    let queue = model::Queue { encoded: b"", name: key_name, record: &queue, last_sequence };
    shown(|out| queue_document(&queue, out))
}

fn message_json(record: &str, how: Shown) -> String {
    let (arena, value) = (Bump::new(), [message::MAGIC, record.as_bytes()].concat());
    let message = Message::parse(&arena, &value).unwrap();
    shown(|out| message_line(&message, how, out))
}

#[test]
fn the_queue_of_the_spec() {
    let record = r#"{"name":"f.fifo","is_fifo":true,"visibility_timeout_seconds":30,"message_retention_seconds":345600,
        "delay_seconds":0,"maximum_message_size":262144,"redrive_policy":"{\"deadLetterTargetArn\":\"…\"}"}"#;
    let want = r#"{
  "format_version": 1,
  "name": "f.fifo",
  "fifo": true,
  "visibility_timeout_seconds": 30,
  "message_retention_seconds": 345600,
  "delay_seconds": 0,
  "maximum_message_size": 262144,
  "redrive_policy": "{\"deadLetterTargetArn\":\"…\"}"
}"#;
    assert_eq!(queue_json(record, b"other", 0), want);
}

#[test]
fn a_full_queue() {
    let record = r#"{"generation":3,"incarnation":2,"created_at_hlc":9007199254740993,"is_fifo":true,
        "content_based_dedup":true,"visibility_timeout_seconds":-1,"receive_message_wait_seconds":5,
        "maximum_message_size":7,"redrive_policy":"<&>\u2028","redrive_allow_policy":"a","partition_count":4,
        "fifo_throughput_limit":"perQueue","deduplication_scope":"queue","created_at_millis":12,
        "last_modified_at_millis":13,"last_purged_at_millis":14,"tags":{"b<":"2","a":"","é":"\""},
        "throttle":{"send_capacity":1e21,"send_refill_per_second":0.5,"default_capacity":100,"recv_capacity":0}}"#;
    let want = r#"{
  "format_version": 1,
  "name": "key\"",
  "fifo": true,
  "content_based_deduplication": true,
  "visibility_timeout_seconds": -1,
  "message_retention_seconds": 0,
  "delay_seconds": 0,
  "receive_message_wait_seconds": 5,
  "maximum_message_size": 7,
  "redrive_policy": "\u003c\u0026\u003e\u2028",
  "redrive_allow_policy": "a",
  "partition_count": 4,
  "fifo_throughput_limit": "perQueue",
  "deduplication_scope": "queue",
  "generation": 3,
  "incarnation": 2,
  "created_at_hlc": 9007199254740993,
  "created_at_millis": 12,
  "last_modified_at_millis": 13,
  "last_purged_at_millis": 14,
  "tags": {
    "a": "",
    "b\u003c": "2",
    "é": "\""
  },
  "throttle": {
    "send_capacity": 1e+21,
    "send_refill_per_second": 0.5,
    "default_capacity": 100
  },
  "last_sequence_number": 18446744073709551615
}"#;
    assert_eq!(queue_json(record, b"key\"", u64::MAX), want);
}

#[test]
fn our_members_come_last() {
    let peer = queue_json(r#"{"name":"q"}"#, b"", 0);
    let ours = queue_json(r#"{"name":"q","generation":1,"tags":{"a":"b"},"throttle":{"send_capacity":1}}"#, b"", 2);
    assert!(ours.starts_with(peer.strip_suffix("\n}").unwrap()), "{ours}");
    assert!(queue_json("{}", b"\xff", 0).contains("\"name\": \"\u{fffd}\""));
}

const FULL: &str = r#"{"message_id":"0<","body":"PCY+w6k=","md5_of_body":"m","md5_of_message_attributes":"n",
    "message_attributes":{"b":{ "StringValue" : "x\u003c\/ y" , "DataType":"Number" , "n" : [1.0e+2 , null]},"a<":1 },
    "sender_id":"s&","send_timestamp_millis":-1,"available_at_millis":2,"visible_at_millis":3,"receive_count":4,
    "first_receive_millis":5,"current_receipt_token":"//48","queue_generation":6,"message_group_id":"g\u2028",
    "message_deduplication_id":"d","sequence_number":18446744073709551615,"dead_letter_source_arn":"arn"}"#;

#[test]
fn full_messages() {
    let head = concat!(
        r#"{"message_id":"0<","body":"\u003c\u0026\u003eé","md5_of_body":"m","md5_of_message_attributes":"n","#,
        r#""message_attributes":{"a<":1,"b":{"StringValue":"x\u003c\/ y","DataType":"Number","n":[1.0e+2,null]}},"#,
        r#""sender_id":"s&","send_timestamp_millis":-1,"available_at_millis":2,"#
    );
    let tail = concat!(
        r#""queue_generation":6,"message_group_id":"g\u2028","message_deduplication_id":"d","#,
        r#""sequence_number":18446744073709551615,"dead_letter_source_arn":"arn""#
    );
    let zero = r#""visible_at_millis":0,"receive_count":0,"#;
    let live = r#""visible_at_millis":3,"receive_count":4,"first_receive_millis":5,"current_receipt_token":"//48","#;
    for (how, middle, partition) in [
        (PLAIN, zero, ""),
        (LIVE, live, ""),
        (Shown { partition: Some(0), ..PLAIN }, zero, ",\"partition\":0"),
        (Shown { partition: Some(31), ..LIVE }, live, ",\"partition\":31"),
    ] {
        assert_eq!(message_json(FULL, how), format!("{head}{middle}{tail}{partition}}}\n"));
    }
}

#[test]
fn empty_messages() {
    let want = concat!(
        r#"{"message_id":"","body":"","send_timestamp_millis":0,"available_at_millis":0,"visible_at_millis":0,"#,
        r#""receive_count":0,"queue_generation":0}"#,
        "\n"
    );
    for record in ["{}", r#"{"message_attributes":{},"current_receipt_token":"","sequence_number":0}"#] {
        assert_eq!(message_json(record, PLAIN), want);
        assert_eq!(message_json(record, LIVE), want);
    }
}

#[test]
fn bodies() {
    for (stored, want) in [
        ("", r#""""#),
        ("//48", r#"{"base64":"__48"}"#),
        ("/w==", r#"{"base64":"_w"}"#),
        ("fw==", "\"\u{7f}\""),
        ("AAgMCg0JGyJc", r#""\u0000\b\f\n\r\t\u001b\"\\""#),
        ("4oCo4oCp", r#""\u2028\u2029""#),
        ("PCY+", r#""\u003c\u0026\u003e""#),
    ] {
        let line = message_json(&format!("{{\"body\":\"{stored}\"}}"), PLAIN);
        assert!(line.starts_with(&format!("{{\"message_id\":\"\",\"body\":{want},\"send")), "{line}");
    }
}

#[test]
fn side_records() {
    for (family, key, value, want) in [
        (
            Family::SqsVis,
            &b"!sqs|msg|vis|p|\xff"[..],
            &b"\xff\xfe<"[..],
            r#"{"prefix":"!sqs|msg|vis|","key_hex":"217371737c6d73677c7669737c707cff","value_b64":"__48"}"#,
        ),
        (Family::SqsSeq, b"a", b"", r#"{"prefix":"!sqs|queue|seq|","key_hex":"61","value_b64":""}"#),
        (Family::SqsTombstone, b"", b"\x01", r#"{"prefix":"!sqs|queue|tombstone|","key_hex":"","value_b64":"AQ"}"#),
    ] {
        assert_eq!(shown(|out| side_record_line(family, key, value, out)), format!("{want}\n"));
    }
}

proptest! {
    #[test]
    fn lines_parse_and_say_what_was_stored(
        id in ".*", text in ".*", name in ".+", sequence: u64, sent: i64, generation: u64, partition: u32,
    ) {
        let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &text);
        let attributes = json!({ name.clone(): { "DataType": "String", "StringValue": text }, "": [text, 1.5, null] });
        let record = json!({
            "message_id": id, "body": body, "message_attributes": attributes, "sender_id": name,
            "sequence_number": sequence, "send_timestamp_millis": sent, "queue_generation": generation,
        });
        let line = message_json(&format!("{record:#}"), Shown { partition: Some(partition), ..PLAIN });
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        let got: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(&got["message_id"], &id);
        prop_assert_eq!(&got["body"], &text);
        prop_assert_eq!(&got["message_attributes"], &attributes);
        prop_assert_eq!(&got["sender_id"], &name);
        prop_assert_eq!(got["sequence_number"].as_u64().unwrap_or(0), sequence);
        prop_assert_eq!(&got["send_timestamp_millis"], sent);
        prop_assert_eq!(&got["queue_generation"], generation);
        prop_assert_eq!(&got["partition"], partition);
    }

    #[test]
    fn queue_files_parse_and_say_what_was_stored(
        name in ".+", policy in ".*", tags in prop::collection::btree_map(".*", ".*", 0..4), capacity in 0.0..1e300_f64,
    ) {
        let record = json!({
            "name": name, "redrive_policy": policy, "tags": tags, "throttle": { "recv_capacity": capacity },
        });
        let file = queue_json(&record.to_string(), b"", 0);
        let got: Value = serde_json::from_str(&file).unwrap();
        prop_assert_eq!(&got["name"], &name);
        prop_assert_eq!(got["redrive_policy"].as_str().unwrap_or(""), policy);
        prop_assert_eq!(got["tags"].as_object().map_or(0, |t| t.len()), tags.len());
        for (tag, value) in &tags {
            prop_assert_eq!(&got["tags"][tag], value);
        }
        let (_, number) = file.rsplit_once("\"recv_capacity\": ").unwrap_or(("", "0"));
        prop_assert_eq!(number.trim_end_matches(['\n', ' ', '}']).parse(), Ok(capacity));
    }

    #[test]
    fn binary_bodies_come_back(body: Vec<u8>) {
        let message = Message { body: &body, ..Message::default() };
        let got: Value = serde_json::from_str(&shown(|out| message_line(&message, PLAIN, out))).unwrap();
        let back = match &got["body"] {
            Value::String(text) => text.clone().into_bytes(),
            envelope => {
                let text = envelope["base64"].as_str().unwrap();
                base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text).unwrap()
            }
        };
        prop_assert_eq!(back, body);
    }
}
