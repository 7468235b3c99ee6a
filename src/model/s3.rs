//! S3 buckets and objects (`docs/format/s3.md` §1 and §2).
//!
//! A body can be larger than the memory, so it comes in pieces between the begin and the end of its object. What is left of
//! other bodies of the same object comes in between, too: its rows stand among those of the body.

use std::borrow::Cow;

use crate::error::Result;
use crate::format::Family;
use crate::format::s3::{BucketRecord, ChunkKey, Manifest, ObjectKey};

/// A bucket that has its record.
#[derive(Debug, Clone, Copy)]
pub struct Bucket<'b> {
    /// Its name, as its key tells it.
    pub name: &'b [u8],
    /// Its record.
    pub record: &'b BucketRecord<'b>,
}

/// What the generation of an object says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Its bucket has this generation.
    Live,
    /// Its bucket was deleted, perhaps created again: what is left is not collected yet.
    Earlier,
    /// Its bucket has another generation, for no known reason.
    Stale,
    /// There is no such bucket, and nothing tells that there was.
    NoBucket,
}

/// A live object, without its body.
#[derive(Debug, Clone, Copy)]
pub struct Object<'o> {
    /// Bucket, generation and key.
    pub key: &'o ObjectKey<'o>,
    /// What its manifest says.
    pub manifest: &'o Manifest<'o>,
    /// How many live objects stand before it in its split, those that are not asked for among them: the keys of a split come in
    /// the same order ([`crate::adapters::s3::live_keys`]).
    pub number: usize,
}

/// The manifest of an object that is not live, as it is stored.
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
    /// What the key says.
    pub key: &'o ChunkKey<'o>,
    /// The standing of the object: live if only the chunk is not of its body.
    pub standing: Standing,
    /// It is a reference to a payload. An inline chunk can have the same key.
    pub offloaded: bool,
    /// The key has a version of 0, which no server writes: another key of the same meaning has none.
    pub explicit_version: bool,
    /// Its bytes.
    pub payload: &'o [u8],
}

/// A row of an unfinished upload, as it is stored: the record of the upload, of a part, or a chunk.
#[derive(Debug, Clone)]
pub struct UploadRow<'u> {
    /// What it is.
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
/// [`abandon`](Visitor::abandon). Orphans are given only on request.
///
/// An error that a visitor gives ends the read of the split.
pub trait Visitor {
    /// When the manifest of the object that begins next was committed (HLC). Only a snapshot tells it.
    #[inline]
    fn committed(&mut self, commit_ts: u64) {
        let _ = commit_ts;
    }

    /// A live object begins.
    fn begin(&mut self, object: &Object<'_>) -> Result<()>;

    /// The next bytes of the body of the object that began last.
    fn body(&mut self, piece: &[u8]) -> Result<()>;

    /// The body is complete. That it is what the manifest says is not certain: where it is not, the read tells.
    fn end(&mut self, object: &Object<'_>) -> Result<()>;

    /// The body cannot be put together: what was given of it counts for nothing.
    fn abandon(&mut self, object: &Object<'_>) -> Result<()>;

    /// The manifest of an object that is not live.
    fn orphan_manifest(&mut self, manifest: &OrphanManifest<'_>) -> Result<()>;

    /// A chunk that is in no body; it can come while an object has begun and not ended.
    fn orphan_chunk(&mut self, chunk: &OrphanChunk<'_>) -> Result<()>;
}

/// Takes the buckets of an output, and then their objects in the order of its files. The manifest of an object that was read back
/// tells no upload, and of the parts only those of a multipart upload, without their chunks.
pub trait BucketVisitor: Visitor {
    /// A bucket.
    fn bucket(&mut self, bucket: &Bucket<'_>) -> Result<()>;

    /// A row of an unfinished upload, of any generation of its bucket.
    fn upload_row(&mut self, row: &UploadRow<'_>) -> Result<()>;

    /// The generation that a bucket had last whose record does not tell it; it may have none.
    fn generation(&mut self, bucket: &[u8], generation: u64) -> Result<()>;
}
