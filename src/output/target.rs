//! Checks where an output may go: never over an input, and never over anything but an output of this program.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::strangers::{is_ours, refuse_strangers};
use super::{CHECKSUMS, MANIFEST};
use crate::error::{Error, Remedy, Result};

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
            "{} is inside the output {}, which would be changed by it: choose another place",
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
            "is a mount point, which a finished output cannot replace: name a directory in it, such as {}",
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
