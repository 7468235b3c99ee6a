//! What an output would need, without writing it.

use std::collections::BTreeSet;
use std::time::Instant;

use super::fill;
use super::{Options, Outcome, Progress, on_threads};
use crate::error::{Error, Result};
use crate::output::checksums;
use crate::output::tree::{BLOCK, Tree};
use crate::source::Source;

/// Files, directories and bytes of an output directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Need {
    /// Files, MANIFEST.json and CHECKSUMS too.
    pub files: u64,
    /// Directories, the output itself too.
    pub directories: u64,
    /// Bytes of all files; holes count as what they read as. A few files of holes can have more than 64 bits can tell.
    pub bytes: u128,
    /// Those that are stored, in whole blocks of 4 KiB, with one for each directory: what most file systems take, or a little
    /// less.
    pub disk_bytes: u128,
}

impl Need {
    /// Files and directories: each takes an inode.
    pub fn inodes(&self) -> u64 {
        self.files + self.directories
    }

    /// A file with so many bytes in blocks that take no space.
    fn file(&mut self, bytes: u64, unused: u64) {
        self.files += 1;
        self.bytes += u128::from(bytes);
        self.disk_bytes += u128::from(bytes.saturating_sub(unused)).next_multiple_of(BLOCK.into());
    }

    fn directory(&mut self) {
        self.directories += 1;
        self.disk_bytes += u128::from(BLOCK);
    }
}

/// Decodes as [`decode`](super::decode) does, but writes nothing; tells what an output directory would need.
///
/// # Errors
/// An input that is not a sound snapshot, a damaged row.
pub fn estimate(sources: &[Source], options: &Options, progress: &dyn Progress) -> Result<(Outcome, Need)> {
    let started = Instant::now();
    let (mut outcome, need) = on_threads(options.threads, || run(sources, options, progress))??;
    outcome.elapsed = started.elapsed();
    Ok((outcome, need))
}

fn run(sources: &[Source], options: &Options, progress: &dyn Progress) -> Result<(Outcome, Need)> {
    options.check()?;
    let scratch = std::env::temp_dir();
    let tree = Tree::nowhere(&scratch);
    let mut filled = fill::fill(sources, &tree, &scratch, options, progress)?;
    filled.matched.check()?;
    let (mut need, mut folders) = (Need::default(), Folders::new(tree.named_dirs()));
    need.directory();
    let (mut row, mut rows) = (Vec::new(), 0);
    let merged = filled.index.merge(|path, entry| {
        (0..folders.enter(path)).for_each(|_| need.directory());
        need.file(entry.place.len, entry.place.at);
        row.clear();
        checksums::row_into(path, &entry.digest, &mut row);
        rows += row.len() as u64;
        Ok(())
    });
    merged.map_err(|e| Error::io("merge checksums in", "the temporary directory", e))?;
    need.file(rows, 0);
    (0..folders.without_files()).for_each(|_| need.directory());
    Ok((Outcome::of(filled, Vec::new()), need))
}

/// Counts directories while files come sorted by path.
struct Folders {
    /// Directories that are made in any case, and not met yet.
    named: BTreeSet<Vec<u8>>,
    last: Vec<u8>,
}

impl Folders {
    fn new(dirs: BTreeSet<Vec<u8>>) -> Folders {
        let ends = |dir: &[u8]| memchr::memchr_iter(b'/', dir).collect::<Vec<_>>();
        let above = |dir: &Vec<u8>| ends(dir).into_iter().map(|end| dir[..end].to_vec()).collect::<Vec<_>>();
        let named = dirs.iter().flat_map(above).chain(dirs.iter().cloned()).filter(|dir| !dir.is_empty()).collect();
        Folders { named, last: Vec::new() }
    }

    /// How many directories the next file is the first of.
    ///
    /// All paths below a directory begin alike, so they stand together: it is new where the path before does not.
    fn enter(&mut self, path: &[u8]) -> u64 {
        let common = path.iter().zip(&self.last).take_while(|(a, b)| a == b).count();
        let mut new = 0;
        for end in memchr::memchr_iter(b'/', path).filter(|end| *end >= common) {
            self.named.remove(&path[..end]);
            new += 1;
        }
        self.last.clear();
        self.last.extend_from_slice(path);
        new
    }

    /// Directories that no file is in.
    fn without_files(self) -> u64 {
        self.named.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders() {
        let named = [&b"a/b"[..], b"c/d", b"e"].into_iter().map(<[u8]>::to_vec).collect();
        let mut folders = Folders::new(named);
        let new: Vec<u64> = ["a!", "a/b/1", "a/b/2", "a/bb", "a/c/d/1", "ab/1", "c/1"]
            .iter()
            .map(|path| folders.enter(path.as_bytes()))
            .collect();
        assert_eq!(new, [0, 2, 0, 0, 2, 1, 1]);
        assert_eq!(folders.without_files(), 2);
    }
}
