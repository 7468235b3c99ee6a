//! Table schemas: `00 44 53 01` and a protobuf (`dynamodb.md` §2).
//!
//! | message | fields |
//! |---|---|
//! | table | 1 name · 2 map attribute name → type · 3 key · 4 map index name → index |
//! | | 5 key encoding version · 6 generation being migrated from · 7 generation |
//! | key | 1 hash attribute · 2 range attribute |
//! | index | 1 key · 2 projection (1 type · 2 repeated attribute) |

use std::collections::BTreeMap;

use crate::format::fault::Result;
use crate::format::messages;
use crate::format::proto::{Field, Fields};

/// Magic of a schema value.
pub const MAGIC: &[u8; 4] = b"\0DS\x01";

/// A table as the server stored it, with owned strings; for a row with millions of indexes see
/// [`StoredSchema`](super::stored::StoredSchema).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// The name inside the value; the key has a name too, and the two may differ.
    pub table_name: String,
    /// Declared attributes by name: `S`, `N` or `B`. The server does not enforce them on items.
    pub attributes: BTreeMap<String, String>,
    /// The key attributes of the table.
    pub key: KeyNames,
    /// Global secondary indexes by name.
    pub indexes: BTreeMap<String, Index>,
    /// How primary keys are encoded in row keys: below 2 in the old way.
    pub key_encoding_version: u64,
    /// The generation that a migration still copies from; 0 = none.
    pub migrating_from_generation: u64,
    /// The live generation.
    pub generation: u64,
}

/// Names of the key attributes of a table or an index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyNames {
    /// The hash attribute.
    pub hash: String,
    /// The range attribute; empty = none.
    pub range: String,
}

/// A global secondary index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// The key attributes of the index.
    pub key: KeyNames,
    /// `ALL`, `KEYS_ONLY`, `INCLUDE`, or empty in old rows, which the server reads as `ALL`.
    pub projection: String,
    /// What `INCLUDE` adds, in stored order.
    pub non_key_attributes: Vec<String>,
}

/// Which of a table's generations an item belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// The live generation.
    Active,
    /// The generation that a migration copies from: live unless the active one has the same primary key.
    Source,
    /// Neither: left over from a table that was deleted or created again.
    Stale,
}

impl Schema {
    /// Sets the value of a field, except attributes and indexes.
    pub(super) fn set(&mut self, number: u32, field: Field<'_>) -> Result<()> {
        match number {
            1 => self.table_name = owned(field)?,
            3 => self.key.merge(field.bytes()?)?,
            5 => self.key_encoding_version = field.varint()?,
            6 => self.migrating_from_generation = field.varint()?,
            7 => self.generation = field.varint()?,
            _ => {}
        }
        Ok(())
    }

    /// The declared type of an attribute; `None` when the table does not declare it.
    pub fn declared(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }

    /// The meaning for this table of a generation in an item key.
    pub const fn liveness(&self, generation: u64) -> Liveness {
        if generation == self.generation {
            Liveness::Active
        } else if generation == self.migrating_from_generation && generation != 0 {
            Liveness::Source
        } else {
            Liveness::Stale
        }
    }
}

impl KeyNames {
    pub(super) fn merge(&mut self, message: &[u8]) -> Result<()> {
        each(message, |number, field| {
            match number {
                1 => self.hash = owned(field)?,
                2 => self.range = owned(field)?,
                _ => {}
            }
            Ok(())
        })
    }
}

/// Calls `take` for every field of a message in wire order.
pub(super) fn each<'v>(message: &'v [u8], mut take: impl FnMut(u32, Field<'v>) -> Result<()>) -> Result<()> {
    let mut fields = Fields::new(message);
    while let Some((number, field)) = fields.next()? {
        take(number, field)?;
    }
    Ok(())
}

fn owned(field: Field<'_>) -> Result<String> {
    field.text().map(str::to_owned)
}

impl Schema {
    /// Appends the value of a `!ddb|meta|table|` row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let message = messages::DynamoTableSchema {
            table_name: self.table_name.clone(),
            attribute_definitions: self.attributes.clone(),
            primary_key: Some(self.key.message()),
            global_secondary_indexes: self
                .indexes
                .iter()
                .map(|(name, index)| (name.clone(), index.message()))
                .collect(),
            key_encoding_version: self.key_encoding_version,
            migrating_from_generation: self.migrating_from_generation,
            generation: self.generation,
        };
        out.extend_from_slice(MAGIC);
        messages::append(&message, out);
    }
}

impl KeyNames {
    fn message(&self) -> messages::DynamoKeySchema {
        messages::DynamoKeySchema { hash_key: self.hash.clone(), range_key: self.range.clone() }
    }
}

