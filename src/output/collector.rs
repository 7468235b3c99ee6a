//! Takes the results of tasks in task order, and writes whatever has an order across tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::assembler::{Assembler, Placed};
use super::backlog::{Backlog, Chunk, FileId};
use super::checksums::{Checksums, Sums};
use super::members::MemberList;
use super::parts::{self, Growing};
use super::split::{Log, Piece, SplitOutput};
use super::stored::StoredLines;
use super::tally::Tally;
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::report::Findings;

/// Takes the output of all tasks, in task order.
pub struct Collector<'t> {
    tree: &'t Tree,
    checksums: Checksums,
    /// Shared files that are still open, by path.
    shared: BTreeMap<String, FileId>,
    /// Queues of their bytes.
    backlog: Arc<Backlog<'t>>,
    has_files: bool,
    /// Size of the parts of files that can be cut; `None`: files are not cut.
    pub part_size: Option<u64>,
    /// Files that are cut.
    parts: BTreeMap<String, Growing>,
    /// Assembles pieces, for a layout that has them.
    pub assembler: Option<Box<dyn Assembler>>,
    /// Members of an archive that are not files of the tree.
    pub members: MemberList,
    /// Findings of the run.
    pub findings: Findings,
    /// What was written, by scope and kind.
    pub tally: Tally,
}

/// Lines that have their position in shared files but may not be written yet.
#[must_use]
pub struct Writes<'t>(Option<Arc<Backlog<'t>>>);

impl Writes<'_> {
    /// Writes queued lines of all tasks that no other thread works on. Any thread may call it.
    ///
    /// # Errors
    /// A failed write.
    pub fn write(self) -> Result<()> {
        self.0.map_or(Ok(()), |backlog| backlog.work())
    }
}

