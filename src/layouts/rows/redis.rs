//! Redis keys as rows.
//!
//! | folder below `redis/db_0/` | a row for each |
//! |---|---|
//! | `keys` | key, with its type and expiry |
//! | `strings`, `hll` | value |
//! | `hashes`, `lists`, `sets`, `zsets`, `streams` | element |
//! | `_orphans/…` | the same for keys that the server does not serve; `ttl`, `list_items` |

use std::sync::LazyLock;

use super::{Cell, Column, Columns, Kind, Sink, column, moment};
use crate::error::Result;
use crate::format::adapter;
use crate::format::redis::stream::{StreamEntry, StreamId};
use crate::layouts::redis::{Counts, ORPHANS, SCOPE, base};
use crate::model::redis::{Key, Standing, StreamEnd, Type, Visitor};
use crate::options::filter::Filter;

/// The columns of all data sets, which are made once.
struct Tables {
    keys: Columns,
    of_type: [Columns; 7],
    list_items: Columns,
    ttl: Columns,
}

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::new);

impl Tables {
    fn new() -> Tables {
        let key = || column("key", Kind::Bytes);
        let repeated_key = || key().repeated();
        let bytes = |name| column(name, Kind::Bytes);
        let commit_ts = || column("commit_ts", Kind::U64);
        let expiry = || [column("expire_at", Kind::Millis).or_null(), column("expire_at_ms", Kind::U64).or_null()];
        let [expire_at, expire_at_ms] = expiry();
        let keys = vec![
            key(),
            column("type", Kind::Text).repeated(),
            expire_at,
            expire_at_ms,
            column("elements", Kind::U64),
            column("bytes", Kind::U64),
            column("stream_length", Kind::I64).or_null(),
            column("stream_last_ms", Kind::U64).or_null(),
            column("stream_last_seq", Kind::U64).or_null(),
            column("bare", Kind::Bool),
            commit_ts().or_null(),
        ];
        let string = || {
            let [expire_at, expire_at_ms] = expiry();
            vec![key(), bytes("value"), expire_at, expire_at_ms, commit_ts()]
        };
        let element = |columns: &[Column]| {
            let all = [&[repeated_key()], columns, &[commit_ts()]].concat();
            Columns::new(all, 1)
        };
        let stream = [
            column("id", Kind::Text),
            column("id_ms", Kind::U64),
            column("id_seq", Kind::U64),
            column("time", Kind::Millis).or_null(),
            column("fields", Kind::Pairs),
        ];
        let position = || column("position", Kind::U64);
        let [expire_at, expire_at_ms] = expiry();
        Tables {
            keys: Columns::new(keys, 1),
            // In the order of Type::ALL.
            of_type: [
                Columns::new(string(), 1),
                Columns::new(string(), 1),
                element(&[bytes("field").repeated(), bytes("value")]),
                element(&[position(), bytes("item")]),
                element(&[bytes("member")]),
                element(&[bytes("member"), column("score", Kind::F64)]),
                element(&stream),
            ],
            list_items: Columns::new(vec![repeated_key(), position(), bytes("item")], 1),
            ttl: Columns::new(vec![key(), expire_at, expire_at_ms], 1),
        }
    }
}

/// The columns of every data set: the same handles that a [`Sink`] receives.
pub fn all_columns() -> impl Iterator<Item = &'static Columns> {
    let Tables { keys, of_type, list_items, ttl } = &*TABLES;
    of_type.iter().chain([keys, list_items, ttl])
}

/// Kinds of data sets, their files in Parquet, and their columns.
#[cfg(all(feature = "parquet", feature = "cli"))]
pub(in crate::layouts) fn described() -> Vec<(&'static str, &'static str, Columns)> {
    let Tables { keys, of_type: [strings, hll, hashes, lists, sets, zsets, streams], list_items, ttl } = &*TABLES;
    vec![
        ("redis/keys", "redis/db_0/keys/part-*.parquet", keys.clone()),
        ("redis/strings", "redis/db_0/strings/part-*.parquet", strings.clone()),
        ("redis/hll", "redis/db_0/hll/part-*.parquet", hll.clone()),
        ("redis/hashes", "redis/db_0/hashes/part-*.parquet", hashes.clone()),
        ("redis/lists", "redis/db_0/lists/part-*.parquet", lists.clone()),
        ("redis/sets", "redis/db_0/sets/part-*.parquet", sets.clone()),
        ("redis/zsets", "redis/db_0/zsets/part-*.parquet", zsets.clone()),
        ("redis/streams", "redis/db_0/streams/part-*.parquet", streams.clone()),
        ("redis/list_items", "redis/db_0/_orphans/list_items/part-*.parquet", list_items.clone()),
        ("redis/ttl", "redis/db_0/_orphans/ttl/part-*.parquet", ttl.clone()),
    ]
}

