//! S3: from chunks, manifests and bucket records to files.
//!
//! 1. Bucket records and counters tell which generation of which bucket is live; payloads of offloaded chunks are
//!    checked against their digests.
//! 2. The keys of all manifests are read once, to name the live objects; a byte per object is kept.
//! 3. Objects are cut into spans of about equal bytes. A span merges the rows of its objects from six families, so
//!    that a body, its left-overs and its unfinished uploads come together in one pass, and no row stays unread.
//!
//! Packed (`ours.md` §6) a bucket has the same bodies at the same paths, and `_index.jsonl` in place of sidecars and
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
use crate::error::Result;
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
    progress.begin("s3", spans.list.len() as u64);
    let collector = &mut *job.collector;
    engine::run(
        spans.list.len(),
        |i| unit::decode_span(&cx, &spans.list[i], tree),
        |decoded: Decoded<'_>| {
            leftovers.merge(decoded.leftovers);
            named.extend(decoded.named);
            super::note_shared(decoded.shared, &mut collector.findings);
            progress.advance(1);
            collector.take(decoded.out)
        },
    )?;
    leftovers.report(&buckets, &mut job.collector.findings);
    payloads.note_unreferenced(set, named, &mut job.collector.findings)?;
    if options.include_incomplete_uploads {
        uploads::write(set, options, tree, job.collector)?;
    }
    Ok(())
}
