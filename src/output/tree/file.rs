//! Files of a tree that are written in pieces.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};

use super::dir::Dir;
use super::{Backing, Digests, Tree};
use crate::error::{Error, Result};
use crate::output::checksums::{Digest, Place, Sum, Sums};
use crate::output::spool::{HOLE, Pieces};
use crate::output::sys;
use crate::output::tee::Part;

/// Block size of most file systems.
pub const BLOCK: u64 = 4096;

/// Mode of a data file: only the owner may read a backup.
const FILE_MODE: Mode = Mode::from_raw_mode(0o600);
/// Bytes of a growing file that go to the tee at once: they are copied.
const TEED: usize = 1 << 20;

impl Tree {
    /// Creates a file to be written in pieces. If it is dropped unfinished, it is removed again.
    pub fn create(&self, dir: &Arc<Dir>, name: &[u8]) -> Result<OpenFile<'_>> {
        self.create_with(dir, name, (self.digests != Digests::None).then(Sha256::new))
    }

    /// As [`create`](Tree::create), unless the name is taken. Only for a tree that knows which names are taken.
    pub fn create_new(&self, dir: &Arc<Dir>, name: &[u8]) -> Result<Option<OpenFile<'_>>> {
        match create_in(dir, name) {
            Ok(fd) => {
                let hash = (self.digests != Digests::None).then(Sha256::new);
                Ok(Some(self.opened(dir, name, Some(fd), hash)))
            }
            Err(rustix::io::Errno::EXIST) => Ok(None),
            Err(e) => Err(self.failed("create", &dir.rel, name, e)),
        }
    }

    /// As [`create`](Tree::create); the caller computes the digest and finishes with [`OpenFile::finish_known`].
    pub fn create_known(&self, dir: &Arc<Dir>, name: &[u8]) -> Result<OpenFile<'_>> {
        self.create_with(dir, name, None)
    }

    /// Creates one of many files that stay unfinished for a long time: its directory is not kept open. If it is dropped
    /// unfinished, it remains until the tree is removed.
    pub fn create_shared(&self, dir: &[u8], name: &[u8]) -> Result<OpenFile<'_>> {
        let hash = (self.digests == Digests::All).then(Sha256::new);
        let mut file = self.create_with(&self.passing_dir(dir)?, name, hash)?;
        file.handle = file.handle.take().and_then(Arc::into_inner).map(|handle| Arc::new(handle.without_dir()));
        Ok(file)
    }

    fn create_with(&self, dir: &Arc<Dir>, name: &[u8], hash: Option<Sha256>) -> Result<OpenFile<'_>> {
        let fd = if self.knows_names() { Some(self.create_fd(dir, name)?) } else { None };
        Ok(self.opened(dir, name, fd, hash))
    }

    fn opened(&self, dir: &Arc<Dir>, name: &[u8], fd: Option<OwnedFd>, hash: Option<Sha256>) -> OpenFile<'_> {
        let handle = Arc::new(Handle { dir: Arc::clone(dir), name: name.to_vec(), fd });
        let (rel, name, pieces) = (dir.rel.clone(), name.to_vec(), Pieces::default());
        let (handle, bytes, holes, unused) = (Some(handle), 0, 0, 0);
        OpenFile { tree: self, rel, name, handle, hash, bytes, holes, unused, pieces, hole: None, finished: false }
    }

    pub(super) fn create_fd(&self, dir: &Dir, name: &[u8]) -> Result<OwnedFd> {
        create_in(dir, name).map_err(|e| match e {
            rustix::io::Errno::EXIST => self.exists(dir, name),
            _ => self.failed("create", &dir.rel, name, e),
        })
    }

    #[cold]
    fn exists(&self, dir: &Dir, name: &[u8]) -> Error {
        let because = "another object has this name already: a file system that does not distinguish upper from \
                       lower case cannot hold it: choose another one for the output";
        self.failed("create", &dir.rel, name, io::Error::new(io::ErrorKind::AlreadyExists, because))
    }
}

/// A file of the tree while it is written.
pub struct OpenFile<'t> {
    tree: &'t Tree,
    rel: Vec<u8>,
    name: Vec<u8>,
    handle: Option<Arc<Handle>>,
    hash: Option<Sha256>,
    bytes: u64,
    /// How many of them are in holes.
    holes: u64,
    /// How many of them are in whole blocks of holes, which take no space.
    unused: u64,
    /// The places of its pieces in the spool.
    pieces: Pieces,
    /// Start of the hole at the current end of the file.
    hole: Option<u64>,
    finished: bool,
}

struct Handle {
    dir: Arc<Dir>,
    name: Vec<u8>,
    fd: Option<OwnedFd>,
}

impl Handle {
    fn without_dir(self) -> Handle {
        Handle { dir: Arc::new(Dir::null(&self.dir.rel)), ..self }
    }
}

/// Room for bytes that the digest of a file includes already. Any thread can fill it, in any order.
pub struct ReservedWrite<'t> {
    tree: &'t Tree,
    handle: Arc<Handle>,
    offset: u64,
}

impl ReservedWrite<'_> {
    /// Writes the bytes that the room was reserved for.
    pub fn fill(&self, bytes: &[u8]) -> Result<()> {
        let Handle { dir, name, fd } = &*self.handle;
        match (&self.tree.backing, fd) {
            (Backing::Spool(spool), _) => spool.fill(self.offset, bytes),
            (_, Some(fd)) => {
                sys::write_at(fd, bytes, self.offset).map_err(|e| self.tree.failed("write", &dir.rel, name, e))
            }
            _ => sys::nothing().map_err(|e| self.tree.failed("write", &dir.rel, name, e)),
        }
    }
}

