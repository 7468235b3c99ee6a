//! Checks where an output may go: never over an input, and never over anything but an output of this program.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::BuildHasher as _;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::fs_metadata::{self, METADATA};
use super::manifest_read;
use super::reading::{Content, Entry, Named, look, open_below};
use super::sumfile::{Line, Lines};
use super::{CHECKSUMS, MANIFEST};
use crate::error::{Error, Remedy, Result, Shown};

/// What `elastickv_version` begins with in a MANIFEST.json of ours.
const MAKER: &str = "ekvsnap ";

/// Files that an error names.
const MOST_NAMED: usize = 10;

/// Longest file name.
pub(super) const MAX_NAME: usize = 255;

/// The target as it is used for renames: a symlink to an output is resolved once, here. A slash or dot at the end would
/// make later calls follow a link, or fail.
///
/// # Errors
/// A dangling link.
pub fn resolve(asked: &Path) -> Result<PathBuf> {
    let target: PathBuf = asked.components().collect();
    match fs::symlink_metadata(&target) {
        Ok(meta) if meta.is_symlink() => fs::canonicalize(&target).map_err(|e| Error::io("resolve", &target, e)),
        _ => Ok(target),
    }
}

/// Directory and name of a target.
pub(super) fn split(target: &Path) -> Result<(&Path, &std::ffi::OsStr)> {
    let bad = || Error::usage(format!("{} cannot be an output: name a new directory", target.display()));
    let name = target.file_name().ok_or_else(bad)?;
    let parent = target.parent().ok_or_else(bad)?;
    if name.len() > MAX_NAME {
        // If the parent does not exist yet, the system would report this only when all the work is done.
        return Err(Error::usage(format!("the name of the output has {} bytes, more than {MAX_NAME}", name.len())));
    }
    Ok((if parent.as_os_str().is_empty() { Path::new(".") } else { parent }, name))
}

/// Refuses a target inside an output: `verify` would report it as a foreign file there.
///
/// # Errors
/// It is inside one.
pub(super) fn refuse_inside(target: &Path) -> Result<()> {
    let Ok(parent) =
        split(target).and_then(|(parent, _)| fs::canonicalize(parent).map_err(|e| Error::io("resolve", parent, e)))
    else {
        return Ok(());
    };
    let is_output = |dir: &&Path| [MANIFEST, CHECKSUMS].iter().all(|name| dir.join(name).symlink_metadata().is_ok());
    match parent.ancestors().find(is_output) {
        None => Ok(()),
        Some(output) => Err(Error::usage(format!(
            "{} is inside the output {}, which would no longer be what it was: choose another place",
            target.display(),
            output.display()
        ))),
    }
}

/// Checks that a target is new or an empty directory; with `force`, it may be an output of ours.
pub(super) fn check(target: &Path, force: bool) -> Result<()> {
    refuse_inside(target)?;
    let refuse = |words: &str| Err(Error::usage(format!("{} {words}", target.display())));
    let meta = match fs::symlink_metadata(target) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("look at", target, e)),
    };
    if !meta.is_dir() {
        return refuse("exists and is not a directory: choose another name, or remove it yourself");
    }
    if is_mount_point(target, &meta) {
        return refuse(&format!(
            "is a mount point, whose place no finished output can take: name a directory in it, such as {}",
            target.join("backup").display()
        ));
    }
    if fs::read_dir(target).map_err(|e| Error::io("list", target, e))?.next().is_none() {
        return Ok(());
    }
    match (is_ours(target), force) {
        (true, true) => refuse_strangers(target),
        (true, false) => {
            refuse("is not empty: choose a new directory").map_err(|error| error.with_remedy(Remedy::Replace))
        }
        (false, _) => refuse(
            "is not empty and has no MANIFEST.json of ekvsnap, and is never replaced: choose a new directory, \
             or remove this one yourself",
        ),
    }
}

/// Whether something is mounted at a path: the rename would fail there when all the work is done.
pub(super) fn is_mount_point(path: &Path, meta: &fs::Metadata) -> bool {
    let above = path.parent().map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
    let other_device = above.and_then(|above| fs::metadata(above).ok()).is_some_and(|above| above.dev() != meta.dev());
    other_device || is_mount_root(path)
}

