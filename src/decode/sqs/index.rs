//! Finds the rows that are written line by line — messages, and side records when they are wanted — and sorts
//! references to them by file and place.
//!
//! A message that goes to a file is parsed in full when it is rendered; here its few members for the order are enough.
//! One that goes to none is parsed in full here, so that a damaged row is found wherever it stands.

use std::collections::BTreeMap;

use bumpalo::Bump;

use super::generation::Live;
use super::queues::{Queues, is_wanted};
use super::sort::{Entry, id_prefix};
use crate::dataset::{DataSet, KeyRange, Row, Shared};
use crate::decode::filter::Filter;
use crate::decode::sort::{Record as _, Sorted, Sorter};
use crate::decode::{Job, engine, note_shared};
use crate::error::Result;
use crate::format::Family;
use crate::format::fault::Result as Parsed;
use crate::format::sqs::key::{self, DataKeys, TombstoneKey};
use crate::format::sqs::{Head, Message};
use crate::output::tree::Tree;

/// Bytes of rows that a unit indexes, about.
const UNIT: usize = 4 << 20;
/// Families of side records, in the order of a snapshot.
const SIDE: [Family; 6] =
    [Family::SqsByAge, Family::SqsDedup, Family::SqsGroup, Family::SqsVis, Family::SqsSeq, Family::SqsTombstone];

/// A file of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target<'a> {
    /// Q.
    pub queue: &'a [u8],
    /// What its lines are.
    pub lines: Lines,
}

/// What the lines of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lines {
    /// Live messages of a queue.
    Messages,
    /// Side records of a queue.
    Side,
    /// Messages of a generation that is not live, or whose queue has no record.
    Left(u64),
}

/// Everything found.
pub struct Index<'a> {
    /// The files; entries name them by their number.
    pub files: Vec<Target<'a>>,
    /// Rows in the order of the output.
    pub entries: Sorted<Entry>,
    /// Messages left behind, by Q and generation.
    pub left: BTreeMap<(&'a [u8], u64), u64>,
    /// Side records by Q, if they are wanted.
    pub side: BTreeMap<&'a [u8], u64>,
}

/// Rows of one target that stand together.
struct Run<'a> {
    target: Target<'a>,
    /// How many; `entries` is empty when they are only counted.
    rows: u64,
    entries: Vec<Entry>,
}

/// The file of a row, and what sorts it there; a row without is only counted.
type Place<'a> = (Target<'a>, Option<Entry>);

/// What one unit found.
#[derive(Default)]
struct Found<'a> {
    runs: Vec<Run<'a>>,
    shared: Option<Shared>,
}

impl engine::Done for Found<'_> {
    fn held(&self) -> usize {
        self.runs.iter().map(|run| size_of::<Run<'_>>() + run.entries.capacity() * size_of::<Entry>()).sum()
    }
}

impl<'a> Found<'a> {
    /// Adds a row; one without an entry is only counted.
    fn add(&mut self, target: Target<'a>, entry: Option<Entry>) {
        if self.runs.last().is_none_or(|run| run.target != target) {
            self.runs.push(Run { target, rows: 0, entries: Vec::new() });
        }
        if let Some(run) = self.runs.last_mut() {
            run.rows += 1;
            run.entries.extend(entry);
        }
    }
}

/// Reads all rows that become lines.
///
/// # Errors
/// The first malformed row of a family.
pub fn read<'a>(job: &mut Job<'_, 'a, '_>, queues: &Queues<'a>) -> Result<Index<'a>> {
    let expected = job.set.merged_counts().family(Family::SqsData).live;
    let mut gather = Gather::new(job.tree, job.set.is_merged(), expected);
    let keep_left = job.options.include_orphans;
    let (set, filter) = (job.set, &job.options.filter);
    let messages = || {
        let mut messages =
            Messages { set, queues, filter, keep_left, keys: DataKeys::default(), owner: None, asked: None };
        move |row: &Row<'a>, arena: &Bump| messages.judge(row, arena)
    };
    family(job, Family::SqsData, &mut gather, messages)?;
    for side in SIDE.into_iter().filter(|_| job.options.include_sqs_side_records) {
        family(job, side, &mut gather, || |row: &Row<'a>, _: &Bump| side_record(set, filter, side, row))?;
    }
    gather.finish()
}

/// Indexes one family, in parts; `index` begins a part.
fn family<'a, I: FnMut(&Row<'a>, &Bump) -> Parsed<Option<Place<'a>>>>(
    job: &mut Job<'_, 'a, '_>,
    family: Family,
    gather: &mut Gather<'a, '_>,
    index: impl Fn() -> I + Sync,
) -> Result<()> {
    let (set, progress, findings) = (job.set, job.progress, &mut job.collector.findings);
    let parts = set.parts(family, UNIT)?;
    progress.begin("sqs rows", parts.len() as u64);
    engine::run(
        parts.len(),
        |i| unit(set, family, &parts[i], index()),
        |found: Found<'a>| {
            progress.advance(1);
            // Sequence rows and tombstones were read, and reported, with the queues.
            let first_time = !matches!(family, Family::SqsSeq | Family::SqsTombstone);
            note_shared(found.shared.into_iter().filter(|_| first_time).collect(), findings);
            found.runs.into_iter().try_for_each(|run| gather.take(run))
        },
    )
}

