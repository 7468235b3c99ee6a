//! Finds the snapshot files of the names on a command line.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The inputs found, and newer files that were skipped.
#[derive(Debug, Default)]
pub struct Found {
    /// One snapshot file for each group.
    pub files: Vec<PathBuf>,
    /// Newer files that are damaged.
    pub passed_over: Vec<PassedOver>,
}

/// A damaged file that is newer than the one taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: String,
    /// The older file of its group that was taken.
    pub taken: PathBuf,
}

/// The content of a directory, in order; empty if it does not exist.
pub(super) fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("list", dir, e)),
    };
    let mut paths = Vec::new();
    for entry in listing {
        paths.push(entry.map_err(|e| Error::io("list", dir, e))?.path());
    }
    paths.sort();
    Ok(paths)
}
