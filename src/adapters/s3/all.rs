//! Reads all objects on one thread, for a visitor that takes them one after the other.

use super::{Buckets, Leftovers, Payloads, read, splits};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::model::s3::Visitor;
use crate::options::Options;
use crate::report::Findings;
use crate::run::{Progress, note_shared};

/// Gives every object that is asked for with its body, in the order of buckets and keys. Returns the findings.
///
/// # Errors
/// The first damaged payload, row or body, and the error of the visitor.
pub fn read_all(
    set: &DataSet<'_>,
    buckets: &Buckets<'_>,
    options: &Options,
    progress: &dyn Progress,
    visitor: &mut impl Visitor,
) -> Result<Findings> {
    let (payloads, splits) = (Payloads::check(set)?, splits(set));
    let (mut findings, mut leftovers, mut references) = (Findings::default(), Leftovers::default(), Vec::new());
    progress.begin("s3", splits.len() as u64);
    for split in &splits {
        let report = read(set, buckets, &payloads, split, options, visitor)?;
        findings.merge(report.findings);
        leftovers.merge(report.leftovers);
        references.extend(report.named);
        note_shared(report.shared, &mut findings);
        progress.advance(1);
    }
    leftovers.report(buckets, &mut findings);
    payloads.note_unreferenced(set, references, &mut findings)?;
    Ok(findings)
}
