//! Turns keys into rows, as a current server would write them.
//!
//! A collection gets its elements and one meta without deltas. The first item of a list is number 0, and a stream was never trimmed. The
//! TTL index gets a row for every key that expires; the server uses it to find these keys.

use crate::adapters::rows::RowSink;
use crate::error::{Error, ErrorKind, Result};
use crate::format::redis::key::sized_into;
use crate::format::redis::list::{ListMeta, item_key_into};
use crate::format::redis::meta::{self, CollectionMeta};
use crate::format::redis::stream::{StreamEntry, StreamId, StreamMeta, entry_into};
use crate::format::redis::string::{self, Enveloped, InlineTtl};
use crate::format::{Family, Fault};
use crate::model::redis::{Key, Standing, StreamEnd, Type, Visitor};

/// The NaN that the server writes.
const NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// Gives the rows of keys to a sink. A key that the server does not serve has no rows.
pub struct Encoder<S> {
    rows: S,
    /// Number of elements in the current collection.
    elements: i64,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<S: RowSink> Encoder<S> {
    /// Gives rows to `rows`.
    pub fn new(rows: S) -> Self {
        Encoder { rows, elements: 0, key: Vec::new(), value: Vec::new() }
    }

    /// Begins the key of a row: the prefix and the user key, with its length before it if the family has that.
    fn begin_row(&mut self, family: Family, name: &[u8]) -> Result<()> {
        self.key.clear();
        self.value.clear();
        self.key.extend_from_slice(family.prefix().as_bytes());
        if family.is_len_prefixed() {
            sized_into(name, &mut self.key).map_err(|fault| refused(family, name, fault))
        } else {
            self.key.extend_from_slice(name);
            Ok(())
        }
    }

    fn put(&mut self) -> Result<()> {
        self.rows.row(&self.key, &self.value)
    }

    /// The row of an element of a hash, set or sorted set.
    fn element(&mut self, family: Family, key: &Key<'_>, element: &[u8], value: &[u8]) -> Result<()> {
        self.begin_row(family, key.name)?;
        self.key.extend_from_slice(element);
        self.elements += 1;
        self.rows.row(&self.key, value)
    }

    /// The row of the TTL index.
    fn index_ttl(&mut self, key: &Key<'_>) -> Result<()> {
        let Some(expire_at_ms) = key.expire_at_ms else { return Ok(()) };
        self.begin_row(Family::Ttl, key.name)?;
        meta::index_ttl_into(expire_at_ms, &mut self.value);
        self.put()
    }
}

fn refused(family: Family, name: &[u8], fault: Fault) -> Error {
    let family = family.prefix();
    Error::new(ErrorKind::Output(format!("the key \"{}\" has no row {family}: {fault:?}", name.escape_ascii())))
}

fn is_served(key: &Key<'_>) -> bool {
    key.standing == Standing::Served
}

impl<S: RowSink> Visitor for Encoder<S> {
    fn string(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        if !is_served(key) {
            return Ok(());
        }
        if key.expire_at_ms.is_some_and(|ms| meta::clamp_ms(ms) != ms) {
            // Only a meta of a collection can store it. A string can have it from a meta that was left behind.
            return Err(refused(Family::Str, key.name, Fault::Value("its expiry is over 2^63-1")));
        }
        let ttl = key.expire_at_ms.map_or(InlineTtl::Never, InlineTtl::At);
        let enveloped = Enveloped { payload: value, ttl };
        match key.kind {
            Type::Hll => {
                self.begin_row(Family::Hll, key.name)?;
                string::hll_into(&enveloped, &mut self.value);
            }
            _ if key.bare => {
                if Family::of(key.name) != Family::Bare {
                    let fault = Fault::Key(
                        "a string of this name cannot be stored under it, since the name is that of other rows",
                    );
                    return Err(refused(Family::Bare, key.name, fault));
                }
                self.begin_row(Family::Bare, key.name)?;
                self.value.extend_from_slice(value);
            }
            _ => {
                self.begin_row(Family::Str, key.name)?;
                string::string_into(&enveloped, &mut self.value);
            }
        }
        self.put()?;
        self.index_ttl(key)
    }

