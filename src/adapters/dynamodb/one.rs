//! Finds one item, by its table and the values of its key attributes as text.

use super::key_text::{Key, keys};
use super::tables::Tables;
use crate::dataset::{DataSet, KeyRange};
use crate::error::Result;
use crate::format::dynamodb::keys::item_prefix_into;
use crate::format::dynamodb::schema::Liveness;
use crate::model::dynamodb::Table;
use crate::report::Findings;

/// Splits for just the items that a text can mean: rarely more than one exists.
///
/// # Errors
/// An input that changed.
pub fn splits_of(set: &DataSet<'_>, tables: &Tables<'_>, table: &[u8], text: &[u8]) -> Result<Vec<KeyRange>> {
    let mut splits = Vec::new();
    for key in row_keys(tables, table, text) {
        if set.get(&key)?.is_some() {
            splits.push(KeyRange::below(&key));
        }
    }
    Ok(splits)
}

/// The keys of the rows that such items would have.
///
/// # Errors
/// A damaged schema.
pub fn rows_of(set: &DataSet<'_>, table: &[u8], text: &[u8]) -> Result<Vec<Vec<u8>>> {
    let tables = Tables::read(set, &mut Findings::default())?;
    Ok(row_keys(&tables, table, text))
}

fn row_keys(tables: &Tables<'_>, name: &[u8], text: &[u8]) -> Vec<Vec<u8>> {
    let Some(table) = tables.named(name) else { return Vec::new() };
    let has_range = !table.schema.key.range.is_empty();
    let mut rows: Vec<_> = keys(text, has_range).iter().flat_map(|key| of_generations(&table, key)).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// The row keys in each live generation. Numbers that are not valid give no key.
fn of_generations(table: &Table, key: &Key) -> Vec<Vec<u8>> {
    let schema = &table.schema;
    let generations = [(Liveness::Active, schema.generation), (Liveness::Source, schema.migrating_from_generation)];
    let rows =
        generations.into_iter().filter(|(_, generation)| *generation > 0).filter_map(|(liveness, generation)| {
            let mut row = Vec::new();
            item_prefix_into(&table.encoded, generation, &mut row);
            row.extend(key.row(table.version_of(liveness))?);
            Some(row)
        });
    rows.collect()
}
