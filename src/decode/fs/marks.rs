//! Inodes that a walk can meet more than once, and where it met them first.
//!
//! There are none in a healthy store, and any number in a strange one: they stand sorted in a temporary file, 24 bytes
//! each, with the first number of each page in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::decode::sort::field;
use crate::error::{Error, Result};
use crate::output::tree::Tree;

/// Bytes of a record: number, names, place.
const RECORD: u64 = 24;
/// Records of a page.
const PAGE: u64 = 128;

/// One of the inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Which of them.
    index: u64,
    /// The inode.
    pub number: u64,
    /// How many names it has.
    pub names: u64,
    /// Where the path stands at which it was met first, and 1; 0: not met yet.
    place: u64,
}

impl Mark {
    /// Whether it was met.
    pub fn is_met(&self) -> bool {
        self.place > 0
    }
}

/// All of them, in the order of their numbers.
#[derive(Default)]
pub struct Marks {
    records: Option<File>,
    paths: Option<File>,
    paths_len: u64,
    len: u64,
    /// First number of each page.
    pages: Vec<u64>,
    /// Records not written yet.
    buffer: Vec<u8>,
}

impl Marks {
    /// Adds an inode; they come in the order of their numbers, each once.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn push(&mut self, tree: &Tree, number: u64, names: u64) -> Result<()> {
        if self.len.is_multiple_of(PAGE) {
            self.pages.push(number);
        }
        self.len += 1;
        [number, names, 0].iter().for_each(|n| self.buffer.extend_from_slice(&n.to_le_bytes()));
        if self.buffer.len() as u64 >= PAGE * RECORD { self.flush(tree) } else { Ok(()) }
    }

    /// Writes what is buffered: before anything is looked up.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn flush(&mut self, tree: &Tree) -> Result<()> {
        let at = self.len * RECORD - self.buffer.len() as u64;
        if !self.buffer.is_empty() {
            file(&mut self.records, tree)?.write_all_at(&self.buffer, at).map_err(temporary)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Looks an inode up.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn find(&self, number: u64) -> Result<Option<Mark>> {
        let after = self.pages.partition_point(|first| *first <= number) as u64;
        let Some(page) = after.checked_sub(1) else { return Ok(None) };
        let from = page * PAGE;
        let mut bytes = vec![0; (PAGE.min(self.len - from) * RECORD) as usize];
        self.read(&mut bytes, from * RECORD)?;
        let marks = bytes.chunks_exact(RECORD as usize).zip(from..).map(|(bytes, index)| mark(bytes, index));
        Ok(marks.into_iter().find(|mark| mark.number == number))
    }

    /// The mark at an index.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn at(&self, index: u64) -> Result<Mark> {
        let mut bytes = [0; RECORD as usize];
        self.read(&mut bytes, index * RECORD)?;
        Ok(mark(&bytes, index))
    }

    fn read(&self, bytes: &mut [u8], at: u64) -> Result<()> {
        self.records.as_ref().map_or(Ok(()), |file| file.read_exact_at(bytes, at)).map_err(temporary)
    }

    /// Remembers where an inode was met.
    ///
    /// # Errors
    /// The temporary files cannot be written.
    pub fn meet(&mut self, tree: &Tree, mark: &Mark, path: &[u8]) -> Result<()> {
        let stored = [&(path.len() as u64).to_le_bytes()[..], path].concat();
        let place = self.paths_len;
        file(&mut self.paths, tree)?.write_all_at(&stored, place).map_err(temporary)?;
        self.paths_len += stored.len() as u64;
        let records = file(&mut self.records, tree)?;
        records.write_all_at(&(place + 1).to_le_bytes(), mark.index * RECORD + 16).map_err(temporary)
    }

    /// The path at which an inode was met; empty if it was not.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn path(&self, mark: &Mark) -> Result<Vec<u8>> {
        let (Some(paths), Some(at)) = (&self.paths, mark.place.checked_sub(1)) else { return Ok(Vec::new()) };
        let mut len = [0; 8];
        paths.read_exact_at(&mut len, at).map_err(temporary)?;
        let mut path = vec![0; u64::from_le_bytes(len) as usize];
        paths.read_exact_at(&mut path, at + 8).map_err(temporary)?;
        Ok(path)
    }
}

fn mark(bytes: &[u8], index: u64) -> Mark {
    let number = |at| u64::from_le_bytes(field(bytes, at));
    Mark { index, number: number(0), names: number(8), place: number(16) }
}

fn file<'f>(slot: &'f mut Option<File>, tree: &Tree) -> Result<&'f File> {
    match slot {
        Some(file) => Ok(file),
        none => Ok(none.insert(tree.scratch()?)),
    }
}

#[cold]
fn temporary(e: io::Error) -> Error {
    Error::io("remember inodes in", "a temporary file", e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        for many in [0, 1, PAGE - 1, PAGE, PAGE + 1, 5 * PAGE + 3] {
            let mut marks = Marks::default();
            (0..many).for_each(|n| marks.push(&tree, n * 3 + 1, n).unwrap());
            marks.flush(&tree).unwrap();
            assert_eq!(marks.len(), many);
            for n in (0..many).step_by(2) {
                let mark = marks.find(n * 3 + 1).unwrap().unwrap();
                assert!(!mark.is_met() && marks.path(&mark).unwrap().is_empty());
                marks.meet(&tree, &mark, format!("path {n}").as_bytes()).unwrap();
            }
            for n in 0..many {
                let mark = marks.find(n * 3 + 1).unwrap().unwrap();
                assert_eq!((mark.names, mark.is_met()), (n, n % 2 == 0));
                assert_eq!(mark, marks.at(n).unwrap());
                let want = if n % 2 == 0 { format!("path {n}") } else { String::new() };
                assert_eq!(marks.path(&mark).unwrap(), want.as_bytes());
                assert_eq!(marks.find(n * 3).unwrap(), None);
            }
            assert_eq!(marks.find(u64::MAX).unwrap(), None);
        }
    }
}
