//! Finds one file by its path, without reading the others, as the server does.

use bumpalo::Bump;

use super::scan::node;
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::Family;
use crate::format::fs::{Entry, ROOT, key};
use crate::model::fs::Node;

/// Follows a path from the root, name by name; `None` if the server would say that it does not exist, or is not a directory.
///
/// Slashes at the ends and double slashes are ignored; `.` is the directory itself, `..` the one it was created in.
///
/// # Errors
/// A damaged row on the way.
pub fn resolve(set: &DataSet<'_>, path: &[u8]) -> Result<Option<Node>> {
    let mut arena = Bump::new();
    let mut found = node(set, &arena, ROOT)?;
    for name in path.split(|b| *b == b'/').filter(|name| !matches!(*name, b"" | b".")) {
        let Some(dir) = found.filter(|node| node.inode.kind.is_dir()) else { return Ok(None) };
        let number = match name {
            b".." => Some(if dir.number == ROOT { ROOT } else { dir.inode.parent }),
            _ => child(set, &arena, dir.number, name)?,
        };
        arena.reset();
        let Some(number) = number else { return Ok(None) };
        found = node(set, &arena, number)?;
    }
    Ok(found)
}

fn child(set: &DataSet<'_>, arena: &Bump, dir: u64, name: &[u8]) -> Result<Option<u64>> {
    let Some(row) = set.get(&key::entry(dir, name))? else { return Ok(None) };
    let entry = Entry::parse(arena, row.body);
    entry.map(|entry| Some(entry.inode)).map_err(|fault| set.locate(row.fault(Family::FsEntry, fault)))
}

/// The rows that describe the target of a path: its name, and its inode.
///
/// # Errors
/// A damaged row on the way.
pub fn rows_of(set: &DataSet<'_>, path: &[u8]) -> Result<Vec<Vec<u8>>> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let (parent, name) = path.split_at(memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1));
    let mut rows = Vec::new();
    if let Some(parent) = resolve(set, parent)?.filter(|_| !name.is_empty()) {
        rows.push(key::entry(parent.number, name));
    }
    rows.extend(resolve(set, path)?.map(|node| key::numbers(Family::FsInode, &[node.number])));
    Ok(rows)
}
