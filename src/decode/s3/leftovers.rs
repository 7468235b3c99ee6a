//! Rows that are part of no live body: why they are there, and `--include-orphans`.

use std::collections::BTreeMap;

use bumpalo::Bump;

use super::body::check_value;
use super::buckets::{Buckets, Standing, folder};
use super::merge::{Chunk, Merge};
use super::unit::Unit;
use super::{findings, render};
use crate::dataset::Row;
use crate::error::Result;
use crate::format::s3::{Manifest, ObjectKey, Part, UploadKey, UploadRecord};
use crate::format::{Adapter, Family};
use crate::output::names::segment;
use crate::report::{Finding, Findings, Kind};

/// An object while its uploads are gone through.
pub(super) struct Object<'k, 'a> {
    /// What all keys of its rows share behind the prefix.
    pub prefix: &'a [u8],
    pub key: &'k ObjectKey<'a>,
    pub standing: Standing,
    has_manifest: bool,
    /// Chunks in no body.
    chunks: u64,
    /// Of these, what was the body or a part before.
    superseded: u64,
    /// Of these, what nothing explains.
    orphans: u64,
}

impl<'k, 'a> Object<'k, 'a> {
    pub fn new(prefix: &'a [u8], key: &'k ObjectKey<'a>, standing: Standing, has_manifest: bool) -> Self {
        Object { prefix, key, standing, has_manifest, chunks: 0, superseded: 0, orphans: 0 }
    }

    fn about(&self, kind: &'static Kind) -> Finding {
        Finding::new(kind).with("bucket", self.key.bucket.as_ref()).with("object", self.key.object.as_ref())
    }
}

/// What there is of objects that are not live.
#[derive(Default)]
pub struct Leftovers {
    buckets: BTreeMap<(Vec<u8>, Standing), Count>,
}

#[derive(Default, Clone, Copy)]
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

    /// Adds those of a later span.
    pub fn merge(&mut self, other: Leftovers) {
        other.buckets.into_iter().for_each(|((bucket, standing), count)| self.add(&bucket, standing, count));
    }

    /// Says so, bucket by bucket.
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

impl<'a> Unit<'_, 'a, '_> {
    /// Steps over the uploads of an object that are left.
    pub(super) fn pass_over(&mut self, merge: &mut Merge<'_, 'a>, object: &mut Object<'_, 'a>) -> Result<()> {
        while let Some(upload) = merge.next_upload(object.prefix) {
            self.upload(merge, object, upload)?;
        }
        Ok(())
    }

    /// Steps over what is left of one upload, and tells why it is there.
    pub(super) fn upload(
        &mut self,
        merge: &mut Merge<'_, 'a>,
        object: &mut Object<'_, 'a>,
        upload: &'a [u8],
    ) -> Result<()> {
        let arena = Bump::new();
        let record = merge.uploads.take(upload)?;
        let record = check_value(self.cx, Family::S3Upload, record, |v| UploadRecord::parse(&arena, v))?;
        let garbage = merge.garbage.take(upload)?;
        let garbage = check_value(self.cx, Family::S3GcUpload, garbage, |v| UploadRecord::parse(&arena, v))?;
        let mut found = Found { record, garbage, parts: 0, chunks: 0 };
        while let Some(row) = merge.parts.take(upload)? {
            check_value(self.cx, Family::S3UploadPart, Some(row), |v| Part::parse(&Bump::new(), v).map(|_| ()))?;
            found.parts += 1;
        }
        while let Some(chunk) = self.chunk(merge, upload)? {
            found.chunks += 1;
            self.spare(&chunk)?;
        }
        object.chunks += found.chunks;
        if object.standing == Standing::Live {
            let id = UploadKey::parse(upload)?.upload_id;
            self.explain(object, &id, &found);
        }
        Ok(())
    }

