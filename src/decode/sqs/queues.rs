//! The queues: what their own rows tell, and their `_queue.json`.

use std::collections::{BTreeMap, BTreeSet};

use bumpalo::Bump;

use super::files::name_of;
use super::findings;
use super::generation::Live;
use super::index::{Lines, Target};
use super::names;
use super::render;
use crate::dataset::{DataSet, Row, Shared};
use crate::decode::filter::Filter;
use crate::decode::{Job, Options, engine};
use crate::error::Result;
use crate::format::fault::Result as Parsed;
use crate::format::sqs::key::{self, TombstoneKey};
use crate::format::sqs::{Queue, counter};
use crate::format::{Adapter, Family};
use crate::output::tree::Tree;
use crate::output::unit::UnitOut;
use crate::report::Finding;

/// Queues whose `_queue.json` one unit writes.
const UNIT: usize = 64;

/// What the rows of one queue tell.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// The queue record; none: the queue was deleted.
    pub record: Option<Row<'a>>,
    /// Which messages live.
    pub live: Live,
    /// Last FIFO sequence number; 0 = none.
    pub last_sequence: u64,
    /// Value of the generation row.
    generation: Option<u64>,
    /// Generations with a tombstone, ascending.
    gone: Vec<u64>,
}

impl Default for Known<'_> {
    fn default() -> Self {
        Known { record: None, live: Live::decide(0, None), last_sequence: 0, generation: None, gone: Vec::new() }
    }
}

impl Known<'_> {
    /// Whether a message of this generation may be left behind: a tombstone or a later generation row tells of a purge
    /// or a deletion.
    pub fn explains(&self, generation: u64) -> bool {
        self.gone.binary_search(&generation).is_ok() || self.generation.is_some_and(|row| generation < row)
    }

    /// Whether there are traces that the queue was deleted in an orderly way.
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
        let generation = Queue::parse(arena, row.body)?.generation;
        let known = self.of(key::queue_row(suffix)?);
        known.live = Live::decide(generation, known.generation);
        known.record = Some(row);
        Ok(())
    }

    fn of(&mut self, queue: &'a [u8]) -> &mut Known<'a> {
        self.known.entry(queue).or_default()
    }

    /// What is known of Q.
    pub fn get(&self, queue: &[u8]) -> Option<&Known<'a>> {
        self.known.get(queue)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &Known<'a>)> {
        self.known.iter().map(|(queue, known)| (*queue, known))
    }

    /// Directory of the side records of a queue without its record: the peer's, unless a queue has that name.
    pub fn orphan_directory(&self, queue: &[u8]) -> String {
        let directory = names::orphan_directory(queue);
        let taken = self.has_record(&key::encode_queue(directory.as_bytes()));
        if taken { format!("{}/{directory}", names::ORPHANS) } else { directory }
    }

    /// Whether a queue has its record.
    pub fn has_record(&self, queue: &[u8]) -> bool {
        self.get(queue).is_some_and(|known| known.record.is_some())
    }

    /// Writes the document of every queue that has its record; packed, also those of its files that get no lines.
    ///
    /// # Errors
    /// A failed write.
    pub fn write(&self, job: &mut Job<'_, '_, '_>, filled: &[Target<'_>]) -> Result<()> {
        let there = self.iter().filter_map(|(queue, known)| Some((queue, known, known.record?)));
        let all: Vec<_> = there.filter(|(queue, ..)| is_wanted(queue, &job.options.filter, true)).collect();
        let units: Vec<_> = all.chunks(UNIT).collect();
        let documents =
            Documents { set: job.set, tree: job.tree, options: job.options, filled: filled.iter().collect() };
        let collector = &mut *job.collector;
        engine::run(units.len(), |i| documents.unit(units[i]), |out| collector.take(out))
    }
}

/// Whether a queue is asked for, by Q; `written`: something of it is there to be written.
pub fn is_wanted(queue: &[u8], filter: &Filter, written: bool) -> bool {
    filter.is_trivial() || filter.judge(Adapter::Sqs, &name_of(queue), &[], written)
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
            set.tolerate(set.locate(row.fault(family, fault)))?;
        }
    }
    shared.extend(rows.shared());
    Ok(())
}

/// Writes the documents of queues.
struct Documents<'d, 'a, 't> {
    set: &'d DataSet<'a>,
    tree: &'t Tree,
    options: &'d Options,
    /// The files that get lines.
    filled: BTreeSet<&'d Target<'a>>,
}

impl<'a, 't> Documents<'_, 'a, 't> {
    fn unit(&self, queues: &[(&'a [u8], &Known<'a>, Row<'a>)]) -> Result<UnitOut<'t>> {
        let (mut out, mut arena, mut json) = (UnitOut::new(self.tree), Bump::new(), Vec::new());
        for (queue, known, row) in queues {
            json.clear();
            match document(queue, known, row, &arena, &mut out, &mut json) {
                Ok(name) if self.options.packed() => self.files(queue, &name, &json, &mut out)?,
                Ok(name) => folder(&name, &json, &mut out)?,
                Err(fault) => self.set.tolerate(self.set.locate(row.fault(Family::SqsQueue, fault)))?,
            }
            arena.reset();
        }
        Ok(out)
    }

    fn files(&self, queue: &'a [u8], name: &[u8], json: &[u8], out: &mut UnitOut<'_>) -> Result<()> {
        let stem = names::queue_stem(name);
        let dir = out.dir("sqs")?;
        out.put(&dir, format!("{stem}.queue.json").as_bytes(), json)?;
        out.tally.scope(Adapter::Sqs, &stem);
        let gets_none = |lines| !self.filled.contains(&Target { queue, lines });
        if gets_none(Lines::Messages) {
            out.put(&dir, names::packed_messages(&stem).as_bytes(), b"")?;
        }
        if self.options.include_sqs_side_records && gets_none(Lines::Side) {
            out.put(&dir, names::packed_side(&stem).as_bytes(), b"")?;
        }
        Ok(())
    }
}

fn folder(name: &[u8], json: &[u8], out: &mut UnitOut<'_>) -> Result<()> {
    let directory = names::queue_directory(name);
    let dir = out.tree().make_dir(names::queue_path(&directory).as_bytes())?;
    out.put(&dir, b"_queue.json", json)?;
    out.tally.scope(Adapter::Sqs, &directory);
    Ok(())
}

/// Renders the record and says what is odd about it; gives the queue's name as its key tells it.
fn document(
    queue: &[u8],
    known: &Known<'_>,
    row: &Row<'_>,
    arena: &Bump,
    out: &mut UnitOut<'_>,
    json: &mut Vec<u8>,
) -> Parsed<Vec<u8>> {
    let name = key::queue_name(queue)?;
    let record = Queue::parse(arena, row.body)?;
    render::queue_file(&record, &name, known.last_sequence, json);
    if !record.name.is_empty() && record.name.as_bytes() != name {
        let finding = Finding::new(&findings::QUEUE_NAME).with("queue", name.as_slice());
        out.findings.add(finding.with("name", record.name));
    }
    if let Some(told) = known.live.disagreement {
        let finding = Finding::new(&findings::GENERATIONS).with("queue", name.as_slice());
        out.findings.add(finding.with("record", told.record).with("row", told.row));
    }
    Ok(name)
}
