//! The walk through the directories: depth first, names in the order of their bytes, in one thread. It finds what there
//! is and where it goes; the units write it.
//!
//! Nothing is held of what was passed: the directories above, and for the last few of them a reader of their names. A
//! directory that was left is opened again behind the name that led away from it. Depth costs no stack.

use bumpalo::Bump;

use super::findings;
use super::marks::{Mark, Marks};
use super::names::Names;
use super::scan::inode;
use crate::dataset::{DataSet, RangeIter, Row, RowError, after_prefix};
use crate::decode::filter::Filter;
use crate::decode::sort::Sorter;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Family;
use crate::format::fs::{Entry, EntryKey, Inode, Kind, key};
use crate::output::tree::Tree;
use crate::report::{self, Finding, Findings, Value};

/// Directories whose readers stay open.
const MOST_OPEN: usize = 16;
/// Longest path of a directory that is entered.
const MOST_PATH: usize = 256 << 10;
/// Longest path that is told as a whole. Of a longer one the directory above and the name are told: paths of deep
/// directories would else be quadratic in their number.
const MOST_WHOLE: usize = 4 << 10;

/// How something is named from the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By all names that lead to it.
    Whole(Vec<u8>),
    /// By the directory that it is in, whose line stands before its own, and its name in there.
    Below(u64, Vec<u8>),
    /// No name leads to it from the root.
    Nowhere,
}

/// A file or directory that was reached.
pub struct Visit<'a> {
    /// Its number, as the key has it.
    pub number: u64,
    /// Its row.
    pub row: Row<'a>,
    /// What the row says.
    pub inode: Inode,
    /// Its names from the root.
    pub named: Named,
    /// Where it goes.
    pub tree: Vec<u8>,
    /// Kind of its KEYMAP line, and the name that the line is for.
    pub keymap: Option<(&'static str, Vec<u8>)>,
    /// Where its data went, if this is a further name.
    pub link: Option<Vec<u8>>,
    /// What is odd about it.
    pub notes: Vec<&'static report::Kind>,
}

impl Visit<'_> {
    /// Its path, or where it goes: to name it in a finding.
    pub fn shown(&self) -> &[u8] {
        if let Named::Whole(path) = &self.named { path } else { &self.tree }
    }

    /// A finding about it.
    pub fn finding(&self, kind: &'static report::Kind) -> Finding {
        Finding::new(kind).with("path", self.shown()).with("inode", Value::Exact(self.number))
    }
}

/// Visits that a unit writes, and what was noticed on the way to them.
#[derive(Default)]
pub struct Batch<'a> {
    /// In the order of the output.
    pub visits: Vec<Visit<'a>>,
    /// Findings of the walk.
    pub findings: Findings,
}

/// Visits of a batch, at most; and the bytes that end one.
const MOST_VISITS: usize = 256;
const MOST_BYTES: u64 = 4 << 20;

/// A mark, and which of the lists it is of.
#[derive(Debug, Clone, Copy)]
struct Known {
    mark: Mark,
    lost: bool,
}

/// Where a walk starts.
pub struct Start {
    /// The inode.
    pub number: u64,
    /// Where it goes.
    pub tree: Vec<u8>,
    /// Whether it is the root of the file system.
    pub root: bool,
}

/// A directory that the walk is in.
struct Frame<'w, 'a> {
    number: u64,
    /// Length of its path.
    path: usize,
    /// Its place: a part of the walker's `tree`, which had `mark` bytes before.
    tree: std::ops::Range<usize>,
    mark: usize,
    /// The rest of its names; `None`: to be opened again.
    rows: Option<RangeIter<'w, 'a>>,
    /// Child directories so far.
    children: u64,
    /// What its inode says of links; `None`: there is no inode.
    links: Option<u32>,
    names: u64,
    /// Whether it, or a directory above, is asked for.
    wanted: bool,
}

/// Walks.
pub struct Walker<'w, 'a, 't> {
    set: &'w DataSet<'a>,
    tree: &'t Tree,
    filter: &'w Filter,
    names: Names,
    /// Inodes that can be met twice.
    marks: &'w mut Marks,
    /// What the first walk did not reach, if this is a later one.
    lost: Option<&'w mut Marks>,
    /// Numbers of all inodes that were met.
    pub met: Sorter<'t, u64>,
    frames: Vec<Frame<'w, 'a>>,
    path: Vec<u8>,
    place: Vec<u8>,
    /// Whether paths begin at the root.
    rooted: bool,
    arena: Bump,
    /// What was noticed since they were taken.
    pub findings: Findings,
}

