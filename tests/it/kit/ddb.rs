//! Builds DynamoDB rows: tables, generation counters and items.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ekvsnap::format::dynamodb::primary::{escape_into, ordered_into};

use super::build::{NOW, Snapshot};

/// An attribute value.
#[derive(Debug, Clone, Copy)]
pub enum V<'v> {
    S(&'v str),
    N(&'v str),
    B(&'v [u8]),
    Bool,
    Unset,
}
use V::{B, N, S};

/// A table: its schema, and the keys of its rows.
#[derive(Clone, Copy)]
pub struct Table<'t> {
    pub name: &'t [u8],
    /// Declared types of the key attributes, `pk` and `sk`; without the second, a hash key only.
    pub types: (&'t str, Option<&'t str>),
    pub generation: u64,
    pub from: u64,
    pub version: u64,
}

/// A table of the ordered encoding with a string hash key, generation 1.
pub const fn table(name: &[u8]) -> Table<'_> {
    Table { name, types: ("S", None), generation: 1, from: 0, version: 2 }
}

impl<'t> Table<'t> {
    pub const fn types(mut self, hash: &'t str, range: Option<&'t str>) -> Self {
        self.types = (hash, range);
        self
    }

    pub const fn generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    pub const fn migrating(mut self, from: u64) -> Self {
        self.from = from;
        self
    }

    pub const fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// The table's name in the form of keys.
    pub fn encoded(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.name)
    }

    pub fn schema_key(&self) -> String {
        format!("!ddb|meta|table|{}", self.encoded())
    }

    pub fn counter_key(&self) -> String {
        format!("!ddb|meta|gen|{}", self.encoded())
    }

    pub fn schema(&self) -> Vec<u8> {
        let (hash, range) = self.types;
        let mut out = b"\0DS\x01".to_vec();
        out.extend(field(1, String::from_utf8_lossy(self.name).as_bytes()));
        out.extend(field(2, &pair("pk", hash.as_bytes())));
        let mut key = field(1, b"pk");
        if let Some(range) = range {
            out.extend(field(2, &pair("sk", range.as_bytes())));
            key.extend(field(2, b"sk"));
        }
        out.extend(field(3, &key));
        for (number, n) in [(5, self.version), (6, self.from), (7, self.generation)] {
            out.extend([varint(number << 3), varint(n)].concat());
        }
        out
    }

    /// The user key of the item with these key values.
    pub fn key(&self, keys: &[V<'_>]) -> Vec<u8> {
        let mut key = format!("!ddb|item|{}|{}|", self.encoded(), self.generation).into_bytes();
        let raw = |value: &V<'_>| match *value {
            S(text) | N(text) => text.as_bytes().to_vec(),
            B(bytes) => bytes.to_vec(),
            V::Bool | V::Unset => panic!("no key"),
        };
        if self.version < 2 {
            let parts: Vec<String> = keys.iter().map(|v| URL_SAFE_NO_PAD.encode(raw(v))).collect();
            key.extend(format!("{}|{}", parts[0], parts.get(1).map_or("", String::as_str)).bytes());
            return key;
        }
        for value in keys {
            let mut bytes = raw(value);
            if let N(text) = value {
                bytes.clear();
                ordered_into(text, &mut bytes).unwrap();
            }
            escape_into(&bytes, &mut key);
        }
        key
    }
}

/// An item value from its attributes.
pub fn item(attributes: &[(&str, V<'_>)]) -> Vec<u8> {
    let mut out = b"\0DI\x01".to_vec();
    for (name, value) in attributes {
        let value = match *value {
            S(text) => field(1, text.as_bytes()),
            N(text) => field(2, text.as_bytes()),
            B(bytes) => field(3, bytes),
            V::Bool => vec![0x20, 1],
            V::Unset => vec![],
        };
        out.extend(field(1, &pair(name, &value)));
    }
    out
}

/// The value of an item with these key values and a mark to recognise it.
pub fn body(keys: &[V<'_>], mark: &str) -> Vec<u8> {
    let mut attributes: Vec<(&str, V<'_>)> = ["pk", "sk"].into_iter().zip(keys.iter().copied()).collect();
    attributes.push(("v", S(mark)));
    item(&attributes)
}

impl Snapshot {
    /// The schema of a table, and its generation counter.
    pub fn table(self, table: &Table<'_>) -> Self {
        self.put(table.schema_key(), table.schema()).counter(table, table.generation)
    }

    /// A generation counter.
    pub fn counter(self, table: &Table<'_>, last: u64) -> Self {
        self.put(table.counter_key(), last.to_string())
    }

    /// An item.
    pub fn item(self, table: &Table<'_>, keys: &[V<'_>], mark: &str) -> Self {
        self.item_at(NOW, table, keys, mark)
    }

    /// An item at a timestamp.
    pub fn item_at(self, ts: u64, table: &Table<'_>, keys: &[V<'_>], mark: &str) -> Self {
        self.put_at(ts, table.key(keys), body(keys, mark))
    }
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n > 0x7f {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

/// A length-delimited protobuf field.
pub fn field(number: u64, payload: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(payload.len() as u64), payload.to_vec()].concat()
}

fn pair(key: &str, value: &[u8]) -> Vec<u8> {
    [field(1, key.as_bytes()), field(2, value)].concat()
}
