//! SHA-256 of every file of an output, on all threads, in flat memory.
//!
//! One thread lists the files (or reads the archive) and hands them out in batches; the others read and hash. Order
//! does not matter: the rows are sorted when they are collected.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::roll::{Roll, Tag};
use crate::decode::Progress;
use crate::error::{Error, Result};
use crate::output::checksums::{Digest, Sums};
use crate::output::extents::{self, ExtentsHash};
use crate::output::reading::{Content, Piece, Sparse, broken, open_below};

/// Files of a batch, and the bytes of archive members that it may hold.
const BATCH_FILES: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
/// Batches that may wait, for each thread.
const WAITING: usize = 2;
/// Directories that all batches together keep open, or one each if there are more batches.
const MOST_DIRS: usize = 64;
/// Bytes read at once.
const BUFFER: usize = 256 << 10;

/// A file by its path; where it is.
type File = (Vec<u8>, Body);

enum Body {
    /// In this directory, by its name: the path from here on.
    OnDisk(Arc<OwnedFd>, usize),
    /// A small member of an archive.
    Held(Vec<u8>),
}

/// Files for one thread.
#[derive(Default)]
struct Batch {
    files: Vec<File>,
    bytes: usize,
    /// Directories of the files: each is open as long as one of them waits.
    dirs: usize,
}

/// What all threads share.
struct Desk<'d> {
    name: &'d Path,
    progress: &'d dyn Progress,
    waiting: Mutex<Receiver<Batch>>,
    roll: &'d Mutex<Roll>,
    failed: Mutex<Option<Error>>,
}

/// Takes files and hands them out in batches.
pub struct Feeder<'d> {
    name: &'d Path,
    sender: SyncSender<Batch>,
    batch: Batch,
    /// Directories that a batch may keep open.
    most_dirs: usize,
    roll: &'d Mutex<Roll>,
}

/// Runs `feed` beside threads that take the digests of what it is fed, into `roll`. `name` is that of the output.
///
/// # Errors
/// What `feed` gives, or a failed read.
pub fn run(
    name: &Path,
    threads: usize,
    progress: &dyn Progress,
    roll: &Mutex<Roll>,
    feed: impl FnOnce(&mut Feeder<'_>) -> Result<()>,
) -> Result<()> {
    let threads = if threads == 0 { rayon::current_num_threads() } else { threads };
    let (sender, receiver) = sync_channel::<Batch>(threads * WAITING);
    let desk = Desk { name, progress, waiting: Mutex::new(receiver), roll, failed: Mutex::default() };
    let fed = std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| desk.serve());
        }
        // Those that wait, those at work, and the one that is filled.
        let most_dirs = (MOST_DIRS / (threads * (WAITING + 1) + 1)).max(1);
        let mut feeder = Feeder { name, sender, batch: Batch::default(), most_dirs, roll };
        let fed = feed(&mut feeder);
        feeder.hand_out();
        fed
    });
    fed?;
    desk.failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

