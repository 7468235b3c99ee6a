//! What an output would need, without writing it.

use std::time::Instant;

use super::fill;
use super::{Options, Outcome, Progress, on_threads};
use crate::error::Result;
use crate::output::archive;
use crate::output::checksums::{self, DIRECTORY};
use crate::output::tree::{BLOCK, Tree};
use crate::source::Source;

/// Files, directories and bytes of an output directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Need {
    /// Files, with MANIFEST.json and CHECKSUMS.
    pub files: u64,
    /// Directories, with the output itself.
    pub directories: u64,
    /// Bytes of all files; holes count as the zeros they read as. A few sparse files can exceed 64 bits.
    pub bytes: u128,
    /// Stored bytes in whole blocks of 4 KiB, with one block for each directory: what most file systems need, or a little less.
    pub disk_bytes: u128,
}

impl Need {
    /// Files and directories: each takes an inode.
    pub fn inodes(&self) -> u64 {
        self.files + self.directories
    }

    /// Adds a file of which `unused` bytes are in blocks that take no space.
    fn file(&mut self, bytes: u64, unused: u64) {
        self.files += 1;
        self.bytes += u128::from(bytes);
        self.disk_bytes += u128::from(bytes.saturating_sub(unused)).next_multiple_of(BLOCK.into());
    }

    fn directory(&mut self) {
        self.directories += 1;
        self.disk_bytes += u128::from(BLOCK);
    }
}

/// Decodes as [`decode`](super::decode) does, but writes nothing, and returns what an output directory would need.
///
/// # Errors
/// An input that is not a valid snapshot, a damaged row.
pub fn estimate(sources: &[Source], options: &Options, progress: &dyn Progress) -> Result<(Outcome, Need)> {
    let started = Instant::now();
    let (mut outcome, need) = on_threads(options.threads, || run(sources, options, progress))??;
    outcome.elapsed = started.elapsed();
    Ok((outcome, need))
}

fn run(sources: &[Source], options: &Options, progress: &dyn Progress) -> Result<(Outcome, Need)> {
    options.check()?;
    let scratch = std::env::temp_dir();
    let tree = Tree::null(&scratch);
    let mut filled = fill::fill(sources, &tree, &scratch, options, progress)?;
    filled.matched.check()?;
    archive::add_directories(&mut filled.checksums, tree.take_named_dirs())?;
    let mut need = Need::default();
    need.directory();
    let (mut row, mut rows, mut last) = (Vec::new(), 0, Vec::new());
    filled.checksums.each(|path, entry| {
        if entry.place == DIRECTORY {
            if path != last.as_slice() {
                need.directory();
                path.clone_into(&mut last);
            }
            return Ok(());
        }
        need.file(entry.place.len, entry.place.at);
        row.clear();
        checksums::row_into(path, &entry.digest, &mut row);
        rows += row.len() as u64;
        Ok(())
    })?;
    need.file(rows, 0);
    Ok((Outcome::of(filled, Vec::new()), need))
}
