//! Runs the splits of keys on all threads. A writer of the chosen layout takes the keys of each split.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{SCOPE, not_begun};
use crate::adapters::redis::{self, Pieces, Report, Split, Splits};
use crate::dataset::{DataSet, Shared};
use crate::error::Result;
use crate::format::adapter;
use crate::format::wire::{self, Reader};
use crate::model::redis::Visitor;
use crate::options::{ObjectName, Options};
use crate::output::record::Lines;
use crate::output::split::{PieceSink, SplitOutput, Writes};
use crate::output::tree::Tree;
use crate::run::engine::{self, Done};
use crate::run::shards::{Recordable, run_splits_ahead};
use crate::run::{Job, note_shared, step};

/// Writes the keys that it visits to the output of its task.
pub trait Writer<'o, 't>: Visitor + Sized {
    /// Makes a writer for later elements of a collection. Its output goes to the sink, and the writer of the first elements appends it
    /// ([`join`](Writer::join)). `None`: one writer gets all elements.
    const PIECE: Option<fn(SplitOutput<'t>, &'o Options, PieceSink) -> Self> = None;

    /// Writes to `out`.
    fn new(out: SplitOutput<'t>, options: &'o Options) -> Self;

    /// Begins the files that exist even if they stay empty, if the inputs have rows of the adapter.
    ///
    /// # Errors
    /// The files cannot be created.
    fn prepare(out: SplitOutput<'t>, options: &'o Options) -> Result<SplitOutput<'t>>;

    /// Completes and returns the output.
    ///
    /// # Errors
    /// Buffered bytes cannot be written.
    fn finish(self) -> Result<SplitOutput<'t>>;

    /// Adds elements that another writer has rendered to the current collection.
    ///
    /// # Errors
    /// A failed write.
    fn join(&mut self, bytes: Vec<u8>) -> Result<()> {
        drop(bytes);
        Err(not_begun())
    }

    /// The output that can be taken early, of a collection that is not complete.
    fn give_ahead(&mut self) -> Option<SplitOutput<'t>> {
        None
    }
}

/// The result of a split of Redis keys.
struct Written<'t> {
    out: SplitOutput<'t>,
    items_reached: u64,
    shared: Vec<Shared>,
    /// Whether more of the split follows.
    is_ahead: bool,
}

/// Takes a part of the result of a split before the rest.
type Ahead<'e, 't> = engine::Ahead<'e, Written<'t>>;

impl Done for Written<'_> {
    fn held(&self) -> usize {
        self.out.held()
    }
}

impl<'t> Recordable<'t> for Written<'t> {
    fn record(self, lines: &mut Lines, out: &mut Vec<u8>) -> Result<()> {
        wire::number(self.items_reached, out);
        wire::number(self.shared.len() as u64, out);
        self.shared.iter().for_each(|shared| shared.encode(out));
        self.out.record(lines, out)
    }

    fn replay(reader: &mut Reader<'_>, lines: &Arc<File>, tree: &'t Tree) -> Option<Self> {
        let (items_reached, count) = (reader.number()?, reader.count()?);
        let shared = (0..count).map(|_| Shared::decode(reader)).collect::<Option<_>>()?;
        Some(Written { out: SplitOutput::replay(reader, lines, tree)?, items_reached, shared, is_ahead: false })
    }
}

/// Writes one Redis key, if it is there.
///
/// # Errors
/// As [`write_all`], for this key alone.
pub fn write_one<'j, 't, W: Writer<'j, 't>>(job: &mut Job<'j, '_, 't>, name: &ObjectName) -> Result<()> {
    let (set, options, tree) = (job.set, job.options, job.tree);
    let splits = Splits::only(set, &name.name);
    for split in &splits.all {
        let written = write_split::<W>(set, (&splits, split), options, tree, None)?;
        note_shared(written.shared, &mut job.collector.findings);
        job.collector.take(written.out)?;
    }
    Ok(())
}

/// Writes all Redis keys.
///
/// # Errors
/// The first damaged row in key order, or a failed write.
pub fn write_all<'j, 't, W: Writer<'j, 't>>(job: &mut Job<'j, '_, 't>) -> Result<()> {
    let splits = Splits::new(job.set);
    if !job.is_shard() {
        redis::malformed_keys(job.set, &splits.malformed, &mut job.collector.findings)?;
    }
    let reached = AtomicU64::new(0);
    let (set, options, tree, progress) = (job.set, job.options, job.tree, job.progress);
    progress.begin("redis", splits.all.len() as u64);
    if splits.has_rows() && !job.is_shard() {
        job.collector.take(W::prepare(SplitOutput::new(tree), options)?)?;
    }
    let collector = &mut *job.collector;
    run_splits_ahead(
        (job.role, adapter::REDIS, tree),
        (splits.all.len(), &|i| i),
        |i, ahead| write_split::<W>(set, (&splits, &splits.all[i]), options, tree, ahead),
        |written| {
            reached.fetch_add(written.items_reached, Ordering::Relaxed);
            note_shared(written.shared, &mut collector.findings);
            if !written.is_ahead {
                step(progress, tree);
            }
            collector.place(written.out)
        },
        Writes::write,
    )?;
    if job.is_shard() {
        return Ok(());
    }
    let mut writer = W::new(SplitOutput::new(tree), options);
    redis::unreachable_items(set, reached.into_inner(), options, &mut writer, &mut job.collector.findings)?;
    job.collector.take(writer.finish()?)
}

/// Lets other writers render pieces of large collections.
struct PieceWriters<'e, 'o, 't, W> {
    begin: fn(SplitOutput<'t>, &'o Options, PieceSink) -> W,
    options: &'o Options,
    tree: &'t Tree,
    ahead: Option<&'e Ahead<'e, 't>>,
}

impl<'o, 't, W: Writer<'o, 't>> Pieces<W> for PieceWriters<'_, 'o, 't, W> {
    fn render(&self, sink: PieceSink, read: &mut dyn FnMut(&mut dyn Visitor) -> Result<()>) -> Result<()> {
        let mut writer = (self.begin)(SplitOutput::new(self.tree), self.options, sink);
        read(&mut writer)?;
        writer.finish().map(drop)
    }

    fn join(&self, writer: &mut W, bytes: Vec<u8>) -> Result<()> {
        writer.join(bytes)
    }

    fn between(&self, writer: &mut W) -> Result<()> {
        let Some(ahead) = self.ahead else { return Ok(()) };
        let more = writer.give_ahead();
        more.map_or(Ok(()), |out| ahead(Written { out, items_reached: 0, shared: Vec::new(), is_ahead: true }))
    }
}

fn write_split<'o, 't, W: Writer<'o, 't>>(
    set: &DataSet<'_>,
    split: (&Splits, &Split),
    options: &'o Options,
    tree: &'t Tree,
    ahead: Option<&Ahead<'_, 't>>,
) -> Result<Written<'t>> {
    let mut writer = W::new(SplitOutput::new(tree), options);
    let writers = W::PIECE.map(|begin| PieceWriters { begin, options, tree, ahead });
    let pieces = writers.as_ref().map(|writers| writers as &dyn Pieces<W>);
    let Report { items_reached, dropped, findings, shared } =
        redis::read_with(set, split, options, &mut writer, pieces)?;
    let mut out = writer.finish()?;
    out.findings.merge(findings);
    if dropped > 0 {
        out.tally.add(adapter::REDIS, SCOPE, "dropped_expired", dropped, 0);
    }
    Ok(Written { out, items_reached, shared, is_ahead: false })
}
