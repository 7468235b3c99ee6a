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

/// Blocks of most file systems.
pub const BLOCK: u64 = 4096;

/// Mode of a data file: a backup is for its owner.
const FILE_MODE: Mode = Mode::from_raw_mode(0o600);
/// Bytes of a growing file that go to the tee at once: they are copied.
const TEED: usize = 1 << 20;

impl Tree {
    /// Creates a file to be written in pieces. Dropped unfinished, it is removed again.
    pub fn create(&self, dir: &Arc<Dir>, name: &[u8]) -> Result<OpenFile<'_>> {
        self.create_with(dir, name, (self.digests != Digests::None).then(Sha256::new))
    }

    /// As [`create`](Tree::create), unless the name is taken. Only for a tree that knows its names.
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

    /// As [`create`](Tree::create); the caller takes the digest, and finishes with [`OpenFile::finish_known`].
    pub fn create_known(&self, dir: &Arc<Dir>, name: &[u8]) -> Result<OpenFile<'_>> {
        self.create_with(dir, name, None)
    }

    /// Creates a file that stays unfinished for long, one of many: its directory is not kept open. Dropped unfinished, it
    /// is left to whoever removes the tree.
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
        let because = "another name of this snapshot is already there; a file system that does not tell upper from \
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
    /// Bytes of them in holes.
    holes: u64,
    /// Bytes of them in whole blocks of holes, which take no space.
    unused: u64,
    /// Where its pieces are in the spool.
    pieces: Pieces,
    /// Where the hole begins that the file ends in until now.
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

/// Where bytes that count in a file's digest already are to go. It can be filled from any thread, in any order.
pub struct ReservedWrite<'t> {
    tree: &'t Tree,
    handle: Arc<Handle>,
    offset: u64,
}

impl ReservedWrite<'_> {
    /// Writes the bytes that the slot was taken for.
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

    /// Takes `bytes` as the next ones of the file; filling the slot writes them.
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

    /// Leaves a hole: bytes that read as zeros and take no space. Only in a file whose digest the caller takes.
    pub fn skip(&mut self, len: u64) -> Result<()> {
        if let Backing::Spool(spool) = &self.tree.backing {
            spool.add(&mut self.pieces, Place { at: HOLE, len, pieces: 0 })?;
        }
        self.hole.get_or_insert(self.bytes);
        self.bytes += len;
        self.holes += len;
        Ok(())
    }

    /// Counts the blocks of a hole, up to the last that nothing else is in.
    fn leave_hole(&mut self, end: u64) {
        if let Some(start) = self.hole.take() {
            self.unused += end.saturating_sub(start.div_ceil(BLOCK).saturating_mul(BLOCK));
        }
    }

    /// Gives the file its length when it ends in a hole.
    fn end(&mut self) -> Result<()> {
        let handle = if self.hole.is_some() { self.handle.as_ref() } else { None };
        let Some((handle, fd)) = handle.and_then(|handle| Some((handle, handle.fd.as_ref()?))) else { return Ok(()) };
        let cut = sys::truncate(fd, self.bytes);
        cut.map_err(|e| self.tree.failed("write", &handle.dir.rel, &self.name, e))
    }

    /// Gives the handles back until more bytes come: of many growing files only some can be open.
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

    /// Closes the file and remembers its digest.
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

    /// Closes a file whose digest the caller has taken. Where a spool becomes an
    /// archive, the file is no member by itself: the caller makes one, with the place that this gives.
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
            // Bytes that stand nowhere have no place: what takes no space is told instead.
            Backing::Nowhere => Place { at: self.unused, ..Place::default() },
            Backing::Disk => Place::default(),
        };
        Ok(Place { len: self.bytes, ..place })
    }
}

/// Takes bytes into a digest; with the feature `slow-hash` four times, for measurements.
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
        // A shared file is not removed here: it goes with the whole unfinished tree.
        if let (false, Some(handle)) = (self.finished, &self.handle) {
            handle.dir.remove(&self.name);
        }
    }
}

pub(super) fn create_in(dir: &Dir, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    sys::open(dir.fd()?, name, flags, FILE_MODE)
}
