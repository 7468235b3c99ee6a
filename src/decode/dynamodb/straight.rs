//! Items rendered while they are checked: one pass over the bytes of what the server itself writes.
//!
//! It stores the attributes of an item, and the members of a map, in the order of their names, each once, and every
//! value with its type. Then what stands first is shown first, and a string is a text if its JSON can be written. All
//! else — another order, a member given twice, a field that nobody knows, damage — ends the pass with `None`, and
//! [`Item`](crate::format::dynamodb::Item) with its renderer tells what the row is.

use super::render::{KINDS, blob, boolean};
use crate::format::dynamodb::item::MAGIC;
use crate::format::dynamodb::schema::KeyNames;
use crate::format::dynamodb::{KeyValue, PrimaryKey};
use crate::format::proto::{Field, Fields};
use crate::output::nested::Nested;

/// Levels of values in values; the server has no more.
const LEVELS: usize = 32;
/// Appends the object of an item's attributes; gives its key attributes. `None`: what was appended must go.
pub(super) fn attributes<'a, const INDENTED: bool>(
    value: &'a [u8],
    names: &KeyNames,
    w: &mut Nested<'_, INDENTED>,
) -> Option<PrimaryKey<'a>> {
    let (mut hash, mut range) = (None, None);
    members(value.strip_prefix(MAGIC)?, LEVELS, w, |name, member| {
        if name == names.hash.as_bytes() {
            hash = Some(member);
        } else if name == names.range.as_bytes() {
            range = Some(member);
        }
    })?;
    let range = if names.range.is_empty() { None } else { Some(key_value(range?)?) };
    Some(PrimaryKey { hash: key_value(hash?)?, range })
}

/// The number of a type, and the field that has the value.
type Member<'a> = (u32, Field<'a>);

fn key_value((number, field): Member<'_>) -> Option<KeyValue<'_>> {
    match number {
        1 => Some(KeyValue::S(field.text().ok()?)),
        2 => Some(KeyValue::N(field.text().ok()?)),
        3 => Some(KeyValue::B(field.bytes().ok()?)),
        _ => None,
    }
}

/// Names and values in the order in which they stand, which must be that of the names.
fn members<'a, const INDENTED: bool>(
    message: &'a [u8],
    levels: usize,
    w: &mut Nested<'_, INDENTED>,
    mut seen: impl FnMut(&'a [u8], Member<'a>),
) -> Option<()> {
    w.object(|w| {
        let (mut last, mut first) = (&b""[..], true);
        elements(message, |entry| {
            let mut fields = Fields::new(entry);
            let (Some((1, Field::Bytes(name))), Some((2, Field::Bytes(message))), None) =
                (fields.next().ok()?, fields.next().ok()?, fields.next().ok()?)
            else {
                return None;
            };
            if !first && !is_before(last, name) {
                return None;
            }
            (last, first) = (name, false);
            w.member_of_bytes(name)?;
            seen(name, value(message, levels, w)?);
            Some(())
        })
    })
}

/// Order of names; most differ in their first byte.
#[inline]
fn is_before(a: &[u8], b: &[u8]) -> bool {
    match (a.first(), b.first()) {
        (Some(x), Some(y)) if x != y => x < y,
        _ => a < b,
    }
}

fn value<'a, const INDENTED: bool>(
    message: &'a [u8],
    levels: usize,
    w: &mut Nested<'_, INDENTED>,
) -> Option<Member<'a>> {
    let mut fields = Fields::new(message);
    let (Some((number, field)), None) = (fields.next().ok()?, fields.next().ok()?) else { return None };
    w.envelope(KINDS.get(number as usize)?, |w| content(number, field, levels, w))?;
    Some((number, field))
}

fn content<const INDENTED: bool>(
    number: u32,
    field: Field<'_>,
    levels: usize,
    w: &mut Nested<'_, INDENTED>,
) -> Option<()> {
    match (number, field) {
        (1 | 2, Field::Bytes(text)) => w.text_of_bytes(text)?,
        (3, Field::Bytes(bytes)) => blob(bytes, w),
        (4 | 5, Field::Varint(flag)) => boolean(flag != 0, w),
        (6..=10, Field::Bytes(inner)) => return several(number, inner, levels.checked_sub(1)?, w),
        _ => return None,
    }
    Some(())
}

fn several<const INDENTED: bool>(
    number: u32,
    message: &[u8],
    levels: usize,
    w: &mut Nested<'_, INDENTED>,
) -> Option<()> {
    if number == 10 {
        return members(message, levels, w, |_, _| ());
    }
    w.array(|w| {
        elements(message, |element| {
            w.element();
            match number {
                8 => blob(element, w),
                9 => drop(value(element, levels, w)?),
                _ => w.text_of_bytes(element)?,
            }
            Some(())
        })
    })
}

/// Calls `each` for every field 1; there must be no others.
fn elements<'a>(message: &'a [u8], mut each: impl FnMut(&'a [u8]) -> Option<()>) -> Option<()> {
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next().ok()? {
        let (1, Field::Bytes(element)) = field else { return None };
        each(element)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::render::{ItemRenderer, straight_line};
    use super::*;
    use crate::format::dynamodb::Item;
    use crate::format::dynamodb::wire::{any_value, b, field, item, member, n, nested, s};
    use proptest::prelude::*;

    fn names(hash: &str, range: &str) -> KeyNames {
        KeyNames { hash: hash.into(), range: range.into() }
    }

    /// The line and the key of a value, if it goes straight: then both are what the long way gives.
    fn straight(value: &[u8], names: &KeyNames) -> Option<String> {
        let mut line = b"before".to_vec();
        let Some(key) = straight_line(value, names, &mut line) else {
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
    fn what_the_server_writes_goes_straight() {
        let sets = [field(6, &field(1, b"x")), field(7, &field(1, b"1")), field(8, &field(1, b"\xff"))];
        let map = field(10, &[member("", &s("")), member("a", &sets[0]), member("b", &field(10, b""))].concat());
        let list = field(9, &[field(1, &map), field(1, &n("-1.5e3")), field(1, &b(b""))].concat());
        let values =
            [b"\x20\x00".to_vec(), b"\x28\x01".to_vec(), list, sets[1].clone(), sets[2].clone(), nested(LEVELS)];
        let mut members: Vec<Vec<u8>> = values.iter().enumerate().map(|(i, v)| member(&format!("v{i}"), v)).collect();
        members.insert(0, member("h", &s(&"long\u{2028}\n".repeat(40))));
        members.insert(1, member("r", &b(b"\x00")));
        assert!(straight(&item(&members), &names("h", "r")).is_some());
        assert!(straight(&item(&members), &names("h", "")).is_some());
        assert!(straight(&item(&[member("h", &n("1"))]), &names("h", "")).is_some());
    }

    #[test]
    fn all_else_goes_the_long_way() {
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
            assert_eq!(straight(&item(&members), &key), None, "{members:02x?}");
        }
        assert_eq!(straight(b"\0DI\x02", &key), None);
        assert_eq!(straight(&item(&[h()]), &names("h", "r")), None);
    }

    proptest! {
        #[test]
        fn both_ways_agree(mut members in prop::collection::vec(("[a-d]", any_value()), 0..5), sorted: bool) {
            if sorted {
                members.sort_by(|a, b| a.0.cmp(&b.0));
            }
            let row = item(&members.iter().map(|(name, value)| member(name, value)).collect::<Vec<_>>());
            for key in [names("a", ""), names("b", "c")] {
                straight(&row, &key);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            straight(&[&MAGIC[..], &bytes].concat(), &names("a", ""));
        }
    }
}
