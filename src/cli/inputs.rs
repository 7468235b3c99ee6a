//! From names on the command line to opened snapshots.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::source::{Access, PassedOver, Source, find_inputs};

/// Opened snapshots.
pub(super) struct Inputs {
    /// One for each group.
    pub sources: Vec<Source>,
    /// Newer files of directories that are damaged.
    pub passed_over: Vec<PassedOver>,
}

/// Finds and opens the snapshots that `named` stand for.
pub(super) fn open(named: &[PathBuf], no_mmap: bool) -> Result<Inputs> {
    if named.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Error::command_line("standard input (-) can be only one of the inputs"));
    }
    let found = find_inputs(named)?;
    let sources: Result<Vec<Source>> = found.files.iter().map(|path| Source::open(path, access(no_mmap))).collect();
    Ok(Inputs { sources: sources?, passed_over: found.passed_over })
}

/// How to bring files into the address space.
pub(super) fn access(no_mmap: bool) -> Access {
    if no_mmap { Access::Read } else { Access::Map }
}
