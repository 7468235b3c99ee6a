//! The members of a line of an output, one after the other. The line may be truncated.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::adapters::dynamodb::key_text::{Key, Value};
use crate::format::dynamodb::number::plain;
use crate::output::json::{self, Escape};

/// Iterates over the members of one object; ends at its end, or at that of the text.
#[derive(Debug, Clone)]
pub(crate) struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Members<'a> {
    /// The members of the object that begins here.
    pub fn of(object: &'a [u8]) -> Members<'a> {
        Members { rest: object.strip_prefix(b"{").unwrap_or_default() }
    }

    fn value<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_slice(self.rest).into_iter::<T>();
        let value = values.next()?.ok()?;
        self.rest = self.rest.get(values.byte_offset()..)?;
        Some(value)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let name: Name<'a> = self.value()?;
        self.rest = self.rest.strip_prefix(b":")?;
        let value: &'a RawValue = self.value()?;
        self.rest = self.rest.strip_prefix(b",").unwrap_or_default();
        Some((name.0, value.get()))
    }
}

/// A string, borrowed if it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// `B(x)`: a string, or base64url in an envelope.
#[derive(Deserialize)]
#[serde(untagged)]
enum Binary<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Envelope { base64: String },
}

/// The bytes of a `B(x)`.
pub(crate) fn binary(json: &str) -> Option<Vec<u8>> {
    match serde_json::from_str(json).ok()? {
        Binary::Text(text) => Some(text.into_owned().into_bytes()),
        Binary::Envelope { base64 } => URL_SAFE_NO_PAD.decode(base64).ok(),
    }
}

/// A string.
pub(crate) fn text(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// The bytes of a string in base64.
pub(crate) fn base64(json: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text(json)?).ok()
}

/// A number, or a string that is one.
pub(crate) fn number(json: &str) -> Option<u64> {
    json.trim_matches('"').parse().ok()
}

/// A size. A negative one counts as missing: a decode warns of it.
pub(crate) fn size(json: &str) -> Option<u64> {
    number(json).or_else(|| json.trim_matches('"').parse::<i64>().is_ok().then_some(0))
}

/// The value of a DynamoDB key attribute, `{"S":…}`, `{"N":…}` or `{"B":…}`, in the form of `--scope`. With `by_value`, equal numbers have
/// one text.
pub(crate) fn key_attribute(json: &str, by_value: bool) -> Option<Vec<u8>> {
    let (kind, value) = Members::of(json.as_bytes()).next()?;
    match &*kind {
        "B" => base64(value),
        "N" if by_value => text(value).map(|text| plain(&text).into_owned().into_bytes()),
        _ => text(value).map(String::into_bytes),
    }
}

/// The same, with its type.
pub(crate) fn key_value(json: &str) -> Option<Value> {
    let (kind, value) = Members::of(json.as_bytes()).next()?;
    match &*kind {
        "S" => text(value).map(Value::S),
        "N" => text(value).map(Value::N),
        "B" => base64(value).map(Value::B),
        _ => None,
    }
}

/// Names of a table's key attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyNames {
    pub hash: String,
    pub range: Option<String>,
}

impl KeyNames {
    /// The names in a `_schema.json`.
    pub fn of(schema: &serde_json::Value) -> Option<KeyNames> {
        let name = |which: &str| schema["primary_key"][which]["name"].as_str().map(str::to_owned);
        // A table without a key attribute has no items, but its schema is valid.
        schema["primary_key"]["hash_key"].is_object().then_some(())?;
        Some(KeyNames { hash: name("hash_key").unwrap_or_default(), range: name("range_key") })
    }
}

/// The text of a member of a line.
pub(crate) fn raw_member<'l>(line: &'l [u8], name: &str) -> Option<&'l str> {
    Members::of(line).find(|(found, _)| found == name).map(|(_, value)| value)
}

/// The ID in the line of a message.
pub(crate) fn message_id(line: &[u8]) -> Option<Vec<u8>> {
    let (_, id) = Members::of(line).next()?;
    text(id).map(String::into_bytes)
}

/// The value of a member of a line: the text or the bytes of `B(x)`.
pub(crate) fn member(line: &[u8], name: &str) -> Option<Vec<u8>> {
    let (_, value) = Members::of(line).find(|(found, _)| found == name)?;
    binary(value)
}

/// The value of a member that is base64url, as in key maps.
pub(crate) fn member_of_base64url(line: &[u8], name: &str) -> Option<Vec<u8>> {
    let encoded = member(line, name)?;
    URL_SAFE_NO_PAD.decode(encoded).ok()
}

/// The value of a member that is standard base64, as of paths.
pub(crate) fn member_of_base64(line: &[u8], name: &str) -> Option<Vec<u8>> {
    let (_, value) = Members::of(line).find(|(found, _)| found == name)?;
    base64(value)
}

/// The end of the value of the first member of a line.
pub(crate) fn first_value_end(line: &[u8]) -> Option<usize> {
    let (_, value) = Members::of(line).next()?;
    Some(value.as_ptr().addr() - line.as_ptr().addr() + value.len())
}

/// The values of the key attributes in the JSON of an item.
pub(crate) fn item_key(item: &[u8], names: &KeyNames) -> Option<Key> {
    let (mut hash, mut range) = (None, None);
    for (name, value) in Members::of(item) {
        if name == names.hash {
            hash = key_value(value);
        } else if Some(&*name) == names.range.as_deref() {
            range = key_value(value);
        }
    }
    Some(Key { hash: hash?, range })
}

/// The item in its line.
pub(crate) fn item_of(line: &[u8]) -> Option<&[u8]> {
    Members::of(line).next().map(|(_, item)| item.as_bytes())
}

/// The line of an S3 object without the path of its body: a single object has none.
pub(crate) fn without_path(line: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    for (name, value) in Members::of(line).filter(|(name, _)| name != "path") {
        rest.push(if rest.is_empty() { b'{' } else { b',' });
        json::string(&name, Escape::Plain, &mut rest);
        rest.push(b':');
        rest.extend_from_slice(value.as_bytes());
    }
    rest.extend_from_slice(b"}\n");
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members() {
        let all =
            |json: &'static str| Members::of(json.as_bytes()).map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>();
        assert_eq!(all(r#"{"a":1,"b\n":{"c":[1,"}"]},"d":"x"}"#), ["a=1", "b\n={\"c\":[1,\"}\"]}", "d=\"x\""]);
        assert_eq!(all(r#"{"a":1,"b":"cut sho"#), ["a=1"]);
        assert!(all("{}").is_empty());
        assert!(all("[1]").is_empty());
    }

    #[test]
    fn values() {
        assert_eq!(binary(r#""a\u0000""#), Some(b"a\0".to_vec()));
        assert_eq!(binary(r#"{"base64":"__48"}"#), Some(b"\xff\xfe<".to_vec()));
        assert_eq!(binary("1"), None);
        assert_eq!(number("\"18446744073709551615\""), Some(u64::MAX));
        assert_eq!((size("-1"), size("7"), size("x")), (Some(0), Some(7), None));
        assert_eq!(key_attribute(r#"{"B":"/w=="}"#, false), Some(vec![0xff]));
        assert_eq!(key_attribute(r#"{"N":"-1.50"}"#, false), Some(b"-1.50".to_vec()));
        assert_eq!(key_attribute(r#"{"N":"-1.50"}"#, true), Some(b"-1.5".to_vec()));
    }
}
