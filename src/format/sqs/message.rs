//! Messages: `00 53 4D 01` · JSON (`sqs.md` §2.2).

use bumpalo::Bump;

use super::canonical;
use crate::format::fault::{OrFault, Result};
use crate::format::jsonout::{self, Members};
use crate::format::jsonval::{self, Document};
use crate::format::rawjson;

/// The first bytes of a message: `\0SM\1`.
pub const MAGIC: &[u8; 4] = b"\0SM\x01";

/// A message. Absent members are zero or empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Message<'a> {
    /// ID: 32 hex digits when the server wrote it.
    pub message_id: &'a str,
    /// Body, decoded.
    pub body: &'a [u8],
    /// MD5 of the body, hex.
    pub md5_of_body: &'a str,
    /// MD5 of the attributes, hex.
    pub md5_of_message_attributes: &'a str,
    /// Attributes: name (sorted by bytes, each once) and value as stored, JSON text with its white space.
    pub message_attributes: &'a [(&'a str, &'a [u8])],
    /// Who sent it.
    pub sender_id: &'a str,
    /// When it was sent, Unix milliseconds.
    pub send_timestamp_millis: i64,
    /// When its delay ends, Unix milliseconds.
    pub available_at_millis: i64,
    /// When it becomes visible again, Unix milliseconds.
    pub visible_at_millis: i64,
    /// How often it was received.
    pub receive_count: i64,
    /// When it was first received, Unix milliseconds; 0 = never.
    pub first_receive_millis: i64,
    /// Token of the last receive, decoded.
    pub current_receipt_token: &'a [u8],
    /// Generation of the queue that it belongs to.
    pub queue_generation: u64,
    /// Message group (FIFO).
    pub message_group_id: &'a str,
    /// Deduplication ID (FIFO).
    pub message_deduplication_id: &'a str,
    /// Sequence number (FIFO); 0 = none.
    pub sequence_number: u64,
    /// Queue that it failed in, when this is a dead-letter queue.
    pub dead_letter_source_arn: &'a str,
}

fn json(value: &[u8]) -> Result<&[u8]> {
    value.strip_prefix(MAGIC).or_value("it lacks its magic 00 53 4D 01")
}

impl<'a> Message<'a> {
    /// Parses the value of a `msg|data` row; what must be decoded lives in `arena`.
    pub fn parse(arena: &'a Bump, value: &'a [u8]) -> Result<Message<'a>> {
        let json = json(value)?;
        Message::parse_canonical(arena, json).map_or_else(|| Message::parse_any(arena, json), Ok)
    }

    fn parse_canonical(arena: &'a Bump, json: &'a [u8]) -> Option<Message<'a>> {
        let message = canonical::message(arena, json)?;
        let body = jsonval::decode_base64(arena, message.body).ok()?;
        let current_receipt_token = jsonval::decode_base64(arena, message.current_receipt_token).ok()?;
        Some(Message { body, current_receipt_token, ..message })
    }

    /// Parses any form of the record.
    pub(super) fn parse_any(arena: &'a Bump, json: &'a [u8]) -> Result<Message<'a>> {
        let document = jsonval::document(arena, json)?;
        let o = &document.root;
        Ok(Message {
            message_id: o.str("message_id")?,
            body: o.base64(arena, "body")?,
            md5_of_body: o.str("md5_of_body")?,
            md5_of_message_attributes: o.str("md5_of_message_attributes")?,
            message_attributes: attributes(arena, &document)?,
            sender_id: o.str("sender_id")?,
            send_timestamp_millis: o.i64("send_timestamp_millis")?,
            available_at_millis: o.i64("available_at_millis")?,
            visible_at_millis: o.i64("visible_at_millis")?,
            receive_count: o.i64("receive_count")?,
            first_receive_millis: o.i64("first_receive_millis")?,
            current_receipt_token: o.base64(arena, "current_receipt_token")?,
            queue_generation: o.u64("queue_generation")?,
            message_group_id: o.str("message_group_id")?,
            message_deduplication_id: o.str("message_deduplication_id")?,
            sequence_number: o.u64("sequence_number")?,
            dead_letter_source_arn: o.str("dead_letter_source_arn")?,
        })
    }

    /// Generation and sort key in the queue.
    pub fn head(&self) -> Head<'a> {
        Head {
            queue_generation: self.queue_generation,
            send_timestamp_millis: self.send_timestamp_millis,
            sequence_number: self.sequence_number,
            message_id: self.message_id,
        }
    }
}