impl Feeder<'_> {
    /// Takes a file.
    ///
    /// # Errors
    /// A failed read of an archive.
    pub fn file(&mut self, path: &[u8], content: Content<'_>) -> Result<()> {
        match content {
            Content::OnDisk(dir, file) => {
                self.enter(dir);
                let body = Body::OnDisk(Arc::clone(dir), path.len() - file.len());
                self.batch.files.push((path.to_vec(), body));
            }
            Content::InArchive(bytes, len) => self.member(path, bytes, len).map_err(|e| broken(self.name, e))?,
            Content::SparseInArchive(mut bytes) => {
                let len = bytes.size();
                self.member(path, &mut bytes, len).map_err(|e| broken(self.name, e))?;
            }
        }
        if self.batch.files.len() >= BATCH_FILES || self.batch.bytes >= BATCH_BYTES {
            self.hand_out();
        }
        Ok(())
    }

    /// Hands the batch out if the next file is in one directory too many.
    fn enter(&mut self, dir: &Arc<OwnedFd>) {
        let last = self.batch.files.last().map(|(_, body)| body);
        if matches!(last, Some(Body::OnDisk(last, _)) if Arc::ptr_eq(last, dir)) {
            return;
        }
        if self.batch.dirs == self.most_dirs {
            self.hand_out();
        }
        self.batch.dirs += 1;
    }

    /// Takes a file whose digest is that of its extents: where the holes are known they are not read.
    ///
    /// # Errors
    /// A failed read.
    pub fn extents(&mut self, path: &[u8], content: Content<'_>) -> Result<()> {
        let digest = match content {
            Content::OnDisk(dir, name) => {
                let read = open_below(dir, name).and_then(|file| extents::of_file(&file));
                read.map_err(|e| Error::io("read", self.name.join(OsStr::from_bytes(path)), e))?
            }
            Content::InArchive(bytes, _) => extents::of_stream(bytes).map_err(|e| broken(self.name, e))?,
            Content::SparseInArchive(file) => sparse_digest(file).map_err(|e| broken(self.name, e))?,
        };
        self.note(path, digest);
        Ok(())
    }

    /// Small members are kept for another thread; large ones are hashed while they are read.
    fn member(&mut self, path: &[u8], bytes: &mut dyn Read, len: u64) -> io::Result<()> {
        if len <= BATCH_BYTES as u64 {
            let mut held = Vec::new();
            bytes.read_to_end(&mut held)?;
            whole(held.len() as u64, len)?;
            self.batch.bytes += held.len();
            self.batch.files.push((path.to_vec(), Body::Held(held)));
            return Ok(());
        }
        let (digest, read) = digest(bytes, &mut vec![0; BUFFER])?;
        whole(read, len)?;
        self.note(path, digest);
        Ok(())
    }

    /// Takes a file whose bytes were read already.
    pub fn note(&self, path: &[u8], digest: Digest) {
        let mut sums = Sums::default();
        Tag::Found.add(path, digest, &mut sums);
        self.roll.lock().unwrap_or_else(PoisonError::into_inner).take(&sums);
    }

    fn hand_out(&mut self) {
        // Whoever takes batches goes on until this end hangs up.
        let _ = self.sender.send(std::mem::take(&mut self.batch));
    }
}

fn sparse_digest(file: Sparse<'_>) -> io::Result<Digest> {
    let mut hash = ExtentsHash::default();
    file.each(&mut vec![0; BUFFER], |piece| match piece {
        Piece::Data(bytes) => hash.add(bytes),
        Piece::Hole(zeros) => hash.skip(zeros),
    })?;
    Ok(hash.finish())
}

/// An archive may end inside a member.
fn whole(read: u64, len: u64) -> io::Result<()> {
    if read == len { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

impl Desk<'_> {
    fn serve(&self) {
        let mut buffer = vec![0; BUFFER];
        loop {
            let batch = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(batch) = batch else { return };
            let files = batch.files.len() as u64;
            if let Err(error) = self.work(batch, &mut buffer) {
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
            self.progress.advance(files);
        }
    }

    fn work(&self, batch: Batch, buffer: &mut [u8]) -> Result<()> {
        let mut sums = Sums::default();
        for (path, body) in batch.files {
            let digest = match body {
                Body::Held(bytes) => Digest::from(Sha256::digest(bytes)),
                Body::OnDisk(dir, name) => {
                    let read = open_below(&dir, &path[name..]).and_then(|mut file| digest(&mut file, buffer));
                    read.map_err(|e| Error::io("read", self.name.join(OsStr::from_bytes(&path)), e))?.0
                }
            };
            Tag::Found.add(&path, digest, &mut sums);
        }
        self.roll.lock().unwrap_or_else(PoisonError::into_inner).take(&sums);
        Ok(())
    }
}

/// The digest of all that can be read, and how much it was.
fn digest(bytes: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> io::Result<(Digest, u64)> {
    let (mut hash, mut len) = (Sha256::new(), 0);
    loop {
        match bytes.read(buffer) {
            Ok(0) => return Ok((hash.finalize().into(), len)),
            Ok(n) => {
                hash.update(&buffer[..n]);
                len += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
