//! Extracts the members of an archive below a new directory.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::output::about_to;
use crate::output::reading::{Content, Entry, Output, Piece, Pieces, broken};
use crate::output::sumfile::is_below;

/// Bytes that are written at once.
const PIECE: usize = 256 << 10;

/// Writes everything in the archive below `dir`. Owners, modes and times are not those of the archive, as in every directory of a decode.
///
/// # Errors
/// A failed read or write; a member that no decode writes.
pub(super) fn write(output: &mut Output, dir: &Path) -> Result<()> {
    let name = output.name().to_path_buf();
    let mut buffer = vec![0; PIECE];
    output.each(&mut |entry| match entry {
        Entry::Attributes(..) => Ok(()),
        Entry::Directory(path) => directory(dir, path),
        Entry::File(path, content) => {
            let mut file = create(dir, path)?;
            let mut copied = |mut pieces: Pieces<'_>| copy(&mut pieces, &mut file, &mut buffer);
            let done = match content {
                Content::InArchive(bytes, len) => copied(Pieces::Stream(&mut bytes.take(len))),
                Content::SparseInArchive(bytes) => copied(Pieces::Sparse(bytes)),
                Content::OnDisk(..) => return Err(Error::internal("a file on disk in an archive")),
            };
            match done {
                Ok(()) => Ok(()),
                Err(Failed::Read(e)) => Err(broken(&name, e)),
                Err(Failed::Write(e)) => Err(Error::io("write", at(dir, path), e)),
            }
        }
        Entry::Link(path, target) if is_below(target) => {
            above(dir, path)?;
            let made = about_to().and_then(|()| fs::hard_link(at(dir, target), at(dir, path)));
            made.map_err(|e| Error::io("link", at(dir, path), e))
        }
        Entry::Link(path, _) => Err(odd(&name, path, "it is a link to a file outside of the output")),
        Entry::NonRegular(path, what) => Err(odd(&name, path, what)),
        Entry::Odd(path, what) => Err(odd(&name, path, what)),
    })
}

fn odd(name: &Path, path: &[u8], what: &str) -> Error {
    let path = serde_json::Value::from(String::from_utf8_lossy(path));
    Error::new(ErrorKind::Output(format!("{path}: {what}"))).input(name)
}

fn at(dir: &Path, path: &[u8]) -> PathBuf {
    dir.join(OsStr::from_bytes(path))
}

fn directory(dir: &Path, path: &[u8]) -> Result<()> {
    let made = about_to().and_then(|()| DirBuilder::new().recursive(true).mode(0o755).create(at(dir, path)));
    made.map_err(|e| Error::io("create directory", at(dir, path), e))
}

fn above(dir: &Path, path: &[u8]) -> Result<()> {
    match memchr::memrchr(b'/', path) {
        Some(slash) => directory(dir, &path[..slash]),
        None => Ok(()),
    }
}

/// A new file: a repeated name is an error. No member is a link that would be followed.
fn create(dir: &Path, path: &[u8]) -> Result<File> {
    above(dir, path)?;
    let open = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(at(dir, path));
    about_to().and_then(|()| open()).map_err(|e| Error::io("create", at(dir, path), e))
}

/// The kinds of failures of a copy.
enum Failed {
    Read(io::Error),
    Write(io::Error),
}

/// Copies a file; holes stay holes.
fn copy(pieces: &mut Pieces<'_>, file: &mut File, buffer: &mut [u8]) -> std::result::Result<(), Failed> {
    let mut at = 0u64;
    while let Some(piece) = pieces.next(buffer).map_err(Failed::Read)? {
        match piece {
            Piece::Hole(zeros) => at = at.saturating_add(zeros),
            Piece::Data(bytes) => {
                about_to().and_then(|()| file.write_all_at(bytes, at)).map_err(Failed::Write)?;
                at += bytes.len() as u64;
            }
        }
    }
    about_to().and_then(|()| file.set_len(at)).map_err(Failed::Write)
}
