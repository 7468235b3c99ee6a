//! Removes trees of any depth, with few handles.

use std::ffi::CString;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::levels::{Levels, open_root};

/// How often a directory is emptied again when files are added to it meanwhile.
const TRIES: usize = 100;

/// Removes a file, or a directory with everything in it. It is no error if another process removes some of it
/// meanwhile. No link is followed.
///
/// # Errors
/// The error of the first entry that cannot be removed; entries after it stay.
pub fn remove(path: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        let removed = match std::fs::remove_dir(path) {
            // Without free handles an empty directory can still be removed.
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {
                empty(path).and_then(|()| std::fs::remove_dir(path))
            }
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => std::fs::remove_file(path),
            other => other,
        };
        match removed {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            // A thread of the run may have been about to create a file.
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty && tries < TRIES => tries += 1,
            other => return other,
        }
    }
}

/// Removes everything in a directory.
fn empty(path: &Path) -> io::Result<()> {
    let mut levels = Levels::new(open_root(path)?)?;
    let mut names: Vec<CString> = Vec::new();
    loop {
        if let Some(entry) = levels.next()? {
            let (name, fd) = (entry.file_name(), levels.fd()?);
            let is_dir = entry.file_type() == FileType::Directory;
            if is_dir || is_directory(rustix::fs::unlinkat(fd, name, AtFlags::empty()))? {
                levels.down(name)?;
                names.push(name.to_owned());
            }
            continue;
        }
        let Some(name) = names.pop() else { return Ok(()) };
        levels.up()?;
        gone(rustix::fs::unlinkat(levels.fd()?, &name, AtFlags::REMOVEDIR))?;
    }
}

/// Some file systems do not give the type of an entry in the listing. The attempt to remove it as a file shows it.
fn is_directory(removed: rustix::io::Result<()>) -> io::Result<bool> {
    match removed {
        Err(Errno::ISDIR) => Ok(true),
        other => gone(other).map(|()| false),
    }
}

fn gone(removed: rustix::io::Result<()>) -> io::Result<()> {
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deeper than a path can tell, with files and links that must not be followed.
    #[test]
    fn deep_trees() {
        use rustix::fs::{CWD, Mode, OFlags};
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("kept"), "").unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut at = rustix::fs::openat(CWD, &root, flags, Mode::empty()).unwrap();
        for n in 0..1000 {
            if n % 100 == 0 {
                let create = OFlags::WRONLY | OFlags::CREATE;
                drop(rustix::fs::openat(&at, "file", create, Mode::RWXU).unwrap());
                rustix::fs::symlinkat(dir.path(), &at, "link").unwrap();
                rustix::fs::mkdirat(&at, "a", Mode::RWXU).unwrap();
            }
            rustix::fs::mkdirat(&at, "level", Mode::RWXU).unwrap();
            at = rustix::fs::openat(&at, "level", flags, Mode::empty()).unwrap();
        }
        drop(at);
        remove(&root).unwrap();
        assert!(!root.exists() && dir.path().join("kept").exists());
        remove(&root).unwrap();
        remove(&dir.path().join("kept")).unwrap();
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
    }
}
