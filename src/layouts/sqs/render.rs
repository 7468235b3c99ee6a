//! Queues, messages and side records as JSON text (`sqs.md` §4, `rules.md` §3), appended to a buffer.

use crate::format::family::Family;
use crate::format::hex;
use crate::format::sqs::queue::Throttle;
use crate::format::sqs::{Message, Queue};
use crate::model::sqs as model;
use crate::output::json::{self, Escape};
use crate::output::out::Out;

/// Writes the members of one object of a document: one per line, `<` `>` `&` escaped.
struct Members<'o> {
    out: &'o mut Vec<u8>,
    /// Indentation of each.
    by: usize,
    any: bool,
}

impl<'o> Members<'o> {
    fn open(out: &'o mut Vec<u8>, by: usize) -> Members<'o> {
        out.push(b'{');
        Members { out, by, any: false }
    }

    fn close(self) {
        if self.any {
            json::newline(self.by - 2, self.out);
        }
        self.out.push(b'}');
    }

    /// Writes a name; the caller writes the value.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if self.any {
            self.out.push(b',');
        }
        self.any = true;
        json::newline(self.by, self.out);
        json::string(name, Escape::Html, self.out);
        self.out.extend_from_slice(b": ");
        self.out
    }

    fn string(&mut self, name: &str, value: &str) {
        json::string(value, Escape::Html, self.name(name));
    }

    fn string_unless_empty(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.string(name, value);
        }
    }

    fn integer(&mut self, name: &str, value: impl itoa::Integer) {
        json::integer(value, self.name(name));
    }

    fn integer_unless_zero(&mut self, name: &str, value: impl itoa::Integer + PartialEq + Default) {
        if value != Default::default() {
            self.integer(name, value);
        }
    }

    fn true_unless_false(&mut self, name: &str, value: bool) {
        if value {
            self.name(name).extend_from_slice(b"true");
        }
    }

    /// A nested object.
    fn object(&mut self, name: &str, write: impl FnOnce(&mut Members<'_>)) {
        let by = self.by + 2;
        let mut inner = Members::open(self.name(name), by);
        write(&mut inner);
        inner.close();
    }
}

/// Appends the document of a queue, without a line feed at its end. The name in the key is used if the record has none.
pub fn queue_document(queue: &model::Queue<'_>, out: &mut Vec<u8>) {
    let mut m = Members::open(out, 2);
    peer_members(queue.record, queue.name, &mut m);
    own_members(queue.record, queue.last_sequence, &mut m);
    m.close();
}

/// The members that the public decoder writes (`sqs.md` §4.1).
fn peer_members(queue: &Queue<'_>, key_name: &[u8], m: &mut Members<'_>) {
    m.integer("format_version", 1);
    match queue.name {
        "" => m.string("name", &String::from_utf8_lossy(key_name)),
        name => m.string("name", name),
    }
    m.true_unless_false("fifo", queue.is_fifo);
    m.true_unless_false("content_based_deduplication", queue.content_based_dedup);
    m.integer("visibility_timeout_seconds", queue.visibility_timeout_seconds);
    m.integer("message_retention_seconds", queue.message_retention_seconds);
    m.integer("delay_seconds", queue.delay_seconds);
    m.integer_unless_zero("receive_message_wait_seconds", queue.receive_message_wait_seconds);
    m.integer_unless_zero("maximum_message_size", queue.maximum_message_size);
    m.string_unless_empty("redrive_policy", queue.redrive_policy);
    m.string_unless_empty("redrive_allow_policy", queue.redrive_allow_policy);
    m.integer_unless_zero("partition_count", queue.partition_count);
    m.string_unless_empty("fifo_throughput_limit", queue.fifo_throughput_limit);
    m.string_unless_empty("deduplication_scope", queue.deduplication_scope);
}

/// The members that only ekvsnap writes (`rules.md` §3).
fn own_members(queue: &Queue<'_>, last_sequence: u64, m: &mut Members<'_>) {
    m.integer_unless_zero("generation", queue.generation);
    m.integer_unless_zero("incarnation", queue.incarnation);
    m.integer_unless_zero("created_at_hlc", queue.created_at_hlc);
    m.integer_unless_zero("created_at_millis", queue.created_at_millis);
    m.integer_unless_zero("last_modified_at_millis", queue.last_modified_at_millis);
    m.integer_unless_zero("last_purged_at_millis", queue.last_purged_at_millis);
    if !queue.tags.is_empty() {
        m.object("tags", |tags| queue.tags.iter().for_each(|(name, value)| tags.string(name, value)));
    }
    if queue.throttle != Throttle::default() {
        m.object("throttle", |throttle| throttle_members(&queue.throttle, throttle));
    }
    m.integer_unless_zero("last_sequence_number", last_sequence);
}