impl Index {
    fn message(&self) -> messages::DynamoGlobalSecondaryIndex {
        let projection = messages::DynamoGsiProjection {
            projection_type: self.projection.clone(),
            non_key_attributes: self.non_key_attributes.clone(),
        };
        messages::DynamoGlobalSecondaryIndex { key_schema: Some(self.key.message()), projection: Some(projection) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::dynamodb::wire::{field, pair};
    use crate::format::fault::Fault;

    fn value(parts: &[Vec<u8>]) -> Vec<u8> {
        [MAGIC.to_vec(), parts.concat()].concat()
    }

    #[test]
    fn everything() {
        let projection = [field(1, b"INCLUDE"), field(2, b"b"), field(2, b"a")].concat();
        let index = [field(1, &field(1, b"g")), field(2, &projection)].concat();
        let schema = Schema::parse(&value(&[
            field(1, b"orders"),
            field(2, &pair(b"sk", b"N")),
            field(2, &pair(b"pk", b"B")),
            field(2, &pair(b"pk", b"S")),
            field(3, &field(1, b"pk")),
            field(3, &field(2, b"sk")),
            field(4, &pair(b"gsi1", &index)),
            b"\x28\x02\x30\x07\x38\x09".to_vec(),
            field(99, b"unknown"),
        ]))
        .unwrap();
        assert_eq!(schema.table_name, "orders");
        assert_eq!((schema.declared("pk"), schema.declared("sk"), schema.declared("x")), (Some("S"), Some("N"), None));
        assert_eq!(schema.key, KeyNames { hash: "pk".into(), range: "sk".into() });
        let gsi = &schema.indexes["gsi1"];
        assert_eq!((gsi.key.hash.as_str(), gsi.projection.as_str()), ("g", "INCLUDE"));
        assert_eq!(gsi.non_key_attributes, ["b", "a"]);
        assert_eq!((schema.key_encoding_version, schema.migrating_from_generation, schema.generation), (2, 7, 9));
        let live = [9, 7, 8, 0].map(|generation| schema.liveness(generation));
        assert_eq!(live, [Liveness::Active, Liveness::Source, Liveness::Stale, Liveness::Stale]);
    }

    #[test]
    fn empty_and_incomplete() {
        assert_eq!(Schema::parse(MAGIC), Ok(Schema::default()));
        let bare = Schema::parse(&value(&[field(4, b""), field(2, b"")])).unwrap();
        assert_eq!(bare.indexes[""], Index::default());
        assert_eq!(bare.declared(""), Some(""));
    }

    #[test]
    fn invalid() {
        let magic = Fault::Value("it lacks the magic of a table schema");
        for bad in [&b""[..], b"\0DS", b"\0DS\x02", b"\0DI\x01"] {
            assert_eq!(Schema::parse(bad), Err(magic));
        }
        let broken: &[Vec<u8>] = &[
            field(1, b"\xff"),
            field(2, &pair(b"\xff", b"S")),
            field(2, &pair(b"a", b"\xff")),
            field(3, &field(1, b"\xff")),
            field(4, &pair(b"\xff", b"")),
            field(4, &pair(b"i", &field(1, &field(2, b"\xff")))),
            field(4, &pair(b"i", &field(2, &field(1, b"\xff")))),
            field(4, &pair(b"i", &field(2, &field(2, b"\xff")))),
            b"\x0a\x7f".to_vec(),
            b"\x38".to_vec(),
            b"\x08\x01".to_vec(),
            field(5, b""),
        ];
        for part in broken {
            assert!(matches!(Schema::parse(&value(std::slice::from_ref(part))), Err(Fault::Value(_))), "{part:02x?}");
        }
    }

    fn key() -> impl Strategy<Value = KeyNames> {
        any::<(String, String)>().prop_map(|(hash, range)| KeyNames { hash, range })
    }

    fn index() -> impl Strategy<Value = Index> {
        (key(), any::<String>(), any::<Vec<String>>()).prop_map(|(key, projection, non_key_attributes)| Index {
            key,
            projection,
            non_key_attributes,
        })
    }

    proptest! {
        #[test]
        fn encoded_schemas_are_parsed(
            table_name: String,
            attributes: BTreeMap<String, String>,
            key in key(),
            indexes in prop::collection::btree_map(any::<String>(), index(), 0..3),
            numbers: [u64; 3],
        ) {
            let [key_encoding_version, migrating_from_generation, generation] = numbers;
            let schema = Schema {
                table_name, attributes, key, indexes, key_encoding_version, migrating_from_generation, generation,
            };
            let value = crate::format::encoded(|out| schema.encode(out));
            prop_assert_eq!(Schema::parse(&value), Ok(schema));
        }
    }
}
