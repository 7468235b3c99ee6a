//! One file by its path, without the others: as the server finds it, and its content.

use std::io::Write;

use bumpalo::Bump;

use super::body::{Extents, zeros};
use super::scan::inode;
use crate::dataset::{DataSet, Row};
use crate::error::{Error, Result};
use crate::format::Family;
use crate::format::fs::{Entry, Inode, ROOT, key};

/// What a path leads to.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// Its inode's number.
    pub number: u64,
    /// The inode's row.
    pub row: Row<'a>,
    /// What the row says.
    pub inode: Inode,
}

/// Follows a path from the root, name by name; `None` where the server would say that there is nothing, or no directory.
///
/// Slashes at the ends and doubled ones do not count; `.` is the directory itself, `..` the one it was made in.
///
/// # Errors
/// A damaged row on the way.
pub fn resolve<'a>(set: &DataSet<'a>, path: &[u8]) -> Result<Option<Node<'a>>> {
    let mut arena = Bump::new();
    let mut node = at(set, &arena, ROOT)?;
    for name in path.split(|b| *b == b'/').filter(|name| !matches!(*name, b"" | b".")) {
        let Some(dir) = node.filter(|node| node.inode.kind.is_dir()) else { return Ok(None) };
        let number = match name {
            b".." => Some(if dir.number == ROOT { ROOT } else { dir.inode.parent }),
            _ => child(set, &arena, dir.number, name)?,
        };
        arena.reset();
        let Some(number) = number else { return Ok(None) };
        node = at(set, &arena, number)?;
    }
    Ok(node)
}

fn at<'a>(set: &DataSet<'a>, arena: &Bump, number: u64) -> Result<Option<Node<'a>>> {
    Ok(inode(set, arena, number)?.map(|(row, inode)| Node { number, row, inode }))
}

fn child(set: &DataSet<'_>, arena: &Bump, dir: u64, name: &[u8]) -> Result<Option<u64>> {
    let Some(row) = set.get(&key::entry(dir, name))? else { return Ok(None) };
    let entry = Entry::parse(arena, row.body);
    entry.map(|entry| Some(entry.inode)).map_err(|fault| set.locate(row.fault(Family::FsEntry, fault)))
}

/// Writes the content of a file, zeros for its holes too.
///
/// # Errors
/// An input that changed, or a failed write.
pub fn copy(set: &DataSet<'_>, node: &Node<'_>, out: &mut dyn Write) -> Result<()> {
    let (mut extents, mut at) = (Extents::new(set, node.number, &node.inode), 0);
    let failed = Error::stdout;
    while let Some((offset, bytes)) = extents.next()? {
        zeros(offset - at)
            .try_for_each(|zeros| out.write_all(zeros))
            .and_then(|()| out.write_all(bytes))
            .map_err(failed)?;
        at = offset + bytes.len() as u64;
    }
    zeros(node.inode.size - at).try_for_each(|zeros| out.write_all(zeros)).map_err(failed)
}