fn unit<'a>(
    set: &DataSet<'a>,
    family: Family,
    KeyRange { lo, hi }: &KeyRange,
    mut index: impl FnMut(&Row<'a>, &Bump) -> Parsed<Option<Place<'a>>>,
) -> Result<Found<'a>> {
    let (mut found, mut arena) = (Found::default(), Bump::new());
    let mut rows = set.range(family, lo.clone(), hi.clone());
    while let Some(row) = rows.next()? {
        match index(&row, &arena) {
            Ok(Some((target, entry))) => found.add(target, entry),
            Ok(None) => {}
            Err(fault) => set.tolerate(set.locate(row.fault(family, fault)))?,
        }
        arena.reset();
    }
    // Sorted runs make the sort of all of them short. Side records are in the order that they keep in several inputs.
    let messages = found.runs.iter_mut().filter(|run| run.target.lines != Lines::Side);
    messages.for_each(|run| run.entries.sort_by_key(Entry::key));
    found.shared = rows.shared();
    Ok(found)
}

/// Judges the messages of a part.
struct Messages<'s, 'a> {
    set: &'s DataSet<'a>,
    queues: &'s Queues<'a>,
    filter: &'s Filter,
    keep_left: bool,
    keys: DataKeys<'a>,
    /// Queue of the last message, and which of its messages are live; none are without a record.
    owner: Option<(&'a [u8], Option<Live>)>,
    /// Queue of the last message, and whether it is asked for.
    asked: Option<(&'a [u8], bool)>,
}

impl<'a> Messages<'_, 'a> {
    fn judge(&mut self, row: &Row<'a>, arena: &Bump) -> Parsed<Option<Place<'a>>> {
        let queue = self.keys.parse(Family::SqsData.suffix(row.user_key))?.place.queue;
        if !self.wants(queue) {
            return Ok(None);
        }
        let head = Head::parse(arena, row.body)?;
        if self.live(queue).is_some_and(|live| live.has(head.queue_generation)) {
            return Ok(Some((Target { queue, lines: Lines::Messages }, Some(entry(self.set, row, &head)))));
        }
        Message::parse(arena, row.body)?;
        let target = Target { queue, lines: Lines::Left(head.queue_generation) };
        Ok(Some((target, self.keep_left.then(|| entry(self.set, row, &head)))))
    }

    fn wants(&mut self, queue: &'a [u8]) -> bool {
        if self.filter.is_trivial() {
            return true;
        }
        match self.asked {
            Some((same, wanted)) if same == queue => wanted,
            _ => self.asked.insert((queue, is_wanted(queue, self.filter, self.keep_left))).1,
        }
    }

    fn live(&mut self, queue: &'a [u8]) -> Option<Live> {
        match self.owner {
            Some((same, live)) if same == queue => live,
            _ => {
                let known = self.queues.get(queue).filter(|known| known.record.is_some());
                let live = known.map(|known| known.live);
                self.owner = Some((queue, live));
                live
            }
        }
    }
}

fn side_record<'a>(set: &DataSet<'a>, filter: &Filter, family: Family, row: &Row<'a>) -> Parsed<Option<Place<'a>>> {
    let suffix = family.suffix(row.user_key);
    let queue = match family {
        Family::SqsSeq => key::queue_row(suffix)?,
        Family::SqsTombstone => TombstoneKey::parse(suffix)?.queue,
        _ => key::side_row(suffix)?.0,
    };
    if !is_wanted(queue, filter, true) {
        return Ok(None);
    }
    // The order of the snapshot: where one key begins with another, not quite that of the keys.
    let order = Head { sequence_number: row.offset as u64, ..Head::default() };
    Ok(Some((Target { queue, lines: Lines::Side }, Some(entry(set, row, &order)))))
}

fn entry(set: &DataSet<'_>, row: &Row<'_>, head: &Head<'_>) -> Entry {
    Entry {
        file: 0,
        len: u32::try_from(row.body.len()).unwrap_or(u32::MAX),
        time: head.send_timestamp_millis,
        seq: head.sequence_number,
        id: id_prefix(head.message_id.as_bytes()),
        row: set.place_of(row),
    }
}

/// Takes the runs of all units, in order.
struct Gather<'a, 't> {
    /// Whether positions in files are no order, because there is more than one file.
    merged: bool,
    sorter: Sorter<'t, Entry>,
    files: Vec<Target<'a>>,
    numbers: BTreeMap<Target<'a>, u32>,
    left: BTreeMap<(&'a [u8], u64), u64>,
    side: BTreeMap<&'a [u8], u64>,
    side_records: u64,
}

impl<'a, 't> Gather<'a, 't> {
    fn new(tree: &'t Tree, merged: bool, expected: u64) -> Self {
        Gather {
            merged,
            sorter: Sorter::new(tree, expected),
            files: Vec::new(),
            numbers: BTreeMap::new(),
            left: BTreeMap::new(),
            side: BTreeMap::new(),
            side_records: 0,
        }
    }

    fn take(&mut self, mut run: Run<'a>) -> Result<()> {
        let Target { queue, lines } = run.target;
        match lines {
            Lines::Left(generation) => *self.left.entry((queue, generation)).or_default() += run.rows,
            Lines::Side => *self.side.entry(queue).or_default() += run.rows,
            Lines::Messages => {}
        }
        if run.entries.is_empty() {
            return Ok(());
        }
        let file = self.number(run.target);
        for entry in &mut run.entries {
            entry.file = file;
            if lines == Lines::Side && self.merged {
                entry.seq = self.next_side_record();
            }
        }
        self.sorter.extend(&run.entries)
    }

    /// Side records of several inputs keep the order in which they come: families, then keys.
    fn next_side_record(&mut self) -> u64 {
        self.side_records += 1;
        self.side_records
    }

    fn number(&mut self, target: Target<'a>) -> u32 {
        let files = &mut self.files;
        *self.numbers.entry(target).or_insert_with(|| {
            files.push(target);
            (files.len() - 1) as u32
        })
    }

    fn finish(self) -> Result<Index<'a>> {
        let Gather { sorter, files, left, side, .. } = self;
        Ok(Index { files, entries: sorter.finish()?, left, side })
    }
}
