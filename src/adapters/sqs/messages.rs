//! Reads whole records again, in the order that the caller wants.

use bumpalo::Bump;

use super::check::{Owner, Parsed};
use super::findings;
use super::queues::{Queues, name_of};
use crate::dataset::{DataSet, Row};
use crate::error::Result;
use crate::format::Family;
use crate::format::mvcc::hlc_millis;
use crate::format::sqs::key::{self, DataKeys};
use crate::format::sqs::{self, Queue};
use crate::model::sqs::{Located, Message, RecordKind, Records, SideRecord, Visitor};
use crate::report::{Finding, Findings};

/// Rows that are loaded from memory and checked together.
const AHEAD: usize = 64;
/// Approximate bytes of a row without its value.
const ROW: usize = 128;

/// The result of a read, besides the records.
#[derive(Debug, Default)]
pub struct Read {
    /// Number of records given.
    pub records: u64,
    /// Number of records whose retention period is over.
    pub past_retention: u64,
    /// Findings of the read.
    pub findings: Findings,
}

/// Reads records again.
pub struct Reader<'r, 'a> {
    set: &'r DataSet<'a>,
    queues: &'r Queues<'a>,
    /// Unix milliseconds of the read timestamp.
    now: i64,
}

impl<'r, 'a> Reader<'r, 'a> {
    /// A reader of these inputs.
    pub fn new(set: &'r DataSet<'a>, queues: &'r Queues<'a>) -> Self {
        let now = i64::try_from(hlc_millis(set.view().read_ts)).unwrap_or(i64::MAX);
        Reader { set, queues, now }
    }

    /// The ID of a message.
    ///
    /// # Errors
    /// An input that changed.
    pub fn message_id(&self, of: &impl Located) -> Result<Vec<u8>> {
        let row = self.set.row_at(of.row())?;
        let arena = Bump::new();
        let head = sqs::Head::parse(&arena, row.body);
        let head = head.map_err(|fault| self.set.locate(row.fault(Family::SqsData, fault)))?;
        Ok(head.message_id.as_bytes().to_vec())
    }

    /// Gives records of one kind, in the given order.
    ///
    /// # Errors
    /// The first damaged record, unless damage is skipped, and the error of the visitor.
    pub fn read<L: Located>(&self, of: &Records<'a>, rows: &[L], visitor: &mut impl Visitor) -> Result<Read> {
        match of.kind {
            RecordKind::Messages => self.live(of.queue, rows, visitor),
            RecordKind::Side => self.side_records(rows, visitor),
            RecordKind::Stale(_) => self.messages(None, rows, visitor),
        }
    }

    /// Gives messages of a queue that has its record.
    fn live<L: Located>(&self, queue: &[u8], rows: &[L], visitor: &mut impl Visitor) -> Result<Read> {
        let Some(record) = self.queues.get(queue).and_then(|known| known.record) else { return Ok(Read::default()) };
        let at_record = |fault| self.set.locate(record.fault(Family::SqsQueue, fault));
        let arena = Bump::new();
        let parsed = Queue::parse(&arena, record.body).map_err(at_record)?;
        let name = key::queue_name(queue).map_err(at_record)?;
        self.messages(Some(&Owner { queue: &parsed, name: &name }), rows, visitor)
    }

    /// Gives messages; those of a live queue are checked against it.
    fn messages<L: Located>(&self, owner: Option<&Owner<'_>>, rows: &[L], visitor: &mut impl Visitor) -> Result<Read> {
        let (mut read, mut keys, mut arena) = (Read::default(), DataKeys::default(), Bump::new());
        for rows in rows.chunks(AHEAD) {
            let messages = self.parse(rows, &mut keys, &arena)?;
            if let Some(owner) = owner {
                owner.check(&messages, &mut read.findings);
                read.past_retention += owner.past_retention(&messages, self.now);
            }
            for Parsed { row, key, message } in &messages {
                visitor.committed(row.commit_ts);
                visitor.message(&Message { value: message, partition: key.place.partition })?;
            }
            read.records += messages.len() as u64;
            drop(messages);
            arena.reset();
        }
        Ok(read)
    }

    /// Parses messages from any positions. If damage is skipped, unreadable ones are left out.
    fn parse<'m, L: Located>(&self, rows: &[L], keys: &mut DataKeys<'a>, arena: &'m Bump) -> Result<Vec<Parsed<'a, 'm>>>
    where
        'a: 'm,
    {
        let mut messages = Vec::with_capacity(rows.len());
        self.each_row(rows, |row| {
            match Parsed::new(row, keys, arena) {
                Ok(message) => messages.push(message),
                Err(fault) => self.set.skip(self.set.locate(row.fault(Family::SqsData, fault)))?,
            }
            Ok(())
        })?;
        Ok(messages)
    }

    fn side_records<L: Located>(&self, rows: &[L], visitor: &mut impl Visitor) -> Result<Read> {
        for rows in rows.chunks(AHEAD) {
            self.each_row(rows, |row| {
                let family = Family::of(row.user_key);
                visitor.committed(row.commit_ts);
                visitor.side_record(&SideRecord { family, key: row.user_key, value: row.body })
            })?;
        }
        Ok(Read { records: rows.len() as u64, ..Read::default() })
    }

    /// Loads rows from memory together and gives them one by one.
    fn each_row<L: Located>(&self, rows: &[L], mut each: impl FnMut(&Row<'a>) -> Result<()>) -> Result<()> {
        self.set.warm(rows.iter().map(|row| (row.row(), row.len() + ROW)));
        rows.iter().try_for_each(|row| each(&self.set.row_at(row.row())?))
    }
}

/// The finding about messages whose retention period is over.
pub fn past_retention(queue: &[u8], messages: u64) -> Option<Finding> {
    let finding = || Finding::new(&findings::RETENTION).with("queue", name_of(queue).as_slice());
    (messages > 0).then(|| finding().with("messages", messages))
}