fn throttle_members(throttle: &Throttle, m: &mut Members<'_>) {
    for (name, value) in throttle.members().into_iter().filter(|(_, value)| *value != 0.0) {
        json::score(value, m.name(name));
    }
}

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shown {
    /// Whether visibility, receive count and receipt token are live (`--preserve-sqs-visibility`) or zero.
    pub preserve_visibility: bool,
    /// The partition of the row; `None` for a classic key.
    pub partition: Option<u32>,
}

/// A member on a line: everything before the value, whose length is known at compile time, and the value.
#[inline(always)]
fn text<const N: usize>(before: &[u8; N], value: &str, out: &mut impl Out) {
    out.buffer().extend_from_slice(before);
    out.string(value, Escape::Plain);
}

#[inline(always)]
fn text_unless_empty<const N: usize>(before: &[u8; N], value: &str, out: &mut impl Out) {
    if !value.is_empty() {
        text(before, value, out);
    }
}

#[inline(always)]
fn integer<const N: usize>(before: &[u8; N], value: impl itoa::Integer, out: &mut impl Out) {
    out.buffer().extend_from_slice(before);
    json::integer(value, out.buffer());
}

/// Appends one line of `messages.jsonl`, with its line feed (`sqs.md` §4.2).
pub fn message_line(message: &Message<'_>, shown: Shown, out: &mut impl Out) {
    content(message, out);
    integer(b",\"send_timestamp_millis\":", message.send_timestamp_millis, out);
    integer(b",\"available_at_millis\":", message.available_at_millis, out);
    visibility(message, shown.preserve_visibility, out);
    integer(b",\"queue_generation\":", message.queue_generation, out);
    text_unless_empty(b",\"message_group_id\":", message.message_group_id, out);
    text_unless_empty(b",\"message_deduplication_id\":", message.message_deduplication_id, out);
    if message.sequence_number != 0 {
        integer(b",\"sequence_number\":", message.sequence_number, out);
    }
    text_unless_empty(b",\"dead_letter_source_arn\":", message.dead_letter_source_arn, out);
    if let Some(partition) = shown.partition {
        integer(b",\"partition\":", partition, out);
    }
    out.buffer().extend_from_slice(b"}\n");
}

/// ID, body and attributes. Only the body escapes `<` `>` `&`, or is an envelope if it is not UTF-8 (§4.3).
fn content(message: &Message<'_>, out: &mut impl Out) {
    text(b"{\"message_id\":", message.message_id, out);
    out.buffer().extend_from_slice(b",\"body\":");
    out.bytes(message.body, Escape::Html);
    text_unless_empty(b",\"md5_of_body\":", message.md5_of_body, out);
    text_unless_empty(b",\"md5_of_message_attributes\":", message.md5_of_message_attributes, out);
    if !message.message_attributes.is_empty() {
        out.buffer().extend_from_slice(b",\"message_attributes\":");
        attributes(message.message_attributes, out);
    }
    text_unless_empty(b",\"sender_id\":", message.sender_id, out);
}

/// Attributes of a message: names and their JSON as stored.
pub(in crate::layouts) fn attributes(attributes: &[(&str, &[u8])], out: &mut impl Out) {
    for (n, (name, value)) in attributes.iter().enumerate() {
        out.buffer().push(if n == 0 { b'{' } else { b',' });
        out.string(name, Escape::Plain);
        out.buffer().push(b':');
        out.compacted(value);
        out.relieve();
    }
    out.buffer().push(b'}');
}

fn visibility(message: &Message<'_>, preserve: bool, out: &mut impl Out) {
    if !preserve {
        return out.buffer().extend_from_slice(b",\"visible_at_millis\":0,\"receive_count\":0");
    }
    integer(b",\"visible_at_millis\":", message.visible_at_millis, out);
    integer(b",\"receive_count\":", message.receive_count, out);
    if message.first_receive_millis != 0 {
        integer(b",\"first_receive_millis\":", message.first_receive_millis, out);
    }
    if !message.current_receipt_token.is_empty() {
        out.buffer().extend_from_slice(b",\"current_receipt_token\":\"");
        out.encoded(message.current_receipt_token, json::base64);
        out.buffer().push(b'"');
    }
}

/// Appends one line of `side_records.jsonl`, with its line feed (`sqs.md` §4.4).
pub fn side_record_line(family: Family, user_key: &[u8], value: &[u8], out: &mut impl Out) {
    text(b"{\"prefix\":", family.prefix(), out);
    out.buffer().extend_from_slice(b",\"key_hex\":\"");
    out.buffer().extend(user_key.iter().flat_map(|b| hex::byte(*b)));
    out.buffer().extend_from_slice(b"\",\"value_b64\":\"");
    out.encoded(value, json::base64url);
    out.buffer().extend_from_slice(b"\"}\n");
}

#[cfg(test)]
mod tests;
