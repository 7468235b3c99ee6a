//! What one unit of work writes, and how the units come together.
//!
//! A unit writes its files at once, in any thread. What has an order over units (lines of shared files, checksums,
//! findings) is collected in the unit and handed over in unit order, so that every output is the same for any
//! number of threads.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::sync::Arc;

use super::checksums::{Checksums, Place, Sum, Sums};
use super::members::{Member, MemberList, Stored};
use super::observer::Objects;
pub use super::spill_writer::SpillWriter;
use super::spill_writer::{LOG_SPILL, Target};
use super::tree::{Dir, OpenFile, ReservedWrite, Tree};
use crate::error::{Error, Result};
use crate::format::Adapter;
use crate::report::Findings;

/// Shared files that the collector keeps open.
const MOST_OPEN: usize = 32;
/// Shared files that the lines of a unit keep open until they are written.
const MOST_WAITING: usize = 8;

/// Bytes that a unit holds for a shared file beside its lines, about: its path, and what is counted of its scope.
const BESIDE_LINES: usize = 512;

/// One unit's share of the output.
pub struct SplitOutput<'t> {
    tree: &'t Tree,
    sums: Sums,
    logs: Vec<Log>,
    log_of: BTreeMap<String, usize>,
    spare: Vec<u8>,
    dirs: Vec<(String, Arc<Dir>)>,
    /// The directory of the last path: where paths come sorted it is often that of the next one too. There is no bound to
    /// the number of such directories, so no other handle is held.
    last_dir: Option<Arc<Dir>>,
    /// Members of an archive, in their order.
    members: Stored,
    /// What the unit noticed.
    pub findings: Findings,
    /// What the unit emitted, by scope and kind.
    pub tally: Tally,
    /// What is told of objects, if the run is observed.
    objects: Option<Box<Objects>>,
    /// Why lines could not be spilled: told when they are taken.
    failed: Option<Error>,
}

/// What a unit adds to a shared file.
struct Log {
    path: String,
    /// What stands before the buffer, when that was too much to hold.
    spilled: Option<File>,
    buffer: Vec<u8>,
    /// A growing object has the two others.
    lent: bool,
    /// Nothing follows, in this unit or in a later one.
    complete: bool,
    /// It is a piece of files that are put together.
    piece: Option<Piece>,
}

/// What a layout tells of a piece, and the bytes that it takes, about.
struct Piece {
    told: Box<dyn Any + Send>,
    held: usize,
}

/// Puts pieces together to files. Units make pieces, and know neither the file nor the place in it: pieces come in unit order.
pub trait Assembler: Send {
    /// The file that a piece goes to. `name` is what the unit calls it.
    ///
    /// # Errors
    /// The piece is not of this kind.
    fn place(&mut self, name: &str, piece: Box<dyn Any + Send>) -> Result<Placed>;

    /// The end of the file that is open, if there is one: no other piece of this name comes.
    ///
    /// # Errors
    /// The end cannot be made.
    fn complete(&mut self, name: &str) -> Result<Option<(String, Vec<u8>)>>;

    /// The ends of all files that are open.
    ///
    /// # Errors
    /// An end cannot be made.
    fn finish(&mut self) -> Result<Vec<(String, Vec<u8>)>>;
}

/// Where a piece goes.
pub struct Placed {
    /// The file that is complete now, with its end.
    pub ended: Option<(String, Vec<u8>)>,
    /// The file of the piece.
    pub path: String,
    /// What stands before the piece, if the file is new.
    pub head: &'static [u8],
}

