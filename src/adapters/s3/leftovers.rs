//! Rows that do not belong to a live body: why they are there, and `--include-orphans`.
//!
//! Mutual dependency with `task`: they are methods of the task, in a separate file because few snapshots have such rows.

use std::collections::BTreeMap;

use bumpalo::Bump;

use super::buckets::Buckets;
use super::findings;
use super::merge::{Chunk, Merge, plain_len};
use super::rows::check_value;
use super::task::Task;
use crate::dataset::Row;
use crate::error::Result;
use crate::format::Family;
use crate::format::s3::{Manifest, ObjectKey, Part, UploadKey, UploadRecord};
use crate::format::wire::{self, Reader};
use crate::model::s3::{OrphanChunk, OrphanManifest, Standing, Visitor};
use crate::report::{Finding, Findings, Kind};

/// An object while its uploads are read.
pub(super) struct Walk<'k, 'a> {
    /// The common part of the keys of its rows, after the prefix of the family.
    pub prefix: &'a [u8],
    pub key: &'k ObjectKey<'a>,
    pub standing: Standing,
    has_manifest: bool,
    /// Chunks that are not in a body.
    chunks: u64,
    /// How many of them were the body or a part before.
    superseded: u64,
    /// How many of them are not explained.
    orphans: u64,
}

impl<'k, 'a> Walk<'k, 'a> {
    pub fn new(prefix: &'a [u8], key: &'k ObjectKey<'a>, standing: Standing, has_manifest: bool) -> Self {
        Walk { prefix, key, standing, has_manifest, chunks: 0, superseded: 0, orphans: 0 }
    }

    fn about(&self, kind: &'static Kind) -> Finding {
        Finding::new(kind).with("bucket", self.key.bucket.as_ref()).with("object", self.key.object.as_ref())
    }
}

/// In the order of their numbers.
const STANDINGS: [Standing; 4] = [Standing::Live, Standing::Earlier, Standing::Stale, Standing::NoBucket];

/// Counts of objects that are not live.
#[derive(Debug, Default)]
pub struct Leftovers {
    buckets: BTreeMap<(Vec<u8>, Standing), Count>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    objects: u64,
    chunks: u64,
}

impl Leftovers {
    fn add(&mut self, bucket: &[u8], standing: Standing, more: Count) {
        let count = self.buckets.entry((bucket.to_vec(), standing)).or_default();
        count.objects += more.objects;
        count.chunks += more.chunks;
    }

    /// Appends the counts.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        wire::number(self.buckets.len() as u64, out);
        for ((bucket, standing), count) in &self.buckets {
            wire::bytes(bucket, out);
            out.push(*standing as u8);
            [count.objects, count.chunks].iter().for_each(|n| wire::number(*n, out));
        }
    }

    /// Reads the counts.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Leftovers> {
        let mut all = Leftovers::default();
        for _ in 0..reader.count()? {
            let (bucket, standing) = (reader.bytes()?, *STANDINGS.get(usize::from(reader.byte()?))?);
            all.add(bucket, standing, Count { objects: reader.number()?, chunks: reader.number()? });
        }
        Some(all)
    }

    /// Adds the counts of a later split.
    pub fn merge(&mut self, other: Leftovers) {
        other.buckets.into_iter().for_each(|((bucket, standing), count)| self.add(&bucket, standing, count));
    }

    /// Adds the findings, bucket by bucket.
    pub fn report(&self, buckets: &Buckets<'_>, out: &mut Findings) {
        for ((bucket, standing), count) in &self.buckets {
            let kind = match standing {
                Standing::Live => continue,
                Standing::Earlier => &findings::EARLIER,
                Standing::Stale => &findings::STALE_OBJECTS,
                Standing::NoBucket => &findings::NO_BUCKET,
            };
            let mut finding = Finding::new(kind).with("bucket", bucket.as_slice());
            if let Some(live) = buckets.live(bucket) {
                finding = finding.with("active_generation", live);
            }
            out.add(finding.with("stale_count", count.objects).with("chunks", count.chunks));
        }
    }
}

impl<'a, V: Visitor> Task<'_, 'a, '_, V> {
    /// Skips the remaining uploads of an object.
    pub(super) fn pass_over(&mut self, merge: &mut Merge<'_, 'a>, walk: &mut Walk<'_, 'a>) -> Result<()> {
        while let Some(upload) = merge.next_upload(walk.prefix) {
            self.upload(merge, walk, upload)?;
        }
        Ok(())
    }

