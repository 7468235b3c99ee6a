//! Writes an object piece by piece: a file that may get large, or lines of a shared file.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

use super::observer::{Fingerprint, Hasher};
use super::out::Out;
use super::tree::{Dir, OpenFile, Tree};
use crate::error::{Error, Result};

/// Bytes that a growing file buffers before they are written.
const SPILL: usize = 1 << 20;

/// Lines that a task holds until its turn comes; more go to a temporary file.
pub(super) const LOG_SPILL: usize = 4 << 20;

/// A shorter hole is not worth the cost: it is written as zeros.
const LEAST_HOLE: u64 = 4 << 10;

/// A piece of this size is not worth a copy into the buffer.
const DIRECT: usize = 128 << 10;

/// An object while it is written. If it is dropped unfinished, no file remains.
pub struct SpillWriter<'t> {
    tree: &'t Tree,
    /// Where to append.
    pub buffer: Vec<u8>,
    target: Target<'t>,
    /// Bytes of the object that left the buffer.
    bytes: u64,
    /// An error of [`Out::relieve`]; the next call that can fail returns it.
    failed: Option<Error>,
    /// For observed runs: the fingerprint of the bytes that left the buffer, if one is wanted.
    hash: Option<Box<Hasher>>,
}

/// Takes bytes that are added elsewhere. An error: no more bytes are wanted.
pub type PieceSink = Box<dyn FnMut(Vec<u8>) -> Result<()> + Send>;

/// Where a growing object goes.
pub(super) enum Target<'t> {
    /// A file of its own, opened when it gets large.
    File { tree: &'t Tree, dir: Arc<Dir>, name: Vec<u8>, file: Option<Box<OpenFile<'t>>>, known: bool },
    /// The task's lines of a shared file. The object begins at `start`, after other lines in the buffer or the spilled file.
    Log { log: usize, spilled: Option<File>, start: usize },
    /// The code that joins pieces of an object.
    Piece(PieceSink),
}

impl<'t> SpillWriter<'t> {
    /// A file; `known`: the caller computes its digest.
    pub(super) fn file(tree: &'t Tree, dir: &Arc<Dir>, name: &[u8], buffer: Vec<u8>, known: bool) -> Self {
        let target = Target::File { tree, dir: Arc::clone(dir), name: name.to_vec(), file: None, known };
        SpillWriter { tree, buffer, target, bytes: 0, failed: None, hash: None }
    }

    /// A file that exists already and is empty.
    pub(super) fn begun(tree: &'t Tree, dir: &Arc<Dir>, name: &[u8], buffer: Vec<u8>, file: OpenFile<'t>) -> Self {
        let (dir, name, file) = (Arc::clone(dir), name.to_vec(), Some(Box::new(file)));
        let target = Target::File { tree, dir, name, file, known: false };
        SpillWriter { tree, buffer, target, bytes: 0, failed: None, hash: None }
    }

    pub(super) fn log(tree: &'t Tree, log: usize, spilled: Option<File>, buffer: Vec<u8>) -> Self {
        let target = Target::Log { log, spilled, start: buffer.len() };
        SpillWriter { tree, buffer, target, bytes: 0, failed: None, hash: None }
    }

    /// A piece of an object, which another thread joins.
    pub(super) fn piece(tree: &'t Tree, buffer: Vec<u8>, sink: PieceSink) -> Self {
        SpillWriter { tree, buffer, target: Target::Piece(sink), bytes: 0, failed: None, hash: None }
    }

    pub(super) fn is_log(&self) -> bool {
        matches!(self.target, Target::Log { .. })
    }

    /// The number of bytes so far.
    pub fn size(&self) -> u64 {
        let before = if let Target::Log { start, .. } = &self.target { *start } else { 0 };
        self.bytes + (self.buffer.len() - before) as u64
    }

