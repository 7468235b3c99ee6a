//! One item, by its table and the values of its key attributes as text.

use super::table::{Table, Tables};
use crate::dataset::DataSet;
use crate::decode::Job;
use crate::decode::one::spellings;
use crate::error::Result;
use crate::format::dynamodb::schema::Liveness;
use crate::format::dynamodb::{KeyValue, PrimaryKey, keys};
use crate::report::Findings;

/// Slashes at which hash and range value may part.
const MOST_SLASHES: usize = 64;

/// Decodes the items that a text can stand for: rarely more than one is there.
///
/// # Errors
/// A damaged schema, or a damaged row of the item.
pub(in crate::decode) fn decode_one(job: &mut Job<'_, '_, '_>, table: &[u8], text: &[u8]) -> Result<()> {
    let tables = Tables::read(job.set, &mut job.collector.findings)?;
    let mut spans = Vec::new();
    for key in row_keys(&tables, table, text) {
        if job.set.get(&key)?.is_some() {
            spans.push((key.clone(), crate::dataset::after_prefix(&key)));
        }
    }
    super::items(job, &tables, &spans).map(drop)
}

/// The rows that such items would have.
///
/// # Errors
/// A damaged schema.
pub(in crate::decode) fn rows_of(set: &DataSet<'_>, table: &[u8], text: &[u8]) -> Result<Vec<Vec<u8>>> {
    let tables = Tables::read(set, &mut Findings::default())?;
    Ok(row_keys(&tables, table, text))
}

fn row_keys(tables: &Tables<'_>, name: &[u8], text: &[u8]) -> Vec<Vec<u8>> {
    let Some(table) = tables.named(name) else { return Vec::new() };
    let table = &*table;
    let mut keys = Vec::new();
    for (hash, range) in parted(table, text) {
        for hash in values(table, &table.schema.key.hash, &hash) {
            let ranges = range.as_ref().map(|range| values(table, &table.schema.key.range, range));
            let ranges = ranges.map_or(vec![None], |values| values.into_iter().map(Some).collect());
            for range in ranges {
                let key = PrimaryKey { hash: hash.as_key(), range: range.as_ref().map(Value::as_key) };
                keys.extend(of_generations(table, key));
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// A value that is its own.
enum Value {
    S(String),
    N(String),
    B(Vec<u8>),
}

impl Value {
    fn as_key(&self) -> KeyValue<'_> {
        match self {
            Value::S(text) => KeyValue::S(text),
            Value::N(text) => KeyValue::N(text),
            Value::B(bytes) => KeyValue::B(bytes),
        }
    }
}

/// Hash and range value, wherever a slash can part them.
fn parted(table: &Table, text: &[u8]) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    if table.schema.key.range.is_empty() {
        return vec![(text.to_vec(), None)];
    }
    let slashes = memchr::memchr_iter(b'/', text).take(MOST_SLASHES);
    slashes.map(|at| (text[..at].to_vec(), Some(text[at + 1..].to_vec()))).collect()
}

/// What a text can be as a key attribute. The server does not hold items to the declared types.
fn values(table: &Table, attribute: &str, text: &[u8]) -> Vec<Value> {
    let declared = table.schema.declared(attribute).unwrap_or_default();
    let mut all = Vec::new();
    for bytes in spellings(text) {
        if let Ok(text) = String::from_utf8(bytes.clone()) {
            all.push(Value::S(text.clone()));
            all.push(Value::N(text));
        }
        all.push(Value::B(bytes));
    }
    all.sort_by_key(|value| value.as_key().kind() != declared);
    all
}

/// The row keys in each live generation; numbers that are none give no key.
fn of_generations(table: &Table, key: PrimaryKey<'_>) -> Vec<Vec<u8>> {
    let schema = &table.schema;
    let generations = [(Liveness::Active, schema.generation), (Liveness::Source, schema.migrating_from_generation)];
    let keys =
        generations.into_iter().filter(|(_, generation)| *generation > 0).filter_map(|(liveness, generation)| {
            let mut row = Vec::new();
            keys::item_prefix_into(&table.encoded, generation, &mut row);
            key.row_bytes_into(table.version_of(liveness), &mut row)?;
            Some(row)
        });
    keys.collect()
}
