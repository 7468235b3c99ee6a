//! Every malformed row is a typed error that names family, key and offset.

use ekvsnap::decode::Options;
use ekvsnap::format::Family;
use serde_json::json;

use super::rows::{Rows, message_key, msg, q, queue_key, record};
use super::with_side_records;
use crate::kit::build::{NOW, Snapshot};
use crate::kit::run_with;

/// An intact queue with one more row, which must fail with this text.
#[track_caller]
fn rejects(key: Vec<u8>, value: &[u8], options: &Options, words: &str) {
    let family = Family::of(&key);
    let snapshot = Snapshot::new().queue("ok", 2).msg(&msg("ok", 2, "a")).put_at(NOW + 1, &key, value);
    let Err(error) = run_with(&[snapshot.build()], options) else { panic!("{} passes", key.escape_ascii()) };
    let text = error.to_string();
    assert!(text.contains(words), "{text}: not {words:?}");
    assert_eq!(error.family(), Some(family), "{text}");
    assert!(error.offset().is_some() && text.starts_with("input-0.fsm: "), "{text}");
}

#[track_caller]
fn passes(key: Vec<u8>, value: &[u8], options: &Options) {
    let snapshot = Snapshot::new().queue("ok", 2).put_at(NOW + 1, key, value);
    run_with(&[snapshot.build()], options).unwrap_or_else(|e| panic!("{e}"));
}

fn suffixed(family: Family, suffix: &[u8]) -> Vec<u8> {
    [family.prefix().as_bytes(), suffix].concat()
}

#[test]
fn queue_records() {
    let plain = Options::default();
    let bad = |json: &str| [b"\0SQ\x01", json.as_bytes()].concat();
    let key = || queue_key(Family::SqsQueue, "bad");
    rejects(key(), b"", &plain, "lacks its magic");
    rejects(key(), b"{}", &plain, "lacks its magic");
    rejects(key(), &bad("{"), &plain, "not JSON");
    rejects(key(), &bad(r#"{"name":7}"#), &plain, "invalid !sqs|queue|meta| value");
    rejects(key(), &bad(r#"{"delay_seconds":1e2}"#), &plain, "invalid !sqs|queue|meta| value");
    rejects(suffixed(Family::SqsQueue, b"a"), &record(1, json!({})), &plain, "malformed !sqs|queue|meta| key");
    passes(suffixed(Family::SqsQueue, b""), &record(1, json!({})), &plain);
}

#[test]
fn counters() {
    let plain = Options::default();
    for family in [Family::SqsGen, Family::SqsSeq] {
        let invalid = format!("invalid {} value", family.prefix());
        for value in [&b""[..], b"x", b"-1", b"1e2", b"18446744073709551616"] {
            rejects(queue_key(family, "ok"), value, &plain, &invalid);
        }
        rejects(suffixed(family, b"!"), b"1", &plain, "malformed");
        passes(queue_key(family, "other"), b" 7\n", &plain);
    }
    rejects(suffixed(Family::SqsTombstone, b"\0\0\0\0\0\0\0\x01"), &[1], &plain, "queue name is empty");
    rejects(suffixed(Family::SqsTombstone, b"b2s"), &[1], &plain, "generation of 8 bytes");
}

/// Live, of another generation, and of no queue: a damaged message is found wherever it is.
#[test]
fn message_values_in_and_outside_of_live_ranges() {
    let plain = Options::default();
    for (queue, generation) in [("ok", 2), ("ok", 1), ("gone", 1)] {
        let good = msg(queue, generation, "b");
        let magic = |json: &str| [b"\0SM\x01", json.as_bytes()].concat();
        rejects(good.key(), b"{}", &plain, "lacks its magic");
        rejects(good.key(), &magic("{"), &plain, "not JSON");
        rejects(good.key(), &[&good.value()[..], b" x"].concat(), &plain, "not JSON");
        for (member, value) in [
            ("body", json!("a")),
            ("body", json!("__48")),
            ("body", json!(7)),
            ("message_id", json!(1)),
            ("message_attributes", json!([])),
            ("sequence_number", json!("1")),
            ("send_timestamp_millis", json!(1.5)),
        ] {
            let bad = good.clone().set(member, value);
            rejects(bad.key(), &bad.value(), &plain, "invalid !sqs|msg|data| value");
        }
    }
}

#[test]
fn message_keys() {
    let plain = Options::default();
    let value = msg("ok", 2, "b").value();
    let ok = q("ok");
    let generation: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 2];
    for (parts, words) in [
        (&[&b""[..], generation, b"Yg"][..], "queue name is empty"),
        (&[b"a", generation, b"Yg"], "queue name is not base64url"),
        (&[&ok, b"\0\0\0"], "inside its generation"),
        (&[&ok, generation], "no message ID"),
        (&[&ok, generation, b"Y!"], "an ID in it"),
        (&[b"p|", &ok], "no |"),
        (&[b"p||", &[0; 12], b"Yg"], "queue name is empty"),
        (&[b"p|", &ok, b"|\0\0\0\0", generation], "no message ID"),
        (&[b"p|", &ok, b"|\0\0\0\0\0"], "inside its generation"),
    ] {
        rejects(suffixed(Family::SqsData, &parts.concat()), &value, &plain, words);
    }
}

/// The peer looks at side records only when it writes them.
#[test]
fn side_records_are_checked_when_they_are_wanted() {
    for family in [Family::SqsVis, Family::SqsByAge, Family::SqsDedup, Family::SqsGroup] {
        for (suffix, words) in [
            (&b""[..], "queue name is empty"),
            (b"b2s", "nothing follows"),
            (b"p|b2s", "no |"),
            (b"p|b2|", "not base64url"),
            (b"p|b2s|\0\0\0\0\0\0\0\0\0\0\0", "inside its partition or generation"),
        ] {
            passes(suffixed(family, suffix), b"", &Options::default());
            rejects(suffixed(family, suffix), b"", &with_side_records(), words);
        }
        passes(message_key(family, b"ok", None, 2, b""), b"", &with_side_records());
    }
}
