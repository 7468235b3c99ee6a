//! The name of an item as two byte strings, for lists of changed items. Unlike the values of its key attributes alone, it includes their
//! names and types, and names sort in the order of the values if the values differ.
//!
//! | part | bytes |
//! |---|---|
//! | hash | the value of the hash attribute |
//! | rest | the value of the range attribute, if there is one · `00` · NAMES · length of NAMES (4 bytes, little endian) |
//!
//! NAMES has name and type of the hash attribute, then those of the range attribute, each after its length.

use super::primary::{KeyValue, PrimaryKey};
use super::schema::KeyNames;
use crate::format::wire::{self, Reader};

/// A key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'b> {
    /// Its name.
    pub name: &'b str,
    /// Its value, with the type.
    pub value: KeyValue<'b>,
}

/// The key attributes of an item, read from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemName<'b> {
    /// The hash attribute.
    pub hash: Attribute<'b>,
    /// The range attribute, if there is one.
    pub range: Option<Attribute<'b>>,
}

/// Appends the second part of the name of an item with this key; the first is the value of its hash attribute.
pub fn rest_into(names: &KeyNames, key: PrimaryKey<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(key.range.map_or(&b""[..], KeyValue::raw));
    out.push(0);
    let start = out.len();
    for (name, value) in [(&names.hash, Some(key.hash)), (&names.range, key.range)] {
        let Some(value) = value else { continue };
        wire::bytes(name.as_bytes(), out);
        wire::bytes(value.kind().as_bytes(), out);
    }
    // Names of attributes have at most 64 KiB each.
    let len = u32::try_from(out.len().saturating_sub(start)).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
}

impl<'b> ItemName<'b> {
    /// Reads both parts; `None` if they are not a name.
    pub fn of(hash: &'b [u8], rest: &'b [u8]) -> Option<ItemName<'b>> {
        let (rest, len) = rest.split_last_chunk::<4>()?;
        let at = rest.len().checked_sub(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
        let (range, names) = rest.split_at_checked(at)?;
        let range = range.strip_suffix(&[0])?;
        let mut names = Reader::new(names);
        let mut attribute = |value| {
            let (name, kind) = (names.bytes()?, names.bytes()?);
            Some(Attribute { name: std::str::from_utf8(name).ok()?, value: value_of(kind, value)? })
        };
        let hash = attribute(hash)?;
        let range = attribute(range);
        Some(ItemName { hash, range })
    }
}

fn value_of<'b>(kind: &[u8], value: &'b [u8]) -> Option<KeyValue<'b>> {
    let text = || std::str::from_utf8(value).ok();
    match kind {
        b"S" => text().map(KeyValue::S),
        b"N" => text().map(KeyValue::N),
        b"B" => Some(KeyValue::B(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value<'a>(kind: u8, text: &'a str) -> KeyValue<'a> {
        match kind {
            0 => KeyValue::S(text),
            1 => KeyValue::N(text),
            _ => KeyValue::B(text.as_bytes()),
        }
    }

    proptest! {
        #[test]
        fn what_was_named_is_read(
            hash in ("[a\\PC]{0,4}", "[\0a\u{1}]{0,4}", 0..3u8), range in prop::option::of(("[a\\PC]{0,4}", "[\0a\u{1}]{0,4}", 0..3u8)),
        ) {
            let named = |(name, text, kind): &'_ (String, String, u8)| (name.clone(), text.clone(), *kind);
            let (hash, range) = (named(&hash), range.as_ref().map(named));
            let names = KeyNames { hash: hash.0.clone(), range: range.as_ref().map(|r| r.0.clone()).unwrap_or_default() };
            let key = PrimaryKey { hash: value(hash.2, &hash.1), range: range.as_ref().map(|r| value(r.2, &r.1)) };
            let mut rest = Vec::new();
            rest_into(&names, key, &mut rest);
            let name = ItemName::of(key.hash.raw(), &rest).unwrap();
            prop_assert_eq!((name.hash.name, name.hash.value), (names.hash.as_str(), key.hash));
            prop_assert_eq!(name.range.map(|range| range.value), key.range);
            prop_assert_eq!(name.range.map_or("", |range| range.name), names.range.as_str());
        }

        #[test]
        fn nothing_else_panics(hash: Vec<u8>, rest: Vec<u8>) {
            let _ = ItemName::of(&hash, &rest);
        }
    }

    #[test]
    fn names_sort_as_values_do() {
        let names = KeyNames { hash: "h".into(), range: "r".into() };
        let rest = |text| {
            let mut out = Vec::new();
            rest_into(&names, PrimaryKey { hash: KeyValue::S(""), range: Some(KeyValue::S(text)) }, &mut out);
            out
        };
        assert!(["", "a", "ab", "b"].map(rest).is_sorted());
    }
}