impl<'t> SplitOutput<'t> {
    /// An empty share.
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
            objects: tree.observer().map(|observer| Box::new(observer.unit())),
            failed: None,
        }
    }

    /// The digests of its files, where nothing else was taken: what a collector would add of it.
    pub fn into_sums(self) -> Sums {
        self.sums
    }

    /// The tree below.
    pub fn tree(&self) -> &'t Tree {
        self.tree
    }

    /// Bytes that it holds in memory, about.
    pub fn held(&self) -> usize {
        let beside = |log: &Log| BESIDE_LINES + log.piece.as_ref().map_or(0, |piece| piece.held);
        let logs: usize = self.logs.iter().map(|log| log.buffer.capacity() + beside(log)).sum();
        logs + self.sums.held() + self.members.held() + self.objects.as_ref().map_or(0, |objects| objects.held())
    }

    /// What is told of objects, if the run is observed: then their lines are dropped once they were rendered.
    #[inline]
    pub fn objects(&mut self) -> Option<&mut Objects> {
        self.objects.as_deref_mut()
    }

    /// Whether the run is observed.
    #[inline]
    pub fn is_observed(&self) -> bool {
        self.objects.is_some()
    }

    /// A directory whose number is bounded (a Redis type, a table): its handle is held.
    pub fn dir(&mut self, rel: &str) -> Result<Arc<Dir>> {
        if let Some((_, dir)) = self.dirs.iter().find(|(name, _)| name == rel) {
            return Ok(Arc::clone(dir));
        }
        let dir = self.tree.dir(rel.as_bytes())?;
        self.dirs.push((rel.to_owned(), Arc::clone(&dir)));
        Ok(dir)
    }

    /// The directory of a path below the output, made if need be, and the name of the file in it.
    pub fn place<'n>(&mut self, path: &'n [u8]) -> Result<(Arc<Dir>, &'n [u8])> {
        let slash = memchr::memrchr(b'/', path).unwrap_or(0);
        Ok((self.enter(&path[..slash])?, &path[slash + 1..]))
    }

    /// As [`place`](SplitOutput::place), for a file that the caller finishes with [`SplitOutput::finish_known`]: where there is no
    /// disk its directory is none of the output's.
    pub fn place_known<'n>(&mut self, path: &'n [u8]) -> Result<(Arc<Dir>, &'n [u8])> {
        if self.tree.knows_names() {
            return self.place(path);
        }
        let slash = memchr::memrchr(b'/', path).unwrap_or(0);
        Ok((Arc::new(Dir::null(&path[..slash])), &path[slash + 1..]))
    }

    /// The directory of this path, made if need be.
    pub fn enter(&mut self, path: &[u8]) -> Result<Arc<Dir>> {
        let dir = match self.last_dir.take() {
            Some(dir) if dir.path() == path => dir,
            Some(dir) => Arc::new(self.tree.make_dir_near(&dir, path)?),
            None => Arc::new(self.tree.make_dir(path)?),
        };
        self.last_dir = Some(Arc::clone(&dir));
        Ok(dir)
    }

    /// Adds a member to the archive, if there is one: with [`SplitOutput::finish_known`] it is the only trace of a file there.
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

    /// Writes a whole file unless the name is taken; tells whether it was free.
    pub fn try_put(&mut self, dir: &Dir, name: &[u8], body: &[u8]) -> Result<bool> {
        let free = self.tree.try_put(dir, name, body, &mut self.sums)?;
        self.relieve().map(|()| free)
    }

    /// The number of a shared file, for [`SplitOutput::log_buffer`]: it will exist, even if nothing is added to it.
    pub fn log(&mut self, path: &str) -> usize {
        if let Some(index) = self.log_of.get(path) {
            return *index;
        }
        let index = self.piece(path);
        self.log_of.insert(path.to_owned(), index);
        index
    }

    /// The number of a piece of files that are put together ([`Assembler`]); it must be described.
    pub fn piece(&mut self, name: &str) -> usize {
        let (path, buffer) = (name.to_owned(), self.tree.buffer());
        self.logs.push(Log { path, spilled: None, buffer, lent: false, complete: false, piece: None });
        self.logs.len() - 1
    }

    /// Tells what the assembler has to know of a piece; it takes `held` bytes, about.
    pub fn describe_piece(&mut self, log: usize, told: Box<dyn Any + Send>, held: usize) {
        self.logs[log].piece = Some(Piece { told, held });
    }

    /// Takes a piece back, which is not described.
    pub fn drop_piece(&mut self, log: usize) {
        let Log { path, spilled, buffer, .. } = &mut self.logs[log];
        path.clear();
        *spilled = None;
        buffer.clear();
    }

    /// The lines that this unit adds to a shared file. For many lines use [`SplitOutput::grow_log`]: it spills.
    pub fn log_buffer(&mut self, log: usize) -> &mut Vec<u8> {
        &mut self.logs[log].buffer
    }

    /// The lines that this unit adds to a shared file, by its path. Full ones are spilled.
    pub fn lines(&mut self, path: &str) -> &mut Vec<u8> {
        let log = self.log(path);
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

    /// Tells that a shared file gets no lines behind those of this unit: it is closed when they are taken, before the others of
    /// the unit are opened.
    pub fn complete(&mut self, log: usize) {
        self.logs[log].complete = true;
    }

    /// Begins a file that may grow large: it is buffered, and written in pieces when it does.
    pub fn grow(&mut self, dir: &Arc<Dir>, name: &[u8]) -> SpillWriter<'t> {
        let buffer = self.spare();
        SpillWriter::file(self.tree, dir, name, buffer, false)
    }

    /// As [`grow`](SplitOutput::grow), for a file with holes: the caller takes its digest, and finishes with
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

    /// Begins to add to a shared file; it must come back through [`SplitOutput::end`].
    pub fn grow_log(&mut self, log: usize) -> SpillWriter<'t> {
        let Log { spilled, buffer, lent, .. } = &mut self.logs[log];
        *lent = true;
        SpillWriter::log(self.tree, log, spilled.take(), std::mem::take(buffer))
    }

    /// Completes what grew, or takes it back if that failed; gives its size too.
    pub fn end<T>(&mut self, growing: SpillWriter<'_>, done: Result<T>) -> Result<(T, u64)> {
        match done {
            Ok(done) => Ok((done, self.finish(growing)?)),
            Err(error) => self.discard(growing).and(Err(error)),
        }
    }

    /// Takes back what grew.
    pub fn discard(&mut self, growing: SpillWriter<'_>) -> Result<()> {
        if growing.is_log() {
            self.finish(growing.rolled_back()?)?;
        }
        Ok(())
    }

    /// Completes what grew; gives its size.
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
            Target::File { tree, dir, name, file: None, .. } => tree.put(&dir, &name, &buffer, &mut self.sums)?,
            Target::File { file: Some(mut file), .. } => {
                file.write(&buffer)?;
                file.finish(&mut self.sums)?;
            }
        }
        self.spare = buffer;
        self.relieve().map(|()| bytes)
    }

    /// Completes a file whose digest the caller has taken; see [`OpenFile::finish_known`].
    pub fn finish_known(&mut self, growing: SpillWriter<'_>, sum: Sum) -> Result<Place> {
        let (target, buffer) = growing.into_parts()?;
        let place = match target {
            Target::File { file: Some(mut file), .. } => {
                file.write(&buffer)?;
                file.finish_known(sum, &mut self.sums)?
            }
            Target::File { tree, dir, name, .. } => tree.put_known(&dir, &name, &buffer, sum, &mut self.sums)?,
            Target::Log { .. } => return Err(Error::internal("lines have no digest of their own")),
        };
        self.spare = buffer;
        self.relieve().map(|()| place)
    }
}

