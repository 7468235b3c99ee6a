//! Bytes of shared files that wait to be hashed and written.
//!
//! The bytes of a file are hashed in order, and one thread hashes about 2 GB/s. A commit is serial, so it only appends lines to the queue
//! of their file. Afterwards the thread takes a file whose queue is not empty, hashes the next bytes and writes them, and repeats this
//! until no file is left. A file is with one thread at a time, and as many files are hashed at once as there are threads. While one thread
//! writes what it has hashed, another may hash the bytes that follow.
//!
//! The waiting bytes are bounded. A thread that finds too many works on them, or waits for the threads that do. Those wait for nobody, so
//! this ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard};

use super::checksums::Sums;
use super::stored::StoredLines;
use super::tree::{OpenFile, ReservedWrite, Tree};
use crate::error::{Error, Result};
use crate::sync::{lock, wait};

/// How many files stay open while no thread works on them.
const MOST_OPEN: usize = 32;
/// Bytes that may wait, per thread.
const WAITING: usize = 8 << 20;
/// Approximate minimum of bytes that a queue entry takes.
const BESIDE: usize = 256;

/// A file with a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(u64);

/// What comes next in a file.
pub(super) enum Chunk {
    /// Bytes in memory.
    Bytes(Vec<u8>),
    /// Lines that are stored in another file.
    Stored(StoredLines),
    /// Nothing: the file is complete.
    End,
}

impl Chunk {
    fn held(&self) -> usize {
        BESIDE
            + match self {
                Chunk::Bytes(bytes) => bytes.capacity(),
                Chunk::Stored(lines) => lines.held(),
                Chunk::End => 0,
            }
    }
}

/// The queues of all shared files.
pub(super) struct Backlog<'t> {
    tree: &'t Tree,
    state: Mutex<State<'t>>,
    /// A file was given back, or fewer bytes wait.
    turned: Condvar,
    /// Bytes that may wait.
    most: usize,
}

#[derive(Default)]
struct State<'t> {
    files: BTreeMap<FileId, Queue<'t>>,
    /// How many files were begun.
    begun: u64,
    /// Files with a non-empty queue that no thread works on.
    ready: VecDeque<FileId>,
    /// Open files that no thread works on, the one longest open first.
    open: VecDeque<FileId>,
    /// Bytes that wait or are being written.
    held: usize,
    /// A write failed: nothing more is written.
    failed: bool,
}

struct Queue<'t> {
    path: String,
    /// Created with the first chunk.
    file: Option<OpenFile<'t>>,
    chunks: VecDeque<Chunk>,
    is_taken: bool,
}

impl<'t> Backlog<'t> {
    /// A backlog without files.
    pub fn new(tree: &'t Tree) -> Self {
        // With a tee one thread does everything, and there may be no pool.
        let threads = if tree.is_teed() { 1 } else { rayon::current_num_threads() };
        Self::with_most(tree, WAITING * threads.max(2))
    }

    fn with_most(tree: &'t Tree, most: usize) -> Self {
        Backlog { tree, state: Mutex::default(), turned: Condvar::new(), most }
    }

    fn lock(&self) -> MutexGuard<'_, State<'t>> {
        lock(&self.state)
    }

    /// Begins a file. It will exist even if only its end is added.
    pub fn begin(&self, path: &str) -> FileId {
        let mut state = self.lock();
        let id = FileId(state.begun);
        state.begun += 1;
        let (path, chunks) = (path.to_owned(), VecDeque::new());
        state.files.insert(id, Queue { path, file: None, chunks, is_taken: false });
        id
    }

    /// Appends to a file; nothing may follow its end. The caller must call [`work`](Backlog::work) afterwards.
    pub fn add(&self, id: FileId, chunk: Chunk) {
        let mut state = self.lock();
        let held = chunk.held();
        let Some(queue) = state.files.get_mut(&id) else { return };
        queue.chunks.push_back(chunk);
        if queue.chunks.len() == 1 && !queue.is_taken {
            state.ready.push_back(id);
        }
        state.held += held;
    }

    /// Hashes and writes queued bytes until only files of other threads are left. Returns when the waiting bytes are within the bound.
    ///
    /// # Errors
    /// A failed write. Nothing is written after it.
    pub fn work(&self) -> Result<()> {
        while let Some(turn) = self.next() {
            turn.run()?;
        }
        Ok(())
    }

