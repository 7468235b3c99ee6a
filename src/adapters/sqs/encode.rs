//! Turns queues and messages into rows, as a current server would write them.
//!
//! A message has three rows: its data, its position by visibility and its position by age. What an output contains only in part is derived:
//!
//! | what | taken from | otherwise |
//! |---|---|---|
//! | generation of a queue | its record | the generation that its messages have, or 1 |
//! | last sequence number | the document | the largest of its messages |
//! | deduplication records, locks of groups | bookkeeping rows | the messages |
//!
//! An output that was made for a restore contains everything. Nothing is derived there, because missing rows were missing in the store.

use std::collections::BTreeMap;
use std::path::Path;

use bumpalo::Bump;
use sha2::{Digest as _, Sha256};

use super::name_of;
use crate::adapters::rows::RowSink;
use crate::error::{Error, ErrorKind, Result};
use crate::format::sqs::guard::{DEDUP_MS, Dedup, GroupLock};
use crate::format::sqs::key::{self, DataKey, DedupKey, GroupKey, Place, TimedKey, encode_queue};
use crate::format::sqs::{self, counter};
use crate::format::{Family, Fault, hex};
use crate::model::sqs::{Message, Queue, QueueVisitor, RecordKind, Records, SideRecord, Visitor};
use crate::run::spill::{Batch, Spill};

/// What an output contains about its queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// Everything: it was made for a restore.
    pub all: bool,
    /// Bookkeeping rows.
    pub side_records: bool,
    /// Live visibility of messages.
    pub visibility: bool,
    /// The moment of its state: Unix milliseconds.
    pub now_ms: i64,
}

/// Gives the rows of queues to a sink. The document of a queue comes before its records.
pub struct Encoder<S> {
    rows: S,
    told: Told,
    queues: BTreeMap<Vec<u8>, State>,
    /// The queue of the current records.
    of: Vec<u8>,
    /// Rows that guard FIFO queues, as derived from messages: of several with one key the one with the best rank is kept.
    guards: Batch,
    /// Takes full batches of them. `None`: this is a fork, whose rows are one batch.
    sorter: Option<Spill>,
    /// Number of bookkeeping rows that a new store does not need.
    left_out: u64,
    /// The value of a row.
    value: Vec<u8>,
}

/// The queue of the current records, for encoders that take some of these on other threads.
pub struct Seed {
    told: Told,
    of: Vec<u8>,
    state: State,
}

/// What such an encoder derived from its records.
#[derive(Default)]
pub struct Derived {
    of: Vec<u8>,
    generations: Generations,
    largest_sequence: u64,
    guards: Batch,
    left_out: u64,
}

/// The state of a queue.
#[derive(Default, Clone)]
struct State {
    /// The value of its record, unless the queue was deleted.
    record: Option<Vec<u8>>,
    generation: u64,
    is_fifo: bool,
    content_based_dedup: bool,
    /// The value of its generation row, if the record does not have it.
    counter: Option<u64>,
    last_sequence: u64,
    /// From its messages: the only generation, and the largest sequence number.
    generations: Generations,
    largest_sequence: u64,
}

/// Generations of messages.
#[derive(Default, Clone, Copy, PartialEq)]
enum Generations {
    #[default]
    None,
    One(u64),
    Several,
}

impl Generations {
    /// The generations of messages of both.
    fn and(self, other: Generations) -> Generations {
        match (self, other) {
            (Generations::None, known) | (known, Generations::None) => known,
            (Generations::One(one), Generations::One(same)) if one == same => self,
            _ => Generations::Several,
        }
    }
}

impl<S: RowSink> Encoder<S> {
    /// Gives rows to `rows`; derived ones are sorted in the file system of `scratch`.
    pub fn new(rows: S, told: Told, scratch: &Path) -> Self {
        let (queues, of, guards) = Default::default();
        Encoder { rows, told, queues, of, guards, sorter: Some(Spill::new(scratch)), left_out: 0, value: Vec::new() }
    }

