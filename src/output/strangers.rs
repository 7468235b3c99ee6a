//! Whether an output is one of ours, and which files in it are not: nothing of the user's is replaced.
//!
//! A directory is listed. The headers of a tar archive are read, and its content is passed over. A compressed archive is unpacked once.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::BuildHasher as _;
use std::io::{self, BufReader, Read};
use std::path::Path;

use serde::Deserialize;

use super::fs_metadata::{self, METADATA};
use super::manifest_read;
use super::reading::{Content, Entry, Named, Output, each_member, look, open_below};
use super::sumfile::{Line, Lines};
use super::{CHECKSUMS, MANIFEST};
use crate::error::{Error, Result, Shown};

/// What `elastickv_version` begins with in a MANIFEST.json of ours.
const MAKER: &str = "ekvsnap ";
/// Files that an error names.
const MOST_NAMED: usize = 10;

/// The members that identify a manifest of ours.
#[derive(Deserialize)]
struct Mark {
    elastickv_version: String,
}

impl Mark {
    fn is_ours(manifest: impl Read) -> bool {
        let read = serde_json::from_reader::<_, Mark>(BufReader::new(manifest.take(manifest_read::MOST)));
        read.is_ok_and(|mark| mark.elastickv_version.starts_with(MAKER))
    }
}

/// Whether a directory is an output of ours, as its manifest says.
pub(super) fn is_ours(dir: &Path) -> bool {
    let path = dir.join(MANIFEST);
    // A link is not followed, and a pipe without a writer must not block.
    let file = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()).then(|| File::open(path).ok()).flatten();
    file.is_some_and(Mark::is_ours)
}

/// Whether a file is an archive of ours, as the manifest in it says.
///
/// # Errors
/// It is one, and has members of other programs.
pub(super) fn is_our_archive(path: &Path) -> Result<bool> {
    let ours = has_our_manifest(path);
    if ours {
        refuse_strangers(path)?;
    }
    Ok(ours)
}

fn has_our_manifest(path: &Path) -> bool {
    // In an archive of ours only CHECKSUMS and ERRORS.jsonl can come before it.
    const BEFORE: usize = 2;
    let Ok(Named::Output(mut output)) = look(path) else { return false };
    let (mut ours, mut passed) = (false, 0);
    let read = output.each(&mut |entry| {
        match entry {
            Entry::Attributes(..) => return Ok(()),
            Entry::File(name, Content::InArchive(stream, _)) => {
                let found = name == MANIFEST.as_bytes();
                ours = found && Mark::is_ours(stream);
                passed += 1;
                if !found && passed <= BEFORE {
                    return Ok(());
                }
            }
            _ => {}
        }
        Err(Error::internal("nothing more is wanted of the archive"))
    });
    // Bytes after the manifest were not read.
    drop(read);
    ours
}

/// Refuses to replace an output of ours that contains other files.
///
/// # Errors
/// The first of those files.
pub(super) fn refuse_strangers(path: &Path) -> Result<()> {
    let (mut strangers, mut more) = (Vec::new(), 0_u64);
    each_stranger(path, &mut |path| {
        if strangers.len() < MOST_NAMED {
            strangers.push(Shown(path).to_string());
        } else {
            more += 1;
        }
    })?;
    if strangers.is_empty() {
        return Ok(());
    }
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let (named, what) = (strangers.join(", "), if path.is_dir() { "directory" } else { "name" });
    Err(Error::usage(format!(
        "{} has files that are not in its CHECKSUMS, and is never replaced: {named}{more}; move them away, or choose \
         a new {what}",
        path.display(),
    )))
}

/// Calls `each` for every path of an output that neither its CHECKSUMS nor the metadata of its file system name.
fn each_stranger(path: &Path, each: &mut dyn FnMut(&[u8])) -> Result<()> {
    let Named::Output(output) = look(path)? else { return Ok(()) };
    if output.root().is_none() {
        drop(output);
        return in_archive(path, each);
    }
    in_directory(path, output, each)
}

