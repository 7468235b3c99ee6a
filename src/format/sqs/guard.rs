//! Values of the rows that guard FIFO queues: deduplication records and locks of message groups (`sqs.md` §1).

use bumpalo::Bump;
use serde::Serialize;

use crate::format::fault::Result;
use crate::format::jsonout::{self, is_zero};
use crate::format::jsonval;

/// A message with a deduplication ID was sent: others with it are dropped for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Dedup<'a> {
    /// The message.
    pub message_id: &'a str,
    /// When it was sent, Unix milliseconds.
    pub send_timestamp_ms: i64,
    /// When the record ends, Unix milliseconds.
    pub expires_at_millis: i64,
    /// Its sequence number; 0 = none.
    #[serde(skip_serializing_if = "is_zero")]
    pub original_sequence: u64,
}

/// A message of a group is in flight: no other of the group is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct GroupLock<'a> {
    /// The message.
    pub message_id: &'a str,
    /// When it was received, Unix milliseconds.
    pub acquired_at_ms: i64,
    /// When it becomes visible again, Unix milliseconds.
    pub visible_at_ms: i64,
}

/// How long a deduplication record lasts, milliseconds.
pub const DEDUP_MS: i64 = 300_000;

impl<'a> Dedup<'a> {
    /// Parses the value of a `msg|dedup` row; what must be decoded lives in `arena`.
    pub fn parse(arena: &'a Bump, value: &'a [u8]) -> Result<Dedup<'a>> {
        let o = jsonval::parse(arena, value)?;
        Ok(Dedup {
            message_id: o.str("message_id")?,
            send_timestamp_ms: o.i64("send_timestamp_ms")?,
            expires_at_millis: o.i64("expires_at_millis")?,
            original_sequence: o.u64("original_sequence")?,
        })
    }

    /// Appends the value of a `msg|dedup` row.
    ///
    /// # Errors
    /// None.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        jsonout::append(self, out)
    }
}

impl<'a> GroupLock<'a> {
    /// Parses the value of a `msg|group` row; what must be decoded lives in `arena`.
    pub fn parse(arena: &'a Bump, value: &'a [u8]) -> Result<GroupLock<'a>> {
        let o = jsonval::parse(arena, value)?;
        Ok(GroupLock {
            message_id: o.str("message_id")?,
            acquired_at_ms: o.i64("acquired_at_ms")?,
            visible_at_ms: o.i64("visible_at_ms")?,
        })
    }

    /// Appends the value of a `msg|group` row.
    ///
    /// # Errors
    /// None.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        jsonout::append(self, out)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn as_the_server_writes_them() {
        let dedup = Dedup { message_id: "a", send_timestamp_ms: 1, expires_at_millis: 300_001, original_sequence: 0 };
        let value = crate::format::encoded(|out| dedup.encode(out).unwrap());
        assert_eq!(value, br#"{"message_id":"a","send_timestamp_ms":1,"expires_at_millis":300001}"#);
        let lock = GroupLock { message_id: "a", acquired_at_ms: 1, visible_at_ms: 2 };
        let value = crate::format::encoded(|out| lock.encode(out).unwrap());
        assert_eq!(value, br#"{"message_id":"a","acquired_at_ms":1,"visible_at_ms":2}"#);
    }

    proptest::proptest! {
        #[test]
        fn encoded_guards_are_parsed(message_id in ".*", a: i64, b: i64, original_sequence: u64) {
            let arena = Bump::new();
            let message_id = &*message_id;
            let dedup = Dedup { message_id, send_timestamp_ms: a, expires_at_millis: b, original_sequence };
            let value = crate::format::encoded(|out| dedup.encode(out).unwrap());
            proptest::prop_assert_eq!(Dedup::parse(&arena, &value), Ok(dedup));
            let lock = GroupLock { message_id, acquired_at_ms: a, visible_at_ms: b };
            let value = crate::format::encoded(|out| lock.encode(out).unwrap());
            proptest::prop_assert_eq!(GroupLock::parse(&arena, &value), Ok(lock));
        }
    }
}
