//! S3 as an index: a row for each object in `s3/BUCKET/part-….parquet`, in key order, beside the `_bucket.json` of every layout.
//!
//! Bodies are not written: tables are for queries. They are read all the same, so that the same is noticed as by other layouts. Nor are
//! orphans and unfinished uploads: they have no shape of their own.

use super::chunk::refused;
use super::moment;
use super::rows::Cell;
use super::schema::{Kind, Schema, column};
use super::sets::Sets;
use crate::adapters::s3::{self, Buckets, Leftovers, Payloads, Report, Split};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::adapter;
use crate::format::mvcc::hlc_millis;
use crate::layouts::s3::{folder, records};
use crate::model::s3::{Object, OrphanChunk, OrphanManifest, Visitor};
use crate::options::{ObjectName, Options, spellings};
use crate::output::names::{segment, unsegment};
use crate::output::split::{SplitOutput, Writes};
use crate::run::engine::{self, Done};
use crate::run::{Job, note_shared, step};

pub(super) fn schema() -> Result<Schema> {
    let text = |name| column(name, Kind::Text);
    let columns = vec![
        column("key", Kind::Bytes),
        column("size", Kind::I64),
        text("etag"),
        column("last_modified", Kind::Millis).or_null(),
        column("last_modified_hlc", Kind::U64),
        text("content_type").repeated(),
        text("content_encoding").repeated(),
        text("cache_control").repeated(),
        text("content_disposition").repeated(),
        column("user_metadata", Kind::Pairs),
        column("parts", Kind::U64),
        column("commit_ts", Kind::U64),
    ];
    Schema::new(columns, 1).map_err(|error| refused(&error))
}

/// Writes the objects of one split.
struct Index<'t> {
    out: SplitOutput<'t>,
    sets: Sets,
    commit_ts: u64,
    /// The bucket at hand, its scope and its data set.
    open: Option<(Vec<u8>, String, usize)>,
}

impl<'t> Index<'t> {
    fn new(out: SplitOutput<'t>, part_size: u64) -> Self {
        Index { out, sets: Sets::new(part_size), commit_ts: 0, open: None }
    }

    /// The data set of a bucket.
    fn bucket(&mut self, bucket: &[u8]) -> Result<usize> {
        if let Some((open, _, set)) = &self.open
            && open == bucket
        {
            return Ok(*set);
        }
        let schema = schema()?;
        let set = self.sets.number(&folder(bucket), || schema);
        self.open = Some((bucket.to_vec(), segment(bucket), set));
        Ok(set)
    }
}

impl Visitor for Index<'_> {
    fn committed(&mut self, commit_ts: u64) {
        self.commit_ts = commit_ts;
    }

    fn begin(&mut self, _: &Object<'_>) -> Result<()> {
        Ok(())
    }

    fn body(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn end(&mut self, object: &Object<'_>) -> Result<()> {
        let set = self.bucket(&object.key.bucket)?;
        let manifest = object.manifest;
        let metadata: Vec<(&[u8], &[u8])> =
            manifest.user_metadata.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let row = [
            Cell::Bytes(&object.key.object),
            Cell::I64(manifest.size_bytes),
            text(manifest.etag),
            if manifest.last_modified_hlc == 0 { Cell::Null } else { moment(hlc_millis(manifest.last_modified_hlc)) },
            Cell::U64(manifest.last_modified_hlc),
            text(manifest.content_type),
            text(manifest.content_encoding),
            text(manifest.cache_control),
            text(manifest.content_disposition),
            Cell::Pairs(&metadata),
            Cell::U64(manifest.declared_parts as u64),
            Cell::U64(self.commit_ts),
        ];
        self.sets.push(set, &row, &mut self.out)?;
        if let Some((_, scope, _)) = &self.open {
            let bytes = u64::try_from(manifest.size_bytes).unwrap_or(0);
            self.out.tally.add(adapter::S3, scope, "objects", 1, bytes);
        }
        Ok(())
    }

    fn abandon(&mut self, _: &Object<'_>) -> Result<()> {
        Ok(())
    }

    fn orphan_manifest(&mut self, _: &OrphanManifest<'_>) -> Result<()> {
        Ok(())
    }

    fn orphan_chunk(&mut self, _: &OrphanChunk<'_>) -> Result<()> {
        Ok(())
    }
}

/// What a split gave.
struct Written<'t> {
    out: SplitOutput<'t>,
    /// The bucket that came last: those before get no more rows.
    buckets: Vec<Vec<u8>>,
    report: Report,
}

impl Done for Written<'_> {
    fn held(&self) -> usize {
        self.out.held()
    }
}

/// Writes the indexes of all buckets.
///
/// # Errors
/// The first damaged bucket record, payload, manifest key or object, or a failed write.
pub(crate) fn write_all(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let (set, options, tree, progress) = (job.set, job.options, job.tree, job.progress);
    let buckets = Buckets::read(set)?;
    let payloads = Payloads::check(set)?;
    let splits = s3::splits(set);
    job.collector.take(records(&buckets, options, tree)?)?;
    let (mut leftovers, mut references) = (Leftovers::default(), Vec::new());
    let mut filled = vec![false; buckets.len()];
    progress.begin("s3", splits.len() as u64);
    let collector = &mut *job.collector;
    let mut open: Option<Vec<u8>> = None;
    engine::run_with(
        splits.len(),
        |i| {
            let index = Index::new(SplitOutput::new(tree), options.part_size);
            read(set, &buckets, &payloads, &splits[i], options, index)
        },
        |Written { out, buckets: given, report }| {
            leftovers.merge(report.leftovers);
            references.extend(report.named);
            note_shared(report.shared, &mut collector.findings);
            step(progress, tree);
            let writes = collector.place(out)?;
            for bucket in given {
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
    for at in (0..buckets.len()).filter(|at| !filled[*at] && buckets.has_record(*at)) {
        let bucket = buckets.name(at);
        if options.filter.takes_scope(adapter::S3, bucket) {
            let mut index = Index::new(SplitOutput::new(tree), options.part_size);
            index.bucket(bucket)?;
            index.sets.finish(&mut index.out)?;
            collector.take(index.out)?;
            collector.complete_pieces(&folder(bucket))?;
        }
    }
    leftovers.report(&buckets, &mut collector.findings);
    payloads.note_unreferenced(set, references, &mut collector.findings)
}

/// Writes the row of one object, if it is there.
///
/// # Errors
/// A damaged bucket record, or a damaged row of the object.
pub(crate) fn write_one(job: &mut Job<'_, '_, '_>, name: &ObjectName) -> Result<()> {
    let buckets = Buckets::read(job.set)?;
    for key in spellings(name.rest()) {
        if let Some(split) = s3::split_of(&buckets, &name.name, &key) {
            let index = Index::new(SplitOutput::new(job.tree), job.options.part_size);
            job.collector.take(read(job.set, &buckets, &Payloads::unchecked(), &split, job.options, index)?.out)?;
        }
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
    let Index { mut out, sets, .. } = index;
    let buckets = sets.names().filter_map(|name| unsegment(name.strip_prefix("s3/")?)).collect();
    sets.finish(&mut out)?;
    out.findings.merge(std::mem::take(&mut report.findings));
    Ok(Written { out, buckets, report })
}

fn text(text: &str) -> Cell<'_> {
    Cell::Bytes(text.as_bytes())
}
