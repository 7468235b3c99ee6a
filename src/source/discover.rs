//! Finds the snapshot files of the inputs that the user names: a file, a server data directory, its `fsm-snap/`, a directory of group
//! directories (`container.md` §1, §4), a copy of an object store (`offload.rs`), or a directory with snapshot files of all groups.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::found::{Found, PassedOver, entries};
use super::{crc, offload};
use crate::error::{Error, ErrorKind, Result};

/// The side-car with the keys of a snapshot in a data directory: `encryption/keys.json` next to `fsm-snap/`, or one directory above, for a
/// node with several groups. For a file elsewhere: `keys.json` next to it.
pub(crate) fn sidecar_of(file: &Path) -> Option<PathBuf> {
    let file = file.canonicalize().ok()?;
    let Some(snapshots) = file.parent().filter(|dir| dir.ends_with("fsm-snap")) else {
        return Some(file.parent()?.join("keys.json")).filter(|sidecar| sidecar.is_file());
    };
    let mut sidecars = snapshots.ancestors().skip(1).take(2).map(|dir| dir.join("encryption/keys.json"));
    sidecars.find(|sidecar| sidecar.is_file())
}

/// Resolves every INPUT of the command line.
///
/// # Errors
/// A directory without snapshots, a group whose snapshot files are all damaged (the data set would lack it), or one file under two names.
pub fn find_inputs(inputs: &[PathBuf]) -> Result<Found> {
    let mut found = Found::default();
    for input in inputs {
        if input.is_dir() {
            in_directory(input, &mut found)?;
        } else if offload::is_manifest(input) {
            offload::one(input, &mut found)?;
        } else {
            found.files.push(input.clone());
        }
    }
    refuse_doubles(&found.files)?;
    Ok(found)
}

/// Fails if two names are one file or directory: everything in it would count twice.
///
/// # Errors
/// The first two such names.
pub fn refuse_doubles(files: &[PathBuf]) -> Result<()> {
    let mut seen: HashMap<(u64, u64), &Path> = HashMap::new();
    for file in files.iter().filter(|file| file.as_os_str() != "-") {
        // A file that cannot be examined is reported when it is opened.
        let Ok(meta) = fs::metadata(file) else { continue };
        if let Some(same) = seen.insert((meta.dev(), meta.ino()), file) {
            let (a, b) = (same.display(), file.display());
            let what = if meta.is_dir() { "directory" } else { "file" };
            return Err(Error::usage(format!("{a} and {b} are the same {what}: name each input once")));
        }
    }
    Ok(())
}

fn in_directory(dir: &Path, found: &mut Found) -> Result<()> {
    let before = found.files.len();
    if newest_intact(dir, found)? || group(dir, found)? || offload::newest(dir, found)? {
        return Ok(());
    }
    for below in entries(dir)?.into_iter().filter(|p| p.is_dir()) {
        group(&below, found)?;
    }
    if found.files.len() > before || snapshots_by_name(dir, found)? {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{} has no snapshot and is no output: name a .fsm file, a server data directory or its fsm-snap/, or an output",
        dir.display()
    )))
}

/// Takes every file with the name of a snapshot, compressed or not: the directory was assembled from the snapshots of all groups. Returns
/// whether there is one.
fn snapshots_by_name(dir: &Path, found: &mut Found) -> Result<bool> {
    let is_snapshot = |path: &PathBuf| {
        let name = path.as_os_str().as_bytes();
        path.is_file() && [&b".fsm"[..], b".fsm.gz", b".fsm.zst"].iter().any(|end| name.ends_with(end))
    };
    let mut files: Vec<PathBuf> = entries(dir)?.into_iter().filter(is_snapshot).collect();
    files.sort();
    let any = !files.is_empty();
    found.files.extend(files);
    Ok(any)
}

/// Takes the newest intact file of a data directory; returns whether it has snapshots.
fn group(dir: &Path, found: &mut Found) -> Result<bool> {
    let dir = dir.join("fsm-snap");
    if newest_intact(&dir, found)? {
        return Ok(true);
    }
    // It is not known which of them is the newest, and continuing without them would lose a group.
    match entries(&dir)?.iter().find(|path| path.extension().is_some_and(|ext| ext == "fsm")) {
        Some(other) => Err(Error::usage(format!(
            "{} does not have a name that a server gives (16 hexadecimal digits and .fsm): name the file itself",
            other.display()
        ))),
        None => Ok(false),
    }
}

/// Takes the file with the highest index whose footer matches; returns whether there are snapshot files.
fn newest_intact(dir: &Path, found: &mut Found) -> Result<bool> {
    let mut files: Vec<(u64, PathBuf)> =
        entries(dir)?.into_iter().filter_map(|path| Some((index_of(&path)?, path))).collect();
    files.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
    let mut damaged: Vec<(PathBuf, String)> = Vec::new();
    for (_, path) in files {
        let Some(error) = crc::damage_of(&path)? else {
            let passed = damaged.into_iter();
            found.passed_over.extend(passed.map(|(file, why)| PassedOver { file, why, taken: path.clone() }));
            found.files.push(path);
            return Ok(true);
        };
        damaged.push((path, error.reason()));
    }
    match damaged.into_iter().next() {
        Some((newest, why)) => Err(Error::new(ErrorKind::NoneIntact { newest, why }).input(dir)),
        None => Ok(false),
    }
}

/// The Raft index in a server's file name: 16 hexadecimal digits and `.fsm`.
pub fn index_of(path: &Path) -> Option<u64> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".fsm")?;
    let hex = stem.len() == 16 && stem.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    hex.then(|| u64::from_str_radix(stem, 16).ok()).flatten()
}

/// The number of the group whose data directory contains a file, if the path shows it.
pub fn group_of(path: &Path) -> Option<u64> {
    let mut folders = path.ancestors().skip(1).filter_map(|folder| folder.file_name()?.to_str());
    folders.find_map(|name| name.strip_prefix("group-")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_hexadecimal() {
        assert_eq!(index_of(Path::new("d/000000000000003d.fsm")), Some(61));
        assert_eq!(index_of(Path::new("0000000000000010.fsm")), Some(16));
        for not in ["snapshot.fsm", "10.fsm", "000000000000003D.fsm", "000000000000003d.fsm.tmp"] {
            assert_eq!(index_of(Path::new(not)), None, "{not}");
        }
    }
}