/// The attributes: names come from the parsed record, values from its text, matched by their positions.
fn attributes<'a>(arena: &'a Bump, document: &Document<'a>) -> Result<&'a [(&'a str, &'a [u8])]> {
    let Some((place, value)) = document.root.position("message_attributes") else { return Ok(&[]) };
    let mut stored = rawjson::member_at(document.text, place).and_then(rawjson::Members::of);
    let mut next = || stored.as_mut()?.next();
    value.object()?.map(arena, |_| next().map(|(_, raw)| raw).or_value("its message_attributes are not JSON"))
}

/// What sorting and filtering need of a message, without its body: 24 bytes and the ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head<'a> {
    /// Generation of the queue that the message belongs to.
    pub queue_generation: u64,
    /// When it was sent, Unix milliseconds; the first key of the order.
    pub send_timestamp_millis: i64,
    /// Sequence number, 0 = none; the second key.
    pub sequence_number: u64,
    /// ID; the third key, by bytes.
    pub message_id: &'a str,
}

impl<'a> Head<'a> {
    /// Reads the head of the value of a `msg|data` row. If [`Message::parse`] succeeds, this gives the same; it may also succeed if that
    /// fails, because it decodes neither body nor token.
    pub fn parse(arena: &'a Bump, value: &'a [u8]) -> Result<Head<'a>> {
        let json = json(value)?;
        let canonical = canonical::head(arena, json);
        canonical.map_or_else(|| Message::parse_any(arena, json), Ok).map(|message| message.head())
    }

    /// The order of `messages.jsonl`: send time, sequence number, ID by bytes.
    pub fn sort_key(&self) -> (i64, u64, &'a [u8]) {
        (self.send_timestamp_millis, self.sequence_number, self.message_id.as_bytes())
    }
}

