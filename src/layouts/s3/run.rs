//! Runs the splits of S3 on all threads. Each writes its files; ordered data is merged in the order of splits.

use std::fs::File;
use std::sync::Arc;

use super::files::Files;
use super::names::{Name, Names, Rules};
use super::told::Told;
use super::{Describe, TOGETHER, folder, paths, render, uploads};
use crate::adapters::s3::{self, Buckets, Leftovers, Payloads, Report, Split};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::adapter;
use crate::format::wire::{self, Reader};
use crate::layouts::jsonl::s3::Indexes;
use crate::options::{ObjectName, Options};
use crate::output::names::segment;
use crate::output::observer::Object;
use crate::output::record::Lines;
use crate::output::split::{Collector, SplitOutput, Writes};
use crate::output::tree::Tree;
use crate::run::engine::Done;
use crate::run::shards::{Recordable, Role, run_splits};
use crate::run::{Job, note_shared, step};

/// The result of a split, in every layout.
pub(in crate::layouts) struct Written<'t> {
    pub out: SplitOutput<'t>,
    /// The buckets whose indexes got lines or rows, in order.
    pub indexed: Vec<Vec<u8>>,
    pub report: Report,
}

impl Done for Written<'_> {
    fn held(&self) -> usize {
        self.out.held() + self.report.named.capacity() * size_of::<u64>()
    }
}

impl<'t> Recordable<'t> for Written<'t> {
    fn record(self, lines: &mut Lines, out: &mut Vec<u8>) -> Result<()> {
        encode_names(&self.indexed, out);
        self.report.encode(out);
        self.out.record(lines, out)
    }

    fn replay(reader: &mut Reader<'_>, lines: &Arc<File>, tree: &'t Tree) -> Option<Self> {
        let (indexed, report) = (decode_names(reader)?, Report::decode(reader)?);
        Some(Written { out: SplitOutput::replay(reader, lines, tree)?, indexed, report })
    }
}

/// Appends names of buckets.
fn encode_names(names: &[Vec<u8>], out: &mut Vec<u8>) {
    wire::number(names.len() as u64, out);
    names.iter().for_each(|name| wire::bytes(name, out));
}

/// Reads names of buckets.
fn decode_names(reader: &mut Reader<'_>) -> Option<Vec<Vec<u8>>> {
    let count = reader.count()?;
    (0..count).map(|_| reader.bytes().map(<[u8]>::to_vec)).collect()
}

/// The payloads. One machine compares each with its digest. With shards, each shard compares those that it needs, and the merge those that
/// no shard needs.
pub(in crate::layouts) fn payloads<'a>(job: &Job<'_, 'a, '_>) -> Result<Payloads<'a>> {
    match job.role {
        Role::All => Payloads::check(job.set),
        Role::Shard(_) => Ok(Payloads::unchecked()),
        Role::Merge(_) => Payloads::of_references(job.set),
    }
}

/// Writes one object, if it exists; its name is not that of a complete decode.
///
/// # Errors
/// A damaged bucket record, or a damaged row of the object.
pub(crate) fn write_one<D: Describe>(job: &mut Job<'_, '_, '_>, name: &ObjectName) -> Result<()> {
    let (set, options, tree) = (job.set, job.options, job.tree);
    let buckets = Buckets::read(set)?;
    let cx = Context { set, buckets: &buckets, payloads: &Payloads::unchecked(), options, tree };
    if let Some(split) = s3::split_of(&buckets, &name.name, name.rest()) {
        job.collector.take(write_split::<D>(&cx, &split, &[Name::Encoded])?.out)?;
    }
    Ok(())
}

/// The context of all splits.
struct Context<'c, 'a, 't> {
    set: &'c DataSet<'a>,
    buckets: &'c Buckets<'a>,
    payloads: &'c Payloads<'a>,
    options: &'c Options,
    tree: &'t Tree,
}

