//! The walk through the directories: depth first, names in the order of their bytes, in one thread.

use bumpalo::Bump;

use super::Inputs;
use super::census::Census;
use super::findings;
use super::links::{LinkTable, LinkTables};
use super::scan::node;
use super::stack::Stack;
use super::starts::{LostStarts, Start, Starts};
use super::unreached::Unreached;
use crate::dataset::{Row, RowError};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Family;
use crate::format::fs::{Entry, EntryKey, Kind, ROOT};
use crate::model::fs::{Found, Name, Node, Subject, Visitor};
use crate::report::{self, Finding, Findings, Value};
use crate::run::sort::{Sorted, Sorter};

/// Longest path of a directory that is entered.
const MOST_PATH: usize = 256 << 10;

/// A walk.
pub struct Walk<'w, 'r, 'a> {
    inputs: Inputs<'r, 'a>,
    starts: Starts,
    tables: LinkTables<'w, 'r>,
    /// Numbers of the inodes met so far.
    met: Sorter<'r, u64>,
    stack: Stack<'r, 'a>,
    arena: Bump,
    /// Problems of the current inode.
    notes: Vec<&'static report::Kind>,
    findings: Findings,
}

impl<'w, 'r, 'a> Walk<'w, 'r, 'a> {
    /// A walk from the root.
    pub fn from_root(inputs: Inputs<'r, 'a>, census: &'w mut Census<'r>) -> Self {
        Walk::new(inputs, Starts::Root(true), LinkTables { links: &mut census.links, lost: None })
    }

    /// Walks through the inodes that another walk did not reach. `unreachable`: inodes that have names in them but are not directories.
    pub fn of_lost(
        inputs: Inputs<'r, 'a>,
        links: &'w mut LinkTable<'r>,
        unreachable: Sorted<u64>,
        unreached: &'w mut Unreached<'r>,
    ) -> Self {
        let starts = Starts::Lost(LostStarts::new(unreachable));
        Walk::new(inputs, starts, LinkTables { links, lost: Some(&mut unreached.lost) })
    }

    fn new(inputs: Inputs<'r, 'a>, starts: Starts, tables: LinkTables<'w, 'r>) -> Self {
        Walk {
            inputs,
            starts,
            tables,
            met: Sorter::new(inputs.scratch, 0),
            stack: Stack::new(inputs.set),
            arena: Bump::new(),
            notes: Vec::new(),
            findings: Findings::default(),
        }
    }

    /// Takes the findings since the last call.
    pub fn take_findings(&mut self) -> Findings {
        std::mem::take(&mut self.findings)
    }

    /// The numbers of all inodes that were met, sorted.
    ///
    /// # Errors
    /// A temporary file cannot be read.
    pub fn into_met(self) -> Result<Sorted<u64>> {
        self.met.finish()
    }

    /// Continues until something was given or the next start is done; `false`: there is nothing left.
    ///
    /// # Errors
    /// The first damaged row, unless damage is skipped; the error of the visitor.
    pub fn advance(&mut self, visitor: &mut impl Visitor) -> Result<bool> {
        while let Some(row) = self.next_row(visitor)? {
            self.arena.reset();
            match self.entry(&row, visitor) {
                Ok(false) => {}
                Ok(true) => return Ok(true),
                Err(error) => self.inputs.set.skip(error)?,
            }
        }
        let started = self.start_next(visitor);
        started.or_else(|error| self.inputs.set.skip(error).map(|()| true))
    }

    fn start_next(&mut self, visitor: &mut impl Visitor) -> Result<bool> {
        match self.starts.next(self.inputs.set, self.tables.lost.as_deref())? {
            None => return Ok(false),
            Some(Start::Root) => self.start(ROOT, Name::Root, visitor)?,
            Some(Start::Lost(number)) => self.start(number, Name::Lost, visitor)?,
            Some(Start::Unreachable(number)) => {
                self.stack.start(false);
                visitor.enter_unreachable(number);
                self.stack.push(number, None, true);
            }
        }
        Ok(true)
    }

