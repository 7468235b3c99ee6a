//! Reads the whole file system, for a visitor that takes inodes, names and contents one by one.

use bumpalo::Bump;

use super::{Census, Extents, Inputs, Unreached, Walk, home_note};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::model::fs::{Found, InodeVisitor, Name, Node, Reference, Subject, Visitor};
use crate::options::Options;
use crate::report::{Finding, Findings, Value};
use crate::run::{Progress, Scratch};

/// Gives all inodes that have a path from the root, then the lost ones. Returns the findings.
///
/// # Errors
/// The first damaged row, and the error of the visitor.
pub fn read_all(
    set: &DataSet<'_>,
    options: &Options,
    scratch: &dyn Scratch,
    progress: &dyn Progress,
    visitor: &mut impl InodeVisitor,
) -> Result<Findings> {
    let inputs = Inputs { set, filter: &options.filter, scratch, progress };
    let mut findings = Findings::default();
    if !inputs.have_rows()? {
        return Ok(findings);
    }
    let mut census = Census::take(inputs, &mut findings)?;
    let (above, files, homes) = (Vec::new(), Vec::new(), Findings::default());
    let mut seen = Seen { set, visitor, above, files, homes, failed: Ok(()), arena: Bump::new() };
    let mut walk = Walk::from_root(inputs, &mut census);
    while walk.advance(&mut seen)? {
        seen.contents()?;
    }
    seen.contents()?;
    let met = walk.into_met()?;
    let Census { mut links, unreachable } = census;
    let mut unreached = Unreached::find(inputs, met, &mut findings)?;
    let mut walk = Walk::of_lost(inputs, &mut links, unreachable, &mut unreached);
    while walk.advance(&mut seen)? {
        seen.contents()?;
    }
    seen.contents()?;
    findings.merge(seen.homes);
    Ok(findings)
}

/// Takes what a walk gives.
struct Seen<'s, 'a, V> {
    set: &'s DataSet<'a>,
    visitor: &'s mut V,
    /// Numbers of the directories from the start to the current one.
    above: Vec<u64>,
    /// Files whose contents were not read yet.
    files: Vec<Node>,
    /// Findings about inodes that are not where writers look for them.
    homes: Findings,
    failed: Result<()>,
    arena: Bump,
}

impl<V: InodeVisitor> Seen<'_, '_, V> {
    fn inode(&mut self, found: &Found<'_>) {
        let taken =
            self.name(found).and_then(|()| self.visitor.inode(&found.node)).and_then(|()| self.home(&found.node));
        self.fail(taken);
    }

    fn name(&mut self, found: &Found<'_>) -> Result<()> {
        let (Name::Entry { name, .. }, Some(parent)) = (found.name, self.above.last()) else { return Ok(()) };
        self.visitor.name(*parent, name, &found.node)
    }

    /// Readers find data by the inode, so a wrong home is only reported.
    fn home(&mut self, node: &Node) -> Result<()> {
        self.arena.reset();
        if let Some(kind) = home_note(self.set, &self.arena, node)? {
            self.homes.add(Finding::new(kind).with("inode", Value::Exact(node.number)));
        }
        Ok(())
    }

    fn fail(&mut self, taken: Result<()>) {
        if self.failed.is_ok() {
            self.failed = taken;
        }
    }

    /// Reads the contents of the collected files.
    fn contents(&mut self) -> Result<()> {
        std::mem::replace(&mut self.failed, Ok(()))?;
        for file in std::mem::take(&mut self.files) {
            let mut extents = Extents::new(self.set, &file);
            while let Some((offset, bytes)) = extents.next()? {
                self.visitor.content(&file, offset, bytes)?;
            }
            self.visitor.end_content(&file)?;
        }
        Ok(())
    }
}

impl<V: InodeVisitor> Visitor for Seen<'_, '_, V> {
    fn enter(&mut self, directory: &Found<'_>, _: bool) {
        self.inode(directory);
        self.above.push(directory.node.number);
    }

    fn enter_unreachable(&mut self, number: u64) {
        self.above.push(number);
    }

    fn leave(&mut self) {
        self.above.pop();
    }

    fn file(&mut self, file: &Found<'_>) {
        self.inode(file);
        self.files.push(file.node);
    }

    fn further_name(&mut self, file: &Found<'_>, _: Reference) -> Result<()> {
        self.name(file)
    }

    fn refer(&mut self, _: &Found<'_>) -> Result<Reference> {
        Ok(Reference(0))
    }

    fn path_of(&self, _: &Subject<'_>) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}
