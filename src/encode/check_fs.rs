//! Files and directories of the finished snapshot, read again as a decode walks them.

use std::path::Path;

use bumpalo::Bump;

use super::fingerprints::Fingerprints;
use crate::adapters::fs::{Census, Extents, Inputs, Unreached, Walk, home_note};
use crate::dataset::DataSet;
use crate::decode::Progress;
use crate::error::{Error, Result};
use crate::model::fs::{Found, InodeVisitor as _, Name, Node, Reference, Subject, Visitor};
use crate::options::Options as Decode;
use crate::report::Findings;
use crate::run::scratch::Below;

/// Gives all inodes that names lead to, and those that none does.
///
/// # Errors
/// What a decode of them would give; an inode that could not be written.
pub(super) fn files(
    set: &DataSet<'_>,
    options: &Decode,
    scratch: &Path,
    progress: &dyn Progress,
    fingerprints: &mut Fingerprints,
) -> Result<()> {
    let scratch = Below(scratch);
    let inputs = Inputs { set, filter: &options.filter, scratch: &scratch, progress };
    if !inputs.have_rows()? {
        return Ok(());
    }
    let mut findings = Findings::default();
    let mut census = Census::take(inputs, &mut findings)?;
    let mut seen = Seen { set, fingerprints, above: Vec::new(), files: Vec::new(), failed: Ok(()), arena: Bump::new() };
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
    seen.contents()
}

/// What a walk gives.
struct Seen<'s, 'a> {
    set: &'s DataSet<'a>,
    fingerprints: &'s mut Fingerprints,
    /// Numbers of the directories that the walk is in.
    above: Vec<u64>,
    /// Files whose contents were not read yet.
    files: Vec<Node>,
    failed: Result<()>,
    arena: Bump,
}

impl Seen<'_, '_> {
    fn inode(&mut self, found: &Found<'_>) {
        let taken =
            self.name(found).and_then(|()| self.fingerprints.inode(&found.node)).and_then(|()| self.home(&found.node));
        self.fail(taken);
    }

    fn name(&mut self, found: &Found<'_>) -> Result<()> {
        let (Name::Entry { name, .. }, Some(parent)) = (found.name, self.above.last()) else { return Ok(()) };
        self.fingerprints.name(*parent, name, &found.node)
    }

    /// It must be where writers look for it.
    fn home(&mut self, node: &Node) -> Result<()> {
        self.arena.reset();
        match home_note(self.set, &self.arena, node)? {
            None => Ok(()),
            Some(kind) => Err(Error::internal(format!("inode {} was written with {}", node.number, kind.event))),
        }
    }

    fn fail(&mut self, taken: Result<()>) {
        if self.failed.is_ok() {
            self.failed = taken;
        }
    }

    /// Reads the contents of the files that were given.
    fn contents(&mut self) -> Result<()> {
        std::mem::replace(&mut self.failed, Ok(()))?;
        for file in std::mem::take(&mut self.files) {
            let mut extents = Extents::new(self.set, &file);
            while let Some((offset, bytes)) = extents.next()? {
                self.fingerprints.content(&file, offset, bytes)?;
            }
            self.fingerprints.end_content(&file)?;
        }
        Ok(())
    }
}

impl Visitor for Seen<'_, '_> {
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
