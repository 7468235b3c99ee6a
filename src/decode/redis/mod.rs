//! Redis: from rows of some twenty families to logical keys.
//!
//! A *unit* is a range of user keys. Every family gives a stream of its rows in that range, in user-key order; the
//! streams are merged by user key, so that all that is known of a key — its anchors, elements, deltas and TTL row —
//! comes together in one place, in one pass, without an index of keys. Families that carry the key behind its length
//! give one stream for each length, since their order is (length, key).

mod collection;
mod expiry;
mod findings;
mod key;
mod list;
mod merge;
mod orphans;
mod plan;
mod render;
mod stream;
mod unit;

use std::sync::atomic::{AtomicU64, Ordering};

use super::one::RowsOf;
use super::{Job, engine};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::output::unit::{UnitOut, Writes};
use plan::{Plan, Span};
use unit::Decoded;

/// Folders of the types. Packed, each has a file, even if it is empty, when there are any Redis rows.
pub(crate) const FOLDERS: [&str; 7] = ["strings", "hll", "hashes", "lists", "sets", "zsets", "streams"];

/// Decodes all Redis keys.
///
/// # Errors
/// The first damaged row in key order, or a failed write.
pub(super) fn decode(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let plan = Plan::new(job.set);
    orphans::malformed_keys(job.set, &plan.malformed, &mut job.collector.findings)?;
    let reached = AtomicU64::new(0);
    let (set, options, tree, progress) = (job.set, job.options, job.tree, job.progress);
    progress.begin("redis", plan.spans.len() as u64);
    if options.packed() && plan.has_rows() {
        let mut files = UnitOut::new(tree);
        for name in FOLDERS {
            files.log(&format!("{}/{name}.jsonl", unit::BASE));
        }
        job.collector.take(files)?;
    }
    let collector = &mut *job.collector;
    engine::run_with(
        plan.spans.len(),
        |i| unit::decode_span(set, &plan, &plan.spans[i], options, tree),
        |decoded: Decoded<'_>| {
            reached.fetch_add(decoded.items_reached, Ordering::Relaxed);
            super::note_shared(decoded.shared, &mut collector.findings);
            super::step(progress, tree);
            collector.place(decoded.out)
        },
        Writes::write,
    )?;
    let orphans = orphans::unreachable_items(set, reached.into_inner(), options, tree)?;
    job.collector.take(orphans)
}

/// Decodes one key, if it is there.
///
/// # Errors
/// As [`decode`], of this key alone.
pub(super) fn decode_one(job: &mut Job<'_, '_, '_>, key: &[u8]) -> Result<()> {
    let span = Span { lo: key.to_vec(), hi: Some([key, &[0]].concat()) };
    let plan = Plan { spans: vec![span], ..Plan::new(job.set) };
    let decoded = unit::decode_span(job.set, &plan, &plan.spans[0], job.options, job.tree)?;
    super::note_shared(decoded.shared, &mut job.collector.findings);
    job.collector.take(decoded.out)
}

/// Where the rows of some keys stand, of all families: see [`rows_of`](super::one::rows_of).
pub(super) fn rows_of(set: &DataSet<'_>, keys: Vec<Vec<u8>>) -> RowsOf {
    Plan::new(set).rows_of(keys)
}
