//! Attributes of an item, each in the envelope of its type.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use base64::Engine as _;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::format::b64::STANDARD;
use crate::format::dynamodb::item::MAX_NESTING;
use crate::format::messages::{
    DynamoAttributeValue, DynamoBinaries, DynamoItem, DynamoList, DynamoMap, DynamoTexts, DynamoValue,
};
use crate::layouts::reading::{Member, OncePerMember, expect_object};

/// The types, in the order of their fields.
const TYPES: Member = Member(&["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"]);
/// The members of a line.
const LINE: Member = Member(&["Item"]);

/// Reads a line of items.
pub(super) struct Line;

impl<'de> DeserializeSeed<'de> for Line {
    type Value = DynamoItem;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<DynamoItem, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Line {
    type Value = DynamoItem;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expect_object(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<DynamoItem, A::Error> {
        let (mut seen, mut item) = (OncePerMember::default(), DynamoItem::default());
        while let Some(member) = members.next_key_seed(LINE)? {
            seen.take(LINE, member)?;
            item = members.next_value_seed(Attributes)?;
        }
        seen.need(LINE, 0)?;
        Ok(item)
    }
}

/// Reads the attributes of an item.
pub(super) struct Attributes;

impl<'de> DeserializeSeed<'de> for Attributes {
    type Value = DynamoItem;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<DynamoItem, D::Error> {
        from.deserialize_map(Map(MAX_NESTING)).map(|attributes| DynamoItem { attributes })
    }
}

/// Names with values; the number is the maximum nesting of the values.
struct Map(usize);

impl<'de> DeserializeSeed<'de> for Map {
    type Value = BTreeMap<String, DynamoAttributeValue>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Map {
    type Value = BTreeMap<String, DynamoAttributeValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expect_object(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            match map.entry(name) {
                Entry::Vacant(vacant) => vacant.insert(members.next_value_seed(Value(self.0))?),
                Entry::Occupied(there) => {
                    return Err(A::Error::custom(format_args!("the attribute {:?} occurs twice", there.key())));
                }
            };
        }
        Ok(map)
    }
}

/// A value; the number is its maximum nesting.
#[derive(Clone, Copy)]
struct Value(usize);

impl<'de> DeserializeSeed<'de> for Value {
    type Value = DynamoAttributeValue;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<DynamoAttributeValue, D::Error> {
        match self.0.checked_sub(1) {
            Some(inner) => from.deserialize_map(Typed(inner)),
            None => Err(D::Error::custom("its values are nested more than 256 levels deep")),
        }
    }
}

/// The envelope of a value; the number is the maximum nesting of the values in it.
struct Typed(usize);

impl<'de> Visitor<'de> for Typed {
    type Value = DynamoAttributeValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with its type")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<DynamoAttributeValue, A::Error> {
        let kind = members.next_key_seed(TYPES)?.ok_or_else(|| A::Error::custom("a value has no type"))?;
        let value = match kind {
            0 => DynamoValue::S(members.next_value()?),
            1 => DynamoValue::N(members.next_value()?),
            2 => DynamoValue::B(members.next_value::<Blob>()?.0),
            3 => DynamoValue::Bool(members.next_value()?),
            4 => DynamoValue::Null(members.next_value()?),
            5 => DynamoValue::Ss(DynamoTexts { values: members.next_value()? }),
            6 => DynamoValue::Ns(DynamoTexts { values: members.next_value()? }),
            7 => {
                let values: Vec<Blob> = members.next_value()?;
                DynamoValue::Bs(DynamoBinaries { values: values.into_iter().map(|blob| blob.0).collect() })
            }
            8 => DynamoValue::L(DynamoList { values: members.next_value_seed(List(self.0))? }),
            _ => DynamoValue::M(DynamoMap { values: members.next_value_seed(Map(self.0))? }),
        };
        match members.next_key_seed(TYPES)? {
            None => Ok(DynamoAttributeValue { value: Some(value) }),
            Some(_) => Err(A::Error::custom("a value has two types")),
        }
    }
}

/// A list of values; the number is their maximum nesting.
struct List(usize);

impl<'de> DeserializeSeed<'de> for List {
    type Value = Vec<DynamoAttributeValue>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List {
    type Value = Vec<DynamoAttributeValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = elements.next_element_seed(Value(self.0))? {
            values.push(value);
        }
        Ok(values)
    }
}

/// Bytes in base64.
struct Blob(Vec<u8>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Blob, D::Error> {
        from.deserialize_str(Decoded).map(Blob)
    }
}

struct Decoded;

impl Visitor<'_> for Decoded {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
        STANDARD.decode(text).map_err(|_| E::custom("it is not base64"))
    }
}