    /// The next file to work on. `None`: there is none, and the waiting bytes are within the bound.
    fn next(&self) -> Option<Turn<'_, 't>> {
        let mut state = self.lock();
        loop {
            if let Some(turn) = self.take(&mut state) {
                return Some(turn);
            }
            if state.held <= self.most {
                return None;
            }
            state = wait(&self.turned, state);
        }
    }

    fn take(&self, state: &mut State<'t>) -> Option<Turn<'_, 't>> {
        let id = state.ready.pop_front()?;
        state.open.retain(|open| *open != id);
        let queue = state.files.get_mut(&id)?;
        let chunk = queue.chunks.pop_front()?;
        queue.is_taken = true;
        let (file, path) = (queue.file.take(), queue.path.clone());
        let held = chunk.held();
        Some(Turn { backlog: self, id, path, file, chunk: Some(chunk), held, is_given_back: false })
    }

    /// Whether all files have come to their end.
    ///
    /// # Errors
    /// A file is not complete, although no error was returned.
    pub fn check_complete(&self) -> Result<()> {
        let state = self.lock();
        match state.files.first_key_value() {
            None if !state.failed => Ok(()),
            first => {
                let path = first.map_or("", |(_, queue)| &queue.path);
                Err(Error::internal(format!("shared files are not complete: {path}")))
            }
        }
    }
}

impl<'t> State<'t> {
    /// Takes a file back.
    fn give_back(&mut self, id: FileId, file: Option<OpenFile<'t>>) {
        let Some(queue) = self.files.get_mut(&id) else { return };
        (queue.is_taken, queue.file) = (false, file);
        if !queue.chunks.is_empty() {
            self.ready.push_back(id);
        }
        self.open.push_back(id);
        if self.open.len() > MOST_OPEN
            && let Some(oldest) = self.open.pop_front().and_then(|oldest| self.files.get_mut(&oldest))
            && let Some(file) = &mut oldest.file
        {
            file.park();
        }
    }
}

/// The work of one thread on a file. Dropping it gives the file back, even in a panic.
struct Turn<'b, 't> {
    backlog: &'b Backlog<'t>,
    id: FileId,
    path: String,
    file: Option<OpenFile<'t>>,
    chunk: Option<Chunk>,
    /// Bytes that count as waiting until the end of the turn.
    held: usize,
    is_given_back: bool,
}

impl<'t> Turn<'_, 't> {
    fn run(mut self) -> Result<()> {
        let Some(chunk) = self.chunk.take() else { return Ok(()) };
        if self.backlog.lock().failed {
            return Ok(());
        }
        let done = self.hash(chunk).and_then(|hashed| {
            let Some((reserved, bytes)) = hashed else { return Ok(()) };
            self.give_back();
            reserved.fill(&bytes)?;
            self.backlog.tree.recycle(bytes);
            Ok(())
        });
        if done.is_err() {
            self.backlog.lock().failed = true;
        }
        done
    }

    /// Does the part that must happen in order. The returned write may happen in any order.
    fn hash(&mut self, chunk: Chunk) -> Result<Option<(ReservedWrite<'t>, Vec<u8>)>> {
        let tree = self.backlog.tree;
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let (dir, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
                none.insert(tree.create_shared(dir.as_bytes(), name.as_bytes())?)
            }
        };
        match chunk {
            Chunk::Bytes(bytes) => return Ok(Some((file.append(&bytes)?, bytes))),
            Chunk::Stored(lines) => lines.pieces(&mut |piece, _| file.write(piece))?,
            Chunk::End => {
                let mut sums = Sums::default();
                self.file.take().map_or(Ok(()), |file| file.finish(&mut sums))?;
                tree.take_early(&mut sums)?;
                self.backlog.lock().files.remove(&self.id);
            }
        }
        Ok(None)
    }

    /// Lets other threads continue with the file.
    fn give_back(&mut self) {
        if !self.is_given_back {
            self.is_given_back = true;
            self.backlog.lock().give_back(self.id, self.file.take());
            self.backlog.turned.notify_all();
        }
    }
}