/// Writes all buckets.
///
/// # Errors
/// The first damaged bucket record, payload, manifest key or object, or a failed write.
pub(crate) fn write_all<D: Describe>(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let (set, options, tree, progress) = (job.set, job.options, job.tree, job.progress);
    let buckets = Buckets::read(set)?;
    let payloads = payloads(job)?;
    let splits = s3::splits(set);
    let rules = Rules { rename_collisions: options.rename_s3_collisions, utf8_only: options.layout.is_packed() };
    let names = Names::of_splits(set, &buckets, (&splits, job.own_splits(splits.len())), rules)?;
    if !job.is_shard() {
        records(&buckets, options, tree, job.collector)?;
    }
    let cx = Context { set, buckets: &buckets, payloads: &payloads, options, tree };
    let (mut leftovers, mut references) = (Leftovers::default(), Vec::new());
    let mut indexes = Indexes::new(&buckets);
    progress.begin("s3", splits.len() as u64);
    let collector = &mut *job.collector;
    run_splits(
        (job.role, adapter::S3, tree),
        (splits.len(), &|i| i),
        |i| write_split::<D>(&cx, &splits[i], names.of(i)),
        |Written { out, indexed, report }: Written<'_>| {
            leftovers.merge(report.leftovers);
            references.extend(report.named);
            note_shared(report.shared, &mut collector.findings);
            step(progress, tree);
            let writes = collector.place(out)?;
            indexes.take(&indexed, collector);
            Ok(writes)
        },
        Writes::write,
    )?;
    if job.is_shard() {
        return Ok(());
    }
    let collector = &mut *job.collector;
    if options.packed() {
        indexes.empty(options, tree, collector)?;
    }
    leftovers.report(&buckets, &mut collector.findings);
    payloads.note_unreferenced(set, references, &mut collector.findings)?;
    if options.include_incomplete_uploads {
        uploads::write(set, &buckets, options, tree, collector)?;
    }
    if options.for_restore {
        collector.take(generations(&buckets, options, tree))?;
    }
    Ok(())
}

/// `_bucket.json` of every bucket that has a record.
pub(in crate::layouts) fn records<'t>(
    buckets: &Buckets<'_>,
    options: &Options,
    tree: &'t Tree,
    collector: &mut Collector<'t>,
) -> Result<()> {
    let (mut out, mut text, mut count) = (SplitOutput::new(tree), Vec::new(), 0);
    buckets.records(&options.filter, |bucket| {
        count += 1;
        if count % TOGETHER == 0 {
            collector.take(std::mem::replace(&mut out, SplitOutput::new(tree)))?;
        }
        text.clear();
        render::bucket(bucket.name, bucket.record, options.for_restore, &mut text);
        let dir = tree.make_dir(folder(bucket.name).as_bytes())?;
        out.put(&dir, paths::DOCUMENT.as_bytes(), &text)?;
        if let Some(objects) = out.objects() {
            let value = objects.secret().map(|secret| secret.fingerprint(&text));
            let scope = segment(bucket.name);
            objects.add(&Object::scope(adapter::S3, "buckets", &scope, text.len() as u64, value));
        }
        out.tally.scope(adapter::S3, &segment(bucket.name));
        Ok(())
    })?;
    collector.take(out)
}

/// The generations that are not in any record, if there are any.
fn generations<'t>(buckets: &Buckets<'_>, options: &Options, tree: &'t Tree) -> SplitOutput<'t> {
    let mut out = SplitOutput::new(tree);
    for (bucket, generation) in buckets.generations(&options.filter) {
        render::generation_line(bucket, generation, out.lines(&paths::generations()));
    }
    out
}

fn write_split<'t, D: Describe>(cx: &Context<'_, '_, 't>, split: &Split, names: &[Name]) -> Result<Written<'t>> {
    let out = SplitOutput::new(cx.tree);
    if out.is_observed() {
        let mut told = Told::new(out, names);
        let mut report = s3::read(cx.set, cx.buckets, cx.payloads, split, cx.options, &mut told)?;
        told.out.findings.merge(std::mem::take(&mut report.findings));
        return Ok(Written { out: told.out, indexed: Vec::new(), report });
    }
    let mut files = Files::<D>::new(out, names);
    let mut report = s3::read(cx.set, cx.buckets, cx.payloads, split, cx.options, &mut files)?;
    let Files { mut out, describe, .. } = files;
    out.findings.merge(std::mem::take(&mut report.findings));
    Ok(Written { out, indexed: describe.indexed(), report })
}
