//! Writes the archive.

use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::{Contents, Packing};
use crate::error::{Error, Result};
use crate::output::checksums::DIRECTORY;
use crate::output::members::Attributes;
use crate::output::pax;
use crate::output::single::SingleFile;
use crate::output::spool::Spool;
use crate::output::sys;
use crate::output::tree::Tree;

/// See [`super::write`].
pub(super) fn write(
    out: &mut SingleFile,
    tree: &Tree,
    contents: Contents<'_>,
    packing: Packing,
    threads: usize,
) -> Result<()> {
    let spool = tree.spool().ok_or_else(|| Error::internal("an archive needs a spooled tree"))?;
    super::add_directories(contents.index, tree.take_named_dirs())?;
    let members = Members { spool, contents };
    match out.file() {
        Some(mut file) => {
            compressed(&mut file, packing, threads, members).map_err(|e| Error::io("write", out.target(), e))
        }
        None => to_stdout(packing, threads, members).map_err(Error::stdout),
    }
}

struct Members<'s> {
    spool: &'s Spool,
    contents: Contents<'s>,
}

/// The archive goes to standard output unchanged: it is data, not text.
#[allow(clippy::disallowed_methods)]
fn to_stdout(packing: Packing, threads: usize, members: Members<'_>) -> io::Result<()> {
    compressed(&mut sys::Writer(io::stdout().lock()), packing, threads, members)
}

/// Writes members.
pub(super) trait Source {
    /// Writes all of them; gives the writer back.
    fn write<W: Write>(self, out: W) -> io::Result<W>;
}

/// Writes a compressed archive.
pub(super) fn compressed(
    out: &mut impl Write,
    packing: Packing,
    threads: usize,
    members: impl Source,
) -> io::Result<()> {
    let out = BufWriter::with_capacity(1 << 20, out);
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

/// The header of a member without attributes of its own, before its path is set. `mtime`: Unix seconds.
pub(super) fn plain_header(is_directory: bool, mtime: u64, size: u64) -> Header {
    let Attributes { mode, uid, gid, .. } = Attributes::plain(is_directory, 0);
    let mut header = Header::new_gnu();
    header.set_mtime(mtime);
    header.set_uid(uid.into());
    header.set_gid(gid.into());
    header.set_mode(mode);
    header.set_entry_type(if is_directory { EntryType::Directory } else { EntryType::Regular });
    header.set_size(size);
    header
}

impl Source for Members<'_> {
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
            let mut header = plain_header(directory, mtime, entry.place.len);
            if directory {
                return builder.append_data(&mut header, path, io::empty());
            }
            builder.append_data(&mut header, path, spool.reader(entry.place).take(entry.place.len))
        })?;
        members.each(|member| pax::write(member, spool, builder.get_mut()))?;
        builder.into_inner()
    }
}
