//! Snapshots as a program that embeds this crate opens them.

use std::path::{Path, PathBuf};

use crate::dataset::DataSet;
use crate::decode::{self, Options, Outcome, Progress, Silent};
use crate::error::Result;
use crate::objects::{self, Object};
use crate::source::{Access, PassedOver, Source, find_inputs};

/// One or several snapshots, as one data set: usually one for each Raft group of a cluster.
pub struct Snapshot {
    sources: Vec<Source>,
    passed_over: Vec<PassedOver>,
}

impl Snapshot {
    /// Opens snapshot files, server data directories or their `fsm-snap/` (then the newest intact file).
    ///
    /// Files are mapped; nothing is read yet.
    ///
    /// # Errors
    /// A name that leads to no snapshot file.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Snapshot> {
        let named: Vec<PathBuf> = paths.iter().map(|path| path.as_ref().to_path_buf()).collect();
        let found = find_inputs(&named)?;
        let sources: Result<_> = found.files.iter().map(|path| Source::open(path, Access::Map)).collect();
        Ok(Snapshot { sources: sources?, passed_over: found.passed_over })
    }

    /// A snapshot that is in memory, under a name for messages.
    pub fn from_bytes(name: impl Into<PathBuf>, bytes: Vec<u8>) -> Snapshot {
        Snapshot { sources: vec![Source::from_bytes(name, bytes)], passed_over: Vec::new() }
    }

    /// The files.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Newer files of a directory that were passed over because they are damaged.
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// Surveys the files: counts, and live rows by family or key. Values of committed transactions are applied.
    ///
    /// # Errors
    /// A file that is not a sound snapshot.
    pub fn rows(&self) -> Result<DataSet<'_>> {
        decode::survey(&self.sources, &Options::default(), &Silent).map(|surveyed| surveyed.set)
    }

    /// Gives the logical objects, those that `options` choose.
    ///
    /// # Errors
    /// A file that is not a sound snapshot, a damaged row, and what `each` gives.
    pub fn objects(&self, options: &Options, each: &mut dyn FnMut(&Object<'_>) -> Result<()>) -> Result<()> {
        objects::of_snapshots(&self.sources, options, false, &Silent, each).map(drop)
    }

    /// Decodes into a new directory or archive: see [`decode`](crate::decode::decode).
    ///
    /// # Errors
    /// As there.
    pub fn decode(&self, target: &Path, options: &Options, progress: &dyn Progress) -> Result<Outcome> {
        decode::decode(&self.sources, target, options, progress)
    }
}
