//! Temporary files, for whoever sorts or remembers more than memory should hold.

use std::fs::File;

use crate::error::Result;
use crate::output::tree::Tree;

/// Makes temporary files.
pub trait Scratch: Sync {
    /// An empty file without a name.
    ///
    /// # Errors
    /// It cannot be made.
    fn file(&self) -> Result<File>;
}

/// On the file system of the output.
impl Scratch for Tree {
    fn file(&self) -> Result<File> {
        self.scratch()
    }
}

/// For tests: in the directory that is for temporary files.
#[cfg(test)]
pub struct Anywhere;

#[cfg(test)]
impl Scratch for Anywhere {
    fn file(&self) -> Result<File> {
        tempfile::tempfile().map_err(|e| crate::error::Error::io("create", "a temporary file", e))
    }
}
