//! Takes the shares of units in unit order, and writes what has an order over units.

use std::collections::{BTreeMap, VecDeque};

use super::assembler::{Assembler, Placed};
use super::checksums::{Checksums, Sums};
use super::members::MemberList;
use super::parts::{self, Growing};
use super::split::{Log, Piece, SplitOutput};
use super::tally::Tally;
use super::tree::{OpenFile, ReservedWrite, Tree};
use crate::error::{Error, Result};
use crate::report::Findings;

/// Shared files that the collector keeps open.
const MOST_OPEN: usize = 32;
/// Shared files that the lines of a unit keep open until they are written.
const MOST_WAITING: usize = 8;

/// Takes the shares of all units, in unit order.
pub struct Collector<'t> {
    tree: &'t Tree,
    checksums: Checksums,
    shared: BTreeMap<String, OpenFile<'t>>,
    /// The shared files that are open, the one longest open first.
    open: VecDeque<String>,
    /// Bytes of a part of those files that can be cut; `None`: they are not.
    pub part_size: Option<u64>,
    /// Those that are cut.
    parts: BTreeMap<String, Growing>,
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
            if let Some(size) = self.part_size.filter(|_| log.in_parts) {
                self.cut(size, log, &mut list)?;
                continue;
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
            if let Some(stored) = log.stored {
                stored.pieces(&mut |piece| file.write(piece))?;
            }
            list.push((file.append(&log.buffer)?, log.buffer));
            if log.complete {
                self.write_now(&mut list)?;
                self.close(&log.path)?;
                self.complete_pieces(&log.path)?;
            }
            if list.len() >= MOST_WAITING {
                self.write_now(&mut list)?;
            }
        }
        Ok(Writes { tree: self.tree, list })
    }

    /// Writes what is not written yet, before a file ends.
    fn write_now(&self, list: &mut Vec<(ReservedWrite<'t>, Vec<u8>)>) -> Result<()> {
        Writes { tree: self.tree, list: std::mem::take(list) }.write()
    }

    /// Adds lines to a file that is cut to parts.
    fn cut(&mut self, size: u64, log: Log, list: &mut Vec<(ReservedWrite<'t>, Vec<u8>)>) -> Result<()> {
        if let Some(spilled) = &log.spilled {
            super::spill_writer::pieces(spilled, &mut |piece| self.cut_piece(size, &log.path, piece))?;
        }
        if let Some(stored) = &log.stored {
            stored.pieces(&mut |piece| self.cut_piece(size, &log.path, piece))?;
        }
        let (part, fits) = self.part(size, &log.path, &log.buffer)?;
        if fits < log.buffer.len() {
            self.cut_piece(size, &log.path, &log.buffer)?;
            self.tree.recycle(log.buffer);
        } else {
            let reserved = self.shared(&part)?.append(&log.buffer)?;
            self.added(&log.path, &log.buffer);
            list.push((reserved, log.buffer));
        }
        if log.complete || list.len() >= MOST_WAITING {
            self.write_now(list)?;
        }
        if log.complete { self.close(&log.path) } else { Ok(()) }
    }

    /// Writes bytes to the part at hand and to those behind it.
    fn cut_piece(&mut self, size: u64, path: &str, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (part, fits) = self.part(size, path, bytes)?;
            let (now, rest) = bytes.split_at(fits);
            self.shared(&part)?.write(now)?;
            self.added(path, now);
            bytes = rest;
        }
        Ok(())
    }

    /// The part that the next bytes of a file go to, and how many of them it takes.
    fn part(&mut self, size: u64, path: &str, bytes: &[u8]) -> Result<(String, usize)> {
        let part = self.parts.get(path).copied().unwrap_or_default();
        if !bytes.is_empty() && part.is_full(size) {
            self.close_file(&parts::path(path, part.number))?;
            self.parts.insert(path.to_owned(), part.next());
            return self.part(size, path, bytes);
        }
        Ok((parts::path(path, part.number), part.takes(size, bytes)))
    }

    /// Counts bytes of a file that went to its part at hand.
    fn added(&mut self, path: &str, bytes: &[u8]) {
        match self.parts.get_mut(path) {
            Some(part) => part.add(bytes),
            None => self.parts.entry(path.to_owned()).or_default().add(bytes),
        }
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
            self.write_now(list)?;
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

    /// Whether nothing came to it but findings.
    pub fn is_untouched(&self) -> bool {
        self.shared.is_empty() && self.checksums.is_empty()
    }

    /// Adds digests of files.
    pub fn add_sums(&mut self, sums: &Sums) -> Result<()> {
        self.checksums.add(sums)
    }

    /// Closes a shared file that gets no more lines.
    pub fn close(&mut self, path: &str) -> Result<()> {
        match self.parts.remove(path) {
            Some(part) => self.close_file(&parts::path(path, part.number)),
            None => self.close_file(path),
        }
    }

    fn close_file(&mut self, path: &str) -> Result<()> {
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