impl<'t> OpenFile<'t> {
    /// Appends `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.append(bytes)?.fill(bytes)
    }

    /// Takes `bytes` as the next ones of the file. Filling the reserved room writes them.
    pub fn append(&mut self, bytes: &[u8]) -> Result<ReservedWrite<'t>> {
        let handle = match &self.handle {
            Some(handle) => Arc::clone(handle),
            None => self.reopen()?,
        };
        if let Some(hash) = &mut self.hash {
            update(hash, bytes);
        }
        if let Some(tee) = &self.tree.tee {
            bytes.chunks(TEED).try_for_each(|piece| tee.take(&self.rel, &self.name, piece, Part::Next))?;
        }
        if !bytes.is_empty() {
            self.leave_hole(self.bytes / BLOCK * BLOCK);
        }
        let offset = match &self.tree.backing {
            Backing::Spool(spool) => {
                let place = spool.reserve(bytes.len() as u64);
                spool.add(&mut self.pieces, place)?;
                place.at
            }
            _ => self.bytes,
        };
        self.bytes += bytes.len() as u64;
        Ok(ReservedWrite { tree: self.tree, handle, offset })
    }

    /// Leaves a hole: bytes that read as zeros and take no space. Only for a file whose digest the caller computes.
    pub fn skip(&mut self, len: u64) -> Result<()> {
        if let Backing::Spool(spool) = &self.tree.backing {
            spool.add(&mut self.pieces, Place { at: HOLE, len, pieces: 0 })?;
        }
        self.hole.get_or_insert(self.bytes);
        self.bytes += len;
        self.holes += len;
        Ok(())
    }

    /// Counts the blocks of a hole that contain nothing else.
    fn leave_hole(&mut self, end: u64) {
        if let Some(start) = self.hole.take() {
            self.unused += end.saturating_sub(start.div_ceil(BLOCK).saturating_mul(BLOCK));
        }
    }

    /// Sets the length of the file if it ends in a hole.
    fn end(&mut self) -> Result<()> {
        let handle = if self.hole.is_some() { self.handle.as_ref() } else { None };
        let Some((handle, fd)) = handle.and_then(|handle| Some((handle, handle.fd.as_ref()?))) else { return Ok(()) };
        let cut = sys::truncate(fd, self.bytes);
        cut.map_err(|e| self.tree.failed("write", &handle.dir.rel, &self.name, e))
    }

    /// Closes the handles until more bytes come: of many growing files only some can be open.
    pub fn park(&mut self) {
        self.handle = None;
    }

    #[cold]
    fn reopen(&mut self) -> Result<Arc<Handle>> {
        let dir = self.tree.passing_dir(&self.rel)?;
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |at: &OwnedFd| sys::open(at, self.name.as_slice(), flags, Mode::empty());
        let fd = dir.fd.as_ref().map(open).transpose();
        let fd = fd.map_err(|e| self.tree.failed("open again", &self.rel, &self.name, e))?;
        let handle = Arc::new(Handle { dir, name: self.name.clone(), fd }.without_dir());
        self.handle = Some(Arc::clone(&handle));
        Ok(handle)
    }

    /// Closes the file and adds its digest.
    pub fn finish(mut self, sums: &mut Sums) -> Result<()> {
        let place = self.close()?;
        if let Some(tee) = &self.tree.tee {
            tee.take(&self.rel, &self.name, b"", Part::End)?;
        }
        let digest = self.hash.take().map_or_else(Digest::default, |hash| hash.finalize().into());
        self.tree.note(&self.rel, &self.name, digest, place, sums);
        self.tree.count(self.bytes);
        Ok(())
    }

    /// Closes a file whose digest the caller has computed. In a spool that becomes an archive the file is not a member
    /// by itself: the caller adds one, with the returned place.
    pub fn finish_known(mut self, sum: Sum, sums: &mut Sums) -> Result<Place> {
        self.end()?;
        self.leave_hole(self.bytes);
        let place = self.close()?;
        self.tree.count(self.bytes - self.holes);
        self.tree.known_done((&self.rel, &self.name), place, sum, sums)
    }

    fn close(&mut self) -> Result<Place> {
        self.finished = true;
        let place = match &self.tree.backing {
            Backing::Spool(spool) => spool.join(&mut self.pieces)?,
            // A null tree has no places. It returns the bytes that take no space instead.
            Backing::Nowhere => Place { at: self.unused, ..Place::default() },
            Backing::Disk => Place::default(),
        };
        Ok(Place { len: self.bytes, ..place })
    }
}

/// Adds bytes to a digest; with the feature `slow-hash` four times, for measurements.
fn update(hash: &mut Sha256, bytes: &[u8]) {
    if cfg!(feature = "slow-hash") {
        for _ in 0..3 {
            std::hint::black_box(Sha256::digest(bytes));
        }
    }
    hash.update(bytes);
}

impl Drop for OpenFile<'_> {
    fn drop(&mut self) {
        // A shared file is not removed here, but with the whole unfinished tree.
        if let (false, Some(handle)) = (self.finished, &self.handle) {
            handle.dir.remove(&self.name);
        }
    }
}

pub(super) fn create_in(dir: &Dir, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    sys::open(dir.fd()?, name, flags, FILE_MODE)
}
