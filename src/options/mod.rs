//! The options of a decode.

pub mod changes;
pub mod filter;
mod layout;
mod object_name;
mod printed;
mod spelling;

use crate::error::{Error, Result};
use crate::format::adapter::{self, Adapter};
use crate::index::Granularity;
use crate::output::archive::Packing;
use crate::output::manifest::RecordedOptions;
use crate::output::manifest_read::ReadManifest;
use crate::source::PassedOver;
use changes::Older;
use filter::{Filter, Pattern};
pub use layout::{Layout, LayoutSpec};
pub use object_name::ObjectName;
#[cfg(feature = "load")]
pub(crate) use printed::typed;
pub(crate) use printed::typed_name;
pub(crate) use spelling::spelled;

/// Default size of a bundle of items.
const BUNDLE: u64 = 64 << 20;
/// Default size of a Parquet file.
const PART: u64 = 256 << 20;
/// Default size of an object of an AWS export, before compression.
#[cfg(feature = "archive")]
const OBJECT: u64 = 64 << 20;

/// Options of a decode; the defaults are those of the command line.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)]
pub struct Options {
    /// Which front ends to decode.
    pub adapters: Vec<Adapter>,
    /// Versions above this commit timestamp do not exist.
    pub as_of: Option<u64>,
    /// Only changes after this commit timestamp; for exports of AWS, and for packed lines, which first need
    /// [`prepare`](crate::compare::since::prepare).
    pub since: Option<u64>,
    /// The state at that moment is that of these snapshots, not that of the inputs' history: see [`since_older`](Options::since_older).
    pub older: Option<Older>,
    /// Worker threads; 0 = one for each core.
    pub threads: usize,
    /// Copied to the manifest.
    pub cluster_id: String,
    /// Write objects that the server cannot reach below `_orphans/`.
    pub include_orphans: bool,
    /// Write records of unfinished S3 uploads.
    pub include_incomplete_uploads: bool,
    /// Keep visibility and receive counts of SQS messages.
    pub preserve_sqs_visibility: bool,
    /// Write the SQS bookkeeping rows.
    pub include_sqs_side_records: bool,
    /// Rename S3 keys that end in the sidecar's suffix.
    pub rename_s3_collisions: bool,
    /// Write the data that only a restore needs: see [`Options::for_restore`].
    pub for_restore: bool,
    /// Leave out Redis keys that expire at or before this moment (Unix milliseconds).
    pub drop_expired: Option<u64>,
    /// DynamoDB items in bundles of about this many bytes, instead of one file each; only in a tree.
    pub dynamodb_bundle: Option<u64>,
    /// A file for each object, or packed lines.
    pub layout: Layout,
    /// With packed lines: also write their schema, and scripts that load them.
    pub loaders: bool,
    /// Approximate bytes of a file in a packed layout: lines are cut into parts. `None`: lines are not cut, Parquet files have 256 MiB,
    /// objects of an AWS export 64 MiB before compression.
    pub part_size: Option<u64>,
    /// One archive instead of a directory.
    pub archive: Option<Packing>,
    /// Which objects are requested.
    pub filter: Filter,
    /// Replace an output of ekvsnap, and remove what killed runs left of it.
    pub force: bool,
    /// Whether the whole output is on disk before it gets its name; `None`: yes for archives and packed lines, no for trees, which have too
    /// many files.
    pub fsync: Option<bool>,
    /// Continue without rows that cannot be read, and list them in `ERRORS.jsonl`.
    pub skip_damage: bool,
    /// Files that are newer than the inputs and damaged: there is a warning about them.
    pub passed_over: Vec<PassedOver>,
    /// Sizes of the units of work; no output depends on them.
    pub granularity: Granularity,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            adapters: adapter::all().collect(),
            as_of: None,
            since: None,
            older: None,
            threads: 0,
            cluster_id: String::new(),
            include_orphans: false,
            include_incomplete_uploads: false,
            preserve_sqs_visibility: false,
            include_sqs_side_records: false,
            rename_s3_collisions: false,
            for_restore: false,
            drop_expired: None,
            dynamodb_bundle: None,
            layout: Layout::default(),
            loaders: false,
            part_size: None,
            archive: None,
            filter: Filter::default(),
            force: false,
            fsync: None,
            skip_damage: false,
            passed_over: Vec::new(),
            granularity: Granularity::default(),
        }
    }
}

