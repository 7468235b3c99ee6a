//! Brings together all rows of an object, and within it all rows of an upload, from six families.

use super::rows::parse;
use super::splits::Split;
use crate::dataset::{DataSet, RangeIter, Row, Shared};
use crate::error::Result;
use crate::format::s3::chunk::ChunkId;
use crate::format::s3::key::{object_len, upload_len};
use crate::format::s3::{ChunkKey, ChunkRef, ObjectKey, PartKey, UploadKey};
use crate::format::{Family, fault};

/// The families whose rows an object has: their keys begin with bucket, generation and object.
pub const FAMILIES: [Family; 6] =
    [Family::S3Object, Family::S3Upload, Family::S3UploadPart, Family::S3GcUpload, Family::S3Blob, Family::S3ChunkRef];

/// Rows of one family in user-key order. Every key is checked before its row is given.
pub struct Stream<'s, 'a> {
    set: &'s DataSet<'a>,
    family: Family,
    rows: RangeIter<'s, 'a>,
    next: Option<Next<'a>>,
}

/// The next row, with the lengths of the prefixes that it shares with other rows.
#[derive(Clone, Copy)]
struct Next<'a> {
    row: Row<'a>,
    suffix: &'a [u8],
    object: usize,
    upload: usize,
}

impl<'a> Next<'a> {
    fn object(&self) -> &'a [u8] {
        &self.suffix[..self.object]
    }

    fn upload(&self) -> &'a [u8] {
        &self.suffix[..self.upload]
    }
}

fn check_key(family: Family, suffix: &[u8]) -> fault::Result<()> {
    match family {
        Family::S3Object => ObjectKey::parse(suffix).map(|_| ()),
        Family::S3UploadPart => PartKey::parse(suffix).map(|_| ()),
        Family::S3Blob | Family::S3ChunkRef => ChunkKey::parse(suffix).map(|_| ()),
        _ => UploadKey::parse(suffix).map(|_| ()),
    }
}

impl<'s, 'a> Stream<'s, 'a> {
    fn new(set: &'s DataSet<'a>, split: &Split, family: Family) -> Result<Self> {
        let mut stream = Stream { set, family, rows: split.rows(set, family), next: None };
        stream.advance()?;
        Ok(stream)
    }

    fn advance(&mut self) -> Result<()> {
        self.next = None;
        while let Some(row) = self.rows.next()? {
            let suffix = self.family.suffix(row.user_key);
            if let Err(error) = parse(self.set, self.family, &row, check_key(self.family, suffix)) {
                self.set.skip(error)?;
                continue;
            }
            let object = object_len(suffix).unwrap_or_default();
            let upload = upload_len(suffix).unwrap_or(object);
            self.next = Some(Next { row, suffix, object, upload });
            break;
        }
        Ok(())
    }

    /// The next row, if its key continues `prefix`.
    pub fn take(&mut self, prefix: &[u8]) -> Result<Option<Row<'a>>> {
        let Some(next) = self.next.filter(|next| next.suffix.starts_with(prefix)) else { return Ok(None) };
        self.advance()?;
        Ok(Some(next.row))
    }
}

/// A stored chunk: a payload, or a reference to one.
pub struct Chunk<'a> {
    /// Its row.
    pub row: Row<'a>,
    /// Its key.
    pub key: ChunkKey<'a>,
    /// The payload that it refers to, if it is a `chunkref`.
    pub reference: Option<ChunkRef<'a>>,
}

impl Chunk<'_> {
    /// Its position within the object.
    pub fn id(&self) -> ChunkId {
        ChunkId::of(&self.key, self.reference.is_some())
    }
}

/// Length of a chunk's user key without a version.
pub fn plain_len(chunk: &Chunk<'_>) -> usize {
    let family = if chunk.reference.is_some() { Family::S3ChunkRef } else { Family::S3Blob };
    let upload = upload_len(family.suffix(chunk.row.user_key)).unwrap_or_default();
    family.prefix().len() + upload + 2 * size_of::<u64>()
}

/// The six streams of a split.
pub struct Merge<'s, 'a> {
    /// Manifests.
    pub heads: Stream<'s, 'a>,
    /// Records of unfinished uploads.
    pub uploads: Stream<'s, 'a>,
    /// Their parts.
    pub parts: Stream<'s, 'a>,
    /// Uploads that wait for garbage collection.
    pub garbage: Stream<'s, 'a>,
    blobs: Stream<'s, 'a>,
    refs: Stream<'s, 'a>,
}

impl<'s, 'a> Merge<'s, 'a> {
    /// The rows of a split.
    pub fn new(set: &'s DataSet<'a>, split: &Split) -> Result<Self> {
        let [heads, uploads, parts, garbage, blobs, refs] = FAMILIES.map(|family| Stream::new(set, split, family));
        Ok(Merge { heads: heads?, uploads: uploads?, parts: parts?, garbage: garbage?, blobs: blobs?, refs: refs? })
    }

    fn below_heads(&self) -> impl Iterator<Item = Next<'a>> {
        [&self.uploads, &self.parts, &self.garbage, &self.blobs, &self.refs].into_iter().filter_map(|s| s.next)
    }

    /// The common part of the keys of the next object: bucket, generation and key.
    pub fn next_object(&self) -> Option<&'a [u8]> {
        self.heads.next.into_iter().chain(self.below_heads()).map(|next| next.object()).min()
    }

    /// The common part of the keys of the next upload of `object`.
    pub fn next_upload(&self, object: &[u8]) -> Option<&'a [u8]> {
        self.below_heads().filter(|next| next.object() == object).map(|next| next.upload()).min()
    }

    /// The next chunk of an upload, of either kind, by part and chunk number.
    pub fn next_chunk(&mut self, upload: &[u8]) -> Result<Option<Chunk<'a>>> {
        let suffix = |s: &Stream<'_, 'a>| s.next.map(|n| n.suffix).filter(|suffix| suffix.starts_with(upload));
        let stream = match (suffix(&self.blobs), suffix(&self.refs)) {
            (Some(blob), Some(reference)) if reference < blob => &mut self.refs,
            (Some(_), _) => &mut self.blobs,
            (None, _) => &mut self.refs,
        };
        let Some(row) = stream.take(upload)? else { return Ok(None) };
        let (set, family) = (stream.set, stream.family);
        let key = parse(set, family, &row, ChunkKey::parse(family.suffix(row.user_key)))?;
        let reference = match family {
            Family::S3ChunkRef => Some(parse(set, family, &row, ChunkRef::parse(row.body))?),
            _ => None,
        };
        Ok(Some(Chunk { row, key, reference }))
    }

    /// Keys with rows in more than one input.
    pub fn shared(&mut self) -> Vec<Shared> {
        let streams = [&mut self.heads, &mut self.uploads, &mut self.parts, &mut self.garbage];
        let streams = streams.into_iter().chain([&mut self.blobs, &mut self.refs]);
        streams.filter_map(|stream| stream.rows.shared()).collect()
    }
}
