//! The file system as an index: a row for each file and directory in `fs/files/part-….parquet`, in the order of the walk, together with the
//! `report.json` of every layout.
//!
//! The content of files is not written, only measured. A walk has one thread, and its rows are few bytes: they are one task.

use bumpalo::Bump;

use super::sets::To;
use crate::adapters::fs::{
    Census, Chunks, Deleted, Extents, Inputs, InternalRows, Unreached, Walk, compare_usage, home_note, skip_content,
};
use crate::dataset::DataSet;
use crate::error::{Error, Result};
use crate::format::adapter;
use crate::layouts::fs::report::{self, Counted};
use crate::layouts::rows::fs::{Rows, shown};
use crate::model::fs::{Found, Node, Reference, Subject, Visitor};
use crate::options::ObjectName;
use crate::output::split::{SplitOutput, Tally};
use crate::report::{Finding, Findings, Level, Value};
use crate::run::Job;
use crate::run::sort::Sorted;

/// Rows of the found files, and findings about homes.
struct Index<'i, 'a, 't> {
    rows: Rows<'i, To<'t, SplitOutput<'t>>>,
    set: &'i DataSet<'a>,
    arena: Bump,
    findings: Findings,
    /// The scope of the manifest in which the next rows are counted.
    scope: &'static str,
    tally: Tally,
    failed: Option<Error>,
}

/// Writes the index of the file system, if there is one.
///
/// # Errors
/// The first damaged row that an inode or a name needs, or a failed write.
pub(crate) fn files(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let (set, options) = (job.set, job.options);
    let inputs = Inputs { set, filter: &options.filter, scratch: job.tree, progress: job.progress };
    if !inputs.have_rows()? {
        return Ok(());
    }
    let rows = Rows::new(To::new(SplitOutput::new(job.tree), options.parquet_size()), job.tree)?;
    let mut index = Index::new(rows, set);
    let mut census = Census::take(inputs, &mut index.findings)?;
    let met = index.walk(Walk::from_root(inputs, &mut census))?;
    if !options.filter.is_trivial() {
        // Parts that were not requested were not reached either.
        index.finish(job)?;
        return report::write(job, None);
    }
    let Census { mut links, unreachable } = census;
    let mut unreached = Unreached::find(inputs, met, &mut index.findings)?;
    index.scope = "lost+found";
    index.walk(Walk::of_lost(inputs, &mut links, unreachable, &mut unreached))?;
    if options.include_orphans {
        index.scope = "orphans";
        let mut deleted = Deleted::new(set, &mut unreached);
        while deleted.advance(&mut index)? {
            index.check()?;
        }
        index.check()?;
    }
    let internal = InternalRows::read(inputs, &mut index.findings)?;
    let chunks = Chunks::read(inputs, &internal, &mut index.findings)?;
    compare_usage(&unreached, &chunks, &internal, &mut index.findings);
    index.finish(job)?;
    report::write(job, Some(&Counted { unreached: &unreached, chunks, internal: &internal }))
}

/// Writes the row of one file, or those of a directory with everything below it.
///
/// # Errors
/// As [`files`].
pub(crate) fn file(job: &mut Job<'_, '_, '_>, name: &ObjectName) -> Result<()> {
    job.only(name, files)
}

impl<'i, 'a, 't> Index<'i, 'a, 't> {
    fn new(rows: Rows<'i, To<'t, SplitOutput<'t>>>, set: &'i DataSet<'a>) -> Self {
        let (arena, findings, tally) = (Bump::new(), Findings::default(), Tally::default());
        Index { rows, set, arena, findings, scope: "tree", tally, failed: None }
    }

    /// Walks to the end; returns the numbers of the inodes that were met.
    fn walk(&mut self, mut walk: Walk<'_, '_, '_>) -> Result<Sorted<u64>> {
        while walk.advance(self)? {
            self.check()?;
            self.findings.merge(walk.take_findings());
        }
        self.check()?;
        self.findings.merge(walk.take_findings());
        walk.into_met()
    }

    fn check(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)?;
        self.rows.check()
    }

    fn finish(self, job: &mut Job<'_, '_, 't>) -> Result<()> {
        job.collector.findings.merge(self.findings);
        job.collector.tally.merge(self.tally);
        job.collector.take(self.rows.into_sink().finish()?)
    }

    /// The stored bytes of a file.
    fn stored(&self, node: &Node) -> Result<u64> {
        let mut extents = Extents::new(self.set, node);
        let mut stored = 0;
        loop {
            match extents.next() {
                Ok(Some((_, bytes))) => stored += bytes.len() as u64,
                Ok(None) => return Ok(stored),
                Err(error) => return skip_content(self.set, node, error).map(|()| stored),
            }
        }
    }

    /// Checks the home of an inode: only warnings are reported, because a row has no place for notes.
    fn home(&mut self, found: &Found<'_>) {
        self.arena.reset();
        match home_note(self.set, &self.arena, &found.node) {
            Ok(Some(kind)) if kind.level == Level::Warning => {
                let finding = Finding::new(kind).with("path", &*shown(&found.name));
                self.findings.add(finding.with("inode", Value::Exact(found.node.number)));
            }
            Ok(_) => {}
            Err(error) => self.failed = self.failed.take().or(Some(error)),
        }
    }
}

impl Visitor for Index<'_, '_, '_> {
    fn enter(&mut self, directory: &Found<'_>, wanted: bool) {
        if wanted {
            self.home(directory);
            self.tally.add(adapter::FS, self.scope, "directories", 1, 0);
        }
        self.rows.enter(directory, wanted);
    }

    fn enter_unreachable(&mut self, number: u64) {
        self.rows.enter_unreachable(number);
    }

    fn leave(&mut self) {
        self.rows.leave();
    }

    fn file(&mut self, file: &Found<'_>) {
        self.home(file);
        let is_dir = file.node.inode.kind.is_dir();
        match if is_dir { Ok(0) } else { self.stored(&file.node) } {
            Ok(bytes) => {
                self.tally.add(adapter::FS, self.scope, if is_dir { "directories" } else { "files" }, 1, bytes)
            }
            Err(error) => self.failed = self.failed.take().or(Some(error)),
        }
        self.rows.file(file);
    }

    fn further_name(&mut self, file: &Found<'_>, first: Reference) -> Result<()> {
        self.home(file);
        self.tally.add(adapter::FS, self.scope, "links", 1, 0);
        self.rows.further_name(file, first)
    }

    fn refer(&mut self, found: &Found<'_>) -> Result<Reference> {
        self.rows.refer(found)
    }

    fn path_of(&self, subject: &Subject<'_>) -> Result<Vec<u8>> {
        self.rows.path_of(subject)
    }
}