impl Options {
    /// Everything that a restore needs, and nothing that the server cannot reach: current visibility of messages, locks and deduplication
    /// records of the live generation, unfinished uploads, generations of deleted scopes, and which strings are stored under their own
    /// names.
    #[must_use]
    pub fn for_restore(self) -> Options {
        Options {
            include_orphans: false,
            include_incomplete_uploads: true,
            preserve_sqs_visibility: true,
            include_sqs_side_records: true,
            for_restore: true,
            ..self
        }
    }

    /// Only the changes since the state of older snapshots.
    #[must_use]
    pub fn since_older(self, older: Older) -> Options {
        Options { since: Some(older.moment()), older: Some(older), ..self }
    }

    /// Whether the output has changed objects as lines, and a file that names deleted objects.
    pub fn writes_changes(&self) -> bool {
        self.since.is_some() && self.layout == Layout::JSONL
    }

    /// Whether any object of an adapter is requested.
    pub fn wants(&self, adapter: Adapter) -> bool {
        self.adapters.contains(&adapter) && self.filter.takes_adapter(adapter)
    }

    /// Rejects options that exclude each other.
    ///
    /// # Errors
    /// A usage error that says why.
    pub fn check(&self) -> Result<()> {
        if self.packed() && self.dynamodb_bundle.is_some() {
            return Err(Error::command_line(
                "bundles of items are for trees: a packed layout has no file for each item; choose one of the two",
            ));
        }
        if self.loaders && self.layout != Layout::JSONL {
            return Err(Error::command_line("loaders are for lines: choose the layout jsonl too"));
        }
        if self.part_size == Some(0) {
            return Err(Error::command_line("the size of a part cannot be 0"));
        }
        if self.part_size.is_some() && !self.packed() {
            return Err(Error::command_line(format!(
                "a part size is for the files of a packed layout, and the layout {} has a file for each object: choose jsonl, parquet or aws-export",
                self.layout.name()
            )));
        }
        if self.since.is_some() {
            self.check_since()?;
        }
        if self.for_restore && !self.layout.is_read_back() {
            return Err(Error::command_line(format!(
                "an output of the layout {} is for queries, not for a restore: choose one of the two",
                self.layout.name()
            )));
        }
        Ok(())
    }

    fn check_since(&self) -> Result<()> {
        if !matches!(self.layout.name(), "jsonl" | "aws-export") {
            return Err(Error::command_line(
                "changes are written as lines or as exports of AWS: choose the layout jsonl or aws-export",
            ));
        }
        let hidden = self.include_incomplete_uploads || self.include_sqs_side_records || self.for_restore;
        if hidden && self.layout == Layout::JSONL {
            return Err(Error::command_line(
                "changes are those of served objects: leave out unfinished uploads, bookkeeping rows, and what only a restore needs",
            ));
        }
        if self.include_orphans {
            return Err(Error::command_line(
                "changes are those of served objects, and orphans are not served: ask for one of the two",
            ));
        }
        if self.skip_damage {
            return Err(Error::command_line(
                "damage that is skipped in one state would look like a change: changes need intact snapshots",
            ));
        }
        Ok(())
    }

    /// Whether the whole output is on disk before it gets its name.
    pub fn syncs(&self) -> bool {
        self.fsync.unwrap_or(self.archive.is_some() || self.packed())
    }

    /// Approximate bytes of a Parquet file.
    pub fn parquet_size(&self) -> u64 {
        self.part_size.unwrap_or(PART)
    }

    /// Approximate bytes of an object of an AWS export before compression.
    #[cfg(feature = "archive")]
    pub fn object_size(&self) -> u64 {
        self.part_size.unwrap_or(OBJECT)
    }

    /// Whether the output is packed lines.
    pub fn packed(&self) -> bool {
        self.layout.is_packed()
    }

