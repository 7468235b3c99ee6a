//! Lines of messages and of bookkeeping rows.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::io::Read;
use std::marker::PhantomData;

use base64::Engine as _;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess};
use serde_json::value::RawValue;

use crate::error::Result;
use crate::format::b64::{STANDARD, URL_SAFE};
use crate::format::sqs;
use crate::format::{Family, hex};
use crate::layouts::reading::{Binary, Budget, Text};
use crate::model::sqs::{Message, SideRecord, Visitor};

/// A line of messages. Members that are empty or zero are left out of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'l> {
    #[serde(borrow)]
    message_id: Cow<'l, str>,
    body: Binary,
    #[serde(borrow, default)]
    md5_of_body: Cow<'l, str>,
    #[serde(borrow, default)]
    md5_of_message_attributes: Cow<'l, str>,
    #[serde(default, deserialize_with = "attributes")]
    message_attributes: Vec<(String, Box<RawValue>)>,
    #[serde(borrow, default)]
    sender_id: Cow<'l, str>,
    send_timestamp_millis: i64,
    available_at_millis: i64,
    visible_at_millis: i64,
    receive_count: i64,
    #[serde(default)]
    first_receive_millis: i64,
    #[serde(borrow, default)]
    current_receipt_token: Cow<'l, str>,
    queue_generation: u64,
    #[serde(borrow, default)]
    message_group_id: Cow<'l, str>,
    #[serde(borrow, default)]
    message_deduplication_id: Cow<'l, str>,
    #[serde(default)]
    sequence_number: u64,
    #[serde(borrow, default)]
    dead_letter_source_arn: Cow<'l, str>,
    partition: Option<u32>,
}

/// Names and values of attributes; the text of the values is kept.
fn attributes<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<(String, Box<RawValue>)>, D::Error> {
    struct Pairs;

    impl<'de> serde::de::Visitor<'de> for Pairs {
        type Value = Vec<(String, Box<RawValue>)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of attributes")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> std::result::Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(pair) = members.next_entry()? {
                all.push(pair);
            }
            Ok(all)
        }
    }
    from.deserialize_map(Pairs)
}

/// Reads a message and passes it on.
struct Give<'g, V> {
    visitor: &'g mut V,
    failed: &'g Cell<Option<crate::Error>>,
}

impl<'de, V: Visitor> DeserializeSeed<'de> for Give<'_, V> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<(), D::Error> {
        let line = Line::deserialize(from)?;
        let attributes: Vec<(&str, &[u8])> =
            line.message_attributes.iter().map(|(name, value)| (&**name, value.get().as_bytes())).collect();
        let token = STANDARD.decode(line.current_receipt_token.as_bytes());
        let token = token.map_err(|_| D::Error::custom("its current_receipt_token is not base64"))?;
        let value = sqs::Message {
            message_id: &line.message_id,
            body: &line.body.0,
            md5_of_body: &line.md5_of_body,
            md5_of_message_attributes: &line.md5_of_message_attributes,
            message_attributes: &attributes,
            sender_id: &line.sender_id,
            send_timestamp_millis: line.send_timestamp_millis,
            available_at_millis: line.available_at_millis,
            visible_at_millis: line.visible_at_millis,
            receive_count: line.receive_count,
            first_receive_millis: line.first_receive_millis,
            current_receipt_token: &token,
            queue_generation: line.queue_generation,
            message_group_id: &line.message_group_id,
            message_deduplication_id: &line.message_deduplication_id,
            sequence_number: line.sequence_number,
            dead_letter_source_arn: &line.dead_letter_source_arn,
        };
        self.visitor.message(&Message { value: &value, partition: line.partition }).map_err(|error| {
            self.failed.set(Some(error));
            D::Error::custom("a message was not taken")
        })
    }
}

/// Passes on the messages of a file.
pub(super) fn messages(path: &[u8], bytes: &mut dyn Read, visitor: &mut impl Visitor) -> Result<()> {
    let (budget, failed) = (Budget::default(), Cell::new(None));
    let mut lines = Text::new(path, bytes).lines();
    while lines.next(&budget, Give { visitor, failed: &failed }, &failed)?.is_some() {}
    Ok(())
}

/// A line of bookkeeping rows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Side {
    prefix: String,
    key_hex: String,
    value_b64: String,
}

/// Passes on the rows of a file.
pub(super) fn side_records(path: &[u8], bytes: &mut dyn Read, visitor: &mut impl Visitor) -> Result<()> {
    let (budget, failed) = (Budget::default(), Cell::new(None));
    let mut lines = Text::new(path, bytes).lines();
    while let Some(Side { prefix, key_hex, value_b64 }) = lines.next(&budget, PhantomData::<Side>, &failed)? {
        let key = hex::bytes(&key_hex).ok_or_else(|| lines.wrong("its key_hex is not hexadecimal"))?;
        let value = URL_SAFE.decode(&value_b64).map_err(|_| lines.wrong("its value_b64 is not base64url"))?;
        let family = Family::of(&key);
        if family.prefix() != prefix {
            return Err(lines.wrong("its key is not of the family of its prefix"));
        }
        visitor.side_record(&SideRecord { family, key: &key, value: &value })?;
    }
    Ok(())
}
