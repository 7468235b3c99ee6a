//! All rows of one user key, and the types that the server sees in them (`redis.md` §3).

use crate::dataset::{DataSet, Row};
use crate::error::{Error, Result};
use crate::format::redis::list::{self, ListDelta};
use crate::format::redis::{key, meta};
use crate::format::{Family, Fault};
use crate::model::redis::Type;

use super::merge::{Head, KeyStream};

/// The types that a key can have, in the server's probe order (`redis.md` §3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Str,
    Hll,
    Bare,
    List,
    Hash,
    Set,
    Zset,
    HashBlob,
    SetBlob,
    ZsetBlob,
    Stream,
    StreamBlob,
}

impl Kind {
    /// The type of its objects.
    pub const fn of_type(self) -> Type {
        match self {
            Kind::Str | Kind::Bare => Type::String,
            Kind::Hll => Type::Hll,
            Kind::List => Type::List,
            Kind::Hash | Kind::HashBlob => Type::Hash,
            Kind::Set | Kind::SetBlob => Type::Set,
            Kind::Zset | Kind::ZsetBlob => Type::Zset,
            Kind::Stream | Kind::StreamBlob => Type::Stream,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Kind::Str => "string",
            Kind::Hll => "hll",
            Kind::Bare => "bare string",
            Kind::List => "list",
            Kind::Hash => "hash",
            Kind::Set => "set",
            Kind::Zset => "zset",
            Kind::HashBlob => "legacy hash",
            Kind::SetBlob => "legacy set",
            Kind::ZsetBlob => "legacy zset",
            Kind::Stream => "stream",
            Kind::StreamBlob => "legacy stream",
        }
    }
}

/// The sum of the deltas of a collection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Deltas {
    pub count: u64,
    pub len: i128,
    pub head: i128,
}

impl Deltas {
    fn add(&mut self, head: i64, len: i64) {
        self.count += 1;
        self.head += i128::from(head);
        self.len += i128::from(len);
    }
}

/// Base record, deltas and elements of a hash, set or sorted set.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wide<'a> {
    pub meta: Option<Row<'a>>,
    pub deltas: Deltas,
    /// The stream with the elements, positioned at the first one.
    pub elements: Option<usize>,
    pub blob: Option<Row<'a>>,
}

impl Wide<'_> {
    fn is_wide(&self) -> bool {
        self.meta.is_some() || self.deltas.count > 0 || self.elements.is_some()
    }

    fn kind(&self, wide: Kind, blob: Kind) -> Option<Kind> {
        if self.is_wide() { Some(wide) } else { self.blob.map(|_| blob) }
    }
}

/// Everything about one user key.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found<'a> {
    /// The row of the TTL index, and the expiry it states.
    pub ttl: Option<(Row<'a>, u64)>,
    pub str: Option<Row<'a>>,
    pub hll: Option<Row<'a>>,
    pub bare: Option<Row<'a>>,
    pub hash: Wide<'a>,
    pub set: Wide<'a>,
    pub zset: Wide<'a>,
    pub list_meta: Option<Row<'a>>,
    pub list_deltas: Deltas,
    pub stream_meta: Option<Row<'a>>,
    pub stream_blob: Option<Row<'a>>,
    /// The stream with the entries.
    pub entries: Option<usize>,
}

