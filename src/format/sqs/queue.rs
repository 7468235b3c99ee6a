//! Queue records: `00 53 51 01` · JSON (`sqs.md` §2.1).

use bumpalo::Bump;
use serde::Serialize;

use crate::format::fault::{OrFault, Result};
use crate::format::jsonout::{self, is_zero};
use crate::format::jsonval::{self, Object};

/// The first bytes of a queue record: `\0SQ\1`.
pub const MAGIC: &[u8; 4] = b"\0SQ\x01";

/// The attributes of a queue. Absent members are zero or empty.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Queue<'a> {
    /// Name; empty if only the key has it.
    pub name: &'a str,
    /// Generation of the live messages; 0 = not given.
    pub generation: u64,
    /// Number of the current life of the queue.
    #[serde(skip_serializing_if = "is_zero")]
    pub incarnation: u64,
    /// When it was created: a hybrid logical clock, Unix milliseconds in the upper 48 bits.
    #[serde(skip_serializing_if = "is_zero")]
    pub created_at_hlc: u64,
    /// First in, first out.
    #[serde(skip_serializing_if = "is_zero")]
    pub is_fifo: bool,
    /// A message without its own deduplication ID is deduplicated by its body.
    #[serde(skip_serializing_if = "is_zero")]
    pub content_based_dedup: bool,
    /// How long a received message stays hidden, seconds.
    pub visibility_timeout_seconds: i64,
    /// How long a message is kept, seconds.
    pub message_retention_seconds: i64,
    /// How long a new message stays hidden, seconds.
    pub delay_seconds: i64,
    /// How long a receive waits for messages, seconds.
    pub receive_message_wait_seconds: i64,
    /// Longest body, bytes.
    pub maximum_message_size: i64,
    /// Where failed messages go: JSON text as the client sent it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub redrive_policy: &'a str,
    /// Who may send failed messages here: JSON text as the client sent it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub redrive_allow_policy: &'a str,
    /// Tags, sorted by name, each name once.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "jsonout::map")]
    pub tags: &'a [(&'a str, &'a str)],
    /// Last purge, Unix milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub last_purged_at_millis: i64,
    /// Creation, Unix milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub created_at_millis: i64,
    /// Last change of an attribute, Unix milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub last_modified_at_millis: i64,
    /// Limits of the rates of requests.
    #[serde(skip_serializing_if = "is_zero")]
    pub throttle: Throttle,
    /// Number of partitions, a power of two; 0 and 1 mean none.
    #[serde(skip_serializing_if = "is_zero")]
    pub partition_count: u32,
    /// `perMessageGroupId` or `perQueue`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub fifo_throughput_limit: &'a str,
    /// `messageGroup` or `queue`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub deduplication_scope: &'a str,
}

/// Token buckets for the rates of requests: capacity in requests, refill in requests per second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Throttle {
    /// Sends: capacity.
    pub send_capacity: f64,
    /// Sends: refill.
    pub send_refill_per_second: f64,
    /// Receives: capacity.
    pub recv_capacity: f64,
    /// Receives: refill.
    pub recv_refill_per_second: f64,
    /// All others: capacity.
    pub default_capacity: f64,
    /// All others: refill.
    pub default_refill_per_second: f64,
}

impl Throttle {
    fn parse(o: &Object<'_>) -> Result<Throttle> {
        Ok(Throttle {
            send_capacity: o.f64("send_capacity")?,
            send_refill_per_second: o.f64("send_refill_per_second")?,
            recv_capacity: o.f64("recv_capacity")?,
            recv_refill_per_second: o.f64("recv_refill_per_second")?,
            default_capacity: o.f64("default_capacity")?,
            default_refill_per_second: o.f64("default_refill_per_second")?,
        })
    }

    /// The members with their names, in the order of the record.
    pub fn members(&self) -> [(&'static str, f64); 6] {
        [
            ("send_capacity", self.send_capacity),
            ("send_refill_per_second", self.send_refill_per_second),
            ("recv_capacity", self.recv_capacity),
            ("recv_refill_per_second", self.recv_refill_per_second),
            ("default_capacity", self.default_capacity),
            ("default_refill_per_second", self.default_refill_per_second),
        ]
    }
}

impl<'a> Queue<'a> {
    /// Parses the value of a `queue|meta` row; strings live in `arena`.
    pub fn parse(arena: &'a Bump, value: &[u8]) -> Result<Queue<'a>> {
        let json = value.strip_prefix(MAGIC).or_value("it lacks its magic 00 53 51 01")?;
        let o = jsonval::parse(arena, json)?;
        Ok(Queue {
            name: o.str("name")?,
            generation: o.u64("generation")?,
            incarnation: o.u64("incarnation")?,
            created_at_hlc: o.u64("created_at_hlc")?,
            is_fifo: o.bool("is_fifo")?,
            content_based_dedup: o.bool("content_based_dedup")?,
            visibility_timeout_seconds: o.i64("visibility_timeout_seconds")?,
            message_retention_seconds: o.i64("message_retention_seconds")?,
            delay_seconds: o.i64("delay_seconds")?,
            receive_message_wait_seconds: o.i64("receive_message_wait_seconds")?,
            maximum_message_size: o.i64("maximum_message_size")?,
            redrive_policy: o.str("redrive_policy")?,
            redrive_allow_policy: o.str("redrive_allow_policy")?,
            tags: o.object("tags")?.string_map(arena)?,
            last_purged_at_millis: o.i64("last_purged_at_millis")?,
            created_at_millis: o.i64("created_at_millis")?,
            last_modified_at_millis: o.i64("last_modified_at_millis")?,
            throttle: Throttle::parse(&o.object("throttle")?)?,
            partition_count: o.u32("partition_count")?,
            fifo_throughput_limit: o.str("fifo_throughput_limit")?,
            deduplication_scope: o.str("deduplication_scope")?,
        })
    }
}

impl Queue<'_> {
    /// Appends the value of a `queue|meta` row.
    ///
    /// # Errors
    /// None; the type is that of all encoders of JSON.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(MAGIC);
        jsonout::append(self, out)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::format::{Fault, encoded};

