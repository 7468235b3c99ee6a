//! The directories from the start of a walk down to the current one.
//!
//! Nothing is held of directories that were left, and only the last few have an open reader of their names. When the walk returns to a
//! directory without a reader, the reader is opened again after the name that was followed. Depth does not use the call stack.

use crate::dataset::{DataSet, RangeIter, Row, after_prefix};
use crate::error::Result;
use crate::format::Family;
use crate::format::fs::key;

/// Directories whose readers stay open.
const MOST_OPEN: usize = 16;

/// A directory on the stack.
pub struct Directory<'r, 'a> {
    /// Its inode's number.
    pub number: u64,
    /// Child directories so far.
    pub children: u64,
    /// The link count in its inode; `None`: there is no inode.
    pub links: Option<u32>,
    /// Names so far.
    pub names: u64,
    /// Whether it, or a directory above, is asked for.
    pub wanted: bool,
    /// Length of its path.
    path: usize,
    /// The rest of its names; `None`: must be opened again.
    rows: Option<RangeIter<'r, 'a>>,
}

impl<'a> Directory<'_, 'a> {
    /// The row of its next name.
    ///
    /// # Errors
    /// An input that changed.
    pub fn next(&mut self) -> Result<Option<Row<'a>>> {
        self.rows.as_mut().map_or(Ok(None), RangeIter::next)
    }
}

/// The directories on the stack.
pub struct Stack<'r, 'a> {
    set: &'r DataSet<'a>,
    directories: Vec<Directory<'r, 'a>>,
    /// The names from the start to the current entry.
    path: Vec<u8>,
    /// Whether the start is the root of the file system.
    rooted: bool,
}

impl<'r, 'a> Stack<'r, 'a> {
    /// An empty stack.
    pub fn new(set: &'r DataSet<'a>) -> Self {
        Stack { set, directories: Vec::new(), path: Vec::new(), rooted: true }
    }

    /// Begins a walk: at the root, or somewhere else.
    pub fn start(&mut self, rooted: bool) {
        self.directories.clear();
        self.path.clear();
        self.rooted = rooted;
    }

    /// The current directory.
    pub fn top(&mut self) -> Option<&mut Directory<'r, 'a>> {
        self.directories.last_mut()
    }

    /// The path of the current entry, from the start of the walk.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// The same path, if the walk started at the root.
    pub fn path_from_root(&self) -> Option<&[u8]> {
        self.rooted.then_some(&self.path)
    }

    /// The path of the current directory, if the walk started at the root.
    pub fn directory_from_root(&self) -> Option<&[u8]> {
        let directory = self.directories.last().filter(|_| self.rooted)?;
        self.path.get(..directory.path)
    }

    /// Takes a name in the current directory: the path ends with it now. Returns whether the directory is wanted; `None`: the stack is
    /// empty.
    pub fn take_name(&mut self, name: &[u8]) -> Option<bool> {
        let directory = self.directories.last_mut()?;
        directory.names += 1;
        self.path.truncate(directory.path);
        if directory.path > 0 {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name);
        Some(directory.wanted)
    }

    /// Enters the directory that the path leads to.
    pub fn push(&mut self, number: u64, links: Option<u32>, wanted: bool) {
        if let Some(far) = self.directories.len().checked_sub(MOST_OPEN) {
            self.directories[far].rows = None;
        }
        let rows = Some(rows_of(self.set, number, key::numbers(Family::FsEntry, &[number])));
        let path = self.path.len();
        self.directories.push(Directory { number, children: 0, links, names: 0, wanted, path, rows });
    }

    /// Returns to the parent directory.
    pub fn pop(&mut self) {
        let Some(left) = self.directories.pop() else { return };
        let Some(above) = self.directories.last_mut() else { return };
        if above.rows.is_none() {
            // After the name that led here.
            let slash = usize::from(above.path > 0);
            let name = self.path.get(above.path + slash..left.path).unwrap_or_default();
            let mut from = key::entry(above.number, name);
            from.push(0);
            above.rows = Some(rows_of(self.set, above.number, from));
        }
        self.path.truncate(above.path);
    }
}

fn rows_of<'r, 'a>(set: &'r DataSet<'a>, directory: u64, from: Vec<u8>) -> RangeIter<'r, 'a> {
    let end = after_prefix(&key::numbers(Family::FsEntry, &[directory]));
    set.range(Family::FsEntry, from, end)
}
