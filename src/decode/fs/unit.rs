//! One batch of files and directories: written, with their lines.

use bumpalo::Bump;

use super::body::{Extents, MOST_ZEROS, Summer};
use super::findings;
use super::names::{self, Names};
use super::render::{self, Content};
use super::walk::{Batch, Visit};
use crate::dataset::{DataSet, KeyRange, RowError};
use crate::error::{Error, ErrorKind, Result};
use crate::format::fs::{Home, HomeState, Inode, key};
use crate::format::{Adapter, Family};
use crate::output::checksums::Sum;
use crate::output::members::{Attributes, Member, MemberKind};
use crate::output::names::keymap_line;
use crate::output::tree::Tree;
use crate::output::unit::UnitOut;
use crate::report::Value;

/// Lines about all files and directories.
pub const METADATA: &str = "fs/metadata.jsonl";
/// Names that cannot be told from their encoding.
const KEYMAP: &str = "fs/KEYMAP.jsonl";

/// What every unit works with.
#[derive(Clone, Copy)]
pub struct Context<'c, 'a, 't> {
    /// The inputs.
    pub set: &'c DataSet<'a>,
    /// The output.
    pub tree: &'t Tree,
    /// How names are made.
    pub names: Names,
    /// Under which scope of the manifest this is counted.
    pub scope: &'static str,
}

struct Unit<'c, 'a, 't> {
    cx: Context<'c, 'a, 't>,
    out: UnitOut<'t>,
    lines: usize,
    arena: Bump,
}

/// Writes a batch.
///
/// # Errors
/// A file that cannot be written, or an input that changed.
pub fn write<'a, 't>(cx: Context<'_, 'a, 't>, batch: Batch<'a>) -> Result<UnitOut<'t>> {
    let mut out = UnitOut::new(cx.tree);
    out.findings = batch.findings;
    let lines = out.log(METADATA);
    let mut unit = Unit { cx, out, lines, arena: Bump::new() };
    for visit in batch.visits {
        unit.visit(visit)?;
        unit.arena.reset();
    }
    Ok(unit.out)
}

impl<'a> Unit<'_, 'a, '_> {
    fn visit(&mut self, mut visit: Visit<'a>) -> Result<()> {
        self.home(&mut visit)?;
        self.folder(&visit)?;
        let (kind, content) = match () {
            () if visit.inode.kind.is_dir() => {
                self.directory(&visit)?;
                ("directories", None)
            }
            () if visit.link.is_some() => {
                self.member(&visit, MemberKind::Link);
                ("links", None)
            }
            () => ("files", Some(self.file(&mut visit)?)),
        };
        let bytes = content.map_or(0, |content| content.stored);
        self.out.tally.add(Adapter::Fs, self.cx.scope, kind, 1, bytes);
        if let Some((kind, name)) = &visit.keymap {
            let encoded = visit.tree.strip_prefix(b"fs/").unwrap_or(&visit.tree);
            keymap_line(encoded, name, kind, self.out.lines(KEYMAP));
        }
        let mut line = self.out.grow_log(self.lines);
        let done = render::line(self.cx.set, &visit, content.as_ref(), self.cx.names, &mut line);
        self.out.end(line, done).map(drop)
    }

    fn directory(&mut self, visit: &Visit<'_>) -> Result<()> {
        self.member(visit, MemberKind::Directory);
        // In an archive that is all.
        if self.cx.tree.knows_names() { self.out.enter(&visit.tree).map(drop) } else { Ok(()) }
    }

    /// Makes a folder that is no directory of the file system, where only an archive needs that.
    fn folder(&mut self, visit: &Visit<'_>) -> Result<()> {
        match names::folder(&visit.tree) {
            Some(folder) if !self.cx.tree.knows_names() => self.out.enter(folder).map(drop),
            _ => Ok(()),
        }
    }

