//! DynamoDB in both layouts: a document for each schema, and the run over the splits of items.
//!
//! A table named `_orphans` is written as `%5Forphans`. No two tables share a file of lines: a name with an extension ends in
//! `.jsonl` or in `.schema.json`, never in both.

pub(super) mod canonical;
pub mod count;
pub(crate) mod counted;
#[cfg(any(feature = "archive", feature = "load"))]
pub(crate) mod definition;
mod documents;
mod findings;
mod lanes;
pub(crate) mod lookup;
pub mod name;
pub mod paths;
pub(crate) mod place;
pub mod read;
pub mod render;
mod rows;
mod run;

use crate::adapters::dynamodb::{self, Tables};
use crate::dataset::KeyRange;
use crate::error::Result;
use crate::layouts::{jsonl, tree};
use crate::options::ObjectName;
use crate::run::Job;

pub(super) use lanes::Lanes;
pub(super) use run::{Gather, Share, Writer, decode_places, encode_places, write_splits};

/// Items with rows of this size are not kept in memory as a whole after rendering.
pub(super) const LARGE: usize = 128 << 10;

/// Writes all tables.
///
/// # Errors
/// The first damaged row in key order (schemas before items), or a failed write.
pub(crate) fn tables(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let (tables, splits) = documented(job)?;
    let with_lines = items(job, &tables, splits)?;
    if job.options.packed() && !job.is_shard() {
        jsonl::dynamodb::write_empty(&tables, &with_lines, job)
    } else {
        Ok(())
    }
}

/// Writes the document of each table; returns the tables, and the splits of their items.
///
/// # Errors
/// A damaged schema, or a failed write.
pub(super) fn documented<'a>(job: &mut Job<'_, 'a, '_>) -> Result<(Tables<'a>, Vec<KeyRange>)> {
    let tables = Tables::read(job.set, &mut job.collector.findings)?;
    if !job.is_shard() {
        dynamodb::check_counters(job.set, &tables, &job.options.filter, &mut job.collector.findings)?;
        documents::write(&tables, job.options, job.collector)?;
        if job.options.for_restore {
            documents::generations(job.set, &tables, job.options, job.collector)?;
        }
    }
    let splits = dynamodb::splits(job.set, &tables, &job.options.filter)?;
    Ok((tables, splits))
}

/// Writes the items that a text can mean: rarely more than one exists.
///
/// # Errors
/// A damaged schema, or a damaged row of the item.
pub(crate) fn item(job: &mut Job<'_, '_, '_>, name: &ObjectName) -> Result<()> {
    let (tables, splits) = of_item(job, name)?;
    items(job, &tables, splits).map(drop)
}

/// The tables, and the splits that may contain an item.
///
/// # Errors
/// A damaged schema.
pub(super) fn of_item<'a>(job: &mut Job<'_, 'a, '_>, name: &ObjectName) -> Result<(Tables<'a>, Vec<KeyRange>)> {
    let tables = Tables::read(job.set, &mut job.collector.findings)?;
    let splits = dynamodb::splits_of(job.set, &tables, &name.name, name.rest())?;
    Ok((tables, splits))
}

/// Writes the items of some splits; returns by number which tables got lines.
fn items(job: &mut Job<'_, '_, '_>, tables: &Tables<'_>, splits: Vec<KeyRange>) -> Result<Vec<bool>> {
    match job.options.packed() {
        true => jsonl::dynamodb::write(job, tables, splits),
        false => tree::dynamodb::write(job, tables, &splits).map(|()| Vec::new()),
    }
}