    /// Reads the rest of one upload, and counts its rows by the reason why they are there.
    pub(super) fn upload(
        &mut self,
        merge: &mut Merge<'_, 'a>,
        walk: &mut Walk<'_, 'a>,
        upload: &'a [u8],
    ) -> Result<()> {
        let arena = Bump::new();
        let record = merge.uploads.take(upload)?;
        let record = check_value(self.set, Family::S3Upload, record, |v| UploadRecord::parse(&arena, v))?;
        let garbage = merge.garbage.take(upload)?;
        let garbage = check_value(self.set, Family::S3GcUpload, garbage, |v| UploadRecord::parse(&arena, v))?;
        let mut found = Found { record, garbage, parts: 0, chunks: 0 };
        while let Some(row) = merge.parts.take(upload)? {
            check_value(self.set, Family::S3UploadPart, Some(row), |v| Part::parse(&Bump::new(), v).map(|_| ()))?;
            found.parts += 1;
        }
        while let Some(chunk) = self.chunk(merge, upload)? {
            found.chunks += 1;
            self.orphan_chunk(walk.standing, &chunk)?;
        }
        walk.chunks += found.chunks;
        if walk.standing == Standing::Live {
            let id = UploadKey::parse(upload)?.upload_id;
            self.explain(walk, &id, &found);
        }
        Ok(())
    }

    fn explain(&mut self, walk: &mut Walk<'_, 'a>, upload_id: &[u8], found: &Found) {
        let out = &mut self.report.findings;
        let about = |kind| walk.about(kind).with("upload_id", upload_id);
        if found.record {
            let finding = about(&findings::UNFINISHED).with("parts", found.parts);
            return out.add(finding.with("chunks", found.chunks));
        }
        if found.garbage {
            if found.chunks > 0 {
                out.add(about(&findings::GARBAGE).with("chunks", found.chunks));
            }
            return;
        }
        if found.parts > 0 {
            out.add(about(&findings::PART_ROWS).with("parts", found.parts));
        }
        let kind = if walk.has_manifest { &mut walk.superseded } else { &mut walk.orphans };
        *kind += found.chunks;
    }

    /// Handles a chunk of the body's own upload that the manifest does not list.
    pub(super) fn superseded(&mut self, walk: &mut Walk<'_, 'a>, chunk: &Chunk<'a>) -> Result<()> {
        walk.superseded += 1;
        walk.chunks += 1;
        self.orphan_chunk(walk.standing, chunk)
    }

    /// Reports the left-over rows of an object.
    pub(super) fn note(&mut self, walk: &Walk<'_, 'a>) {
        let Walk { standing, chunks, superseded, orphans, .. } = *walk;
        if standing == Standing::Live {
            if superseded > 0 {
                self.report.findings.add(walk.about(&findings::SUPERSEDED).with("chunks", superseded));
            }
            return self.note_orphans(walk, orphans);
        }
        if walk.has_manifest || chunks > 0 || standing == Standing::NoBucket {
            self.report.leftovers.add(&walk.key.bucket, standing, Count { objects: 1, chunks });
        }
        let named = match standing {
            Standing::NoBucket => true,
            Standing::Stale => self.options.include_orphans,
            _ => false,
        };
        if named {
            self.note_orphans(walk, chunks);
        }
    }

    fn note_orphans(&mut self, walk: &Walk<'_, 'a>, chunks: u64) {
        if chunks > 0 {
            self.report.findings.add(walk.about(&findings::ORPHAN_CHUNKS).with("chunks", chunks));
        }
    }

    /// Checks the manifest of an object that is not live, and gives it on request.
    pub(super) fn orphan_manifest(&mut self, walk: &Walk<'_, 'a>, row: &Row<'a>) -> Result<()> {
        let reading = self.set.reading(row.body.len());
        check_value(self.set, Family::S3Object, Some(*row), |v| Manifest::parse(&Bump::new(), v).map(|_| ()))?;
        drop(reading);
        if !self.options.include_orphans {
            return Ok(());
        }
        self.visitor.orphan_manifest(&OrphanManifest { key: walk.key, standing: walk.standing, value: row.body })
    }

    /// Gives a chunk that is not in a body, on request.
    fn orphan_chunk(&mut self, standing: Standing, chunk: &Chunk<'a>) -> Result<()> {
        if !self.options.include_orphans {
            return Ok(());
        }
        let payload = match &chunk.reference {
            None => Some(chunk.row.body),
            Some(reference) => self.payloads.get(self.set, &reference.digest)?.map(|row| row.body),
        };
        let Some(payload) = payload else {
            let object = &chunk.key.upload.object;
            let finding = Finding::new(&findings::NO_PAYLOAD).with("bucket", object.bucket.as_ref());
            self.report.findings.add(finding.with("object", object.object.as_ref()));
            return Ok(());
        };
        let explicit_version = chunk.key.version == 0 && chunk.row.user_key.len() > plain_len(chunk);
        let offloaded = chunk.reference.is_some();
        self.visitor.orphan_chunk(&OrphanChunk { key: &chunk.key, standing, offloaded, explicit_version, payload })
    }
}

/// The rows of an upload outside of bodies.
struct Found {
    record: bool,
    garbage: bool,
    parts: u64,
    chunks: u64,
}
