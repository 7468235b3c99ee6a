//! Bodies of S3 objects in the packed layout. The line of an object has the path of its body; the digest of that file shows whether bodies
//! are equal.
//!
//! Paths and digests come in any order; both go into one sorter that spills and brings those of one path together.

use std::io;
use std::path::Path;

use super::Object;
use super::digest::half;
use super::lines::Each;
use crate::error::{Error, Result};
use crate::format::adapter;
use crate::output::checksums::{Checksums, Digest, Place, Sums};

/// The end of a path: no name of an output has this byte. After it, a digest sorts before keys.
const END: u8 = 0;
const KEY: u8 = 1;

/// Collects both.
pub(super) struct Bodies {
    rows: Checksums,
    batch: Sums,
}

impl Bodies {
    pub fn new() -> Bodies {
        Bodies { rows: Checksums::new(&std::env::temp_dir()), batch: Sums::default() }
    }

    /// An object's key, and the path of its body below the output.
    pub fn key(&mut self, path: &[u8], key: &[u8]) -> Result<()> {
        self.add(&[path, &[END, KEY], key].concat(), Digest::default(), 0)
    }

    /// The size and digest of a file.
    pub fn file(&mut self, path: &[u8], size: u64, digest: &Digest) -> Result<()> {
        if path.starts_with(b"s3/") { self.add(&[path, &[END]].concat(), *digest, size) } else { Ok(()) }
    }

    fn add(&mut self, row: &[u8], digest: Digest, size: u64) -> Result<()> {
        self.batch.add(b"", row, digest, Place { at: 0, len: size, pieces: 0 });
        if self.batch.are_many() { self.rows.add(&std::mem::take(&mut self.batch)) } else { Ok(()) }
    }

    /// Passes on the bodies of all objects. For one without a file, the value is zeros.
    pub fn give(mut self, each: &mut Each<'_>) -> Result<()> {
        self.rows.add(&std::mem::take(&mut self.batch))?;
        let mut file: Option<(Vec<u8>, u64, Digest)> = None;
        let given = self.rows.merge(|row, entry| {
            let Some((path, key)) = memchr::memchr(END, row).map(|end| (&row[..end], &row[end + 1..])) else {
                return Ok(());
            };
            let Some((_, key)) = key.split_first() else {
                file = Some((path.to_vec(), entry.place.len, entry.digest));
                return Ok(());
            };
            let own = file.as_ref().filter(|(other, ..)| other == path);
            let (size, digest) = own.map_or((0, Digest::default()), |(_, size, digest)| (*size, *digest));
            let scope = path.split(|byte| *byte == b'/').nth(1).unwrap_or_default();
            let (scope, value) = (String::from_utf8_lossy(scope), Some(half(&digest)));
            let (adapter, kind) = (adapter::S3, "body");
            each(&Object {
                adapter,
                scope: &scope,
                kind,
                key,
                range: None,
                size,
                expire_at_ms: None,
                value,
                rest: None,
            })
            .map_err(io::Error::other)
        });
        given.map_err(|e| Error::io("sort in", Path::new("the temporary directory"), e))
    }
}
