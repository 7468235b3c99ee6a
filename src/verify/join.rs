//! Joins by path what CHECKSUMS lists, what was found, and what a fresh decode has, in flat memory.
//!
//! Rows of all kinds go into one sorter, which spills. It brings the rows of one path together. Paths are sorted name by name: the content
//! of a directory follows it at once.

use std::io;
use std::path::Path;

use super::counted::Counted;
use crate::error::{Error, Result};
use crate::output::checksums::{Checksums, Digest, Entry, Place, Sums};

/// The origin of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// A row of CHECKSUMS.
    Said,
    /// Found in the output.
    Found,
    /// A file of a fresh decode.
    Fresh,
    /// A directory that must exist.
    ToldDir,
    /// A directory that exists.
    HasDir,
    /// A link that must exist; the digest is that of the path of its file.
    ToldLink,
    /// A link that exists.
    HasLink,
    /// Mode, owner and time according to `fs/metadata.jsonl` ([`attributes`](super::attributes)).
    ToldAttributes,
    /// The same in the headers of an archive; for a file on disk, a mode with a bit that no decode sets.
    HasAttributes,
    /// Found in the output, as a digest of its extents, because it was not known yet which digest is listed.
    FoundExtents,
    /// A link to the path is at this position of the archive.
    LinkedAt,
}

/// Number of tags.
const TAGS: usize = Tag::LinkedAt as usize + 1;

impl Tag {
    /// Adds a row.
    pub fn add(self, path: &[u8], digest: Digest, sums: &mut Sums) {
        self.add_file(path, digest, [0, 0], sums);
    }

    /// Adds a row with the size of a file, and its position in an archive.
    pub fn add_file(self, path: &[u8], digest: Digest, [size, at]: [u64; 2], sums: &mut Sums) {
        // The smallest byte replaces the slash.
        let sorted: Vec<u8> = path.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect();
        sums.add(b"", &sorted, digest, Place { at: self as u64, len: size, pieces: at });
    }
}

/// The rows of one path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// By [`Tag`].
    digests: [Option<Digest>; TAGS],
    /// Bytes of the file that was found.
    pub size: u64,
    /// Its position in an archive.
    pub at: u64,
    /// The position of the first link to it.
    pub linked_at: Option<u64>,
    /// Whether there are two rows of one kind.
    pub doubled: bool,
}

impl Known {
    /// The digest of the row of a kind.
    pub fn digest(&self, tag: Tag) -> Option<Digest> {
        self.digests[tag as usize]
    }

    /// Whether there is a row of a kind.
    pub fn has(&self, tag: Tag) -> bool {
        self.digests[tag as usize].is_some()
    }

    fn take(&mut self, entry: &Entry) {
        let Place { at: tag, len, pieces } = entry.place;
        if tag == Tag::LinkedAt as u64 {
            self.linked_at = Some(self.linked_at.map_or(pieces, |first| first.min(pieces)));
            return;
        }
        if tag == Tag::Found as u64 {
            (self.size, self.at) = (len, pieces);
        }
        let slot = usize::try_from(tag).ok().and_then(|tag| self.digests.get_mut(tag));
        if let Some(slot) = slot {
            self.doubled |= slot.replace(entry.digest).is_some();
        }
    }
}

/// Collects rows. A failed spill is reported at the end.
pub struct DigestJoin {
    rows: Checksums,
    /// Names of files with several names: by device and inode.
    names: Checksums,
    /// The content of the output, to compare it with the counts of MANIFEST.json.
    pub counted: Counted,
    failed: Option<Error>,
}

impl DigestJoin {
    /// No rows yet; they are spilled to the file system of `scratch`.
    pub fn new(scratch: &Path) -> DigestJoin {
        DigestJoin {
            rows: Checksums::new(scratch),
            names: Checksums::new(scratch),
            counted: Counted::default(),
            failed: None,
        }
    }

    /// Adds rows.
    pub fn take(&mut self, sums: &Sums) {
        if let Err(error) = self.rows.add(sums) {
            self.failed.get_or_insert(error);
        }
    }