    /// Starts at an inode, if it was not met yet.
    fn start(&mut self, number: u64, name: Name<'_>, visitor: &mut impl Visitor) -> Result<()> {
        let rooted = name == Name::Root;
        self.stack.start(rooted);
        self.arena.reset();
        if self.inputs.filter.excludes_path(b"") {
            return Ok(());
        }
        let Some(node) = node(self.inputs.set, &self.arena, number)? else {
            self.findings.add(Finding::new(&findings::NO_ROOT).with("inode", Value::Exact(number)));
            return Ok(());
        };
        let wanted = self.inputs.filter.meets_path(b"");
        self.notes.clear();
        self.notes.extend((!rooted).then_some(&findings::LOST));
        check(&node, None, &mut self.notes);
        let found = Found { node, name, notes: &self.notes };
        if let Some(known) = self.tables.find(number)? {
            self.tables.meet(&known, visitor.refer(&found)?)?;
        }
        self.met.push(number)?;
        note(&found, visitor, &mut self.findings)?;
        if node.inode.kind.is_dir() {
            visitor.enter(&found, wanted);
            self.stack.push(number, Some(node.inode.nlink), wanted);
        } else if wanted {
            visitor.file(&found);
        }
        Ok(())
    }

    /// The next row of the current directory, or of one above it.
    fn next_row(&mut self, visitor: &mut impl Visitor) -> Result<Option<Row<'a>>> {
        while let Some(directory) = self.stack.top() {
            if let Some(row) = directory.next()? {
                return Ok(Some(row));
            }
            self.report(visitor)?;
            visitor.leave();
            self.stack.pop();
        }
        Ok(None)
    }

    /// Reports problems that show only when all names of the current directory are known.
    fn report(&mut self, visitor: &impl Visitor) -> Result<()> {
        let Some(directory) = self.stack.top() else { return Ok(()) };
        let (number, links, names, found) =
            (directory.number, directory.links, directory.names, directory.children + 2);
        let finding = |kind| -> Result<Finding> {
            let path = visitor.path_of(&Subject::Directory(self.stack.directory_from_root()))?;
            Ok(Finding::new(kind).with("path", path.as_slice()).with("inode", Value::Exact(number)))
        };
        match links.map(u64::from) {
            // With a filter not all of them were seen.
            Some(links) if links != found && self.inputs.filter.is_trivial() => {
                let finding = finding(&findings::NLINK)?;
                self.findings.add(finding.with("nlink", links).with("found", found));
            }
            None => self.findings.add(finding(&findings::UNREACHABLE)?.with("names", names)),
            Some(_) => {}
        }
        Ok(())
    }

    /// Follows a name; `true`: something was given.
    fn entry(&mut self, row: &Row<'a>, visitor: &mut impl Visitor) -> Result<bool> {
        // The census has reported a malformed key; the server does not see such a name.
        let Ok(key) = EntryKey::parse(Family::FsEntry.suffix(row.user_key)) else { return Ok(false) };
        let Some(inside) = self.stack.take_name(&key.name) else { return Ok(false) };
        let (filter, path) = (self.inputs.filter, self.stack.path());
        // The filter is asked even inside a wanted directory, so that it knows which patterns matched.
        let wanted = filter.meets_path(path) || inside;
        if filter.excludes_path(path) || !(wanted || filter.may_take_below(path)) {
            return Ok(false);
        }
        let entry = Entry::parse(&self.arena, row.body);
        let entry = entry.map_err(|fault| self.inputs.set.locate(row.fault(Family::FsEntry, fault)))?;
        let Some(node) = node(self.inputs.set, &self.arena, entry.inode)? else {
            if wanted {
                self.dangling(&key.name, entry.inode, visitor)?;
            }
            return Ok(false);
        };
        let is_dir = node.inode.kind.is_dir();
        if is_dir && path.len() > MOST_PATH {
            let error = Error::new(ErrorKind::FsPath(path.len())).at(row.offset);
            let error = error.row(Family::FsEntry, row.user_key);
            return Err(self.inputs.set.locate(RowError { group: row.group, error }));
        }
        if let Some(directory) = self.stack.top() {
            directory.children += u64::from(is_dir);
        }
        self.take(node, &entry, &key, wanted, visitor)
    }

    fn dangling(&mut self, name: &[u8], number: u64, visitor: &impl Visitor) -> Result<()> {
        let path = visitor.path_of(&Subject::Entry { name, path: self.stack.path_from_root() })?;
        let finding = Finding::new(&findings::DANGLING).with("path", path.as_slice());
        self.findings.add(finding.with("inode", Value::Exact(number)));
        Ok(())
    }

    /// Handles the target of a name, at the first or a later meeting; `true`: it was given.
    fn take(
        &mut self,
        node: Node,
        entry: &Entry,
        key: &EntryKey<'_>,
        wanted: bool,
        visitor: &mut impl Visitor,
    ) -> Result<bool> {
        let is_dir = node.inode.kind.is_dir();
        let takes = wanted && (is_dir || self.inputs.filter.takes_size(node.inode.size));
        if !takes && !is_dir {
            return Ok(false);
        }
        let known = self.tables.find(node.number)?;
        let names = known.map_or(1, |known| known.link.names);
        self.notes.clear();
        check(&node, Some((key, entry, names)), &mut self.notes);
        let name = Name::Entry { name: &key.name, path: self.stack.path_from_root() };
        let found = Found { node, name, notes: &self.notes };
        let first = known.and_then(|known| known.link.first);
        if let Some(first) = first.filter(|_| is_dir) {
            let first = visitor.path_of(&Subject::Reference(first))?;
            self.findings.add(finding(&findings::CYCLE, &found, visitor)?.with("first", first.as_slice()));
            return Ok(false);
        }
        if first.is_none() {
            if let Some(known) = known {
                self.tables.meet(&known, visitor.refer(&found)?)?;
            }
            self.met.push(node.number)?;
        }
        if takes {
            note(&found, visitor, &mut self.findings)?;
        }
        match first {
            Some(first) => visitor.further_name(&found, first)?,
            None if is_dir => {
                visitor.enter(&found, wanted);
                self.stack.push(node.number, Some(node.inode.nlink), wanted);
            }
            None => visitor.file(&found),
        }
        Ok(takes)
    }
}