    fn member(&mut self, visit: &Visit<'_>, kind: MemberKind) {
        let Inode { mode, uid, gid, atime, mtime, ctime, .. } = visit.inode;
        let attributes = Attributes { mode, uid, gid, atime, mtime, ctime };
        let link = visit.link.clone().unwrap_or_default();
        let late = names::is_apart(&visit.tree) || names::is_apart(&link);
        self.out.member(&Member { path: visit.tree.clone(), kind, attributes, link, late });
    }

    /// Readers go by the inode: what its home says is only looked at.
    fn home(&mut self, visit: &mut Visit<'_>) -> Result<()> {
        let set = self.cx.set;
        let row = set.get(&key::numbers(Family::FsHome, &[visit.number]))?;
        let kind = match row.map(|row| Home::parse(&self.arena, row.body)) {
            None => &findings::HOME_MISSING,
            // The pass over all homes tells of those that cannot be read.
            Some(Err(_)) => return Ok(()),
            Some(Ok(home)) if !home.agrees(&visit.inode) => &findings::HOME_STALE,
            Some(Ok(home)) if home.state == HomeState::Migrating => {
                visit.notes.push(&findings::MOVE_PENDING);
                return Ok(());
            }
            Some(Ok(_)) => return Ok(()),
        };
        visit.notes.push(kind);
        self.out.findings.add(visit.finding(kind));
        Ok(())
    }

    fn file(&mut self, visit: &mut Visit<'a>) -> Result<Content> {
        let content = match self.body(visit) {
            Ok(content) => content,
            Err(error) => {
                let too_big = error.is_too_big();
                let error = if too_big { self.too_large(visit, "the output's file system can hold") } else { error };
                let chunks = key::numbers(Family::FsChunk, &[visit.inode.home_slot, visit.number]);
                self.cx.set.tolerate_object(error, vec![KeyRange::below(&chunks)], &|_| true)?;
                Content { sum: None, stored: self.stored(visit)? }
            }
        };
        if matches!(content.sum, Some(Sum::Extents(_))) {
            visit.notes.push(&findings::EXTENTS);
            self.out.findings.add(visit.finding(&findings::EXTENTS).with("size", Value::Exact(visit.inode.size)));
        }
        Ok(content)
    }

    /// How many bytes of a file are stored.
    fn stored(&self, visit: &Visit<'_>) -> Result<u64> {
        let mut extents = Extents::new(self.cx.set, visit.number, &visit.inode);
        let mut stored = 0;
        while let Some((_, bytes)) = extents.next()? {
            stored += bytes.len() as u64;
        }
        Ok(stored)
    }

    /// Bytes of holes, as far as they matter before a file is read: in a small one there cannot be many.
    fn holes(&self, visit: &Visit<'_>) -> Result<u64> {
        let size = visit.inode.size;
        if size > MOST_ZEROS { Ok(size - self.stored(visit)?) } else { Ok(0) }
    }

    fn body(&mut self, visit: &Visit<'a>) -> Result<Content> {
        let size = visit.inode.size;
        if i64::try_from(size).is_err() {
            return Err(self.too_large(visit, "2^63-1"));
        }
        let (mut sum, mut at, mut stored) = (Summer::new(self.holes(visit)?), 0, 0);
        let (dir, name) = self.out.place_known(&visit.tree)?;
        let mut file = self.out.grow_known(&dir, name);
        let mut extents = Extents::new(self.cx.set, visit.number, &visit.inode);
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
        self.member(visit, MemberKind::File(place));
        Ok(Content { sum: Some(sum), stored })
    }

    #[cold]
    fn too_large(&self, visit: &Visit<'_>, most: &'static str) -> Error {
        let kind = ErrorKind::FsSize { inode: visit.number, size: visit.inode.size, most };
        let error = Error::new(kind).at(visit.row.offset).row(Family::FsInode, visit.row.user_key);
        self.cx.set.locate(RowError { group: visit.row.group, error })
    }
}
