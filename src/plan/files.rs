//! Moves the files of a shard into the output: linked if that is possible and requested, otherwise copied. The shard stays unchanged until
//! the output has its name.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::output::about_to;

/// Mode of a data file: a backup is for its owner.
const FILE_MODE: u32 = 0o600;
/// Mode of a directory, before the umask.
const DIR_MODE: u32 = 0o755;

/// Brings all files and directories of `from` to `to`. Directories may exist; files must not.
///
/// # Errors
/// A file of two shards; a failed system call.
pub(super) fn bring(from: &Path, to: &Path, copies: bool) -> Result<()> {
    // This is not recursive: another process could have made a directory of any depth.
    let mut waiting = vec![(from.to_path_buf(), to.to_path_buf())];
    while let Some((from, to)) = waiting.pop() {
        let failed = |e| Error::io("list", &from, e);
        for entry in fs::read_dir(&from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type().map_err(|e| Error::io("look at", &path, e))?;
            if kind.is_dir() {
                match fs::DirBuilder::new().mode(DIR_MODE).create(&target) {
                    Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(Error::io("create directory", &target, e));
                    }
                    _ => waiting.push((path, target)),
                }
            } else if kind.is_file() {
                about_to().map_err(|e| Error::io("write a file of a shard to", &target, e))?;
                let linked =
                    if copies { Err(io::ErrorKind::Unsupported.into()) } else { fs::hard_link(&path, &target) };
                linked.or_else(|e| copied(&path, &target, &e))?;
            } else {
                return Err(Error::usage(format!("{} is neither a file nor a directory", path.display())));
            }
        }
    }
    Ok(())
}

/// Copies a file if the file system has no links, or is another one.
fn copied(path: &Path, target: &Path, why: &io::Error) -> Result<()> {
    let double = || Error::usage(format!("two shards have the file {}: they are not of one plan", target.display()));
    if why.kind() == io::ErrorKind::AlreadyExists {
        return Err(double());
    }
    let copy = || {
        let from = File::open(path)?;
        let to = File::options().write(true).create_new(true).mode(FILE_MODE).open(target)?;
        copy_with_holes(&from, &to)
    };
    copy().map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => double(),
        _ => Error::io("copy a file of a shard to", target, e),
    })
}

/// Copies the data between holes: a file can have more bytes than there is space for.
fn copy_with_holes(mut from: &File, mut to: &File) -> io::Result<()> {
    let (len, mut at) = (from.metadata()?.len(), 0);
    while at < len {
        let data = match seek(from, SeekFrom::Data(at)) {
            Ok(data) => data,
            // There is only a hole up to the end.
            Err(Errno::NXIO) => break,
            Err(e) => return Err(e.into()),
        };
        let hole = seek(from, SeekFrom::Hole(data))?;
        seek(from, SeekFrom::Start(data))?;
        seek(to, SeekFrom::Start(data))?;
        io::copy(&mut Read::take(&mut from, hole - data), &mut to)?;
        at = hole;
    }
    to.set_len(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};

    #[test]
    fn holes_stay_holes() {
        const B: u64 = 1 << 20;
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        for (len, data) in [(0, &[][..]), (5, &[0]), (1 << 40, &[]), (1 << 40, &[B, 3 * B, (1 << 40) - 5])] {
            let file = File::create(&from).unwrap();
            file.set_len(len).unwrap();
            data.iter().for_each(|at| file.write_all_at(b"bytes", *at).unwrap());
            let _ = fs::remove_file(&to);
            copied(&from, &to, &io::ErrorKind::Unsupported.into()).unwrap();
            let meta = fs::metadata(&to).unwrap();
            assert!(meta.len() == len && meta.blocks() * 512 < B, "{} bytes in {} blocks", meta.len(), meta.blocks());
            let copy = File::open(&to).unwrap();
            for at in data {
                let mut bytes = [0; 5];
                copy.read_exact_at(&mut bytes, *at).unwrap();
                assert_eq!(&bytes, b"bytes");
            }
        }
        let again = copied(&from, &to, &io::ErrorKind::Unsupported.into()).unwrap_err();
        assert!(again.to_string().starts_with("two shards have the file"), "{again}");
    }
}
