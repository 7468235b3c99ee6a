//! How inodes are counted: by the lines of `fs/metadata.jsonl`, which `verify` reads anyway.

use crate::layouts::counted::{Counts, Difference, FileCount, ReadBack, sum};

const DIRECTORIES: &str = "directories";
const FILES: &str = "files";

/// Directories, files, and further names of files.
#[derive(Debug)]
pub struct Inodes;

impl Counts for Inodes {
    fn kinds(&self) -> &'static [&'static str] {
        &[DIRECTORIES, FILES, "links"]
    }

    fn file<'p>(&self, _: &'p [u8]) -> Option<FileCount<'p>> {
        None
    }

    /// Lines of all scopes are in one file.
    fn scope<'s>(&self, _: &'s str) -> &'s str {
        ""
    }

    /// More may be found than the tree has: inodes that no name leads to.
    fn difference(&self, of: &ReadBack<'_>) -> Option<Difference> {
        [DIRECTORIES, FILES].into_iter().filter(|_| of.is_complete).find_map(|kind| {
            let told = sum(of.told.iter().filter(|told| told.scope == "tree"), kind);
            let found = sum(&of.found, kind);
            (told > found).then(|| (kind.to_owned(), told, found))
        })
    }
}
