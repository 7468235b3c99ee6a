//! The queues, as their own rows describe them.
//!
//! Mutual dependency with `heads` and `leftovers`: both ask which queues are known, and their counts are reported with the queues.

use std::collections::BTreeMap;

use bumpalo::Bump;

use super::findings;
use super::generation::Live;
use super::heads::Counts;
use super::leftovers;
use crate::dataset::{DataSet, Row, Shared};
use crate::error::Result;
use crate::format::fault::Result as Parsed;
use crate::format::sqs::key::{self, TombstoneKey};
use crate::format::sqs::{self, counter};
use crate::format::{Family, adapter};
use crate::model::sqs::Queue;
use crate::options::filter::Filter;
use crate::report::{Finding, Findings};

/// The content of the rows of one queue.
#[derive(Debug, Clone)]
pub(super) struct Known<'a> {
    /// The queue record; `None`: the queue was deleted.
    pub record: Option<Row<'a>>,
    /// Which messages are live.
    pub live: Live,
    /// Last FIFO sequence number; 0 = none.
    pub last_sequence: u64,
    /// Value of the generation row.
    generation: Option<u64>,
    /// The generation in the record; 0: none.
    recorded: u64,
    /// Generations with a tombstone, ascending.
    gone: Vec<u64>,
}

impl Default for Known<'_> {
    fn default() -> Self {
        let live = Live::decide(0, None);
        Known { record: None, live, last_sequence: 0, generation: None, recorded: 0, gone: Vec::new() }
    }
}

impl Known<'_> {
    /// Whether it is normal that a message of this generation is left over: a tombstone or a later generation row shows a purge or a
    /// deletion.
    pub fn explains(&self, generation: u64) -> bool {
        self.gone.binary_search(&generation).is_ok() || self.generation.is_some_and(|row| generation < row)
    }

    /// Reports inconsistencies in the record of a queue of this name.
    fn check(&self, name: &[u8], record: &sqs::Queue<'_>, findings: &mut Findings) {
        if !record.name.is_empty() && record.name.as_bytes() != name {
            let finding = Finding::new(&findings::QUEUE_NAME).with("queue", name);
            findings.add(finding.with("name", record.name));
        }
        if let Some(told) = self.live.disagreement {
            let finding = Finding::new(&findings::GENERATIONS).with("queue", name);
            findings.add(finding.with("record", told.record).with("row", told.row));
        }
    }

    /// Whether there are traces of a regular deletion of the queue.
    pub fn has_traces(&self) -> bool {
        self.generation.is_some() || !self.gone.is_empty()
    }
}

/// All queues that have a row of their own, by Q.
#[derive(Debug, Default)]
pub struct Queues<'a> {
    known: BTreeMap<&'a [u8], Known<'a>>,
}

impl<'a> Queues<'a> {
    /// Reads the rows of all queues.
    ///
    /// # Errors
    /// The first malformed row.
    pub fn read(set: &DataSet<'a>, shared: &mut Vec<Shared>) -> Result<Queues<'a>> {
        let mut queues = Queues::default();
        each(set, Family::SqsGen, shared, |row, suffix| {
            queues.of(key::queue_row(suffix)?).generation = Some(counter::decimal(row.body)?);
            Ok(())
        })?;
        each(set, Family::SqsSeq, shared, |row, suffix| {
            queues.of(key::queue_row(suffix)?).last_sequence = counter::decimal(row.body)?;
            Ok(())
        })?;
        each(set, Family::SqsTombstone, shared, |_, suffix| {
            let key = TombstoneKey::parse(suffix)?;
            queues.of(key.queue).gone.push(key.generation);
            Ok(())
        })?;
        let mut arena = Bump::new();
        each(set, Family::SqsQueue, shared, |row, suffix| {
            arena.reset();
            queues.record(row, suffix, &arena)
        })?;
        Ok(queues)
    }

    fn record(&mut self, row: Row<'a>, suffix: &'a [u8], arena: &Bump) -> Parsed<()> {
        let generation = sqs::Queue::parse(arena, row.body)?.generation;
        let known = self.of(key::queue_row(suffix)?);
        known.live = Live::decide(generation, known.generation);
        known.recorded = generation;
        known.record = Some(row);
        Ok(())
    }

    fn of(&mut self, queue: &'a [u8]) -> &mut Known<'a> {
        self.known.entry(queue).or_default()
    }

    /// The state of Q.
    pub(super) fn get(&self, queue: &[u8]) -> Option<&Known<'a>> {
        self.known.get(queue)
    }

    /// All queues.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a [u8], &Known<'a>)> {
        self.known.iter().map(|(queue, known)| (*queue, known))
    }

