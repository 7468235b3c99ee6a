//! The tree as one tar archive, in a file or on standard output.
//!
//! Members come sorted by the bytes of their paths, directories before what is in them, with a fixed owner, mode and
//! time: the same input gives the same archive. Paths that do not fit a header have GNU long-name members. Files of the
//! file system come last, in the order of their directories, with names, owners, modes and times of their own
//! ([`pax`]): an extractor sets a directory's time when it leaves it.

use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::checksums::{Checksums, DIRECTORY};
use super::members::MemberList;
use super::pax;
use super::single::SingleFile;
use super::spool::Spool;
use super::sys;
use super::target::is_our_archive;
use super::tree::Tree;
use crate::error::{Error, Result};

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Tar,
    /// gzip, for those who have nothing else.
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
    /// Members with attributes of their own: they come last, in their order.
    pub members: MemberList,
    /// Time of all other members, Unix seconds.
    pub mtime: u64,
}

/// Prepares to write an archive: a file that must not be there (with `force` it may be an archive of ours), or `-` for
/// standard output.
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
    let spool = tree.spool().ok_or_else(|| Error::internal("an archive needs a spooled tree"))?;
    add_directories(contents.index, tree.take_named_dirs())?;
    let members = Members { spool, contents };
    match out.file() {
        Some(file) => compressed(file, packing, threads, members).map_err(|e| Error::io("write", out.target(), e)),
        None => to_stdout(packing, threads, members).map_err(Error::stdout),
    }
}

/// Adds a row for every directory: those above files, and those that were asked for. One may have several rows.
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

struct Members<'s> {
    spool: &'s Spool,
    contents: Contents<'s>,
}

/// Data, not words: the archive goes there as it is.
#[allow(clippy::disallowed_methods)]
fn to_stdout(packing: Packing, threads: usize, members: Members<'_>) -> io::Result<()> {
    compressed(&mut io::stdout().lock(), packing, threads, members)
}

fn compressed(out: &mut impl Write, packing: Packing, threads: usize, members: Members<'_>) -> io::Result<()> {
    let out = BufWriter::with_capacity(1 << 20, sys::Writer(out));
    match packing {
        Packing::Tar => members.write(out)?.flush(),
        Packing::Gzip => {
            // The header has no time and no name: the same input gives the same bytes.
            let encoder = flate2::GzBuilder::new().mtime(0).write(out, flate2::Compression::new(6));
            members.write(encoder)?.finish()?.flush()
        }
        Packing::Zstd { level } => {
            let mut encoder = zstd::Encoder::new(out, level)?;
            let workers = if threads == 0 { rayon::current_num_threads() } else { threads };
            encoder.multithread(u32::try_from(workers).unwrap_or(u32::MAX))?;
            members.write(encoder)?.finish()?.flush()
        }
    }
}

impl Members<'_> {
    fn write<W: Write>(self, out: W) -> io::Result<W> {
        let Members { spool, contents: Contents { index, members, mtime } } = self;
        let mut builder = Builder::new(out);
        let mut previous: Vec<u8> = Vec::new();
        index.merge(|path, entry| {
            if entry.place.is_elsewhere() {
                return Ok(());
            }
            let directory = entry.place == DIRECTORY;
            if path == previous.as_slice() {
                return if directory { Ok(()) } else { Err(io::Error::other("two files of one path")) };
            }
            previous.clear();
            previous.extend_from_slice(path);
            let path = Path::new(std::ffi::OsStr::from_bytes(path));
            let mut header = Header::new_gnu();
            header.set_mtime(mtime);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mode(if directory { 0o755 } else { 0o600 });
            header.set_entry_type(if directory { EntryType::Directory } else { EntryType::Regular });
            header.set_size(entry.place.len);
            if directory {
                return builder.append_data(&mut header, path, io::empty());
            }
            builder.append_data(&mut header, path, spool.reader(entry.place).take(entry.place.len))
        })?;
        members.each(|member| pax::write(member, spool, builder.get_mut()))?;
        builder.into_inner()
    }
}
