//! Rows of SQS as the server writes them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ekvsnap::format::Family;
use ekvsnap::format::sqs::key;
use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};

use crate::kit::build::{NOW, Snapshot};

/// [`NOW`] in Unix milliseconds.
pub const NOW_MS: i64 = (NOW >> 16).cast_signed();

/// Q of a queue name.
pub fn q(name: impl AsRef<[u8]>) -> Vec<u8> {
    key::encode_queue(name.as_ref())
}

/// A queue-level key.
pub fn queue_key(family: Family, name: impl AsRef<[u8]>) -> Vec<u8> {
    key::queue_key(family, &q(name))
}

/// The value of a queue record: the server's defaults, overridden by `members`.
pub fn record(generation: u64, members: Value) -> Vec<u8> {
    let mut all = json!({
        "generation": generation, "visibility_timeout_seconds": 30, "message_retention_seconds": 345_600,
        "delay_seconds": 0, "maximum_message_size": 262_144,
    });
    merge(&mut all, members);
    [b"\0SQ\x01", all.to_string().as_bytes()].concat()
}

fn merge(all: &mut Value, members: Value) {
    let (Value::Object(all), Value::Object(members)) = (all, members) else { panic!("not objects") };
    all.extend(members);
}

/// A message that is being built.
#[derive(Clone)]
pub struct Msg {
    pub queue: Vec<u8>,
    /// Generation in the key.
    pub generation: u64,
    pub partition: Option<u32>,
    /// Message ID in the key.
    pub id: String,
    pub members: Map<String, Value>,
}

/// A message with a body `body of ID`, sent 100 seconds ago.
pub fn msg(queue: &str, generation: u64, id: &str) -> Msg {
    let members = json!({
        "message_id": id, "send_timestamp_millis": NOW_MS - 100_000, "available_at_millis": NOW_MS - 100_000,
        "visible_at_millis": NOW_MS + 5, "receive_count": 3, "queue_generation": generation,
    });
    let Value::Object(members) = members else { unreachable!() };
    let message = Msg { queue: queue.into(), generation, partition: None, id: id.to_owned(), members };
    message.body(format!("body of {id}").as_bytes())
}

impl Msg {
    /// Sets a member of the value.
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Msg {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Sets body and MD5.
    pub fn body(self, body: &[u8]) -> Msg {
        let md5: String = Md5::digest(body).iter().map(|b| format!("{b:02x}")).collect();
        self.set("body", STANDARD.encode(body)).set("md5_of_body", md5)
    }

    /// Puts the row into a partition.
    pub fn partition(mut self, partition: u32) -> Msg {
        self.partition = Some(partition);
        self
    }

    pub fn key(&self) -> Vec<u8> {
        message_key(Family::SqsData, &self.queue, self.partition, self.generation, URL_SAFE_NO_PAD.encode(&self.id))
    }

    pub fn value(&self) -> Vec<u8> {
        [b"\0SM\x01", Value::Object(self.members.clone()).to_string().as_bytes()].concat()
    }
}

/// A message-level key: `rest` follows the generation.
pub fn message_key(
    family: Family,
    queue: &[u8],
    partition: Option<u32>,
    generation: u64,
    rest: impl AsRef<[u8]>,
) -> Vec<u8> {
    let mut out = match partition {
        None => [family.prefix().as_bytes(), &q(queue)].concat(),
        Some(p) => [&key::partitioned_prefix(family, &q(queue))[..], &p.to_be_bytes()].concat(),
    };
    out.extend(generation.to_be_bytes());
    out.extend(rest.as_ref());
    out
}

/// Short forms for snapshots of queues.
pub trait Rows: Sized {
    /// A row at [`NOW`].
    fn row(self, key: Vec<u8>, value: &[u8]) -> Self;

    /// Record and generation row.
    fn queue(self, name: &str, generation: u64) -> Self {
        self.queue_with(name, generation, json!({ "name": name }))
    }

    /// Record with more members, and generation row.
    fn queue_with(self, name: &str, generation: u64, members: Value) -> Self {
        let row = self.row(queue_key(Family::SqsQueue, name), &record(generation, members));
        row.generation(name, generation)
    }

    fn generation(self, name: &str, generation: u64) -> Self {
        self.row(queue_key(Family::SqsGen, name), generation.to_string().as_bytes())
    }

    fn tombstone(self, name: &str, generation: u64) -> Self {
        self.row(key::tombstone_key(&q(name), generation), &[1])
    }

    fn msg(self, message: &Msg) -> Self {
        self.row(message.key(), &message.value())
    }
}

impl Rows for Snapshot {
    fn row(self, key: Vec<u8>, value: &[u8]) -> Self {
        self.put(key, value)
    }
}
