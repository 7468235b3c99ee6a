//! The output of one task. The [`Collector`] takes the results of all tasks.
//!
//! A task writes its files at once, in any thread. Whatever has an order across tasks (lines of shared files, checksums, findings) is
//! collected in the task and handed over in task order, so every output is the same for any number of threads.
//!
//! Mutual dependency with `collector` and `record`: the output of a split goes to the collector, and a record of another process brings it
//! there.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

pub use super::assembler::{Assembler, Placed, StoredTold, Told};
use super::checksums::{Place, Sum, Sums};
pub use super::collector::{Collector, Writes};
use super::members::{Member, Stored};
use super::observer::Objects;
use super::spill_writer::{LOG_SPILL, Target};
pub use super::spill_writer::{PieceSink, SpillWriter};
use super::stored::StoredLines;
pub use super::tally::Tally;
use super::tree::{Dir, Tree};
use crate::error::{Error, Result};
use crate::report::Findings;

/// Approximate bytes that a task holds for a shared file beside its lines: its path, and the counts of its scope.
const BESIDE_LINES: usize = 512;

/// The output of one task.
pub struct SplitOutput<'t> {
    tree: &'t Tree,
    pub(super) sums: Sums,
    pub(super) logs: Vec<Log>,
    log_of: BTreeMap<String, usize>,
    spare: Vec<u8>,
    dirs: Vec<(String, Arc<Dir>)>,
    /// The directory of the last path: in sorted paths the next one is often in it too. The number of such directories is not bounded, so
    /// no other handle is kept.
    last_dir: Option<Arc<Dir>>,
    /// Members of an archive, in their order.
    pub(super) members: Stored,
    /// Findings of the task.
    pub findings: Findings,
    /// What the task wrote, by scope and kind.
    pub tally: Tally,
    /// Reports about objects, if the run is observed.
    pub(super) objects: Option<Box<Objects>>,
    /// Why lines could not be spilled: returned when they are taken.
    pub(super) failed: Option<Error>,
}

/// What a task adds to a shared file.
pub(super) struct Log {
    pub path: String,
    /// The lines before the buffer, if they were too many to hold.
    pub spilled: Option<File>,
    /// All lines, if another process has written them.
    pub stored: Option<StoredLines>,
    pub buffer: Vec<u8>,
    /// A growing object holds the buffer and the spilled file.
    pub lent: bool,
    /// Nothing follows, in this task or a later one.
    pub complete: bool,
    /// The file is cut into parts, if parts are asked for.
    pub in_parts: bool,
    /// It is a piece of a file that is assembled.
    pub piece: Option<Piece>,
}

/// What a layout reports about a piece, and the approximate bytes that the report takes.
pub(super) struct Piece {
    pub told: Box<dyn Told>,
    held: usize,
}

impl<'t> SplitOutput<'t> {
    /// An empty output.
    pub fn new(tree: &'t Tree) -> Self {
        SplitOutput {
            tree,
            sums: Sums::default(),
            logs: Vec::new(),
            log_of: BTreeMap::new(),
            spare: Vec::new(),
            dirs: Vec::new(),
            last_dir: None,
            members: Stored::default(),
            findings: Findings::default(),
            tally: Tally::default(),
            objects: tree.observer().map(|observer| Box::new(observer.task())),
            failed: None,
        }
    }

    /// The digests of its files, if nothing else was added: what a collector would take of it.
    pub fn into_sums(self) -> Sums {
        self.sums
    }

    /// What a collector would take of it: digests, lines, findings and counts.
    pub(super) fn into_recorded(self) -> Result<(Sums, Vec<Log>, Findings, Tally)> {
        self.failed.map_or(Ok(()), Err)?;
        let mut logs = self.logs;
        if let Some(log) = logs.iter().find(|log| log.lent || log.stored.is_some()) {
            return Err(Error::internal(format!("lines of {} cannot be recorded", log.path)));
        }
        logs.retain(|log| !log.path.is_empty());
        Ok((self.sums, logs, self.findings, self.tally))
    }

    /// Adds files that another process has written.
    pub(super) fn adopt(&mut self, sums: Sums) {
        self.sums = sums;
    }

