//! Finds one object of an output by its name: the same bytes as from the snapshot that the output was made from.
//!
//! The key determines the files that can contain it (`lookup.rs` of each adapter). Each of them is compared with CHECKSUMS before its first
//! byte is passed on.

mod files;
mod json;

use std::io::Write;
use std::path::Path;

pub use files::Files;
pub(super) use files::Wanted;
use files::wrong;
pub(super) use json::{compact_into, indented, without_key};

use crate::error::{Error, Result};
use crate::options::ObjectName;
use crate::output::json::{self as text, Escape};

/// The request: the object, the output, and where the bytes go.
pub struct Lookup<'k> {
    /// Where the output is.
    pub path: &'k Path,
    /// The object.
    pub one: &'k ObjectName,
    /// Whether the form of packed lines is wanted; otherwise the file of a tree.
    pub lines: bool,
    /// Whether the output has packed lines; otherwise it is a tree.
    pub packed: bool,
    /// Takes the bytes of the object.
    pub out: &'k mut dyn Write,
}

impl std::fmt::Debug for Lookup<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookup").field("path", &self.path).field("one", &self.one).finish_non_exhaustive()
    }
}

impl Lookup<'_> {
    /// The files among these that CHECKSUMS lists.
    ///
    /// # Errors
    /// An output without CHECKSUMS, or with one of the files that CHECKSUMS does not list.
    pub fn files(&self, paths: impl IntoIterator<Item = Vec<u8>>) -> Result<Files> {
        Files::open(self.path, &Wanted { paths: paths.into_iter().collect(), prefix: None })
    }

    /// The part of the name after the scope.
    pub(super) fn rest(&self) -> &[u8] {
        self.one.rest()
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// A failed write.
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::stdout)
    }

    /// Writes a file unchanged; returns whether it exists.
    ///
    /// # Errors
    /// A file that differs from its digest; a failed read or write.
    pub fn copy(&mut self, files: &Files, path: &[u8]) -> Result<bool> {
        let out = &mut *self.out;
        files.read(path, &mut |bytes| out.write_all(bytes).map_err(Error::stdout))
    }

    /// Writes the packed lines of the object in `file`, if there are any; `as_file`: in the form of a tree.
    pub(super) fn put_lines(
        &mut self,
        file: &[u8],
        lines: &[u8],
        as_file: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<bool> {
        if lines.is_empty() {
            return Ok(false);
        }
        if self.lines {
            self.put(lines)?;
        } else {
            let bytes = as_file(lines).ok_or_else(|| self.odd(file))?;
            self.put(&bytes)?;
        }
        Ok(true)
    }

    /// Writes a file of a tree in the form of packed lines; the file is in memory meanwhile.
    pub(super) fn put_as_lines(
        &mut self,
        files: &Files,
        path: &[u8],
        as_lines: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<bool> {
        let Some(file) = files.whole(path)? else { return Ok(false) };
        let lines = as_lines(&file).ok_or_else(|| self.wrong(path, "no decode writes such a file"))?;
        self.put(&lines).map(|()| true)
    }

    /// The error for a line that no decode writes.
    pub(super) fn odd(&self, file: &[u8]) -> Error {
        self.wrong(file, "a line that no decode writes")
    }

    /// The error for a missing file that other files refer to.
    pub(super) fn missing(&self, file: &[u8]) -> Error {
        self.wrong(file, "it is missing, and CHECKSUMS does not list it")
    }

    pub(super) fn wrong(&self, file: &[u8], why: &str) -> Error {
        wrong(self.path, format!("{}: {why}", String::from_utf8_lossy(file)))
    }
}

/// The start of the line of a key.
pub(super) fn keyed(key: &[u8]) -> Vec<u8> {
    let mut head = b"{\"key\":".to_vec();
    text::bytes(key, Escape::Html, &mut head);
    head.push(b',');
    head
}

/// Calls `each` for the lines of a file that begin with one of `heads` (for all, if there are none). Others are not kept in memory.
pub(super) fn scan(
    files: &Files,
    path: &[u8],
    heads: &[Vec<u8>],
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<bool> {
    let (mut line, mut skips) = (Vec::new(), false);
    let may_be = |line: &[u8]| {
        let agrees = |head: &Vec<u8>| head.iter().zip(line).all(|(want, got)| want == got);
        heads.is_empty() || heads.iter().any(agrees)
    };
    let is_it = |line: &[u8]| heads.is_empty() || heads.iter().any(|head| line.starts_with(head));
    files.read(path, &mut |bytes| {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !skips {
                line.extend_from_slice(piece);
                skips = !may_be(&line);
            }
            if skips {
                line.clear();
            }
            if piece.ends_with(b"\n") {
                if !skips && is_it(&line) {
                    each(&line)?;
                }
                line.clear();
                skips = false;
            }
        }
        Ok(())
    })
}
