//! Runs the splits of items on all threads. A writer takes the items of each split, and the results are merged in order.

use std::fs::File;
use std::sync::Arc;

use super::lanes::Lanes;
use super::rows::{self, WithRows};
use crate::adapters::dynamodb::{self, Report, Stale, Tables};
use crate::dataset::{DataSet, KeyRange};
use crate::error::Result;
use crate::format::adapter;
use crate::format::wire::{self, Reader};
use crate::model::dynamodb::Visitor;
use crate::options::Options;
use crate::output::record::Lines;
use crate::output::split::{Collector, SplitOutput, Writes};
use crate::output::tree::Tree;
use crate::report::Findings;
use crate::run::engine::Done;
use crate::run::shards::{Recordable, run_splits};
use crate::run::{Job, note_shared, step};

/// Writes the items of one split to its share of the output.
pub trait Writer<'a, 't>: Visitor<'a> {
    /// Its result besides files and lines.
    type Share: Share;

    /// Its share, complete.
    ///
    /// # Errors
    /// The rest cannot be written.
    fn finish(self) -> Result<(SplitOutput<'t>, Self::Share)>;
}

/// The result that a split passes on.
pub trait Share: Send + Sized {
    /// Bytes that it keeps in memory.
    fn held(&self) -> usize {
        0
    }

    /// Appends it.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads one.
    fn decode(reader: &mut Reader<'_>) -> Option<Self>;
}

/// Appends numbers of tables.
pub fn encode_places(places: &[usize], out: &mut Vec<u8>) {
    wire::number(places.len() as u64, out);
    places.iter().for_each(|place| wire::number(*place as u64, out));
}

/// Reads numbers of tables.
pub fn decode_places(reader: &mut Reader<'_>) -> Option<Vec<usize>> {
    let count = reader.count()?;
    (0..count).map(|_| reader.size()).collect()
}

/// Takes the shares of all splits, those of each lane in order.
pub trait Gather<'t> {
    /// What it takes.
    type Share;

    /// Takes the share of the next split of a lane; the collector has its files and lines.
    fn take(&mut self, lane: usize, share: Self::Share, collector: &mut Collector<'t>) -> Result<()>;
}

struct Written<'t, S> {
    out: SplitOutput<'t>,
    share: S,
    report: Report,
}

impl<S: Share> Done for Written<'_, S> {
    fn held(&self) -> usize {
        self.out.held() + self.share.held()
    }
}

impl<'t, S: Share> Recordable<'t> for Written<'t, S> {
    fn record(self, lines: &mut Lines, out: &mut Vec<u8>) -> Result<()> {
        self.share.encode(out);
        self.report.encode(out);
        self.out.record(lines, out)
    }

    fn replay(reader: &mut Reader<'_>, lines: &Arc<File>, tree: &'t Tree) -> Option<Self> {
        let (share, report) = (S::decode(reader)?, Report::decode(reader)?);
        Some(Written { out: SplitOutput::replay(reader, lines, tree)?, share, report })
    }
}

/// The result of the splits of one lane.
#[derive(Default)]
struct OfLane {
    stale: Stale,
    findings: Findings,
}

impl OfLane {
    /// Adds the findings of the next split.
    fn take(&mut self, set: &DataSet<'_>, tables: &Tables<'_>, report: Report, findings: Findings) -> Result<()> {
        for run in &report.stale {
            self.stale.take(set, tables, run, &mut self.findings)?;
        }
        note_shared(report.shared.into_iter().collect(), &mut self.findings);
        self.findings.merge(findings);
        Ok(())
    }
}

/// Writes the items of some splits, each with a writer made by `begin`.
///
/// # Errors
/// The first damaged row in the order of the lanes, or a failed write.
pub fn write_splits<'a, 't, W, G>(
    job: &mut Job<'_, 'a, 't>,
    tables: &Tables<'_>,
    (splits, lanes): (&[KeyRange], &Lanes),
    begin: &(impl Fn(SplitOutput<'t>) -> W + Sync),
    gather: &mut G,
) -> Result<()>
where
    W: Writer<'a, 't>,
    G: Gather<'t, Share = W::Share> + Send,
{
    let (set, options, tree, progress) = (job.set, job.options, job.tree, job.progress);
    progress.begin("dynamodb", splits.len() as u64);
    let mut of_lanes: Vec<OfLane> = (0..lanes.count()).map(|_| OfLane::default()).collect();
    let mut position = 0;
    let collector = &mut *job.collector;
    run_splits(
        (job.role, adapter::DYNAMODB, tree),
        (splits.len(), &|position| lanes.split_at(position)),
        |i| write_split(set, tables, &splits[i], options, begin(SplitOutput::new(tree))),
        |written| {
            step(progress, tree);
            let Written { mut out, share, report } = written;
            let lane = lanes.lane_of(lanes.split_at(position));
            position += 1;
            of_lanes[lane].take(set, tables, report, std::mem::take(&mut out.findings))?;
            let writes = collector.place(out)?;
            gather.take(lane, share, collector)?;
            Ok(writes)
        },
        Writes::write,
    )?;
    for OfLane { mut stale, mut findings } in of_lanes {
        stale.finish(tables, &mut findings);
        job.collector.findings.merge(findings);
    }
    Ok(())
}

fn write_split<'a, 't, W: Writer<'a, 't>>(
    set: &DataSet<'a>,
    tables: &Tables<'_>,
    split: &KeyRange,
    options: &Options,
    mut writer: W,
) -> Result<Written<'t, W::Share>> {
    let (mut report, rows) = if options.for_restore {
        let mut writer = WithRows::new(&mut writer);
        (dynamodb::read(set, tables, split, options, &mut writer)?, writer.finish())
    } else {
        (dynamodb::read(set, tables, split, options, &mut writer)?, Vec::new())
    };
    let (mut out, share) = writer.finish()?;
    rows::append(&rows, &mut out);
    out.findings.merge(std::mem::take(&mut report.findings));
    Ok(Written { out, share, report })
}