    fn begin(&mut self, _: &Key<'_>) -> Result<()> {
        self.elements = 0;
        Ok(())
    }

    fn field(&mut self, key: &Key<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        if is_served(key) { self.element(Family::HashField, key, name, value) } else { Ok(()) }
    }

    fn item(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        if !is_served(key) {
            return Ok(());
        }
        self.begin_row(Family::ListItem, b"")?;
        item_key_into(key.name, self.elements, &mut self.key);
        self.elements += 1;
        self.rows.row(&self.key, value)
    }

    fn member(&mut self, key: &Key<'_>, member: &[u8]) -> Result<()> {
        if is_served(key) { self.element(Family::SetMember, key, member, b"") } else { Ok(()) }
    }

    fn scored(&mut self, key: &Key<'_>, member: &[u8], score: f64) -> Result<()> {
        if !is_served(key) {
            return Ok(());
        }
        let score = if score.is_nan() { NAN } else { score };
        self.begin_row(Family::ZsetScore, key.name)?;
        self.key.extend_from_slice(&meta::sortable_score(score));
        self.key.extend_from_slice(member);
        self.put()?;
        self.begin_row(Family::ZsetMember, key.name)?;
        self.key.extend_from_slice(member);
        meta::score_into(score, &mut self.value);
        self.elements += 1;
        self.put()
    }

    fn entry(&mut self, key: &Key<'_>, id: StreamId, entry: &StreamEntry<'_>) -> Result<()> {
        if !is_served(key) {
            return Ok(());
        }
        self.begin_row(Family::StreamEntry, key.name)?;
        id.encode(&mut self.key);
        entry_into(id, entry.fields(), &mut self.value);
        self.put()
    }

    fn end(&mut self, key: &Key<'_>, stream: StreamEnd) -> Result<()> {
        if !is_served(key) {
            return Ok(());
        }
        let (len, expire_ms) = (self.elements, key.expire_at_ms);
        let family = match key.kind {
            Type::Hash => Family::HashMeta,
            Type::Set => Family::SetMeta,
            Type::Zset => Family::ZsetMeta,
            Type::List => Family::ListMeta,
            Type::Stream => Family::StreamMeta,
            Type::String | Type::Hll => return Err(Error::internal("a string is no collection")),
        };
        self.begin_row(family, key.name)?;
        match key.kind {
            Type::List => ListMeta { head: 0, tail: len, len, expire_ms }.encode(&mut self.value),
            Type::Stream => {
                if stream.length < 0 {
                    return Err(refused(family, key.name, Fault::Value("its length is negative")));
                }
                // The current form has a field for an expiry: 0 means none.
                let (expire_ms, trimmed) = (Some(expire_ms.unwrap_or(0)), StreamId::default());
                StreamMeta { len: stream.length, last: stream.last, expire_ms, trimmed }.encode(&mut self.value);
            }
            _ => CollectionMeta { len, expire_ms }.encode(&mut self.value),
        }
        self.put()?;
        self.index_ttl(key)
    }

    fn abandon(&mut self, _: &Key<'_>) -> Result<()> {
        Err(Error::internal("rows of an incomplete key cannot be removed again"))
    }

    fn stray_items(&mut self, _: &[u8], _: &[&[u8]]) -> Result<()> {
        Ok(())
    }

    fn stray_expiry(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Default)]
    struct Rows(BTreeMap<String, String>);

    impl RowSink for Rows {
        fn row(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
            self.0.insert(key.escape_ascii().to_string(), crate::format::hex::text(value));
            Ok(())
        }
    }

