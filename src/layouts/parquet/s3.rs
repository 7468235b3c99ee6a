//! S3 as an index: a row for each object in `s3/BUCKET/part-….parquet`, in key order, together with the `_bucket.json` of every layout.
//!
//! Bodies are not written: tables are for queries. They are read nevertheless, so that the findings are the same as in other layouts.
//! Orphans and unfinished uploads are not written either: they do not have the form of an object.

use super::sets::To;
use crate::adapters::s3::{self, Buckets, Leftovers, Payloads, Split};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::adapter;
use crate::layouts::rows::s3::Rows;
use crate::layouts::s3::{Written, folder, payloads, records};
use crate::options::{ObjectName, Options};
use crate::output::names::unsegment;
use crate::output::split::{SplitOutput, Writes};
use crate::output::tree::Tree;
use crate::run::shards::run_splits;
use crate::run::{Job, note_shared, step};

type Index<'t> = Rows<To<'t, SplitOutput<'t>>>;

fn index<'t>(tree: &'t Tree, options: &Options) -> Index<'t> {
    Rows::new(To::new(SplitOutput::new(tree), options.parquet_size()))
}

/// Writes the indexes of all buckets.
///
/// # Errors
/// The first damaged bucket record, payload, manifest key or object, or a failed write.
pub(crate) fn write_all(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let (set, options, tree, progress) = (job.set, job.options, job.tree, job.progress);
    let buckets = Buckets::read(set)?;
    let payloads = payloads(job)?;
    let splits = s3::splits(set);
    if !job.is_shard() {
        records(&buckets, options, tree, job.collector)?;
    }
    let (mut leftovers, mut references) = (Leftovers::default(), Vec::new());
    let mut filled = vec![false; buckets.len()];
    progress.begin("s3", splits.len() as u64);
    let collector = &mut *job.collector;
    let mut open: Option<Vec<u8>> = None;
    run_splits(
        (job.role, adapter::S3, tree),
        (splits.len(), &|i| i),
        |i| read(set, &buckets, &payloads, &splits[i], options, index(tree, options)),
        |Written { out, indexed, report }| {
            leftovers.merge(report.leftovers);
            references.extend(report.named);
            note_shared(report.shared, &mut collector.findings);
            step(progress, tree);
            let writes = collector.place(out)?;
            for bucket in indexed {
                if let Some(at) = buckets.place(&bucket) {
                    filled[at] = true;
                }
                if let Some(before) = open.replace(bucket.clone()).filter(|before| *before != bucket) {
                    collector.complete_pieces(&folder(&before))?;
                }
            }
            Ok(writes)
        },
        Writes::write,
    )?;
    if job.is_shard() {
        return Ok(());
    }
    let collector = &mut *job.collector;
    for at in (0..buckets.len()).filter(|at| !filled[*at] && buckets.has_record(*at)) {
        let bucket = buckets.name(at);
        if options.filter.takes_scope(adapter::S3, bucket) {
            let mut index = index(tree, options);
            index.bucket(bucket)?;
            collector.take(index.into_sink().finish()?)?;
            collector.complete_pieces(&folder(bucket))?;
        }
    }
    leftovers.report(&buckets, &mut collector.findings);
    payloads.note_unreferenced(set, references, &mut collector.findings)
}

/// Writes the row of one object, if it exists.
///
/// # Errors
/// A damaged bucket record, or a damaged row of the object.
pub(crate) fn write_one(job: &mut Job<'_, '_, '_>, name: &ObjectName) -> Result<()> {
    let buckets = Buckets::read(job.set)?;
    if let Some(split) = s3::split_of(&buckets, &name.name, name.rest()) {
        let (set, options) = (job.set, job.options);
        let index = index(job.tree, options);
        job.collector.take(read(set, &buckets, &Payloads::unchecked(), &split, options, index)?.out)?;
    }
    Ok(())
}

fn read<'a, 't>(
    set: &DataSet<'a>,
    buckets: &Buckets<'a>,
    payloads: &Payloads<'a>,
    split: &Split,
    options: &Options,
    mut index: Index<'t>,
) -> Result<Written<'t>> {
    let mut report = s3::read(set, buckets, payloads, split, options, &mut index)?;
    let to = index.into_sink();
    let indexed = to.names().filter_map(|name| unsegment(name.strip_prefix("s3/")?)).collect();
    let mut out = to.finish()?;
    out.findings.merge(std::mem::take(&mut report.findings));
    Ok(Written { out, indexed, report })
}
