//! Walks into directories and back with few handles, whatever the depth.
//!
//! Of the directories above the current one, only the nearest are open. One farther up is opened again through `..`
//! when the walk returns to it, and must be the same directory as before. No system call gets more than one name, so
//! the walk also handles trees whose paths are too long for the system.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, Dir, DirEntry, Mode, OFlags};

/// Directories that are open at once.
const MOST_OPEN: usize = 16;

/// The directories from a root down to the current one.
pub(super) struct Levels {
    /// The closed ones, farthest up, from the root on.
    closed: Vec<Closed>,
    open: VecDeque<Open>,
}

/// A directory that is open.
struct Open {
    listing: Dir,
    /// How far it was read.
    at: i64,
    /// Its handle, for callers that keep it.
    shared: Option<Arc<OwnedFd>>,
}

/// A directory that is opened again when the walk comes back to it.
struct Closed {
    /// Device and inode number.
    id: (u64, u64),
    at: i64,
}

/// Opens a directory, but does not follow a link.
pub(super) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    open(CWD, path, OFlags::NOFOLLOW)
}

fn open(at: impl AsFd, name: impl rustix::path::Arg, more: OFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | more;
    Ok(rustix::fs::openat(at, name, flags, Mode::empty())?)
}

fn id_of(listing: &Dir) -> io::Result<(u64, u64)> {
    let stat = listing.stat()?;
    Ok((stat.st_dev, stat.st_ino))
}

impl Open {
    fn new(fd: OwnedFd) -> io::Result<Open> {
        Ok(Open { listing: Dir::new(fd)?, at: 0, shared: None })
    }
}

impl Levels {
    /// A walk that begins at this root.
    pub fn new(root: OwnedFd) -> io::Result<Levels> {
        Ok(Levels { closed: Vec::new(), open: VecDeque::from([Open::new(root)?]) })
    }

    /// A walk that begins at a root whose handle the caller keeps.
    pub fn below(root: impl AsFd) -> io::Result<Levels> {
        Levels::new(open(root, c".", OFlags::NOFOLLOW)?)
    }

    fn last(&mut self) -> io::Result<&mut Open> {
        self.open.back_mut().ok_or_else(|| io::Error::other("the root of a walk was left"))
    }

    /// The handle of the current directory.
    pub fn fd(&mut self) -> io::Result<BorrowedFd<'_>> {
        Ok(self.last()?.listing.fd()?)
    }

    /// The same handle, to be kept.
    pub fn shared(&mut self) -> io::Result<&Arc<OwnedFd>> {
        let level = self.last()?;
        Ok(match &mut level.shared {
            Some(fd) => fd,
            none => none.insert(Arc::new(level.listing.fd()?.try_clone_to_owned()?)),
        })
    }

    /// The next entry of the current directory.
    pub fn next(&mut self) -> io::Result<Option<DirEntry>> {
        let level = self.last()?;
        for entry in level.listing.by_ref() {
            let entry = entry?;
            level.at = entry.offset();
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Enters a subdirectory of the current directory.
    pub fn down(&mut self, name: &CStr) -> io::Result<()> {
        let below = loop {
            match open(self.fd()?, name, OFlags::NOFOLLOW) {
                // Closing directories above frees handles.
                Err(e) if e.raw_os_error() == Some(libc::EMFILE) && self.open.len() > 1 => self.close()?,
                other => break other?,
            }
        };
        self.open.push_back(Open::new(below)?);
        if self.open.len() > MOST_OPEN { self.close() } else { Ok(()) }
    }

    /// Closes the directory farthest up.
    fn close(&mut self) -> io::Result<()> {
        let Some(far) = self.open.pop_front() else { return Ok(()) };
        self.closed.push(Closed { id: id_of(&far.listing)?, at: far.at });
        Ok(())
    }

    /// Returns to the parent directory; `false`: there is none.
    pub fn up(&mut self) -> io::Result<bool> {
        let left = self.open.pop_back();
        let (Some(left), true) = (left, self.open.is_empty()) else { return Ok(!self.open.is_empty()) };
        let Some(Closed { id, at }) = self.closed.pop() else { return Ok(false) };
        let mut above = Open::new(open(left.listing.fd()?, c"..", OFlags::NOFOLLOW)?)?;
        if id_of(&above.listing)? != id {
            return Err(io::Error::other("a directory was moved while it was walked"));
        }
        above.listing.seek(at)?;
        above.at = at;
        self.open.push_back(above);
        Ok(true)
    }
}