    /// Whether a queue has its record.
    pub fn has_record(&self, queue: &[u8]) -> bool {
        self.get(queue).is_some_and(|known| known.record.is_some())
    }

    /// The queues with a record that are asked for, by Q.
    pub fn wanted(&self, filter: &Filter) -> Vec<&'a [u8]> {
        let there = self.iter().filter(|(_, known)| known.record.is_some()).map(|(queue, _)| queue);
        there.filter(|queue| is_wanted(queue, filter, true)).collect()
    }

    /// The last generations that are only in generation rows, by Q: for deleted queues, and for queues whose record has another generation.
    /// Only queues that are asked for.
    pub fn generations(&self, filter: &Filter) -> Vec<(&'a [u8], u64)> {
        let told = self.iter().filter_map(|(queue, known)| Some((queue, known, known.generation?)));
        let alone = told.filter(|(_, known, generation)| known.record.is_none() || known.recorded != *generation);
        let wanted = alone.filter(|(queue, ..)| is_wanted(queue, filter, true));
        wanted.map(|(queue, _, generation)| (queue, generation)).collect()
    }

    /// Gives some of the queues that have their record.
    ///
    /// # Errors
    /// The first malformed record, unless damage is skipped, and the error of `each`.
    pub fn records(
        &self,
        set: &DataSet<'a>,
        queues: &[&'a [u8]],
        findings: &mut Findings,
        mut each: impl FnMut(&Queue<'_>) -> Result<()>,
    ) -> Result<()> {
        for encoded in queues {
            let Some((known, row)) = self.get(encoded).and_then(|known| Some((known, known.record?))) else { continue };
            let (_reading, arena) = (set.reading(row.body.len()), Bump::new());
            let parsed = key::queue_name(encoded).and_then(|name| Ok((name, sqs::Queue::parse(&arena, row.body)?)));
            match parsed {
                Ok((name, record)) => {
                    each(&Queue { encoded, name: &name, record: &record, last_sequence: known.last_sequence })?;
                    known.check(&name, &record, findings);
                }
                Err(fault) => set.skip(set.locate(row.fault(Family::SqsQueue, fault)))?,
            }
        }
        Ok(())
    }

    /// Adds the findings about rows without a live queue.
    pub fn report(&self, counts: &Counts<'_>, filter: &Filter, findings: &mut Findings) {
        leftovers::report(self, counts, filter, findings);
    }
}

/// Whether a queue is asked for, or messages of it, by Q; `written`: whether something of it would be written.
pub(super) fn is_wanted(queue: &[u8], filter: &Filter, written: bool) -> bool {
    filter.is_trivial() || filter.judge_scope(adapter::SQS, &name_of(queue), written)
}

/// The name of a queue. Q was checked when its row was read; if it cannot be decoded, it is returned unchanged.
pub fn name_of(queue: &[u8]) -> Vec<u8> {
    key::queue_name(queue).unwrap_or_else(|_| queue.to_vec())
}

/// Calls `take` for every live row of a family, with its suffix.
fn each<'a>(
    set: &DataSet<'a>,
    family: Family,
    shared: &mut Vec<Shared>,
    mut take: impl FnMut(Row<'a>, &'a [u8]) -> Parsed<()>,
) -> Result<()> {
    let mut rows = set.family(family);
    while let Some(row) = rows.next()? {
        if let Err(fault) = take(row, family.suffix(row.user_key)) {
            set.skip(set.locate(row.fault(family, fault)))?;
        }
    }
    shared.extend(rows.shared());
    Ok(())
}
