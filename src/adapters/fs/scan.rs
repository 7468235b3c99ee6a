//! Reads every live row of a family, in splits that are read in parallel.

use bumpalo::Bump;

use super::Inputs;
use super::findings::{BAD_JSON, BAD_KEY};
use crate::dataset::{DataSet, KeyRange, Row, Shared};
use crate::error::Result;
use crate::format::Family;
use crate::format::fault::{Fault, Result as Parsed};
use crate::format::fs::{Inode, key};
use crate::model::fs::Node;
use crate::report::{Finding, Findings};
use crate::run::engine::{self, Done};
use crate::run::note_shared;

/// Approximate bytes of rows in a split.
const SPLIT: usize = 4 << 20;

/// The result of a split.
struct Scanned<T> {
    gathered: T,
    findings: Findings,
    shared: Option<Shared>,
}

impl<T: Send> Done for Scanned<T> {
    fn held(&self) -> usize {
        0
    }
}

/// Calls `each` for every live row, with the state of its split, and `take` for every split in key order. A row that `each` cannot read is
/// a warning: no file or directory needs it.
///
/// # Errors
/// An input that changed, or an error of `each` or `take`.
pub fn scan<'a, T: Default + Send>(
    inputs: Inputs<'_, 'a>,
    family: Family,
    findings: &mut Findings,
    each: impl Fn(&Row<'a>, &Bump, &mut T) -> Result<Parsed<()>> + Sync,
    mut take: impl FnMut(T, &mut Findings) -> Result<()> + Send,
) -> Result<()> {
    let splits = inputs.set.parts(family, SPLIT)?;
    inputs.progress.begin("fs rows", splits.len() as u64);
    engine::run(
        splits.len(),
        |i| scan_split(inputs.set, family, &splits[i], &each),
        |scanned| {
            inputs.progress.advance(1);
            note_shared(scanned.shared.into_iter().collect(), findings);
            findings.merge(scanned.findings);
            take(scanned.gathered, findings)
        },
    )
}

fn scan_split<'a, T: Default>(
    set: &DataSet<'a>,
    family: Family,
    KeyRange { lo, hi }: &KeyRange,
    each: &impl Fn(&Row<'a>, &Bump, &mut T) -> Result<Parsed<()>>,
) -> Result<Scanned<T>> {
    let (mut gathered, mut arena, mut findings) = (T::default(), Bump::new(), Findings::default());
    let mut rows = set.range(family, lo.clone(), hi.clone());
    while let Some(row) = rows.next()? {
        // If the prefix of one family begins with the prefix of another, the ranges of the shorter one contain rows of both.
        if Family::of(row.user_key) == family
            && let Err(fault) = each(&row, &arena, &mut gathered)?
        {
            findings.add(unreadable(set, family, &row, fault));
        }
        arena.reset();
    }
    Ok(Scanned { gathered, findings, shared: rows.shared() })
}

/// The warning about an unreadable row.
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

/// The inode with a number, if it has a row.
///
/// # Errors
/// A damaged row.
pub fn node(set: &DataSet<'_>, arena: &Bump, number: u64) -> Result<Option<Node>> {
    let Some(row) = set.get(&key::numbers(Family::FsInode, &[number]))? else { return Ok(None) };
    let inode = Inode::parse(arena, row.body);
    let inode = inode.map_err(|fault| set.locate(row.fault(Family::FsInode, fault)))?;
    Ok(Some(Node { number, inode }))
}
