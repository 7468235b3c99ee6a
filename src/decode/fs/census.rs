//! What names lead to, before anything is walked: which inodes have several names, and which directories are none.

use bumpalo::Bump;

use super::marks::Marks;
use super::scan::{inode, scan};
use crate::dataset::DataSet;
use crate::decode::Job;
use crate::decode::sort::{Sorted, Sorter};
use crate::error::Result;
use crate::format::fs::{Entry, EntryKey, ROOT};
use crate::format::{Family, fs};

/// What all names together tell.
pub struct Census {
    /// Inodes with more than one name, and the root if it has any: a walk can meet them twice.
    pub marks: Marks,
    /// Numbers that have names in them but are no directory in the inputs.
    pub unreachable: Sorted<u64>,
}

/// What a part of the names tells.
#[derive(Default)]
struct Part {
    children: Vec<u64>,
    unreachable: Vec<u64>,
    /// The directory of the last name.
    parent: Option<u64>,
}

impl Census {
    /// Takes it.
    ///
    /// # Errors
    /// An input that changed, or a temporary file that cannot be written.
    pub fn take(job: &mut Job<'_, '_, '_>) -> Result<Census> {
        let (mut children, unreachable) = names(job)?;
        let mut marks = Marks::default();
        each_child(&mut children, |child, names| {
            if names > 1 || child == ROOT { marks.push(job.tree, child, names) } else { Ok(()) }
        })?;
        marks.flush(job.tree)?;
        Ok(Census { marks, unreachable })
    }
}

/// Marks of some inodes, given in order, each with how many names it has.
///
/// # Errors
/// As [`Census::take`].
pub fn marks_of(job: &mut Job<'_, '_, '_>, mut numbers: Sorted<u64>) -> Result<Marks> {
    let (mut children, _) = names(job)?;
    let (tree, mut marks, mut next) = (job.tree, Marks::default(), numbers.next()?);
    let mut up_to = |limit: Option<u64>, names: u64, marks: &mut Marks| -> Result<()> {
        while let Some(number) = next.filter(|number| limit.is_none_or(|limit| *number <= limit)) {
            marks.push(tree, number, if limit == Some(number) { names } else { 0 })?;
            next = numbers.next()?;
        }
        Ok(())
    };
    each_child(&mut children, |child, names| up_to(Some(child), names, &mut marks))?;
    up_to(None, 0, &mut marks)?;
    marks.flush(tree)?;
    Ok(marks)
}

/// The inodes that names lead to, sorted; and the numbers of what has names in it but is no directory.
fn names(job: &mut Job<'_, '_, '_>) -> Result<(Sorted<u64>, Sorted<u64>)> {
    let (set, tree) = (job.set, job.tree);
    let (mut children, mut unreachable) = (Sorter::new(tree, 0), Sorter::new(tree, 0));
    scan(
        job,
        Family::FsEntry,
        |row, arena, part: &mut Part| {
            let key = match EntryKey::parse(Family::FsEntry.suffix(row.user_key)) {
                Ok(key) => key,
                Err(fault) => return Ok(Err(fault)),
            };
            if part.parent.replace(key.parent) != Some(key.parent) && !is_directory(set, arena, key.parent)? {
                part.unreachable.push(key.parent);
            }
            // A walk that comes to a value it cannot read tells of it.
            part.children.extend(Entry::parse(arena, row.body).map(|entry| entry.inode).ok());
            Ok(Ok(()))
        },
        |part, _| {
            part.unreachable.into_iter().try_for_each(|number| unreachable.push(number))?;
            part.children.into_iter().try_for_each(|child| children.push(child))
        },
    )?;
    Ok((children.finish()?, unreachable.finish()?))
}

fn is_directory(set: &DataSet<'_>, arena: &Bump, number: u64) -> Result<bool> {
    match inode(set, arena, number) {
        Ok(found) => Ok(found.is_some_and(|(_, inode): (_, fs::Inode)| inode.kind.is_dir())),
        // Whoever needs it will tell.
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