impl<'w, 'a, 't> Walker<'w, 'a, 't> {
    /// A walk that has not started.
    pub fn new(
        set: &'w DataSet<'a>,
        tree: &'t Tree,
        filter: &'w Filter,
        names: Names,
        marks: &'w mut Marks,
        lost: Option<&'w mut Marks>,
    ) -> Self {
        Walker {
            set,
            tree,
            filter,
            names,
            marks,
            lost,
            met: Sorter::new(tree, 0),
            frames: Vec::new(),
            path: Vec::new(),
            place: Vec::new(),
            rooted: true,
            arena: Bump::new(),
            findings: Findings::default(),
        }
    }

    /// The inodes that the first walk did not reach.
    pub fn lost(&self) -> Option<&Marks> {
        self.lost.as_deref()
    }

    /// Whether an inode that can be read is a directory.
    ///
    /// # Errors
    /// A damaged row.
    pub fn is_directory(&self, number: u64) -> Result<bool> {
        Ok(inode(self.set, &Bump::new(), number)?.is_some_and(|(_, inode)| inode.kind.is_dir()))
    }

    /// The next visits; `None`: there are no more. `start` begins at the next place: it gives `None` when there is none,
    /// and else what [`start`](Walker::start) gave.
    ///
    /// # Errors
    /// The first damaged row, unless losses are taken.
    pub fn batch(
        &mut self,
        start: &mut impl FnMut(&mut Self) -> Result<Option<Option<Visit<'a>>>>,
    ) -> Result<Option<Batch<'a>>> {
        let (mut visits, mut bytes) = (Vec::new(), 0);
        while visits.len() < MOST_VISITS && bytes < MOST_BYTES {
            let visit = match self.step()? {
                None => match start(self) {
                    Ok(Some(visit)) => visit,
                    Ok(None) => break,
                    Err(error) => self.set.tolerate(error).map(|()| None)?,
                },
                visit => visit,
            };
            if let Some(visit) = visit {
                bytes += visit.inode.size.min(MOST_BYTES) + (visit.shown().len() + visit.tree.len()) as u64;
                visits.push(visit);
            }
        }
        let batch = Batch { visits, findings: std::mem::take(&mut self.findings) };
        Ok(Some(batch).filter(|batch| !batch.visits.is_empty() || batch.findings.iter().next().is_some()))
    }

    /// Starts at an inode that was not met yet; gives it, if it is wanted and there.
    ///
    /// # Errors
    /// A damaged row.
    pub fn start(&mut self, start: &Start) -> Result<Option<Visit<'a>>> {
        self.path.clear();
        self.place.clear();
        self.rooted = start.root;
        self.arena.reset();
        if self.filter.excludes_path(b"") {
            return Ok(None);
        }
        let Some((row, inode)) = inode(self.set, &self.arena, start.number)? else {
            self.findings.add(Finding::new(&findings::NO_ROOT).with("inode", Value::Exact(start.number)));
            return Ok(None);
        };
        let wanted = self.filter.meets_path(b"");
        if let Some(known) = self.known(start.number)? {
            self.meet(&known, &start.tree)?;
        }
        let named = if start.root { Named::Whole(Vec::new()) } else { Named::Nowhere };
        let (number, tree) = (start.number, start.tree.clone());
        let notes = if start.root { Vec::new() } else { vec![&findings::LOST] };
        let mut visit = Visit { number, row, inode, named, tree, keymap: None, link: None, notes };
        check(&mut visit, None);
        if inode.kind.is_dir() {
            self.enter(&visit, wanted);
        }
        self.met.push(number)?;
        visit.notes.iter().for_each(|kind| self.findings.add(visit.finding(kind)));
        Ok(Some(visit).filter(|_| wanted))
    }

    /// Starts at names in something that is no directory.
    pub fn start_in(&mut self, number: u64, tree: &[u8]) {
        self.path.clear();
        self.place.clear();
        self.rooted = false;
        self.push(number, tree, None, true);
    }

    /// The next file or directory below the start; `None`: there are no more.
    ///
    /// # Errors
    /// The first damaged row, unless losses are taken.
    pub fn step(&mut self) -> Result<Option<Visit<'a>>> {
        while let Some(row) = self.next_row()? {
            self.arena.reset();
            match self.entry(&row) {
                Ok(None) => {}
                Ok(visit) => return Ok(visit),
                Err(error) => self.set.tolerate(error)?,
            }
        }
        Ok(None)
    }

    /// The next row of the directory at hand, or of one above.
    fn next_row(&mut self) -> Result<Option<Row<'a>>> {
        loop {
            let Some(frame) = self.frames.last_mut() else { return Ok(None) };
            let Some(rows) = &mut frame.rows else { return Ok(None) };
            if let Some(row) = rows.next()? {
                return Ok(Some(row));
            }
            self.leave();
        }
    }

    fn leave(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        self.report(&frame);
        self.place.truncate(frame.mark);
        let Some(above) = self.frames.last_mut() else { return };
        if above.rows.is_none() {
            // Behind the name that led here.
            let slash = usize::from(above.path > 0);
            let name = self.path.get(above.path + slash..frame.path).unwrap_or_default();
            let mut from = key::entry(above.number, name);
            from.push(0);
            above.rows = Some(rows_of(self.set, above.number, from));
        }
        self.path.truncate(above.path);
    }

    /// What shows when all names of a directory are known.
    fn report(&mut self, frame: &Frame<'_, '_>) {
        let told = self.rooted && frame.path <= MOST_WHOLE;
        let shown = if told { &self.path[..frame.path] } else { &self.place[frame.tree.clone()] };
        let finding = |kind| Finding::new(kind).with("path", shown).with("inode", Value::Exact(frame.number));
        match frame.links {
            // With a filter not all of them were seen.
            Some(links) if u64::from(links) != frame.children + 2 && self.filter.is_trivial() => {
                let finding = finding(&findings::NLINK).with("nlink", u64::from(links));
                self.findings.add(finding.with("found", frame.children + 2));
            }
            None => self.findings.add(finding(&findings::UNREACHABLE).with("names", frame.names)),
            Some(_) => {}
        }
    }

    fn enter(&mut self, visit: &Visit<'_>, wanted: bool) {
        self.push(visit.number, &visit.tree, Some(visit.inode.nlink), wanted);
    }

    fn push(&mut self, number: u64, tree: &[u8], links: Option<u32>, wanted: bool) {
        let mark = self.place.len();
        let above = self.frames.last().map(|frame| frame.tree.start);
        // What goes on from the directory above stands there already.
        let goes_on = |start: &usize| tree.starts_with(&self.place[*start..]);
        let start = above.filter(goes_on).unwrap_or(mark);
        let known = mark - start;
        self.place.extend_from_slice(&tree[known..]);
        if let Some(far) = self.frames.len().checked_sub(MOST_OPEN) {
            self.frames[far].rows = None;
        }
        let rows = Some(rows_of(self.set, number, key::numbers(Family::FsEntry, &[number])));
        let tree = start..self.place.len();
        let path = self.path.len();
        self.frames.push(Frame { number, path, tree, mark, rows, children: 0, links, names: 0, wanted });
    }

    /// Follows a name.
    fn entry(&mut self, row: &Row<'a>) -> Result<Option<Visit<'a>>> {
        // The census has told of a malformed key; the server does not see such a name.
        let Ok(key) = EntryKey::parse(Family::FsEntry.suffix(row.user_key)) else { return Ok(None) };
        let Some(frame) = self.frames.last_mut() else { return Ok(None) };
        frame.names += 1;
        let (above, inside) = (frame.path, frame.wanted);
        self.path.truncate(above);
        if above > 0 {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(&key.name);
        // Asked even inside: a pattern that names it has taken something.
        let wanted = self.filter.meets_path(&self.path) || inside;
        if self.filter.excludes_path(&self.path) || !(wanted || self.filter.may_take_below(&self.path)) {
            return Ok(None);
        }
        let entry = Entry::parse(&self.arena, row.body);
        let entry = entry.map_err(|fault| self.set.locate(row.fault(Family::FsEntry, fault)))?;
        let Some((child, inode)) = inode(self.set, &self.arena, entry.inode)? else {
            let shown = self.shown(&key.name);
            if wanted {
                self.findings.add(
                    Finding::new(&findings::DANGLING)
                        .with("path", shown.as_slice())
                        .with("inode", Value::Exact(entry.inode)),
                );
            }
            return Ok(None);
        };
        if inode.kind.is_dir() && self.path.len() > MOST_PATH {
            let error = Error::new(ErrorKind::FsPath(self.path.len())).at(row.offset);
            let error = error.row(Family::FsEntry, row.user_key);
            return Err(self.set.locate(RowError { group: row.group, error }));
        }
        self.count_directory(&inode);
        let visit = self.visit(&key, &entry, child, inode);
        self.take(visit, &entry, &key, wanted)
    }

    fn count_directory(&mut self, inode: &Inode) {
        if let Some(frame) = self.frames.last_mut() {
            frame.children += u64::from(inode.kind.is_dir());
        }
    }

    fn visit(&self, key: &EntryKey<'_>, entry: &Entry, row: Row<'a>, inode: Inode) -> Visit<'a> {
        let dir = self.frames.last().map(|frame| &self.place[frame.tree.clone()]).unwrap_or_default();
        let placed = self.names.place(dir, &key.name, entry.inode, inode.kind.is_dir());
        let keymap = placed.keymap.map(|kind| (kind, key.name.to_vec()));
        let notes = if placed.apart { vec![&findings::APART] } else { Vec::new() };
        let named = self.named(&key.name);
        Visit { number: entry.inode, row, inode, named, tree: placed.path, keymap, link: None, notes }
    }

    /// How the path at hand is told, which ends in this name. In the root the name is the path; a directory that was not
    /// asked for has no line.
    fn named(&self, name: &[u8]) -> Named {
        let long = |above: &&Frame<'_, '_>| above.wanted && above.path > 0 && self.path.len() > MOST_WHOLE;
        match self.frames.last().filter(long) {
            _ if !self.rooted => Named::Nowhere,
            Some(above) => Named::Below(above.number, name.to_vec()),
            None => Named::Whole(self.path.clone()),
        }
    }

    /// Meets what a name leads to: for the first time, or again.
    fn take(
        &mut self,
        mut visit: Visit<'a>,
        entry: &Entry,
        key: &EntryKey<'_>,
        wanted: bool,
    ) -> Result<Option<Visit<'a>>> {
        let is_dir = visit.inode.kind.is_dir();
        let takes = wanted && (is_dir || self.filter.takes_size(visit.inode.size));
        if !takes && !is_dir {
            return Ok(None);
        }
        let known = self.known(visit.number)?;
        match known.filter(|known| known.mark.is_met()) {
            Some(known) if is_dir => {
                let first = self.first(&known)?;
                self.findings.add(visit.finding(&findings::CYCLE).with("first", first.as_slice()));
                return Ok(None);
            }
            Some(known) => {
                (visit.link, visit.keymap) = (Some(self.first(&known)?), None);
                visit.notes.clear();
            }
            None => {
                known.map_or(Ok(()), |known| self.meet(&known, &visit.tree))?;
                self.met.push(visit.number)?;
            }
        }
        check(&mut visit, Some((key, entry, known.map_or(1, |known| known.mark.names))));
        if is_dir {
            self.enter(&visit, wanted);
        }
        if takes {
            visit.notes.iter().for_each(|kind| self.findings.add(visit.finding(kind)));
        }
        Ok(Some(visit).filter(|_| takes))
    }

    /// What is known of an inode that can be met twice.
    fn known(&self, number: u64) -> Result<Option<Known>> {
        let lost = self.lost.as_ref().map_or(Ok(None), |lost| lost.find(number))?;
        match lost {
            Some(mark) => Ok(Some(Known { mark, lost: true })),
            None => Ok(self.marks.find(number)?.map(|mark| Known { mark, lost: false })),
        }
    }

    /// Where an inode was met first.
    fn first(&self, known: &Known) -> Result<Vec<u8>> {
        match &self.lost {
            Some(lost) if known.lost => lost.path(&known.mark),
            _ => self.marks.path(&known.mark),
        }
    }

    fn meet(&mut self, known: &Known, tree: &[u8]) -> Result<()> {
        match &mut self.lost {
            Some(lost) if known.lost => lost.meet(self.tree, &known.mark, tree),
            _ => self.marks.meet(self.tree, &known.mark, tree),
        }
    }

    /// A path for a finding: from the root, or the place of the directory and the name.
    fn shown(&self, name: &[u8]) -> Vec<u8> {
        match self.frames.last() {
            Some(frame) if !self.rooted || self.path.len() > MOST_WHOLE => {
                [&self.place[frame.tree.clone()], b"/", name].concat()
            }
            _ => self.path.clone(),
        }
    }
}

/// Notes what is odd about an inode; with a name, about that too. The number tells how many names there are.
fn check(visit: &mut Visit<'_>, named: Option<(&EntryKey<'_>, &Entry, u64)>) {
    let inode = &visit.inode;
    let (is_dir, unlinked) = (inode.kind.is_dir(), inode.is_unlinked());
    let mut note = |odd: bool, kind: &'static report::Kind| visit.notes.extend(odd.then_some(kind));
    note(inode.number != visit.number, &findings::INODE_KEY);
    note(inode.kind == Kind::Other, &findings::UNKNOWN_TYPE);
    note(unlinked, &findings::UNLINKED);
    if let Some((key, entry, names)) = named {
        note(!key.has_good_name(), &findings::BAD_NAME);
        note(entry.kind.is_dir() != is_dir, &findings::TYPE);
        note(!is_dir && !unlinked && u64::from(inode.nlink) != names, &findings::NLINK);
    }
}

fn rows_of<'w, 'a>(set: &'w DataSet<'a>, directory: u64, from: Vec<u8>) -> RangeIter<'w, 'a> {
    let end = after_prefix(&key::numbers(Family::FsEntry, &[directory]));
    set.range(Family::FsEntry, from, end)
}
