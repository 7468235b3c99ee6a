//! S3: from chunks, manifests and bucket records to files.
//!
//! 1. Bucket records and counters tell which generation of which bucket is live; payloads of offloaded chunks are
//!    checked against their digests.
//! 2. The keys of all manifests are read once, to name the live objects; a byte per object is kept.
//! 3. Objects are cut into spans of about equal bytes. A span merges the rows of its objects from six families, so
//!    that a body, its left-overs and its unfinished uploads come together in one pass, and no row stays unread.
//!
//! Packed (`rules.md` §6) a bucket has the same bodies at the same paths, and `_index.jsonl` in place of sidecars and
//! KEYMAP: units come in key order, and so do its lines. Left-overs and unfinished uploads are where they are in a tree.

mod body;
mod buckets;
pub mod etag;
mod findings;
mod leftovers;
mod merge;
pub mod names;
mod payloads;
pub mod plan;
pub mod render;
mod spans;
mod unit;
mod uploads;
mod verdict;

use super::{Job, engine};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::Family;
use crate::format::s3::ObjectKey;
use crate::format::s3::key::object_prefix;
use crate::output::unit::UnitOut;
use buckets::Buckets;
use leftovers::Leftovers;
use payloads::Payloads;
use spans::Spans;
use unit::{Context, Decoded};

/// Decodes all buckets.
///
/// # Errors
/// The first damaged bucket record, payload, manifest key or object, or a failed write.
pub(super) fn decode(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let (set, options, tree, progress) = (job.set, job.options, job.tree, job.progress);
    let buckets = Buckets::read(set)?;
    let payloads = Payloads::check(set)?;
    let spans = Spans::new(set, &buckets, options.rename_s3_collisions)?;
    let mut first = UnitOut::new(tree);
    buckets.write(options, &mut first)?;
    job.collector.take(first)?;
    let cx = Context { set, buckets: &buckets, spans: &spans, payloads: &payloads, options };
    let (mut leftovers, mut named) = (Leftovers::default(), Vec::new());
    let (mut indexed, mut open) = (vec![false; buckets.len()], None);
    progress.begin("s3", spans.list.len() as u64);
    let collector = &mut *job.collector;
    engine::run(
        spans.list.len(),
        |i| unit::decode_span(&cx, &spans.list[i], tree),
        |decoded: Decoded<'_>| {
            leftovers.merge(decoded.leftovers);
            named.extend(decoded.named);
            super::note_shared(decoded.shared, &mut collector.findings);
            super::step(progress, tree);
            collector.take(decoded.out)?;
            for at in decoded.indexed.iter().filter_map(|bucket| buckets.place(bucket)) {
                // Buckets come one after the other: the one before gets no more lines.
                if let Some(before) = open.replace(at).filter(|before| *before != at) {
                    collector.close(&render::index_path(buckets.name(before)))?;
                }
                indexed[at] = true;
            }
            Ok(())
        },
    )?;
    if options.packed() {
        let mut empty = UnitOut::new(tree);
        buckets.write_empty(options, &indexed, &mut empty)?;
        job.collector.take(empty)?;
    }
    leftovers.report(&buckets, &mut job.collector.findings);
    payloads.note_unreferenced(set, named, &mut job.collector.findings)?;
    if options.include_incomplete_uploads {
        uploads::write(set, options, tree, job.collector)?;
    }
    Ok(())
}

/// Decodes one object, if it is there; its name is not that of a whole decode.
///
/// # Errors
/// A damaged bucket record, or a damaged row of the object.
pub(super) fn decode_one(job: &mut Job<'_, '_, '_>, bucket: &[u8], key: &[u8]) -> Result<()> {
    let buckets = Buckets::read(job.set)?;
    let Some(prefix) = manifest_key(&buckets, bucket, key) else { return Ok(()) };
    let spans = Spans::one(Family::S3Object.suffix(&prefix));
    let (set, options, payloads) = (job.set, job.options, Payloads::unchecked());
    let cx = Context { set, buckets: &buckets, spans: &spans, payloads: &payloads, options };
    let decoded = unit::decode_span(&cx, &spans.list[0], job.tree)?;
    job.collector.take(decoded.out)
}

/// The rows that tell of some objects: their manifests.
///
/// # Errors
/// A damaged bucket record.
pub(super) fn rows_of(set: &DataSet<'_>, bucket: &[u8], keys: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
    let buckets = Buckets::read(set)?;
    Ok(keys.iter().filter_map(|key| manifest_key(&buckets, bucket, key)).collect())
}

/// User key of an object's manifest in the live generation of its bucket.
fn manifest_key(buckets: &Buckets<'_>, bucket: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let generation = buckets.live(bucket)?;
    let key = ObjectKey { bucket: bucket.into(), generation, object: key.into() };
    Some(object_prefix(Family::S3Object, &key).as_bytes().to_vec())
}
