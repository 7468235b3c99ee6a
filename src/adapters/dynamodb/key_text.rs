//! The key of an item as a user types it: `PK`, or `PK/SK` if the table has a range key.

use std::collections::BTreeSet;

use crate::format::dynamodb::{KeyValue, PrimaryKey};
use crate::options::spelled;

/// Maximum number of slashes that are tried as separator of hash and range value.
const MOST_SLASHES: usize = 64;

/// The value of a key attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A string.
    S(String),
    /// A number as it is written.
    N(String),
    /// Bytes.
    B(Vec<u8>),
}

impl Value {
    fn as_key(&self) -> KeyValue<'_> {
        match self {
            Value::S(text) => KeyValue::S(text),
            Value::N(text) => KeyValue::N(text),
            Value::B(bytes) => KeyValue::B(bytes),
        }
    }
}

/// The values of an item's key attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub hash: Value,
    pub range: Option<Value>,
}

impl Key {
    /// The same values, borrowed.
    pub fn primary(&self) -> PrimaryKey<'_> {
        PrimaryKey { hash: self.hash.as_key(), range: self.range.as_ref().map(Value::as_key) }
    }

    /// The end of its row key; `None` if a number is not valid.
    pub fn row(&self, key_encoding_version: u64) -> Option<Vec<u8>> {
        let mut row = Vec::new();
        self.primary().row_bytes_into(key_encoding_version, &mut row)?;
        Some(row)
    }
}

/// All keys that a text can mean. The server does not enforce the types that a table declares.
pub(crate) fn keys(text: &[u8], has_range: bool) -> Vec<Key> {
    let mut keys = Vec::new();
    for (hash, range) in parted(text, has_range) {
        for hash in values(hash) {
            match range {
                None => keys.push(Key { hash, range: None }),
                Some(range) => {
                    let ranges = values(range).into_iter();
                    keys.extend(ranges.map(|range| Key { hash: hash.clone(), range: Some(range) }));
                }
            }
        }
    }
    keys
}

/// The ends of the row keys of all these keys, in the encodings that the table uses.
pub(crate) fn rows(keys: &[Key], versions: &[u64]) -> BTreeSet<(u64, Vec<u8>)> {
    let of_version = |version: u64| keys.iter().filter_map(move |key| Some((version, key.row(version)?)));
    versions.iter().flat_map(|version| of_version(*version)).collect()
}

/// Hash and range value, for every slash that can separate them.
fn parted(text: &[u8], has_range: bool) -> Vec<(&[u8], Option<&[u8]>)> {
    if !has_range {
        return vec![(text, None)];
    }
    let slashes = memchr::memchr_iter(b'/', text).take(MOST_SLASHES);
    slashes.map(|at| (&text[..at], Some(&text[at + 1..]))).collect()
}

/// All values that a text can mean as a key attribute.
fn values(text: &[u8]) -> Vec<Value> {
    let (mut all, bytes) = (Vec::new(), spelled(text).into_owned());
    if let Ok(text) = String::from_utf8(bytes.clone()) {
        all.push(Value::S(text.clone()));
        all.push(Value::N(text));
    }
    all.push(Value::B(bytes));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let (s, n, b) = (Value::S("1".into()), Value::N("1".into()), Value::B(b"1".to_vec()));
        let alone = |hash: &Value| Key { hash: hash.clone(), range: None };
        assert_eq!(keys(b"1", false), [&s, &n, &b].map(alone));
        assert_eq!(keys(b"1", true), []);
        assert_eq!(keys(b"1/1", true).len(), 9);
        assert_eq!(keys(b"1/1/1", true).len(), 18);
        let binary = Key { hash: Value::B(b"\xfb\xff".to_vec()), range: Some(s) };
        assert!(keys(b"base64:-_8=/1", true).contains(&binary));
        // Two texts of one number have separate rows only in the old encoding, and two types of one text in no encoding.
        let number = |text: &str| Key { hash: Value::N(text.into()), range: None };
        assert_eq!((number("1.0").row(2), number("1.0").row(0) == number("1").row(0)), (number("1").row(2), false));
        assert_eq!((alone(&n).row(0), number("x").row(2)), (alone(&b).row(0), None));
        assert_eq!(rows(&[alone(&n), number("x")], &[0, 2]).len(), 3);
    }
}
