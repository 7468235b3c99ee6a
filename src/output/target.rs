//! Where an output may go: never over an input, and over nothing that is not an output of this program.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};

/// What a MANIFEST.json of ours begins its `elastickv_version` with.
const MAKER: &str = "ekvsnap ";

/// Longest file name.
pub(super) const MAX_NAME: usize = 255;

/// The target as it is renamed to: an output that is a symlink is resolved once, here. A slash or dot at the end would
/// make later calls follow a link, or fail.
pub(super) fn resolve(asked: &Path) -> Result<PathBuf> {
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
        // Below a directory that is still to be made, the system would tell only when all the work is done.
        return Err(Error::usage(format!("the name of the output has {} bytes, more than {MAX_NAME}", name.len())));
    }
    Ok((if parent.as_os_str().is_empty() { Path::new(".") } else { parent }, name))
}

/// Checks that a target is new or an empty directory; with `force`, it may be an output of ours.
pub(super) fn check(target: &Path, force: bool) -> Result<()> {
    let refuse = |words: &str| Err(Error::usage(format!("{} {words}", target.display())));
    let meta = match fs::symlink_metadata(target) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("look at", target, e)),
    };
    if !meta.is_dir() {
        return refuse("exists and is not a directory: choose another name, or remove it yourself");
    }
    if fs::read_dir(target).map_err(|e| Error::io("list", target, e))?.next().is_none() {
        return Ok(());
    }
    match (is_ours(target), force) {
        (true, true) => Ok(()),
        (true, false) => refuse("is not empty: choose a new directory, or --force to replace it"),
        (false, _) => refuse(
            "is not empty and has no MANIFEST.json of ekvsnap, so that not even --force replaces it: choose a new \
             directory, or remove this one yourself",
        ),
    }
}

/// Whether a directory is an output of ours, as its manifest says.
fn is_ours(dir: &Path) -> bool {
    #[derive(Deserialize)]
    struct Mark {
        elastickv_version: String,
    }
    let path = dir.join("MANIFEST.json");
    // Not through a link, and never from a pipe that nobody writes to.
    let file = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()).then(|| File::open(path).ok()).flatten();
    let mark = file.and_then(|file| serde_json::from_reader::<_, Mark>(BufReader::new(file)).ok());
    mark.is_some_and(|mark| mark.elastickv_version.starts_with(MAKER))
}

/// Fails when a target is an input, or a directory that an input is in: to replace it would delete the input.
///
/// # Errors
/// The first such input.
pub fn refuse_inputs<'p>(asked: &Path, inputs: impl IntoIterator<Item = &'p Path>) -> Result<()> {
    // What is not there yet holds no input.
    let Ok(target) = fs::canonicalize(asked) else { return Ok(()) };
    match inputs.into_iter().find(|input| input.starts_with(&target)) {
        Some(input) if input == target => {
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
