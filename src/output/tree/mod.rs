//! A directory tree: on disk, in a spool that becomes an archive, or in the null sink.
//!
//! On disk every file is created once, below an open directory handle, with `O_EXCL | O_NOFOLLOW`: nothing is
//! overwritten, no link is followed, no path is resolved twice. Digests are computed from the bytes as they pass.

mod dir;
mod file;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

use super::checksums::{Checksums, Digest, ELSEWHERE, Place, Sum, Sums};
use super::observer::Observer;
use super::spool::Spool;
use super::sys;
use super::tee::{Part, Tee};
use crate::error::{Error, Result};
use crate::sync::lock;

pub use dir::Dir;
use dir::open_dir;
use file::create_in;
pub use file::{BLOCK, OpenFile, ReservedWrite};

/// Where the bytes of files are written.
enum Backing {
    /// To files below the root.
    Disk,
    /// To one temporary file, until they are put in order.
    Spool(Spool),
    /// To the null sink: they are counted and hashed.
    Nowhere,
}

/// The output tree while it is built.
pub struct Tree {
    path: PathBuf,
    backing: Backing,
    root: Arc<Dir>,
    /// Directories that were asked for, if there is no disk to hold them.
    named: Mutex<Checksums>,
    /// Digests that tasks handed over early.
    early: Mutex<Checksums>,
    dirs: Mutex<HashMap<Vec<u8>, Arc<Dir>>>,
    files: AtomicU64,
    bytes: AtomicU64,
    spare: Mutex<Vec<Vec<u8>>>,
    tee: Option<Tee>,
    observer: Option<Observer>,
    digests: Digests,
}

/// Which files get digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digests {
    /// All files.
    All,
    /// Files that are written at once, but not shared files, which grow until the end.
    NotShared,
    /// No files.
    None,
}

