//! DynamoDB items as rows.
//!
//! | output | what it is |
//! |---|---|
//! | `dynamodb/TABLE.schema.json` | the schema, as in the packed layout |
//! | `dynamodb/TABLE/part-….parquet` | the items, in the order of their row keys; one file without rows for an empty table |
//! | `dynamodb/_orphans/TABLE/gen-N/part-….parquet` | with `Options::include_orphans`: row keys and items of no live generation |

use super::sets::To;
use crate::adapters::dynamodb::{self, Tables};
use crate::dataset::{DataSet, KeyRange};
use crate::error::{Error, Result};
use crate::format::wire::Reader;
use crate::layouts::dynamodb::paths::Paths;
use crate::layouts::dynamodb::{
    Gather, Lanes, Share, Writer, decode_places, documented, encode_places, of_item, write_splits,
};
use crate::layouts::rows::Sink as _;
use crate::layouts::rows::dynamodb::{AllColumns, Rows};
use crate::model::dynamodb::Table;
use crate::options::{ObjectName, Options};
use crate::output::split::{Collector, SplitOutput};
use crate::report::Findings;
use crate::run::{Job, Progress, step};

/// Number of splits in one task: its row groups are then large compared with their descriptions.
const SPLITS: usize = 4;

/// Writes all tables.
///
/// # Errors
/// The first damaged row in key order (schemas before items), or a failed write.
pub(crate) fn tables(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let (tables, splits) = documented(job)?;
    let (columns, with_rows) = write(job, &tables, &splits)?;
    if job.is_shard() {
        return Ok(());
    }
    let part_size = job.options.parquet_size();
    let is_empty = |table: &Table| !with_rows.get(table.place).copied().unwrap_or(false);
    for table in tables.wanted(&job.options.filter).filter(is_empty) {
        let mut to = To::new(SplitOutput::new(job.tree), part_size);
        let name = Paths::of(&table).dir;
        to.set(&name, || columns.of(&table).columns)?;
        job.collector.take(to.finish()?)?;
        job.collector.complete_pieces(&name)?;
    }
    Ok(())
}

/// Writes the items that a text can mean: rarely more than one exists.
///
/// # Errors
/// A damaged schema, or a damaged row of the item.
pub(crate) fn item(job: &mut Job<'_, '_, '_>, name: &ObjectName) -> Result<()> {
    let (tables, splits) = of_item(job, name)?;
    write(job, &tables, &splits).map(drop)
}

/// Writes the items of some splits; returns the columns of all tables, and by number which tables got rows.
fn write(job: &mut Job<'_, '_, '_>, tables: &Tables<'_>, splits: &[KeyRange]) -> Result<(AllColumns, Vec<bool>)> {
    let splits = joined(splits);
    let (set, options, tree, progress) = (job.set, job.options, job.tree, job.progress);
    let columns = match job.columns {
        Some(planned) => AllColumns::decode(&mut Reader::new(planned))
            .ok_or_else(|| Error::usage("the plan has no columns that can be read: make it again"))?,
        None => {
            progress.begin("dynamodb types", splits.len() as u64);
            AllColumns::read(set, options, tables, &splits, || step(progress, tree))?
        }
    };
    let part_size = options.parquet_size();
    let mut gather = Folders { tables, with_rows: vec![false; tables.len()], open: None };
    write_splits(
        job,
        tables,
        (&splits, &Lanes::default()),
        &|out| Rows::new(To::new(out, part_size), &columns),
        &mut gather,
    )?;
    let with_rows = gather.with_rows;
    Ok((columns, with_rows))
}

/// The columns of all tables, for shards, which do not know all rows.
///
/// # Errors
/// The first damaged row in key order.
pub(crate) fn columns(set: &DataSet<'_>, options: &Options, progress: &dyn Progress) -> Result<Vec<u8>> {
    let tables = Tables::read(set, &mut Findings::default())?;
    let splits = joined(&dynamodb::splits(set, &tables, &options.filter)?);
    progress.begin("dynamodb types", splits.len() as u64);
    let columns = AllColumns::read(set, options, &tables, &splits, || progress.advance(1))?;
    let mut out = Vec::new();
    columns.encode(&mut out);
    Ok(out)
}

/// Neighbouring splits joined into one.
fn joined(splits: &[KeyRange]) -> Vec<KeyRange> {
    let mut all: Vec<(KeyRange, usize)> = Vec::new();
    for split in splits {
        match all.last_mut() {
            Some((last, count)) if *count < SPLITS && last.hi.as_ref() == Some(&split.lo) => {
                last.hi.clone_from(&split.hi);
                *count += 1;
            }
            _ => all.push((split.clone(), 1)),
        }
    }
    all.into_iter().map(|(split, _)| split).collect()
}

/// Numbers of the tables that got rows in a split, in key order.
pub(crate) struct WithRows(Vec<usize>);

impl Share for WithRows {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_places(&self.0, out);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        decode_places(reader).map(WithRows)
    }
}

/// The folders of all tables: one is complete as soon as another table gets rows.
struct Folders<'s> {
    tables: &'s Tables<'s>,
    with_rows: Vec<bool>,
    open: Option<usize>,
}

impl<'t> Gather<'t> for Folders<'_> {
    type Share = WithRows;

    fn take(&mut self, _: usize, share: WithRows, collector: &mut Collector<'t>) -> Result<()> {
        for at in share.0 {
            if let Some(before) = self.open.replace(at).filter(|before| *before != at) {
                collector.complete_pieces(&Paths::of(&self.tables.get(before)).dir)?;
            }
            if let Some(has_rows) = self.with_rows.get_mut(at) {
                *has_rows = true;
            }
        }
        Ok(())
    }
}

impl<'a, 't> Writer<'a, 't> for Rows<'_, 'a, To<'t, SplitOutput<'t>>> {
    type Share = WithRows;

    fn finish(self) -> Result<(SplitOutput<'t>, WithRows)> {
        let (to, opened) = self.into_parts();
        Ok((to.finish()?, WithRows(opened)))
    }
}
