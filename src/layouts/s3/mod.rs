//! S3 in both layouts: bodies at the same paths, and the metadata of each object in the form of the layout.
//!
//! | path below `s3/BUCKET/` | content | when |
//! |---|---|---|
//! | `_bucket.json` | the bucket's record | it has one |
//! | KEY, or its name according to [`names`] | the body | always |
//! | `_orphans/KEY/gen-N/` | chunks that are in no body, manifests that are not live | `Options::include_orphans` |
//! | `_incomplete_uploads/records.jsonl` | the rows of unfinished uploads | `Options::include_incomplete_uploads` |
//! | `_incomplete_uploads/chunks~.jsonl` | their chunks | `Options::for_restore` |
//!
//! With `Options::for_restore`, `s3/_generations~.jsonl` has the generations that are not in any record.
//!
//! 1. The keys of all live objects are read once, to name them; a byte per object is kept ([`names`]).
//! 2. The objects of a split are written (`files`); the layout writes the metadata of each manifest (`Describe`).

pub(crate) mod counted;
mod files;
pub(crate) mod lookup;
pub mod names;
pub(super) mod paths;
pub(crate) mod place;
pub mod read;
pub(super) mod render;
mod run;
mod told;
mod uploads;

#[cfg(feature = "parquet")]
pub(super) use run::{Written, payloads, records};
pub(crate) use run::{write_all, write_one};

use crate::error::Result;
use crate::model::s3::Object;
use crate::output::names::segment;
use crate::output::split::SplitOutput;
use crate::output::tree::Dir;
use names::Name;

/// Buckets whose files are passed on at once: there can be very many buckets.
pub(in crate::layouts) const TOGETHER: usize = 256;

/// The folder of a bucket, below the output.
pub(super) fn folder(bucket: &[u8]) -> String {
    format!("s3/{}", segment(bucket))
}

/// A body that was written.
pub(crate) struct Body<'b> {
    /// How it is named.
    pub name: Name,
    /// Its directory.
    pub dir: &'b Dir,
    /// Its file in there.
    pub file: &'b [u8],
}

/// How a layout writes the metadata of objects: one value for each split.
pub(crate) trait Describe: Default {
    /// Writes the metadata of an object whose body was written.
    fn object(&mut self, object: &Object<'_>, body: &Body<'_>, out: &mut SplitOutput<'_>) -> Result<()>;

    /// The buckets that got lines of an index, in order.
    fn indexed(self) -> Vec<Vec<u8>>;
}