    /// What the manifest must record so that the decode can be repeated; `has_fs`: there is a file system.
    pub(crate) fn recorded(&self, has_fs: bool) -> RecordedOptions {
        let texts = |patterns: &[Pattern]| patterns.iter().map(Pattern::to_string).collect();
        let filter = &self.filter;
        RecordedOptions {
            layout: if self.layout == Layout::TREE { String::new() } else { self.layout.name().into() },
            loaders: self.loaders && self.layout == Layout::JSONL,
            part_size: self.part_size.filter(|_| self.packed()),
            as_of: self.as_of,
            since: self.since,
            since_snapshots: self.older.as_ref().map(Older::footers).unwrap_or_default(),
            drop_expired: self.drop_expired,
            on_error: if self.skip_damage { "skip".into() } else { String::new() },
            dynamodb_bundle_size: self.dynamodb_bundle,
            scope: texts(&filter.include),
            exclude: texts(&filter.exclude),
            types: filter.types.clone(),
            min_size: Some(filter.min_size).filter(|n| *n > 0),
            max_size: Some(filter.max_size).filter(|n| *n < u64::MAX),
            fs_names: if has_fs && self.archive.is_some() { "raw".into() } else { String::new() },
            for_restore: self.for_restore,
        }
    }

    /// The options of an output whose objects are read back.
    ///
    /// # Errors
    /// As [`of_manifest`](Options::of_manifest); a layout that cannot be read back.
    pub fn of_readable(manifest: &ReadManifest) -> Result<Options> {
        let layout = &manifest.options.layout;
        if manifest.options.since.is_some() && layout == "jsonl" {
            return Err(Error::usage(
                "an output of changes is not a complete state: take the snapshot, or apply the changes to the lines \
                 that they follow (docs/format/changes.md)",
            ));
        }
        if matches!(layout.as_str(), "" | "jsonl") {
            return Options::of_manifest(manifest);
        }
        Err(Error::usage(format!(
            "an output of the layout {layout} is for queries, and its objects cannot be read back: take the snapshot, or an output of another \
             layout"
        )))
    }

    /// The options in a manifest.
    ///
    /// # Errors
    /// A pattern that cannot be read.
    pub fn of_manifest(manifest: &ReadManifest) -> Result<Options> {
        let ReadManifest { adapters, exclusions, options: told, .. } = manifest;
        let patterns = |texts: &[String]| -> Result<Vec<Pattern>> {
            let parse = |text: &String| text.parse().map_err(|e| Error::usage(format!("MANIFEST.json: {text}: {e}")));
            texts.iter().map(parse).collect()
        };
        // The server's own tool has no members for what other members already show.
        let bundled = manifest.document.get("dynamodb_layout").is_some_and(|layout| layout == "jsonl");
        let bundle = told.dynamodb_bundle_size.or((bundled && told.layout.is_empty()).then_some(BUNDLE));
        let layout = layout_named(&told.layout)?;
        Ok(Options {
            adapters: adapters.clone(),
            as_of: told.as_of.or(manifest.live_read_ts),
            since: told.since,
            cluster_id: manifest.cluster_id.clone(),
            include_orphans: exclusions.include_orphans,
            include_incomplete_uploads: exclusions.include_incomplete_uploads,
            preserve_sqs_visibility: exclusions.preserve_sqs_visibility,
            include_sqs_side_records: exclusions.include_sqs_side_records,
            rename_s3_collisions: exclusions.rename_s3_collisions,
            for_restore: told.for_restore,
            drop_expired: told.drop_expired,
            dynamodb_bundle: bundle,
            layout,
            loaders: told.loaders,
            part_size: told.part_size.filter(|_| layout.is_packed()),
            filter: Filter {
                include: patterns(&told.scope)?,
                exclude: patterns(&told.exclude)?,
                types: told.types.clone(),
                min_size: told.min_size.unwrap_or(0),
                max_size: told.max_size.unwrap_or(u64::MAX),
                changes: None,
            },
            skip_damage: told.on_error == "skip",
            // Only an archive has raw names, though it may have been extracted since.
            archive: (told.fs_names == "raw").then_some(Packing::Tar),
            ..Options::default()
        })
    }
}

/// The layout in a manifest: the tree has no name there.
fn layout_named(name: &str) -> Result<Layout> {
    if name.is_empty() {
        return Ok(Layout::TREE);
    }
    Layout::named(name).ok_or_else(|| Error::usage(format!("MANIFEST.json: unknown layout \"{name}\"")))
}
