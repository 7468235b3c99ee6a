//! What a decode is asked to do.

use super::filter::Filter;
use crate::error::{Error, Result};
use crate::format::Adapter;
use crate::output::archive::Packing;
use crate::source::PassedOver;
use crate::survey::Grain;

/// How logical data is laid out in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// A file for each key, item and object (`tree.md`).
    #[default]
    Tree,
    /// A JSONL file for each scope and type, a line for each key, item and message (`ours.md` §6).
    Packed,
}

/// Options of a decode; the defaults are those of the command line.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)]
pub struct Options {
    /// Which front ends to decode.
    pub adapters: Vec<Adapter>,
    /// Versions above this commit timestamp do not exist.
    pub as_of: Option<u64>,
    /// Worker threads; 0 = one for each core.
    pub threads: usize,
    /// Copied to the manifest.
    pub cluster_id: String,
    /// Write what the server cannot reach below `_orphans/`.
    pub include_orphans: bool,
    /// Write records of unfinished S3 uploads.
    pub include_incomplete_uploads: bool,
    /// Keep visibility and receive counts of SQS messages.
    pub preserve_sqs_visibility: bool,
    /// Write the SQS bookkeeping rows.
    pub include_sqs_side_records: bool,
    /// Rename S3 keys that end in the sidecar's suffix.
    pub rename_s3_collisions: bool,
    /// Leave out Redis keys that expire at or before this moment (Unix milliseconds).
    pub drop_expired: Option<u64>,
    /// DynamoDB items in bundles of about this many bytes, instead of a file each; only in a tree.
    pub dynamodb_bundle: Option<u64>,
    /// A file for each object, or packed lines.
    pub layout: Layout,
    /// One archive instead of a directory.
    pub archive: Option<Packing>,
    /// Which objects are wanted.
    pub filter: Filter,
    /// Replace an output of ours, and remove what killed runs left of it.
    pub force: bool,
    /// Go on without rows that cannot be read, and list them in `ERRORS.jsonl`.
    pub skip_damage: bool,
    /// Files that are newer than the inputs and damaged: warned of.
    pub passed_over: Vec<PassedOver>,
    /// How finely the work is cut; no output depends on it.
    pub grain: Grain,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            adapters: Adapter::SELECTABLE.to_vec(),
            as_of: None,
            threads: 0,
            cluster_id: String::new(),
            include_orphans: false,
            include_incomplete_uploads: false,
            preserve_sqs_visibility: false,
            include_sqs_side_records: false,
            rename_s3_collisions: false,
            drop_expired: None,
            dynamodb_bundle: None,
            layout: Layout::default(),
            archive: None,
            filter: Filter::default(),
            force: false,
            skip_damage: false,
            passed_over: Vec::new(),
            grain: Grain::default(),
        }
    }
}

impl Options {
    /// Whether any object of an adapter is wanted.
    pub fn wants(&self, adapter: Adapter) -> bool {
        self.adapters.contains(&adapter) && self.filter.takes_adapter(adapter)
    }

    /// Refuses what cannot be asked for together.
    ///
    /// # Errors
    /// A usage error that says why.
    pub fn check(&self) -> Result<()> {
        if self.packed() && self.dynamodb_bundle.is_some() {
            return Err(Error::usage(
                "--dynamodb-bundle-mode jsonl cuts the items of a tree into bundles; --layout jsonl has one file a table: \
                 give one of the two",
            ));
        }
        Ok(())
    }

    /// Whether the output is packed lines.
    pub fn packed(&self) -> bool {
        self.layout == Layout::Packed
    }
}
