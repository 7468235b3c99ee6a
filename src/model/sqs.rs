//! SQS queues and messages (`docs/format/sqs.md` §3).
//!
//! Messages are stored by queue, partition and ID; clients see them in the order of sending. So an adapter passes on the *heads* of
//! messages in the order of the store, each with a reference that is plain data, and reads complete messages again by their references, in
//! any order.

use crate::dataset::RowRef;
use crate::error::Result;
use crate::format::Family;
use crate::format::sqs;

/// A queue that has its record.
#[derive(Debug, Clone, Copy)]
pub struct Queue<'q> {
    /// The queue as in keys, in base64url; it names the queue in [`Records`].
    pub encoded: &'q [u8],
    /// Its name according to its key.
    pub name: &'q [u8],
    /// Its record.
    pub record: &'q sqs::Queue<'q>,
    /// The last sequence number of a FIFO queue; 0: none.
    pub last_sequence: u64,
}

/// Records of one queue that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Records<'q> {
    /// The queue as in keys.
    pub queue: &'q [u8],
    /// Their kind.
    pub kind: RecordKind,
}

/// The kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// Messages that clients can receive.
    Messages,
    /// Bookkeeping rows.
    Side,
    /// Messages of a generation that is not live, or whose queue has no record.
    Stale(u64),
}

/// The sort key of a message, and a reference to read it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'m> {
    /// When it was sent: Unix milliseconds. 0 for side records.
    pub sent_at_ms: i64,
    /// The sequence number of a FIFO queue, or the position of a side record in its input.
    pub sequence: u64,
    /// The message's ID; empty for side records.
    pub id: &'m [u8],
    /// Bytes of the value.
    pub len: u32,
    /// The reference to its row.
    pub row: RowRef,
}

/// A message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'m> {
    /// Its value.
    pub value: &'m sqs::Message<'m>,
    /// The partition of its key; `None` for a classic key.
    pub partition: Option<u32>,
}

/// A bookkeeping row, as stored.
#[derive(Debug, Clone, Copy)]
pub struct SideRecord<'r> {
    /// Its family.
    pub family: Family,
    /// Its whole key.
    pub key: &'r [u8],
    /// Its value.
    pub value: &'r [u8],
}

/// Takes heads, those of one [`Records`] in runs.
pub trait HeadVisitor<'a> {
    /// A record that can be read again.
    fn head(&mut self, of: Records<'a>, head: &Head<'_>);
}

/// Takes records, in the order in which they were requested.
pub trait Visitor {
    /// The commit time of the next record (HLC). Only a snapshot has it.
    #[inline]
    fn committed(&mut self, commit_ts: u64) {
        let _ = commit_ts;
    }

    /// A message.
    fn message(&mut self, message: &Message<'_>) -> Result<()>;

    /// A bookkeeping row.
    fn side_record(&mut self, record: &SideRecord<'_>) -> Result<()>;
}

/// Takes the queues of an output, and then their records in the order of its files.
pub trait QueueVisitor: Visitor {
    /// A queue.
    fn queue(&mut self, queue: &Queue<'_>) -> Result<()>;

    /// Announces the kind of the messages and bookkeeping rows that follow.
    fn records(&mut self, of: &Records<'_>) -> Result<()>;

    /// The last generation of a queue if its record does not have it; there may be no record.
    fn generation(&mut self, queue: &[u8], generation: u64) -> Result<()>;
}

/// Something that knows the row of a record.
pub trait Located {
    /// The reference to the row.
    fn row(&self) -> RowRef;

    /// Bytes of its value.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
