//! Writes one batch of files and directories, and their lines.

use bumpalo::Bump;

use super::digest::{MOST_ZEROS, Summer};
use super::findings;
use super::names::{self, Names};
use super::plan::{Batch, Planned};
use super::render::{self, Content};
use crate::adapters::fs::{Extents, home_note, skip_content, too_large};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::adapter;
use crate::format::fs::Inode;
use crate::output::checksums::Sum;
use crate::output::fs_metadata::METADATA;
use crate::output::members::{Attributes, Member, MemberKind};
use crate::output::names::keymap_line;
use crate::output::split::SplitOutput;
use crate::output::tree::Tree;
use crate::report::{Level, Value};

/// Names that cannot be recovered from their encoding.
pub const KEYMAP: &str = "fs/KEYMAP.jsonl";

/// The context of every task.
#[derive(Clone, Copy)]
pub struct Context<'c, 'a, 't> {
    /// The inputs.
    pub set: &'c DataSet<'a>,
    /// The output.
    pub tree: &'t Tree,
    /// How names are made.
    pub names: Names,
    /// The scope of the manifest in which this is counted.
    pub scope: &'static str,
}

/// One of them.
pub(super) struct Task<'c, 'a, 't> {
    pub cx: Context<'c, 'a, 't>,
    pub out: SplitOutput<'t>,
    lines: usize,
    arena: Bump,
}

/// Writes a batch.
///
/// # Errors
/// A file that cannot be written, or an input that changed.
pub fn write<'t>(cx: Context<'_, '_, 't>, batch: Batch) -> Result<SplitOutput<'t>> {
    let mut out = SplitOutput::new(cx.tree);
    out.findings = batch.findings;
    let lines = out.log(METADATA);
    let mut task = Task { cx, out, lines, arena: Bump::new() };
    for planned in batch.planned {
        task.write(planned)?;
        task.arena.reset();
    }
    Ok(task.out)
}

impl Task<'_, '_, '_> {
    fn write(&mut self, mut planned: Planned) -> Result<()> {
        self.home(&mut planned)?;
        self.folder(&planned)?;
        let (kind, content) = match () {
            () if planned.node.inode.kind.is_dir() => {
                self.directory(&planned)?;
                ("directories", None)
            }
            () if planned.link.is_some() => {
                if planned.has_place(self.cx.names) {
                    self.member(&planned, MemberKind::Link);
                }
                ("links", None)
            }
            () => ("files", Some(self.file(&mut planned)?)),
        };
        let bytes = content.map_or(0, |content| content.stored);
        self.out.tally.add(adapter::FS, self.cx.scope, kind, 1, bytes);
        if let Some((kind, name)) = &planned.keymap {
            let encoded = planned.tree.strip_prefix(b"fs/").unwrap_or(&planned.tree);
            keymap_line(encoded, name, kind, self.out.lines(KEYMAP));
        }
        if self.out.is_observed() {
            return self.tell(&planned, content.as_ref());
        }
        let mut line = self.out.grow_log(self.lines);
        let done = render::line(self.cx.set, &planned, content.as_ref(), self.cx.names, &mut line);
        self.out.end(line, done).map(drop)
    }

    fn directory(&mut self, planned: &Planned) -> Result<()> {
        self.member(planned, MemberKind::Directory);
        // In an archive nothing else is needed.
        if self.cx.tree.knows_names() { self.out.enter(&planned.tree).map(drop) } else { Ok(()) }
    }

    /// Makes a folder that is not a directory of the file system, if the archive needs it.
    fn folder(&mut self, planned: &Planned) -> Result<()> {
        match names::folder(&planned.tree) {
            Some(folder) if !self.cx.tree.knows_names() => self.out.enter(folder).map(drop),
            _ => Ok(()),
        }
    }

    fn member(&mut self, planned: &Planned, kind: MemberKind) {
        let Inode { mode, uid, gid, atime, mtime, ctime, .. } = planned.node.inode;
        let attributes = Attributes { mode, uid, gid, atime, mtime, ctime };
        let link = planned.link.clone().unwrap_or_default();
        let late = names::is_apart(&planned.tree) || names::is_apart(&link);
        self.out.member(&Member { path: planned.tree.clone(), kind, attributes, link, late });
    }

    /// Readers use the inode: what its home says is only noted.
    fn home(&mut self, planned: &mut Planned) -> Result<()> {
        if let Some(kind) = home_note(self.cx.set, &self.arena, &planned.node)? {
            planned.notes.push(kind);
            if kind.level == Level::Warning {
                self.out.findings.add(planned.finding(kind));
            }
        }
        Ok(())
    }

    fn file(&mut self, planned: &mut Planned) -> Result<Content> {
        let content = match self.body(planned) {
            Ok(content) => content,
            Err(error) => {
                let too_big = error.is_too_big();
                let most = "the output's file system can hold";
                let error = if too_big { too_large(self.cx.set, &planned.node, most) } else { error };
                skip_content(self.cx.set, &planned.node, error)?;
                Content { sum: None, stored: self.stored(planned)?, fingerprint: None }
            }
        };
        if matches!(content.sum, Some(Sum::Extents(_))) {
            planned.notes.push(&findings::EXTENTS);
            self.out
                .findings
                .add(planned.finding(&findings::EXTENTS).with("size", Value::Exact(planned.node.inode.size)));
        }
        Ok(content)
    }

    /// The stored bytes of a file.
    fn stored(&self, planned: &Planned) -> Result<u64> {
        let mut extents = Extents::new(self.cx.set, &planned.node);
        let mut stored = 0;
        while let Some((_, bytes)) = extents.next()? {
            stored += bytes.len() as u64;
        }
        Ok(stored)
    }

    /// Bytes of holes, if they matter before a file is read: a small file cannot have many.
    pub(super) fn holes(&self, planned: &Planned) -> Result<u64> {
        let size = planned.node.inode.size;
        if size > MOST_ZEROS { Ok(size - self.stored(planned)?) } else { Ok(0) }
    }

    fn body(&mut self, planned: &Planned) -> Result<Content> {
        let size = planned.node.inode.size;
        if i64::try_from(size).is_err() {
            return Err(too_large(self.cx.set, &planned.node, "2^63-1"));
        }
        if self.out.is_observed() {
            return self.looked_at(planned);
        }
        let (mut sum, mut at, mut stored) = (Summer::new(self.holes(planned)?, !self.out.tree().is_check()), 0, 0);
        let (dir, name) = self.out.place_known(&planned.tree)?;
        let mut file = self.out.grow_known(&dir, name);
        let mut extents = Extents::new(self.cx.set, &planned.node);
        while let Some((offset, bytes)) = extents.next()? {
            if offset > at {
                file.skip(offset - at)?;
            }
            file.write(bytes)?;
            sum.add(offset, bytes);
            stored += bytes.len() as u64;
            at = offset + bytes.len() as u64;
        }
        if size > at {
            file.skip(size - at)?;
        }
        let sum = sum.finish(size);
        let place = self.out.finish_known(file, sum)?;
        self.member(planned, MemberKind::File(place));
        Ok(Content { sum: Some(sum), stored, fingerprint: None })
    }
}
