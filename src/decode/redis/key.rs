//! All that the inputs hold about one user key, and what the server makes of it (`redis.md` §3).

use crate::dataset::{DataSet, Row};
use crate::error::Result;
use crate::format::redis::list::{self, ListDelta};
use crate::format::redis::{key, meta};
use crate::format::{Family, Fault};

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
}

impl Kind {
    /// The folder that its objects are in.
    pub const fn folder(self) -> &'static str {
        match self {
            Kind::Str | Kind::Bare => "strings",
            Kind::Hll => "hll",
            Kind::List => "lists",
            Kind::Hash | Kind::HashBlob => "hashes",
            Kind::Set | Kind::SetBlob => "sets",
            Kind::Zset | Kind::ZsetBlob => "zsets",
            Kind::Stream => "streams",
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
        }
    }
}

/// Sum of the deltas of a collection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Deltas {
    pub count: u64,
    pub len: i128,
    pub head: i128,
    /// Smallest commit timestamp of them.
    pub oldest: u64,
}

impl Deltas {
    fn add(&mut self, ts: u64, head: i64, len: i64) {
        self.oldest = if self.count == 0 { ts } else { self.oldest.min(ts) };
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
    /// The stream that has the elements, positioned at the first.
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
    pub ttl: Option<Row<'a>>,
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
    /// The stream that has the entries.
    pub entries: Option<usize>,
}

impl<'a> Found<'a> {
    /// Takes what a stream has of `key`; element rows stay where they are, to be streamed.
    pub fn gather(
        &mut self,
        set: &DataSet<'a>,
        key: &[u8],
        index: usize,
        stream: &mut KeyStream<'_, 'a>,
    ) -> Result<()> {
        let family = stream.family;
        let located = |row: &Row<'_>, fault| set.locate(row.fault(family, fault));
        match family {
            Family::HashField => self.hash.elements = Some(index),
            Family::SetMember => self.set.elements = Some(index),
            Family::ZsetMember => self.zset.elements = Some(index),
            Family::StreamEntry => self.entries = Some(index),
            _ => {
                while let Some(head) = stream.take(key)? {
                    self.take(family, &head).map_err(|fault| located(&head.row, fault))?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, family: Family, head: &Head<'a>) -> std::result::Result<(), Fault> {
        let row = Some(head.row);
        match family {
            Family::Ttl => self.ttl = row,
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
            Family::HashDelta => self.hash.deltas.add(key::delta_ts(head.rest)?, 0, meta::delta(head.row.body)?),
            Family::SetDelta => self.set.deltas.add(key::delta_ts(head.rest)?, 0, meta::delta(head.row.body)?),
            Family::ZsetDelta => self.zset.deltas.add(key::delta_ts(head.rest)?, 0, meta::delta(head.row.body)?),
            Family::ListDelta | Family::ListDeltaNew => {
                let delta = ListDelta::parse(head.row.body)?;
                self.list_deltas.add(key::delta_ts(head.rest)?, delta.head, delta.len);
            }
            Family::ListClaim => list::check_claim(head.rest)?,
            Family::ZsetScore => meta::check_score_index(head.rest)?,
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

    /// The types that the key has rows of, in probe order: the first is what the server answers.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        let list = self.list_meta.is_some() || self.list_deltas.count > 0;
        // Without its meta a stream does not exist for the server; with it the old blob is shadowed.
        let stream = if self.stream_meta.is_some() { Some(Kind::Stream) } else { None };
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

/// Where the expiry of a key comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum TtlOwner {
    /// The value or meta says it: `None` for never. The index is ignored.
    Inline(Option<u64>),
    /// The index decides.
    Index,
    /// The index decides, unless its row is older than these deltas, which have no meta.
    Deltas(Deltas),
}

/// The expiry of a key, and whether its index row is stale.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Expiry {
    /// Unix milliseconds; never 0, which a restore would take for "none".
    pub at: Option<u64>,
    pub stale_index: bool,
}

/// Resolves the expiry (`redis.md` §3.4, §6.1). A time before 1970 is written as 1.
pub(super) fn expiry(owner: TtlOwner, index: Option<(Row<'_>, u64)>) -> Expiry {
    let kept = |at: Option<u64>| Expiry { at: at.map(|ms| ms.max(1)), stale_index: false };
    match (owner, index) {
        (TtlOwner::Inline(at), _) => kept(at),
        (TtlOwner::Deltas(deltas), Some((row, _))) if row.commit_ts < deltas.oldest => {
            Expiry { at: None, stale_index: true }
        }
        (_, index) => kept(index.map(|(_, ms)| ms)),
    }
}

/// The owner of the TTL of a collection: its meta if that has room for one (`0` = none), else the index.
pub(super) fn collection_owner(meta: Option<Option<u64>>, deltas: Deltas) -> TtlOwner {
    match meta {
        Some(Some(ms)) => TtlOwner::Inline((ms > 0).then_some(ms)),
        None if deltas.count > 0 => TtlOwner::Deltas(deltas),
        _ => TtlOwner::Index,
    }
}

/// Located parse of a row.
pub(super) fn parse<'a, T>(
    set: &DataSet<'_>,
    family: Family,
    row: &Row<'a>,
    parser: impl FnOnce(&'a [u8]) -> std::result::Result<T, Fault>,
) -> Result<T> {
    parser(row.body).map_err(|fault| set.locate(row.fault(family, fault)))
}