    /// The queue of the current records.
    pub fn seed(&self) -> Seed {
        let state = self.queues.get(&self.of).cloned().unwrap_or_default();
        // Only this encoder gives the rows of the queue itself.
        Seed { told: self.told, of: self.of.clone(), state: State { record: None, ..state } }
    }

    /// An encoder for some records of this queue.
    pub fn fork(rows: S, seed: &Seed) -> Self {
        let (of, queues) = (seed.of.clone(), BTreeMap::from([(seed.of.clone(), seed.state.clone())]));
        Encoder {
            rows,
            told: seed.told,
            queues,
            of,
            guards: Batch::default(),
            sorter: None,
            left_out: 0,
            value: Vec::new(),
        }
    }

    /// What a fork derived from its records.
    pub fn derived(mut self) -> Derived {
        let State { generations, largest_sequence, .. } = self.queues.remove(&self.of).unwrap_or_default();
        Derived { of: self.of, generations, largest_sequence, guards: self.guards, left_out: self.left_out }
    }

    /// Takes what a fork derived, in the order of records.
    ///
    /// # Errors
    /// A failed spill.
    pub fn join(&mut self, derived: Derived) -> Result<()> {
        self.left_out += derived.left_out;
        if derived.generations != Generations::None {
            let state = self.queues.entry(derived.of).or_default();
            state.largest_sequence = state.largest_sequence.max(derived.largest_sequence);
            state.generations = state.generations.and(derived.generations);
        }
        self.flush_guards()?;
        self.sorter.as_mut().map_or(Ok(()), |sorter| sorter.append(&derived.guards))
    }

    fn flush_guards(&mut self) -> Result<()> {
        let Some(sorter) = &mut self.sorter else { return Ok(()) };
        sorter.append(&self.guards)?;
        self.guards.clear();
        Ok(())
    }

    fn push_guard(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.guards.push(key, value).map_err(|e| Error::new(ErrorKind::Output(e.to_string())))?;
        if self.guards.held() >= GUARDS { self.flush_guards() } else { Ok(()) }
    }

    /// Gives the rows of the queues themselves and the rows derived from messages. Returns how many bookkeeping rows a new store does not
    /// need: rows of deleted generations, tombstones, and rows that are created again.
    ///
    /// # Errors
    /// The error of the sink.
    pub fn finish(mut self) -> Result<u64> {
        for (queue, state) in &self.queues {
            state.rows(queue, self.told, &mut self.rows)?;
        }
        self.flush_guards()?;
        let guards = self.sorter.take().ok_or_else(|| Error::internal("a fork gives no rows of queues"))?;
        let mut guards = guards.finish()?;
        let mut last: Option<Vec<u8>> = None;
        while let Some((ranked, value)) = guards.next()? {
            let row = ranked.get(..ranked.len().saturating_sub(RANK)).unwrap_or_default();
            if last.as_deref() != Some(row) {
                self.rows.row(row, value)?;
                last = Some(row.to_vec());
            }
        }
        Ok(self.left_out)
    }

    /// Whether a new store needs a bookkeeping row: it guards the live generation of its queue.
    pub fn restores(&self, record: &SideRecord<'_>) -> bool {
        let live = self.queues.get(&self.of).map_or(0, State::live);
        let suffix = record.family.suffix(record.key);
        let is_own = key::side_row(suffix).is_ok_and(|(queue, _)| queue == self.of);
        let is_guard = matches!(record.family, Family::SqsDedup | Family::SqsGroup) && is_own;
        is_guard && (live == 0 || key::side_generation(suffix) == Some(live))
    }

