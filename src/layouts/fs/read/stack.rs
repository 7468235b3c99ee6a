//! Finds the directory of a line: lines come depth first, so the directories above one are a stack.

use super::line::Named;
use crate::format::fs::ROOT;
use crate::layouts::fs::above::is_in;

/// The directories above the current line.
#[derive(Default)]
pub(super) struct Stack {
    /// The path of the last directory with a known path: the paths of the others are prefixes of it.
    path: Vec<u8>,
    dirs: Vec<Dir>,
}

struct Dir {
    number: u64,
    /// Length of its path, if that is written completely.
    path: Option<usize>,
}

/// The place of something: its directory and its name there. The root has none.
pub(super) type Place = Option<(u64, Vec<u8>)>;

impl Stack {
    /// Adds a line.
    ///
    /// # Errors
    /// A directory that has no line, in words.
    pub fn take(&mut self, named: Named, number: u64, is_dir: bool) -> Result<Place, &'static str> {
        let (place, path) = match named {
            Named::Nowhere => {
                self.dirs.clear();
                (None, None)
            }
            // Something that no path leads to can be in something that is not a directory, or that does not exist.
            Named::Within(parent, name) => (Some((parent, name)), None),
            Named::Path(path, _, _) if path.is_empty() && number == ROOT => {
                self.dirs.clear();
                (None, Some(path))
            }
            Named::Path(path, parent, name) => {
                let above = self.above(&path, parent)?;
                let name = match name {
                    Some(name) => name,
                    None => self.name(&path)?,
                };
                (Some((above, name)), Some(path))
            }
        };
        if is_dir {
            if let Some(path) = &path {
                self.path.clear();
                self.path.extend_from_slice(path);
            }
            self.dirs.push(Dir { number, path: path.map(|path| path.len()) });
        }
        Ok(place)
    }

    /// Leaves the directories that do not contain a path; returns the one that does.
    fn above(&mut self, path: &[u8], parent: Option<u64>) -> Result<u64, &'static str> {
        loop {
            let dir = self
                .dirs
                .last()
                .ok_or("no line before it has its directory: the output may have only a part of the file system")?;
            let is_above = match (parent, dir.path) {
                (Some(parent), _) => dir.number == parent,
                (None, Some(len)) => self.path.get(..len).is_some_and(|dir| is_in(path, dir)),
                (None, None) => false,
            };
            if is_above {
                return Ok(dir.number);
            }
            self.dirs.pop();
        }
    }

    /// The name at the end of a path that is in the last directory.
    fn name(&self, path: &[u8]) -> Result<Vec<u8>, &'static str> {
        let dir = self.dirs.last().and_then(|dir| self.path.get(..dir.path?)).unwrap_or_default();
        let rest = path.strip_prefix(dir);
        let name = if dir.is_empty() { rest } else { rest.and_then(|rest| rest.strip_prefix(b"/")) };
        name.map(<[u8]>::to_vec).ok_or("its path is not in its directory")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_lines() {
        let path = |path: &str| Named::Path(path.into(), None, None);
        let told = |path: &str, parent| Named::Path(path.into(), Some(parent), None);
        let odd = |path: &str, parent, name: &str| Named::Path(path.into(), Some(parent), Some(name.into()));
        let within = |parent, name: &str| Named::Within(parent, name.into());
        type Line<'l> = (Named, u64, Option<(u64, &'l str)>);
        let cases: [&[Line<'_>]; 4] = [
            &[
                (path(""), 1, None),
                (path("a"), 2, Some((1, "a"))),
                (path("a/b"), 3, Some((2, "b"))),
                (within(3, "x"), 4, Some((3, "x"))),
                (within(4, "y"), 5, Some((4, "y"))),
                (path("ab"), 6, Some((1, "ab"))),
                (path("ab/c"), 7, Some((6, "c"))),
            ],
            &[
                (path(""), 1, None),
                (odd("", 1, ""), 2, Some((1, ""))),
                (told("x", 2), 3, Some((2, "x"))),
                (told("a", 1), 4, Some((1, "a"))),
                (told("a/b", 4), 5, Some((4, "b"))),
                (odd("a/b", 1, "a/b"), 6, Some((1, "a/b"))),
                (told("a/b/c", 6), 7, Some((6, "c"))),
            ],
            &[(Named::Nowhere, 9, None), (within(9, "x"), 10, Some((9, "x"))), (within(77, "x"), 11, Some((77, "x")))],
            &[(path(""), 7, Some((0, "no root")))],
        ];
        for lines in cases {
            let mut stack = Stack::default();
            for (named, number, want) in lines {
                let named = match named {
                    Named::Path(path, parent, name) => Named::Path(path.clone(), *parent, name.clone()),
                    Named::Within(parent, name) => Named::Within(*parent, name.clone()),
                    Named::Nowhere => Named::Nowhere,
                };
                match (stack.take(named, *number, true), want) {
                    (Err(_), Some((0, _))) => {}
                    (got, want) => assert_eq!(got.unwrap(), want.map(|(dir, name)| (dir, name.into())), "{number}"),
                }
            }
        }
        let mut stack = Stack::default();
        stack.take(path(""), 1, true).unwrap();
        assert!(stack.take(told("a", 5), 2, false).is_err(), "no line before it has its directory");
    }
}
