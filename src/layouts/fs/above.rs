//! Paths in the lines of the file system. Long paths are given by the directory above and a name.
//!
//! Lines come depth first, so the directories above a line are a stack. A long path is never assembled: a key represents it, which is the
//! same in every output and not much longer than its name.

use sha2::{Digest as _, Sha256};

use crate::format::hex;

/// Number of bytes of a long path at the start of its key.
const START: usize = 64;
/// Bytes of the hash in a key.
const HASH: usize = 16;

/// The directories above the current line.
#[derive(Default)]
pub(crate) struct Above {
    /// The path of the last directory with a complete path: the paths of the others are prefixes of it.
    path: Vec<u8>,
    dirs: Vec<Dir>,
}

struct Dir {
    ino: u64,
    told: Told,
}

/// How the path of a directory was given.
enum Told {
    /// Completely; its length.
    Whole(usize),
    /// By the directory above it: the hash of everything that is known of its path.
    Below([u8; 32]),
}

impl Above {
    /// Adds a line with a complete path.
    pub fn whole(&mut self, path: &[u8], ino: u64, is_dir: bool) {
        if !is_dir {
            return;
        }
        while let Some(Dir { told, .. }) = self.dirs.last() {
            match told {
                Told::Whole(len) if is_in(path, &self.path[..*len]) => break,
                _ => self.dirs.pop(),
            };
        }
        self.path.clear();
        self.path.extend_from_slice(path);
        self.dirs.push(Dir { ino, told: Told::Whole(path.len()) });
    }

    /// Adds a line with a name in a directory; returns the key that represents its path. `None`: no such directory is above it.
    pub fn below(&mut self, parent: u64, name: &[u8], ino: u64, is_dir: bool) -> Option<Vec<u8>> {
        while self.dirs.last()?.ino != parent {
            self.dirs.pop();
        }
        let dir = match &self.dirs.last()?.told {
            Told::Whole(len) => Sha256::digest(&self.path[..*len]).into(),
            Told::Below(hash) => *hash,
        };
        if is_dir {
            let hash = Sha256::new_with_prefix(dir).chain_update(name).finalize().into();
            self.dirs.push(Dir { ino, told: Told::Below(hash) });
        }
        Some(self.key(&dir, name))
    }

    fn key(&self, dir: &[u8; 32], name: &[u8]) -> Vec<u8> {
        let mut hex = String::new();
        hex::push(&dir[..HASH], &mut hex);
        let start = &self.path[..self.path.len().min(START)];
        [start, "…".as_bytes(), hex.as_bytes(), b"/", name].concat()
    }
}

/// Whether a path is in a directory; the root has an empty one.
pub(super) fn is_in(path: &[u8], dir: &[u8]) -> bool {
    dir.is_empty() || path.strip_prefix(dir).is_some_and(|rest| rest.first() == Some(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_long_paths() {
        let long = "d".repeat(100);
        let keys = |inos: [u64; 4]| {
            let mut above = Above::default();
            let [root, a, b, c] = inos;
            above.whole(b"", root, true);
            above.whole(long.as_bytes(), a, true);
            let first = above.below(a, b"x", b, true).unwrap();
            let in_first = above.below(b, b"x", c, false).unwrap();
            let second = above.below(a, b"y", c, true).unwrap();
            let in_second = above.below(c, b"x", 9, false).unwrap();
            assert!(above.below(b, b"x", 9, false).is_none(), "that directory was left");
            [first, in_first, second, in_second]
        };
        let got = keys([1, 2, 3, 4]);
        assert_eq!(got, keys([1, 7, 6, 5]), "numbers of inodes do not count");
        let start = format!("{}…", "d".repeat(START));
        assert!(got.iter().all(|key| key.starts_with(start.as_bytes()) && key.len() < 110));
        let different: std::collections::BTreeSet<_> = got.iter().collect();
        assert_eq!(different.len(), 4);
    }

    /// A directory is left when a path outside of it comes.
    #[test]
    fn whole_paths() {
        let mut above = Above::default();
        for (path, ino) in [("", 1), ("a", 2), ("a/b", 3), ("ab", 4), ("ab/c", 5)] {
            above.whole(path.as_bytes(), ino, true);
        }
        above.whole(b"ab/c/file", 6, false);
        assert!(above.below(5, b"x", 7, false).is_some());
        assert!(above.below(4, b"x", 7, false).is_some());
        for left in [2, 3, 5] {
            assert!(Above::default().below(left, b"x", 7, false).is_none());
        }
        assert!(above.below(2, b"x", 7, false).is_none());
    }
}
