//! Reads one split: every object in it with all its uploads.

use bumpalo::Bump;

use super::body::Body;
use super::buckets::Buckets;
use super::check::{self, BodyReport};
use super::leftovers::{Leftovers, Walk};
use super::merge::{Chunk, FAMILIES, Merge};
use super::payloads::{Payloads, brief};
use super::plan::Plan;
use super::rows::parse;
use super::splits::Split;
use crate::dataset::{DataSet, KeyRange, Row, Shared};
use crate::error::Result;
use crate::format::s3::{Manifest, ObjectKey, UploadKey};
use crate::format::wire::{self, Reader};
use crate::format::{Family, adapter};
use crate::model::s3::{Object, Standing, Visitor};
use crate::options::Options;
use crate::report::Findings;

/// The result of reading a split, besides the objects.
#[derive(Debug, Default)]
pub struct Report {
    /// Counts of objects that are not live, by bucket.
    pub leftovers: Leftovers,
    /// Brief digests of all references, for [`Payloads::note_unreferenced`].
    pub named: Vec<u64>,
    /// Findings of the split.
    pub findings: Findings,
    /// Keys with rows in more than one input.
    pub shared: Vec<Shared>,
}

impl Report {
    /// Appends the report of a split without its findings.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.leftovers.encode(out);
        wire::number(self.named.len() as u64, out);
        self.named.iter().for_each(|digest| out.extend_from_slice(&digest.to_le_bytes()));
        wire::number(self.shared.len() as u64, out);
        self.shared.iter().for_each(|shared| shared.encode(out));
    }

    /// Reads a report.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Report> {
        let (leftovers, count) = (Leftovers::decode(reader)?, reader.count()?);
        let named = (0..count).map(|_| Some(u64::from_le_bytes(*reader.array()?))).collect::<Option<_>>()?;
        let count = reader.count()?;
        let shared = (0..count).map(|_| Shared::decode(reader)).collect::<Option<_>>()?;
        Some(Report { leftovers, named, findings: Findings::default(), shared })
    }
}

/// State of one split.
pub(super) struct Task<'s, 'a, 'v, V> {
    pub set: &'s DataSet<'a>,
    pub buckets: &'s Buckets<'a>,
    pub payloads: &'s Payloads<'a>,
    pub options: &'s Options,
    pub visitor: &'v mut V,
    pub report: Report,
    /// Number of live objects so far.
    count: usize,
}

/// Reads the objects of one split.
///
/// # Errors
/// The first damaged row or object of the split, unless damage is skipped, and the error of the visitor.
pub fn read<'a, V: Visitor>(
    set: &DataSet<'a>,
    buckets: &Buckets<'a>,
    payloads: &Payloads<'a>,
    split: &Split,
    options: &Options,
    visitor: &mut V,
) -> Result<Report> {
    let mut task = Task { set, buckets, payloads, options, visitor, report: Report::default(), count: 0 };
    let mut merge = Merge::new(set, split)?;
    while let Some(prefix) = merge.next_object() {
        if let Err(error) = task.object(&mut merge, prefix) {
            set.tolerate_object(error, rows_of(prefix), &|_| true)?;
        }
    }
    task.report.shared = merge.shared();
    Ok(task.report)
}

/// The ranges of the rows of an object.
fn rows_of(prefix: &[u8]) -> Vec<KeyRange> {
    FAMILIES.iter().map(|family| KeyRange::below(&[family.prefix().as_bytes(), prefix].concat())).collect()
}

impl<'a, V: Visitor> Task<'_, 'a, '_, V> {
    /// Gives one object, and reads past all of its rows even if it is damaged.
    fn object(&mut self, merge: &mut Merge<'_, 'a>, prefix: &'a [u8]) -> Result<()> {
        let key = ObjectKey::parse(prefix)?;
        let head = merge.heads.take(prefix)?;
        let standing = self.buckets.standing(&key);
        let number = self.count;
        self.count += usize::from(head.is_some() && standing == Standing::Live);
        if !self.wants(&key, head.as_ref(), standing) {
            return self.step_over(merge, prefix);
        }
        let mut walk = Walk::new(prefix, &key, standing, head.is_some());
        let given = match head {
            Some(row) if standing == Standing::Live => self.live(merge, &mut walk, row, number),
            Some(row) => self.orphan_manifest(&walk, &row),
            None => Ok(()),
        };
        let passed = self.pass_over(merge, &mut walk);
        given.and(passed)?;
        self.note(&walk);
        Ok(())
    }