    fn explain(&mut self, object: &mut Object<'_, 'a>, upload_id: &[u8], found: &Found) {
        let out = &mut self.out.findings;
        let about = |kind| object.about(kind).with("upload_id", upload_id);
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
        let kind = if object.has_manifest { &mut object.superseded } else { &mut object.orphans };
        *kind += found.chunks;
    }

    /// A chunk of the body's own upload that the manifest does not want.
    pub(super) fn superseded(&mut self, object: &mut Object<'_, 'a>, chunk: &Chunk<'a>) -> Result<()> {
        object.superseded += 1;
        object.chunks += 1;
        self.spare(chunk)
    }

    /// Says what an object left behind.
    pub(super) fn report(&mut self, object: &Object<'_, 'a>) {
        let Object { standing, chunks, superseded, orphans, .. } = *object;
        if standing == Standing::Live {
            if superseded > 0 {
                self.out.findings.add(object.about(&findings::SUPERSEDED).with("chunks", superseded));
            }
            return self.orphan_chunks(object, orphans);
        }
        if object.has_manifest || chunks > 0 || standing == Standing::NoBucket {
            self.leftovers.add(&object.key.bucket, standing, Count { objects: 1, chunks });
        }
        let named = match standing {
            Standing::NoBucket => true,
            Standing::Stale => self.cx.options.include_orphans,
            _ => false,
        };
        if named {
            self.orphan_chunks(object, chunks);
        }
    }

    fn orphan_chunks(&mut self, object: &Object<'_, 'a>, chunks: u64) {
        if chunks > 0 {
            self.out.findings.add(object.about(&findings::ORPHAN_CHUNKS).with("chunks", chunks));
        }
    }

    /// Checks the manifest of an object that is not live; with `--include-orphans` it is kept as it is stored.
    pub(super) fn stale_manifest(&mut self, object: &Object<'_, 'a>, row: &Row<'a>) -> Result<()> {
        check_value(self.cx, Family::S3Object, Some(*row), |v| Manifest::parse(&Bump::new(), v).map(|_| ()))?;
        if !self.cx.options.include_orphans {
            return Ok(());
        }
        let mut path = format!("{}/", folder(&object.key.bucket));
        render::orphan_dir(object.key, &mut path);
        self.orphan(&object.key.bucket, path + "manifest.json", row.body)
    }

    /// Writes a chunk that is in no body, with `--include-orphans`.
    fn spare(&mut self, chunk: &Chunk<'a>) -> Result<()> {
        if !self.cx.options.include_orphans {
            return Ok(());
        }
        let object = &chunk.key.upload.object;
        let mut path = format!("{}/", folder(&object.bucket));
        render::orphan_path(&chunk.key, &mut path);
        let payload = match &chunk.reference {
            None => chunk.row.body,
            Some(reference) => match self.cx.payloads.get(self.cx.set, &reference.digest)? {
                // An inline chunk may have the same name.
                Some(row) => {
                    path.insert_str(path.len() - ".bin".len(), ".ref");
                    row.body
                }
                None => {
                    let finding = Finding::new(&findings::NO_PAYLOAD).with("bucket", object.bucket.as_ref());
                    self.out.findings.add(finding.with("object", object.object.as_ref()));
                    return Ok(());
                }
            },
        };
        // Version 0 may be written out, which no server does: another key of the same meaning.
        if chunk.key.version == 0 && chunk.row.user_key.len() > super::merge::plain_len(chunk) {
            path.insert_str(path.len() - ".bin".len(), ".v0");
        }
        self.orphan(&object.bucket, path, payload)
    }

    fn orphan(&mut self, bucket: &[u8], path: String, body: &[u8]) -> Result<()> {
        let (dir, name) = self.out.place(path.as_bytes())?;
        self.out.put(&dir, name, body)?;
        self.out.tally.add(Adapter::S3, &segment(bucket), "orphans", 1, body.len() as u64);
        Ok(())
    }
}

/// What there is of an upload outside of bodies.
struct Found {
    record: bool,
    garbage: bool,
    parts: u64,
    chunks: u64,
}
