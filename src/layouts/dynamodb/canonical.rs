//! Renders items while they are checked, in one pass over the bytes, if they are in the form that the server writes.
//!
//! In this form output order is stored order, and a string is valid text if it can be written as JSON. Anything else ends the pass with
//! `None`, and [`Item`](crate::format::dynamodb::Item) with its renderer decides what the row is.

use crate::format::dynamodb::canonical::{Member, elements, member, sorted_members};
use crate::format::dynamodb::item::MAGIC;
use crate::format::dynamodb::schema::{KeyNames, Liveness};
use crate::format::dynamodb::{KeyValue, PrimaryKey};
use crate::format::proto::Field;
use crate::model::dynamodb::{StoredItem, Table};
use crate::output::escape::quoted;
use crate::output::json::{self, Escape};

/// Levels of values in values; the server has no more.
pub(in crate::layouts) const LEVELS: usize = 32;
/// The JSON text before a value, by the number of its type's field.
const OPENINGS: [&[u8]; 11] = [
    b"",
    b"{\"S\":",
    b"{\"N\":",
    b"{\"B\":",
    b"{\"BOOL\":",
    b"{\"NULL\":",
    b"{\"SS\":",
    b"{\"NS\":",
    b"{\"BS\":",
    b"{\"L\":",
    b"{\"M\":",
];
/// Longest heading that is cached.
const HEADING: usize = 32;

/// Renders lines of one table. Items of a table mostly have the same attributes, so the text before each value is cached.
#[derive(Default)]
pub(in crate::layouts) struct Canonical<'a> {
    /// Headings of the previous items, by the position of the attribute.
    headings: Vec<Heading<'a>>,
    /// The row key that the attributes of the current item give.
    rebuilt: Vec<u8>,
}

/// The text before the value of an attribute: its name, and the opening of its type.
struct Heading<'a> {
    name: &'a [u8],
    number: u32,
    part: Part,
    text: [u8; HEADING],
    len: usize,
}

/// The role of an attribute in its table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Hash,
    Range,
    Other,
}

