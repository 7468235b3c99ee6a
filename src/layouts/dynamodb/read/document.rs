//! The document of a schema.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read;
use std::marker::PhantomData;

use serde::Deserialize;

use crate::error::Result;
use crate::format::dynamodb::Schema;
use crate::format::dynamodb::primary::ORDERED_VERSION;
use crate::format::dynamodb::schema::{Index, KeyNames};
use crate::layouts::reading::{Budget, Text, wrong};

/// The members of a document; only ekvsnap writes the last three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format_version: u64,
    table_name: String,
    primary_key: Keys,
    attribute_definitions: Vec<Attribute>,
    #[serde(default)]
    global_secondary_indexes: Vec<IndexOf>,
    generation: Option<u64>,
    key_encoding_version: Option<u64>,
    migrating_from_generation: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    hash_key: KeyAttribute,
    range_key: KeyAttribute,
}

/// The type is that of the declared attribute.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyAttribute {
    #[serde(default)]
    name: String,
    #[serde(rename = "type")]
    _kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attribute {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexOf {
    name: String,
    key_schema: Keys,
    projection: Projection,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Projection {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

impl From<Keys> for KeyNames {
    fn from(keys: Keys) -> KeyNames {
        KeyNames { hash: keys.hash_key.name, range: keys.range_key.name }
    }
}

/// Reads a document.
pub(super) fn read(path: &[u8], bytes: &mut dyn Read) -> Result<Schema> {
    let document = PhantomData::<Document>;
    let document = Text::new(path, bytes).document(&Budget::default(), document, &Cell::new(None))?;
    if document.format_version != 1 {
        return Err(wrong(path, "its format_version is not 1: a newer program wrote it"));
    }
    let attributes = document.attribute_definitions.into_iter().map(|of| (of.name, of.kind));
    let indexes = document.global_secondary_indexes.into_iter().map(|index| {
        let Projection { kind, non_key_attributes } = index.projection;
        (index.name, Index { key: index.key_schema.into(), projection: kind, non_key_attributes })
    });
    let members = (document.generation, document.key_encoding_version, document.migrating_from_generation);
    let (generation, key_encoding_version) = match members {
        // The public decoder writes none of them: then it is a table as the server creates it now.
        (None, None, None) => (1, ORDERED_VERSION),
        (generation, version, _) => (generation.unwrap_or_default(), version.unwrap_or_default()),
    };
    Ok(Schema {
        table_name: document.table_name,
        attributes: by_name(path, attributes)?,
        key: document.primary_key.into(),
        indexes: by_name(path, indexes)?,
        key_encoding_version,
        migrating_from_generation: document.migrating_from_generation.unwrap_or_default(),
        generation,
    })
}

fn by_name<T>(path: &[u8], all: impl Iterator<Item = (String, T)>) -> Result<BTreeMap<String, T>> {
    let mut map = BTreeMap::new();
    for (name, value) in all {
        if map.contains_key(&name) {
            return Err(wrong(path, format_args!("it has {name:?} twice")));
        }
        map.insert(name, value);
    }
    Ok(map)
}
