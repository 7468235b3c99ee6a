//! SHA-256 of every file of an output, computed by all threads, in flat memory.
//!
//! One thread lists the files (or reads the archive) and passes them on in batches; the others read and hash. The order does not matter:
//! the rows are sorted when they are collected.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

use super::attributes::{self, Is};
use super::counted::{Counted, LineCount};
use super::join::{DigestJoin, Tag, name_of_inode};
use crate::decode::Progress;
use crate::error::{Error, Result};
use crate::layouts::fs::MOST_ZEROS;
use crate::output::checksums::{Digest, Sums};
use crate::output::extents::{self, ExtentsHash};
use crate::output::reading::{Attributes, Content, Piece, Sparse, broken, open_known_below};
use crate::sync::{into_inner, lock};

/// Files of a batch, and maximum bytes of archive members in it.
const BATCH_FILES: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
/// Maximum number of waiting batches per thread.
const WAITING: usize = 2;
/// Maximum number of directories that all batches together keep open, or one each if there are more batches.
const MOST_DIRS: usize = 64;
/// Bytes read at once.
const BUFFER: usize = 256 << 10;

/// A file: its path, its content or location, and its position in an archive.
struct File {
    path: Vec<u8>,
    body: Body,
    at: u64,
}

enum Body {
    /// In this directory; its name is the rest of the path from here on.
    OnDisk(Arc<OwnedFd>, usize),
    /// A small member of an archive.
    Held(Vec<u8>),
}

/// Files for one thread.
#[derive(Default)]
struct Batch {
    files: Vec<File>,
    bytes: usize,
    /// Directories of the files: each is open as long as one of its files waits.
    dirs: usize,
}

/// What all threads share.
struct Desk<'d> {
    name: &'d Path,
    progress: &'d dyn Progress,
    waiting: Mutex<Receiver<Batch>>,
    join: &'d Mutex<DigestJoin>,
    failed: Mutex<Option<Error>>,
}

/// Takes files and passes them on in batches.
pub struct Feeder<'d> {
    name: &'d Path,
    sender: SyncSender<Batch>,
    batch: Batch,
    /// Maximum number of directories that a batch may keep open.
    most_dirs: usize,
    join: &'d Mutex<DigestJoin>,
    /// Number of archive members so far.
    at: u64,
}

/// The results for some files.
#[derive(Default)]
struct Learnt {
    sums: Sums,
    names: Sums,
    counted: Counted,
}

impl Learnt {
    fn hand_over(self, join: &Mutex<DigestJoin>) {
        let mut join = lock(join);
        join.take(&self.sums);
        join.take_names(&self.names);
        join.counted.merge(self.counted);
    }

    fn file(&mut self, path: &[u8], digest: Digest, [size, at]: [u64; 2], lines: &LineCount) {
        Tag::Found.add_file(path, digest, [size, at], &mut self.sums);
        self.counted.file(path, size, lines);
    }

    /// Properties of a file on disk besides its bytes: names elsewhere, and a mode that no decode sets.
    fn on_disk(&mut self, path: &[u8], known: &Metadata) {
        if known.nlink() > 1 {
            name_of_inode(known.dev(), known.ino(), path, known.nlink(), &mut self.names);
        }
        if known.mode() & attributes::SPECIAL != 0 {
            let mode = Attributes { mode: Some(known.mode() & 0o7777), ..Attributes::default() };
            Tag::HasAttributes.add(path, attributes::packed(Is::File, &mode), &mut self.sums);
        }
    }
}

/// Runs `feed` while other threads compute the digests of its files, into `join`. `name` is that of the output.
///
/// # Errors
/// The error of `feed`, or a failed read.
pub fn run(
    name: &Path,
    threads: usize,
    progress: &dyn Progress,
    join: &Mutex<DigestJoin>,
    feed: impl FnOnce(&mut Feeder<'_>) -> Result<()>,
) -> Result<()> {
    let threads = if threads == 0 { rayon::current_num_threads() } else { threads };
    let (sender, receiver) = sync_channel::<Batch>(threads * WAITING);
    let desk = Desk { name, progress, waiting: Mutex::new(receiver), join, failed: Mutex::default() };
    let fed = std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| desk.serve());
        }
        // The waiting batches, those being processed, and the one that is being filled.
        let most_dirs = (MOST_DIRS / (threads * (WAITING + 1) + 1)).max(1);
        let mut feeder = Feeder { name, sender, batch: Batch::default(), most_dirs, join, at: 0 };
        let fed = feed(&mut feeder);
        feeder.hand_out();
        fed
    });
    fed?;
    into_inner(desk.failed).map_or(Ok(()), Err)
}