fn in_directory(dir: &Path, mut output: Output, each: &mut dyn FnMut(&[u8])) -> Result<()> {
    let Some(root) = output.root().cloned() else { return Ok(()) };
    let mut listed = Listed::default();
    let sums = dir.join(CHECKSUMS);
    match open_below(&root, CHECKSUMS.as_bytes()) {
        Ok(file) => listed.checksums(file).map_err(|e| Error::io("read", &sums, e))?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(Error::io("open", &sums, e)),
    }
    let metadata = dir.join(METADATA);
    if fs::symlink_metadata(&metadata).is_ok_and(|meta| meta.is_file()) {
        let file = File::open(&metadata).map_err(|e| Error::io("open", &metadata, e))?;
        listed.metadata(file).map_err(|e| Error::io("read", &metadata, e))?;
    }
    listed.sort();
    output.each(&mut |entry| {
        if let Some(path) = stranger(&entry, &listed) {
            each(path);
        }
        Ok(())
    })
}

/// What an archive has may come before what lists it, so its members are collected first. Only if some are not listed, they are read again
/// for their names.
fn in_archive(path: &Path, each: &mut dyn FnMut(&[u8])) -> Result<()> {
    let (mut listed, mut has_odd) = (Listed::default(), false);
    // If the rest of an archive is damaged, nobody can extract it.
    drop(each_member(path, &mut |entry| {
        match entry {
            Entry::File(name, Content::InArchive(bytes, _)) if name == CHECKSUMS.as_bytes() => {
                listed.checksums(bytes).map_err(|e| Error::io("read", path, e))?;
            }
            Entry::File(name, Content::InArchive(bytes, _)) if name == METADATA.as_bytes() => {
                listed.found(name);
                listed.metadata(bytes).map_err(|e| Error::io("read", path, e))?;
            }
            Entry::File(name, _) | Entry::Link(name, _) => listed.found(name),
            Entry::NonRegular(..) | Entry::Odd(..) => has_odd = true,
            Entry::Directory(_) | Entry::Attributes(..) => {}
        }
        Ok(())
    }));
    listed.sort();
    if !has_odd && listed.has_all_found() {
        return Ok(());
    }
    drop(each_member(path, &mut |entry| {
        match entry {
            // Something about the archive as a whole.
            Entry::Odd(b"", what) => each(what.as_bytes()),
            // Links are members of the file system, and the metadata lists them.
            Entry::Link(name, _) if listed.has(name) => {}
            entry => stranger(&entry, &listed).into_iter().for_each(&mut *each),
        }
        Ok(())
    }));
    Ok(())
}

/// The path of an entry that is not a listed file.
fn stranger<'e>(entry: &Entry<'e>, listed: &Listed) -> Option<&'e [u8]> {
    match *entry {
        Entry::File(path, _) => (!listed.has(path)).then_some(path),
        Entry::Link(path, _) | Entry::NonRegular(path, _) | Entry::Odd(path, _) => Some(path),
        // An empty directory holds no files of other programs.
        Entry::Directory(_) | Entry::Attributes(..) => None,
    }
}

/// The paths that an output lists, and those that it has, as hashes.
#[derive(Default)]
struct Listed {
    hashes: RandomState,
    listed: Vec<u64>,
    found: Vec<u64>,
}

impl Listed {
    fn checksums(&mut self, bytes: impl Read) -> io::Result<()> {
        let mut lines = Lines::new(BufReader::with_capacity(1 << 16, bytes));
        while let Some(line) = lines.next()? {
            if let Line::Row(path, _) = line {
                self.listed.push(self.hashes.hash_one(path.as_slice()));
            }
        }
        Ok(())
    }

    /// The files of the file system: CHECKSUMS has no row for those with large holes, nor for further names of a file.
    fn metadata(&mut self, bytes: impl Read) -> io::Result<()> {
        let (hashes, listed) = (&self.hashes, &mut self.listed);
        fs_metadata::each_line(bytes, &mut |line| {
            listed.extend(fs_metadata::path(line, "tree").iter().map(|path| hashes.hash_one(path.as_slice())));
        })
    }

    fn found(&mut self, path: &[u8]) {
        if path != MANIFEST.as_bytes() {
            self.found.push(self.hashes.hash_one(path));
        }
    }

    fn sort(&mut self) {
        self.listed.sort_unstable();
    }

    /// Whether a path is listed, or is one of the files that list others.
    fn has(&self, path: &[u8]) -> bool {
        [MANIFEST.as_bytes(), CHECKSUMS.as_bytes()].contains(&path) || self.has_hash(self.hashes.hash_one(path))
    }

    fn has_all_found(&self) -> bool {
        self.found.iter().all(|hash| self.has_hash(*hash))
    }

    fn has_hash(&self, hash: u64) -> bool {
        self.listed.binary_search(&hash).is_ok()
    }
}