    /// Adds names of files with several names: see [`name_of_inode`].
    pub fn take_names(&mut self, names: &Sums) {
        if let Err(error) = self.names.add(names) {
            self.failed.get_or_insert(error);
        }
    }

    /// Calls `each` for the files with names outside of the output: the first name here, the number of names here, and the number of all
    /// names.
    ///
    /// # Errors
    /// A failed spill, or a failed read of what was spilled.
    pub fn shared(&mut self, mut each: impl FnMut(&[u8], u64, u64)) -> Result<()> {
        let (mut first, mut here, mut all) = (Vec::new(), 0, 0);
        let mut settle = |first: &[u8], here: u64, all: u64| {
            if here > 0 && here != all {
                each(first.get(INODE..).unwrap_or_default(), here, all);
            }
        };
        let read = self.names.merge(|name, entry| {
            if here > 0 && first.get(..INODE) == name.get(..INODE) {
                here += 1;
                return Ok(());
            }
            settle(&first, here, all);
            first.clear();
            first.extend_from_slice(name);
            (here, all) = (1, entry.place.len);
            Ok(())
        });
        settle(&first, here, all);
        read.map_err(merge_failed)
    }

    /// Adds every row of another collection as rows of one kind.
    ///
    /// # Errors
    /// A failed read of its spilled rows.
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

    /// Calls `each` for every path in order.
    ///
    /// # Errors
    /// A failed spill, or the error of `each`.
    pub fn classify(&mut self, mut each: impl FnMut(&[u8], &Known) -> io::Result<()>) -> Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut each = |sorted: &[u8], known: &Known| {
            let path: Vec<u8> = sorted.iter().map(|byte| if *byte == 0 { b'/' } else { *byte }).collect();
            each(&path, known)
        };
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

/// Bytes of device and inode.
const INODE: usize = 16;

/// Adds a name of a file with several names.
pub fn name_of_inode(device: u64, inode: u64, path: &[u8], links: u64, names: &mut Sums) {
    let name = [&device.to_be_bytes(), &inode.to_be_bytes(), path].concat();
    names.add(b"", &name, Digest::default(), Place { at: 0, len: links, pieces: 0 });
}

fn merge_failed(e: io::Error) -> Error {
    Error::io("merge checksums in", "the temporary directory", e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_path_come_together() {
        let mut join = DigestJoin::new(&std::env::temp_dir());
        for (tag, path, digest) in
            [(Tag::Found, "b", 1), (Tag::Said, "a", 2), (Tag::Fresh, "b", 3), (Tag::Said, "b", 4), (Tag::Said, "a", 2)]
        {
            let mut sums = Sums::default();
            tag.add(path.as_bytes(), [digest; 32], &mut sums);
            join.take(&sums);
        }
        let mut got = Vec::new();
        let all = [Tag::Said, Tag::Found, Tag::Fresh];
        join.classify(|path, known| {
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

    #[test]
    fn what_is_below_a_directory_follows_it() {
        let (mut join, mut sums) = (DigestJoin::new(&std::env::temp_dir()), Sums::default());
        for path in ["a.b", "a/b", "a", "a-b"] {
            Tag::Found.add(path.as_bytes(), [0; 32], &mut sums);
        }
        join.take(&sums);
        let mut got = Vec::new();
        join.classify(|path, _| {
            got.push(String::from_utf8(path.to_vec()).unwrap());
            Ok(())
        })
        .unwrap();
        assert_eq!(got, ["a", "a/b", "a-b", "a.b"]);
    }

    #[test]
    fn names_outside() {
        let (mut join, mut names) = (DigestJoin::new(&std::env::temp_dir()), Sums::default());
        for (inode, path, links) in [(1, "a", 2), (2, "b", 3), (1, "c", 2), (2, "d", 3), (3, "e", 2)] {
            name_of_inode(7, inode, path.as_bytes(), links, &mut names);
        }
        join.take_names(&names);
        let mut got = Vec::new();
        join.shared(|path, here, all| got.push((path.to_vec(), here, all))).unwrap();
        assert_eq!(got, [(b"b".to_vec(), 2, 3), (b"e".to_vec(), 1, 2)]);
    }
}
