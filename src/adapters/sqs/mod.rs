//! SQS: queues and their messages (`docs/format/sqs.md` §3).
//!
//! 1. The queues' own rows are read: records, generations, sequence counters, tombstones ([`Queues`]).
//! 2. Message rows are read in splits, ranges of their keys; each gives heads ([`heads`](mod@heads)), of which whole messages
//!    are read again in whatever order somebody wants ([`Reader`]).
//!
//! A message that somebody reads again is parsed in full then; for its head a few members are enough. One that nobody will read is
//! parsed in full at once, so that a damaged row is found wherever it stands.

mod check;
pub mod encode;
mod findings;
mod generation;
pub mod heads;
mod leftovers;
mod md5;
mod messages;
mod queues;

pub use heads::{Counts, Only};
pub use messages::{Read, Reader, past_retention};
pub use queues::{Queues, name_of};

use crate::dataset::{KeyRange, RowsOf};
use crate::format::Family;
use crate::format::sqs::key::{self, DataKey};

/// Where the rows of a message stand, or of a queue's record if no ID is given.
pub fn rows_of(name: &[u8], id: &[u8]) -> RowsOf {
    let queue = key::encode_queue(name);
    if id.is_empty() {
        let record = key::queue_key(Family::SqsQueue, &queue);
        return RowsOf { ranges: vec![KeyRange::below(&record)], is_row: Box::new(move |user_key| user_key == record) };
    }
    let id = key::encode_queue(id);
    let ranges = heads::ranges_of(&queue);
    let is_row = move |user_key: &[u8]| {
        DataKey::parse(Family::SqsData.suffix(user_key)).is_ok_and(|key| key.place.queue == queue && key.id == id)
    };
    RowsOf { ranges, is_row: Box::new(is_row) }
}
