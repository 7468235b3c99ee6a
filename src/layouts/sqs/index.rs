//! The order of the lines: references to records, by their file and by the sort key in it.

use std::collections::BTreeMap;

use super::entry::{Entry, id_prefix};
use crate::adapters::sqs::{Counts, Only, Queues, heads};
use crate::dataset::{DataSet, KeyRange};
use crate::error::Result;
use crate::format::Family;
use crate::model::sqs::{Head, HeadVisitor, RecordKind, Records};
use crate::options::Options;
use crate::report::Findings;
use crate::run::sort::{Record as _, Sorted, Sorter};
use crate::run::{Job, Progress, Scratch, engine, note_shared};

/// Everything found.
pub struct Index<'a> {
    /// The files, by their records; entries name them by number.
    pub files: Vec<Records<'a>>,
    /// References in the order of the output.
    pub entries: Sorted<Entry>,
    /// Number of records.
    pub counts: Counts<'a>,
}

/// Consecutive entries of one file.
pub(super) struct Run<'a> {
    pub of: Records<'a>,
    pub entries: Vec<Entry>,
}

/// The result of a split.
pub(super) struct Found<'a> {
    pub runs: Vec<Run<'a>>,
    pub counts: Counts<'a>,
}

impl Found<'_> {
    /// Sorted runs make the sort of all entries short. Side records are in the order that they keep with several inputs.
    fn sorted(mut self) -> Self {
        let messages = self.runs.iter_mut().filter(|run| run.of.kind != RecordKind::Side);
        messages.for_each(|run| run.entries.sort_by_key(Entry::key));
        self
    }
}

impl engine::Done for Found<'_> {
    fn held(&self) -> usize {
        let runs = self.runs.iter().map(|run| size_of::<Run<'_>>() + run.entries.capacity() * size_of::<Entry>());
        runs.sum::<usize>() + self.counts.held()
    }
}

/// Takes the heads of a split.
#[derive(Default)]
struct Runs<'a>(Vec<Run<'a>>);

impl<'a> HeadVisitor<'a> for Runs<'a> {
    #[inline]
    fn head(&mut self, of: Records<'a>, head: &Head<'_>) {
        let Head { sent_at_ms, sequence, id, len, row } = *head;
        let entry = Entry { file: 0, len, time: sent_at_ms, seq: sequence, id: id_prefix(id), row };
        match self.0.last_mut() {
            Some(run) if run.of == of => run.entries.push(entry),
            _ => self.0.push(Run { of, entries: vec![entry] }),
        }
    }
}

/// Reads the heads of all records.
///
/// # Errors
/// The first malformed row of a family.
pub fn read<'a>(job: &mut Job<'_, 'a, '_>, queues: &Queues<'a>) -> Result<Index<'a>> {
    read_heads(job.set, job.options, job.tree, job.progress, queues, &mut job.collector.findings)
}

/// The same without an output.
///
/// # Errors
/// As [`read`].
pub fn read_heads<'a>(
    set: &DataSet<'a>,
    options: &Options,
    scratch: &dyn Scratch,
    progress: &dyn Progress,
    queues: &Queues<'a>,
    findings: &mut Findings,
) -> Result<Index<'a>> {
    let expected = set.merged_counts().family(Family::SqsData).live;
    let mut gather = Gather::new(scratch, set.is_merged(), expected);
    for family in heads::families(options) {
        let splits = heads::splits(set, family)?;
        progress.begin("sqs rows", splits.len() as u64);
        engine::run(
            splits.len(),
            |i| split(set, queues, family, &splits[i], options, None).map(Found::sorted),
            |mut found: Found<'a>| {
                progress.advance(1);
                note_shared(found.counts.shared.take().into_iter().collect(), findings);
                gather.counts.merge(found.counts);
                found.runs.into_iter().try_for_each(|run| gather.take(run))
            },
        )?;
    }
    gather.finish()
}

/// Reads the head of one message.
///
/// # Errors
/// A malformed row of it, or a malformed key of its queue.
pub fn read_one<'a>(job: &mut Job<'_, 'a, '_>, queues: &Queues<'a>, only: &Only) -> Result<Index<'a>> {
    let (set, options, progress) = (job.set, job.options, job.progress);
    let mut gather = Gather::new(job.tree, set.is_merged(), 1);
    let splits = only.splits(set)?;
    progress.begin("sqs rows", splits.len() as u64);
    engine::run(
        splits.len(),
        |i| split(set, queues, Family::SqsData, &splits[i], options, Some(only)),
        |found: Found<'a>| {
            progress.advance(1);
            found.runs.into_iter().try_for_each(|run| gather.take(run))
        },
    )?;
    gather.finish()
}

/// Reads the heads of a split.
///
/// # Errors
/// A malformed row.
pub(super) fn split<'a>(
    set: &DataSet<'a>,
    queues: &Queues<'a>,
    family: Family,
    split: &KeyRange,
    options: &Options,
    only: Option<&Only>,
) -> Result<Found<'a>> {
    let mut runs = Runs::default();
    let counts = heads::read(set, queues, family, split, options, only, &mut runs)?;
    Ok(Found { runs: runs.0, counts })
}

/// Takes the runs of all splits, in order.
struct Gather<'a, 't> {
    /// Whether positions in files give no order, because there is more than one file.
    merged: bool,
    sorter: Sorter<'t, Entry>,
    files: Vec<Records<'a>>,
    numbers: BTreeMap<Records<'a>, u32>,
    counts: Counts<'a>,
    side_records: u64,
}

impl<'a, 't> Gather<'a, 't> {
    fn new(scratch: &'t dyn Scratch, merged: bool, expected: u64) -> Self {
        let (files, numbers, counts) = (Vec::new(), BTreeMap::new(), Counts::default());
        Gather { merged, sorter: Sorter::new(scratch, expected), files, numbers, counts, side_records: 0 }
    }

    fn take(&mut self, mut run: Run<'a>) -> Result<()> {
        let file = self.number(run.of);
        for entry in &mut run.entries {
            entry.file = file;
            if run.of.kind == RecordKind::Side && self.merged {
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

    fn number(&mut self, of: Records<'a>) -> u32 {
        let files = &mut self.files;
        *self.numbers.entry(of).or_insert_with(|| {
            files.push(of);
            (files.len() - 1) as u32
        })
    }

    fn finish(self) -> Result<Index<'a>> {
        let Gather { sorter, files, counts, .. } = self;
        Ok(Index { files, entries: sorter.finish()?, counts })
    }
}