impl Feeder<'_> {
    /// Adds a file.
    ///
    /// # Errors
    /// A failed read of an archive.
    pub fn file(&mut self, path: &[u8], content: Content<'_>) -> Result<()> {
        match content {
            Content::OnDisk(dir, file) => {
                self.enter(dir);
                let body = Body::OnDisk(Arc::clone(dir), path.len() - file.len());
                self.batch.files.push(File { path: path.to_vec(), body, at: self.at });
            }
            Content::InArchive(bytes, len) => self.member(path, bytes, len).map_err(|e| broken(self.name, e))?,
            // A decode writes a file with so many zeros with a digest of its extents.
            Content::SparseInArchive(bytes) if bytes.holes() > MOST_ZEROS => {
                let digest = sparse_digest(bytes).map_err(|e| broken(self.name, e))?;
                self.note(path, digest);
            }
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

    /// Passes the batch on if the next file would need one directory too many.
    fn enter(&mut self, dir: &Arc<OwnedFd>) {
        let last = self.batch.files.last().map(|file| &file.body);
        if matches!(last, Some(Body::OnDisk(last, _)) if Arc::ptr_eq(last, dir)) {
            return;
        }
        if self.batch.dirs == self.most_dirs {
            self.hand_out();
        }
        self.batch.dirs += 1;
    }

    /// Adds a file whose digest is that of its extents: known holes are not read.
    ///
    /// # Errors
    /// A failed read.
    pub fn extents(&mut self, path: &[u8], content: Content<'_>) -> Result<()> {
        let digest = match content {
            Content::OnDisk(dir, name) => {
                let opened = open_known_below(dir, name);
                let read = opened.and_then(|(file, known)| Ok((extents::of_file(&file)?, known)));
                let (digest, known) =
                    read.map_err(|e| Error::io("read", self.name.join(OsStr::from_bytes(path)), e))?;
                self.known(path, &known);
                digest
            }
            Content::InArchive(bytes, _) => extents::of_stream(bytes).map_err(|e| broken(self.name, e))?,
            Content::SparseInArchive(file) => sparse_digest(file).map_err(|e| broken(self.name, e))?,
        };
        self.note(path, digest);
        Ok(())
    }

    /// Adds a file of an archive if it is not known yet which of the two digests is listed.
    ///
    /// # Errors
    /// A failed read.
    pub fn either(&mut self, path: &[u8], content: Content<'_>) -> Result<()> {
        let failed = |e| broken(self.name, e);
        let (plain, extents) = match content {
            Content::OnDisk(..) => return self.file(path, content),
            Content::InArchive(bytes, len) => {
                let mut both = Both { bytes, hash: Sha256::new(), read: 0 };
                let extents = extents::of_stream(&mut both).map_err(failed)?;
                whole(both.read, len).map_err(failed)?;
                (both.hash.finalize().into(), extents)
            }
            Content::SparseInArchive(file) => both_of_sparse(file).map_err(failed)?,
        };
        self.note(path, plain);
        self.row(|sums| Tag::FoundExtents.add(path, extents, sums));
        Ok(())
    }

    /// Small members are kept for another thread; large ones are hashed while they are read.
    fn member(&mut self, path: &[u8], bytes: &mut dyn Read, len: u64) -> io::Result<()> {
        if len <= BATCH_BYTES as u64 {
            let mut held = Vec::new();
            bytes.read_to_end(&mut held)?;
            whole(held.len() as u64, len)?;
            self.batch.bytes += held.len();
            self.batch.files.push(File { path: path.to_vec(), body: Body::Held(held), at: self.at });
            return Ok(());
        }
        let mut lines = LineCount::of(path);
        let (digest, read) = digest(bytes, &mut vec![0; BUFFER], &mut lines)?;
        whole(read, len)?;
        let mut learnt = Learnt::default();
        learnt.file(path, digest, [read, self.at], &lines);
        learnt.hand_over(self.join);
        Ok(())
    }

    /// Adds a file whose bytes were read already.
    pub fn note(&self, path: &[u8], digest: Digest) {
        self.row(|sums| Tag::Found.add_file(path, digest, [0, self.at], sums));
    }

    /// Adds the metadata of a file on disk that was read already.
    pub fn known(&self, path: &[u8], known: &Metadata) {
        let mut learnt = Learnt::default();
        learnt.on_disk(path, known);
        learnt.hand_over(self.join);
    }

    /// Adds a row.
    pub fn row(&self, add: impl FnOnce(&mut Sums)) {
        let mut sums = Sums::default();
        add(&mut sums);
        lock(self.join).take(&sums);
    }

    /// Counts the next member of an archive; returns its position.
    pub fn step(&mut self) -> u64 {
        self.at += 1;
        self.at
    }

    fn hand_out(&mut self) {
        // The threads that take batches continue until this sender is dropped.
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

/// Digest of all bytes and of the extents. With too many zeros for the first, the second is used for both.
fn both_of_sparse(file: Sparse<'_>) -> io::Result<(Digest, Digest)> {
    if file.holes() > MOST_ZEROS {
        return sparse_digest(file).map(|digest| (digest, digest));
    }
    let (mut hash, mut extents, zeros) = (Sha256::new(), ExtentsHash::default(), vec![0; BUFFER]);
    file.each(&mut vec![0; BUFFER], |piece| match piece {
        Piece::Data(bytes) => {
            hash.update(bytes);
            extents.add(bytes);
        }
        Piece::Hole(mut n) => {
            extents.skip(n);
            while n > 0 {
                let now = n.min(BUFFER as u64);
                hash.update(&zeros[..now as usize]);
                n -= now;
            }
        }
    })?;
    Ok((hash.finalize().into(), extents.finish()))
}

/// Computes the digest of the bytes that are read.
struct Both<'b> {
    bytes: &'b mut dyn Read,
    hash: Sha256,
    read: u64,
}

impl Read for Both<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.bytes.read(buffer)?;
        self.hash.update(&buffer[..n]);
        self.read += n as u64;
        Ok(n)
    }
}

