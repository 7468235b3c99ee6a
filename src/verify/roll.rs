//! What is said, found and wanted of every path, brought together in flat memory.
//!
//! Rows of all three kinds go into one sorter, which spills; behind it the rows of one path stand together.

use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::output::checksums::{Checksums, Digest, Entry, Place, Sums};

/// Where a row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// CHECKSUMS says it.
    Said,
    /// It is in the output.
    Found,
    /// A fresh decode has it.
    Fresh,
}

impl Tag {
    /// Adds a row.
    pub fn add(self, path: &[u8], digest: Digest, sums: &mut Sums) {
        sums.add(b"", path, digest, Place { at: self as u64, len: 0, pieces: 0 });
    }
}

/// What is known of one path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// By [`Tag`].
    digests: [Option<Digest>; 3],
    /// Two rows of one kind.
    pub doubled: bool,
}

impl Known {
    /// The digest that a kind of row gives.
    pub fn digest(&self, tag: Tag) -> Option<Digest> {
        self.digests[tag as usize]
    }

    fn take(&mut self, entry: &Entry) {
        let slot = usize::try_from(entry.place.at).ok().and_then(|tag| self.digests.get_mut(tag));
        if let Some(slot) = slot {
            self.doubled |= slot.replace(entry.digest).is_some();
        }
    }
}

/// Collects rows. A failed spill is told at the end.
pub struct Roll {
    rows: Checksums,
    failed: Option<Error>,
}

impl Roll {
    /// No rows yet; they are spilled to the file system of `scratch`.
    pub fn new(scratch: &Path) -> Roll {
        Roll { rows: Checksums::new(scratch), failed: None }
    }

    /// Takes rows.
    pub fn take(&mut self, sums: &Sums) {
        if let Err(error) = self.rows.add(sums) {
            self.failed.get_or_insert(error);
        }
    }

    /// Takes every row of another collection as rows of one kind.
    ///
    /// # Errors
    /// A failed read of what it has spilled.
    pub fn take_all(&mut self, tag: Tag, other: &mut Checksums) -> Result<()> {
        let mut sums = Sums::default();
        let read = other.merge(|path, entry| {
            tag.add(path, entry.digest, &mut sums);
            if sums.len() >= 1024 {
                self.take(&std::mem::take(&mut sums));
            }
            Ok(())
        });
        self.take(&sums);
        read.map_err(merge_failed)
    }

    /// Gives every path in order.
    ///
    /// # Errors
    /// A failed spill, or what `each` gives.
    pub fn judge(mut self, mut each: impl FnMut(&[u8], &Known) -> io::Result<()>) -> Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let (mut path, mut known, mut any): (Vec<u8>, Known, bool) = Default::default();
        let read = self.rows.merge(|next, entry| {
            if any && next != path.as_slice() {
                each(&path, &known)?;
                known = Known::default();
            }
            path.clear();
            path.extend_from_slice(next);
            any = true;
            known.take(entry);
            Ok(())
        });
        read.and_then(|()| if any { each(&path, &known) } else { Ok(()) }).map_err(merge_failed)
    }
}

fn merge_failed(e: io::Error) -> Error {
    Error::io("merge checksums in", "the temporary directory", e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_path_come_together() {
        let mut roll = Roll::new(&std::env::temp_dir());
        for (tag, path, digest) in
            [(Tag::Found, "b", 1), (Tag::Said, "a", 2), (Tag::Fresh, "b", 3), (Tag::Said, "b", 4), (Tag::Said, "a", 2)]
        {
            let mut sums = Sums::default();
            tag.add(path.as_bytes(), [digest; 32], &mut sums);
            roll.take(&sums);
        }
        let mut got = Vec::new();
        let all = [Tag::Said, Tag::Found, Tag::Fresh];
        roll.judge(|path, known| {
            let digests = all.map(|tag| known.digest(tag).map(|digest| digest[0]));
            got.push((path.to_vec(), digests, known.doubled));
            Ok(())
        })
        .unwrap();
        assert_eq!(
            got,
            [(b"a".to_vec(), [Some(2), None, None], true), (b"b".to_vec(), [Some(4), Some(1), Some(3)], false)]
        );
    }
}
