//! Bodies and orphans as files.

use std::sync::Arc;

use super::names::Name;
use super::{Body, Describe, folder, paths};
use crate::error::{Error, Result};
use crate::format::adapter;
use crate::model::s3::{Object, OrphanChunk, OrphanManifest, Visitor};
use crate::output::names::segment;
use crate::output::split::{SpillWriter, SplitOutput};
use crate::output::tree::Dir;

/// Writes the objects of one split.
pub(super) struct Files<'n, 't, D> {
    pub out: SplitOutput<'t>,
    /// The names of the live objects of the split, and of those after it.
    pub names: &'n [Name],
    pub describe: D,
    /// The current body.
    open: Option<Open<'t>>,
}

/// A body while it is written. If it is dropped before its end, it leaves no file.
struct Open<'t> {
    name: Name,
    path: Vec<u8>,
    /// Start of the file name in the path.
    start: usize,
    dir: Arc<Dir>,
    file: SpillWriter<'t>,
}

impl<'n, 't, D: Describe> Files<'n, 't, D> {
    /// Writes to `out`.
    pub fn new(out: SplitOutput<'t>, names: &'n [Name]) -> Self {
        Files { out, names, describe: D::default(), open: None }
    }

    fn orphan(&mut self, bucket: &[u8], path: &str, body: &[u8]) -> Result<()> {
        let (dir, name) = self.out.place(path.as_bytes())?;
        self.out.put(&dir, name, body)?;
        self.out.tally.add(adapter::S3, &segment(bucket), "orphans", 1, body.len() as u64);
        Ok(())
    }
}

/// The error if an adapter passes a body without its object.
#[cold]
fn not_begun() -> Error {
    Error::internal("a body came before its object")
}

impl<D: Describe> Visitor for Files<'_, '_, D> {
    fn begin(&mut self, object: &Object<'_>) -> Result<()> {
        let name = self.names.get(object.number).copied().unwrap_or(Name::Encoded);
        let path = [folder(&object.key.bucket).as_bytes(), b"/", &name.path(&object.key.object)].concat();
        let (dir, file) = self.out.place(&path)?;
        let start = path.len() - file.len();
        let file = self.out.grow(&dir, file);
        self.open = Some(Open { name, path, start, dir, file });
        Ok(())
    }

    #[inline]
    fn body(&mut self, piece: &[u8]) -> Result<()> {
        self.open.as_mut().ok_or_else(not_begun)?.file.write(piece)
    }

    fn end(&mut self, object: &Object<'_>) -> Result<()> {
        let Open { name, path, start, dir, file } = self.open.take().ok_or_else(not_begun)?;
        let bytes = self.out.finish(file)?;
        self.describe.object(object, &Body { name, dir: &dir, file: &path[start..] }, &mut self.out)?;
        self.out.tally.add(adapter::S3, &segment(&object.key.bucket), "objects", 1, bytes);
        Ok(())
    }

    fn abandon(&mut self, _: &Object<'_>) -> Result<()> {
        self.open.take().map_or(Ok(()), |open| self.out.discard(open.file))
    }

    fn orphan_manifest(&mut self, manifest: &OrphanManifest<'_>) -> Result<()> {
        let bucket = &manifest.key.bucket;
        let mut path = format!("{}/", folder(bucket));
        paths::orphan_manifest(manifest.key, &mut path);
        self.orphan(bucket, &path, manifest.value)
    }

    fn orphan_chunk(&mut self, chunk: &OrphanChunk<'_>) -> Result<()> {
        let bucket = &chunk.key.upload.object.bucket;
        let mut path = format!("{}/", folder(bucket));
        paths::orphan_chunk(chunk, &mut path);
        self.orphan(bucket, &path, chunk.payload)
    }
}