impl<'t> Collector<'t> {
    /// An empty collector.
    pub fn new(tree: &'t Tree, scratch: &std::path::Path) -> Self {
        Collector {
            tree,
            checksums: Checksums::new(scratch),
            shared: BTreeMap::new(),
            backlog: Arc::new(Backlog::new(tree)),
            has_files: false,
            part_size: None,
            parts: BTreeMap::new(),
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

    /// Takes the output of the next task.
    pub fn take(&mut self, task: SplitOutput<'t>) -> Result<()> {
        self.place(task)?.write()
    }

    /// Takes the output of the next task, except for the hashing and writing of its lines, which needs no task order.
    pub fn place(&mut self, task: SplitOutput<'t>) -> Result<Writes<'t>> {
        if let Some(error) = task.failed {
            return Err(error);
        }
        self.checksums.add(&task.sums)?;
        self.members.append(&task.members, || self.tree.scratch())?;
        self.findings.merge(task.findings);
        self.tally.merge(task.tally);
        if let Some((observer, objects)) = self.tree.observer().zip(task.objects) {
            observer.take(*objects)?;
        }
        for log in task.logs {
            self.place_log(log)?;
            if self.tree.is_teed() {
                self.backlog.work()?;
            }
        }
        // A tee gets the lines of all files in task order, so no other thread may write any.
        Ok(Writes((!self.tree.is_teed()).then(|| Arc::clone(&self.backlog))))
    }

    fn place_log(&mut self, mut log: Log) -> Result<()> {
        if log.lent {
            return Err(Error::internal(format!("lines of {} went astray", log.path)));
        }
        let path = match log.piece.take() {
            None if log.path.is_empty() => return Ok(()),
            None => None,
            Some(piece) => Some(self.place_piece(&log.path, piece)?),
        };
        let stored = log.spilled.take().map(StoredLines::spilled).transpose()?.into_iter().chain(log.stored.take());
        match self.part_size.filter(|_| log.in_parts) {
            Some(size) => self.cut(size, &log.path, stored, log.buffer)?,
            None => {
                let id = self.shared(path.as_ref().unwrap_or(&log.path));
                stored.for_each(|lines| self.backlog.add(id, Chunk::Stored(lines)));
                self.add(id, log.buffer);
            }
        }
        if log.complete {
            self.close(&log.path);
            self.complete_pieces(&log.path)?;
        }
        Ok(())
    }

    /// Adds bytes to a shared file.
    fn add(&self, id: FileId, bytes: Vec<u8>) {
        match bytes.is_empty() {
            true => self.tree.recycle(bytes),
            false => self.backlog.add(id, Chunk::Bytes(bytes)),
        }
    }

    /// Adds lines to a file that is cut into parts.
    fn cut(&mut self, size: u64, path: &str, stored: impl Iterator<Item = StoredLines>, buffer: Vec<u8>) -> Result<()> {
        for lines in stored {
            lines.pieces(&mut |piece, mut at| {
                self.cut_piece(size, path, piece, |bytes| {
                    let part = lines.part(at, bytes);
                    at += bytes.len() as u64;
                    Chunk::Stored(part)
                });
                Ok(())
            })?;
        }
        let (part, fits) = self.part(size, path, &buffer);
        if fits < buffer.len() {
            self.cut_piece(size, path, &buffer, |bytes| Chunk::Bytes(bytes.to_vec()));
            self.tree.recycle(buffer);
        } else {
            self.added(path, &buffer);
            let id = self.shared(&part);
            self.add(id, buffer);
        }
        Ok(())
    }

    /// Adds bytes to the current part and those after it.
    fn cut_piece(&mut self, size: u64, path: &str, mut bytes: &[u8], mut chunk: impl FnMut(&[u8]) -> Chunk) {
        while !bytes.is_empty() {
            let (part, fits) = self.part(size, path, bytes);
            let (now, rest) = bytes.split_at(fits);
            let id = self.shared(&part);
            self.backlog.add(id, chunk(now));
            self.added(path, now);
            bytes = rest;
        }
    }

    /// The part that the next bytes of a file go to, and how many of them it takes.
    fn part(&mut self, size: u64, path: &str, bytes: &[u8]) -> (String, usize) {
        let mut part = self.parts.get(path).copied().unwrap_or_default();
        if !bytes.is_empty() && part.is_full(size) {
            self.close_file(&parts::path(path, part.number));
            part = part.next();
            self.parts.insert(path.to_owned(), part);
        }
        (parts::path(path, part.number), part.takes(size, bytes))
    }

    /// Counts bytes that went to the current part of a file.
    fn added(&mut self, path: &str, bytes: &[u8]) {
        match self.parts.get_mut(path) {
            Some(part) => part.add(bytes),
            None => self.parts.entry(path.to_owned()).or_default().add(bytes),
        }
    }

    /// The file of a piece.
    fn place_piece(&mut self, name: &str, piece: Piece) -> Result<String> {
        let assembler = self.assembler.as_mut().ok_or_else(|| Error::internal("a piece without files"))?;
        let Placed { ended, path, head } = assembler.place(name, piece.told)?;
        self.end_assembled(ended);
        let id = self.shared(&path);
        self.add(id, head.to_vec());
        Ok(path)
    }

    /// Ends the file of these pieces: no more of them come.
    pub fn complete_pieces(&mut self, name: &str) -> Result<()> {
        let ended = self.assembler.as_mut().map(|assembler| assembler.complete(name)).transpose()?;
        self.end_assembled(ended.flatten());
        Ok(())
    }

    fn end_assembled(&mut self, ended: impl IntoIterator<Item = (String, Vec<u8>)>) {
        for (path, end) in ended {
            let id = self.shared(&path);
            self.add(id, end);
            self.close(&path);
        }
    }

    /// A shared file; it is begun if it is not open yet.
    fn shared(&mut self, path: &str) -> FileId {
        if let Some(id) = self.shared.get(path) {
            return *id;
        }
        let id = self.backlog.begin(path);
        self.has_files = true;
        self.shared.insert(path.to_owned(), id);
        id
    }

    /// Whether it has taken nothing but findings.
    pub fn is_untouched(&self) -> bool {
        !self.has_files && self.checksums.is_empty()
    }

    /// Adds digests of files.
    pub fn add_sums(&mut self, sums: &Sums) -> Result<()> {
        self.checksums.add(sums)
    }

    /// Closes a shared file that gets no more lines, once the queued ones are written.
    pub fn close(&mut self, path: &str) {
        match self.parts.remove(path) {
            Some(part) => self.close_file(&parts::path(path, part.number)),
            None => self.close_file(path),
        }
    }

    fn close_file(&mut self, path: &str) {
        if let Some(id) = self.shared.remove(path) {
            self.backlog.add(id, Chunk::End);
        }
    }

    /// Closes the shared files and returns the checksums of everything.
    pub fn finish(mut self) -> Result<(Checksums, Findings, Tally)> {
        if let Some(mut assembler) = self.assembler.take() {
            self.end_assembled(assembler.finish()?);
        }
        for id in std::mem::take(&mut self.shared).into_values() {
            self.backlog.add(id, Chunk::End);
        }
        self.backlog.work()?;
        self.backlog.check_complete()?;
        self.checksums.absorb(self.tree.early())?;
        Ok((self.checksums, self.findings, self.tally))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::output::spill_writer::LOG_SPILL;

    const PATHS: [&str; 2] = ["redis/a.jsonl", "sqs/b.jsonl"];

    /// A task with lines of two files, spilled ones and others.
    fn task<'t>(tree: &'t Tree, letter: char, is_last: bool) -> SplitOutput<'t> {
        let mut out = SplitOutput::new(tree);
        for path in PATHS {
            let log = out.log_in_parts(path);
            let mut lines = out.grow_log(log);
            lines.write(text(letter).as_bytes()).unwrap();
            out.finish(lines).unwrap();
            out.lines_in_parts(path).extend_from_slice(b"the last line\n");
            if is_last {
                out.complete(log);
            }
        }
        out
    }

    fn text(letter: char) -> String {
        let line = format!("{}\n", letter.to_string().repeat(98));
        line.repeat(LOG_SPILL / line.len() + 5)
    }

    fn files(dir: &Path) -> usize {
        std::fs::read_dir(dir).unwrap().count()
    }

    /// Lines wait, in memory or spilled, cut or not, in files that are complete or not. All are written when any task requests the writes.
    #[test]
    fn a_commit_neither_hashes_nor_writes() {
        const SIZE: u64 = 1 << 20;
        for part_size in [None, Some(SIZE)] {
            let root = tempfile::tempdir().unwrap();
            let tree = Tree::open(root.path()).unwrap();
            let mut collector = Collector::new(&tree, root.path());
            collector.part_size = part_size;
            let mut place = |letter, is_last| collector.place(task(&tree, letter, is_last)).unwrap();
            let mut writes = vec![place('a', false), place('b', false), place('c', true)];
            assert_eq!(files(root.path()), 0);
            writes.pop().unwrap().write().unwrap();
            let want = ['a', 'b', 'c'].map(|letter| text(letter) + "the last line\n").concat();
            for path in PATHS {
                let path = root.path().join(path);
                let read = |path: &Path| std::fs::read_to_string(path).unwrap();
                let got = match part_size {
                    None => read(&path),
                    Some(_) => (1..=files(&path)).map(|n| read(&path.join(parts::name(n as u32)))).collect(),
                };
                assert!(got == want, "{part_size:?} {}", path.display());
                assert!(part_size.is_none_or(|size| files(&path) as u64 == want.len() as u64 / size + 1));
            }
            let written = tree.written();
            let (mut checksums, ..) = collector.finish().unwrap();
            assert_eq!(tree.written(), written, "all files were complete");
            let mut rows = 0;
            checksums
                .each(|_, entry| {
                    rows += entry.place.len;
                    Ok(())
                })
                .unwrap();
            assert_eq!(rows, 2 * want.len() as u64);
        }
    }
}
