//! Inodes that no walk from the root reaches: lost ones, and ones that were deleted but not freed yet.

use bumpalo::Bump;

use super::census::marks_of;
use super::findings;
use super::marks::Marks;
use super::names::numbered;
use super::scan::{inode, unreadable};
use super::walk::{Batch, Named, Start, Visit, Walker};
use crate::dataset::DataSet;
use crate::decode::Job;
use crate::decode::sort::{Sorted, Sorter};
use crate::error::Result;
use crate::format::Family;
use crate::format::fs::{Inode, key};
use crate::report::{Finding, Findings, Value};

/// What was left.
pub struct Left {
    /// Inodes of all kinds, reached or not.
    pub inodes: u64,
    /// Those that are there for good, sorted.
    pub lost: Marks,
    /// Those about to be freed, sorted.
    pub orphans: Sorted<u64>,
    /// How many orphans there are.
    pub orphan_count: u64,
}

/// Finds the inodes that are not among `met`.
///
/// # Errors
/// An input that changed, or a temporary file that cannot be written.
pub fn find(job: &mut Job<'_, '_, '_>, mut met: Sorted<u64>) -> Result<Left> {
    let (mut lost, mut orphans) = (Sorter::new(job.tree, 0), Sorter::new(job.tree, 0));
    let (mut inodes, mut orphan_count, mut lost_count) = (0, 0, 0);
    let (mut next, mut arena) = (met.next()?, Bump::new());
    let mut rows = job.set.family(Family::FsInode);
    while let Some(row) = rows.next()? {
        inodes += 1;
        let number = match key::number(Family::FsInode.suffix(row.user_key)) {
            Ok(number) => number,
            Err(fault) => {
                job.collector.findings.add(unreadable(job.set, Family::FsInode, &row, fault));
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
                orphan_count += 1;
                job.collector.findings.add(orphan(number, &inode));
                orphans.push(number)?;
            }
            Ok(_) => {
                lost_count += 1;
                lost.push(number)?;
            }
            Err(fault) => job.collector.findings.add(unreadable(job.set, Family::FsInode, &row, fault)),
        }
        arena.reset();
    }
    let (lost, orphans) = (lost.finish()?, orphans.finish()?);
    let lost = if lost_count > 0 { marks_of(job, lost)? } else { Marks::default() };
    Ok(Left { inodes, lost, orphans, orphan_count })
}

fn orphan(number: u64, inode: &Inode) -> Finding {
    Finding::new(&findings::ORPHAN)
        .with("inode", Value::Exact(number))
        .with("size", Value::Exact(inode.size))
        .with("nlink", u64::from(inode.nlink))
}

/// Rounds through the lost inodes.
const ROUNDS: u64 = 3;

/// Where the walks through what was lost start, one after the other: names in what is no directory; inodes without any
/// name; directories that only one another lead to, or one that was not entered; and what is in none of them.
pub struct LostStarts {
    unreachable: Sorted<u64>,
    last: Option<u64>,
    /// Next of the lost inodes, in all rounds.
    next: u64,
}

impl LostStarts {
    /// At the first of them.
    pub fn new(unreachable: Sorted<u64>) -> LostStarts {
        LostStarts { unreachable, last: None, next: 0 }
    }

    /// Starts at the next place; see [`Walker::batch`].
    ///
    /// # Errors
    /// An input that changed.
    pub fn start<'a>(&mut self, walker: &mut Walker<'_, 'a, '_>) -> Result<Option<Option<Visit<'a>>>> {
        while let Some(number) = self.unreachable.next()? {
            if self.last.replace(number) != Some(number) {
                walker.start_in(number, &[&numbered("lost+found", number)[..], b".dir"].concat());
                return Ok(Some(None));
            }
        }
        let Some(lost) = walker.lost() else { return Ok(None) };
        while self.next < ROUNDS * lost.len() {
            let mark = lost.at(self.next % lost.len())?;
            let round = self.next / lost.len();
            self.next += 1;
            let turn = || match round {
                0 => Ok(mark.names == 0),
                1 => walker.is_directory(mark.number),
                _ => Ok(true),
            };
            if !mark.is_met() && turn()? {
                let tree = numbered("lost+found", mark.number);
                return walker.start(&Start { number: mark.number, tree, root: false }).map(Some);
            }
        }
        Ok(None)
    }
}

/// Visits of the next orphans; `None`: there are no more.
///
/// # Errors
/// An input that changed.
pub fn orphans<'a>(set: &DataSet<'a>, orphans: &mut Sorted<u64>) -> Result<Option<Batch<'a>>> {
    let (mut visits, arena) = (Vec::new(), Bump::new());
    for number in orphans.next_batch(64)? {
        if let Some((row, inode)) = inode(set, &arena, number)? {
            let (tree, notes) = (numbered("orphans", number), vec![&findings::ORPHAN]);
            visits.push(Visit { number, row, inode, named: Named::Nowhere, tree, keymap: None, link: None, notes });
        }
    }
    Ok(Some(Batch { visits, findings: Findings::default() }).filter(|batch| !batch.visits.is_empty()))
}
