//! Items: `00 44 49 01` and a protobuf (`dynamodb.md` §2).
//!
//! | message | fields |
//! |---|---|
//! | item | 1 map attribute name → value |
//! | value, one of | 1 string · 2 number (text) · 3 binary · 4 bool · 5 null |
//! | | 6 string set · 7 number set · 8 binary set · 9 list · 10 map |
//! | set, list | 1 repeated string, bytes or value |
//! | map | 1 map name → value |
//!
//! [`Item::parse`] checks a value to its last byte, once. The parts it returns are read later without errors: the bytes are read again,
//! nothing is copied. If a map key, a field of a map entry or a oneof member occurs twice, the last one counts. An absent map value is an
//! empty message.

use std::collections::BTreeMap;
use std::str;

use super::canonical::Member;
use crate::format::fault::{Fault, OrFault, Result};
use crate::format::messages::{
    self, DynamoAttributeValue, DynamoBinaries, DynamoItem, DynamoList, DynamoMap, DynamoTexts, DynamoValue,
};
use crate::format::proto::{Field, Fields, map_entry};

/// Magic of an item value.
pub const MAGIC: &[u8; 4] = b"\0DI\x01";
/// Maximum levels of values inside values; an attribute itself is level 1. The server stops at 32; the bound keeps a hostile value from
/// exhausting the stack.
pub const MAX_NESTING: usize = 256;

const NOT_UTF8: Fault = Fault::Value("a string of its protobuf is not UTF-8");

/// An item whose value has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    attributes: Map<'a>,
}

