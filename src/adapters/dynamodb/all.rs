//! Reads all items on one thread, for a visitor that takes them one after the other.

use super::{Stale, Tables, read, splits};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::model::dynamodb::Visitor;
use crate::options::Options;
use crate::report::Findings;
use crate::run::{Progress, note_shared};

/// Gives every item that is asked for, in the order of tables and row keys, and returns the findings.
///
/// # Errors
/// The first damaged row, and the error of the visitor.
pub fn read_all<'a>(
    set: &DataSet<'a>,
    tables: &Tables<'_>,
    options: &Options,
    progress: &dyn Progress,
    visitor: &mut impl Visitor<'a>,
) -> Result<Findings> {
    let splits = splits(set, tables, &options.filter)?;
    let (mut findings, mut stale) = (Findings::default(), Stale::default());
    progress.begin("dynamodb", splits.len() as u64);
    for split in &splits {
        let report = read(set, tables, split, options, visitor)?;
        for run in &report.stale {
            stale.take(set, tables, run, &mut findings)?;
        }
        findings.merge(report.findings);
        note_shared(report.shared.into_iter().collect(), &mut findings);
        progress.advance(1);
    }
    stale.finish(tables, &mut findings);
    Ok(findings)
}