/// Objects and bytes by kind, sorted; there are few kinds, and there may be many scopes.
type Kinds = Vec<(&'static str, u64, u64)>;

/// Objects and bytes by scope (`db_0`, a table, a bucket, a queue) and kind (`hashes`, `items`, …).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    scopes: BTreeMap<(Adapter, String), Kinds>,
}

impl Tally {
    /// Makes a scope known, even without objects.
    pub fn scope(&mut self, adapter: Adapter, scope: &str) {
        self.scopes.entry((adapter, scope.to_owned())).or_default();
    }

    /// Counts `objects` of a kind with their bytes.
    pub fn add(&mut self, adapter: Adapter, scope: &str, kind: &'static str, objects: u64, bytes: u64) {
        let kinds = self.scopes.entry((adapter, scope.to_owned())).or_default();
        match kinds.binary_search_by_key(&kind, |(kind, ..)| kind) {
            Ok(at) => {
                let (_, n, size) = &mut kinds[at];
                (*n, *size) = (*n + objects, *size + bytes);
            }
            Err(at) => {
                kinds.reserve_exact(1);
                kinds.insert(at, (kind, objects, bytes));
            }
        }
    }

    /// Whether there are no objects at all.
    pub fn is_empty(&self) -> bool {
        self.scopes.values().flatten().all(|(_, objects, _)| *objects == 0)
    }

