//! Compares messages with their queue and their key. A difference is a warning, and the message is given nevertheless.

use base64::Engine as _;
use bumpalo::Bump;

use super::{findings, md5};
use crate::dataset::Row;
use crate::format::Family;
use crate::format::b64::URL_SAFE;
use crate::format::fault::Result as FormatResult;
use crate::format::sqs::key::{DataKey, DataKeys};
use crate::format::sqs::{Message, Queue, partition};
use crate::report::{Finding, Findings};

/// A parsed message.
pub struct Parsed<'a, 'm> {
    /// Its row.
    pub row: Row<'a>,
    /// The content of the key.
    pub key: DataKey<'a>,
    /// The content of the value.
    pub message: Message<'m>,
}

impl<'a: 'm, 'm> Parsed<'a, 'm> {
    /// Reads a message.
    ///
    /// # Errors
    /// A malformed key or value.
    pub fn new(row: &Row<'a>, keys: &mut DataKeys<'a>, arena: &'m Bump) -> FormatResult<Self> {
        let key = keys.parse(Family::SqsData.suffix(row.user_key))?;
        Ok(Parsed { row: *row, key, message: Message::parse(arena, row.body)? })
    }
}

/// The queue that messages are checked against.
pub struct Owner<'q> {
    /// Its record.
    pub queue: &'q Queue<'q>,
    /// Its name in the form of the keys.
    pub name: &'q [u8],
}

impl Owner<'_> {
    /// Warns of inconsistencies in some messages.
    pub fn check(&self, messages: &[Parsed<'_, '_>], found: &mut Findings) {
        let bodies: Vec<&[u8]> = messages.iter().map(|read| read.message.body).collect();
        for (Parsed { row, key, message }, digest) in messages.iter().zip(md5::digests(&bodies)) {
            let finding = |kind| Finding::new(kind).with("queue", self.name).with("message_id", message.message_id);
            for member in self.disagreements(key, message) {
                found.add(finding(&findings::MESSAGE_KEY).with("member", member).with("offset", row.offset));
            }
            // A message without a stated MD5 is valid.
            if !message.md5_of_body.is_empty() && !md5::is_hex_of(message.md5_of_body, digest) {
                found.add(finding(&findings::BODY_MD5).with("md5_of_body", message.md5_of_body));
            }
        }
    }

    /// The parts in which key and value differ.
    fn disagreements(&self, key: &DataKey<'_>, message: &Message<'_>) -> impl Iterator<Item = &'static str> {
        let id = !is_encoded(message.message_id.as_bytes(), key.id);
        let generation = key.place.generation != message.queue_generation;
        let partition = !partition::agrees(self.queue, message, key.place.partition);
        let all = [("message_id", id), ("queue_generation", generation), ("partition", partition)];
        all.into_iter().filter_map(|(member, differs)| differs.then_some(member))
    }

    /// How many of these messages the queue would have deleted by `now` (Unix milliseconds).
    pub fn past_retention(&self, messages: &[Parsed<'_, '_>], now: i64) -> u64 {
        let kept = self.queue.message_retention_seconds.saturating_mul(1000);
        let is_past = |read: &&Parsed<'_, '_>| read.message.send_timestamp_millis.saturating_add(kept) <= now;
        if kept > 0 { messages.iter().filter(is_past).count() as u64 } else { 0 }
    }
}

/// Whether `encoded` is `bytes` in base64url.
fn is_encoded(bytes: &[u8], encoded: &[u8]) -> bool {
    let mut buffer = [0; 64];
    match URL_SAFE.encode_slice(bytes, &mut buffer) {
        Ok(len) => buffer[..len] == *encoded,
        Err(_) => URL_SAFE.encode(bytes).as_bytes() == encoded,
    }
}
