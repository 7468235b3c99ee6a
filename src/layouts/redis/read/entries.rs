//! The lines of a stream: one for each entry, and one that ends it.

use serde::Deserialize;

use crate::error::Result;
use crate::format::Fault;
use crate::format::redis::stream::{StreamEntry, StreamId, entry_into};
use crate::layouts::reading::Binary;
use crate::model::redis::{Key, StreamEnd, Visitor};

/// A line of an entry or of the end. In the packed layout it begins with the key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::layouts) struct Line {
    pub key: Option<Binary>,
    id: Option<String>,
    fields: Option<Vec<Field>>,
    _meta: Option<bool>,
    length: Option<i64>,
    last_ms: Option<u64>,
    last_seq: Option<u64>,
    #[serde(default, deserialize_with = "told")]
    expire_at_ms: Option<Option<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    name: Binary,
    value: Binary,
}

/// Distinguishes `null` from a missing member.
fn told<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// What a line is.
pub(in crate::layouts) enum Read {
    /// An entry.
    Entry(StreamId, Vec<u8>),
    /// The end of the stream: its stated length and last ID, and its expiry.
    End(StreamEnd, Option<u64>),
}

impl Line {
    /// What the line is. `Err`: it is neither.
    pub fn read(&self) -> std::result::Result<Read, &'static str> {
        let no_end = (self._meta, self.length, self.last_ms, self.last_seq, self.expire_at_ms);
        match (&self.id, &self.fields, no_end) {
            (Some(id), Some(fields), (None, None, None, None, None)) => {
                let id = StreamId::from_text(id.as_bytes()).ok_or("its id is not <ms>-<seq>")?;
                let mut value = Vec::new();
                entry_into(id, fields.iter().map(|field| (&*field.name.0, &*field.value.0)), &mut value);
                Ok(Read::Entry(id, value))
            }
            (None, None, (Some(true), Some(length), Some(ms), Some(seq), Some(expire_at_ms))) => {
                let end = StreamEnd { length, last: StreamId { ms, seq } };
                Ok(Read::End(end, expire_at_ms.filter(|ms| *ms > 0)))
            }
            _ => Err("it is neither an entry nor the end of a stream"),
        }
    }
}

/// Gives an entry.
pub(in crate::layouts) fn give_entry(
    visitor: &mut impl Visitor,
    key: &Key<'_>,
    id: StreamId,
    value: &[u8],
) -> std::result::Result<Result<()>, Fault> {
    Ok(visitor.entry(key, id, &StreamEntry::parse(value)?))
}