    /// For runs with fingerprints: the fingerprint of what was written since the start.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        let secret = self.tree.observer()?.secret()?;
        Some(match &self.hash {
            None => secret.fingerprint(&self.buffer),
            Some(before) => {
                let mut hash = before.clone();
                hash.update(&self.buffer);
                hash.fingerprint()
            }
        })
    }

    /// For observed runs: begins the next object, after this one was reported.
    pub fn restart(&mut self) {
        self.buffer.clear();
        (self.bytes, self.hash) = (0, None);
    }

    /// Takes the lines of the shared file so far, with those of this object, if they are long enough: the log, the spilled lines, and the
    /// buffered lines. The object cannot be taken back any more.
    pub(super) fn take_ahead(&mut self) -> Option<(usize, Option<File>, Vec<u8>)> {
        let Target::Log { log, spilled, start } = &mut self.target else { return None };
        if spilled.is_none() && self.buffer.len() < SPILL {
            return None;
        }
        self.bytes += (self.buffer.len() - *start) as u64;
        *start = 0;
        Some((*log, spilled.take(), std::mem::replace(&mut self.buffer, self.tree.buffer())))
    }

    pub(super) fn into_parts(self) -> Result<(Target<'t>, Vec<u8>)> {
        self.failed.map_or(Ok((self.target, self.buffer)), Err)
    }

    /// Writes the buffer once it is large: call it between elements.
    #[inline]
    pub fn spill(&mut self) -> Result<()> {
        if self.buffer.len() < SPILL { Ok(()) } else { self.spill_more() }
    }

    fn spill_more(&mut self) -> Result<()> {
        if self.is_log() && self.buffer.len() < LOG_SPILL { self.sound() } else { self.write_out() }
    }

    fn sound(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Appends `bytes`; a large piece goes straight to the file.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let is_file = matches!(self.target, Target::File { .. });
        if bytes.len() < DIRECT || !is_file || self.tree.observer().is_some() {
            self.buffer.extend_from_slice(bytes);
            return self.spill();
        }
        self.write_out()?;
        self.bytes += bytes.len() as u64;
        if let Target::File { file: Some(file), .. } = &mut self.target { file.write(bytes) } else { Ok(()) }
    }

    /// Leaves a hole in a file whose digest the caller computes, or writes zeros where that is cheaper.
    pub fn skip(&mut self, len: u64) -> Result<()> {
        if len < LEAST_HOLE {
            self.buffer.resize(self.buffer.len() + len as usize, 0);
            return self.spill();
        }
        self.write_out()?;
        self.bytes += len;
        if let Target::File { file: Some(file), .. } = &mut self.target { file.skip(len) } else { Ok(()) }
    }

    fn write_out(&mut self) -> Result<()> {
        self.sound()?;
        if self.tree.observer().is_some() && !matches!(self.target, Target::Piece(_)) {
            self.drop_observed();
            return Ok(());
        }
        match &mut self.target {
            Target::Piece(sink) => {
                self.bytes += self.buffer.len() as u64;
                sink(std::mem::replace(&mut self.buffer, self.tree.buffer()))?;
            }
            Target::File { tree, dir, name, file, known } => {
                let create = || if *known { tree.create_known(dir, name) } else { tree.create(dir, name) };
                let file = match file {
                    Some(file) => file,
                    none => none.insert(Box::new(create()?)),
                };
                file.write(&self.buffer)?;
                self.bytes += self.buffer.len() as u64;
            }
            Target::Log { spilled, start, .. } => {
                let file = match spilled {
                    Some(file) => file,
                    none => none.insert(self.tree.scratch()?),
                };
                file.write_all(&self.buffer).map_err(scratch_failed)?;
                self.bytes += (self.buffer.len() - *start) as u64;
                *start = 0;
            }
        }
        self.buffer.clear();
        Ok(())
    }

    /// In an observed run nobody reads the bytes.
    #[cold]
    fn drop_observed(&mut self) {
        if let Some(secret) = self.tree.observer().and_then(|observer| observer.secret()) {
            self.hash.get_or_insert_with(|| Box::new(secret.hasher())).update(&self.buffer);
        }
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
    }

    /// The lines as they were before this object.
    pub(super) fn rolled_back(mut self) -> Result<Self> {
        if let Target::Log { spilled, start, .. } = &mut self.target {
            // The spilled file ends with this object and begins with the lines before it.
            if let Some(file) = spilled
                && self.bytes > 0
            {
                // The file is shorter if some of it was taken ahead. Then the run has failed.
                let end = file.stream_position().map_err(scratch_failed)?.saturating_sub(self.bytes);
                file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end))).map_err(scratch_failed)?;
            }
            self.buffer.truncate(*start);
            self.bytes = 0;
        }
        Ok(self)
    }
}

impl Out for SpillWriter<'_> {
    const GROWS: bool = true;

    #[inline]
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    #[inline]
    fn relieve(&mut self) {
        let most = if self.is_log() { LOG_SPILL } else { SPILL };
        if self.buffer.len() >= most && self.size() > 0 {
            let last = self.buffer.pop();
            self.failed = self.write_out().err();
            self.buffer.extend(last);
        }
    }
}

