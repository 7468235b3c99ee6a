//! Items as a decode writes them: attributes and members of maps in the order of their names, each value with its type.
//!
//! Such a line becomes the stored value directly.

use bumpalo::Bump;

use crate::format::b64::STANDARD;
use crate::format::dynamodb::item::MAGIC;
use crate::format::proto::{bytes_into, message_into, varint_into};
use crate::layouts::reading::Scanner;

/// Levels of values in values; the server has no more.
const LEVELS: usize = 32;

/// Appends the value of an item's row. `None`: the line is in another form, and what was appended has no meaning.
pub(super) fn line(line: &[u8], arena: &Bump, out: &mut Vec<u8>) -> Option<()> {
    let mut line = Scanner::new(line, arena);
    out.extend_from_slice(MAGIC);
    line.eat(b"{\"Item\":{")?;
    members(&mut line, LEVELS, out)?;
    line.end(b"}\n")
}

/// Names and values up to the closing brace; `levels`: the maximum nesting of the values.
fn members(line: &mut Scanner<'_>, levels: usize, out: &mut Vec<u8>) -> Option<()> {
    if line.eat(b"}").is_some() {
        return Some(());
    }
    let mut last: Option<&str> = None;
    loop {
        let name = line.string()?;
        if last.is_some_and(|last| last >= name) {
            return None;
        }
        last = Some(name);
        line.eat(b":")?;
        message_into(1, out, |out| {
            if !name.is_empty() {
                bytes_into(1, name.as_bytes(), out);
            }
            message_into(2, out, |out| value(line, levels, out))
        })?;
        if line.eat(b",").is_none() {
            return line.eat(b"}");
        }
    }
}

fn value(line: &mut Scanner<'_>, levels: usize, out: &mut Vec<u8>) -> Option<()> {
    let inner = levels.checked_sub(1)?;
    line.eat(b"{\"")?;
    if line.eat(b"S\":").is_some() {
        bytes_into(1, line.string()?.as_bytes(), out);
    } else if line.eat(b"N\":").is_some() {
        bytes_into(2, line.string()?.as_bytes(), out);
    } else if line.eat(b"B\":").is_some() {
        bytes_into(3, line.base64(&STANDARD)?, out);
    } else if line.eat(b"BOOL\":").is_some() {
        varint_into(4, flag(line)?, out);
    } else if line.eat(b"NULL\":").is_some() {
        varint_into(5, flag(line)?, out);
    } else if line.eat(b"L\":[").is_some() {
        message_into(9, out, |out| {
            elements(line, out, |line, out| message_into(1, out, |out| value(line, inner, out)))
        })?;
    } else if line.eat(b"M\":{").is_some() {
        message_into(10, out, |out| members(line, inner, out))?;
    } else {
        set(line, out)?;
    }
    line.eat(b"}")
}

fn flag(line: &mut Scanner<'_>) -> Option<u64> {
    line.eat(b"true").map(|()| 1).or_else(|| line.eat(b"false").map(|()| 0))
}

fn set(line: &mut Scanner<'_>, out: &mut Vec<u8>) -> Option<()> {
    let text = |line: &mut Scanner<'_>, out: &mut Vec<u8>| {
        bytes_into(1, line.string()?.as_bytes(), out);
        Some(())
    };
    let blob = |line: &mut Scanner<'_>, out: &mut Vec<u8>| {
        bytes_into(1, line.base64(&STANDARD)?, out);
        Some(())
    };
    if line.eat(b"SS\":[").is_some() {
        message_into(6, out, |out| elements(line, out, text))
    } else if line.eat(b"NS\":[").is_some() {
        message_into(7, out, |out| elements(line, out, text))
    } else {
        line.eat(b"BS\":[")?;
        message_into(8, out, |out| elements(line, out, blob))
    }
}

/// Elements up to the closing bracket.
fn elements(
    line: &mut Scanner<'_>,
    out: &mut Vec<u8>,
    element: impl Fn(&mut Scanner<'_>, &mut Vec<u8>) -> Option<()>,
) -> Option<()> {
    if line.eat(b"]").is_some() {
        return Some(());
    }
    loop {
        element(line, out)?;
        if line.eat(b",").is_none() {
            return line.eat(b"]");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::DeserializeSeed as _;

    use super::*;
    use crate::format::dynamodb::Item;
    use crate::format::dynamodb::item::item_into;
    use crate::format::dynamodb::wire::{any_value, item, member};
    use crate::layouts::dynamodb::read::attributes;
    use crate::layouts::dynamodb::render::ItemRenderer;

    /// The value by the general parser.
    fn parsed(line: &[u8]) -> Option<Vec<u8>> {
        let mut parser = serde_json::Deserializer::from_slice(line);
        let item = attributes::Line.deserialize(&mut parser).ok()?;
        parser.end().ok()?;
        Some(crate::format::encoded(|out| item_into(&item, out)))
    }

    fn canonical(text: &[u8]) -> Option<Vec<u8>> {
        let (arena, mut value) = (Bump::new(), Vec::new());
        line(text, &arena, &mut value).map(|()| value)
    }

    #[test]
    fn other_forms_are_left_to_the_parser() {
        for text in [
            r#"{"Item":{"b":{"S":"x"},"a":{"S":"x"}}}"#,
            r#"{"Item":{"a":{"S":"x"},"a":{"S":"x"}}}"#,
            r#"{"Item":{"a":{"S":"x","N":"1"}}}"#,
            r#"{"Item":{"a":{}}}"#,
            r#"{"Item":{"a": {"S":"x"}}}"#,
            r#"{"Item":{"a":{"B":"x"}}}"#,
            r#"{"Item":{"a":{"BOOL":1}}}"#,
            r#"{"Item":{"a":{"L":[{"S":"x"},]}}}"#,
            r#"{"Item":{"a":{"S":"x"}},"more":1}"#,
        ] {
            assert_eq!(canonical(format!("{text}\n").as_bytes()), None, "{text}");
        }
        assert!(canonical(b"{\"Item\":{}}").is_none() && canonical(b"{\"Item\":{}}\n").is_some());
    }

    proptest! {
        #[test]
        fn both_parsers_agree(
            values in prop::collection::btree_map(any::<String>(), any_value(), 0..4),
            at: prop::sample::Index, cut in 0usize..3, put in prop::collection::vec(any::<u8>(), 0..3),
        ) {
            let stored = item(&values.iter().map(|(name, value)| member(name, value)).collect::<Vec<_>>());
            let Ok(parsed_item) = Item::parse(&stored) else { return Ok(()) };
            let mut text = Vec::new();
            ItemRenderer::default().line(parsed_item, &mut text);
            if let Some(want) = parsed(&text) {
                prop_assert_eq!(canonical(&text), Some(want));
            }
            let at = at.index(text.len());
            text.splice(at..(at + cut).min(text.len()), put);
            if let Some(got) = canonical(&text) {
                prop_assert_eq!(parsed(&text), Some(got));
            }
        }
    }
}
