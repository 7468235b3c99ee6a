//! A directory tree: on disk, in a spool that becomes an archive, or nowhere at all.
//!
//! On disk every file is created once, below a held directory handle, with `O_EXCL | O_NOFOLLOW`: nothing is
//! overwritten, no link is followed, no path is resolved twice. Digests are taken from the bytes on their way.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags};
use sha2::{Digest as _, Sha256};

use super::checksums::{Checksums, Digest, ELSEWHERE, Place, Sum, Sums};
use super::observer::Observer;
use super::spool::{HOLE, Pieces, Spool};
use super::sys;
use super::tee::{Part, Tee};
use crate::error::{Error, Result};

/// Mode of a data file: a backup is for its owner.
const FILE_MODE: Mode = Mode::from_raw_mode(0o600);
/// Mode of a directory, before the umask.
const DIR_MODE: Mode = Mode::from_raw_mode(0o755);

/// Blocks of most file systems.
pub const BLOCK: u64 = 4096;

/// Where the bytes of files go.
enum Backing {
    /// To files below the root.
    Disk,
    /// To one temporary file, until they are put in order.
    Spool(Spool),
    /// Nowhere: they are counted and their digests taken.
    Nowhere,
}

/// The output tree while it is built.
pub struct Tree {
    path: PathBuf,
    backing: Backing,
    root: Arc<Dir>,
    /// Directories that were asked for, where there is no disk to hold them.
    named: Mutex<Checksums>,
    /// Digests of files that units had no room for.
    early: Mutex<Checksums>,
    dirs: Mutex<HashMap<Vec<u8>, Arc<Dir>>>,
    files: AtomicU64,
    bytes: AtomicU64,
    spare: Mutex<Vec<Vec<u8>>>,
    tee: Option<Tee>,
    observer: Option<Observer>,
    digests: Digests,
}

/// Of which files the digests are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digests {
    /// Of all.
    All,
    /// Of those that are written at once, not of those that grow until the end.
    NotShared,
    /// Of none.
    None,
}

/// Buffers kept for the next unit, and the bytes that all of them may have.
const SPARE: usize = 32;
const MOST_SPARE: usize = 16 << 20;

/// Bytes of a growing file that go to the tee at once: they are copied.
const TEED: usize = 1 << 20;

/// A directory of the tree; on disk, with its handle.
pub struct Dir {
    fd: Option<OwnedFd>,
    rel: Vec<u8>,
}

impl Dir {
    /// Path below the root; empty for the root itself.
    pub fn path(&self) -> &[u8] {
        &self.rel
    }

    /// A directory without a disk that nobody asks for by its name.
    pub(super) fn null(rel: &[u8]) -> Dir {
        Dir { fd: None, rel: rel.to_vec() }
    }

    /// Removes half a file: it must not stay. If this fails too, the whole unfinished tree goes anyway.
    fn remove(&self, name: &[u8]) {
        if let Some(fd) = &self.fd {
            let _ = rustix::fs::unlinkat(fd, name, AtFlags::empty());
        }
    }

    fn fd(&self) -> rustix::io::Result<&OwnedFd> {
        self.fd.as_ref().ok_or(rustix::io::Errno::BADF)
    }
}

fn open_dir(at: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    sys::open(at, name, flags, Mode::empty())
}

impl Tree {
    /// Takes an existing, empty directory as the root.
    pub fn open(path: &Path) -> Result<Tree> {
        let fd = open_dir(rustix::fs::CWD, path).map_err(|e| Error::io("open", path, e))?;
        Ok(Tree::new(path, Backing::Disk, Some(fd)))
    }

    /// A tree in one temporary file in the directory `scratch`.
    pub fn spooled(scratch: &Path) -> Result<Tree> {
        Ok(Tree::new(scratch, Backing::Spool(Spool::new(scratch)?), None))
    }

    /// A tree of which nothing stays but counts and digests. Temporary files go to `scratch`, if there are any.
    pub fn null(scratch: &Path) -> Tree {
        Tree::new(scratch, Backing::Nowhere, None)
    }

    /// A tree of which nothing stays but counts: for a decode that is a mere check.
    pub fn checked(scratch: &Path) -> Tree {
        Tree { digests: Digests::None, ..Tree::null(scratch) }
    }

    /// A tree of which nothing stays but counts and, if they are wanted, digests; what the tee wants goes to it.
    pub fn teed(scratch: &Path, tee: Tee, digests: Digests) -> Tree {
        Tree { tee: Some(tee), digests, ..Tree::null(scratch) }
    }

    /// A tree of which nothing stays but counts; its objects are told to the observer, and lines are dropped.
    pub fn observed(scratch: &Path, observer: Observer) -> Tree {
        Tree { observer: Some(observer), ..Tree::checked(scratch) }
    }

