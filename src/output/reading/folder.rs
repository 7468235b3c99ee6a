//! Walks a directory without following links.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, DirEntry, FileType, Mode, OFlags};

use super::{Content, Entry};
use crate::error::{Error, Result};
use crate::output::levels::Levels;
use crate::output::parts;

/// Opens the root: the only name in which a link is followed.
pub(super) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(rustix::fs::CWD, path, flags, Mode::empty())?)
}

/// Opens a regular file in a directory.
///
/// # Errors
/// A failed open, or a file that is not regular.
pub fn open_below(dir: impl AsFd, name: &[u8]) -> io::Result<File> {
    open_known_below(dir, name).map(|(file, _)| file)
}

/// As [`open_below`], with the metadata of the file.
///
/// # Errors
/// As [`open_below`].
pub fn open_known_below(dir: impl AsFd, name: &[u8]) -> io::Result<(File, Metadata)> {
    // If a pipe has replaced the file since, it must not block the run.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(dir, name, flags, Mode::empty())?);
    let known = file.metadata()?;
    if known.is_file() { Ok((file, known)) } else { Err(io::Error::other("it is no longer a regular file")) }
}

/// Gives every entry below `root`.
pub(super) fn walk(name: &Path, root: &Arc<OwnedFd>, each: &mut dyn FnMut(Entry<'_>) -> Result<()>) -> Result<()> {
    let failed = |path: &[u8], e: io::Error| Error::io("list", name.join(OsStr::from_bytes(path)), e);
    let mut levels = Levels::below(root).map_err(|e| failed(b"", e))?;
    let mut path: Vec<u8> = Vec::new();
    // Length of the path of each directory above the current one.
    let mut lengths: Vec<usize> = Vec::new();
    // Parts of the directories down to the current one: they come last, in order.
    let mut parts_of: Vec<Vec<u32>> = vec![Vec::new()];
    loop {
        let Some(entry) = levels.next().map_err(|e| failed(&path, e))? else {
            let mut numbers = parts_of.pop().unwrap_or_default();
            numbers.sort_unstable();
            for number in numbers {
                let (dir, name) = (path.len(), parts::name(number));
                path.push(b'/');
                path.extend_from_slice(name.as_bytes());
                let fd = levels.shared().map_err(|e| failed(&path, e))?;
                each(Entry::File(&path, Content::OnDisk(fd, name.as_bytes())))?;
                path.truncate(dir);
            }
            if !levels.up().map_err(|e| failed(&path, e))? {
                return Ok(());
            }
            path.truncate(lengths.pop().unwrap_or(0));
            continue;
        };
        let (file_name, dir) = (entry.file_name(), path.len());
        if dir > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(file_name.to_bytes());
        match kind_of(&mut levels, &entry).map_err(|e| failed(&path, e))? {
            FileType::RegularFile if let Some((_, number)) = parts::of(&path) => {
                if let Some(numbers) = parts_of.last_mut() {
                    numbers.push(number);
                }
            }
            FileType::RegularFile => {
                let fd = levels.shared().map_err(|e| failed(&path, e))?;
                each(Entry::File(&path, Content::OnDisk(fd, file_name.to_bytes())))?;
            }
            FileType::Directory => {
                each(Entry::Directory(&path))?;
                levels.down(file_name).map_err(|e| failed(&path, e))?;
                lengths.push(dir);
                parts_of.push(Vec::new());
                continue;
            }
            other => each(Entry::NonRegular(&path, what(other)))?,
        }
        path.truncate(dir);
    }
}

/// Some file systems do not give the type in the listing.
fn kind_of(levels: &mut Levels, entry: &DirEntry) -> io::Result<FileType> {
    if entry.file_type() != FileType::Unknown {
        return Ok(entry.file_type());
    }
    let stat = rustix::fs::statat(levels.fd()?, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

fn what(kind: FileType) -> &'static str {
    match kind {
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        _ => "a device",
    }
}
