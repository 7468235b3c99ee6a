//! The document of a queue.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read;
use std::marker::PhantomData;

use serde::Deserialize;

use crate::error::Result;
use crate::format::sqs;
use crate::format::sqs::queue::Throttle;
use crate::layouts::reading::{Budget, Text, wrong};
use crate::model::sqs::{Queue, QueueVisitor};

/// The members of a document; the first part is that of the public decoder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    format_version: u64,
    name: String,
    #[serde(default)]
    fifo: bool,
    #[serde(default)]
    content_based_deduplication: bool,
    visibility_timeout_seconds: i64,
    message_retention_seconds: i64,
    delay_seconds: i64,
    #[serde(default)]
    receive_message_wait_seconds: i64,
    #[serde(default)]
    maximum_message_size: i64,
    #[serde(default)]
    redrive_policy: String,
    #[serde(default)]
    redrive_allow_policy: String,
    #[serde(default)]
    partition_count: u32,
    #[serde(default)]
    fifo_throughput_limit: String,
    #[serde(default)]
    deduplication_scope: String,
    #[serde(default)]
    generation: u64,
    #[serde(default)]
    incarnation: u64,
    #[serde(default)]
    created_at_hlc: u64,
    #[serde(default)]
    created_at_millis: i64,
    #[serde(default)]
    last_modified_at_millis: i64,
    #[serde(default)]
    last_purged_at_millis: i64,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    throttle: Rates,
    #[serde(default)]
    last_sequence_number: u64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rates {
    send_capacity: f64,
    send_refill_per_second: f64,
    recv_capacity: f64,
    recv_refill_per_second: f64,
    default_capacity: f64,
    default_refill_per_second: f64,
}

/// Reads a document.
pub(super) fn read(path: &[u8], bytes: &mut dyn Read) -> Result<Document> {
    let document = PhantomData::<Document>;
    let document = Text::new(path, bytes).document(&Budget::default(), document, &Cell::new(None))?;
    match document.format_version {
        1 => Ok(document),
        _ => Err(wrong(path, "its format_version is not 1: a newer program wrote it")),
    }
}

impl Document {
    /// The name in the record.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Passes on the queue; `name` is the one in its key.
    pub fn give(&self, name: &[u8], encoded: &[u8], visitor: &mut impl QueueVisitor) -> Result<()> {
        let tags: Vec<(&str, &str)> = self.tags.iter().map(|(name, value)| (&**name, &**value)).collect();
        let rates = &self.throttle;
        let record = sqs::Queue {
            name: &self.name,
            generation: self.generation,
            incarnation: self.incarnation,
            created_at_hlc: self.created_at_hlc,
            is_fifo: self.fifo,
            content_based_dedup: self.content_based_deduplication,
            visibility_timeout_seconds: self.visibility_timeout_seconds,
            message_retention_seconds: self.message_retention_seconds,
            delay_seconds: self.delay_seconds,
            receive_message_wait_seconds: self.receive_message_wait_seconds,
            maximum_message_size: self.maximum_message_size,
            redrive_policy: &self.redrive_policy,
            redrive_allow_policy: &self.redrive_allow_policy,
            tags: &tags,
            last_purged_at_millis: self.last_purged_at_millis,
            created_at_millis: self.created_at_millis,
            last_modified_at_millis: self.last_modified_at_millis,
            throttle: Throttle {
                send_capacity: rates.send_capacity,
                send_refill_per_second: rates.send_refill_per_second,
                recv_capacity: rates.recv_capacity,
                recv_refill_per_second: rates.recv_refill_per_second,
                default_capacity: rates.default_capacity,
                default_refill_per_second: rates.default_refill_per_second,
            },
            partition_count: self.partition_count,
            fifo_throughput_limit: &self.fifo_throughput_limit,
            deduplication_scope: &self.deduplication_scope,
        };
        visitor.queue(&Queue { encoded, name, record: &record, last_sequence: self.last_sequence_number })
    }
}
