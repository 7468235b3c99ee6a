//! Where walks start.

use bumpalo::Bump;

use super::links::LinkTable;
use super::scan::node;
use crate::dataset::DataSet;
use crate::error::Result;
use crate::run::sort::Sorted;

/// Where a walk starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the root of the file system.
    Root,
    /// At an inode that the walk from the root did not reach.
    Lost(u64),
    /// At the names in an inode that is not a directory.
    Unreachable(u64),
}

/// All starts of a walk, one after the other.
pub enum Starts {
    /// At the root; `false`: it was started already.
    Root(bool),
    /// At lost inodes.
    Lost(LostStarts),
}

impl Starts {
    /// The next start; `None`: there are no more. `lost`: inodes that were not reached from the root.
    ///
    /// # Errors
    /// An input that changed.
    pub fn next(&mut self, set: &DataSet<'_>, lost: Option<&LinkTable<'_>>) -> Result<Option<Start>> {
        match self {
            Starts::Root(waits) => Ok(std::mem::take(waits).then_some(Start::Root)),
            Starts::Lost(starts) => starts.next(set, lost),
        }
    }
}

/// How often the lost inodes are visited.
const ROUNDS: u64 = 3;

/// Starts at lost inodes, in rounds: at names in inodes that are not directories; at inodes without any name; at
/// directories that only names in each other, or a name that was not followed, lead to; and at all others.
pub struct LostStarts {
    unreachable: Sorted<u64>,
    last: Option<u64>,
    /// The next lost inode, counted over all rounds.
    next: u64,
}

impl LostStarts {
    /// At the first start.
    pub fn new(unreachable: Sorted<u64>) -> LostStarts {
        LostStarts { unreachable, last: None, next: 0 }
    }

    fn next(&mut self, set: &DataSet<'_>, lost: Option<&LinkTable<'_>>) -> Result<Option<Start>> {
        while let Some(number) = self.unreachable.next()? {
            if self.last.replace(number) != Some(number) {
                return Ok(Some(Start::Unreachable(number)));
            }
        }
        let Some(lost) = lost else { return Ok(None) };
        while self.next < ROUNDS * lost.len() {
            let link = lost.at(self.next % lost.len())?;
            let round = self.next / lost.len();
            self.next += 1;
            let turn = || match round {
                0 => Ok(link.names == 0),
                1 => is_directory(set, link.number),
                _ => Ok(true),
            };
            if link.first.is_none() && turn()? {
                return Ok(Some(Start::Lost(link.number)));
            }
        }
        Ok(None)
    }
}

fn is_directory(set: &DataSet<'_>, number: u64) -> Result<bool> {
    Ok(node(set, &Bump::new(), number)?.is_some_and(|node| node.inode.kind.is_dir()))
}
