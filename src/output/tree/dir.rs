//! Directories of a tree. Each is opened below its parent, so that no link is followed.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags};

use super::Tree;
use crate::error::{Error, Result};
use crate::output::sys;
use crate::sync::lock;

/// Mode of a directory, before the umask.
const DIR_MODE: Mode = Mode::from_raw_mode(0o755);

/// A directory of the tree. On disk it has a handle.
pub struct Dir {
    pub(super) fd: Option<OwnedFd>,
    pub(super) rel: Vec<u8>,
}

impl Dir {
    /// Path below the root; empty for the root itself.
    pub fn path(&self) -> &[u8] {
        &self.rel
    }

    /// A directory without a disk that is not counted.
    pub(in crate::output) fn null(rel: &[u8]) -> Dir {
        Dir { fd: None, rel: rel.to_vec() }
    }

    /// Removes an incomplete file. If this fails too, it is removed with the whole unfinished tree.
    pub(super) fn remove(&self, name: &[u8]) {
        if let Some(fd) = &self.fd {
            let _ = rustix::fs::unlinkat(fd, name, AtFlags::empty());
        }
    }

    pub(super) fn fd(&self) -> rustix::io::Result<&OwnedFd> {
        self.fd.as_ref().ok_or(rustix::io::Errno::BADF)
    }
}

pub(super) fn open_dir(at: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    sys::open(at, name, flags, Mode::empty())
}

impl Tree {
    /// The directory at `rel`, made with its parents if it does not exist yet; empty: the root.
    ///
    /// Handles are kept until the tree is dropped: ask only for directories of a bounded number.
    pub fn dir(&self, rel: &[u8]) -> Result<Arc<Dir>> {
        if rel.is_empty() {
            return Ok(Arc::clone(&self.root));
        }
        let held = lock(&self.dirs).get(rel).cloned();
        if let Some(dir) = held {
            return Ok(dir);
        }
        let dir = Arc::new(self.make_dir(rel)?);
        let mut dirs = lock(&self.dirs);
        Ok(Arc::clone(dirs.entry(rel.to_vec()).or_insert(dir)))
    }

    /// Makes and opens a directory below the root without keeping its handle.
    pub fn make_dir(&self, rel: &[u8]) -> Result<Dir> {
        self.make_dir_from(&self.root, rel, rel)
    }

    /// As [`make_dir`](Tree::make_dir), with less work if it is below `near`.
    pub fn make_dir_near(&self, near: &Dir, rel: &[u8]) -> Result<Dir> {
        match rel.strip_prefix(near.rel.as_slice()).and_then(|rest| rest.strip_prefix(b"/")) {
            Some(rest) => self.make_dir_from(near, rest, rel),
            None => self.make_dir(rel),
        }
    }

    fn make_dir_from(&self, from: &Dir, names: &[u8], rel: &[u8]) -> Result<Dir> {
        if !self.knows_names() {
            lock(&self.named).add_directory(rel)?;
            return Ok(Dir::null(rel));
        }
        let mut fd: Option<OwnedFd> = None;
        for name in names.split(|b| *b == b'/') {
            let from = from.fd().map_err(|e| self.failed("create directory", rel, b"", e))?;
            let at = fd.as_ref().unwrap_or(from).as_fd();
            match sys::mkdir(at, name, DIR_MODE) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(e) => return Err(self.failed("create directory", rel, b"", e)),
            }
            let opened = open_dir(at, name).map_err(|e| self.failed("open directory", rel, b"", e))?;
            fd = Some(opened);
        }
        let fd = fd.ok_or_else(|| Error::internal("a directory of the output has no name"))?;
        Ok(Dir { fd: Some(fd), rel: rel.to_vec() })
    }

    /// A directory whose handle is not kept, unless it is kept already.
    pub fn passing_dir(&self, rel: &[u8]) -> Result<Arc<Dir>> {
        if rel.is_empty() {
            return Ok(Arc::clone(&self.root));
        }
        let held = lock(&self.dirs).get(rel).cloned();
        held.map_or_else(|| self.make_dir(rel).map(Arc::new), Ok)
    }

    /// Makes and opens the directory `name` in `parent` without keeping its handle. Without a disk it counts only if
    /// files are written into it.
    pub fn make_dir_in(&self, parent: &Dir, name: &[u8]) -> Result<Dir> {
        let rel = [&parent.rel, &b"/"[..], name].concat();
        let Some(fd) = &parent.fd else { return Ok(Dir { fd: None, rel }) };
        match sys::mkdir(fd, name, DIR_MODE) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(e) => return Err(self.failed("create directory", &parent.rel, name, e)),
        }
        let fd = open_dir(fd, name).map_err(|e| self.failed("open directory", &parent.rel, name, e))?;
        Ok(Dir { fd: Some(fd), rel })
    }
}
