//! SQS: queues and their messages (`sqs.md` §3 and §4).
//!
//! 1. The queues' own rows are read: records, generations, sequence counters, tombstones.
//! 2. Message rows are read in parallel parts. What is kept of each is a small reference that sorts, spilled to disk in
//!    runs when there are many. Every record gives a `_queue.json`.
//! 3. The references are walked in the order of the output; in parallel chunks the rows are read again and rendered.
//!
//! | path below `sqs/` | what | when |
//! |---|---|---|
//! | `QUEUE/_queue.json` | attributes | always |
//! | `QUEUE/messages.jsonl` | live messages | if there are any |
//! | `QUEUE/_internals/side_records.jsonl` | bookkeeping rows of all generations | `--include-sqs-side-records` |
//! | `Q.orphan/_internals/side_records.jsonl` | the same, of a queue without its record | `--include-sqs-side-records` |
//! | `_orphans/QUEUE.orphan/generation-N.jsonl` | messages that are not live, as `messages.jsonl` has them | `--include-orphans` |
//!
//! `QUEUE` is the encoded name, `Q` its base64url. A queue may be named `_orphans`: its own files stand beside the
//! directories in there, which all end in `.orphan`. Where a queue is named as a `Q.orphan` of another one, side records
//! of the latter go to `_orphans/Q.orphan/_internals`.
//!
//! With `--layout jsonl` (`rules.md` §6):
//!
//! | path below `sqs/` | what | when |
//! |---|---|---|
//! | `QUEUE.queue.json` | attributes | always |
//! | `QUEUE.jsonl` | live messages | always, empty if there are none |
//! | `QUEUE.side.jsonl` | bookkeeping rows | `--include-sqs-side-records`, empty if there are none |
//! | `_orphans/QUEUE.orphan/side.jsonl` | the same, of a queue without its record | `--include-sqs-side-records` |
//! | `_orphans/QUEUE.orphan/generation-N.jsonl` | as above | `--include-orphans` |
//!
//! A queue named `X.side` is written as `X%2Eside`, whatever else there is: the side records of a queue `X` have the
//! plain name. Read back by percent-decoding, both give the name of their queue.

mod check;
mod files;
mod findings;
pub mod generation;
mod index;
mod left;
mod lines;
mod md5;
pub mod names;
mod queues;
pub mod render;
mod sort;

use super::{Job, note_shared};
use crate::dataset::{KeyRange, RowsOf};
use crate::error::Result;
use crate::format::Family;
use crate::format::sqs::key::{self, DataKey};
use queues::Queues;

/// Decodes all queues.
///
/// # Errors
/// A damaged row, or a failed write.
pub(super) fn decode(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let mut shared = Vec::new();
    let queues = Queues::read(job.set, &mut shared)?;
    note_shared(shared, &mut job.collector.findings);
    let index = index::read(job, &queues)?;
    queues.write(job, &index.files)?;
    left::report(&queues, &index, &job.options.filter, &mut job.collector.findings);
    lines::write(job, &queues, &index.files, index.entries)
}

/// Where the rows of a message stand, or of a queue's record if no ID is given: see [`rows_of`](crate::decode::one::rows_of).
pub(super) fn rows_of(name: &[u8], id: &[u8]) -> RowsOf {
    let queue = key::encode_queue(name);
    if id.is_empty() {
        let record = key::queue_key(Family::SqsQueue, &queue);
        return RowsOf { ranges: vec![KeyRange::below(&record)], is_row: Box::new(move |user_key| user_key == record) };
    }
    let id = key::encode_queue(id);
    let prefixes = [key::classic_prefix_any(Family::SqsData, &queue), key::partitioned_prefix(Family::SqsData, &queue)];
    let is_row = move |user_key: &[u8]| {
        DataKey::parse(Family::SqsData.suffix(user_key)).is_ok_and(|key| key.place.queue == queue && key.id == id)
    };
    RowsOf { ranges: prefixes.iter().map(|prefix| KeyRange::below(prefix)).collect(), is_row: Box::new(is_row) }
}