/// A finding about an inode or entry.
#[cold]
fn finding(kind: &'static report::Kind, found: &Found<'_>, visitor: &impl Visitor) -> Result<Finding> {
    let path = visitor.path_of(&Subject::Found(found))?;
    Ok(Finding::new(kind).with("path", path.as_slice()).with("inode", Value::Exact(found.node.number)))
}

/// Reports its notes.
fn note(found: &Found<'_>, visitor: &impl Visitor, findings: &mut Findings) -> Result<()> {
    found.notes.iter().try_for_each(|kind| {
        findings.add(finding(kind, found, visitor)?);
        Ok(())
    })
}

/// Notes the problems of an inode and, with a name, of that name. The number is the count of its names.
fn check(node: &Node, named: Option<(&EntryKey<'_>, &Entry, u64)>, notes: &mut Vec<&'static report::Kind>) {
    let inode = &node.inode;
    let (is_dir, unlinked) = (inode.kind.is_dir(), inode.is_unlinked());
    let mut note = |odd: bool, kind: &'static report::Kind| notes.extend(odd.then_some(kind));
    note(inode.number != node.number, &findings::INODE_KEY);
    note(inode.kind == Kind::Other, &findings::UNKNOWN_TYPE);
    note(unlinked, &findings::UNLINKED);
    if let Some((key, entry, names)) = named {
        note(!key.has_good_name(), &findings::BAD_NAME);
        note(entry.kind.is_dir() != is_dir, &findings::TYPE);
        note(!is_dir && !unlinked && u64::from(inode.nlink) != names, &findings::NLINK);
    }
}