    /// Derives the rows that guard a FIFO queue from a message.
    fn guard(&mut self, place: &Place<'_>, message: &sqs::Message<'_>) -> Result<()> {
        let content_based = self.queues.get(place.queue).is_some_and(|state| state.content_based_dedup);
        let group = encode_queue(message.message_group_id.as_bytes());
        let dedup = match message.message_deduplication_id {
            "" if content_based => hex::text(&Sha256::digest(message.body)),
            id => id.to_owned(),
        };
        let mut value = Vec::new();
        if !dedup.is_empty() {
            let record = Dedup {
                message_id: message.message_id,
                send_timestamp_ms: message.send_timestamp_millis,
                expires_at_millis: message.send_timestamp_millis.saturating_add(DEDUP_MS),
                original_sequence: message.sequence_number,
            };
            record.encode(&mut value).map_err(|fault| refused(message.message_id, fault))?;
            let group = place.partition.is_some().then_some(&*group);
            let key = DedupKey { place: *place, group, dedup: &encode_queue(dedup.as_bytes()) }.encode();
            // The latest message wins.
            let rank = !message.send_timestamp_millis.cast_unsigned() ^ (1 << 63);
            self.push_guard(&ranked(key, rank), &value)?;
        }
        let in_flight = message.receive_count > 0 && message.visible_at_millis > self.told.now_ms;
        if self.told.visibility && in_flight && !message.message_group_id.is_empty() {
            let lock = GroupLock {
                message_id: message.message_id,
                acquired_at_ms: message.first_receive_millis,
                visible_at_ms: message.visible_at_millis,
            };
            value.clear();
            lock.encode(&mut value).map_err(|fault| refused(message.message_id, fault))?;
            let key = GroupKey { place: *place, group: &group }.encode();
            // The first message of its group is the delivered one.
            self.push_guard(&ranked(key, message.sequence_number), &value)?;
        }
        Ok(())
    }
}

/// Bytes of guarding rows that are given to the sorter at once.
const GUARDS: usize = 1 << 20;
/// Bytes of a rank after a key.
const RANK: usize = size_of::<u64>();

fn ranked(mut key: Vec<u8>, rank: u64) -> Vec<u8> {
    key.extend_from_slice(&rank.to_be_bytes());
    key
}

fn refused(message: &str, fault: Fault) -> Error {
    Error::new(ErrorKind::Output(format!("the message \"{}\" has no row: {fault:?}", message.escape_debug())))
}

fn of_queue(name: &[u8], why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Output(format!("the queue \"{}\" {why}", name.escape_ascii())))
}