impl<'a> Canonical<'a> {
    /// Appends the line of an item whose attributes give its row key, and returns the key attributes. `None`: nothing was appended, and the
    /// parser decides what the item is.
    pub fn stored(&mut self, table: &Table, item: &StoredItem<'a>, lines: &mut Vec<u8>) -> Option<PrimaryKey<'a>> {
        let before = lines.len();
        let key = self.line(item.value, &table.schema.key, lines)?;
        let matches = key.has_row_bytes(table.version_of(Liveness::Active), item.primary, &mut self.rebuilt);
        if !matches {
            lines.truncate(before);
        }
        matches.then_some(key)
    }

    /// Appends the line of an item and returns its key attributes. `None`: nothing was appended, and the parser decides what the item is.
    pub fn line(&mut self, value: &'a [u8], names: &KeyNames, out: &mut Vec<u8>) -> Option<PrimaryKey<'a>> {
        let before = out.len();
        out.extend_from_slice(b"{\"Item\":{");
        let key = self.attributes(value, names, out);
        match key {
            Some(_) => out.extend_from_slice(b"}}\n"),
            None => out.truncate(before),
        }
        key
    }

    fn attributes(&mut self, value: &'a [u8], names: &KeyNames, out: &mut Vec<u8>) -> Option<PrimaryKey<'a>> {
        let (mut hash, mut range, mut place) = (None, None, 0);
        sorted_members(value.strip_prefix(MAGIC)?, |is_first, name, (number, field)| {
            if !is_first {
                out.push(b',');
            }
            match self.heading(place, name, number, names, out)? {
                Part::Hash => hash = Some((number, field)),
                Part::Range => range = Some((number, field)),
                Part::Other => {}
            }
            place += 1;
            content(number, field, LEVELS, out)?;
            out.push(b'}');
            Some(())
        })?;
        let range = if names.range.is_empty() { None } else { Some(key_value(range?)?) };
        Some(PrimaryKey { hash: key_value(hash?)?, range })
    }

    #[inline]
    fn heading(
        &mut self,
        place: usize,
        name: &'a [u8],
        number: u32,
        names: &KeyNames,
        out: &mut Vec<u8>,
    ) -> Option<Part> {
        match self.headings.get(place) {
            Some(known) if known.number == number && known.name == name => {
                // A copy of fixed length is a few stores; a copy of variable length is a call.
                out.extend_from_slice(&known.text);
                out.truncate(out.len() - HEADING + known.len);
                Some(known.part)
            }
            _ => self.new_heading(place, name, number, names, out),
        }
    }

    #[cold]
    fn new_heading(
        &mut self,
        place: usize,
        name: &'a [u8],
        number: u32,
        names: &KeyNames,
        out: &mut Vec<u8>,
    ) -> Option<Part> {
        let from = out.len();
        heading(name, number, out)?;
        let part = match name {
            _ if name == names.hash.as_bytes() => Part::Hash,
            _ if name == names.range.as_bytes() => Part::Range,
            _ => Part::Other,
        };
        let (mut text, len) = ([0; HEADING], out.len() - from);
        if let Some(start) = text.get_mut(..len) {
            start.copy_from_slice(&out[from..]);
            self.headings.truncate(place);
            self.headings.push(Heading { name, number, part, text, len });
        }
        Some(part)
    }
}

/// The value of a key attribute.
pub(in crate::layouts) fn key_value((number, field): Member<'_>) -> Option<KeyValue<'_>> {
    match number {
        1 => Some(KeyValue::S(field.text().ok()?)),
        2 => Some(KeyValue::N(field.text().ok()?)),
        3 => Some(KeyValue::B(field.bytes().ok()?)),
        _ => None,
    }
}

/// Appends an attribute to an object that already has others, unless this is the first one.
pub(in crate::layouts) fn attribute(
    is_first: bool,
    name: &[u8],
    (number, field): Member<'_>,
    levels: usize,
    out: &mut Vec<u8>,
) -> Option<()> {
    if !is_first {
        out.push(b',');
    }
    heading(name, number, out)?;
    content(number, field, levels, out)?;
    out.push(b'}');
    Some(())
}

/// Appends the name and the opening.
fn heading(name: &[u8], number: u32, out: &mut Vec<u8>) -> Option<()> {
    text(name, out)?;
    out.push(b':');
    out.extend_from_slice(OPENINGS.get(number as usize)?);
    Some(())
}

/// A string, which is valid text if it can be written.
fn text(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    quoted(bytes, Escape::Html, out).then_some(())
}

fn content(number: u32, field: Field<'_>, levels: usize, out: &mut Vec<u8>) -> Option<()> {
    match (number, field) {
        (1 | 2, Field::Bytes(bytes)) => text(bytes, out)?,
        (3, Field::Bytes(bytes)) => blob(bytes, out),
        (4 | 5, Field::Varint(flag)) => out.extend_from_slice(if flag == 0 { b"false" } else { b"true" }),
        (6..=9, Field::Bytes(inner)) => list(number, inner, levels.checked_sub(1)?, out)?,
        (10, Field::Bytes(inner)) => map(inner, levels.checked_sub(1)?, out)?,
        _ => return None,
    }
    Some(())
}

fn blob(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    json::base64(bytes, out);
    out.push(b'"');
}

fn list(number: u32, message: &[u8], levels: usize, out: &mut Vec<u8>) -> Option<()> {
    out.push(b'[');
    let mut first = true;
    elements(message, |element| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        match number {
            8 => blob(element, out),
            9 => value(member(element)?, levels, out)?,
            _ => text(element, out)?,
        }
        Some(())
    })?;
    out.push(b']');
    Some(())
}

fn value((number, field): Member<'_>, levels: usize, out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(OPENINGS.get(number as usize)?);
    content(number, field, levels, out)?;
    out.push(b'}');
    Some(())
}

fn map(message: &[u8], levels: usize, out: &mut Vec<u8>) -> Option<()> {
    out.push(b'{');
    sorted_members(message, |is_first, name, member| attribute(is_first, name, member, levels, out))?;
    out.push(b'}');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::dynamodb::Item;
    use crate::format::dynamodb::wire::{any_value, b, field, item, member, n, nested, s};
    use crate::layouts::dynamodb::render::ItemRenderer;
    use proptest::prelude::*;

    fn names(hash: &str, range: &str) -> KeyNames {
        KeyNames { hash: hash.into(), range: range.into() }
    }

    /// The line and the key of a value, if it is canonical: then both are what the parser gives.
    fn canonical(value: &[u8], names: &KeyNames) -> Option<String> {
        let mut line = b"before".to_vec();
        let Some(key) = Canonical::default().line(value, names, &mut line) else {
            assert_eq!(line, b"before");
            return None;
        };
        let item = Item::parse(value).unwrap();
        let mut want = b"before".to_vec();
        ItemRenderer::default().line(item, &mut want);
        assert_eq!(line.escape_ascii().to_string(), want.escape_ascii().to_string());
        assert_eq!(Ok(key), PrimaryKey::of(item, names));
        Some(String::from_utf8(line).unwrap())
    }

    #[test]
    fn what_the_server_writes_is_canonical() {
        let sets = [field(6, &field(1, b"x")), field(7, &field(1, b"1")), field(8, &field(1, b"\xff"))];
        let map = field(10, &[member("", &s("")), member("a", &sets[0]), member("b", &field(10, b""))].concat());
        let list = field(9, &[field(1, &map), field(1, &n("-1.5e3")), field(1, &b(b""))].concat());
        let values =
            [b"\x20\x00".to_vec(), b"\x28\x01".to_vec(), list, sets[1].clone(), sets[2].clone(), nested(LEVELS)];
        let mut members: Vec<Vec<u8>> = values.iter().enumerate().map(|(i, v)| member(&format!("v{i}"), v)).collect();
        members.insert(0, member("h", &s(&"long\u{2028}\n".repeat(40))));
        members.insert(1, member("r", &b(b"\x00")));
        assert!(canonical(&item(&members), &names("h", "r")).is_some());
        assert!(canonical(&item(&members), &names("h", "")).is_some());
        assert!(canonical(&item(&[member("h", &n("1"))]), &names("h", "")).is_some());
    }

    #[test]
    fn all_else_goes_to_the_parser() {
        let key = names("h", "");
        let h = || member("h", &s("x"));
        let cases = [
            vec![],
            vec![member("g", &s("x"))],
            vec![h(), h()],
            vec![h(), member("a", &s("x"))],
            vec![h(), member("z", b"")],
            vec![h(), member("z", &[s("x"), s("y")].concat())],
            vec![h(), member("z", &field(11, b"x"))],
            vec![h(), member("z", &field(4, b"x"))],
            vec![h(), member("z", b"\x08\x01")],
            vec![h(), member("z", &s("x")), field(2, b"x")],
            vec![h(), member("z", &field(10, &[member("b", &s("")), member("a", &s(""))].concat()))],
            vec![h(), member("z", &field(9, &field(2, b"x")))],
            vec![h(), member("z", &nested(LEVELS + 1))],
            vec![h(), member("z", &field(1, b"\xff"))],
            vec![h(), member("z", &field(6, &field(1, b"\xff")))],
            vec![h(), field(1, &[field(1, b"\xff"), field(2, &s("x"))].concat())],
            vec![h(), field(1, &[field(2, &s("x")), field(1, b"z")].concat())],
            vec![h(), field(1, &[field(1, b"z"), field(2, &s("x")), field(3, b"")].concat())],
            vec![h(), b"\x0a\x05".to_vec()],
            vec![member("h", &field(6, &field(1, b"x")))],
        ];
        for members in cases {
            assert_eq!(canonical(&item(&members), &key), None, "{members:02x?}");
        }
        assert_eq!(canonical(b"\0DI\x02", &key), None);
        assert_eq!(canonical(&item(&[h()]), &names("h", "r")), None);
    }

    /// Cached headings belong to the current attributes, whatever came before.
    #[test]
    fn items_of_other_attributes() {
        let long = "x".repeat(HEADING);
        let items = [
            vec![member("h", &s("1")), member("n", &n("1"))],
            vec![member("h", &s("2")), member("n", &n("2"))],
            vec![member("h", &n("2")), member("n", &s("2"))],
            vec![member("a", &s("2")), member("h", &s("2")), member("n", &s("2"))],
            vec![member("g", &s("2")), member("h", &b(b"2"))],
            vec![member("h", &s("2")), member(&long, &s("2")), member("z", &s("2"))],
            vec![member("h", &s("2")), member("é\n", &s("2")), member("ü", &s("2"))],
            vec![member("h", &s("1")), member("n", &n("1"))],
        ];
        let mut renderer = Canonical::default();
        let names = names("h", "n");
        let (mut got, mut want) = (Vec::new(), Vec::new());
        let rows: Vec<Vec<u8>> = items.iter().chain(items.iter().rev()).map(|members| item(members)).collect();
        for row in &rows {
            let parsed = Item::parse(row).unwrap();
            let key = PrimaryKey::of(parsed, &names).ok();
            assert_eq!(renderer.line(row, &names, &mut got), key);
            if key.is_some() {
                ItemRenderer::default().line(parsed, &mut want);
            }
        }
        assert_eq!(String::from_utf8(got).unwrap(), String::from_utf8(want).unwrap());
    }

    proptest! {
        #[test]
        fn both_ways_agree(mut members in prop::collection::vec(("[a-d]", any_value()), 0..5), sorted: bool) {
            if sorted {
                members.sort_by(|a, b| a.0.cmp(&b.0));
            }
            let row = item(&members.iter().map(|(name, value)| member(name, value)).collect::<Vec<_>>());
            for key in [names("a", ""), names("b", "c")] {
                canonical(&row, &key);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            canonical(&[&MAGIC[..], &bytes].concat(), &names("a", ""));
        }
    }
}
