//! S3 buckets and objects (`docs/format/s3.md` §1 and §2).
//!
//! A body can be larger than the memory, so it comes in pieces between the begin and the end of its object. Remains of other bodies of the
//! same object can come in between: their rows are among those of the body.

use std::borrow::Cow;

use crate::error::Result;
use crate::format::Family;
use crate::format::s3::{BucketRecord, ChunkKey, Manifest, ObjectKey};

/// A bucket that has its record.
#[derive(Debug, Clone, Copy)]
pub struct Bucket<'b> {
    /// Its name according to its key.
    pub name: &'b [u8],
    /// Its record.
    pub record: &'b BucketRecord<'b>,
}

/// The status of an object, according to its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Its bucket has this generation.
    Live,
    /// Its bucket was deleted, and perhaps created again: the garbage is not collected yet.
    Earlier,
    /// Its bucket has another generation, for no known reason.
    Stale,
    /// There is no such bucket, and no trace of one.
    NoBucket,
}

/// A live object, without its body.
#[derive(Debug, Clone, Copy)]
pub struct Object<'o> {
    /// Bucket, generation and key.
    pub key: &'o ObjectKey<'o>,
    /// Its manifest.
    pub manifest: &'o Manifest<'o>,
    /// Number of live objects before it in its split, including objects that are not requested: the keys of a split come in the same order
    /// ([`crate::adapters::s3::live_keys`]).
    pub number: usize,
}

/// The manifest of an object that is not live, as stored.
#[derive(Debug, Clone, Copy)]
pub struct OrphanManifest<'o> {
    /// Bucket, generation and key.
    pub key: &'o ObjectKey<'o>,
    /// Why it is not live.
    pub standing: Standing,
    /// The value.
    pub value: &'o [u8],
}

/// A chunk that is in no body.
#[derive(Debug, Clone, Copy)]
pub struct OrphanChunk<'o> {
    /// Its key.
    pub key: &'o ChunkKey<'o>,
    /// The standing of the object: live if only the chunk is not of its body.
    pub standing: Standing,
    /// It is a reference to a payload. An inline chunk can have the same key.
    pub offloaded: bool,
    /// The key has a version of 0, which no server writes: another key with the same meaning has none.
    pub explicit_version: bool,
    /// Its bytes.
    pub payload: &'o [u8],
}

/// A row of an unfinished upload, as stored: the record of the upload, of a part, or a chunk.
#[derive(Debug, Clone)]
pub struct UploadRow<'u> {
    /// Its family.
    pub family: Family,
    /// Its bucket.
    pub bucket: Cow<'u, [u8]>,
    /// Its whole key.
    pub user_key: &'u [u8],
    /// Its value.
    pub value: &'u [u8],
}

/// Takes the objects of one split in the order of bucket, generation and key.
///
/// A live object is a call of [`begin`](Visitor::begin), one for each piece of its body, and one of [`end`](Visitor::end) or
/// [`abandon`](Visitor::abandon). Orphans come only on request.
///
/// An error of a visitor ends the read of the split.
pub trait Visitor {
    /// The commit time of the next object's manifest (HLC). Only a snapshot has it.
    #[inline]
    fn committed(&mut self, commit_ts: u64) {
        let _ = commit_ts;
    }

    /// A live object begins.
    fn begin(&mut self, object: &Object<'_>) -> Result<()>;

    /// The next bytes of the body of the object that began last.
    fn body(&mut self, piece: &[u8]) -> Result<()>;

    /// The body is complete. It may still differ from the manifest: then the read reports it.
    fn end(&mut self, object: &Object<'_>) -> Result<()>;

    /// The body cannot be assembled: its pieces so far are invalid.
    fn abandon(&mut self, object: &Object<'_>) -> Result<()>;

    /// The manifest of an object that is not live.
    fn orphan_manifest(&mut self, manifest: &OrphanManifest<'_>) -> Result<()>;

    /// A chunk that is in no body; it can come between the begin and the end of an object.
    fn orphan_chunk(&mut self, chunk: &OrphanChunk<'_>) -> Result<()>;
}

/// Takes the buckets of an output, and then their objects in the order of its files. The manifest of an object that was read back has no
/// upload, and only the parts of a multipart upload, without their chunks.
pub trait BucketVisitor: Visitor {
    /// A bucket.
    fn bucket(&mut self, bucket: &Bucket<'_>) -> Result<()>;

    /// A row of an unfinished upload, of any generation of its bucket.
    fn upload_row(&mut self, row: &UploadRow<'_>) -> Result<()>;

    /// The last generation of a bucket if its record does not have it; there may be no record.
    fn generation(&mut self, bucket: &[u8], generation: u64) -> Result<()>;
}