    /// Whether an object is asked for. If sizes matter and its manifest cannot be read, it is: then the damage is reported.
    fn wants(&self, key: &ObjectKey<'_>, head: Option<&Row<'a>>, standing: Standing) -> bool {
        let filter = &self.options.filter;
        if filter.is_trivial() {
            return true;
        }
        let size = |row: &Row<'a>| {
            let (_reading, arena) = (self.set.reading(row.body.len()), Bump::new());
            Manifest::parse(&arena, row.body).map(|manifest| manifest.size_bytes)
        };
        let sized = |row: &Row<'a>| size(row).map_or(true, |n| filter.takes_size(u64::try_from(n).unwrap_or(0)));
        let given = (head.is_some() && standing == Standing::Live) || self.options.include_orphans;
        let taken = filter.classify(adapter::S3, &key.bucket, &[&key.object], given);
        let wanted = taken && (!filter.has_sizes() || head.is_none_or(sized));
        wanted && filter.takes_change(adapter::S3, &key.bucket, &[&key.object])
    }

    /// Skips all rows of an object that is not asked for.
    fn step_over(&mut self, merge: &mut Merge<'_, 'a>, prefix: &'a [u8]) -> Result<()> {
        while let Some(upload) = merge.next_upload(prefix) {
            merge.uploads.take(upload)?;
            merge.garbage.take(upload)?;
            while merge.parts.take(upload)?.is_some() {}
            // References are read nevertheless, because the payloads that they name have an owner.
            while self.chunk(merge, upload)?.is_some() {}
        }
        Ok(())
    }

    /// Gives a live object with its body.
    fn live(&mut self, merge: &mut Merge<'_, 'a>, walk: &mut Walk<'_, 'a>, row: Row<'a>, number: usize) -> Result<()> {
        let (_reading, arena) = (self.set.reading(row.body.len()), Bump::new());
        let manifest = parse(self.set, Family::S3Object, &row, Manifest::parse(&arena, row.body))?;
        let object = Object { key: walk.key, manifest: &manifest, number };
        self.visitor.committed(row.commit_ts);
        self.visitor.begin(&object)?;
        match self.body(merge, walk, row, &manifest) {
            Ok(report) => {
                check::report(walk.key, &manifest, &report, &mut self.report.findings);
                self.visitor.end(&object)
            }
            Err(error) => self.visitor.abandon(&object).and(Err(error)),
        }
    }

    fn body(
        &mut self,
        merge: &mut Merge<'_, 'a>,
        walk: &mut Walk<'_, 'a>,
        row: Row<'a>,
        manifest: &Manifest<'_>,
    ) -> Result<BodyReport> {
        let plan = Plan::new(manifest);
        let mut body = Body::new(self.set, self.payloads, walk.key, row, manifest, &plan);
        while let Some(upload) = merge.next_upload(walk.prefix) {
            if body.owns(&UploadKey::parse(upload)?.upload_id) {
                self.gather(merge, walk, upload, &mut body)?;
            }
            self.upload(merge, walk, upload)?;
        }
        for spare in body.sort_in(self.visitor)? {
            self.superseded(walk, &spare)?;
        }
        body.finish(self.visitor)
    }

    fn gather(
        &mut self,
        merge: &mut Merge<'_, 'a>,
        walk: &mut Walk<'_, 'a>,
        upload: &[u8],
        body: &mut Body<'_, '_, 'a>,
    ) -> Result<()> {
        while let Some(chunk) = self.chunk(merge, upload)? {
            if let Some(spare) = body.take(chunk, self.visitor)? {
                self.superseded(walk, &spare)?;
            }
        }
        Ok(())
    }

    /// The next chunk of an upload.
    pub fn chunk(&mut self, merge: &mut Merge<'_, 'a>, upload: &[u8]) -> Result<Option<Chunk<'a>>> {
        let chunk = merge.next_chunk(upload)?;
        let reference = chunk.as_ref().and_then(|chunk| chunk.reference);
        if self.payloads.any {
            self.report.named.extend(reference.map(|reference| brief(&reference.digest)));
        }
        Ok(chunk)
    }
}
