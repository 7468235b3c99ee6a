//! Turns buckets and objects into rows, as the server would store them (`docs/format/s3.md` §1 and §2).
//!
//! A body becomes chunks of 1 MiB, part by part. The manifest lists them, so it comes last. The parts are those of the multipart upload, so
//! that the ETag still matches the body. Wrong sizes in a manifest are kept: the last part takes the bytes that there are.

use std::collections::BTreeMap;

use crate::adapters::rows::RowSink;
use crate::error::{Error, Result};
use crate::format::Family;
use crate::format::s3::key::{KeyBuf, bucket_key, object_prefix};
use crate::format::s3::record::generation_into;
use crate::format::s3::{ChunkKey, Manifest, Part, PartKey, UploadKey};
use crate::model::s3::{Bucket, BucketVisitor, Object, OrphanChunk, OrphanManifest, UploadRow, Visitor};

/// Bytes of a chunk.
const CHUNK: usize = 1 << 20;
/// The upload ID of every object: keys of chunks begin with the object.
const UPLOAD: &str = "elastickv-restore";

/// Gives the rows of buckets to a sink, in any order.
pub struct Encoder<S> {
    rows: S,
    /// Whether chunks of unfinished uploads are given.
    with_uploads: bool,
    /// Last generations by bucket name. There are as many as buckets.
    counters: BTreeMap<Vec<u8>, u64>,
    /// Generations in the records.
    live: BTreeMap<Vec<u8>, u64>,
    parts: Vec<Planned>,
    /// Index of the part that takes the next bytes.
    at: usize,
    chunk: Vec<u8>,
    /// The common prefix of the keys of all its chunks, of length `upload`.
    key: KeyBuf,
    upload: usize,
    value: Vec<u8>,
}

/// A part of the current body.
struct Planned {
    part_no: u64,
    version: u64,
    /// Bytes that it can still take; the last part takes all bytes.
    room: u64,
    chunk_sizes: Vec<u64>,
}

impl<S: RowSink> Encoder<S> {
    /// Gives rows to `rows`. `with_uploads`: unfinished uploads keep their chunks, so that clients can continue them.
    pub fn new(rows: S, with_uploads: bool) -> Self {
        Encoder {
            rows,
            with_uploads,
            counters: BTreeMap::new(),
            live: BTreeMap::new(),
            parts: Vec::new(),
            at: 0,
            chunk: Vec::new(),
            key: KeyBuf::default(),
            upload: 0,
            value: Vec::new(),
        }
    }

    /// Completes the work after all objects were given.
    ///
    /// # Errors
    /// The error of the sink.
    pub fn finish(mut self) -> Result<()> {
        for (bucket, generation) in &self.counters {
            self.value.clear();
            generation_into(*generation, &mut self.value);
            self.rows.row(bucket_key(Family::S3BucketGen, bucket).as_bytes(), &self.value)?;
        }
        Ok(())
    }

    /// Whether an upload can continue in a new store: it needs its chunks, and its bucket must have this live generation.
    ///
    /// # Errors
    /// A key that is not one of an upload.
    pub fn restores(&self, row: &UploadRow<'_>) -> Result<bool> {
        let suffix = row.family.suffix(row.user_key);
        let upload = match row.family {
            Family::S3Upload => UploadKey::parse(suffix),
            Family::S3UploadPart => PartKey::parse(suffix).map(|part| part.upload),
            _ => ChunkKey::parse(suffix).map(|chunk| chunk.upload),
        };
        let generation = upload.map_err(Error::from)?.object.generation;
        Ok(self.with_uploads && self.live.get(&*row.bucket) == Some(&generation))
    }

    /// Gives the current chunk, if it has bytes.
    fn put_chunk(&mut self) -> Result<()> {
        let Some(part) = self.parts.get_mut(self.at).filter(|_| !self.chunk.is_empty()) else { return Ok(()) };
        let number = part.chunk_sizes.len() as u64;
        part.chunk_sizes.push(self.chunk.len() as u64);
        let key = self.key.truncate(self.upload).number(part.part_no).number(number).version(part.version);
        self.rows.row(key.as_bytes(), &self.chunk)?;
        self.chunk.clear();
        Ok(())
    }