/// An archive may end inside a member.
fn whole(read: u64, len: u64) -> io::Result<()> {
    if read == len { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

impl Desk<'_> {
    fn serve(&self) {
        let mut buffer = vec![0; BUFFER];
        loop {
            let batch = lock(&self.waiting).recv();
            let Ok(batch) = batch else { return };
            let files = batch.files.len() as u64;
            if let Err(error) = self.work(batch, &mut buffer) {
                lock(&self.failed).get_or_insert(error);
            }
            self.progress.advance(files);
        }
    }

    fn work(&self, batch: Batch, buffer: &mut [u8]) -> Result<()> {
        let mut learnt = Learnt::default();
        for File { path, body, at } in batch.files {
            let mut lines = LineCount::of(&path);
            let (digest, size) = match body {
                Body::Held(bytes) => {
                    lines.add(&bytes);
                    (Digest::from(Sha256::digest(&bytes)), bytes.len() as u64)
                }
                Body::OnDisk(dir, name) => {
                    let read = open_known_below(&dir, &path[name..]).and_then(|(mut file, known)| {
                        learnt.on_disk(&path, &known);
                        digest(&mut file, buffer, &mut lines)
                    });
                    read.map_err(|e| Error::io("read", self.name.join(OsStr::from_bytes(&path)), e))?
                }
            };
            learnt.file(&path, digest, [size, at], &lines);
        }
        learnt.hand_over(self.join);
        Ok(())
    }
}

/// The digest of all bytes that can be read, and their number.
fn digest(bytes: &mut (impl Read + ?Sized), buffer: &mut [u8], lines: &mut LineCount) -> io::Result<(Digest, u64)> {
    let (mut hash, mut len) = (Sha256::new(), 0);
    loop {
        match bytes.read(buffer) {
            Ok(0) => return Ok((hash.finalize().into(), len)),
            Ok(n) => {
                hash.update(&buffer[..n]);
                lines.add(&buffer[..n]);
                len += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
