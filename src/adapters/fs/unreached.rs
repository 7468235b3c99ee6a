//! Inodes that a walk from the root does not reach: lost ones, and ones that were deleted but not freed yet.

use bumpalo::Bump;

use super::Inputs;
use super::census::links_of;
use super::findings;
use super::links::LinkTable;
use super::scan::{node, unreadable};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::Family;
use crate::format::fs::{Inode, key};
use crate::model::fs::{Found, Name, Visitor};
use crate::report::{Finding, Findings, Value};
use crate::run::sort::{Sorted, Sorter};

/// The unreached inodes.
pub struct Unreached<'r> {
    /// Number of all inodes, reached or not.
    pub inodes: u64,
    /// The permanent ones, sorted.
    pub lost: LinkTable<'r>,
    /// Those that are about to be freed, sorted.
    pub deleted: Sorted<u64>,
    /// Number of those that are about to be freed.
    pub deleted_count: u64,
}

impl<'r> Unreached<'r> {
    /// Finds the inodes that are not in `met`.
    ///
    /// # Errors
    /// An input that changed, or a temporary file that cannot be written.
    pub fn find(inputs: Inputs<'r, '_>, mut met: Sorted<u64>, findings: &mut Findings) -> Result<Unreached<'r>> {
        let (mut lost, mut deleted) = (Sorter::new(inputs.scratch, 0), Sorter::new(inputs.scratch, 0));
        let (mut inodes, mut deleted_count, mut lost_count) = (0, 0, 0);
        let (mut next, mut arena) = (met.next()?, Bump::new());
        let mut rows = inputs.set.family(Family::FsInode);
        while let Some(row) = rows.next()? {
            inodes += 1;
            let number = match key::number(Family::FsInode.suffix(row.user_key)) {
                Ok(number) => number,
                Err(fault) => {
                    findings.add(unreadable(inputs.set, Family::FsInode, &row, fault));
                    continue;
                }
            };
            while next.is_some_and(|met| met < number) {
                next = met.next()?;
            }
            if next == Some(number) {
                continue;
            }
            match Inode::parse(&arena, row.body) {
                Ok(inode) if inode.is_unlinked() => {
                    deleted_count += 1;
                    findings.add(orphan(number, &inode));
                    deleted.push(number)?;
                }
                Ok(_) => {
                    lost_count += 1;
                    lost.push(number)?;
                }
                Err(fault) => findings.add(unreadable(inputs.set, Family::FsInode, &row, fault)),
            }
            arena.reset();
        }
        let (lost, deleted) = (lost.finish()?, deleted.finish()?);
        let lost = if lost_count > 0 { links_of(inputs, lost, findings)? } else { LinkTable::new(inputs.scratch) };
        Ok(Unreached { inodes, lost, deleted, deleted_count })
    }
}

fn orphan(number: u64, inode: &Inode) -> Finding {
    Finding::new(&findings::ORPHAN)
        .with("inode", Value::Exact(number))
        .with("size", Value::Exact(inode.size))
        .with("nlink", u64::from(inode.nlink))
}

/// Gives deleted inodes one by one.
pub struct Deleted<'d, 'a> {
    set: &'d DataSet<'a>,
    numbers: &'d mut Sorted<u64>,
    arena: Bump,
}

impl<'d, 'a> Deleted<'d, 'a> {
    /// Starts at the first one.
    pub fn new(set: &'d DataSet<'a>, unreached: &'d mut Unreached<'_>) -> Self {
        Deleted { set, numbers: &mut unreached.deleted, arena: Bump::new() }
    }

    /// Gives the next one; `false`: there are no more.
    ///
    /// # Errors
    /// An input that changed.
    pub fn advance(&mut self, visitor: &mut impl Visitor) -> Result<bool> {
        let Some(number) = self.numbers.next()? else { return Ok(false) };
        self.arena.reset();
        if let Some(node) = node(self.set, &self.arena, number)? {
            visitor.file(&Found { node, name: Name::Deleted, notes: &[&findings::ORPHAN] });
        }
        Ok(true)
    }
}
