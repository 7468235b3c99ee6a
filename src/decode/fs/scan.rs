//! Every live row of a family, in parallel parts.

use bumpalo::Bump;

use super::findings::{BAD_JSON, BAD_KEY};
use crate::dataset::{DataSet, KeyRange, Row};
use crate::decode::{Job, engine, note_shared};
use crate::error::Result;
use crate::format::fault::{Fault, Result as Parsed};
use crate::format::{Family, fs};
use crate::output::unit::UnitOut;
use crate::report::{Finding, Findings};

/// Bytes of rows that a unit reads, about.
const UNIT: usize = 4 << 20;

/// Calls `each` for every live row, with what its part has gathered so far, and `take` for every part in key order. What
/// `each` cannot read is a warning: these are rows that no file or directory needs.
///
/// # Errors
/// An input that changed, or an error of `each` or `take`.
pub fn scan<'a, T: Default + Send>(
    job: &mut Job<'_, 'a, '_>,
    family: Family,
    each: impl Fn(&Row<'a>, &Bump, &mut T) -> Result<Parsed<()>> + Sync,
    mut take: impl FnMut(T, &mut Findings) -> Result<()> + Send,
) -> Result<()> {
    let (set, tree, progress) = (job.set, job.tree, job.progress);
    let parts = set.parts(family, UNIT)?;
    progress.begin("fs rows", parts.len() as u64);
    let collector = &mut *job.collector;
    engine::run(
        parts.len(),
        |i| {
            let (mut gathered, mut arena, mut out) = (T::default(), Bump::new(), UnitOut::new(tree));
            let KeyRange { lo, hi } = &parts[i];
            let mut rows = set.range(family, lo.clone(), hi.clone());
            while let Some(row) = rows.next()? {
                // A family whose prefix another one goes on from meets rows of that one.
                if Family::of(row.user_key) == family
                    && let Err(fault) = each(&row, &arena, &mut gathered)?
                {
                    out.findings.add(unreadable(set, family, &row, fault));
                }
                arena.reset();
            }
            Ok((gathered, out, rows.shared()))
        },
        |(gathered, out, shared)| {
            progress.advance(1);
            note_shared(shared.into_iter().collect(), &mut collector.findings);
            collector.take(out)?;
            take(gathered, &mut collector.findings)
        },
    )
}

/// The warning about a row that cannot be read.
#[cold]
pub fn unreadable(set: &DataSet<'_>, family: Family, row: &Row<'_>, fault: Fault) -> Finding {
    let kind = if matches!(fault, Fault::Key(_)) { &BAD_KEY } else { &BAD_JSON };
    let error = set.locate(row.fault(family, fault));
    Finding::new(kind)
        .with("family", family.prefix())
        .with("key", row.user_key)
        .with("offset", row.offset)
        .with("reason", error.reason())
}

/// The inode of a number, if its row is there: the row, and what it says.
///
/// # Errors
/// A damaged row.
pub fn inode<'a>(set: &DataSet<'a>, arena: &Bump, number: u64) -> Result<Option<(Row<'a>, fs::Inode)>> {
    let Some(row) = set.get(&fs::key::numbers(Family::FsInode, &[number]))? else { return Ok(None) };
    let inode = fs::Inode::parse(arena, row.body);
    let inode = inode.map_err(|fault| set.locate(row.fault(Family::FsInode, fault)))?;
    Ok(Some((row, inode)))
}
