//! The content of a file: which bytes of which chunks are used (`docs/format/fs.md` §3).

use crate::dataset::{DataSet, KeyRange, RangeIter, RowError, after_prefix};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Family;
use crate::format::fs::{ChunkKey, key};
use crate::model::fs::Node;

/// Gives the stored bytes of a file with their offsets, in order: only those within the file and within their chunk.
pub struct Extents<'s, 'a> {
    rows: RangeIter<'s, 'a>,
    chunk: u64,
    size: u64,
}

impl<'s, 'a> Extents<'s, 'a> {
    /// The extents of a file.
    pub fn new(set: &'s DataSet<'a>, Node { number, inode }: &Node) -> Self {
        let prefix = chunks_of(*number, inode.home_slot);
        let end = after_prefix(&prefix);
        Extents { rows: set.range(Family::FsChunk, prefix, end), chunk: inode.chunk(), size: inode.size }
    }

    /// The next bytes; they are never empty.
    ///
    /// # Errors
    /// An input that changed.
    pub fn next(&mut self) -> Result<Option<(u64, &'a [u8])>> {
        while let Some(row) = self.rows.next()? {
            // The pass over all chunks reports malformed keys.
            let Ok(key) = ChunkKey::parse(Family::FsChunk.suffix(row.user_key)) else { continue };
            let Some(offset) = key.index.checked_mul(self.chunk).filter(|offset| *offset < self.size) else {
                return Ok(None);
            };
            let most = self.chunk.min(self.size - offset);
            let bytes = &row.body[..row.body.len().min(usize::try_from(most).unwrap_or(usize::MAX))];
            if !bytes.is_empty() {
                return Ok(Some((offset, bytes)));
            }
        }
        Ok(None)
    }
}

/// The stretches of a file without stored bytes.
pub struct Holes<'s, 'a> {
    extents: Extents<'s, 'a>,
    /// End of the last extent; `None`: the end of the file was reached.
    at: Option<u64>,
}

impl<'s, 'a> Holes<'s, 'a> {
    /// The holes of a file.
    pub fn new(set: &'s DataSet<'a>, file: &Node) -> Self {
        Holes { extents: Extents::new(set, file), at: Some(0) }
    }

    /// Offset and length of the next hole.
    ///
    /// # Errors
    /// An input that changed.
    pub fn next(&mut self) -> Result<Option<(u64, u64)>> {
        while let Some(at) = self.at {
            let (start, next) = match self.extents.next()? {
                Some((offset, bytes)) => (offset, Some(offset + bytes.len() as u64)),
                None => (self.extents.size, None),
            };
            self.at = next;
            if start > at {
                return Ok(Some((at, start - at)));
            }
        }
        Ok(None)
    }
}

/// The common prefix of the keys of a file's chunks.
fn chunks_of(number: u64, home_slot: u64) -> Vec<u8> {
    key::numbers(Family::FsChunk, &[home_slot, number])
}

/// Continues without the content of a file that cannot be written completely.
///
/// # Errors
/// The error itself, unless damage is skipped; an input that changed.
pub fn skip_content(set: &DataSet<'_>, file: &Node, error: Error) -> Result<()> {
    let chunks = chunks_of(file.number, file.inode.home_slot);
    set.tolerate_object(error, vec![KeyRange::below(&chunks)], &|_| true)
}

/// The error for a file with more bytes than `most` allows.
#[cold]
pub fn too_large(set: &DataSet<'_>, file: &Node, most: &'static str) -> Error {
    let error = Error::new(ErrorKind::FsSize { inode: file.number, size: file.inode.size, most });
    match set.get(&key::numbers(Family::FsInode, &[file.number])) {
        Ok(Some(row)) => {
            let error = error.at(row.offset).row(Family::FsInode, row.user_key);
            set.locate(RowError { group: row.group, error })
        }
        Ok(None) => error,
        Err(changed) => changed,
    }
}
