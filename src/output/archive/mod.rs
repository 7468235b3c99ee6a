//! The tree as one tar archive, in a file or on standard output.
//!
//! Members come sorted by the bytes of their paths, directories before what is in them, with a fixed owner, mode and
//! time: the same input gives the same archive. Paths that do not fit a header have GNU long-name members. Files of the
//! file system come last, in the order of their directories, with names, owners, modes and times of their own
//! ([`pax`](super::pax)): an extractor sets a directory's time when it leaves it.

#[cfg(feature = "archive")]
mod copied;
#[cfg(feature = "archive")]
mod tarball;

#[cfg(feature = "archive")]
use std::fs::File;
use std::path::Path;

use super::checksums::Checksums;
#[cfg(feature = "archive")]
use super::members::Attributes;
use super::members::MemberList;
use super::single::SingleFile;
use super::strangers::is_our_archive;
use super::tree::Tree;
use crate::error::Result;

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not compressed.
    Tar,
    /// gzip, for readers without Zstandard.
    Gzip,
    /// Zstandard, at this level.
    Zstd {
        /// 1 to 19.
        level: i32,
    },
}

/// What goes into an archive.
pub struct Contents<'i> {
    /// Files of the tree.
    pub index: &'i mut Checksums,
    /// Members with attributes of their own. They come last, in the order given.
    pub members: MemberList,
    /// Time of all other members, Unix seconds.
    pub mtime: u64,
}

/// Prepares to write an archive: a file that must not exist yet (with `force` it may be an archive of ours), or `-` for standard output.
///
/// # Errors
/// As [`SingleFile::new`].
pub fn begin(target: &Path, force: bool) -> Result<SingleFile> {
    SingleFile::new(target, force, is_our_archive)
}

/// Writes the whole archive.
///
/// # Errors
/// A failed write, or a tree that is not spooled.
pub fn write(
    out: &mut SingleFile,
    tree: &Tree,
    contents: Contents<'_>,
    packing: Packing,
    threads: usize,
) -> Result<()> {
    #[cfg(feature = "archive")]
    return tarball::write(out, tree, contents, packing, threads);
    #[cfg(not(feature = "archive"))]
    {
        let _ = (out, tree, contents, packing, threads);
        Err(crate::Error::usage("this program was built without the feature `archive`, which writes archives"))
    }
}

/// Takes files and directories, which become members of an archive.
#[cfg(feature = "archive")]
pub trait Copied {
    /// A directory, with attributes of its own if it has them.
    ///
    /// # Errors
    /// A failed write.
    fn directory(&mut self, path: &[u8], attributes: Option<&Attributes>) -> Result<()>;

    /// A file.
    ///
    /// # Errors
    /// A failed read or write.
    fn file(&mut self, path: &[u8], file: &File, attributes: Option<&Attributes>) -> Result<()>;

    /// Another name of a file that was given.
    ///
    /// # Errors
    /// A failed write.
    fn link(&mut self, path: &[u8], target: &[u8], attributes: &Attributes) -> Result<()>;
}

/// Writes an archive of files on disk, as `give` gives them. `of` has the time of members without attributes (Unix seconds) and the
/// directory for temporary files.
///
/// # Errors
/// What `give` gives; a failed write.
#[cfg(feature = "archive")]
pub fn write_copied(
    out: &mut SingleFile,
    give: &mut dyn FnMut(&mut dyn Copied) -> Result<()>,
    of: (u64, &Path),
    packing: Packing,
    threads: usize,
) -> Result<()> {
    copied::write(out, give, of, packing, threads)
}

/// Adds a row for every directory: those above files, and those that were asked for. A directory may have several rows.
pub fn add_directories(index: &mut Checksums, mut named: Checksums) -> Result<()> {
    let mut found = index.beside();
    directories_above(index, &mut found)?;
    directories_above(&mut named, &mut found)?;
    index.absorb(named)?;
    index.absorb(found)
}

/// Adds the directories above all rows.
fn directories_above(rows: &mut Checksums, found: &mut Checksums) -> Result<()> {
    let (mut previous, mut failed): (Vec<u8>, _) = (Vec::new(), None);
    rows.each(|path, entry| {
        if !entry.place.is_elsewhere() {
            let common = path.iter().zip(&previous).take_while(|(a, b)| a == b).count();
            for end in memchr::memchr_iter(b'/', path).filter(|end| *end >= common) {
                failed = failed.take().or(found.add_directory(&path[..end]).err());
            }
            previous.clear();
            previous.extend_from_slice(path);
        }
        Ok(())
    })?;
    failed.map_or(Ok(()), Err)
}
