//! The entry point of programs that embed this crate.

mod indexed;

use std::path::{Path, PathBuf};

pub use indexed::Indexed;

use crate::compare::since::prepare;
use crate::dataset::DataSet;
use crate::decode::{self, Options, Outcome, Progress, Silent};
use crate::error::Result;
use crate::index::{self, Granularity};
use crate::model::dynamodb::Visitor as ItemVisitor;
use crate::model::redis::Visitor;
use crate::objects::{self, Object};
use crate::report::Findings;
use crate::source::keys::KeyFiles;
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

    /// The same with the keys of encrypted rows, which are decrypted into a temporary file.
    ///
    /// # Errors
    /// As [`open`](Snapshot::open); keys that cannot be used; a temporary file that cannot be written.
    pub fn open_with_keys(paths: &[impl AsRef<Path>], keys: &KeyFiles) -> Result<Snapshot> {
        let Snapshot { sources, passed_over } = Snapshot::open(paths)?;
        let rings = keys.of(&paths_of(&sources))?;
        let decrypt = |(source, ring)| index::decrypt(source, &ring, Access::Map, Granularity::default());
        Ok(Snapshot { sources: sources.into_iter().zip(rings).map(decrypt).collect::<Result<_>>()?, passed_over })
    }

    /// A snapshot that is in memory, under a name for messages.
    pub fn from_bytes(name: impl Into<PathBuf>, bytes: Vec<u8>) -> Snapshot {
        Snapshot { sources: vec![Source::from_bytes(name, bytes)], passed_over: Vec::new() }
    }

    /// The files.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The files, for callers that need to own them, such as a [`Side`](crate::diff::Side) of a comparison.
    pub fn into_sources(self) -> Vec<Source> {
        self.sources
    }

    /// Newer files of a directory that were skipped because they are damaged.
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// Indexes the files: counts, and live rows by family or key. Values of committed transactions are applied.
    ///
    /// # Errors
    /// A file that is not a valid snapshot.
    pub fn rows(&self) -> Result<DataSet<'_>> {
        decode::index(&self.sources, &Options::default(), &Silent).map(|indexed| indexed.set)
    }

    /// Passes on the logical objects that `options` choose.
    ///
    /// # Errors
    /// A file that is not a valid snapshot, a damaged row, or the error of `each`.
    pub fn objects(&self, options: &Options, each: &mut dyn FnMut(&Object<'_>) -> Result<()>) -> Result<()> {
        objects::of_snapshots(&self.sources, options, false, &Silent, each).map(drop)
    }

    /// Passes on every Redis key with its value, in the order of keys; `options` choose which. A damaged row ends the read, unless damage
    /// is skipped. Lists, whose items are stored separately, come like all other keys; items that belong to no list come last.
    ///
    /// ```
    /// use ekvsnap::decode::Options;
    /// use ekvsnap::format::redis::stream::{StreamEntry, StreamId};
    /// use ekvsnap::model::redis::{Key, StreamEnd, Visitor};
    /// use ekvsnap::{Result, Snapshot};
    ///
    /// /// Counts the bytes of values.
    /// #[derive(Default)]
    /// struct Bytes(usize);
    ///
    /// impl Visitor for Bytes {
    ///     fn string(&mut self, _: &Key<'_>, value: &[u8]) -> Result<()> { self.0 += value.len(); Ok(()) }
    ///     fn begin(&mut self, _: &Key<'_>) -> Result<()> { Ok(()) }
    ///     fn field(&mut self, _: &Key<'_>, name: &[u8], value: &[u8]) -> Result<()> { self.0 += name.len() + value.len(); Ok(()) }
    ///     fn item(&mut self, _: &Key<'_>, value: &[u8]) -> Result<()> { self.0 += value.len(); Ok(()) }
    ///     fn member(&mut self, _: &Key<'_>, member: &[u8]) -> Result<()> { self.0 += member.len(); Ok(()) }
    ///     fn scored(&mut self, _: &Key<'_>, member: &[u8], _: f64) -> Result<()> { self.0 += member.len(); Ok(()) }
    ///     fn entry(&mut self, _: &Key<'_>, _: StreamId, entry: &StreamEntry<'_>) -> Result<()> {
    ///         self.0 += entry.fields().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    ///         Ok(())
    ///     }
    ///     fn end(&mut self, _: &Key<'_>, _: StreamEnd) -> Result<()> { Ok(()) }
    ///     fn abandon(&mut self, _: &Key<'_>) -> Result<()> { Ok(()) }
    ///     fn stray_items(&mut self, _: &[u8], _: &[&[u8]]) -> Result<()> { Ok(()) }
    ///     fn stray_expiry(&mut self, _: &[u8], _: u64) -> Result<()> { Ok(()) }
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// let mut bytes = Bytes::default();
    /// Snapshot::open(&["testdata/redis-small.fsm"])?.redis(&Options::default(), &mut bytes)?;
    /// assert!(bytes.0 > 10_000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A file that is not a valid snapshot, a damaged row, or the error of the visitor.
    pub fn redis(&self, options: &Options, visitor: &mut impl Visitor) -> Result<Findings> {
        self.index(options)?.redis(options, visitor)
    }

    /// Passes on every DynamoDB item with its table and its attributes, in the order of tables and their row keys; `options` choose which.
    /// Items of no live generation come only on request. `examples/values.rs` is a program that does this.
    ///
    /// # Errors
    /// A file that is not a valid snapshot, a damaged row, or the error of the visitor.
    pub fn dynamodb(&self, options: &Options, visitor: &mut impl for<'a> ItemVisitor<'a>) -> Result<Findings> {
        self.index(options)?.dynamodb(options, visitor)
    }

    /// Decodes into a new directory or archive: see [`decode`](crate::decode::decode). If changes are requested as lines, they are found
    /// first.
    ///
    /// # Errors
    /// As [`decode`](crate::decode::decode).
    pub fn decode(&self, target: &Path, options: &Options, progress: &dyn Progress) -> Result<Outcome> {
        let options = prepare(&self.sources, options.clone(), progress)?;
        decode::decode(&self.sources, target, &options, progress)
    }
}

fn paths_of(sources: &[Source]) -> Vec<PathBuf> {
    sources.iter().map(|source| source.path().to_path_buf()).collect()
}
