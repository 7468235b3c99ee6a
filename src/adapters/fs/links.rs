//! The hard-link table: inodes that a walk can meet more than once, and the reference that the visitor gave them at the first time.
//!
//! A server without hard links has none, and a damaged store can have any number. They are stored sorted in a temporary file, 24 bytes
//! each, and the first number of each page is in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::error::{Error, Result};
use crate::model::fs::Reference;
use crate::run::Scratch;
use crate::run::sort::field;

/// Bytes of a record: number, names, reference.
const RECORD: u64 = 24;
/// Records of a page.
const PAGE: u64 = 128;

/// One of the inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    index: u64,
    /// The inode.
    pub number: u64,
    /// The number of its names.
    pub names: u64,
    /// The visitor's reference; `None`: it was not met yet.
    pub first: Option<Reference>,
}

/// All of them, in the order of their numbers.
pub struct LinkTable<'r> {
    scratch: &'r dyn Scratch,
    records: Option<File>,
    len: u64,
    /// First number of each page.
    pages: Vec<u64>,
    /// Records not written yet.
    buffer: Vec<u8>,
}

impl<'r> LinkTable<'r> {
    /// An empty table.
    pub fn new(scratch: &'r dyn Scratch) -> Self {
        LinkTable { scratch, records: None, len: 0, pages: Vec::new(), buffer: Vec::new() }
    }

    /// Adds an inode. Inodes come in the order of their numbers, each once.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn push(&mut self, number: u64, names: u64) -> Result<()> {
        if self.len.is_multiple_of(PAGE) {
            self.pages.push(number);
        }
        self.len += 1;
        [number, names, 0].iter().for_each(|n| self.buffer.extend_from_slice(&n.to_le_bytes()));
        if self.buffer.len() as u64 >= PAGE * RECORD { self.flush() } else { Ok(()) }
    }

    /// Writes the buffer. It must be called before anything is looked up.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        let at = self.len * RECORD - self.buffer.len() as u64;
        if !self.buffer.is_empty() {
            let file = match &mut self.records {
                Some(file) => file,
                none => none.insert(self.scratch.file()?),
            };
            file.write_all_at(&self.buffer, at).map_err(temporary)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// The number of inodes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Looks an inode up.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn find(&self, number: u64) -> Result<Option<Link>> {
        let after = self.pages.partition_point(|first| *first <= number) as u64;
        let Some(page) = after.checked_sub(1) else { return Ok(None) };
        let from = page * PAGE;
        let mut bytes = vec![0; (PAGE.min(self.len - from) * RECORD) as usize];
        self.read(&mut bytes, from * RECORD)?;
        let links = bytes.chunks_exact(RECORD as usize).zip(from..).map(|(bytes, index)| link(bytes, index));
        Ok(links.into_iter().find(|link| link.number == number))
    }

    /// The inode at an index.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn at(&self, index: u64) -> Result<Link> {
        let mut bytes = [0; RECORD as usize];
        self.read(&mut bytes, index * RECORD)?;
        Ok(link(&bytes, index))
    }

    fn read(&self, bytes: &mut [u8], at: u64) -> Result<()> {
        self.records.as_ref().map_or(Ok(()), |file| file.read_exact_at(bytes, at)).map_err(temporary)
    }

    /// Stores the visitor's reference to an inode.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn meet(&mut self, link: &Link, first: Reference) -> Result<()> {
        let Some(records) = &self.records else { return Ok(()) };
        // 0 means that it was not met.
        let stored = first.0.wrapping_add(1).to_le_bytes();
        records.write_all_at(&stored, link.index * RECORD + 16).map_err(temporary)
    }
}

/// The tables of a walk.
pub struct LinkTables<'w, 'r> {
    /// Inodes with several names.
    pub links: &'w mut LinkTable<'r>,
    /// Inodes that the first walk did not reach, if this is a later one.
    pub lost: Option<&'w mut LinkTable<'r>>,
}

/// One of the inodes, and its table.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The record in the table.
    pub link: Link,
    lost: bool,
}

impl LinkTables<'_, '_> {
    /// Looks an inode up.
    ///
    /// # Errors
    /// A temporary file cannot be read.
    pub fn find(&self, number: u64) -> Result<Option<Known>> {
        let lost = self.lost.as_ref().map_or(Ok(None), |lost| lost.find(number))?;
        match lost {
            Some(link) => Ok(Some(Known { link, lost: true })),
            None => Ok(self.links.find(number)?.map(|link| Known { link, lost: false })),
        }
    }

    /// Stores the visitor's reference to an inode.
    ///
    /// # Errors
    /// A temporary file cannot be written.
    pub fn meet(&mut self, known: &Known, first: Reference) -> Result<()> {
        match &mut self.lost {
            Some(lost) if known.lost => lost.meet(&known.link, first),
            _ => self.links.meet(&known.link, first),
        }
    }
}

fn link(bytes: &[u8], index: u64) -> Link {
    let number = |at| u64::from_le_bytes(field(bytes, at));
    Link { index, number: number(0), names: number(8), first: number(16).checked_sub(1).map(Reference) }
}

#[cold]
fn temporary(e: io::Error) -> Error {
    Error::io("remember inodes in", "a temporary file", e)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::scratch::Anywhere;

    #[test]
    fn what_is_met_is_found_again() {
        for many in [0, 1, PAGE - 1, PAGE, PAGE + 1, 5 * PAGE + 3] {
            let mut table = LinkTable::new(&Anywhere);
            (0..many).for_each(|n| table.push(n * 3 + 1, n).unwrap());
            table.flush().unwrap();
            assert_eq!(table.len(), many);
            for n in (0..many).step_by(2) {
                let link = table.find(n * 3 + 1).unwrap().unwrap();
                assert_eq!(link.first, None);
                table.meet(&link, Reference(n * 5)).unwrap();
            }
            for n in 0..many {
                let link = table.find(n * 3 + 1).unwrap().unwrap();
                assert_eq!((link.names, link.first), (n, (n % 2 == 0).then_some(Reference(n * 5))));
                assert_eq!(link, table.at(n).unwrap());
                assert_eq!(table.find(n * 3).unwrap(), None);
            }
            assert_eq!(table.find(u64::MAX).unwrap(), None);
        }
    }
}
