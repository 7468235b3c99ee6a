//! Temporary files, for data that should not be held in memory.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};
use crate::output::temporary;
use crate::output::tree::Tree;

/// Makes temporary files.
pub trait Scratch: Sync {
    /// An empty file without a name.
    ///
    /// # Errors
    /// The file cannot be created.
    fn file(&self) -> Result<File>;
}

/// On the file system of the output.
impl Scratch for Tree {
    fn file(&self) -> Result<File> {
        self.scratch()
    }
}

/// On the file system of a directory.
pub struct Below<'p>(pub &'p Path);

impl Scratch for Below<'_> {
    fn file(&self) -> Result<File> {
        temporary(self.0).map_err(|e| Error::io("create a temporary file in", self.0, e))
    }
}

/// In the temporary directory of the system.
pub struct Anywhere;

impl Scratch for Anywhere {
    fn file(&self) -> Result<File> {
        Below(&std::env::temp_dir()).file()
    }
}
