//! Queues, messages and side records as JSON text (`sqs.md` §4, `ours.md` §3), appended to a buffer.

use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use crate::format::family::Family;
use crate::format::rawjson;
use crate::format::sqs::queue::Throttle;
use crate::format::sqs::{Message, Queue};
use crate::output::json::{self, Escape};

/// How the members of an object are set apart.
#[derive(Clone, Copy)]
enum Style {
    /// On one line, `<` `>` `&` as they are.
    Line,
    /// One a line, behind this many spaces; `<` `>` `&` escaped.
    Indented(usize),
}

/// Writes the members of one object.
struct Members<'o> {
    out: &'o mut Vec<u8>,
    style: Style,
    any: bool,
}

impl<'o> Members<'o> {
    fn open(out: &'o mut Vec<u8>, style: Style) -> Members<'o> {
        out.push(b'{');
        Members { out, style, any: false }
    }

    fn close(self) {
        if let (Style::Indented(by), true) = (self.style, self.any) {
            json::newline(by - 2, self.out);
        }
        self.out.push(b'}');
    }

    fn escape(&self) -> Escape {
        match self.style {
            Style::Line => Escape::Plain,
            Style::Indented(_) => Escape::Html,
        }
    }

    /// Writes a name; the value is up to the caller.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if self.any {
            self.out.push(b',');
        }
        self.any = true;
        if let Style::Indented(by) = self.style {
            json::newline(by, self.out);
        }
        json::string(name, self.escape(), self.out);
        let colon: &[u8] = if matches!(self.style, Style::Line) { b":" } else { b": " };
        self.out.extend_from_slice(colon);
        self.out
    }

    fn string(&mut self, name: &str, value: &str) {
        let escape = self.escape();
        json::string(value, escape, self.name(name));
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

    /// An object of the same style.
    fn object(&mut self, name: &str, write: impl FnOnce(&mut Members<'_>)) {
        let style = match self.style {
            Style::Line => Style::Line,
            Style::Indented(by) => Style::Indented(by + 2),
        };
        let mut inner = Members::open(self.name(name), style);
        write(&mut inner);
        inner.close();
    }
}

/// Appends `_queue.json`, without a line feed at its end. `key_name` is the name that the key tells, used when the
/// record has none; `last_sequence` is the value of the `queue|seq` row, 0 without one.
pub fn queue_file(queue: &Queue<'_>, key_name: &[u8], last_sequence: u64, out: &mut Vec<u8>) {
    let mut m = Members::open(out, Style::Indented(2));
    peer_members(queue, key_name, &mut m);
    own_members(queue, last_sequence, &mut m);
    m.close();
}

/// The members that the peer writes (`sqs.md` §4.1).
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

/// The members that only we write (`ours.md` §3).
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

/// How a message is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shown {
    /// Whether visibility, receive count and receipt token are live (`--preserve-sqs-visibility`) or zero.
    pub preserve_visibility: bool,
    /// The partition of the row; `None` for a classic key.
    pub partition: Option<u32>,
}

/// Appends one line of `messages.jsonl`, with its line feed (`sqs.md` §4.2).
pub fn message_line(message: &Message<'_>, shown: Shown, out: &mut Vec<u8>) {
    let mut m = Members::open(out, Style::Line);
    content_members(message, &mut m);
    m.integer("send_timestamp_millis", message.send_timestamp_millis);
    m.integer("available_at_millis", message.available_at_millis);
    visibility_members(message, shown.preserve_visibility, &mut m);
    m.integer("queue_generation", message.queue_generation);
    m.string_unless_empty("message_group_id", message.message_group_id);
    m.string_unless_empty("message_deduplication_id", message.message_deduplication_id);
    m.integer_unless_zero("sequence_number", message.sequence_number);
    m.string_unless_empty("dead_letter_source_arn", message.dead_letter_source_arn);
    if let Some(partition) = shown.partition {
        m.integer("partition", partition);
    }
    m.close();
    out.push(b'\n');
}

/// ID, body and attributes. The body alone escapes `<` `>` `&`, or is an envelope when it is not UTF-8 (§4.3).
fn content_members(message: &Message<'_>, m: &mut Members<'_>) {
    m.string("message_id", message.message_id);
    json::bytes(message.body, Escape::Html, m.name("body"));
    m.string_unless_empty("md5_of_body", message.md5_of_body);
    m.string_unless_empty("md5_of_message_attributes", message.md5_of_message_attributes);
    if !message.message_attributes.is_empty() {
        m.object("message_attributes", |m| {
            message.message_attributes.iter().for_each(|(name, text)| rawjson::compact(text, m.name(name)));
        });
    }
    m.string_unless_empty("sender_id", message.sender_id);
}

fn visibility_members(message: &Message<'_>, preserve: bool, m: &mut Members<'_>) {
    if !preserve {
        m.integer("visible_at_millis", 0);
        m.integer("receive_count", 0);
        return;
    }
    m.integer("visible_at_millis", message.visible_at_millis);
    m.integer("receive_count", message.receive_count);
    m.integer_unless_zero("first_receive_millis", message.first_receive_millis);
    if !message.current_receipt_token.is_empty() {
        let out = m.name("current_receipt_token");
        out.push(b'"');
        json::base64_into(&STANDARD, message.current_receipt_token, out);
        out.push(b'"');
    }
}

/// Appends one line of `side_records.jsonl`, with its line feed (`sqs.md` §4.4).
pub fn side_record_line(family: Family, user_key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let mut m = Members::open(out, Style::Line);
    m.string("prefix", family.prefix());
    hex_string(user_key, m.name("key_hex"));
    let text = m.name("value_b64");
    text.push(b'"');
    json::base64url(value, text);
    text.push(b'"');
    m.close();
    out.push(b'\n');
}

fn hex_string(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |b: u8| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]];
    out.push(b'"');
    out.extend(bytes.iter().flat_map(|&b| digits(b)));
    out.push(b'"');
}

/// Whether the body has the MD5 that the message states; a message that states none is fine.
pub fn body_matches_md5(message: &Message<'_>) -> bool {
    let mut hex = Vec::with_capacity(34);
    if message.md5_of_body.is_empty() {
        return true;
    }
    hex_string(&Md5::digest(message.body), &mut hex);
    hex[1..33].eq_ignore_ascii_case(message.md5_of_body.as_bytes())
}

#[cfg(test)]
mod tests;
