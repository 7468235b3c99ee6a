//! SQS: many queues, records and messages with many members, messages that share an ID.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::{Digest as _, Md5};

use super::super::tables::hex;
use super::{Kind, Pile, each, list};

pub const KINDS: &[Kind] = &[
    ("queues", queues),
    ("same-id", same_id),
    ("queue-unknown", |n| one_queue(&format!(",\"x\":[{}]", list("1", n)))),
    ("queue-tags", |n| one_queue(&format!(",\"tags\":{{{}}}", members(n, "\"\"")))),
    ("queue-deep", |n| one_queue(&format!(",\"x\":{}", brackets(n)))),
    ("message-unknown", |n| one_message(&format!(",\"x\":[{}]", list("1", n)))),
    ("message-attributes", |n| one_message(&format!(",\"message_attributes\":{{{}}}", members(n, "1")))),
    ("message-deep", |n| one_message(&format!(",\"message_attributes\":{{\"a\":{}}}", brackets(n)))),
];

fn members(n: u64, value: &str) -> String {
    let all: Vec<_> = (0..n).map(|i| format!("\"{i:x}\":{value}")).collect();
    all.join(",")
}

fn brackets(n: u64) -> String {
    ["[".repeat(n as usize), "]".repeat(n as usize)].concat()
}

fn queue(pile: &mut Pile, name: &str, more: &str) {
    let value = format!("\0SQ\x01{{\"name\":\"{name}\",\"generation\":1{more}}}");
    pile.put(format!("!sqs|queue|meta|{}", URL_SAFE_NO_PAD.encode(name)), value);
}

/// A message stored under `key` that says that its ID is `id`.
fn message(pile: &mut Pile, queue: &str, key: &str, id: &str, body: &str, sent: u64, more: &str) {
    let (queue, key) = (URL_SAFE_NO_PAD.encode(queue), URL_SAFE_NO_PAD.encode(key));
    let key = [b"!sqs|msg|data|", queue.as_bytes(), &1u64.to_be_bytes(), key.as_bytes()].concat();
    let (md5, body) = (hex(&Md5::digest(body)), STANDARD.encode(body));
    let value = format!(
        "\0SM\x01{{\"message_id\":\"{id}\",\"body\":\"{body}\",\"md5_of_body\":\"{md5}\",\"send_timestamp_millis\":{sent},\
         \"available_at_millis\":{sent},\"visible_at_millis\":{sent},\"receive_count\":0,\
         \"current_receipt_token\":null,\"queue_generation\":1{more}}}"
    );
    pile.put(key, value);
}

const SENT: u64 = 1_700_000_000_000;

fn queues(n: u64) -> Pile {
    each(n, |pile, i| {
        let (name, id) = (format!("queue{i:07}"), format!("{i:032x}"));
        queue(pile, &name, "");
        message(pile, &name, &id, &id, "b", SENT, "");
    })
}

fn same_id(n: u64) -> Pile {
    let id = "0".repeat(32);
    let mut pile = each(n, |pile, i| {
        message(pile, "q", &format!("{i:032x}"), &id, &i.to_string(), SENT + i, "");
    });
    queue(&mut pile, "q", "");
    pile
}

fn one_queue(more: &str) -> Pile {
    each(1, |pile, _| queue(pile, "q", more))
}

fn one_message(more: &str) -> Pile {
    let id = "0".repeat(32);
    each(1, |pile, _| {
        queue(pile, "q", "");
        message(pile, "q", &id, &id, "x", SENT, more);
    })
}