    /// Whether any scope is known.
    pub fn has_scopes(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: Tally) {
        for ((adapter, scope), kinds) in other.scopes {
            self.scope(adapter, &scope);
            for (kind, objects, bytes) in kinds {
                self.add(adapter, &scope, kind, objects, bytes);
            }
        }
    }

    /// The scopes of an adapter with their kinds: `(name, [(kind, objects, bytes)])`.
    pub fn of(&self, adapter: Adapter) -> impl Iterator<Item = (&str, &[(&'static str, u64, u64)])> {
        self.scopes
            .iter()
            .filter(move |((a, _), _)| *a == adapter)
            .map(|((_, scope), kinds)| (scope.as_str(), kinds.as_slice()))
    }
}

/// Takes the shares of all units, in unit order.
pub struct Collector<'t> {
    tree: &'t Tree,
    checksums: Checksums,
    shared: BTreeMap<String, OpenFile<'t>>,
    /// The shared files that are open, the one longest open first.
    open: VecDeque<String>,
    /// Puts pieces together, in a layout that has them.
    pub assembler: Option<Box<dyn Assembler>>,
    /// Members of an archive that are not files of the tree.
    pub members: MemberList,
    /// What was noticed.
    pub findings: Findings,
    /// What was emitted.
    pub tally: Tally,
}

/// Lines that have their place in shared files but are not written yet.
#[must_use]
pub struct Writes<'t> {
    tree: &'t Tree,
    list: Vec<(ReservedWrite<'t>, Vec<u8>)>,
}

impl Writes<'_> {
    /// Writes them: in any thread, in any order.
    pub fn write(self) -> Result<()> {
        for (slot, buffer) in self.list {
            slot.fill(&buffer)?;
            self.tree.recycle(buffer);
        }
        Ok(())
    }
}

impl<'t> Collector<'t> {
    /// Nothing taken yet.
    pub fn new(tree: &'t Tree, scratch: &std::path::Path) -> Self {
        Collector {
            tree,
            checksums: Checksums::new(scratch),
            shared: BTreeMap::new(),
            open: VecDeque::new(),
            assembler: None,
            members: MemberList::default(),
            findings: Findings::default(),
            tally: Tally::default(),
        }
    }

