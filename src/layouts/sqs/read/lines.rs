//! Lines of messages and of bookkeeping rows.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use bumpalo::Bump;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess};
use serde_json::value::RawValue;

use super::canonical;
use crate::error::Result;
use crate::format::b64::{STANDARD, URL_SAFE};
use crate::format::sqs;
use crate::format::{Family, hex};
use crate::layouts::reading::{Binary, Budget, Lines};
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

/// Passes on the messages of lines.
pub(super) fn messages(lines: &mut Lines<'_>, visitor: &mut impl Visitor) -> Result<()> {
    let (budget, failed) = (Budget::default(), Cell::new(None));
    let mut arena = Bump::new();
    loop {
        arena.reset();
        if let Some(given) =
            lines.canonical(|line| canonical::message(line, &arena, |message| visitor.message(message)))
        {
            given?;
            continue;
        }
        if lines.next(&budget, Give { visitor: &mut *visitor, failed: &failed }, &failed)?.is_none() {
            return Ok(());
        }
    }
}

/// A line of bookkeeping rows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Side {
    prefix: String,
    key_hex: String,
    value_b64: String,
}

/// Passes on the rows of lines.
pub(super) fn side_records(lines: &mut Lines<'_>, visitor: &mut impl Visitor) -> Result<()> {
    let (budget, failed) = (Budget::default(), Cell::new(None));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: &str = concat!(
        r#"{"message_id":"é","body":"a\u003cb","md5_of_body":"49f6","md5_of_message_attributes":"aa","#,
        r#""message_attributes":{"b":{"DataType":"Binary","BinaryValue":"AP8="},"n":{"DataType":"Number","#,
        r#""StringValue":"1.5\n"}},"sender_id":"s","send_timestamp_millis":1795477095025,"available_at_millis":0,"#,
        r#""visible_at_millis":9223372036854775807,"receive_count":4,"first_receive_millis":5,"#,
        r#""current_receipt_token":"//48","queue_generation":1,"message_group_id":"g","#,
        r#""message_deduplication_id":"d","sequence_number":9999999999999999999,"dead_letter_source_arn":"arn","#,
        r#""partition":3}"#,
    );
    const LEAST: &str = concat!(
        r#"{"message_id":"","body":{"base64":"_w"},"send_timestamp_millis":1,"available_at_millis":1,"#,
        r#""visible_at_millis":1,"receive_count":0,"queue_generation":1}"#,
    );

    /// Keeps what it is given, as text.
    #[derive(Default)]
    struct Shown(Vec<String>);

    impl Visitor for Shown {
        fn message(&mut self, message: &Message<'_>) -> Result<()> {
            self.0.push(format!("{:?} {:?}", message.value, message.partition));
            Ok(())
        }

        fn side_record(&mut self, _: &SideRecord<'_>) -> Result<()> {
            Ok(())
        }
    }

    /// The canonical reading, if the text is canonical, and that of the general parser.
    fn both(text: &[u8]) -> (Option<String>, Option<String>) {
        let (arena, mut shown, failed) = (Bump::new(), Shown::default(), Cell::new(None));
        let canonical = canonical::message(text, &arena, |message| shown.message(message)).and_then(|_| shown.0.pop());
        let mut parser = serde_json::Deserializer::from_slice(text);
        let parsed = Give { visitor: &mut shown, failed: &failed }.deserialize(&mut parser);
        let is_whole = parsed.is_ok() && parser.end().is_ok();
        (canonical, shown.0.pop().filter(|_| is_whole))
    }

    #[test]
    fn what_a_decode_writes_is_canonical() {
        for text in [FULL, LEAST] {
            let (canonical, parsed) = both(format!("{text}\n").as_bytes());
            assert!(canonical.is_some() && canonical == parsed, "{canonical:?} {parsed:?}");
        }
    }

    proptest! {
        #[test]
        fn both_parsers_agree(at: prop::sample::Index, cut in 0usize..3, put in prop::collection::vec(any::<u8>(), 0..3)) {
            for text in [FULL, LEAST] {
                let mut text = format!("{text}\n").into_bytes();
                let at = at.index(text.len());
                text.splice(at..(at + cut).min(text.len()), put.iter().copied());
                let (canonical, parsed) = both(&text);
                prop_assert!(canonical.is_none() || canonical == parsed, "{:?} {:?}", canonical, parsed);
            }
        }
    }
}
