//! A tree is built under a temporary sibling name and renamed when it is complete.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use crate::error::{Error, Result};

/// Marks the name of an output that is not finished.
const UNFINISHED: &str = ".ekvsnap-unfinished-";

/// The place where an output grows until it is complete.
#[derive(Debug)]
pub struct Staging {
    target: PathBuf,
    temporary: Option<PathBuf>,
    force: bool,
}

impl Staging {
    /// Prepares to build `target`, which must be new or an empty directory (or anything, with `force`).
    pub fn new(target: &Path, force: bool) -> Result<Staging> {
        let target = resolve(target)?;
        check_target(&target, force)?;
        let (parent, name) = split(&target)?;
        fs::create_dir_all(parent).map_err(|e| Error::io("create directory", parent, e))?;
        let prefix = format!(".{}{UNFINISHED}", name.to_string_lossy());
        let reserved =
            tempfile::Builder::new().prefix(&prefix).permissions(fs::Permissions::from_mode(0o755)).tempdir_in(parent);
        let temporary = reserved.map_err(|e| Error::io("create a directory in", parent, e))?.keep();
        Ok(Staging { target, temporary: Some(temporary), force })
    }

    /// Where to build.
    pub fn path(&self) -> &Path {
        self.temporary.as_deref().unwrap_or(&self.target)
    }

    /// Where the output will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Gives the finished tree its name, in one step.
    pub fn publish(mut self) -> Result<()> {
        let Some(built) = self.temporary.clone() else { return Ok(()) };
        if self.force && fs::symlink_metadata(&self.target).is_ok() {
            self.exchange(&built)?;
        } else {
            fs::rename(&built, &self.target)
                .map_err(|e| Error::io("rename the finished output to", &self.target, e))?;
        }
        self.temporary = None;
        Ok(())
    }

    /// Swaps old and new, so that one of them is there at any moment, then removes the old.
    fn exchange(&self, built: &Path) -> Result<()> {
        let replaced = |e: io::Error| Error::io("replace", &self.target, e);
        match rustix::fs::renameat_with(CWD, built, CWD, &self.target, RenameFlags::EXCHANGE) {
            Ok(()) => remove(built).map_err(|e| Error::io("remove the replaced output at", built, e)),
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                remove(&self.target).map_err(replaced)?;
                fs::rename(built, &self.target).map_err(replaced)
            }
            Err(e) => Err(replaced(e.into())),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Some(unfinished) = self.temporary.take() {
            // Its name says that it is unfinished, should even this fail.
            let _ = fs::remove_dir_all(unfinished);
        }
    }
}

/// An output that is a symlink is resolved once, here.
fn resolve(target: &Path) -> Result<PathBuf> {
    match fs::symlink_metadata(target) {
        Ok(meta) if meta.is_symlink() => fs::canonicalize(target).map_err(|e| Error::io("resolve", target, e)),
        _ => Ok(target.to_path_buf()),
    }
}

fn check_target(target: &Path, force: bool) -> Result<()> {
    let Ok(meta) = fs::symlink_metadata(target) else { return Ok(()) };
    if force {
        return Ok(());
    }
    if !meta.is_dir() {
        return Err(Error::usage(format!("{} exists and is not a directory (--force replaces it)", target.display())));
    }
    let mut entries = fs::read_dir(target).map_err(|e| Error::io("list", target, e))?;
    if entries.next().is_none() {
        return Ok(());
    }
    Err(Error::usage(format!("{} is not empty: choose a new directory, or --force to replace it", target.display())))
}

fn split(target: &Path) -> Result<(&Path, &std::ffi::OsStr)> {
    let bad = || Error::usage(format!("{} cannot be an output: name a new directory", target.display()));
    let name = target.file_name().ok_or_else(bad)?;
    let parent = target.parent().ok_or_else(bad)?;
    Ok((if parent.as_os_str().is_empty() { Path::new(".") } else { parent }, name))
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}
