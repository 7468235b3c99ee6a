//! Lists the files of a directory in the order of an archive.
//!
//! Members of the file system come last, each directory with its content, as in a decode to an archive. If their names are those of the
//! files, they also have their own owners, modes, times and links. All others come in the order of their paths, with the time of the
//! snapshot.

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::decode::Progress;
use crate::error::{Error, Result};
use crate::format::fs::Inode;
use crate::layouts::fs::read::places_of;
use crate::output::archive::{self, Copied, Packing};
use crate::output::fs_metadata::METADATA;
use crate::output::manifest_read::ReadManifest;
use crate::output::members::Attributes;
use crate::output::reading::{Entry, Output, broken, open_below};
use crate::output::single::SingleFile;
use crate::run::spill::{Sorted, Spill};
use crate::run::table::{Filling, Table};

/// Marks in the order of members: others, then those of the file system, then those of it that are not in their directories.
const OTHER: u8 = 0;
const OF_FS: u8 = 1;
const LATE: u8 = 2;
/// The prefix of the latter's paths.
const APART: &[u8] = b"fs/apart/";
/// The kind of an entry.
const DIRECTORY: u8 = b'd';
const FILE: u8 = b'f';

/// Writes the archive.
///
/// # Errors
/// An entry that is neither file nor directory; a failed read or write.
pub(super) fn write(
    output: &mut Output,
    file: &mut SingleFile,
    packing: Packing,
    threads: usize,
    progress: &dyn Progress,
) -> Result<()> {
    let manifest = ReadManifest::of(output)?;
    let root = output.root().cloned().ok_or_else(|| Error::internal("a directory was asked for"))?;
    let (mtime, plain) = (manifest.archive_time(), manifest.archive_nanos());
    let raw = manifest.options.fs_names == "raw";
    let attributes = attributes(output, &root, file, (!raw).then_some(plain))?;
    progress.begin("list", 1);
    let members = listed(output, &attributes, file)?;
    progress.advance(1);
    progress.begin("pack", 1);
    let scratch = file.scratch().to_path_buf();
    let mut members = Members { root, members, attributes, name: output.name().to_path_buf() };
    archive::write_copied(file, &mut |copied| members.give(copied), (mtime, &scratch), packing, threads)?;
    progress.advance(1);
    Ok(())
}

/// Attributes of the file system's members, by paths in the output; `plain`: they have no attributes of their own, except this time.
fn attributes(
    output: &Output,
    root: &Arc<std::os::fd::OwnedFd>,
    file: &SingleFile,
    plain: Option<i64>,
) -> Result<Option<Table>> {
    let mut metadata = match open_in(root, METADATA.as_bytes()) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(broken(&output.name().join(METADATA), e)),
    };
    let mut filling = Filling::new(file.scratch());
    let read = places_of(METADATA.as_bytes(), &mut metadata, &mut |path, inode, link| {
        let Inode { mode, uid, gid, atime, mtime, ctime, kind, .. } = *inode;
        let (attributes, link) = match plain {
            Some(time) => (Attributes::plain(kind.is_dir(), time), None),
            None => (Attributes { mode, uid, gid, atime, mtime, ctime }, link),
        };
        filling.push(path, &[&encoded(&attributes), link.unwrap_or_default()].concat())
    });
    read.map_err(|error| error.or_input(output.name()))?;
    filling.finish().map(Some)
}

fn encoded(attributes: &Attributes) -> Vec<u8> {
    let Attributes { mode, uid, gid, atime, mtime, ctime } = *attributes;
    let small = [mode, uid, gid].map(u32::to_le_bytes);
    let times = [atime, mtime, ctime].map(i64::to_le_bytes);
    [small.as_flattened(), times.as_flattened()].concat()
}

/// Attributes, and the file that it is another name of.
fn decoded(bytes: &[u8]) -> Option<(Attributes, Option<&[u8]>)> {
    let (small, rest) = bytes.split_first_chunk::<12>()?;
    let (times, link) = rest.split_first_chunk::<24>()?;
    let (small, _) = small.as_chunks::<4>();
    let (times, _) = times.as_chunks::<8>();
    let ([mode, uid, gid], [atime, mtime, ctime]) = (small, times) else { return None };
    let [mode, uid, gid] = [mode, uid, gid].map(|n| u32::from_le_bytes(*n));
    let [atime, mtime, ctime] = [atime, mtime, ctime].map(|n| i64::from_le_bytes(*n));
    Some((Attributes { mode, uid, gid, atime, mtime, ctime }, Some(link).filter(|link| !link.is_empty())))
}

/// Opens a file by its path: the directory was listed without following links, and the content is checked against its digest.
fn open_in(root: &Arc<std::os::fd::OwnedFd>, path: &[u8]) -> io::Result<File> {
    open_below(root, path)
}

/// All files and directories, in the order of members.
fn listed(output: &mut Output, attributes: &Option<Table>, file: &SingleFile) -> Result<Sorted> {
    let mut all = Spill::new(file.scratch());
    let name = output.name().to_path_buf();
    output.each(&mut |entry| match entry {
        Entry::Directory(path) => all.push(&key(path, attributes)?, &[DIRECTORY]),
        Entry::File(path, _) => all.push(&key(path, attributes)?, &[FILE]),
        Entry::NonRegular(path, what) | Entry::Odd(path, what) => {
            Err(broken(&name.join(&*String::from_utf8_lossy(path)), io::Error::other(format!("it is {what}"))))
        }
        Entry::Link(..) | Entry::Attributes(..) => Ok(()),
    })?;
    all.finish()
}

/// The sort key of an entry. No path of an output has a NUL, so it replaces the slash if a directory must be followed by its content.
fn key(path: &[u8], attributes: &Option<Table>) -> Result<Vec<u8>> {
    let told = attributes.as_ref().map_or(Ok(None), |table| table.get(path))?;
    let mark = match told.as_deref().map(decoded) {
        None => OTHER,
        Some(Some((_, Some(link)))) if link.starts_with(APART) => LATE,
        Some(_) if path.starts_with(APART) => LATE,
        Some(_) => OF_FS,
    };
    let mut key = [&[mark], path].concat();
    if mark != OTHER {
        key.iter_mut().skip(1).filter(|byte| **byte == b'/').for_each(|byte| *byte = 0);
    }
    Ok(key)
}

struct Members {
    root: Arc<std::os::fd::OwnedFd>,
    members: Sorted,
    attributes: Option<Table>,
    name: std::path::PathBuf,
}

impl Members {
    /// Passes on all of them.
    fn give(&mut self, copied: &mut dyn Copied) -> Result<()> {
        let mut path = Vec::new();
        while let Some((key, kind)) = self.members.next()? {
            let Some((mark, rest)) = key.split_first() else { continue };
            path.clear();
            path.extend(rest.iter().map(|byte| if *mark != OTHER && *byte == 0 { b'/' } else { *byte }));
            let told = match &self.attributes {
                Some(table) if *mark != OTHER => table.get(&path)?,
                _ => None,
            };
            let told = told.as_deref().and_then(decoded);
            let attributes = told.as_ref().map(|(attributes, _)| attributes);
            if kind == [DIRECTORY] {
                copied.directory(&path, attributes)?;
                continue;
            }
            if let Some((attributes, Some(target))) = &told {
                copied.link(&path, target, attributes)?;
                continue;
            }
            let file = open_in(&self.root, &path);
            let file = file.map_err(|e| broken(&self.name.join(&*String::from_utf8_lossy(&path)), e))?;
            copied.file(&path, &file, attributes)?;
        }
        Ok(())
    }
}
