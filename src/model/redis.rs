//! Redis keys (`docs/format/redis.md` §3).

use crate::error::Result;
use crate::format::redis::stream::{StreamEntry, StreamId};

/// The type of a key, as `TYPE` answers; HyperLogLogs, which the server keeps apart from strings, have their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// A byte string.
    String,
    /// A HyperLogLog: its registers in the server's encoding.
    Hll,
    /// Fields with values, in the order of field names.
    Hash,
    /// Items, the first one first.
    List,
    /// Members, in byte order.
    Set,
    /// Members with scores, in the byte order of members.
    Zset,
    /// Entries in the order of their IDs.
    Stream,
}

impl Type {
    /// All of them.
    pub const ALL: [Type; 7] = [Type::String, Type::Hll, Type::Hash, Type::List, Type::Set, Type::Zset, Type::Stream];

    /// The collective name of keys of this type in file names, filters and counts: `strings`, `hashes`, ….
    pub const fn plural(self) -> &'static str {
        match self {
            Type::String => "strings",
            Type::Hll => "hll",
            Type::Hash => "hashes",
            Type::List => "lists",
            Type::Set => "sets",
            Type::Zset => "zsets",
            Type::Stream => "streams",
        }
    }

    /// The type with this collective name.
    pub fn of_plural(name: &str) -> Option<Type> {
        Type::ALL.into_iter().find(|kind| kind.plural() == name)
    }
}

/// Whether the server answers with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It does.
    Served,
    /// It does not: the key is served as another type, or a stream has no meta. Given only on request.
    Orphan,
}

/// A key, without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'k> {
    /// The user key: any bytes.
    pub name: &'k [u8],
    /// Its type.
    pub kind: Type,
    /// When it expires: Unix milliseconds; `None` is never. Of a collection that is read from an output, only
    /// [`end`](Visitor::end) is told.
    pub expire_at_ms: Option<u64>,
    /// Whether the server answers with it.
    pub standing: Standing,
    /// Whether it is a string that is stored under its own name, as servers of old and the raw-KV interface write it: a client of Redis
    /// sees no difference, one of that interface does.
    pub bare: bool,
}

/// What a stream states of itself; no other type has anything behind its elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamEnd {
    /// The number of entries, as `XLEN` answers.
    pub length: i64,
    /// The last ID that was generated.
    pub last: StreamId,
}

/// Takes the keys of one split in byte order; a key served as one type may have orphans of others behind it.
///
/// A string or HyperLogLog is one call. Any other key is a call of [`begin`](Visitor::begin), one for each element, all of the
/// key's type, and one of [`end`](Visitor::end) or [`abandon`](Visitor::abandon). Every call names the key, so that a visitor
/// need not copy it.
///
/// An error that a visitor gives ends the read of the split.
pub trait Visitor {
    /// When the string or element that comes next was committed (HLC). Only a snapshot tells it.
    #[inline]
    fn committed(&mut self, commit_ts: u64) {
        let _ = commit_ts;
    }

    /// A string, or a HyperLogLog.
    fn string(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()>;

    /// A collection begins.
    fn begin(&mut self, key: &Key<'_>) -> Result<()>;

    /// A field of a hash.
    fn field(&mut self, key: &Key<'_>, name: &[u8], value: &[u8]) -> Result<()>;

    /// An item of a list.
    fn item(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()>;

    /// A member of a set.
    fn member(&mut self, key: &Key<'_>, member: &[u8]) -> Result<()>;

    /// A member of a sorted set; the score can be infinite, or, of damaged data, not a number.
    fn scored(&mut self, key: &Key<'_>, member: &[u8], score: f64) -> Result<()>;

    /// An entry of a stream; its `id_text` is the text of `id`, whatever stands in the row.
    fn entry(&mut self, key: &Key<'_>, id: StreamId, entry: &StreamEntry<'_>) -> Result<()>;

    /// The collection is complete.
    fn end(&mut self, key: &Key<'_>, stream: StreamEnd) -> Result<()>;

    /// A row of the collection cannot be read: what was given of it counts for nothing.
    fn abandon(&mut self, key: &Key<'_>) -> Result<()>;

    /// Items that stand in no list, or outside the bounds of theirs, by their numbers; they come behind all splits.
    fn stray_items(&mut self, key: &[u8], items: &[&[u8]]) -> Result<()>;

    /// An expiry of a key that does not exist: Unix milliseconds.
    fn stray_expiry(&mut self, key: &[u8], expire_at_ms: u64) -> Result<()>;
}
