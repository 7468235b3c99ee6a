//! A tree is built under a temporary sibling name and renamed when it is complete.
//!
//! The temporary directory is locked while its run is alive. A directory without a lock was left by a killed run.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use sha2::{Digest as _, Sha256};

use super::pending::{Made, Pending};
use super::remove::remove;
use super::sys;
use super::target::{MAX_NAME, check, resolve, split};
use crate::error::{Error, Result};
use crate::format::hex;

/// Marks the name of an output that is not finished.
const UNFINISHED: &str = ".ekvsnap-unfinished-";
/// Letters and digits that follow the mark.
const RANDOM: usize = 6;

/// The directory in which an output is built.
#[derive(Debug)]
pub struct Staging {
    target: PathBuf,
    temporary: Option<PathBuf>,
    /// Held for its lock.
    lock: Option<File>,
    /// Dropped when nothing is left to remove.
    _pending: Pending,
    parents: Parents,
    leftovers: Vec<PathBuf>,
    force: bool,
}

impl Staging {
    /// Prepares to build `target`, which must be new or an empty directory (or, with `force`, an output of ours).
    pub fn new(target: &Path, force: bool) -> Result<Staging> {
        if target.as_os_str() == "-" {
            return Err(Error::command_line("a directory cannot go to standard output: name a directory"));
        }
        let target = resolve(target)?;
        check(&target, force)?;
        let (parent, name) = split(&target)?;
        let prefix = prefix_of(name);
        let parents = Parents::make(parent)?;
        let mut leftovers = leftovers(parent, &prefix, fs::FileType::is_dir);
        if force {
            leftovers.retain(|leftover| remove(leftover).is_err());
        }
        sys::about_to().map_err(|e| Error::io("create a directory in", parent, e))?;
        let reserve = || {
            let mut builder = tempfile::Builder::new();
            builder.prefix(&prefix).rand_bytes(RANDOM).permissions(fs::Permissions::from_mode(0o755));
            let temporary = builder.tempdir_in(parent)?.keep();
            Ok((temporary.clone(), Made::Temporary(temporary)))
        };
        let reserved = Pending::enter(reserve).map_err(|e| Error::io("create a directory in", parent, e));
        let (temporary, _pending) = reserved?;
        let lock = lock(&temporary);
        Ok(Staging { target, temporary: Some(temporary), lock, _pending, parents, leftovers, force })
    }

    /// The directory in which to build.
    pub fn path(&self) -> &Path {
        self.temporary.as_deref().unwrap_or(&self.target)
    }

    /// The path of the finished output.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Whether an output of ours exists that this one replaces.
    pub fn replaces(&self) -> bool {
        self.force && fs::read_dir(&self.target).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// What killed runs have left of the same target; with `force`, only what could not be removed.
    pub fn leftovers(&self) -> &[PathBuf] {
        &self.leftovers
    }

    /// Gives the finished tree its name, in one step. With `sync` its content is on the disk before, and its name afterwards.
    pub fn publish(mut self, sync: bool) -> Result<()> {
        let Some(built) = self.temporary.clone() else { return Ok(()) };
        if sync {
            sys::sync_tree(&built).map_err(|e| Error::io("write to the disk", &self.target, e))?;
        }
        if self.force && fs::symlink_metadata(&self.target).is_ok() {
            // A long time may have passed since the first check.
            check(&self.target, true)?;
            self.exchange(&built)?;
        } else {
            let rename = || sys::rename(&built, &self.target);
            Pending::publish(|| rename().map_err(|e| Error::io("rename the finished output to", &self.target, e)))?;
        }
        self.temporary = None;
        self.parents.keep();
        if sync { sys::sync_name(split(&self.target)?.0) } else { Ok(()) }
    }

    /// Swaps old and new, so that one of them exists at any moment, then removes the old one.
    fn exchange(&self, built: &Path) -> Result<()> {
        let replaced = |e: io::Error| Error::io("replace", &self.target, e);
        sys::about_to().map_err(replaced)?;
        let exchange = || match rustix::fs::renameat_with(CWD, built, CWD, &self.target, RenameFlags::EXCHANGE) {
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                remove(&self.target).map_err(replaced)?;
                fs::rename(built, &self.target).map_err(replaced)
            }
            other => other.map_err(|e| replaced(e.into())),
        };
        Pending::publish(exchange)?;
        remove(built).map_err(|e| Error::io("remove the replaced output at", built, e))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Some(unfinished) = self.temporary.take() {
            self.lock = None;
            // If this fails, its name says that it is unfinished.
            let _ = remove(&unfinished);
        }
    }
}

