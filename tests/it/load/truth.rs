//! Redis keys of a snapshot, collected through the library; and the part of them that Redis can store.

use std::collections::{BTreeMap, BTreeSet};

use ekvsnap::decode::Options;
use ekvsnap::format::redis::blob;
use ekvsnap::format::redis::stream::{StreamEntry, StreamId};
use ekvsnap::model::redis::{Key, Standing, StreamEnd, Type, Visitor};
use ekvsnap::{Result, Snapshot};

type Bytes = Vec<u8>;

/// A value, so that it can be compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    String(Bytes),
    /// The members of a HyperLogLog.
    Members(BTreeSet<Bytes>),
    Hash(BTreeMap<Bytes, Bytes>),
    List(Vec<Bytes>),
    Set(BTreeSet<Bytes>),
    /// Scores by their bits: -0 is not 0.
    Zset(BTreeMap<Bytes, u64>),
    /// Entries, and the last ID.
    Stream(Vec<(String, Vec<Bytes>)>, String),
}

/// Value and expiry.
pub type Keys = BTreeMap<Bytes, (Value, Option<u64>)>;

#[derive(Default)]
struct Collect {
    keys: Keys,
    at: Option<Value>,
}

/// All keys of snapshots.
pub fn keys(inputs: &[Bytes]) -> Keys {
    let mut all = Keys::new();
    for (n, bytes) in inputs.iter().enumerate() {
        let mut collect = Collect::default();
        Snapshot::from_bytes(format!("{n}.fsm"), bytes.clone()).redis(&Options::default(), &mut collect).unwrap();
        all.extend(collect.keys);
    }
    all
}

/// Without what Redis cannot store, and with expiries that are `shift` later.
pub fn held(mut keys: Keys, shift: i64) -> Keys {
    for (value, expiry) in keys.values_mut() {
        *expiry = expiry.map(|at| at.saturating_add_signed(shift).max(1)).filter(|at| i64::try_from(*at).is_ok());
        match value {
            Value::Zset(members) => members.retain(|_, score| !f64::from_bits(*score).is_nan()),
            Value::Stream(entries, _) => entries.retain(|(id, fields)| !fields.is_empty() && id != "0-0"),
            _ => {}
        }
    }
    keys.retain(|_, (value, _)| match value {
        Value::Hash(fields) => !fields.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Set(members) => !members.is_empty(),
        Value::Zset(members) => !members.is_empty(),
        _ => true,
    });
    keys
}

impl Collect {
    fn put(&mut self, key: &Key<'_>, value: Value) -> Result<()> {
        assert_eq!(key.standing, Standing::Served);
        assert!(self.keys.insert(key.name.to_vec(), (value, key.expire_at_ms)).is_none());
        Ok(())
    }
}

impl Visitor for Collect {
    fn string(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        if key.kind != Type::Hll {
            return self.put(key, Value::String(value.to_vec()));
        }
        let mut members = BTreeSet::new();
        blob::set(value, |member| members.extend([member.to_vec()])).unwrap();
        self.put(key, Value::Members(members))
    }

    fn begin(&mut self, key: &Key<'_>) -> Result<()> {
        self.at = Some(match key.kind {
            Type::Hash => Value::Hash(BTreeMap::new()),
            Type::List => Value::List(Vec::new()),
            Type::Set => Value::Set(BTreeSet::new()),
            Type::Zset => Value::Zset(BTreeMap::new()),
            _ => Value::Stream(Vec::new(), String::new()),
        });
        Ok(())
    }

    fn field(&mut self, _: &Key<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        let Some(Value::Hash(fields)) = &mut self.at else { panic!() };
        fields.insert(name.to_vec(), value.to_vec());
        Ok(())
    }

    fn item(&mut self, _: &Key<'_>, value: &[u8]) -> Result<()> {
        let Some(Value::List(items)) = &mut self.at else { panic!() };
        items.push(value.to_vec());
        Ok(())
    }

    fn member(&mut self, _: &Key<'_>, member: &[u8]) -> Result<()> {
        let Some(Value::Set(members)) = &mut self.at else { panic!() };
        members.insert(member.to_vec());
        Ok(())
    }

    fn scored(&mut self, _: &Key<'_>, member: &[u8], score: f64) -> Result<()> {
        let Some(Value::Zset(members)) = &mut self.at else { panic!() };
        members.insert(member.to_vec(), score.to_bits());
        Ok(())
    }

    fn entry(&mut self, _: &Key<'_>, id: StreamId, entry: &StreamEntry<'_>) -> Result<()> {
        let Some(Value::Stream(entries, _)) = &mut self.at else { panic!() };
        let fields = entry.fields().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]);
        entries.push((id.to_string(), fields.collect()));
        Ok(())
    }

    fn end(&mut self, key: &Key<'_>, stream: StreamEnd) -> Result<()> {
        let mut value = self.at.take().unwrap();
        if let Value::Stream(entries, last) = &mut value {
            let parse = |id: &str| StreamId::from_text(id.as_bytes()).unwrap();
            let greatest = entries.iter().filter(|(_, fields)| !fields.is_empty()).map(|(id, _)| parse(id)).max();
            *last = stream.last.max(greatest.unwrap_or_default()).to_string();
        }
        self.put(key, value)
    }

    fn abandon(&mut self, _: &Key<'_>) -> Result<()> {
        panic!("a key broke off");
    }

    fn stray_items(&mut self, _: &[u8], _: &[&[u8]]) -> Result<()> {
        Ok(())
    }

    fn stray_expiry(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}
