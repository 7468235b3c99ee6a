//! A pass over all names before the walk: which inodes have several names, and which inodes have names in them but are not directories.

use bumpalo::Bump;

use super::Inputs;
use super::links::LinkTable;
use super::scan::{node, scan};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::Family;
use crate::format::fs::{Entry, EntryKey, ROOT};
use crate::report::Findings;
use crate::run::sort::{Sorted, Sorter};

/// The result for all names.
pub struct Census<'r> {
    /// Inodes with more than one name, and the root if it has a name: a walk can meet them twice.
    pub links: LinkTable<'r>,
    /// Numbers that have names in them but are not directories in the inputs.
    pub unreachable: Sorted<u64>,
}

/// The result for a split of the names.
#[derive(Default)]
struct Gathered {
    children: Vec<u64>,
    unreachable: Vec<u64>,
    /// The directory of the last name.
    parent: Option<u64>,
}

impl<'r> Census<'r> {
    /// Reads all directory entries.
    ///
    /// # Errors
    /// An input that changed, or a temporary file that cannot be written.
    pub fn take(inputs: Inputs<'r, '_>, findings: &mut Findings) -> Result<Census<'r>> {
        let (mut children, unreachable) = names(inputs, findings)?;
        let mut links = LinkTable::new(inputs.scratch);
        each_child(
            &mut children,
            |child, names| {
                if names > 1 || child == ROOT { links.push(child, names) } else { Ok(()) }
            },
        )?;
        links.flush()?;
        Ok(Census { links, unreachable })
    }
}

/// A table of some inodes, given in order, each with the number of its names.
///
/// # Errors
/// As [`Census::take`].
pub fn links_of<'r>(
    inputs: Inputs<'r, '_>,
    mut numbers: Sorted<u64>,
    findings: &mut Findings,
) -> Result<LinkTable<'r>> {
    let (mut children, _) = names(inputs, findings)?;
    let (mut links, mut next) = (LinkTable::new(inputs.scratch), numbers.next()?);
    let mut up_to = |limit: Option<u64>, names: u64, links: &mut LinkTable<'_>| -> Result<()> {
        while let Some(number) = next.filter(|number| limit.is_none_or(|limit| *number <= limit)) {
            links.push(number, if limit == Some(number) { names } else { 0 })?;
            next = numbers.next()?;
        }
        Ok(())
    };
    each_child(&mut children, |child, names| up_to(Some(child), names, &mut links))?;
    up_to(None, 0, &mut links)?;
    links.flush()?;
    Ok(links)
}

/// The inodes that names refer to, sorted, and the numbers that have names in them but are not directories.
fn names(inputs: Inputs<'_, '_>, findings: &mut Findings) -> Result<(Sorted<u64>, Sorted<u64>)> {
    let (set, scratch) = (inputs.set, inputs.scratch);
    let (mut children, mut unreachable) = (Sorter::new(scratch, 0), Sorter::new(scratch, 0));
    scan(
        inputs,
        Family::FsEntry,
        findings,
        |row, arena, split: &mut Gathered| {
            let key = match EntryKey::parse(Family::FsEntry.suffix(row.user_key)) {
                Ok(key) => key,
                Err(fault) => return Ok(Err(fault)),
            };
            if split.parent.replace(key.parent) != Some(key.parent) && !is_directory(set, arena, key.parent)? {
                split.unreachable.push(key.parent);
            }
            // A walk that reaches an unreadable value reports it.
            split.children.extend(Entry::parse(arena, row.body).map(|entry| entry.inode).ok());
            Ok(Ok(()))
        },
        |split, _| {
            split.unreachable.into_iter().try_for_each(|number| unreachable.push(number))?;
            split.children.into_iter().try_for_each(|child| children.push(child))
        },
    )?;
    Ok((children.finish()?, unreachable.finish()?))
}

fn is_directory(set: &DataSet<'_>, arena: &Bump, number: u64) -> Result<bool> {
    match node(set, arena, number) {
        Ok(found) => Ok(found.is_some_and(|node| node.inode.kind.is_dir())),
        // The pass that needs it reports it.
        Err(error) if error.is_damage() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Calls `each` for every inode with the number of its names.
fn each_child(children: &mut Sorted<u64>, mut each: impl FnMut(u64, u64) -> Result<()>) -> Result<()> {
    let mut run: Option<(u64, u64)> = None;
    while let Some(child) = children.next()? {
        match &mut run {
            Some((last, names)) if *last == child => *names += 1,
            _ => {
                if let Some((last, names)) = run.replace((child, 1)) {
                    each(last, names)?;
                }
            }
        }
    }
    run.map_or(Ok(()), |(last, names)| each(last, names))
}
