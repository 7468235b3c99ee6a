//! Messages exactly as the server writes them: every member in its place, no white space, no escapes.
//!
//! Such a text needs no parser: each name is at its place, or the member is absent. Any other text is `None`, and left to
//! [`jsonval`](crate::format::jsonval), which reads every form of a record and reports what is wrong with it.
//!
//! Mutual dependency with `message`: the fast way gives what the long way gives, and the long way tries it first.

use bumpalo::Bump;

use super::message::Message;
use crate::format::jsonval;

/// Reads the text of a message. Body and token stay in base64 and are not checked.
pub(super) fn message<'a>(arena: &'a Bump, json: &'a [u8]) -> Option<Message<'a>> {
    members::<true>(arena, json)
}

/// Reads the members of a message for a [`Head`](super::Head); other texts are skipped.
pub(super) fn head<'a>(arena: &'a Bump, json: &'a [u8]) -> Option<Message<'a>> {
    members::<false>(arena, json)
}

#[inline(always)]
fn members<'a, const WHOLE: bool>(arena: &'a Bump, json: &'a [u8]) -> Option<Message<'a>> {
    let mut r = Reader::<WHOLE> { rest: json };
    r.eat(b"{\"message_id\":\"")?;
    let message = Message {
        message_id: plain(r.quoted()?)?,
        body: r.base64(b",\"body\":\"")?,
        md5_of_body: r.text(b",\"md5_of_body\":\"")?,
        md5_of_message_attributes: r.text_if_any(b",\"md5_of_message_attributes\":\"")?,
        message_attributes: r.attributes(arena)?,
        sender_id: r.text_if_any(b",\"sender_id\":\"")?,
        send_timestamp_millis: r.integer(b",\"send_timestamp_millis\":")?,
        available_at_millis: r.integer(b",\"available_at_millis\":")?,
        visible_at_millis: r.integer(b",\"visible_at_millis\":")?,
        receive_count: r.integer(b",\"receive_count\":")?,
        first_receive_millis: r.if_any(b",\"first_receive_millis\":", |r| r.integer(b""))?,
        current_receipt_token: r.token()?,
        queue_generation: r.unsigned(b",\"queue_generation\":")?,
        message_group_id: r.text_if_any(b",\"message_group_id\":\"")?,
        message_deduplication_id: r.text_if_any(b",\"message_deduplication_id\":\"")?,
        sequence_number: r.if_any(b",\"sequence_number\":", |r| r.unsigned(b""))?,
        dead_letter_source_arn: r.text_if_any(b",\"dead_letter_source_arn\":\"")?,
    };
    (r.rest == b"}").then_some(message)
}

/// Whether a text is an attribute of a message as the server writes it.
pub(super) fn is_attribute(text: &[u8]) -> bool {
    let mut r = Reader::<true> { rest: text };
    r.attribute().is_some() && r.rest.is_empty()
}

/// Whether a text is canonical; panics if it is and the general parser gives another result.
pub(crate) fn both_ways(json: &[u8]) -> bool {
    let arena = Bump::new();
    let Some(got) = message(&arena, json) else { return false };
    match Message::parse_any(&arena, json) {
        Ok(want) => {
            let Message { body, current_receipt_token, .. } = got;
            assert_eq!(got, Message { body, current_receipt_token, ..want }, "{}", json.escape_ascii());
        }
        // Base64 is checked later.
        Err(fault) => {
            let texts = [got.body, got.current_receipt_token];
            assert!(texts.iter().any(|text| jsonval::decode_base64(&arena, text).is_err()), "{fault:?}");
        }
    }
    assert_eq!(head(&arena, json).map(|head| head.head()), Some(got.head()));
    true
}

/// A text without escapes.
fn plain(text: &[u8]) -> Option<&str> {
    // There is no early exit, so that many bytes are tested at once.
    let plain = text.iter().fold(true, |plain, b| plain & (*b >= b' ') & (*b != b'\\'));
    plain.then(|| std::str::from_utf8(text).ok()).flatten()
}

/// `WHOLE`: reads texts; otherwise they are empty.
struct Reader<'a, const WHOLE: bool> {
    rest: &'a [u8],
}

impl<'a, const WHOLE: bool> Reader<'a, WHOLE> {
    #[inline(always)]
    fn eat(&mut self, literal: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    /// The result of `read` after `literal`, or the default if `literal` does not follow.
    #[inline(always)]
    fn if_any<T: Default>(&mut self, literal: &[u8], read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        match self.eat(literal) {
            Some(()) => read(self),
            None => Some(T::default()),
        }
    }

    /// A string after its name and opening quote.
    #[inline(always)]
    fn text(&mut self, name: &[u8]) -> Option<&'a str> {
        self.eat(name)?;
        self.rest_of_text()
    }

