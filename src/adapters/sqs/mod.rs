//! SQS: queues and their messages (`docs/format/sqs.md` §3).
//!
//! 1. The queues' own rows are read: records, generations, sequence counters, tombstones ([`Queues`]).
//! 2. Message rows are read in splits, ranges of their keys. Each split gives heads ([`heads`](mod@heads)); whole messages are then
//!    read again in the order that the caller wants ([`Reader`]).
//!
//! A message that is read again is fully parsed then; a few members are enough for its head. A message that is not read again is fully
//! parsed at once, so that damaged rows are found everywhere.

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

use crate::dataset::{DataSet, RowsOf};
use crate::error::Result;
use crate::format::Family;
use crate::format::sqs::key::{self, DataKey};

/// The ranges of the rows of a message, or of a queue's record if no ID is given.
///
/// # Errors
/// An input that changed.
pub fn rows_of(set: &DataSet<'_>, name: &[u8], id: &[u8]) -> Result<RowsOf> {
    let queue = key::encode_queue(name);
    if id.is_empty() {
        let record = key::queue_key(Family::SqsQueue, &queue);
        return Ok(RowsOf::exactly(vec![record]));
    }
    let id = key::encode_queue(id);
    let ranges = heads::ranges_of_one(set, &queue, &id, heads::MOST_PLACES)?;
    let is_row = move |user_key: &[u8]| {
        DataKey::parse(Family::SqsData.suffix(user_key)).is_ok_and(|key| key.place.queue == queue && key.id == id)
    };
    Ok(RowsOf { ranges, is_row: Box::new(is_row) })
}