    fn new(path: &Path, backing: Backing, fd: Option<OwnedFd>) -> Tree {
        let root = Arc::new(Dir { fd, rel: Vec::new() });
        let (dirs, spare) = (Mutex::default(), Mutex::default());
        let checksums = || Mutex::new(Checksums::new(path));
        let (path, named, early) = (path.to_path_buf(), checksums(), checksums());
        Tree {
            path,
            backing,
            root,
            named,
            early,
            dirs,
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            spare,
            tee: None,
            observer: None,
            digests: Digests::All,
        }
    }

    /// Whether it can tell by itself whether a name is taken.
    pub fn knows_names(&self) -> bool {
        matches!(self.backing, Backing::Disk)
    }

    /// Who is told of its objects, if somebody is.
    #[inline]
    pub fn observer(&self) -> Option<&Observer> {
        self.observer.as_ref()
    }

    /// The spool, if the tree is in one.
    pub fn spool(&self) -> Option<&Spool> {
        if let Backing::Spool(spool) = &self.backing { Some(spool) } else { None }
    }

    /// Takes the directories that were asked for, where there is no disk to hold them: some may have no files.
    pub fn take_named_dirs(&self) -> Checksums {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *named, Checksums::new(&self.path))
    }

    /// Takes digests of a unit before its turn: their order does not matter.
    pub(super) fn take_early(&self, sums: &mut Sums) -> Result<()> {
        let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        early.add(&std::mem::take(sums))
    }

    /// Gives them.
    pub(crate) fn early(&self) -> Checksums {
        let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        let beside = early.beside();
        std::mem::replace(&mut *early, beside)
    }

    /// Files and bytes written so far.
    pub fn written(&self) -> (u64, u64) {
        (self.files.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// An empty buffer, used before if there is one: memory fresh from the system costs a fault a page.
    pub fn buffer(&self) -> Vec<u8> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub fn recycle(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = spare.iter().map(Vec::capacity).sum();
        if buffer.capacity() > 0 && spare.len() < SPARE && kept + buffer.capacity() <= MOST_SPARE {
            spare.push(buffer);
        }
    }

    /// The directory at `rel`, made with its parents when it is not there yet; empty: the root.
    ///
    /// Handles are held until the tree is dropped: ask only for directories whose number is bounded.
    pub fn dir(&self, rel: &[u8]) -> Result<Arc<Dir>> {
        if rel.is_empty() {
            return Ok(Arc::clone(&self.root));
        }
        let held = self.dirs.lock().unwrap_or_else(PoisonError::into_inner).get(rel).cloned();
        if let Some(dir) = held {
            return Ok(dir);
        }
        let dir = Arc::new(self.make_dir(rel)?);
        let mut dirs = self.dirs.lock().unwrap_or_else(PoisonError::into_inner);
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
            self.named.lock().unwrap_or_else(PoisonError::into_inner).add_directory(rel)?;
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

    /// A directory whose handle is not kept, unless it is held already.
    pub fn passing_dir(&self, rel: &[u8]) -> Result<Arc<Dir>> {
        if rel.is_empty() {
            return Ok(Arc::clone(&self.root));
        }
        let held = self.dirs.lock().unwrap_or_else(PoisonError::into_inner).get(rel).cloned();
        held.map_or_else(|| self.make_dir(rel).map(Arc::new), Ok)
    }

    /// Where temporary files go.
    pub fn scratch_dir(&self) -> &Path {
        &self.path
    }

    /// An unlinked temporary file on the file system of the output.
    pub fn scratch(&self) -> Result<std::fs::File> {
        sys::temporary(&self.path).map_err(|e| Error::io("create a temporary file in", &self.path, e))
    }

    /// Makes and opens the directory `name` in `parent` without keeping its handle. Where there is no disk it counts
    /// only if files come into it.
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

    /// Writes a whole file.
    pub fn put(&self, dir: &Dir, name: &[u8], body: &[u8], sums: &mut Sums) -> Result<()> {
        let digest = self.digest_of(body);
        let place = self.store(dir, name, body)?;
        self.put_done(dir, name, digest, Place { len: body.len() as u64, ..place }, sums);
        self.tee.as_ref().map_or(Ok(()), |tee| tee.take(&dir.rel, name, body, Part::Whole))
    }

    /// What would be a file goes nowhere: a call like those of a disk, at which a run can be stopped or made to fail.
    pub fn pass(&self, name: &[u8]) -> Result<()> {
        sys::nothing().map_err(|e| self.failed("write", b"", name, e))
    }

    /// Counts files that other processes have written.
    pub fn count_written(&self, files: u64, bytes: u64) {
        self.files.fetch_add(files, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a file of a mere check, whose name and bytes nobody needs.
    pub fn pass_file(&self, len: u64) {
        self.count(len);
    }

    /// Writes a whole file, not counted and without a row for its digest.
    fn store(&self, dir: &Dir, name: &[u8], body: &[u8]) -> Result<Place> {
        match &self.backing {
            Backing::Disk => self.fill(&self.create_fd(dir, name)?, dir, name, body),
            Backing::Spool(spool) => spool.put(body),
            Backing::Nowhere => {
                sys::nothing().map(|()| Place::default()).map_err(|e| self.failed("write", &dir.rel, name, e))
            }
        }
    }

    /// Writes a whole file whose digest is known: see [`OpenFile::finish_known`].
    pub fn put_known(&self, dir: &Dir, name: &[u8], body: &[u8], sum: Sum, sums: &mut Sums) -> Result<Place> {
        let place = self.store(dir, name, body)?;
        self.count(body.len() as u64);
        self.known_done((&dir.rel, name), Place { len: body.len() as u64, ..place }, sum, sums)
    }

    fn known_done(&self, (dir, name): (&[u8], &[u8]), place: Place, sum: Sum, sums: &mut Sums) -> Result<Place> {
        let stands = if self.spool().is_some() { ELSEWHERE } else { place };
        // Of what is only decoded to be compared, every digest counts.
        let null = matches!(self.backing, Backing::Nowhere);
        match sum {
            Sum::Whole(digest) => self.note(dir, name, digest, Place { len: place.len, ..stands }, sums),
            Sum::Extents(digest) if null => self.note(dir, name, digest, place, sums),
            Sum::Extents(_) => {}
        }
        Ok(place)
    }

    /// Writes a whole file unless the name is taken; tells whether it was free. Only for a tree that knows its names.
    pub fn try_put(&self, dir: &Dir, name: &[u8], body: &[u8], sums: &mut Sums) -> Result<bool> {
        match create_in(dir, name) {
            Ok(fd) => {
                let digest = self.digest_of(body);
                let place = self.fill(&fd, dir, name, body)?;
                self.put_done(dir, name, digest, Place { len: body.len() as u64, ..place }, sums);
                Ok(true)
            }
            Err(rustix::io::Errno::EXIST) => Ok(false),
            Err(e) => Err(self.failed("create", &dir.rel, name, e)),
        }
    }

    fn fill(&self, fd: &OwnedFd, dir: &Dir, name: &[u8], body: &[u8]) -> Result<Place> {
        if let Err(e) = sys::write_all(fd, body) {
            dir.remove(name);
            return Err(self.failed("write", &dir.rel, name, e));
        }
        Ok(Place::default())
    }

    /// Taken before the bytes are written: where they lie in a map that lost them, this thread meets the loss, which is
    /// survived (`source::map`), and not the kernel.
    fn digest_of(&self, body: &[u8]) -> Digest {
        if self.digests == Digests::None { Digest::default() } else { Sha256::digest(body).into() }
    }

    fn put_done(&self, dir: &Dir, name: &[u8], digest: Digest, place: Place, sums: &mut Sums) {
        self.note(&dir.rel, name, digest, place, sums);
        self.count(place.len);
    }

    /// Takes note of a file for CHECKSUMS, if there will be one.
    #[inline]
    fn note(&self, dir: &[u8], name: &[u8], digest: Digest, place: Place, sums: &mut Sums) {
        if self.digests != Digests::None {
            sums.add(dir, name, digest, place);
        }
    }

    /// Whether it is a mere check: nobody sees any of its bytes.
    pub fn is_check(&self) -> bool {
        self.digests == Digests::None && self.tee.is_none()
    }

    /// Whether somebody reads along.
    pub(super) fn is_teed(&self) -> bool {
        self.tee.is_some()
    }

    /// Whether lines are hashed, and nobody asks for an order over several files.
    pub fn hashes_lines(&self) -> bool {
        self.digests == Digests::All && self.tee.is_none() && self.observer.is_none()
    }

    /// Whether lines may come in any order: nobody sees them, and who is told of objects asks for none.
    pub fn takes_any_order(&self) -> bool {
        self.is_check() && self.observer.as_ref().is_none_or(Observer::takes_any_order)
    }

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

    fn create_fd(&self, dir: &Dir, name: &[u8]) -> Result<OwnedFd> {
        create_in(dir, name).map_err(|e| match e {
            rustix::io::Errno::EXIST => self.exists(dir, name),
            _ => self.failed("create", &dir.rel, name, e),
        })
    }

    fn count(&self, bytes: u64) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    #[cold]
    fn exists(&self, dir: &Dir, name: &[u8]) -> Error {
        let because = "another name of this snapshot is already there; a file system that does not tell upper from \
                       lower case cannot hold it: choose another one for the output";
        self.failed("create", &dir.rel, name, io::Error::new(io::ErrorKind::AlreadyExists, because))
    }

    #[cold]
    fn failed(&self, doing: &'static str, dir: &[u8], name: &[u8], e: impl Into<io::Error>) -> Error {
        Error::io(doing, self.path.join(OsStr::from_bytes(dir)).join(OsStr::from_bytes(name)), e)
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

fn create_in(dir: &Dir, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    sys::open(dir.fd()?, name, flags, FILE_MODE)
}