impl<'a> Found<'a> {
    /// Takes the rows that a stream has of `key`. Element rows stay in the stream and are read later. `planted` gets
    /// the errors of auxiliary rows that cannot be parsed: such rows are ignored.
    pub fn gather(
        &mut self,
        set: &DataSet<'a>,
        key: &[u8],
        index: usize,
        stream: &mut KeyStream<'_, 'a>,
        planted: &mut dyn FnMut(Error),
    ) -> Result<()> {
        let family = stream.family;
        match family {
            Family::HashField => self.hash.elements = Some(index),
            Family::SetMember => self.set.elements = Some(index),
            Family::ZsetMember => self.zset.elements = Some(index),
            Family::StreamEntry => self.entries = Some(index),
            // As many rows as members, of which only the form is checked.
            Family::ZsetScore => {
                while let Some(head) = stream.take(key)? {
                    if let Err(fault) = meta::check_score_index(head.rest) {
                        planted(set.locate(head.row.fault(family, fault)));
                    }
                }
            }
            _ => {
                while let Some(head) = stream.take(key)? {
                    let Err(fault) = self.take(family, &head) else { continue };
                    let error = set.locate(head.row.fault(family, fault));
                    match family.is_auxiliary() {
                        true => planted(error),
                        false => return Err(error),
                    }
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, family: Family, head: &Head<'a>) -> std::result::Result<(), Fault> {
        let row = Some(head.row);
        match family {
            Family::Ttl => self.ttl = Some((head.row, meta::index_ttl(head.row.body)?)),
            Family::Str => self.str = row,
            Family::Hll => self.hll = row,
            Family::Bare => self.bare = row,
            Family::HashBlob => self.hash.blob = row,
            Family::SetBlob => self.set.blob = row,
            Family::ZsetBlob => self.zset.blob = row,
            Family::StreamBlob => self.stream_blob = row,
            Family::ListMeta => self.list_meta = row,
            Family::HashMeta | Family::SetMeta | Family::ZsetMeta | Family::StreamMeta => {
                key::no_rest(head.rest)?;
                *self.meta_slot(family) = row;
            }
            Family::HashDelta => self.hash.deltas.add(0, length_delta(head)?),
            Family::SetDelta => self.set.deltas.add(0, length_delta(head)?),
            Family::ZsetDelta => self.zset.deltas.add(0, length_delta(head)?),
            Family::ListDelta | Family::ListDeltaNew => {
                let delta = list_delta(head.rest, head.row.body)?;
                self.list_deltas.add(delta.head, delta.len);
            }
            Family::ListClaim => list::check_claim(head.rest)?,
            _ => {}
        }
        Ok(())
    }

    fn meta_slot(&mut self, family: Family) -> &mut Option<Row<'a>> {
        match family {
            Family::HashMeta => &mut self.hash.meta,
            Family::SetMeta => &mut self.set.meta,
            Family::ZsetMeta => &mut self.zset.meta,
            _ => &mut self.stream_meta,
        }
    }

    /// The types of which the key has rows, in probe order: the server uses the first one.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        let list = self.list_meta.is_some() || self.list_deltas.count > 0;
        // With a meta, the old blob is hidden. Without a meta, the server reports the type and an empty stream.
        let blob = self.stream_blob.map(|_| Kind::StreamBlob);
        let stream = self.stream_meta.map_or(blob, |_| Some(Kind::Stream));
        let mut kinds = [
            self.str.map(|_| Kind::Str),
            self.hll.map(|_| Kind::Hll),
            self.bare.map(|_| Kind::Bare),
            list.then_some(Kind::List),
            self.hash.kind(Kind::Hash, Kind::HashBlob),
            self.set.kind(Kind::Set, Kind::SetBlob),
            self.zset.kind(Kind::Zset, Kind::ZsetBlob),
            stream,
        ];
        kinds.sort_by_key(|kind| kind.map_or(u8::MAX, |kind| kind as u8));
        kinds.into_iter().flatten()
    }
}

fn length_delta(head: &Head<'_>) -> std::result::Result<i64, Fault> {
    key::check_delta(head.rest)?;
    meta::delta(head.row.body)
}

/// A list delta, from the part of its key after the user key and its value.
pub(super) fn list_delta(rest: &[u8], body: &[u8]) -> std::result::Result<ListDelta, Fault> {
    key::check_delta(rest)?;
    ListDelta::parse(body)
}

/// Parses a row; an error has its location.
#[inline]
pub(super) fn parse<'a, T>(
    set: &DataSet<'_>,
    family: Family,
    row: &Row<'a>,
    parser: impl FnOnce(&'a [u8]) -> std::result::Result<T, Fault>,
) -> Result<T> {
    parser(row.body).map_err(|fault| set.locate(row.fault(family, fault)))
}