impl Drop for Turn<'_, '_> {
    fn drop(&mut self) {
        self.give_back();
        self.backlog.lock().held -= self.held;
        self.backlog.turned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::output::checksums::Digest;
    use sha2::{Digest as _, Sha256};

    fn tree() -> (tempfile::TempDir, Tree) {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        (root, tree)
    }

    fn bytes(text: &str) -> Chunk {
        Chunk::Bytes(text.as_bytes().to_vec())
    }

    /// Another thread gets another file, and that of the first one once its bytes are hashed, before they are written.
    #[test]
    fn a_file_is_with_one_thread() {
        let (root, tree) = tree();
        let backlog = Backlog::with_most(&tree, usize::MAX);
        let ids = ["a", "d/b"].map(|path| backlog.begin(path));
        for (id, text) in ids.iter().cycle().zip(["1", "2", "3", "4"]) {
            backlog.add(*id, bytes(text));
        }
        assert!(std::fs::read_dir(root.path()).unwrap().next().is_none(), "what is added waits");
        let (mut first, second) = (backlog.next().unwrap(), backlog.next().unwrap());
        assert_eq!((first.id, second.id), (ids[0], ids[1]));
        assert!(backlog.next().is_none());
        let chunk = first.chunk.take().unwrap();
        let (reserved, text) = first.hash(chunk).unwrap().unwrap();
        first.give_back();
        let third = backlog.next().unwrap();
        assert_eq!(third.id, ids[0]);
        third.run().unwrap();
        reserved.fill(&text).unwrap();
        drop(first);
        second.run().unwrap();
        ids.iter().for_each(|id| backlog.add(*id, Chunk::End));
        assert!(backlog.check_complete().is_err());
        backlog.work().unwrap();
        backlog.check_complete().unwrap();
        let read = |path| std::fs::read(root.path().join(path)).unwrap();
        assert_eq!((read("a"), read("d/b")), (b"13".to_vec(), b"24".to_vec()));
        assert_eq!(backlog.lock().held, 0);
    }

    /// Threads add in turn, and then work, as after a commit: whatever the bound, all bytes are there in their order.
    #[test]
    fn files_are_complete_whatever_waits() {
        const ADDED: usize = 600;
        for (threads, most) in [(1, 0), (2, 0), (3, 700), (8, 0), (8, 5000), (8, usize::MAX)] {
            let (root, tree) = tree();
            let backlog = Backlog::with_most(&tree, most);
            let ids: Vec<FileId> = (0..7).map(|n| backlog.begin(&format!("d{}/{n}", n % 2))).collect();
            let added = Mutex::new(0);
            let most_held = AtomicUsize::new(0);
            let add = || {
                let mut added = added.lock().unwrap();
                let n = *added;
                *added += 1;
                if n < ADDED {
                    backlog.add(ids[n * n % ids.len()], bytes(&format!("{n};").repeat(n % 50)));
                }
                most_held.fetch_max(backlog.lock().held, Ordering::Relaxed);
                n < ADDED
            };
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        while add() {
                            backlog.work().unwrap();
                        }
                    });
                }
            });
            ids.iter().for_each(|id| backlog.add(*id, Chunk::End));
            backlog.work().unwrap();
            backlog.check_complete().unwrap();
            let largest = BESIDE + 50 * 4 + 64;
            assert!(most_held.into_inner() <= most.saturating_add(2 * threads * largest), "{threads} {most}");
            let mut digests = Vec::new();
            tree.early()
                .each(|_, entry| {
                    digests.push(entry.digest);
                    Ok(())
                })
                .unwrap();
            let want = |file: usize| -> String {
                let of_file = (0..ADDED).filter(|n| n * n % ids.len() == file);
                of_file.map(|n| format!("{n};").repeat(n % 50)).collect()
            };
            let mut expected = Vec::new();
            for file in [0, 2, 4, 6, 1, 3, 5] {
                let text = std::fs::read_to_string(root.path().join(format!("d{}/{file}", file % 2))).unwrap();
                assert!(text == want(file), "{threads} threads, {most} bytes, file {file}");
                expected.push(Digest::from(Sha256::digest(&text)));
            }
            assert_eq!(digests, expected, "{threads} threads, {most} bytes");
        }
    }

    #[test]
    fn nothing_is_written_after_an_error() {
        let (root, tree) = tree();
        let backlog = Backlog::with_most(&tree, 0);
        std::fs::write(root.path().join("taken"), "").unwrap();
        let ids = ["taken", "free"].map(|path| backlog.begin(path));
        ids.iter().for_each(|id| backlog.add(*id, bytes("text")));
        let error = backlog.work().unwrap_err().to_string();
        assert!(error.contains("taken") && error.contains("has this name already"), "{error}");
        ids.iter().for_each(|id| backlog.add(*id, bytes("more")));
        backlog.work().unwrap();
        assert!(!root.path().join("free").exists());
        assert_eq!(backlog.lock().held, 0);
        assert!(backlog.check_complete().is_err());
    }
}