impl Message<'_> {
    /// Appends the value of a `msg|data` row.
    ///
    /// # Errors
    /// A message attribute that is not JSON text.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(MAGIC);
        let mut to = Members(out);
        to.text(b"{\"message_id\":", self.message_id);
        to.base64(b",\"body\":", self.body);
        to.text(b",\"md5_of_body\":", self.md5_of_body);
        to.text_if_any(b",\"md5_of_message_attributes\":", self.md5_of_message_attributes);
        for (n, (name, value)) in self.message_attributes.iter().enumerate() {
            to.text(if n == 0 { b",\"message_attributes\":{" } else { b"," }, name);
            to.raw(b":", if canonical::is_attribute(value) { value } else { jsonout::checked(value)? });
        }
        to.raw(if self.message_attributes.is_empty() { b"" } else { b"}" }, b"");
        to.text_if_any(b",\"sender_id\":", self.sender_id);
        to.integer(b",\"send_timestamp_millis\":", self.send_timestamp_millis);
        to.integer(b",\"available_at_millis\":", self.available_at_millis);
        to.integer(b",\"visible_at_millis\":", self.visible_at_millis);
        to.integer(b",\"receive_count\":", self.receive_count);
        to.integer_unless_zero(b",\"first_receive_millis\":", self.first_receive_millis);
        match self.current_receipt_token {
            [] => to.raw(b",\"current_receipt_token\":", b"null"),
            token => to.base64(b",\"current_receipt_token\":", token),
        }
        to.integer(b",\"queue_generation\":", self.queue_generation);
        to.text_if_any(b",\"message_group_id\":", self.message_group_id);
        to.text_if_any(b",\"message_deduplication_id\":", self.message_deduplication_id);
        to.integer_unless_zero(b",\"sequence_number\":", self.sequence_number);
        to.text_if_any(b",\"dead_letter_source_arn\":", self.dead_letter_source_arn);
        to.raw(b"}", b"");
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use crate::format::Fault;
    use proptest::prelude::*;

    fn value(json: &str) -> Vec<u8> {
        [MAGIC, json.as_bytes()].concat()
    }

    fn check(json: &str, want: Option<Message<'_>>) {
        let (arena, value) = (Bump::new(), value(json));
        let got = Message::parse(&arena, &value);
        let head = Head::parse(&arena, &value);
        match want {
            Some(want) => {
                assert_eq!(got, Ok(want), "{json}");
                assert_eq!(head, Ok(want.head()), "{json}");
            }
            None => assert!(matches!(got, Err(Fault::Value(_))), "{json}"),
        }
    }

    #[test]
    fn a_full_message() {
        let json = r#"{"message_id":"0a","body":"aGk=","md5_of_body":"49f6","md5_of_message_attributes":"aa",
            "message_attributes":{"n\u0062":{"StringValue": "1.0\u003c", "DataType":"Number"},"B":null,"a" : [ 1e2 ]},
            "sender_id":"s","send_timestamp_millis":-5,"available_at_millis":2,"visible_at_millis":3,"receive_count":4,
            "first_receive_millis":5,"current_receipt_token":"//48","queue_generation":18446744073709551615,
            "message_group_id":"g","message_deduplication_id":"d","sequence_number":18446744073709551614,
            "dead_letter_source_arn":"arn","later":{"message_id":[]}}"#;
        let attributes =
            [("B", &b"null"[..]), ("a", b"[ 1e2 ]"), ("nb", br#"{"StringValue": "1.0\u003c", "DataType":"Number"}"#)];
        let want = Message {
            message_id: "0a",
            body: b"hi",
            md5_of_body: "49f6",
            md5_of_message_attributes: "aa",
            message_attributes: &attributes,
            sender_id: "s",
            send_timestamp_millis: -5,
            available_at_millis: 2,
            visible_at_millis: 3,
            receive_count: 4,
            first_receive_millis: 5,
            current_receipt_token: b"\xff\xfe<",
            queue_generation: u64::MAX,
            message_group_id: "g",
            message_deduplication_id: "d",
            sequence_number: u64::MAX - 1,
            dead_letter_source_arn: "arn",
        };
        check(json, Some(want));
    }

    #[test]
    fn unusual_messages() {
        let id = |message_id| Some(Message { message_id, ..Message::default() });
        let attributes = |message_attributes| Some(Message { message_attributes, ..Message::default() });
        for (json, want) in [
            ("{}", id("")),
            ("null", id("")),
            (" {\"message_id\" : \"a\" } ", id("a")),
            (r#"{"message_id":"a","MESSAGE_ID":"b"}"#, id("b")),
            (r#"{"message_id":"a","message_\u0069d":"b"}"#, id("b")),
            (r#"{"message_id":"a","message_id":null,"body":null,"current_receipt_token":null}"#, id("")),
            (r#"{"message_id":"\u00e9\ud83d","queue_generation":null}"#, id("é\u{fffd}")),
            (r#"{"message_id":"é"}"#, id("é")),
            (r#"{"message_attributes":null}"#, id("")),
            (r#"{"message_attributes":{}}"#, id("")),
            (r#"{"message_attributes":{"a":1,"b":2,"a":3}}"#, attributes(&[("a", b"3"), ("b", b"2")])),
            (r#"{"message_attributes":7,"Message_Attributes":{"a":"\ud800"}}"#, attributes(&[("a", br#""\ufffd""#)])),
        ] {
            check(json, want);
        }
    }

    #[test]
    fn bytes_that_are_not_text() {
        let (arena, value) = (Bump::new(), [MAGIC, &b"{\"message_attributes\":{\"\xff\":\"\xfe\"}}"[..]].concat());
        let message = Message::parse(&arena, &value).unwrap();
        assert_eq!(message.message_attributes, [("\u{fffd}", "\"\u{fffd}\"".as_bytes())]);
    }

    #[test]
    fn rejects() {
        for bad in ["", "{", "[]", "7", "{}{}", "{} x", r#"{"message_id":1}"#, r#"{"body":"a"}"#, r#"{"body":"__48"}"#]
            .into_iter()
            .chain([r#"{"body":7}"#, r#"{"message_attributes":[]}"#, r#"{"message_attributes":"x"}"#])
            .chain([r#"{"send_timestamp_millis":1e2}"#, r#"{"receive_count":9223372036854775808}"#])
            .chain([r#"{"queue_generation":-1}"#, r#"{"sequence_number":"1"}"#, r#"{"sequence_number":1.0}"#])
            .chain([r#"{"current_receipt_token":"_w"}"#, r#"{"sender_id":{}}"#, "{\"message_id\":\"\u{1}\"}"])
        {
            check(bad, None);
        }
        for bad in [&b""[..], b"{}", b"\0SQ\x01{}", b"\0SM\x02{}", b"\0SM"] {
            assert!(Message::parse(&Bump::new(), bad).is_err(), "{}", bad.escape_ascii());
            assert!(Head::parse(&Bump::new(), bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn heads_sort() {
        let head = |send_timestamp_millis, sequence_number, message_id| Head {
            send_timestamp_millis,
            sequence_number,
            message_id,
            ..Head::default()
        };
        let sorted = [head(-1, 9, "z"), head(0, 0, "b"), head(0, 0, "ba"), head(0, 1, "a"), head(5, u64::MAX, "")];
        assert!(sorted.is_sorted_by_key(Head::sort_key));
    }

    proptest! {
        #[test]
        fn head_and_message_agree(
            id in ".*", time: i64, seq: u64, generation: u64, other in ".*", spaces in "[ \n]{0,2}", pretty: bool,
        ) {
            let record = serde_json::json!({
                "message_id": id, "send_timestamp_millis": time, "sequence_number": seq, "sender_id": other,
                "queue_generation": generation, "message_attributes": { other.clone(): { "message_id": 1 } },
            });
            let json = if pretty { format!("{spaces}{record:#}{spaces}") } else { record.to_string() };
            let (arena, value) = (Bump::new(), value(&json));
            let message = Message::parse(&arena, &value).unwrap();
            let head = Head::parse(&arena, &value).unwrap();
            prop_assert_eq!(head, message.head());
            prop_assert_eq!(head, Head {
                queue_generation: generation, send_timestamp_millis: time, sequence_number: seq, message_id: &id,
            });
            prop_assert_eq!(message.message_attributes[0].0, other);
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let value = [MAGIC, &bytes[..]].concat();
            let arena = Bump::new();
            let _ = (Message::parse(&arena, &value), Head::parse(&arena, &value), Message::parse(&arena, &bytes));
        }
    }

    proptest! {
        #[test]
        fn encoded_messages_are_parsed(
            texts: [String; 7], bytes: [Vec<u8>; 2], signed: [i64; 5], numbers: [u64; 2],
            names: std::collections::BTreeSet<String>,
        ) {
            let arena = Bump::new();
            let attribute: &[u8] = br#"{"DataType":"String","StringValue":"v"}"#;
            let attributes: Vec<_> = names.iter().map(|name| (&name[..], attribute)).collect();
            let message = Message {
                message_id: &texts[0],
                body: &bytes[0],
                md5_of_body: &texts[1],
                md5_of_message_attributes: &texts[2],
                message_attributes: &attributes,
                sender_id: &texts[3],
                send_timestamp_millis: signed[0],
                available_at_millis: signed[1],
                visible_at_millis: signed[2],
                receive_count: signed[3],
                first_receive_millis: signed[4],
                current_receipt_token: &bytes[1],
                queue_generation: numbers[0],
                message_group_id: &texts[4],
                message_deduplication_id: &texts[5],
                sequence_number: numbers[1],
                dead_letter_source_arn: &texts[6],
            };
            let value = crate::format::encoded(|out| message.encode(out).unwrap());
            prop_assert_eq!(Message::parse(&arena, &value), Ok(message));
            let no_json = Message { message_attributes: &[("a", b"{")], ..message };
            prop_assert!(no_json.encode(&mut Vec::new()).is_err());
        }
    }
}