    /// The tree below.
    pub fn tree(&self) -> &'t Tree {
        self.tree
    }

    /// Takes the next unit's share.
    pub fn take(&mut self, unit: SplitOutput<'t>) -> Result<()> {
        self.place(unit)?.write()
    }

    /// Takes the next unit's share, all but the writing of its lines, which need not be done in unit order.
    pub fn place(&mut self, unit: SplitOutput<'t>) -> Result<Writes<'t>> {
        if let Some(error) = unit.failed {
            return Err(error);
        }
        self.checksums.add(&unit.sums)?;
        self.members.append(&unit.members, || self.tree.scratch())?;
        self.findings.merge(unit.findings);
        self.tally.merge(unit.tally);
        if let Some((observer, objects)) = self.tree.observer().zip(unit.objects) {
            observer.take(*objects)?;
        }
        let mut list = Vec::new();
        for log in unit.logs {
            if log.lent {
                return Err(Error::internal(format!("lines of {} went astray", log.path)));
            }
            let path = match log.piece {
                None if log.path.is_empty() => continue,
                None => None,
                Some(piece) => Some(self.place_piece(&log.path, piece, &mut list)?),
            };
            let file = self.shared(path.as_ref().unwrap_or(&log.path))?;
            if let Some(spilled) = log.spilled {
                super::spill_writer::copy(&spilled, file)?;
            }
            list.push((file.append(&log.buffer)?, log.buffer));
            if log.complete {
                Writes { tree: self.tree, list: std::mem::take(&mut list) }.write()?;
                self.close(&log.path)?;
                self.complete_pieces(&log.path)?;
            }
            if list.len() >= MOST_WAITING {
                Writes { tree: self.tree, list: std::mem::take(&mut list) }.write()?;
            }
        }
        Ok(Writes { tree: self.tree, list })
    }

    /// The file of a piece. What is not written yet is written before a file ends.
    fn place_piece(
        &mut self,
        name: &str,
        piece: Piece,
        list: &mut Vec<(ReservedWrite<'t>, Vec<u8>)>,
    ) -> Result<String> {
        let assembler = self.assembler.as_mut().ok_or_else(|| Error::internal("a piece without files"))?;
        let Placed { ended, path, head } = assembler.place(name, piece.told)?;
        if ended.is_some() {
            Writes { tree: self.tree, list: std::mem::take(list) }.write()?;
        }
        self.end_assembled(ended)?;
        if !head.is_empty() {
            self.shared(&path)?.write(head)?;
        }
        Ok(path)
    }

    /// Ends the file of these pieces: no other ones come.
    pub fn complete_pieces(&mut self, name: &str) -> Result<()> {
        let ended = self.assembler.as_mut().map(|assembler| assembler.complete(name)).transpose()?;
        self.end_assembled(ended.flatten())
    }

    fn end_assembled(&mut self, ended: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<()> {
        for (path, end) in ended {
            self.shared(&path)?.write(&end)?;
            self.close(&path)?;
        }
        Ok(())
    }

    /// A shared file, created when it is not there yet.
    fn shared(&mut self, path: &str) -> Result<&mut OpenFile<'t>> {
        if self.open.back().is_none_or(|last| last != path) {
            self.open.retain(|open| open != path);
            self.open.push_back(path.to_owned());
        }
        if self.open.len() > MOST_OPEN
            && let Some(oldest) = self.open.pop_front().and_then(|oldest| self.shared.get_mut(&oldest))
        {
            oldest.park();
        }
        if !self.shared.contains_key(path) {
            let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
            let file = self.tree.create_shared(dir.as_bytes(), name.as_bytes())?;
            self.shared.insert(path.to_owned(), file);
        }
        self.shared.get_mut(path).ok_or_else(|| Error::internal("a shared file is not there"))
    }

    /// Closes a shared file that gets no more lines.
    pub fn close(&mut self, path: &str) -> Result<()> {
        let Some(file) = self.shared.remove(path) else { return Ok(()) };
        self.open.retain(|open| open != path);
        let mut sums = Sums::default();
        file.finish(&mut sums)?;
        self.checksums.add(&sums)
    }

    /// Closes the shared files and gives the checksums of everything.
    pub fn finish(mut self) -> Result<(Checksums, Findings, Tally)> {
        if let Some(mut assembler) = self.assembler.take() {
            self.end_assembled(assembler.finish()?)?;
        }
        let mut sums = Sums::default();
        for (_, file) in std::mem::take(&mut self.shared) {
            file.finish(&mut sums)?;
        }
        self.checksums.add(&sums)?;
        self.checksums.absorb(self.tree.early())?;
        Ok((self.checksums, self.findings, self.tally))
    }
}