/// Directories that were made for the output. Empty ones are removed again if there is no output in the end.
#[derive(Debug)]
struct Parents(Vec<(PathBuf, Pending)>);

impl Parents {
    fn make(dir: &Path) -> Result<Parents> {
        let mut made = Parents(Vec::new());
        let missing: Vec<&Path> =
            dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
        for dir in missing.into_iter().rev() {
            match Pending::enter(|| Ok((fs::create_dir(dir)?, Made::Parent(dir.to_path_buf())))) {
                Ok(((), pending)) => made.0.push((dir.to_path_buf(), pending)),
                Err(_) if dir.is_dir() => {}
                Err(e) => return Err(Error::io("create directory", dir, e)),
            }
        }
        Ok(made)
    }

    fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for Parents {
    fn drop(&mut self) {
        for (dir, _pending) in self.0.drain(..).rev() {
            // Not empty: another program uses it by now.
            let _ = fs::remove_dir(dir);
        }
    }
}

/// The prefix of the temporary names of a target. If the name leaves too little room, a hash replaces its end.
pub(super) fn prefix_of(name: &OsStr) -> OsString {
    const MOST: usize = MAX_NAME - 1 - UNFINISHED.len() - RANDOM;
    const HASH: usize = 16;
    let (mut prefix, name) = (b".".to_vec(), name.as_bytes());
    if name.len() <= MOST {
        prefix.extend_from_slice(name);
    } else {
        let mut hash = String::from("~");
        hex::push(&Sha256::digest(name)[..HASH / 2], &mut hash);
        prefix.extend_from_slice(&name[..MOST - hash.len()]);
        prefix.extend_from_slice(hash.as_bytes());
    }
    prefix.extend_from_slice(UNFINISHED.as_bytes());
    OsString::from_vec(prefix)
}

/// Whether a name is a temporary name of this target.
pub fn is_unfinished(target: &OsStr, name: &OsStr) -> bool {
    has_prefix(name, &prefix_of(target))
}

fn has_prefix(name: &OsStr, prefix: &OsStr) -> bool {
    let random = name.as_bytes().strip_prefix(prefix.as_bytes());
    random.is_some_and(|random| random.len() == RANDOM && random.iter().all(u8::is_ascii_alphanumeric))
}

/// Temporary files or directories, as `kind` decides, that no living run has locked.
pub(super) fn leftovers(parent: &Path, prefix: &OsStr, kind: fn(&fs::FileType) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let ours = |entry: &fs::DirEntry| has_prefix(&entry.file_name(), prefix);
    let found = entries.filter(|entry| ours(entry) && entry.file_type().is_ok_and(|other| kind(&other)));
    let mut left: Vec<PathBuf> = found.map(|entry| entry.path()).filter(|path| lock(path).is_some()).collect();
    left.sort();
    left
}

/// Locks a file or directory; `None` when another run holds it, or when the file system has no locks.
fn lock(path: &Path) -> Option<File> {
    File::open(path).ok().filter(|file| file.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_fit() {
        let long = "n".repeat(MAX_NAME);
        for (len, cut) in [(1, false), (228, false), (229, true), (255, true)] {
            let (name, prefix) = (&long[..len], prefix_of(long[..len].as_ref()));
            assert!(prefix.len() + RANDOM <= MAX_NAME, "{prefix:?}");
            assert_eq!(prefix != OsString::from(format!(".{name}{UNFINISHED}")), cut);
        }
        assert_ne!(prefix_of(long[..229].as_ref()), prefix_of(long[..230].as_ref()));
    }
}
