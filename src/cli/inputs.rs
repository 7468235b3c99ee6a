//! From names on the command line to opened snapshots.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::keys::Keys;
use crate::decode::on_threads;
use crate::error::{Error, Result};
use crate::format::keys::KeyRing;
use crate::index::{Granularity, decrypt};
use crate::source::{Access, PassedOver, Source, find_inputs};

/// Opened snapshots.
pub(super) struct Inputs {
    /// One for each group.
    pub sources: Vec<Source>,
    /// Newer files of directories that are damaged.
    pub passed_over: Vec<PassedOver>,
}

/// Finds and opens the snapshots that `named` stand for, and decrypts them if there are keys.
pub(super) fn open(named: &[PathBuf], no_mmap: bool, keys: &Keys, threads: usize) -> Result<Inputs> {
    if named.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Error::command_line("standard input (-) can be only one of the inputs"));
    }
    let found = find_inputs(named)?;
    let open = |path: &PathBuf| Source::open(path, access(no_mmap));
    let sources: Result<Vec<Source>> = found.files.iter().map(open).collect();
    let sources = decrypted(sources?, no_mmap, keys, threads)?;
    Ok(Inputs { sources, passed_over: found.passed_over })
}

/// Spools a snapshot from a stream, and decrypts it if there are keys.
pub(super) fn spool(name: &Path, stream: impl Read, no_mmap: bool, keys: &Keys, threads: usize) -> Result<Vec<Source>> {
    decrypted(vec![Source::spool(name, stream, access(no_mmap))?], no_mmap, keys, threads)
}

fn decrypted(sources: Vec<Source>, no_mmap: bool, keys: &Keys, threads: usize) -> Result<Vec<Source>> {
    let files: Vec<PathBuf> = sources.iter().map(|source| source.path().to_path_buf()).collect();
    let rings = keys.files().of(&files)?;
    let decrypt = |(source, ring): (Source, Arc<KeyRing>)| match ring.is_empty() {
        true => Ok(source),
        false => decrypt(source, &ring, access(no_mmap), Granularity::default()),
    };
    on_threads(threads, || sources.into_iter().zip(rings).map(decrypt).collect())?
}

/// How to bring files into the address space.
pub(super) fn access(no_mmap: bool) -> Access {
    if no_mmap { Access::Read } else { Access::Map }
}
