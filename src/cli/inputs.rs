//! Opens snapshots by their names on the command line.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::keys::Keys;
use super::out::tell;
use crate::decode::on_threads;
use crate::error::{Error, ErrorKind, Result};
use crate::format::keys::KeyRing;
use crate::index::saved::{self, Plan};
use crate::index::{Granularity, decrypt};
use crate::output::reading::{Named, look};
use crate::source::{Access, PassedOver, Source, find_inputs, settle};

/// Opened snapshots.
pub(super) struct Inputs {
    /// One for each group.
    pub sources: Vec<Source>,
    /// Newer files that were damaged and were skipped in directories.
    pub passed_over: Vec<PassedOver>,
}

/// Which saved index is used.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct SavedIndex {
    /// Index that `ekvsnap plan` made; none: use no index.
    ///
    /// Without the flag: INPUT.ekvindex beside the input, if it fits.
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
}

/// As [`open`], but uses saved indexes: their snapshots need no index pass.
pub(super) fn open_indexed(
    named: &[PathBuf],
    no_mmap: bool,
    keys: &Keys,
    threads: usize,
    saved: &SavedIndex,
) -> Result<Inputs> {
    let mut inputs = open(named, no_mmap, keys, threads)?;
    match saved.index.as_deref() {
        Some(none) if none == Path::new("none") => {}
        Some(file) => attach(file, &mut inputs.sources)?,
        None => inputs.sources.iter_mut().for_each(attach_beside),
    }
    Ok(inputs)
}

/// A named index that does not fit is reported, and everything is read.
fn attach(file: &Path, sources: &mut [Source]) -> Result<()> {
    let unfit = match Plan::read(file)? {
        None => "is damaged, or of another version of ekvsnap",
        Some((plan, _)) if plan.attach(sources) < sources.len() => "does not fit every input as it is now",
        Some(_) => return Ok(()),
    };
    tell(&format!("warning: the index {} {unfit}: what it lacks is read from the inputs\n", file.display()));
    Ok(())
}

/// Uses an index beside the snapshot, if it fits. The user did not ask for it, so failures are ignored.
fn attach_beside(source: &mut Source) {
    if source.identity().is_some()
        && let Ok(Some((plan, _))) = Plan::read(&saved::beside(source.path()))
    {
        plan.attach(std::slice::from_mut(source));
    }
}

/// As [`open`], after the files are old enough that a later change is visible in their times.
pub(super) fn open_settled(named: &[PathBuf], no_mmap: bool, keys: &Keys, threads: usize) -> Result<Inputs> {
    settle_files(named);
    open(named, no_mmap, keys, threads)
}

/// Waits until the files are old enough that a later change is visible in their times. Missing files are reported when they are opened.
pub(super) fn settle_files(named: &[PathBuf]) {
    if let Ok(found) = find_inputs(named) {
        settle(&found.files);
    }
}

/// Finds and opens the snapshots that `named` refers to, and decrypts them if there are keys.
pub(super) fn open(named: &[PathBuf], no_mmap: bool, keys: &Keys, threads: usize) -> Result<Inputs> {
    if named.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Error::command_line("standard input (-) can be only one of the inputs"));
    }
    let found =
        find_inputs(named).map_err(|error| named.iter().find_map(|path| output_given(path)).unwrap_or(error))?;
    if let Some(error) = found.files.iter().find_map(|path| output_given(path)) {
        return Err(error);
    }
    let inputs = open_files(&found.files, no_mmap, keys, threads)?;
    Ok(Inputs { passed_over: found.passed_over, ..inputs })
}

/// Opens snapshot files, and decrypts them if there are keys.
pub(super) fn open_files(files: &[PathBuf], no_mmap: bool, keys: &Keys, threads: usize) -> Result<Inputs> {
    let open = |path: &PathBuf| Source::open(path, access(no_mmap));
    let sources: Result<Vec<Source>> = files.iter().map(open).collect();
    let sources = decrypted(sources?, no_mmap, keys, threads)?;
    Ok(Inputs { sources, passed_over: Vec::new() })
}

/// The error if an output is given instead of a snapshot. Unreadable paths are reported when they are opened.
fn output_given(path: &Path) -> Option<Error> {
    let can_be_read_twice = std::fs::metadata(path).is_ok_and(|meta| meta.is_file() || meta.is_dir());
    if can_be_read_twice && path.as_os_str() != "-" && matches!(look(path), Ok(Named::Output(_))) {
        let error = Error::new(ErrorKind::OutputGiven).input(path);
        // A file that is an output is not a snapshot; a directory that is an output contains none.
        return Some(if path.is_dir() { Error::usage(error.to_string()) } else { error });
    }
    None
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

/// How files are read: mapped, or into memory.
pub(super) fn access(no_mmap: bool) -> Access {
    if no_mmap { Access::Read } else { Access::Map }
}
