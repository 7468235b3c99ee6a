//! An output that is one file: built under a temporary name beside its target, or on standard output.
//!
//! The temporary file is locked while its run is alive, as temporary directories are.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::pending::{Made, Pending};
use super::remove::remove;
use super::staging::{leftovers, prefix_of};
use super::sys::{self, Writer};
use super::target::{is_mount_point, refuse_inside, resolve, split};
use crate::error::{Error, Remedy, Result};

/// Whether a file is one that may be replaced; the error says why one of ours may not.
pub type IsOurs = fn(&Path) -> Result<bool>;

/// What shows whether a file was changed: device, inode, size and the time of the last change.
type Seen = Option<[i128; 5]>;

/// A file that is not complete yet.
pub struct SingleFile {
    target: PathBuf,
    force: bool,
    is_ours: IsOurs,
    /// The file that is replaced, as it was when it was checked.
    seen: Seen,
    /// Directory for temporary files.
    scratch: PathBuf,
    /// The file under its temporary name; `None`: standard output.
    file: Option<NamedTempFile>,
    /// Dropped when nothing is left to remove.
    _pending: Option<Pending>,
    leftovers: Vec<PathBuf>,
}

impl SingleFile {
    /// Prepares to write `target`: a file that must not exist (with `force` it may be one of ours, as `is_ours` decides), or `-` for
    /// standard output. Its mode will be 0600.
    ///
    /// # Errors
    /// A target that may not be replaced, or a directory that cannot be written.
    pub fn new(target: &Path, force: bool, is_ours: IsOurs) -> Result<SingleFile> {
        if target.as_os_str() == "-" {
            let (target, scratch) = (target.to_path_buf(), std::env::temp_dir());
            let leftovers = Vec::new();
            let file = None;
            return Ok(SingleFile { target, force, is_ours, seen: None, scratch, file, _pending: None, leftovers });
        }
        refuse_inside(target)?;
        let seen = seen(target);
        check(target, force, is_ours)?;
        let target = resolve(target)?;
        let (parent, name) = split(&target)?;
        let prefix = prefix_of(name);
        let mut leftovers = leftovers(parent, &prefix, fs::FileType::is_file);
        if force {
            leftovers.retain(|leftover| remove(leftover).is_err());
        }
        let create = || {
            let file = tempfile::Builder::new().prefix(&prefix).tempfile_in(parent)?;
            let made = Made::Temporary(file.path().to_path_buf());
            Ok((file, made))
        };
        let file = sys::about_to().and_then(|()| Pending::enter(create));
        let (file, pending) = file.map_err(|e| Error::io("create a temporary file in", parent, e))?;
        // On a file system without locks other runs cannot see that this one lives; they remove nothing then.
        let _ = file.as_file().try_lock();
        let scratch = parent.to_path_buf();
        Ok(SingleFile { target, force, is_ours, seen, scratch, file: Some(file), _pending: Some(pending), leftovers })
    }

    /// As [`new`](SingleFile::new), for a file that must not exist: the caller has no option to replace one.
    ///
    /// # Errors
    /// As [`new`](SingleFile::new).
    pub fn fresh(target: &Path) -> Result<SingleFile> {
        if target.as_os_str() != "-" && target.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
            return Err(Error::usage(format!(
                "{} exists: choose another name, or remove it yourself",
                target.display()
            )));
        }
        SingleFile::new(target, false, |_| Ok(false))
    }

    /// Whether a file exists that this one replaces.
    pub fn replaces(&self) -> bool {
        self.force && self.file.is_some() && self.target.symlink_metadata().is_ok()
    }

    /// What killed runs have left of the same target; with `force`, only what could not be removed.
    pub fn leftovers(&self) -> &[PathBuf] {
        &self.leftovers
    }

    /// Directory for temporary files.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The target, as it was named.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The file to write to; `None`: standard output.
    pub(crate) fn file(&mut self) -> Option<Writer<&mut File>> {
        self.file.as_mut().map(|file| Writer(file.as_file_mut()))
    }

    /// The path under its temporary name; `None`: standard output.
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(NamedTempFile::path)
    }

    /// Gives the finished file its name. With `sync` its content is on the disk before, and its name afterwards.
    ///
    /// # Errors
    /// A target that was created since, or a failed call.
    pub fn publish(self, sync: bool) -> Result<()> {
        let Some(file) = self.file else { return Ok(()) };
        if sync {
            sys::sync(file.as_file()).map_err(|e| Error::io("write to the disk", &self.target, e))?;
        }
        let renamed = |e| Error::io("rename the finished file to", &self.target, e);
        Pending::publish(|| {
            // A long time may have passed since the first check, which may have read all of a large archive.
            let is_same = self.seen.is_some() && self.seen == seen(&self.target);
            check(&self.target, self.force, if is_same { |_| Ok(true) } else { self.is_ours })?;
            sys::about_to().map_err(renamed)?;
            let named = if self.force { file.persist(&self.target) } else { file.persist_noclobber(&self.target) };
            named.map(drop).map_err(|e| renamed(e.error))
        })?;
        if sync { sys::sync_name(&self.scratch) } else { Ok(()) }
    }
}

fn seen(target: &Path) -> Seen {
    let meta = fs::symlink_metadata(target).ok()?;
    Some([meta.dev().into(), meta.ino().into(), meta.len().into(), meta.ctime().into(), meta.ctime_nsec().into()])
}

/// Checks that the target is new, or is a file of ours and `force` was given.
fn check(target: &Path, force: bool, is_ours: IsOurs) -> Result<()> {
    let refuse = |words: &str| Err(Error::usage(format!("{} {words}", target.display())));
    // A slash at the end would make the check follow a link.
    let target: &Path = &target.components().collect::<PathBuf>();
    match fs::symlink_metadata(target) {
        Ok(meta) if meta.is_symlink() => refuse("is a link: name the file itself, or another one"),
        Ok(meta) if !meta.is_file() => refuse("exists and is not a file: choose another name"),
        Ok(meta) if is_mount_point(target, &meta) => {
            refuse("is a mount point, which a finished file cannot replace: choose another name")
        }
        Ok(_) if !force => refuse("exists: choose another name").map_err(|error| error.with_remedy(Remedy::Replace)),
        Ok(meta) if meta.len() > 0 && !is_ours(target)? => {
            refuse("was not made by ekvsnap, and is never replaced: choose another name, or remove it yourself")
        }
        _ => Ok(()),
    }
}