    /// Plans the parts of a body.
    fn plan(&mut self, manifest: &Manifest<'_>) {
        self.parts.clear();
        self.chunk.clear();
        self.at = 0;
        // Objects that were read back have no versions. Several parts with one number are still different parts.
        for part in manifest.parts {
            let before = self.parts.last().filter(|before| before.part_no == part.part_no);
            let version = before.map_or(0, |before| before.version + 1);
            let room = u64::try_from(part.size_bytes).unwrap_or(0);
            self.parts.push(Planned { part_no: part.part_no, version, room, chunk_sizes: Vec::new() });
        }
        if self.parts.is_empty() {
            self.parts.push(Planned { part_no: 1, version: 0, room: 0, chunk_sizes: Vec::new() });
        }
        if let Some(last) = self.parts.last_mut() {
            last.room = u64::MAX;
        }
    }

    fn put_manifest(&mut self, object: &Object<'_>) -> Result<()> {
        let told = object.manifest;
        let only = [Part { part_no: 1, etag: told.etag, size_bytes: told.size_bytes, ..Part::default() }];
        let has_body = self.parts.iter().any(|part| !part.chunk_sizes.is_empty());
        let parts = if told.parts.is_empty() && has_body { &only[..] } else { told.parts };
        let parts = parts.iter().zip(&self.parts).map(|(part, planned)| Part {
            chunk_count: planned.chunk_sizes.len() as u64,
            chunk_sizes: &planned.chunk_sizes,
            part_version: planned.version,
            ..*part
        });
        let parts: Vec<Part<'_>> = parts.collect();
        let manifest = Manifest { upload_id: UPLOAD, parts: &parts, declared_parts: parts.len(), ..*told };
        self.value.clear();
        manifest.encode(&mut self.value).map_err(Error::from)?;
        self.rows.row(object_prefix(Family::S3Object, object.key).as_bytes(), &self.value)
    }
}

impl<S: RowSink> Visitor for Encoder<S> {
    fn begin(&mut self, object: &Object<'_>) -> Result<()> {
        self.plan(object.manifest);
        self.key = object_prefix(Family::S3Blob, object.key);
        self.key.name(UPLOAD.as_bytes());
        self.upload = self.key.len();
        Ok(())
    }

    fn body(&mut self, piece: &[u8]) -> Result<()> {
        let mut rest = piece;
        while !rest.is_empty() {
            let Some(part) = self.parts.get_mut(self.at) else { return Err(Error::internal("a body has no parts")) };
            let room = usize::try_from(part.room).unwrap_or(usize::MAX).min(CHUNK - self.chunk.len());
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.chunk.extend_from_slice(now);
            part.room -= now.len() as u64;
            let is_full = part.room == 0;
            if is_full || self.chunk.len() == CHUNK {
                self.put_chunk()?;
            }
            self.at += usize::from(is_full);
            rest = later;
        }
        Ok(())
    }

    fn end(&mut self, object: &Object<'_>) -> Result<()> {
        self.put_chunk()?;
        self.put_manifest(object)
    }

    fn abandon(&mut self, object: &Object<'_>) -> Result<()> {
        Err(Error::internal(format!("the body of \"{}\" does not end", object.key.object.escape_ascii())))
    }

    /// The server does not serve it, so a new store does not need it.
    fn orphan_manifest(&mut self, _: &OrphanManifest<'_>) -> Result<()> {
        Ok(())
    }

    fn orphan_chunk(&mut self, _: &OrphanChunk<'_>) -> Result<()> {
        Ok(())
    }
}

impl<S: RowSink> BucketVisitor for Encoder<S> {
    fn bucket(&mut self, bucket: &Bucket<'_>) -> Result<()> {
        self.value.clear();
        bucket.record.encode(&mut self.value).map_err(Error::from)?;
        self.rows.row(bucket_key(Family::S3BucketMeta, bucket.name).as_bytes(), &self.value)?;
        let generation = bucket.record.generation;
        // No server writes generation 0, and no upload can continue in it.
        if generation > 0 {
            self.live.insert(bucket.name.to_vec(), generation);
            self.counters.entry(bucket.name.to_vec()).or_insert(generation);
        }
        Ok(())
    }

    fn upload_row(&mut self, row: &UploadRow<'_>) -> Result<()> {
        if self.restores(row)? { self.rows.row(row.user_key, row.value) } else { Ok(()) }
    }

    fn generation(&mut self, bucket: &[u8], generation: u64) -> Result<()> {
        self.counters.insert(bucket.to_vec(), generation);
        Ok(())
    }
}
