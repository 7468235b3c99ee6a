//! The places of files and directories in the output.
//!
//! On disk every name is encoded (`seg()`, with `%2E` and `%2E%2E` for the dot segments and `%` for an empty name, see
//! `docs/format/rules.md` §2). In an archive names are unchanged: its extraction gives the original files. A name that cannot be a file
//! name, and a directory whose path becomes too long for the system calls of readers, are placed below `fs/apart` by their inode number.
//! The line in metadata.jsonl has the original place.

use crate::output::names::{self, NameKind};

/// The path of the root directory.
pub const TREE: &str = "fs/tree";
/// Maximum length of a directory's path: with a name after it and the path of the output before it, it fits into the 4,095 bytes of a path.
const MOST_DIR: usize = 3_000;
/// Maximum length of a name.
const MOST_NAME: usize = 255;

/// How names are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    /// Unchanged, for an archive.
    pub raw: bool,
}

/// A path in the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The path.
    pub path: Vec<u8>,
    /// The kind of its KEYMAP line, if the original name cannot be recovered from its last name.
    pub keymap: Option<&'static str>,
    /// Whether it is not in its own directory.
    pub apart: bool,
}

impl Names {
    /// The place of an inode, from that of its directory and its name there.
    pub fn place(self, dir: &[u8], name: &[u8], inode: u64, is_dir: bool) -> Placed {
        let segment = if self.raw { raw(name).map(|name| (name, None)) } else { Some(encoded(name)) };
        match segment {
            Some((segment, keymap)) if !is_dir || dir.len() + 1 + segment.len() <= MOST_DIR => {
                Placed { path: [dir, b"/", &segment].concat(), keymap, apart: false }
            }
            _ => Placed { path: numbered("apart", inode), keymap: Some("fs-apart"), apart: true },
        }
    }
}

/// The path of an inode that is placed by its number in a folder of `fs`.
pub fn numbered(folder: &str, inode: u64) -> Vec<u8> {
    format!("fs/{folder}/{inode}").into_bytes()
}

/// The path of names in something that is not a directory.
pub fn unreachable(inode: u64) -> Vec<u8> {
    [&numbered("lost+found", inode)[..], b".dir"].concat()
}

/// Whether a path is not the place where the walk finds the file.
pub fn is_apart(path: &[u8]) -> bool {
    path.starts_with(b"fs/apart/")
}

/// The folder of a path that is placed by a number, or by a name in something that is not a directory: the folder is not a directory of the
/// file system.
pub fn folder(path: &[u8]) -> Option<&[u8]> {
    let mut slashes = memchr::memchr_iter(b'/', path).skip(1);
    let (folder, number) = (slashes.next()?, slashes.next().unwrap_or(path.len()));
    if path.starts_with(TREE.as_bytes()) && folder == TREE.len() {
        return None;
    }
    match path[..number].ends_with(b".dir") {
        true => (slashes.next().is_none() && number < path.len()).then(|| &path[..number]),
        false => (number == path.len()).then(|| &path[..folder]),
    }
}

fn raw(name: &[u8]) -> Option<Vec<u8>> {
    let odd = matches!(name, b"" | b"." | b"..") || memchr::memchr2(0, b'/', name).is_some();
    (!odd && name.len() <= MOST_NAME).then(|| name.to_vec())
}

fn encoded(name: &[u8]) -> (Vec<u8>, Option<&'static str>) {
    match name {
        b"" => (b"%".to_vec(), Some("empty-segment")),
        b"." => (b"%2E".to_vec(), Some("dot-segment")),
        b".." => (b"%2E%2E".to_vec(), Some("dot-segment")),
        _ => {
            let mut segment = String::new();
            let kind = names::segment_into(name, &mut segment);
            (segment.into_bytes(), (kind == NameKind::ShaFallback).then_some("sha-fallback"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(raw: bool, name: &[u8], is_dir: bool) -> (String, Option<&'static str>) {
        let placed = Names { raw }.place(b"fs/tree", name, 7, is_dir);
        assert_eq!(placed.apart, placed.path.starts_with(b"fs/apart/"));
        (String::from_utf8_lossy(&placed.path).into_owned(), placed.keymap)
    }

    #[test]
    fn on_disk() {
        let long = "a".repeat(64);
        for (name, want, keymap) in [
            (&b"a b"[..], "fs/tree/a%20b".to_owned(), None),
            (b"", "fs/tree/%".into(), Some("empty-segment")),
            (b".", "fs/tree/%2E".into(), Some("dot-segment")),
            (b"..", "fs/tree/%2E%2E".into(), Some("dot-segment")),
            (b"../x\0\xff", "fs/tree/..%2Fx%00%FF".into(), None),
            (&[b'a'; 241], format!("fs/tree/ec6e326ef29fe322b62111584194c54e__{long}"), Some("sha-fallback")),
        ] {
            assert_eq!(placed(false, name, true), (want, keymap));
        }
    }

    #[test]
    fn in_an_archive() {
        let long = "a".repeat(255);
        let apart = || ("fs/apart/7".to_owned(), Some("fs-apart"));
        for (name, want) in [
            (&b"a b%\n"[..], ("fs/tree/a b%\n".to_owned(), None)),
            (long.as_bytes(), (format!("fs/tree/{long}"), None)),
            (&[b'a'; 256], apart()),
            (b"", apart()),
            (b".", apart()),
            (b"..", apart()),
            (b"a/b", apart()),
            (b"a\0", apart()),
        ] {
            assert_eq!(placed(true, name, false), want);
        }
        assert_eq!(Names { raw: true }.place(b"d", b"\xff", 7, false).path, b"d/\xff");
    }

    #[test]
    fn folders() {
        for (path, want) in [
            ("fs/tree", None),
            ("fs/tree/a", None),
            ("fs/tree/a/b", None),
            ("fs/tree/5.dir/x", None),
            ("fs/apart/7", Some("fs/apart")),
            ("fs/apart/7/x", None),
            ("fs/orphans/7", Some("fs/orphans")),
            ("fs/lost+found/7", Some("fs/lost+found")),
            ("fs/lost+found/7.dir/x", Some("fs/lost+found/7.dir")),
            ("fs/lost+found/7.dir/x/y", None),
        ] {
            assert_eq!(folder(path.as_bytes()), want.map(str::as_bytes), "{path}");
        }
    }

    #[test]
    fn long_paths() {
        for raw in [true, false] {
            let (dir, names) = (vec![b'd'; MOST_DIR - 4], Names { raw });
            assert!(!names.place(&dir, b"abc", 7, true).apart);
            assert_eq!(names.place(&dir, b"abcd", 7, true).path, b"fs/apart/7");
            assert!(!names.place(&dir, b"abcd", 7, false).apart);
        }
    }
}
