//! A directory, walked without following anything.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use super::{Content, Entry};
use crate::error::{Error, Result};

/// Opens the root; the one name in which a link is followed.
pub(super) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(rustix::fs::CWD, path, flags, Mode::empty())?)
}

/// Opens a regular file in a directory.
///
/// # Errors
/// A failed open, or anything that is no regular file.
pub fn open_below(dir: impl AsFd, name: &[u8]) -> io::Result<File> {
    // A pipe that has taken the file's place since must not block the run.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(dir, name, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no longer a regular file")) }
}

/// One directory on the way down: only as many are open as the tree is deep.
struct Level {
    fd: Arc<OwnedFd>,
    listing: Dir,
    /// Length of its path.
    path: usize,
}

/// Gives everything below `root` that is no directory.
pub(super) fn walk(name: &Path, root: &Arc<OwnedFd>, each: &mut dyn FnMut(Entry<'_>) -> Result<()>) -> Result<()> {
    let failed = |path: &[u8], e: io::Error| Error::io("list", name.join(OsStr::from_bytes(path)), e);
    let mut path: Vec<u8> = Vec::new();
    let mut levels = vec![Level::new(root.as_fd(), c".", 0).map_err(|e| failed(b"", e))?];
    while let Some(level) = levels.last_mut() {
        path.truncate(level.path);
        let Some(entry) = level.listing.next() else {
            levels.pop();
            continue;
        };
        let entry = entry.map_err(|e| failed(&path, e.into()))?;
        let file_name = entry.file_name();
        if matches!(file_name.to_bytes(), b"." | b"..") {
            continue;
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(file_name.to_bytes());
        match level.kind_of(file_name, entry.file_type()).map_err(|e| failed(&path, e))? {
            FileType::RegularFile => {
                each(Entry::File(&path, Content::OnDisk(&level.fd, file_name.to_bytes())))?;
            }
            FileType::Directory => {
                let below = Level::new(level.fd.as_fd(), file_name, path.len()).map_err(|e| failed(&path, e))?;
                levels.push(below);
            }
            other => each(Entry::Strange(&path, what(other)))?,
        }
    }
    Ok(())
}

impl Level {
    fn new(at: impl AsFd, name: &std::ffi::CStr, path: usize) -> io::Result<Level> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(at, name, flags, Mode::empty())?;
        let listing = Dir::read_from(&fd)?;
        Ok(Level { fd: Arc::new(fd), listing, path })
    }

    /// Not every file system tells the type in the listing.
    fn kind_of(&self, name: &std::ffi::CStr, told: FileType) -> io::Result<FileType> {
        if told != FileType::Unknown {
            return Ok(told);
        }
        let name: CString = name.to_owned();
        let stat = rustix::fs::statat(&self.fd, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(FileType::from_raw_mode(stat.st_mode))
    }
}

fn what(kind: FileType) -> &'static str {
    match kind {
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        _ => "a device",
    }
}
