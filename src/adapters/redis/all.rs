//! Reads all keys on one thread, for a visitor that takes them one after the other.

use super::{Splits, malformed_keys, read, unreachable_items};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::model::redis::Visitor;
use crate::options::Options;
use crate::report::Findings;
use crate::run::{Progress, note_shared};

/// Gives every key that is asked for, in the order of keys, then list items without a list. Returns the findings.
///
/// # Errors
/// The first damaged row, and the error of the visitor.
pub fn read_all(
    set: &DataSet<'_>,
    options: &Options,
    progress: &dyn Progress,
    visitor: &mut impl Visitor,
) -> Result<Findings> {
    let splits = Splits::new(set);
    let (mut findings, mut reached) = (Findings::default(), 0);
    malformed_keys(set, &splits.malformed, &mut findings)?;
    progress.begin("redis", splits.all.len() as u64);
    for split in &splits.all {
        let report = read(set, &splits, split, options, visitor)?;
        reached += report.items_reached;
        findings.merge(report.findings);
        note_shared(report.shared, &mut findings);
        progress.advance(1);
    }
    unreachable_items(set, reached, options, visitor, &mut findings)?;
    Ok(findings)
}
