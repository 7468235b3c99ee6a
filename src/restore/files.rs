//! Files of the new data directories.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::output::single::SingleFile;
use crate::output::{Writer, about_to};

/// Checksum, bytes and rows of a file.
pub(super) type Sum = (u32, u64, u64);

/// A file that is being written, with its name.
pub(super) fn opened(file: &mut SingleFile) -> Result<(PathBuf, Writer<&mut File>)> {
    let name = file.target().to_path_buf();
    let file = file.file().ok_or_else(|| Error::internal("a file was asked for"))?;
    Ok((name, file))
}

/// Creates a directory, and its parents.
pub(super) fn directory(dir: &Path) -> Result<()> {
    about_to().and_then(|()| std::fs::create_dir_all(dir)).map_err(|e| Error::io("create directory", dir, e))
}

/// Writes a small file of a data directory.
pub(super) fn small(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(path);
    directory(dir)?;
    let mut file = SingleFile::fresh(path)?;
    opened(&mut file)?.1.write_all(bytes).map_err(|e| Error::io("write", path, e))?;
    file.publish(false)
}

/// The numbers of groups, each used once.
pub(super) fn each_once(taken: Vec<Option<usize>>, groups: usize) -> Option<Vec<usize>> {
    let found: Option<BTreeSet<usize>> = taken.iter().copied().collect();
    let one_each = taken.len() == groups && found.is_some_and(|found| found.len() == groups);
    let mut inputs = vec![0; groups];
    for (input, group) in taken.into_iter().enumerate() {
        *inputs.get_mut(group?)? = input;
    }
    one_each.then_some(inputs)
}