    fn key(name: &str, kind: Type, expire_at_ms: Option<u64>) -> Key<'_> {
        Key { name: name.as_bytes(), kind, expire_at_ms, standing: Standing::Served, bare: false }
    }

    /// The rows of `docs/format/redis.md` §1, byte by byte.
    #[test]
    fn rows_of_every_type() {
        let mut rows = Rows::default();
        let mut encoder = Encoder::new(&mut rows);
        encoder.string(&key("s", Type::String, None), b"v").unwrap();
        encoder.string(&key("t", Type::String, Some(9)), b"v").unwrap();
        encoder.string(&key("p", Type::Hll, Some(9)), b"v").unwrap();
        encoder.string(&Key { bare: true, ..key("b", Type::String, Some(9)) }, b"v").unwrap();
        let list = key("l", Type::List, None);
        encoder.begin(&list).unwrap();
        encoder.item(&list, b"x").unwrap();
        encoder.item(&list, b"y").unwrap();
        encoder.end(&list, StreamEnd::default()).unwrap();
        let zset = key("z", Type::Zset, Some(9));
        encoder.begin(&zset).unwrap();
        encoder.scored(&zset, b"m", -0.0).unwrap();
        encoder.scored(&zset, b"n", f64::NAN).unwrap();
        encoder.end(&zset, StreamEnd::default()).unwrap();
        let stream = key("x", Type::Stream, None);
        encoder.begin(&stream).unwrap();
        encoder.end(&stream, StreamEnd { length: 3, last: StreamId { ms: 1, seq: 2 } }).unwrap();
        let (zero, one, two, nine) =
            ("0".repeat(16), format!("{:016x}", 1), format!("{:016x}", 2), format!("{:016x}", 9));
        let want = [
            ("!redis|str|s", "ff010076".to_owned()),
            ("!redis|str|t", format!("ff0101{nine}76")),
            ("!redis|hll|p", format!("ff0201{nine}76")),
            ("b", "76".into()),
            ("!redis|ttl|b", nine.clone()),
            ("!redis|ttl|t", nine.clone()),
            ("!redis|ttl|p", nine.clone()),
            ("!redis|ttl|z", nine.clone()),
            ("!lst|itm|l\\x80\\x00\\x00\\x00\\x00\\x00\\x00\\x00", "78".into()),
            ("!lst|itm|l\\x80\\x00\\x00\\x00\\x00\\x00\\x00\\x01", "79".into()),
            ("!lst|meta|l", format!("{zero}{two}{two}")),
            ("!zs|mem|\\x00\\x00\\x00\\x01zm", "8000000000000000".into()),
            ("!zs|scr|\\x00\\x00\\x00\\x01z\\x80\\x00\\x00\\x00\\x00\\x00\\x00\\x00m", String::new()),
            ("!zs|mem|\\x00\\x00\\x00\\x01zn", "7ff8000000000001".into()),
            ("!zs|scr|\\x00\\x00\\x00\\x01z\\xff\\xf8\\x00\\x00\\x00\\x00\\x00\\x01n", String::new()),
            ("!zs|meta|\\x00\\x00\\x00\\x01z", format!("{two}{nine}")),
            ("!stream|meta|\\x00\\x00\\x00\\x01x", format!("{:016x}{one}{two}{zero}{zero}{zero}", 3)),
        ];
        let want: BTreeMap<String, String> = want.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        assert_eq!(rows.0, want);
    }

    #[test]
    fn what_has_no_row() {
        let mut encoder = Encoder::new(Rows::default());
        assert!(encoder.string(&Key { bare: true, ..key("!redis|str|x", Type::String, None) }, b"v").is_err());
        assert!(encoder.string(&key("late", Type::String, Some(1 << 63)), b"v").is_err());
        let end = StreamEnd { length: -1, ..StreamEnd::default() };
        assert!(encoder.end(&key("x", Type::Stream, None), end).is_err());
        let orphan = Key { standing: Standing::Orphan, ..key("o", Type::Hash, None) };
        encoder.field(&orphan, b"n", b"v").unwrap();
        encoder.end(&orphan, StreamEnd::default()).unwrap();
        assert!(encoder.rows.0.is_empty());
    }
}