/// Milliseconds in keys must not be negative.
fn in_key(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

impl State {
    /// The live generation, whose rows the server reads; 0: unknown.
    fn live(&self) -> u64 {
        if self.generation > 0 { self.generation } else { self.counter.unwrap_or(0) }
    }

    fn rows(&self, queue: &[u8], told: Told, rows: &mut impl RowSink) -> Result<()> {
        let mut put = |family, value: &[u8]| rows.row(&key::queue_key(family, queue), value);
        let derived = match self.generations {
            _ if self.generation > 0 || told.all => self.generation,
            Generations::None => self.counter.unwrap_or(1),
            Generations::One(generation) => generation,
            Generations::Several => 0,
        };
        if let Some(record) = &self.record {
            let arena = Bump::new();
            let mut value = Vec::new();
            let encoded = sqs::Queue::parse(&arena, record)
                .and_then(|record| sqs::Queue { generation: derived, ..record }.encode(&mut value));
            encoded.map_err(|fault| Error::internal(format!("a queue's record: {fault:?}")))?;
            put(Family::SqsQueue, &value)?;
        }
        let counter = self
            .counter
            .or((derived > 0).then_some(derived))
            .filter(|_| self.record.is_some() || self.counter.is_some());
        let mut value = Vec::new();
        if let Some(generation) = counter {
            counter::decimal_into(generation, &mut value);
            put(Family::SqsGen, &value)?;
        }
        let derives = !told.all && self.is_fifo;
        let last = if derives { self.last_sequence.max(self.largest_sequence) } else { self.last_sequence };
        if last > 0 {
            value.clear();
            counter::decimal_into(last, &mut value);
            put(Family::SqsSeq, &value)?;
        }
        Ok(())
    }
}

impl<S: RowSink> QueueVisitor for Encoder<S> {
    fn queue(&mut self, queue: &Queue<'_>) -> Result<()> {
        let mut value = Vec::new();
        queue.record.encode(&mut value).map_err(|fault| of_queue(queue.name, format_args!("has no row: {fault:?}")))?;
        let state = self.queues.entry(queue.encoded.to_vec()).or_default();
        if state.record.replace(value).is_some() {
            return Err(of_queue(queue.name, "is there twice"));
        }
        state.generation = queue.record.generation;
        state.is_fifo = queue.record.is_fifo;
        state.content_based_dedup = queue.record.content_based_dedup;
        state.last_sequence = queue.last_sequence;
        Ok(())
    }

    fn records(&mut self, of: &Records<'_>) -> Result<()> {
        self.of.clear();
        self.of.extend_from_slice(of.queue);
        if matches!(of.kind, RecordKind::Stale(_)) {
            return Err(Error::internal("messages of generations that are gone have no rows"));
        }
        Ok(())
    }

    fn generation(&mut self, queue: &[u8], generation: u64) -> Result<()> {
        let state = self.queues.entry(queue.to_vec()).or_default();
        match state.counter.replace(generation) {
            Some(other) if other != generation => Err(of_queue(&name_of(queue), "has two last generations")),
            _ => Ok(()),
        }
    }
}

impl<S: RowSink> Visitor for Encoder<S> {
    fn message(&mut self, message: &Message<'_>) -> Result<()> {
        let mut value = *message.value;
        if value.message_id.is_empty() {
            return Err(refused("", Fault::Key("a message without an ID has no key")));
        }
        let visible_at = value.visible_at_millis.max(value.available_at_millis);
        if !self.told.visibility {
            // Visibility was cleared. A delay still counts, also in the numbers that the server reports.
            value.visible_at_millis = visible_at;
        }
        let generation = value.queue_generation;
        if !self.queues.contains_key(&self.of) {
            self.queues.insert(self.of.clone(), State::default());
        }
        let Some(state) = self.queues.get_mut(&self.of) else { return Ok(()) };
        state.largest_sequence = state.largest_sequence.max(value.sequence_number);
        state.generations = state.generations.and(Generations::One(generation));
        let guards = state.is_fifo && !self.told.side_records;
        let of = std::mem::take(&mut self.of);
        let place = Place { queue: &of, partition: message.partition, generation };
        let given = self.rows_of(&place, &value, visible_at, guards);
        self.of = of;
        given
    }

    fn side_record(&mut self, record: &SideRecord<'_>) -> Result<()> {
        if self.restores(record) {
            return self.rows.row(record.key, record.value);
        }
        self.left_out += 1;
        Ok(())
    }
}

impl<S: RowSink> Encoder<S> {
    /// Gives the rows of a message.
    fn rows_of(&mut self, place: &Place<'_>, value: &sqs::Message<'_>, visible_at: i64, guards: bool) -> Result<()> {
        let place = *place;
        let id = encode_queue(value.message_id.as_bytes());
        self.value.clear();
        value.encode(&mut self.value).map_err(|fault| refused(value.message_id, fault))?;
        self.rows.row(&DataKey { place, id: &id }.encode(), &self.value)?;
        let id_bytes = value.message_id.as_bytes();
        for (family, ms) in [(Family::SqsVis, visible_at), (Family::SqsByAge, value.send_timestamp_millis)] {
            let key = TimedKey { place, ms: in_key(ms), id: &id }.encode(family);
            self.rows.row(&key, id_bytes)?;
        }
        if guards { self.guard(&place, value) } else { Ok(()) }
    }
}