/// Buffers that are kept for the next task, and the bytes that all of them may have together.
const SPARE: usize = 32;
const MOST_SPARE: usize = 16 << 20;

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

    /// A null tree: it keeps only counts and digests. Temporary files go to `scratch`, if there are any.
    pub fn null(scratch: &Path) -> Tree {
        Tree::new(scratch, Backing::Nowhere, None)
    }

    /// A null tree that keeps only counts: for a decode that is a mere check.
    pub fn checked(scratch: &Path) -> Tree {
        Tree { digests: Digests::None, ..Tree::null(scratch) }
    }

    /// A null tree that keeps only counts and, if they are wanted, digests. The tee gets the bytes of the files it wants.
    pub fn teed(scratch: &Path, tee: Tee, digests: Digests) -> Tree {
        Tree { tee: Some(tee), digests, ..Tree::null(scratch) }
    }

    /// A null tree that keeps only counts. Its objects are reported to the observer, and lines are dropped.
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

    /// Whether it knows by itself if a name is taken.
    pub fn knows_names(&self) -> bool {
        matches!(self.backing, Backing::Disk)
    }

    /// The observer of its objects, if there is one.
    #[inline]
    pub fn observer(&self) -> Option<&Observer> {
        self.observer.as_ref()
    }

    /// The spool, if the tree is in one.
    pub fn spool(&self) -> Option<&Spool> {
        if let Backing::Spool(spool) = &self.backing { Some(spool) } else { None }
    }

    /// Takes the directories that were asked for, if there is no disk to hold them: some may have no files.
    pub fn take_named_dirs(&self) -> Checksums {
        let mut named = lock(&self.named);
        std::mem::replace(&mut *named, Checksums::new(&self.path))
    }

    /// Takes digests of a task before its turn: their order does not matter.
    pub(super) fn take_early(&self, sums: &mut Sums) -> Result<()> {
        let mut early = lock(&self.early);
        early.add(&std::mem::take(sums))
    }

    /// Returns these digests.
    pub(crate) fn early(&self) -> Checksums {
        let mut early = lock(&self.early);
        let beside = early.beside();
        std::mem::replace(&mut *early, beside)
    }

    /// Files and bytes written so far.
    pub fn written(&self) -> (u64, u64) {
        (self.files.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// An empty buffer, a used one if possible: memory fresh from the system costs a page fault for each page.
    pub fn buffer(&self) -> Vec<u8> {
        lock(&self.spare).pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub fn recycle(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut spare = lock(&self.spare);
        let kept: usize = spare.iter().map(Vec::capacity).sum();
        if buffer.capacity() > 0 && spare.len() < SPARE && kept + buffer.capacity() <= MOST_SPARE {
            spare.push(buffer);
        }
    }

    /// Where temporary files go.
    pub fn scratch_dir(&self) -> &Path {
        &self.path
    }

    /// An unlinked temporary file on the file system of the output.
    pub fn scratch(&self) -> Result<std::fs::File> {
        sys::temporary(&self.path).map_err(|e| Error::io("create a temporary file in", &self.path, e))
    }

    /// Writes a whole file.
    pub fn put(&self, dir: &Dir, name: &[u8], body: &[u8], sums: &mut Sums) -> Result<()> {
        let digest = self.digest_of(body);
        let place = self.store(dir, name, body)?;
        self.put_done(dir, name, digest, Place { len: body.len() as u64, ..place }, sums);
        self.tee.as_ref().map_or(Ok(()), |tee| tee.take(&dir.rel, name, body, Part::Whole))
    }

    /// Skips what would be a file, with a call like those of a disk, at which a run can be stopped or made to fail.
    pub fn pass(&self, name: &[u8]) -> Result<()> {
        sys::nothing().map_err(|e| self.failed("write", b"", name, e))
    }

    /// Counts files that other processes have written.
    pub fn count_written(&self, files: u64, bytes: u64) {
        self.files.fetch_add(files, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a file of a mere check, whose name and bytes are not needed.
    pub fn pass_file(&self, len: u64) {
        self.count(len);
    }

    /// Writes a whole file without counting it and without a row for its digest.
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
        // A decode that is made only for a comparison needs every digest.
        let null = matches!(self.backing, Backing::Nowhere);
        match sum {
            Sum::Whole(digest) => self.note(dir, name, digest, Place { len: place.len, ..stands }, sums),
            Sum::Extents(digest) if null => self.note(dir, name, digest, place, sums),
            Sum::Extents(_) => {}
        }
        Ok(place)
    }

    /// Writes a whole file unless the name is taken; `true`: it was free. Only for a tree that knows which names are taken.
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

    /// Computes the digest before the bytes are written. If the bytes are in a map that lost them, this thread meets
    /// the loss and survives it (`source::map`); the kernel would fail.
    fn digest_of(&self, body: &[u8]) -> Digest {
        if self.digests == Digests::None { Digest::default() } else { Sha256::digest(body).into() }
    }

    fn put_done(&self, dir: &Dir, name: &[u8], digest: Digest, place: Place, sums: &mut Sums) {
        self.note(&dir.rel, name, digest, place, sums);
        self.count(place.len);
    }

    /// Adds the digest of a file for CHECKSUMS, if there will be one.
    #[inline]
    fn note(&self, dir: &[u8], name: &[u8], digest: Digest, place: Place, sums: &mut Sums) {
        if self.digests != Digests::None {
            sums.add(dir, name, digest, place);
        }
    }

    /// Whether it is a mere check: none of its bytes are used.
    pub fn is_check(&self) -> bool {
        self.digests == Digests::None && self.tee.is_none()
    }

    /// Whether it has a tee.
    pub(super) fn is_teed(&self) -> bool {
        self.tee.is_some()
    }

    /// Whether lines are hashed, and no tee needs an order across files.
    pub fn hashes_lines(&self) -> bool {
        self.digests == Digests::All && self.tee.is_none() && self.observer.is_none()
    }

    /// Whether lines may come in any order: nobody reads them, and the observer asks for no order.
    pub fn takes_any_order(&self) -> bool {
        self.is_check() && self.observer.as_ref().is_none_or(Observer::takes_any_order)
    }

    fn count(&self, bytes: u64) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    #[cold]
    fn failed(&self, doing: &'static str, dir: &[u8], name: &[u8], e: impl Into<io::Error>) -> Error {
        Error::io(doing, self.path.join(OsStr::from_bytes(dir)).join(OsStr::from_bytes(name)), e)
    }
}