    fn value(json: &str) -> Vec<u8> {
        [MAGIC, json.as_bytes()].concat()
    }

    #[test]
    fn a_full_record() {
        let arena = Bump::new();
        let json = r#"{"name":"q.fifo","generation":3,"incarnation":2,"created_at_hlc":18446744073709551615,
            "is_fifo":true,"content_based_dedup":true,"visibility_timeout_seconds":30,
            "message_retention_seconds":345600,"delay_seconds":-1,"receive_message_wait_seconds":5,
            "maximum_message_size":262144,"redrive_policy":"{\"a\":1}","redrive_allow_policy":"x",
            "tags":{"b":"2","a":"1","b":"3","B":null},"last_purged_at_millis":1,
            "created_at_millis":2,"last_modified_at_millis":3,"partition_count":4,"future":[{}],
            "throttle":{"send_capacity":1.5,"send_refill_per_second":2,"recv_capacity":3,"recv_refill_per_second":4e0,
            "default_capacity":5,"default_refill_per_second":6},
            "fifo_throughput_limit":"perMessageGroupId","deduplication_scope":"messageGroup"}"#;
        let got = Queue::parse(&arena, &value(json)).unwrap();
        let want = Queue {
            name: "q.fifo",
            generation: 3,
            incarnation: 2,
            created_at_hlc: u64::MAX,
            is_fifo: true,
            content_based_dedup: true,
            visibility_timeout_seconds: 30,
            message_retention_seconds: 345_600,
            delay_seconds: -1,
            receive_message_wait_seconds: 5,
            maximum_message_size: 262_144,
            redrive_policy: r#"{"a":1}"#,
            redrive_allow_policy: "x",
            tags: &[("B", ""), ("a", "1"), ("b", "3")],
            last_purged_at_millis: 1,
            created_at_millis: 2,
            last_modified_at_millis: 3,
            throttle: Throttle {
                send_capacity: 1.5,
                send_refill_per_second: 2.0,
                recv_capacity: 3.0,
                recv_refill_per_second: 4.0,
                default_capacity: 5.0,
                default_refill_per_second: 6.0,
            },
            partition_count: 4,
            fifo_throughput_limit: "perMessageGroupId",
            deduplication_scope: "messageGroup",
        };
        assert_eq!(got, want);
    }

    #[test]
    fn empty_records() {
        for json in ["{}", "null", r#"{"NAME":null,"Tags":null,"throttle":null,"generation":null}"#] {
            let arena = Bump::new();
            assert_eq!(Queue::parse(&arena, &value(json)), Ok(Queue::default()), "{json}");
        }
    }

    #[test]
    fn rejects() {
        for bad in
            ["", "{", "[]", "7", "{}{}", "{} x", r#"{"name":1}"#, r#"{"generation":"1"}"#, r#"{"generation":-1}"#]
                .into_iter()
                .chain([r#"{"generation":1e2}"#, r#"{"is_fifo":1}"#, r#"{"tags":[]}"#, r#"{"tags":{"a":1}}"#])
                .chain([r#"{"partition_count":4294967296}"#, r#"{"delay_seconds":1.0}"#, r#"{"throttle":1}"#])
                .chain([r#"{"redrive_policy":{}}"#, r#"{"throttle":{"send_capacity":"1"}}"#])
        {
            let arena = Bump::new();
            assert!(matches!(Queue::parse(&arena, &value(bad)), Err(Fault::Value(_))), "{bad}");
        }
        for bad in [&b""[..], b"{}", b"\0SM\x01{}", b"\0SQ\x02{}", b"\0SQ"] {
            assert!(matches!(Queue::parse(&Bump::new(), bad), Err(Fault::Value(_))), "{}", bad.escape_ascii());
        }
    }

    proptest::proptest! {
        #[test]
        fn encoded_records_are_parsed(
            texts: [String; 5], numbers: [u64; 3], flags: [bool; 2], signed: [i64; 8], tags: BTreeMap<String, String>,
            rates: [i32; 6], partition_count: u32,
        ) {
            let arena = Bump::new();
            let tags: Vec<_> = tags.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            let rates = rates.map(|n| f64::from(n) / 8.0);
            let queue = Queue {
                name: &texts[0],
                generation: numbers[0],
                incarnation: numbers[1],
                created_at_hlc: numbers[2],
                is_fifo: flags[0],
                content_based_dedup: flags[1],
                visibility_timeout_seconds: signed[0],
                message_retention_seconds: signed[1],
                delay_seconds: signed[2],
                receive_message_wait_seconds: signed[3],
                maximum_message_size: signed[4],
                redrive_policy: &texts[1],
                redrive_allow_policy: &texts[2],
                tags: &tags,
                last_purged_at_millis: signed[5],
                created_at_millis: signed[6],
                last_modified_at_millis: signed[7],
                throttle: Throttle {
                    send_capacity: rates[0],
                    send_refill_per_second: rates[1],
                    recv_capacity: rates[2],
                    recv_refill_per_second: rates[3],
                    default_capacity: rates[4],
                    default_refill_per_second: rates[5],
                },
                partition_count,
                fifo_throughput_limit: &texts[3],
                deduplication_scope: &texts[4],
            };
            let value = encoded(|out| queue.encode(out).unwrap());
            proptest::prop_assert_eq!(Queue::parse(&arena, &value), Ok(queue));
        }
    }
}