/// Name and columns of a data set of served keys: of a type, or with `None` of the keys.
pub fn data_set(kind: Option<Type>) -> (String, &'static Columns) {
    named(Standing::Served, kind)
}

fn named(standing: Standing, kind: Option<Type>) -> (String, &'static Columns) {
    let (name, columns) = match kind {
        Some(kind) => (kind.plural(), &TABLES.of_type[kind as usize]),
        None => ("keys", &TABLES.keys),
    };
    (format!("{}/{name}", base(standing)), columns)
}

/// Makes rows of keys.
pub struct Rows<'o, S> {
    /// The receiver of the rows.
    to: S,
    filter: &'o Filter,
    /// The commit timestamps of the current element, and of the last one in the collection.
    commit_ts: u64,
    last_commit: Option<u64>,
    elements: u64,
    bytes: u64,
    counts: Counts,
    /// The numbers of the data sets as far as they are known: by standing and type, the keys last.
    numbers: [[Option<usize>; 8]; 2],
}

/// The position of the keys among the data sets of a standing.
const KEYS: usize = 7;

impl<'o, S: Sink> Rows<'o, S> {
    /// Passes rows to a sink; of collections, only those whose size passes the filter.
    pub fn new(to: S, filter: &'o Filter) -> Self {
        let (counts, numbers) = (Counts::default(), [[None; 8]; 2]);
        Rows { to, filter, commit_ts: 0, last_commit: None, elements: 0, bytes: 0, counts, numbers }
    }

    /// Creates the data sets that exist even if they stay empty.
    ///
    /// # Errors
    /// As [`Sink::set`].
    pub fn prepare(&mut self) -> Result<()> {
        (0..=KEYS).try_for_each(|kind| self.number(Standing::Served, kind).map(drop))
    }

    /// The sink, after it received the counts.
    pub fn finish(mut self) -> S {
        for (kind, objects, bytes) in self.counts.drain() {
            self.to.count(adapter::REDIS, SCOPE, kind, objects, bytes);
        }
        self.to
    }

    /// The number of a data set: of a type, or of the keys.
    #[inline]
    fn number(&mut self, standing: Standing, kind: usize) -> Result<usize> {
        match self.numbers[standing as usize][kind] {
            Some(number) => Ok(number),
            None => self.new_number(standing, kind),
        }
    }

    #[cold]
    fn new_number(&mut self, standing: Standing, kind: usize) -> Result<usize> {
        let (name, columns) = named(standing, Type::ALL.get(kind).copied());
        let number = self.to.set(&name, || columns.clone())?;
        self.numbers[standing as usize][kind] = Some(number);
        Ok(number)
    }

    /// A row of the keys.
    fn key(&mut self, key: &Key<'_>, stream: Option<StreamEnd>, commit_ts: Option<u64>) -> Result<()> {
        let keys = self.number(key.standing, KEYS)?;
        let [expire_at, expire_at_ms] = expiry(key.expire_at_ms);
        let of_stream = |cell: fn(StreamEnd) -> Cell<'static>| stream.map_or(Cell::Null, cell);
        let row = [
            Cell::Bytes(key.name),
            Cell::Bytes(type_name(key.kind).as_bytes()),
            expire_at,
            expire_at_ms,
            Cell::U64(self.elements),
            Cell::U64(self.bytes),
            of_stream(|end| Cell::I64(end.length)),
            of_stream(|end| Cell::U64(end.last.ms)),
            of_stream(|end| Cell::U64(end.last.seq)),
            Cell::Bool(key.bare),
            commit_ts.map_or(Cell::Null, Cell::U64),
        ];
        self.to.push(keys, &row)
    }

    /// Adds a row of a collection; `bytes`: the size of its content.
    #[inline]
    fn element(&mut self, key: &Key<'_>, bytes: usize, cells: &[Cell<'_>]) -> Result<()> {
        self.elements += 1;
        self.bytes += bytes as u64;
        self.last_commit = self.last_commit.max(Some(self.commit_ts));
        let set = self.number(key.standing, key.kind as usize)?;
        self.to.push(set, cells)
    }

    fn take_back(&mut self, key: &Key<'_>) -> Result<()> {
        let set = self.number(key.standing, key.kind as usize)?;
        self.to.abandon(set)
    }
}