pub(super) fn scratch_failed(e: std::io::Error) -> Error {
    Error::io("use a temporary file in", "the output's directory", e)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::split::{Collector, SplitOutput};

    #[test]
    fn a_large_file_is_never_held() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        let mut out = SplitOutput::new(&tree);
        let dir = out.dir("d").unwrap();
        let mut file = out.grow(&dir, b"f");
        let pieces = [1, DIRECT - 1, DIRECT, SPILL, 3 * SPILL, 7];
        let mut want = Vec::new();
        for (n, len) in pieces.iter().cycle().take(60).enumerate() {
            let piece = vec![n as u8; *len];
            file.write(&piece).unwrap();
            assert!(file.buffer.capacity() <= 2 * (SPILL + DIRECT), "piece {n}: {}", file.buffer.capacity());
            want.extend(piece);
        }
        assert_eq!(out.finish(file).unwrap(), want.len() as u64);
        assert!(std::fs::read(root.path().join("d/f")).unwrap() == want);
    }

    /// For the null sink: bytes in whole blocks of holes, also where a file ends in one.
    #[test]
    fn what_takes_no_space() {
        use crate::output::checksums::Sum;
        const B: u64 = 4096;
        let tree = Tree::null(&std::env::temp_dir());
        let unused = |pieces: &[(u64, u64)]| {
            let mut out = SplitOutput::new(&tree);
            let mut file = out.grow_known(&tree.dir(b"d").unwrap(), b"f");
            for (hole, bytes) in pieces {
                file.skip(*hole).unwrap();
                file.write(&vec![7; *bytes as usize]).unwrap();
            }
            out.finish_known(file, Sum::Whole([0; 32])).unwrap().at
        };
        assert_eq!(unused(&[(0, 10)]), 0);
        assert_eq!(unused(&[(3 * B, 1)]), 3 * B);
        assert_eq!(unused(&[(3 * B + 1, 1), (B - 2, 5)]), 3 * B);
        assert_eq!(unused(&[(0, 1), (3 * B, 1)]), 2 * B);
        assert_eq!(unused(&[(0, 1), (3 * B, 0), (3 * B, 0)]), 5 * B + 1);
        assert_eq!(unused(&[(u64::MAX, 0)]), u64::MAX);
    }

    #[test]
    fn an_unfinished_file_removes_itself() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        let mut out = SplitOutput::new(&tree);
        let dir = out.dir("d").unwrap();
        let mut file = out.grow(&dir, b"f");
        file.write(&[0; SPILL]).unwrap();
        assert!(root.path().join("d/f").exists());
        drop(file);
        assert!(!root.path().join("d/f").exists());
    }

    /// Lines of growing objects come out in order, spilled or not; one that failed leaves none.
    #[test]
    fn lines_are_never_lost() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        let mut collector = Collector::new(&tree, root.path());
        let mut want = Vec::new();
        for task in 0..3u8 {
            let mut out = SplitOutput::new(&tree);
            let log = out.log("d/lines");
            for (n, len) in [10, LOG_SPILL / 2, 3, LOG_SPILL * 2, 7, LOG_SPILL, 1].into_iter().enumerate() {
                let piece = vec![task * 16 + n as u8; len];
                for failed in [true, false] {
                    let mut object = out.grow_log(log);
                    for part in piece.chunks(SPILL / 2) {
                        object.write(part).unwrap();
                        assert!(object.buffer.len() < LOG_SPILL + SPILL);
                    }
                    let done = if failed { Err(Error::usage("no")) } else { Ok(()) };
                    assert_eq!(out.end(object, done).ok(), (!failed).then_some(((), len as u64)));
                }
                want.extend(piece);
            }
            collector.take(out).unwrap();
        }
        collector.finish().unwrap();
        assert!(std::fs::read(root.path().join("d/lines")).unwrap() == want);
    }

    #[test]
    fn many_shared_files_need_few_handles() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        let mut collector = Collector::new(&tree, root.path());
        for round in 0..2 {
            for n in 0..600 {
                let mut out = SplitOutput::new(&tree);
                out.lines(&format!("d{n}/f")).extend(format!("{round}\n").bytes());
                collector.take(out).unwrap();
            }
        }
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        assert!(open < 400, "{open}");
        collector.finish().unwrap();
        assert_eq!(std::fs::read(root.path().join("d7/f")).unwrap(), b"0\n1\n");
    }
}
