//! Moves the times of an output. Without this, a restored backup that is a week old would lose its keys with an expiry and its messages.

use std::borrow::Cow;

use bumpalo::Bump;

use crate::error::{Error, Result};
use crate::format::sqs::guard::{Dedup, GroupLock};
use crate::format::{Family, Fault, sqs};
use crate::model::redis::Key;
use crate::model::sqs::SideRecord;

/// By how many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shift(pub i64);

impl Shift {
    /// A time; 0 means none.
    fn ms(self, ms: i64) -> i64 {
        if ms == 0 { 0 } else { ms.saturating_add(self.0) }
    }

    /// A key with its expiry moved.
    pub fn key<'k>(self, key: &Key<'k>) -> Key<'k> {
        let moved = |ms: u64| ms.saturating_add_signed(self.0);
        Key { expire_at_ms: key.expire_at_ms.map(|ms| if ms == 0 { 0 } else { moved(ms) }), ..*key }
    }

    /// A message with all its times moved.
    pub fn message<'m>(self, message: &sqs::Message<'m>) -> sqs::Message<'m> {
        sqs::Message {
            send_timestamp_millis: self.ms(message.send_timestamp_millis),
            available_at_millis: self.ms(message.available_at_millis),
            visible_at_millis: self.ms(message.visible_at_millis),
            first_receive_millis: self.ms(message.first_receive_millis),
            ..*message
        }
    }

    /// The value of a row that guards a FIFO queue, with its times moved. Other rows have no times that matter.
    ///
    /// # Errors
    /// A value that cannot be read.
    pub fn guard<'r>(self, record: &SideRecord<'r>) -> Result<Cow<'r, [u8]>> {
        if self.0 == 0 {
            return Ok(Cow::Borrowed(record.value));
        }
        let moved = match record.family {
            Family::SqsDedup => self.dedup(record.value),
            Family::SqsGroup => self.lock(record.value),
            _ => return Ok(Cow::Borrowed(record.value)),
        };
        moved.map(Cow::Owned).map_err(|fault| Error::from(fault).row(record.family, record.key))
    }

    fn dedup(self, value: &[u8]) -> std::result::Result<Vec<u8>, Fault> {
        let (arena, mut out) = (Bump::new(), Vec::new());
        let read = Dedup::parse(&arena, value)?;
        let (send_timestamp_ms, expires_at_millis) = (self.ms(read.send_timestamp_ms), self.ms(read.expires_at_millis));
        Dedup { send_timestamp_ms, expires_at_millis, ..read }.encode(&mut out)?;
        Ok(out)
    }

    fn lock(self, value: &[u8]) -> std::result::Result<Vec<u8>, Fault> {
        let (arena, mut out) = (Bump::new(), Vec::new());
        let read = GroupLock::parse(&arena, value)?;
        let (acquired_at_ms, visible_at_ms) = (self.ms(read.acquired_at_ms), self.ms(read.visible_at_ms));
        GroupLock { acquired_at_ms, visible_at_ms, ..read }.encode(&mut out)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::redis::{Standing, Type};

    #[test]
    fn moments_move_and_none_stays_none() {
        let shift = Shift(1_000);
        let of = |expire_at_ms| {
            let key = Key { name: b"k", kind: Type::String, expire_at_ms, standing: Standing::Served, bare: false };
            shift.key(&key).expire_at_ms
        };
        assert_eq!(
            (of(None), of(Some(0)), of(Some(5)), of(Some(u64::MAX))),
            (None, Some(0), Some(1_005), Some(u64::MAX))
        );
        let message = sqs::Message {
            send_timestamp_millis: 1,
            available_at_millis: 2,
            visible_at_millis: 3,
            ..Default::default()
        };
        let moved = shift.message(&message);
        let moments = (
            moved.send_timestamp_millis,
            moved.available_at_millis,
            moved.visible_at_millis,
            moved.first_receive_millis,
        );
        assert_eq!(moments, (1_001, 1_002, 1_003, 0));
        for (family, value, want) in [
            (
                Family::SqsDedup,
                r#"{"message_id":"m","send_timestamp_ms":1,"expires_at_millis":2,"original_sequence":7}"#,
                r#"{"message_id":"m","send_timestamp_ms":1001,"expires_at_millis":1002,"original_sequence":7}"#,
            ),
            (
                Family::SqsGroup,
                r#"{"message_id":"m","acquired_at_ms":0,"visible_at_ms":9}"#,
                r#"{"message_id":"m","acquired_at_ms":0,"visible_at_ms":1009}"#,
            ),
            (Family::SqsByAge, "m", "m"),
        ] {
            let record = SideRecord { family, key: b"", value: value.as_bytes() };
            assert_eq!(std::str::from_utf8(&shift.guard(&record).unwrap()), Ok(want));
        }
        let bad = SideRecord { family: Family::SqsDedup, key: b"", value: b"{" };
        assert!(shift.guard(&bad).is_err() && Shift(0).guard(&bad).is_ok());
    }
}