/// Asks the kernel, which also knows bind mounts within one device.
#[cfg(target_os = "linux")]
fn is_mount_root(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(not(target_os = "linux"))]
fn is_mount_root(_: &Path) -> bool {
    false
}

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
fn is_ours(dir: &Path) -> bool {
    let path = dir.join(MANIFEST);
    // A link is not followed, and a pipe without a writer must not block.
    let file = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()).then(|| File::open(path).ok()).flatten();
    file.is_some_and(Mark::is_ours)
}

/// Whether a file is an archive of ours, as the manifest in it says.
pub(super) fn is_our_archive(path: &Path) -> bool {
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
        Err(Error::usage("nothing more is wanted of the archive"))
    });
    // Bytes after the manifest were not read.
    drop(read);
    ours
}

/// Refuses to replace a directory of ours that contains other files.
fn refuse_strangers(dir: &Path) -> Result<()> {
    let (mut strangers, mut more) = (Vec::new(), 0_u64);
    each_stranger(dir, &mut |path| {
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
    Err(Error::usage(format!(
        "{} has files that are not in its CHECKSUMS, and is never replaced: {}{more}; move them away, or \
         choose a new directory",
        dir.display(),
        strangers.join(", "),
    )))
}

/// Calls `each` for every path of a directory that neither its CHECKSUMS nor the metadata of its file system name. For each path that they name, a hash is held in memory.
fn each_stranger(dir: &Path, each: &mut dyn FnMut(&[u8])) -> Result<()> {
    let Named::Output(mut output) = look(dir)? else { return Ok(()) };
    let Some(root) = output.root().cloned() else { return Ok(()) };
    let hashes = RandomState::new();
    let mut known = Vec::new();
    let sums = dir.join(CHECKSUMS);
    match open_below(&root, CHECKSUMS.as_bytes()) {
        Ok(file) => {
            let mut lines = Lines::new(BufReader::with_capacity(1 << 16, file));
            while let Some(line) = lines.next().map_err(|e| Error::io("read", &sums, e))? {
                if let Line::Row(path, _) = line {
                    known.push(hashes.hash_one(path.as_slice()));
                }
            }
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(Error::io("open", &sums, e)),
    }
    listed_by_metadata(dir, &mut |path| known.push(hashes.hash_one(path)))?;
    known.sort_unstable();
    output.each(&mut |entry| {
        let (path, is_file) = match entry {
            Entry::File(path, _) => (path, true),
            Entry::Link(path, _) | Entry::NonRegular(path, _) | Entry::Odd(path, _) => (path, false),
            // An empty directory holds no files of other programs.
            Entry::Directory(_) | Entry::Attributes(..) => return Ok(()),
        };
        let is_ours = [MANIFEST.as_bytes(), CHECKSUMS.as_bytes()].contains(&path)
            || known.binary_search(&hashes.hash_one(path)).is_ok();
        if !(is_file && is_ours) {
            each(path);
        }
        Ok(())
    })
}

/// The files of the file system, from its metadata: CHECKSUMS has no row for those with large holes and, if an archive was extracted, for
/// further names of a file.
fn listed_by_metadata(dir: &Path, each: &mut dyn FnMut(&[u8])) -> Result<()> {
    let path = dir.join(METADATA);
    if !fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()) {
        return Ok(());
    }
    let file = File::open(&path).map_err(|e| Error::io("open", &path, e))?;
    let mut take = |line: &_| fs_metadata::path(line, "tree").iter().for_each(|path| each(path));
    fs_metadata::each_line(file, &mut take).map_err(|e| Error::io("read", &path, e))
}

/// Refuses a target that is an input, or a directory that contains one: replacing it would delete the input.
///
/// # Errors
/// The first such input.
pub fn refuse_inputs<'p>(asked: &Path, inputs: impl IntoIterator<Item = &'p Path>) -> Result<()> {
    // A path that does not exist yet contains no input.
    let Ok(target) = fs::canonicalize(asked) else { return Ok(()) };
    let place = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let of_target = place(&target);
    // An input may have several names (hard links).
    let is_same = |input: &Path| input == target || (of_target.is_some() && place(input) == of_target);
    match inputs.into_iter().find(|input| input.starts_with(&target) || is_same(input)) {
        Some(input) if is_same(input) => {
            Err(Error::usage(format!("{} is an input: choose another output", asked.display())))
        }
        Some(input) => Err(Error::usage(format!(
            "the input {} is inside the output {}: choose another output",
            input.display(),
            asked.display()
        ))),
        None => Ok(()),
    }
}
