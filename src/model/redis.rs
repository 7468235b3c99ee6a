//! Redis keys (`docs/format/redis.md` §3).

use crate::error::Result;
use crate::format::redis::stream::{StreamEntry, StreamId};

/// The type of a key, as in the reply of `TYPE`. HyperLogLogs, which the server stores separately from strings, have their own type.
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

/// Whether the server serves an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It does.
    Served,
    /// It does not: the key is served as another type, or a stream has no meta. Only on request.
    Orphan,
}

/// A key, without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'k> {
    /// The user key: any bytes.
    pub name: &'k [u8],
    /// Its type.
    pub kind: Type,
    /// When it expires: Unix milliseconds; `None` is never. For a collection that is read from an output, only [`end`](Visitor::end) has
    /// it.
    pub expire_at_ms: Option<u64>,
    /// Whether the server serves it.
    pub standing: Standing,
    /// Whether it is a string that is stored under its own name, as old servers and the raw-KV interface write it: a client of Redis sees
    /// no difference, but a client of that interface does.
    pub bare: bool,
}

/// What a stream says about itself; no other type has anything after its elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamEnd {
    /// The number of entries, as in the reply of `XLEN`.
    pub length: i64,
    /// The last ID that was generated.
    pub last: StreamId,
}

/// Takes the keys of one split in byte order; a key served as one type may be followed by its orphans of other types.
///
/// A string or HyperLogLog is one call. Any other key is a call of [`begin`](Visitor::begin), one for each element, all of the key's type,
/// and one of [`end`](Visitor::end) or [`abandon`](Visitor::abandon). Every call has the key, so that a visitor need not copy it.
///
/// An error of a visitor ends the read of the split.
pub trait Visitor {
    /// The commit time of the next string or element (HLC). Only a snapshot has it.
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

    /// A member of a sorted set; the score can be infinite or, in damaged data, NaN.
    fn scored(&mut self, key: &Key<'_>, member: &[u8], score: f64) -> Result<()>;

    /// An entry of a stream; its `id_text` is the text of `id`, whatever the row has.
    fn entry(&mut self, key: &Key<'_>, id: StreamId, entry: &StreamEntry<'_>) -> Result<()>;

    /// The collection is complete.
    fn end(&mut self, key: &Key<'_>, stream: StreamEnd) -> Result<()>;

    /// A row of the collection cannot be read: its elements so far are invalid.
    fn abandon(&mut self, key: &Key<'_>) -> Result<()>;

    /// Items that belong to no list, or are outside the bounds of their list, by their numbers; they come after all splits.
    fn stray_items(&mut self, key: &[u8], items: &[&[u8]]) -> Result<()>;

    /// An expiry of a key that does not exist: Unix milliseconds.
    fn stray_expiry(&mut self, key: &[u8], expire_at_ms: u64) -> Result<()>;
}