/// An attribute value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// String.
    S(&'a str),
    /// Number, as the text that was stored.
    N(&'a str),
    /// Binary.
    B(&'a [u8]),
    /// Boolean.
    Bool(bool),
    /// Null, with the flag that was stored (the server writes only `true`).
    Null(bool),
    /// String set.
    Ss(Texts<'a>),
    /// Number set.
    Ns(Texts<'a>),
    /// Binary set.
    Bs(Blobs<'a>),
    /// List.
    L(List<'a>),
    /// Map.
    M(Map<'a>),
    /// The message has no member of the oneof.
    Unset,
}

/// Names and values, in an item or in a map value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Map<'a>(&'a [u8]);

/// A name with its value, not parsed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name.
    pub name: &'a str,
    value: &'a [u8],
}

impl<'a> Item<'a> {
    /// Parses and checks the value of a `!ddb|item|` row.
    pub fn parse(value: &'a [u8]) -> Result<Item<'a>> {
        let item = Item::of_encoder(value)?;
        check_map(item.attributes.0, MAX_NESTING)?;
        Ok(item)
    }

    /// A value that was made by an encoder of this crate. It is not checked again; of an invalid value some attributes would be missing.
    pub fn of_encoder(value: &'a [u8]) -> Result<Item<'a>> {
        let message = value.strip_prefix(MAGIC).or_value("it lacks the magic of an item")?;
        Ok(Item { attributes: Map(message) })
    }

    /// All attributes.
    pub const fn attributes(self) -> Map<'a> {
        self.attributes
    }

    /// The attribute of this name.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        self.attributes.get(name)
    }

    /// The value that was parsed, after its magic.
    pub const fn stored(self) -> &'a [u8] {
        self.attributes.0
    }

    /// Appends the value that was parsed.
    pub fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(self.attributes.0);
    }
}

impl<'a> Entry<'a> {
    fn new((name, value): (&'a [u8], &'a [u8])) -> Option<Self> {
        Some(Entry { name: str::from_utf8(name).ok()?, value })
    }

    /// The value.
    pub fn value(self) -> Value<'a> {
        Value::of(self.value)
    }
}

impl<'a> Map<'a> {
    /// Entries in wire order, including repeated names.
    pub fn stored(self) -> impl Iterator<Item = Entry<'a>> {
        elements(self.0).filter_map(|entry| Entry::new(map_entry(entry).ok()?))
    }

    /// The value of this name.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        self.stored().filter(|entry| entry.name == name).last().map(Entry::value)
    }

    /// Appends the entries to a stack, each name once, sorted by the bytes of the names. The caller removes them again.
    pub fn push_sorted(self, stack: &mut Vec<Entry<'a>>) {
        let from = stack.len();
        for entry in self.stored() {
            // A name that is repeated often takes two bytes of the row each time: only the last one is kept.
            match stack.get_mut(from..).unwrap_or_default().last_mut() {
                Some(last) if last.name == entry.name => *last = entry,
                _ => stack.push(entry),
            }
        }
        let pushed = stack.get(from..).unwrap_or_default();
        // The server sorts what it stores: this is true for all rows that a server wrote.
        if !pushed.is_sorted_by(|a, b| a.name < b.name) {
            let mut entries = stack.split_off(from);
            sort_last_wins(&mut entries);
            stack.append(&mut entries);
        }
    }
}

fn sort_last_wins(entries: &mut Vec<Entry<'_>>) {
    entries.sort_by(|a, b| a.name.cmp(b.name));
    entries.dedup_by(|later, kept| {
        let same = later.name == kept.name;
        if same {
            *kept = *later;
        }
        same
    });
}

impl<'a> Value<'a> {
    /// Reads a message that has been checked.
    fn of(message: &'a [u8]) -> Value<'a> {
        let mut value = Value::Unset;
        let mut fields = Fields::new(message);
        while let Ok(Some((number, field))) = fields.next() {
            value = Value::of_member((number, field)).unwrap_or(value);
        }
        value
    }

    /// The value in a field of this number; `None`: it has no such type. Strings are checked, but not what is inside sets, lists and maps.
    pub fn of_member((number, field): Member<'a>) -> Option<Value<'a>> {
        Some(match number {
            1 => Value::S(field.text().ok()?),
            2 => Value::N(field.text().ok()?),
            3 => Value::B(field.bytes().ok()?),
            4 => Value::Bool(field.varint().ok()? != 0),
            5 => Value::Null(field.varint().ok()? != 0),
            6 => Value::Ss(Texts(field.bytes().ok()?)),
            7 => Value::Ns(Texts(field.bytes().ok()?)),
            8 => Value::Bs(Blobs(field.bytes().ok()?)),
            9 => Value::L(List(field.bytes().ok()?)),
            10 => Value::M(Map(field.bytes().ok()?)),
            _ => return None,
        })
    }
}

macro_rules! sequences {
    ($($(#[$doc:meta])* $name:ident, $item:ty, $read:expr;)*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name<'a>(&'a [u8]);

        impl<'a> $name<'a> {
            /// The elements in stored order.
            pub fn iter(self) -> impl Iterator<Item = $item> {
                elements(self.0).filter_map($read)
            }
        })*
    };
}

sequences! {
    /// The strings of a set of strings or numbers.
    Texts, &'a str, |bytes| str::from_utf8(bytes).ok();
    /// The members of a binary set.
    Blobs, &'a [u8], Some;
    /// The values of a list.
    List, Value<'a>, |bytes| Some(Value::of(bytes));
}

/// The bytes of every field 1 of a message that has been checked.
fn elements(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut fields = Fields::new(message);
    std::iter::from_fn(move || {
        loop {
            if let (1, Field::Bytes(bytes)) = fields.next().ok().flatten()? {
                return Some(bytes);
            }
        }
    })
}

/// Checks every field 1 of a message with `check`.
fn check_elements(message: &[u8], mut check: impl FnMut(Field<'_>) -> Result<()>) -> Result<()> {
    let mut fields = Fields::new(message);
    while let Some((number, field)) = fields.next()? {
        if number == 1 {
            check(field)?;
        }
    }
    Ok(())
}

/// Checks an item or a map value; `levels` is how many more levels of values it may have.
fn check_map(message: &[u8], levels: usize) -> Result<()> {
    check_elements(message, |entry| {
        let mut fields = Fields::new(entry.bytes()?);
        while let Some((number, field)) = fields.next()? {
            match number {
                1 => check_text(field)?,
                2 => check_value(field, levels)?,
                _ => {}
            }
        }
        Ok(())
    })
}

fn check_value(value: Field<'_>, levels: usize) -> Result<()> {
    let levels = levels.checked_sub(1).or_value("its values are nested more than 256 levels deep")?;
    let mut fields = Fields::new(value.bytes()?);
    while let Some((number, field)) = fields.next()? {
        check_member(number, field, levels)?;
    }
    Ok(())
}

fn check_member(number: u32, field: Field<'_>, levels: usize) -> Result<()> {
    match number {
        1 | 2 => check_text(field),
        3 => field.bytes().map(drop),
        4 | 5 => field.varint().map(drop),
        6 | 7 => check_elements(field.bytes()?, check_text),
        8 => check_elements(field.bytes()?, |blob| blob.bytes().map(drop)),
        9 => check_elements(field.bytes()?, |value| check_value(value, levels)),
        10 => check_map(field.bytes()?, levels),
        _ => Ok(()),
    }
}

fn check_text(field: Field<'_>) -> Result<()> {
    str::from_utf8(field.bytes()?).map(drop).map_err(|_| NOT_UTF8)
}

/// Appends the value of a `!ddb|item|` row.
pub fn item_into(item: &DynamoItem, out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    messages::append(item, out);
}

impl From<Item<'_>> for DynamoItem {
    fn from(item: Item<'_>) -> DynamoItem {
        DynamoItem { attributes: owned_map(item.attributes()) }
    }
}

impl From<Value<'_>> for DynamoAttributeValue {
    /// The depth is bounded by [`MAX_NESTING`], which the parser has checked.
    fn from(value: Value<'_>) -> DynamoAttributeValue {
        let texts = |set: Texts<'_>| DynamoTexts { values: set.iter().map(str::to_owned).collect() };
        let value = match value {
            Value::S(text) => DynamoValue::S(text.to_owned()),
            Value::N(text) => DynamoValue::N(text.to_owned()),
            Value::B(bytes) => DynamoValue::B(bytes.to_vec()),
            Value::Bool(flag) => DynamoValue::Bool(flag),
            Value::Null(flag) => DynamoValue::Null(flag),
            Value::Ss(set) => DynamoValue::Ss(texts(set)),
            Value::Ns(set) => DynamoValue::Ns(texts(set)),
            Value::Bs(set) => DynamoValue::Bs(DynamoBinaries { values: set.iter().map(<[u8]>::to_vec).collect() }),
            Value::L(list) => DynamoValue::L(DynamoList { values: list.iter().map(Into::into).collect() }),
            Value::M(map) => DynamoValue::M(DynamoMap { values: owned_map(map) }),
            Value::Unset => return DynamoAttributeValue::default(),
        };
        DynamoAttributeValue { value: Some(value) }
    }
}

fn owned_map(map: Map<'_>) -> BTreeMap<String, DynamoAttributeValue> {
    map.stored().map(|entry| (entry.name.to_owned(), entry.value().into())).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::dynamodb::wire::{b, field, item, member, n, nested, pair, s};

    fn shown(value: Value<'_>) -> String {
        match value {
            Value::Ss(set) | Value::Ns(set) => format!("{:?}", set.iter().collect::<Vec<_>>()),
            Value::Bs(set) => format!("{:?}", set.iter().collect::<Vec<_>>()),
            Value::L(list) => format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(", ")),
            Value::M(map) => format!(
                "{{{}}}",
                map.stored().map(|e| e.name.to_owned() + ": " + &shown(e.value())).collect::<String>()
            ),
            plain => format!("{plain:?}"),
        }
    }

    #[test]
    fn kinds() {
        let cases: &[(Vec<u8>, &str)] = &[
            (s("x"), "S(\"x\")"),
            (n("1.50"), "N(\"1.50\")"),
            (b(b"\xff"), "B([255])"),
            (b"\x20\x00".to_vec(), "Bool(false)"),
            (b"\x20\x02".to_vec(), "Bool(true)"),
            (b"\x28\x01".to_vec(), "Null(true)"),
            (b"\x28\x00".to_vec(), "Null(false)"),
            (field(6, &[field(1, b"b"), field(1, b"a")].concat()), "[\"b\", \"a\"]"),
            (field(7, &field(1, b"1")), "[\"1\"]"),
            (field(8, &field(1, b"\0")), "[[0]]"),
            (field(6, b""), "[]"),
            (field(9, &[field(1, &s("x")), field(1, b"")].concat()), "[S(\"x\"), Unset]"),
            (field(10, &member("k", &n("1"))), "{k: N(\"1\")}"),
            (vec![], "Unset"),
            (field(42, b"later"), "Unset"),
            ([s("first"), n("2")].concat(), "N(\"2\")"),
        ];
        for (value, want) in cases {
            let row = item(&[member("a", value)]);
            assert_eq!(shown(Item::parse(&row).unwrap().get("a").unwrap()), *want);
        }
    }

    #[test]
    fn maps_are_sorted_and_the_last_entry_wins() {
        let row = item(&[member("b", &n("1")), member("a", &n("2")), member("b", &n("3")), field(1, &field(1, b"c"))]);
        let item = Item::parse(&row).unwrap();
        let outer = Entry { name: "outer", value: b"" };
        let mut stack = vec![outer];
        item.attributes().push_sorted(&mut stack);
        let got: Vec<_> = stack.iter().map(|e| (e.name, e.value())).collect();
        let want = [("outer", Value::Unset), ("a", Value::N("2")), ("b", Value::N("3")), ("c", Value::Unset)];
        assert_eq!(got, want);
        assert_eq!(item.get("b"), Some(Value::N("3")));
        assert_eq!(item.get("d"), None);
        assert_eq!(Item::parse(MAGIC).unwrap().attributes().stored().count(), 0);
    }

    #[test]
    fn nesting_is_bounded() {
        for (levels, fine) in [(1, true), (60, true), (MAX_NESTING, true), (MAX_NESTING + 1, false), (2_000, false)] {
            let row = item(&[member("a", &nested(levels))]);
            assert_eq!(Item::parse(&row).is_ok(), fine, "{levels}");
        }
        let maps = (0..MAX_NESTING).fold(s("x"), |inner, _| field(10, &member("m", &inner)));
        let fault = Fault::Value("its values are nested more than 256 levels deep");
        assert_eq!(Item::parse(&item(&[member("a", &maps)])), Err(fault));
    }

    #[test]
    fn invalid() {
        for bad in [&b""[..], b"\0DI", b"\0DI\x02", b"\0DS\x01"] {
            assert_eq!(Item::parse(bad), Err(Fault::Value("it lacks the magic of an item")));
        }
        let texts = [
            field(1, &pair(b"\xff", &s("x"))),
            member("a", &field(1, b"\xff")),
            member("a", &field(2, b"\xff")),
            member("a", &field(6, &field(1, b"\xff"))),
            member("a", &field(7, &field(1, b"\xff"))),
            member("a", &field(9, &field(1, &field(1, b"\xff")))),
            member("a", &field(10, &field(1, &pair(b"\xff", b"")))),
            member("a", &[field(1, b"\xff"), n("1")].concat()),
        ];
        for text in &texts {
            assert_eq!(Item::parse(&item(std::slice::from_ref(text))), Err(NOT_UTF8), "{text:02x?}");
        }
        let broken = [
            b"\x0a".to_vec(),
            b"\x08\x01".to_vec(),
            field(1, b"\x0a\x09a"),
            member("a", b"\x0a\x02x"),
            member("a", b"\x08\x01"),
            member("a", &field(4, b"")),
            member("a", &field(8, b"\x08\x01")),
            member("a", &field(9, b"\x0a\x05")),
        ];
        for bytes in &broken {
            let want = Err(Fault::Value("its protobuf cannot be decoded"));
            assert_eq!(Item::parse(&item(std::slice::from_ref(bytes))), want, "{bytes:02x?}");
        }
    }

    fn any_value() -> impl Strategy<Value = DynamoAttributeValue> {
        let some = |value| DynamoAttributeValue { value: Some(value) };
        let leaf = prop_oneof![
            Just(DynamoAttributeValue::default()),
            any::<String>().prop_map(move |text| some(DynamoValue::S(text))),
            any::<String>().prop_map(move |text| some(DynamoValue::N(text))),
            any::<Vec<u8>>().prop_map(move |bytes| some(DynamoValue::B(bytes))),
            any::<bool>().prop_map(move |flag| some(DynamoValue::Bool(flag))),
            any::<bool>().prop_map(move |flag| some(DynamoValue::Null(flag))),
            any::<Vec<String>>().prop_map(move |values| some(DynamoValue::Ss(DynamoTexts { values }))),
            any::<Vec<String>>().prop_map(move |values| some(DynamoValue::Ns(DynamoTexts { values }))),
            any::<Vec<Vec<u8>>>().prop_map(move |values| some(DynamoValue::Bs(DynamoBinaries { values }))),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let list = prop::collection::vec(inner.clone(), 0..4);
            let map = prop::collection::btree_map(any::<String>(), inner, 0..4);
            prop_oneof![
                list.prop_map(move |values| some(DynamoValue::L(DynamoList { values }))),
                map.prop_map(move |values| some(DynamoValue::M(DynamoMap { values }))),
            ]
        })
    }

    proptest! {
        #[test]
        fn encoded_items_are_parsed(attributes in prop::collection::btree_map(any::<String>(), any_value(), 0..5)) {
            let message = DynamoItem { attributes };
            let value = crate::format::encoded(|out| item_into(&message, out));
            let item = Item::parse(&value).unwrap();
            prop_assert_eq!(crate::format::encoded(|out| item.encode(out)), value.clone());
            prop_assert_eq!(DynamoItem::from(item), message);
        }
    }
}
