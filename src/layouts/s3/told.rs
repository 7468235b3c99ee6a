//! Reports objects to an observer. Nothing is written.

use super::names::Name;
use super::render;
use crate::error::{Error, Result};
use crate::format::adapter;
use crate::model::s3::{self, OrphanChunk, OrphanManifest, Visitor};
use crate::output::names::segment;
use crate::output::observer::{self, Hasher};
use crate::output::split::SplitOutput;

/// Reports the objects of one split.
pub(super) struct Told<'n, 't> {
    pub out: SplitOutput<'t>,
    /// The names of the live objects of the split, and of those after it.
    names: &'n [Name],
    /// The current body.
    open: Option<Body>,
    /// The bucket of the current objects, and its name in the output.
    bucket: (Vec<u8>, String),
    text: Vec<u8>,
}

/// A body that is not complete.
struct Body {
    bytes: u64,
    hash: Option<Hasher>,
}

impl<'n, 't> Told<'n, 't> {
    /// Reports to `out`.
    pub fn new(out: SplitOutput<'t>, names: &'n [Name]) -> Self {
        Told { out, names, open: None, bucket: (Vec::new(), segment(b"")), text: Vec::new() }
    }

    fn open(&mut self) -> Result<&mut Body> {
        self.open.as_mut().ok_or_else(|| Error::internal("a body came before its object"))
    }

    fn orphan(&mut self, bucket: &[u8], bytes: usize) -> Result<()> {
        self.out.tally.add(adapter::S3, &segment(bucket), "orphans", 1, bytes as u64);
        Ok(())
    }
}

impl Visitor for Told<'_, '_> {
    fn begin(&mut self, _: &s3::Object<'_>) -> Result<()> {
        let hash = self.out.objects().and_then(|objects| objects.secret()).map(|secret| secret.hasher());
        self.open = Some(Body { bytes: 0, hash });
        Ok(())
    }

    fn body(&mut self, piece: &[u8]) -> Result<()> {
        let body = self.open()?;
        body.bytes += piece.len() as u64;
        if let Some(hash) = &mut body.hash {
            hash.update(piece);
        }
        Ok(())
    }

    /// Its value is the body, and the manifest's data about it. The rest is the other data of the manifest, and the path of the body if
    /// lines have it.
    fn end(&mut self, object: &s3::Object<'_>) -> Result<()> {
        let Body { bytes, hash } = self.open.take().ok_or_else(|| Error::internal("a body came before its object"))?;
        if self.bucket.0 != *object.key.bucket {
            self.bucket = (object.key.bucket.to_vec(), segment(&object.key.bucket));
        }
        let scope = self.bucket.1.as_str();
        self.out.tree().pass(&object.key.object)?;
        self.out.tally.add(adapter::S3, scope, "objects", 1, bytes);
        let Some(objects) = self.out.objects() else { return Ok(()) };
        let value = hash.map(|mut hash| {
            hash.update(&object.manifest.size_bytes.to_le_bytes());
            hash.update(object.manifest.etag.as_bytes());
            hash.fingerprint()
        });
        let rest = objects.secret().map(|secret| {
            self.text.clear();
            render::metadata(object.manifest, &mut self.text);
            let name = self.names.get(object.number).filter(|_| secret.is_of_lines());
            self.text.extend(name.map(|name| *name as u8));
            secret.fingerprint(&self.text)
        });
        // A negative size counts as 0: there is a finding about it.
        let size = u64::try_from(object.manifest.size_bytes).unwrap_or(0);
        let (adapter, kind, key) = (adapter::S3, "objects", &*object.key.object);
        objects.add(&observer::Object {
            adapter,
            scope,
            kind,
            key,
            range: None,
            size,
            expire_at_ms: None,
            value,
            rest,
        });
        Ok(())
    }

    fn abandon(&mut self, _: &s3::Object<'_>) -> Result<()> {
        self.open = None;
        Ok(())
    }

    fn orphan_manifest(&mut self, manifest: &OrphanManifest<'_>) -> Result<()> {
        self.orphan(&manifest.key.bucket, manifest.value.len())
    }

    fn orphan_chunk(&mut self, chunk: &OrphanChunk<'_>) -> Result<()> {
        self.orphan(&chunk.key.upload.object.bucket, chunk.payload.len())
    }
}
