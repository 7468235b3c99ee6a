//! Schemas as stored in a row. A row can have millions of attributes and indexes, and a decode needs few of them. So they are only checked
//! at first, and read again when they are needed.

use super::schema::{Index, KeyNames, MAGIC, Schema, each};
use crate::format::fault::{OrFault, Result};
use crate::format::last::LastOfEach;
use crate::format::proto::{Field, map_entry};

/// A schema whose attributes and indexes are still encoded.
#[derive(Debug)]
pub struct StoredSchema<'v> {
    /// All but the attributes and indexes.
    pub head: Schema,
    /// Map entries, sorted by name.
    attributes: Vec<&'v [u8]>,
    indexes: Vec<&'v [u8]>,
}

/// An index of such a schema.
#[derive(Debug, Clone, Copy)]
pub struct StoredIndex<'v>(&'v [u8]);

impl<'v> StoredSchema<'v> {
    /// Checks the value of a `!ddb|meta|table|` row.
    pub fn parse(value: &'v [u8]) -> Result<StoredSchema<'v>> {
        let message = value.strip_prefix(MAGIC).or_value("it lacks the magic of a table schema")?;
        let mut head = Schema::default();
        let name = |entry: &&'v [u8]| pair(entry).0;
        let (mut attributes, mut indexes) = (LastOfEach::new(name), LastOfEach::new(name));
        each(message, |number, field| {
            match number {
                2 => attributes.push(checked(field, |kind| Field::Bytes(kind).text().map(drop))?),
                4 => indexes.push(checked(field, check_index)?),
                _ => head.set(number, field)?,
            }
            Ok(())
        })?;
        Ok(StoredSchema { head, attributes: attributes.finish(), indexes: indexes.finish() })
    }

    /// The declared type of an attribute; `None` when the table does not declare it.
    pub fn declared(&self, attribute: &str) -> Option<&'v str> {
        let found = self.attributes.binary_search_by(|entry| pair(entry).0.cmp(attribute.as_bytes()));
        found.ok().and_then(|at| self.attributes.get(at)).map(|entry| text(pair(entry).1))
    }

    /// Declared attributes with their types, by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&'v str, &'v str)> {
        self.attributes.iter().map(|entry| pair(entry)).map(|(name, kind)| (text(name), text(kind)))
    }

    /// Global secondary indexes by name.
    pub fn indexes(&self) -> impl ExactSizeIterator<Item = (&'v str, StoredIndex<'v>)> {
        self.indexes.iter().map(|entry| pair(entry)).map(|(name, index)| (text(name), StoredIndex(index)))
    }

    /// What a decode of items needs: only the attributes of the key.
    pub fn outline(self) -> Schema {
        let declared = |name: &String| self.declared(name).map(|kind| (name.clone(), kind.to_owned()));
        let KeyNames { hash, range } = &self.head.key;
        let attributes = [hash, range].into_iter().filter_map(declared).collect();
        Schema { attributes, ..self.head }
    }
}

impl Schema {
    /// Parses the value of a `!ddb|meta|table|` row.
    pub fn parse(value: &[u8]) -> Result<Schema> {
        let stored = StoredSchema::parse(value)?;
        let attributes = stored.attributes().map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect();
        let indexes = stored.indexes().map(|(name, index)| (name.to_owned(), Index::of(index))).collect();
        Ok(Schema { attributes, indexes, ..stored.head })
    }
}

impl Index {
    fn of(stored: StoredIndex<'_>) -> Index {
        let mut non_key_attributes = Vec::new();
        stored.each_non_key(|name| non_key_attributes.push(name.to_owned()));
        Index { key: stored.key(), projection: stored.projection().to_owned(), non_key_attributes }
    }
}

impl<'v> StoredIndex<'v> {
    /// Its key attributes.
    pub fn key(self) -> KeyNames {
        let mut key = KeyNames::default();
        // It was checked, so this cannot fail.
        let _ = each(self.0, |number, field| if number == 1 { key.merge(field.bytes()?) } else { Ok(()) });
        key
    }

    /// `ALL`, `KEYS_ONLY`, `INCLUDE`, or empty.
    pub fn projection(self) -> &'v str {
        let mut last = "";
        self.each_of_projection(1, |projection| last = projection);
        last
    }

    /// What `INCLUDE` adds, in stored order.
    pub fn each_non_key(self, take: impl FnMut(&'v str)) {
        self.each_of_projection(2, take);
    }

    fn each_of_projection(self, wanted: u32, mut take: impl FnMut(&'v str)) {
        // It was checked, so this cannot fail.
        let _ = each(self.0, |number, field| {
            if number != 2 {
                return Ok(());
            }
            each(field.bytes()?, |number, field| {
                if number == wanted {
                    take(field.text()?);
                }
                Ok(())
            })
        });
    }
}

/// Checks an entry of a map: its name, and its value with `value`.
fn checked<'v>(field: Field<'v>, value: impl FnOnce(&'v [u8]) -> Result<()>) -> Result<&'v [u8]> {
    let entry = field.bytes()?;
    let (name, stored) = map_entry(entry)?;
    Field::Bytes(name).text()?;
    value(stored)?;
    Ok(entry)
}

fn check_index(message: &[u8]) -> Result<()> {
    each(message, |number, field| match number {
        1 => KeyNames::default().merge(field.bytes()?),
        2 => each(field.bytes()?, |number, field| match number {
            1 | 2 => field.text().map(drop),
            _ => Ok(()),
        }),
        _ => Ok(()),
    })
}

/// Name and value of an entry that was checked.
fn pair(entry: &[u8]) -> (&[u8], &[u8]) {
    map_entry(entry).unwrap_or_default()
}

/// Text that was checked.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