    #[inline(always)]
    fn text_if_any(&mut self, name: &[u8]) -> Option<&'a str> {
        self.if_any(name, Self::rest_of_text)
    }

    #[inline(always)]
    fn rest_of_text(&mut self) -> Option<&'a str> {
        let text = self.quoted()?;
        if WHOLE { plain(text) } else { Some("") }
    }

    #[inline(always)]
    fn base64(&mut self, name: &[u8]) -> Option<&'a [u8]> {
        self.eat(name)?;
        self.quoted()
    }

    /// Up to the closing quote.
    #[inline(always)]
    fn quoted(&mut self) -> Option<&'a [u8]> {
        let (text, rest) = self.rest.split_at_checked(memchr::memchr(b'"', self.rest)?)?;
        self.rest = rest.get(1..)?;
        Some(text)
    }

    fn unsigned(&mut self, name: &[u8]) -> Option<u64> {
        self.eat(name)?;
        let (mut n, mut len, first) = (0_u64, 0_usize, self.rest.first());
        for b in self.rest {
            let digit = b.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            n = n.wrapping_mul(10).wrapping_add(u64::from(digit));
            len = len.wrapping_add(1);
        }
        self.rest = self.rest.get(len..)?;
        (len == 1 || (2..=19).contains(&len) && first != Some(&b'0')).then_some(n)
    }

    fn integer(&mut self, name: &[u8]) -> Option<i64> {
        self.eat(name)?;
        self.unsigned(b"")?.try_into().ok()
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        self.eat(b",\"current_receipt_token\":")?;
        match self.eat(b"null") {
            Some(()) => Some(b""),
            None => self.base64(b"\""),
        }
    }

    /// Name and text of each attribute; the server sorts them.
    fn attributes(&mut self, arena: &'a Bump) -> Option<&'a [(&'a str, &'a [u8])]> {
        if self.eat(b",\"message_attributes\":{").is_none() {
            return Some(&[]);
        }
        let mut all = Vec::new();
        loop {
            let name = self.text(b"\"")?;
            self.eat(b":")?;
            all.push((name, self.attribute()?));
            if self.eat(b",").is_none() {
                self.eat(b"}")?;
                break;
            }
        }
        let sorted = !WHOLE || all.is_sorted_by(|a, b| a.0 < b.0);
        sorted.then(|| &*arena.alloc_slice_copy(&all))
    }

    fn attribute(&mut self) -> Option<&'a [u8]> {
        let from = self.rest;
        self.text(b"{\"DataType\":\"")?;
        self.text_if_any(b",\"StringValue\":\"")?;
        self.text_if_any(b",\"BinaryValue\":\"")?;
        self.eat(b"}")?;
        from.get(..from.len().checked_sub(self.rest.len())?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: &str = concat!(
        r#"{"message_id":"é","body":"aGk=","md5_of_body":"49f6","md5_of_message_attributes":"aa","#,
        r#""message_attributes":{"b":{"DataType":"Binary","BinaryValue":"AP8="},"n":{"DataType":"Number","#,
        r#""StringValue":"1.5"}},"sender_id":"s","send_timestamp_millis":1795477095025,"available_at_millis":0,"#,
        r#""visible_at_millis":9223372036854775807,"receive_count":4,"first_receive_millis":5,"#,
        r#""current_receipt_token":"//48","queue_generation":1,"message_group_id":"g","#,
        r#""message_deduplication_id":"d","sequence_number":9999999999999999999,"dead_letter_source_arn":"arn"}"#,
    );
    const LEAST: &str = concat!(
        r#"{"message_id":"","body":"","md5_of_body":"","send_timestamp_millis":1,"available_at_millis":1,"#,
        r#""visible_at_millis":1,"receive_count":0,"current_receipt_token":null,"queue_generation":1}"#,
    );

    #[test]
    fn what_the_server_writes_goes_both_ways() {
        assert!(both_ways(FULL.as_bytes()) && both_ways(LEAST.as_bytes()));
        let arena = Bump::new();
        let got = message(&arena, FULL.as_bytes()).unwrap();
        assert_eq!((got.message_id, got.body, got.sequence_number), ("é", &b"aGk="[..], 9_999_999_999_999_999_999));
        assert_eq!(got.message_attributes[1], ("n", &br#"{"DataType":"Number","StringValue":"1.5"}"#[..]));
        for body in ["*", "\\/", "\u{1}", "\u{e9}"] {
            assert!(both_ways(LEAST.replace("\"body\":\"\"", &format!("\"body\":\"{body}\"")).as_bytes()));
        }
    }

    #[test]
    fn all_else_is_left_to_the_parser() {
        for (from, to) in [
            ("\"é\"", "\"\\u00e9\""),
            ("\"é\"", "\"\t\""),
            ("\"é\"", "7"),
            ("message_id", "Message_id"),
            (":\"aGk=\"", ": \"aGk=\""),
            ("\"sender_id\":\"s\",", "\"sender_id\":\"s\",\"sender_id\":\"s\","),
            ("\"sender_id\"", "\"later\":1,\"sender_id\""),
            ("1795477095025", "1e2"),
            ("1795477095025", "-1"),
            ("1795477095025", "007"),
            ("1795477095025", ""),
            ("9223372036854775807", "9223372036854775808"),
            ("9999999999999999999", "10000000000000000000"),
            ("\"//48\"", "7"),
            ("{\"b\":", "{\"x\":"),
            ("{\"b\":", "{\"n\":"),
            ("\"DataType\":\"Binary\"", "\"DataType\":7"),
            ("\"StringValue\"", "\"OtherValue\""),
            ("arn\"}", "arn\"} "),
            ("arn\"}", "arn\"}}"),
            ("arn\"}", "arn\""),
        ] {
            let changed = FULL.replacen(from, to, 1);
            assert!(changed != FULL && !both_ways(changed.as_bytes()), "{changed}");
        }
        assert!(!both_ways(b"") && !both_ways(b"{}") && !both_ways(b"null"));
    }

    proptest! {
        #[test]
        fn both_ways_agree(at in 0..FULL.len(), cut in 0usize..3, put in prop::collection::vec(any::<u8>(), 0..3)) {
            for text in [FULL, LEAST] {
                let mut json = text.as_bytes().to_vec();
                let at = at % json.len();
                let end = (at + cut).min(json.len());
                json.splice(at..end, put.iter().copied());
                both_ways(&json);
            }
        }
    }
}