    /// Adds a piece that another process has written, and its report about it.
    pub(super) fn adopt_piece(&mut self, name: &str, bytes: StoredLines, told: &[u8]) {
        let log = self.piece(name);
        self.logs[log].stored = Some(bytes);
        self.describe_piece(log, Box::new(StoredTold(told.to_vec())), told.len());
    }

    /// Adds lines of a shared file that another process has written.
    pub(super) fn adopt_lines(&mut self, path: &str, lines: StoredLines, (complete, in_parts): (bool, bool)) {
        let log = self.log(path);
        let Log { stored, complete: is_complete, in_parts: is_in_parts, .. } = &mut self.logs[log];
        (*stored, *is_complete, *is_in_parts) = (Some(lines), complete, in_parts);
    }

    /// The tree below.
    pub fn tree(&self) -> &'t Tree {
        self.tree
    }

    /// Approximate bytes in memory.
    pub fn held(&self) -> usize {
        let beside = |log: &Log| BESIDE_LINES + log.piece.as_ref().map_or(0, |piece| piece.held);
        let logs: usize = self.logs.iter().map(|log| log.buffer.capacity() + beside(log)).sum();
        logs + self.sums.held() + self.members.held() + self.objects.as_ref().map_or(0, |objects| objects.held())
    }

    /// Where objects are reported, if the run is observed. Their lines are dropped after rendering.
    #[inline]
    pub fn objects(&mut self) -> Option<&mut Objects> {
        self.objects.as_deref_mut()
    }

    /// Whether the run is observed.
    #[inline]
    pub fn is_observed(&self) -> bool {
        self.objects.is_some()
    }

    /// A directory of a bounded number (a Redis type, a table): its handle is kept.
    pub fn dir(&mut self, rel: &str) -> Result<Arc<Dir>> {
        if let Some((_, dir)) = self.dirs.iter().find(|(name, _)| name == rel) {
            return Ok(Arc::clone(dir));
        }
        let dir = self.tree.dir(rel.as_bytes())?;
        self.dirs.push((rel.to_owned(), Arc::clone(&dir)));
        Ok(dir)
    }

    /// The directory of a path below the output, made if necessary, and the name of the file in it.
    pub fn place<'n>(&mut self, path: &'n [u8]) -> Result<(Arc<Dir>, &'n [u8])> {
        let slash = memchr::memrchr(b'/', path).unwrap_or(0);
        Ok((self.enter(&path[..slash])?, &path[slash + 1..]))
    }

    /// As [`place`](SplitOutput::place), for a file that the caller finishes with [`SplitOutput::finish_known`]: without a disk its
    /// directory is not counted.
    pub fn place_known<'n>(&mut self, path: &'n [u8]) -> Result<(Arc<Dir>, &'n [u8])> {
        if self.tree.knows_names() {
            return self.place(path);
        }
        let slash = memchr::memrchr(b'/', path).unwrap_or(0);
        Ok((Arc::new(Dir::null(&path[..slash])), &path[slash + 1..]))
    }

    /// The directory of this path, made if necessary.
    pub fn enter(&mut self, path: &[u8]) -> Result<Arc<Dir>> {
        let dir = match self.last_dir.take() {
            Some(dir) if dir.path() == path => dir,
            Some(dir) => Arc::new(self.tree.make_dir_near(&dir, path)?),
            None => Arc::new(self.tree.make_dir(path)?),
        };
        self.last_dir = Some(Arc::clone(&dir));
        Ok(dir)
    }

    /// Adds a member to the archive, if there is one. For a file of [`SplitOutput::finish_known`] it is the only entry there.
    pub fn member(&mut self, member: &Member) {
        if self.tree.spool().is_some() {
            self.members.add(member);
        }
    }

    /// Writes a whole file.
    pub fn put(&mut self, dir: &Dir, name: &[u8], body: &[u8]) -> Result<()> {
        self.tree.put(dir, name, body, &mut self.sums)?;
        self.relieve()
    }

    /// Hands digests over when they are many: paths can be long.
    #[inline]
    fn relieve(&mut self) -> Result<()> {
        if self.sums.are_many() { self.tree.take_early(&mut self.sums) } else { Ok(()) }
    }

    /// Writes a whole file unless the name is taken; `true`: it was free.
    pub fn try_put(&mut self, dir: &Dir, name: &[u8], body: &[u8]) -> Result<bool> {
        let free = self.tree.try_put(dir, name, body, &mut self.sums)?;
        self.relieve().map(|()| free)
    }

    /// The number of a shared file, for [`SplitOutput::log_buffer`]. The file will exist even if nothing is added to it.
    pub fn log(&mut self, path: &str) -> usize {
        if let Some(index) = self.log_of.get(path) {
            return *index;
        }
        let index = self.piece(path);
        self.log_of.insert(path.to_owned(), index);
        index
    }

    /// As [`log`](SplitOutput::log), for lines of objects: the file is cut into parts, if they are asked for ([`Collector::part_size`]).
    pub fn log_in_parts(&mut self, path: &str) -> usize {
        let log = self.log(path);
        self.logs[log].in_parts = true;
        log
    }

    /// The number of a piece of an assembled file ([`Assembler`]); the caller must describe it.
    pub fn piece(&mut self, name: &str) -> usize {
        let (path, buffer) = (name.to_owned(), self.tree.buffer());
        let log = Log {
            path,
            spilled: None,
            stored: None,
            buffer,
            lent: false,
            complete: false,
            in_parts: false,
            piece: None,
        };
        self.logs.push(log);
        self.logs.len() - 1
    }

    /// Reports what the assembler must know about a piece; the report takes about `held` bytes.
    pub fn describe_piece(&mut self, log: usize, told: Box<dyn Told>, held: usize) {
        self.logs[log].piece = Some(Piece { told, held });
    }

    /// Takes back a piece that was not described.
    pub fn drop_piece(&mut self, log: usize) {
        let Log { path, spilled, buffer, .. } = &mut self.logs[log];
        path.clear();
        *spilled = None;
        buffer.clear();
    }

    /// The lines that this task adds to a shared file. For many lines use [`SplitOutput::grow_log`]: it spills.
    pub fn log_buffer(&mut self, log: usize) -> &mut Vec<u8> {
        &mut self.logs[log].buffer
    }

    /// The lines that this task adds to a shared file, by its path. Full buffers are spilled.
    pub fn lines(&mut self, path: &str) -> &mut Vec<u8> {
        let log = self.log(path);
        self.lines_of(log)
    }

    /// As [`lines`](SplitOutput::lines), for lines of objects.
    pub fn lines_in_parts(&mut self, path: &str) -> &mut Vec<u8> {
        let log = self.log_in_parts(path);
        self.lines_of(log)
    }

    fn lines_of(&mut self, log: usize) -> &mut Vec<u8> {
        if self.logs[log].buffer.len() >= LOG_SPILL {
            self.spill(log);
        }
        self.log_buffer(log)
    }

    #[cold]
    fn spill(&mut self, log: usize) {
        let mut lines = self.grow_log(log);
        let spilled = lines.spill().and_then(|()| self.finish(lines));
        self.failed = self.failed.take().or(spilled.err());
    }

    /// Says that a shared file gets no lines after those of this task. It is closed when they are taken, before the other files of the task
    /// are opened.
    pub fn complete(&mut self, log: usize) {
        self.logs[log].complete = true;
    }

    /// Begins a file that may grow large: it is buffered, and written in pieces once it does.
    pub fn grow(&mut self, dir: &Arc<Dir>, name: &[u8]) -> SpillWriter<'t> {
        let buffer = self.spare();
        SpillWriter::file(self.tree, dir, name, buffer, false)
    }

    /// As [`grow`](SplitOutput::grow), for a file with holes: the caller computes its digest and finishes with
    /// [`SplitOutput::finish_known`].
    pub fn grow_known(&mut self, dir: &Arc<Dir>, name: &[u8]) -> SpillWriter<'t> {
        let buffer = self.spare();
        SpillWriter::file(self.tree, dir, name, buffer, true)
    }

    /// As [`grow`](SplitOutput::grow), unless the name is taken. Only for a tree that knows its names.
    pub fn grow_new(&mut self, dir: &Arc<Dir>, name: &[u8]) -> Result<Option<SpillWriter<'t>>> {
        let Some(file) = self.tree.create_new(dir, name)? else { return Ok(None) };
        let buffer = self.spare();
        Ok(Some(SpillWriter::begun(self.tree, dir, name, buffer, file)))
    }

    fn spare(&mut self) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.spare);
        buffer.clear();
        buffer
    }

    /// Begins to add to a shared file. The writer must be given back with [`SplitOutput::end`].
    pub fn grow_log(&mut self, log: usize) -> SpillWriter<'t> {
        let Log { spilled, buffer, lent, .. } = &mut self.logs[log];
        *lent = true;
        SpillWriter::log(self.tree, log, spilled.take(), std::mem::take(buffer))
    }

    /// Begins a piece of an object that grows in the output of another task: its bytes go to `sink`.
    pub fn grow_piece(&mut self, sink: PieceSink) -> SpillWriter<'t> {
        SpillWriter::piece(self.tree, self.tree.buffer(), sink)
    }

    /// Takes the lines of a shared file so far, with those of the growing object, if they are long enough. They must be collected before
    /// the rest, and the growing object cannot be taken back any more.
    pub fn ahead(&mut self, growing: &mut SpillWriter<'t>) -> Option<SplitOutput<'t>> {
        // A tee gets lines when objects are complete, and observed objects have no lines.
        if self.tree.is_teed() || self.is_observed() {
            return None;
        }
        let (log, spilled, buffer) = growing.take_ahead()?;
        let mut ahead = SplitOutput::new(self.tree);
        let Log { path, in_parts, .. } = &self.logs[log];
        let log = ahead.piece(path);
        let empty = std::mem::replace(&mut ahead.logs[log].buffer, buffer);
        self.tree.recycle(empty);
        (ahead.logs[log].spilled, ahead.logs[log].in_parts) = (spilled, *in_parts);
        Some(ahead)
    }

    /// Completes the growing object, or takes it back if `done` is an error. Returns its size too.
    pub fn end<T>(&mut self, growing: SpillWriter<'_>, done: Result<T>) -> Result<(T, u64)> {
        match done {
            Ok(done) => Ok((done, self.finish(growing)?)),
            Err(error) => self.discard(growing).and(Err(error)),
        }
    }

    /// Takes back the growing object.
    pub fn discard(&mut self, growing: SpillWriter<'_>) -> Result<()> {
        if growing.is_log() {
            self.finish(growing.rolled_back()?)?;
        }
        Ok(())
    }

    /// Completes the growing object and returns its size.
    pub fn finish(&mut self, growing: SpillWriter<'_>) -> Result<u64> {
        let bytes = growing.size();
        let (target, buffer) = growing.into_parts()?;
        match target {
            Target::Log { log, spilled, .. } => {
                let is_observed = self.is_observed();
                let log = &mut self.logs[log];
                (log.spilled, log.buffer, log.lent) = (spilled, buffer, false);
                if is_observed {
                    log.buffer.clear();
                }
                return Ok(bytes);
            }
            Target::Piece(mut sink) => {
                if !buffer.is_empty() {
                    sink(buffer)?;
                }
                return Ok(bytes);
            }
            Target::File { tree, dir, name, file: None, .. } => tree.put(&dir, &name, &buffer, &mut self.sums)?,
            Target::File { file: Some(mut file), .. } => {
                file.write(&buffer)?;
                file.finish(&mut self.sums)?;
            }
        }
        self.spare = buffer;
        self.relieve().map(|()| bytes)
    }

    /// Completes a file whose digest the caller has computed; see [`OpenFile::finish_known`](super::tree::OpenFile::finish_known).
    pub fn finish_known(&mut self, growing: SpillWriter<'_>, sum: Sum) -> Result<Place> {
        let (target, buffer) = growing.into_parts()?;
        let place = match target {
            Target::File { file: Some(mut file), .. } => {
                file.write(&buffer)?;
                file.finish_known(sum, &mut self.sums)?
            }
            Target::File { tree, dir, name, .. } => tree.put_known(&dir, &name, &buffer, sum, &mut self.sums)?,
            Target::Log { .. } | Target::Piece(_) => {
                return Err(Error::internal("lines and pieces have no digest of their own"));
            }
        };
        self.spare = buffer;
        self.relieve().map(|()| place)
    }
}
