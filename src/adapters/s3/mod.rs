//! S3: turns chunks, manifests and bucket records into objects (`docs/format/s3.md` §3).
//!
//! 1. Bucket records and counters determine the live generation of each bucket ([`Buckets`]). Payloads of offloaded chunks are
//!    compared with their digests ([`Payloads`]).
//! 2. Objects are cut into *splits* of about equal bytes ([`splits`](fn@splits)). [`live_keys`] gives only the keys of the live
//!    objects of a split, for callers that must know all of them before the first body comes.
//! 3. A split is read ([`read`](fn@read)): the rows of an object are merged from six families, so that its body, its left-overs
//!    and its unfinished uploads come together in one pass, and every row is read.

mod all;
mod body;
mod buckets;
mod check;
pub mod encode;
mod findings;
mod leftovers;
mod merge;
mod payloads;
mod plan;
mod rows;
mod splits;
mod task;
mod uploads;

pub use all::read_all;
pub use buckets::Buckets;
pub use leftovers::Leftovers;
pub use payloads::Payloads;
pub use splits::{Split, live_keys, of_bucket, splits};
pub use task::{Report, read};
pub use uploads::{live_uploads, unfinished_uploads};

use crate::dataset::{DataSet, RowsOf};
use crate::error::Result;
use crate::format::Family;
use crate::format::s3::ObjectKey;
use crate::format::s3::key::object_prefix;

/// The split of one object, if its bucket is live.
pub fn split_of(buckets: &Buckets<'_>, bucket: &[u8], key: &[u8]) -> Option<Split> {
    manifest_key(buckets, bucket, key).map(|prefix| Split::one(Family::S3Object.suffix(&prefix)))
}

/// The rows that describe some objects: their manifests.
///
/// # Errors
/// A damaged bucket record.
pub fn rows_of(set: &DataSet<'_>, bucket: &[u8], key: &[u8]) -> Result<RowsOf> {
    let buckets = Buckets::read(set)?;
    Ok(RowsOf::exactly(manifest_key(&buckets, bucket, key).into_iter().collect()))
}

/// User key of an object's manifest in the live generation of its bucket.
fn manifest_key(buckets: &Buckets<'_>, bucket: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let generation = buckets.live(bucket)?;
    let key = ObjectKey { bucket: bucket.into(), generation, object: key.into() };
    Some(object_prefix(Family::S3Object, &key).as_bytes().to_vec())
}
