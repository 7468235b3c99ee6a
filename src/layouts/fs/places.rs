//! The places in the output of the directories of a walk's current path, and their entries.

use std::ops::Range;

use super::names::{Names, Placed, TREE, numbered};
use crate::model::fs::{Found, Name};

/// Maximum length of a path that is written completely. For a longer one the directory above and the name are written: otherwise n nested
/// directories would have paths with n²/2 names in total.
const MOST_WHOLE: usize = 4 << 10;

/// How something is named from the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By all names that lead to it.
    Whole(Vec<u8>),
    /// By the directory that it is in, whose line comes before its own, and its name there.
    Below(u64, Vec<u8>),
    /// No name leads to it from the root.
    Nowhere,
}

/// The number of a directory, and a name in it if the path does not show it.
pub type Within = (u64, Option<Vec<u8>>);

/// A directory that was entered.
struct Level {
    number: u64,
    /// Length of its path from the root.
    path: usize,
    /// Its place: a part of the text, which had `before` bytes before.
    place: Range<usize>,
    before: usize,
    /// Whether it has a line.
    has_line: bool,
}

/// The places of all directories that were entered and not left.
pub struct Places {
    names: Names,
    levels: Vec<Level>,
    text: Vec<u8>,
}

impl Places {
    /// No directory was entered.
    pub fn new(names: Names) -> Places {
        Places { names, levels: Vec::new(), text: Vec::new() }
    }

    /// The place of the last directory that was entered.
    pub fn directory(&self) -> &[u8] {
        self.levels.last().map(|level| &self.text[level.place.clone()]).unwrap_or_default()
    }

    /// The place of something that was found in the last directory that was entered.
    pub fn place(&self, found: &Found<'_>) -> Placed {
        let number = found.node.number;
        let path = match found.name {
            Name::Entry { name, .. } => {
                return self.names.place(self.directory(), name, number, found.node.inode.kind.is_dir());
            }
            Name::Root => TREE.into(),
            Name::Lost => numbered("lost+found", number),
            Name::Deleted => numbered("orphans", number),
        };
        Placed { path, keymap: None, apart: false }
    }

    /// Its name from the root. In the root the name is the path; a directory that was not requested has no line.
    pub fn named(&self, name: &Name<'_>) -> Named {
        match *name {
            Name::Root => Named::Whole(Vec::new()),
            Name::Entry { name, path: Some(path) } => match self.levels.last() {
                Some(above) if above.has_line && above.path > 0 && is_long(path) => {
                    Named::Below(above.number, name.to_vec())
                }
                _ => Named::Whole(path.to_vec()),
            },
            Name::Entry { path: None, .. } | Name::Lost | Name::Deleted => Named::Nowhere,
        }
    }

    /// The last directory that was entered, if something has a name in it, and the name if its path does not show it. A line that names its
    /// directory in any case needs neither.
    pub fn within(&self, name: &Name<'_>, named: &Named) -> Option<Within> {
        let (Name::Entry { name, .. }, Some(above)) = (name, self.levels.last()) else { return None };
        let is_odd = name.is_empty() || name.contains(&b'/');
        match named {
            Named::Below(..) => None,
            Named::Whole(_) if !is_odd => Some((above.number, None)),
            Named::Whole(_) | Named::Nowhere => Some((above.number, Some(name.to_vec()))),
        }
    }

    /// Enters a directory at a place.
    pub fn enter(&mut self, number: u64, name: &Name<'_>, place: &[u8], has_line: bool) {
        let before = self.text.len();
        // A place that continues the one above shares its text.
        let above = self.levels.last().map(|level| level.place.start);
        let start = above.filter(|start| place.starts_with(&self.text[*start..])).unwrap_or(before);
        self.text.extend_from_slice(&place[before - start..]);
        let path = if let Name::Entry { path: Some(path), .. } = name { path.len() } else { 0 };
        self.levels.push(Level { number, path, place: start..self.text.len(), before, has_line });
    }

    /// Leaves the last directory that was entered.
    pub fn leave(&mut self) {
        if let Some(level) = self.levels.pop() {
            self.text.truncate(level.before);
        }
    }
}

/// Whether a path is too long to be written completely.
pub fn is_long(path: &[u8]) -> bool {
    path.len() > MOST_WHOLE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fs::Node;

    #[test]
    fn places_go_on_from_those_above() {
        let mut places = Places::new(Names { raw: false });
        let node = Node { number: 7, inode: crate::format::fs::Inode::default() };
        let found = |name| Found { node, name, notes: &[] };
        let entry = |name| Name::Entry { name, path: Some(name) };
        places.enter(1, &Name::Root, b"fs/tree", true);
        assert_eq!(places.place(&found(entry(b"a b"))).path, b"fs/tree/a%20b");
        places.enter(2, &entry(b"d"), b"fs/tree/d", true);
        assert_eq!(places.text, b"fs/tree/d");
        places.enter(3, &entry(b"e"), b"fs/apart/3", true);
        assert_eq!((places.directory(), places.text.as_slice()), (&b"fs/apart/3"[..], &b"fs/tree/dfs/apart/3"[..]));
        places.enter(4, &entry(b"f"), b"fs/apart/3/f", true);
        assert_eq!((places.directory(), places.text.len()), (&b"fs/apart/3/f"[..], 21));
        for above in ["fs/apart/3", "fs/tree/d", "fs/tree", ""] {
            places.leave();
            assert_eq!(places.directory(), above.as_bytes());
        }
        assert!(places.text.is_empty());
        assert_eq!(places.place(&found(Name::Lost)).path, b"fs/lost+found/7");
        assert_eq!(places.place(&found(Name::Deleted)).path, b"fs/orphans/7");
    }

    #[test]
    fn long_paths_are_told_in_two_parts() {
        let mut places = Places::new(Names { raw: false });
        let long = vec![b'a'; MOST_WHOLE + 1];
        let name = |path| Name::Entry { name: b"n", path };
        assert_eq!(places.named(&name(None)), Named::Nowhere);
        for (wanted, path, want) in [
            (true, &b"d"[..], Named::Below(2, b"n".to_vec())),
            (false, b"d", Named::Whole(long.clone())),
            (true, b"", Named::Whole(long.clone())),
        ] {
            places.enter(2, &Name::Entry { name: b"d", path: Some(path) }, b"fs/tree/d", wanted);
            assert_eq!(places.named(&name(Some(&long))), want);
            assert_eq!(places.named(&name(Some(&long[1..]))), Named::Whole(long[1..].to_vec()));
        }
    }
}