/// The type as in the reply of `TYPE`; HyperLogLogs have their own.
const fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::String => "string",
        Type::Hll => "hll",
        Type::Hash => "hash",
        Type::List => "list",
        Type::Set => "set",
        Type::Zset => "zset",
        Type::Stream => "stream",
    }
}

/// An expiry: as a time, if readers support it, and as the stored number.
fn expiry(expire_at_ms: Option<u64>) -> [Cell<'static>; 2] {
    [expire_at_ms.map_or(Cell::Null, moment), expire_at_ms.map_or(Cell::Null, Cell::U64)]
}

impl<S: Sink> Visitor for Rows<'_, S> {
    #[inline]
    fn committed(&mut self, commit_ts: u64) {
        self.commit_ts = commit_ts;
    }

    fn string(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        let set = self.number(key.standing, key.kind as usize)?;
        let [expire_at, expire_at_ms] = expiry(key.expire_at_ms);
        let row = [Cell::Bytes(key.name), Cell::Bytes(value), expire_at, expire_at_ms, Cell::U64(self.commit_ts)];
        self.to.push(set, &row)?;
        (self.elements, self.bytes) = (1, value.len() as u64);
        self.key(key, None, Some(self.commit_ts))?;
        self.counts.add(key, self.bytes);
        self.to.relieve()
    }

    fn begin(&mut self, key: &Key<'_>) -> Result<()> {
        (self.elements, self.bytes, self.last_commit) = (0, 0, None);
        let set = self.number(key.standing, key.kind as usize)?;
        self.to.begin(set);
        Ok(())
    }

    #[inline]
    fn field(&mut self, key: &Key<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        let row = [Cell::Bytes(key.name), Cell::Bytes(name), Cell::Bytes(value), Cell::U64(self.commit_ts)];
        self.element(key, name.len() + value.len(), &row)
    }

    #[inline]
    fn item(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        let position = Cell::U64(self.elements);
        let row = [Cell::Bytes(key.name), position, Cell::Bytes(value), Cell::U64(self.commit_ts)];
        self.element(key, value.len(), &row)
    }

    #[inline]
    fn member(&mut self, key: &Key<'_>, member: &[u8]) -> Result<()> {
        let row = [Cell::Bytes(key.name), Cell::Bytes(member), Cell::U64(self.commit_ts)];
        self.element(key, member.len(), &row)
    }

    #[inline]
    fn scored(&mut self, key: &Key<'_>, member: &[u8], score: f64) -> Result<()> {
        let row = [Cell::Bytes(key.name), Cell::Bytes(member), Cell::F64(score), Cell::U64(self.commit_ts)];
        self.element(key, member.len() + size_of::<f64>(), &row)
    }

    fn entry(&mut self, key: &Key<'_>, id: StreamId, entry: &StreamEntry<'_>) -> Result<()> {
        let bytes = entry.fields().map(|(name, value)| name.len() + value.len()).sum();
        let row = [
            Cell::Bytes(key.name),
            Cell::Bytes(entry.id_text),
            Cell::U64(id.ms),
            Cell::U64(id.seq),
            moment(id.ms),
            Cell::Pairs(entry),
            Cell::U64(self.commit_ts),
        ];
        self.element(key, bytes, &row)
    }

    fn end(&mut self, key: &Key<'_>, stream: StreamEnd) -> Result<()> {
        if !self.filter.takes_size(self.bytes) {
            return self.take_back(key);
        }
        let set = self.number(key.standing, key.kind as usize)?;
        let stream = Some(stream).filter(|_| key.kind == Type::Stream);
        self.key(key, stream, self.last_commit)?;
        self.counts.add(key, self.bytes);
        self.to.complete(set)
    }

    fn abandon(&mut self, key: &Key<'_>) -> Result<()> {
        self.take_back(key)
    }

    fn stray_items(&mut self, key: &[u8], items: &[&[u8]]) -> Result<()> {
        let set = self.to.set(&format!("{ORPHANS}/list_items"), || TABLES.list_items.clone())?;
        for (position, item) in items.iter().enumerate() {
            let row = [Cell::Bytes(key), Cell::U64(position as u64), Cell::Bytes(item)];
            self.to.push(set, &row)?;
        }
        self.counts.add_orphan(items.iter().map(|item| item.len() as u64).sum());
        Ok(())
    }

    fn stray_expiry(&mut self, key: &[u8], expire_at_ms: u64) -> Result<()> {
        let set = self.to.set(&format!("{ORPHANS}/ttl"), || TABLES.ttl.clone())?;
        let [expire_at, expire_at_ms] = expiry(Some(expire_at_ms));
        self.to.push(set, &[Cell::Bytes(key), expire_at, expire_at_ms])
    }
}
