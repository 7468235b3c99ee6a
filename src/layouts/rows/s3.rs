//! S3 objects as rows.

use super::{Cell, Columns, Kind, Sink, column, moment, text};
use crate::error::Result;
use crate::format::adapter;
use crate::format::mvcc::hlc_millis;
use crate::layouts::s3::folder;
use crate::model::s3::{Object, OrphanChunk, OrphanManifest, Visitor};
use crate::output::names::segment;

/// The columns of a bucket's objects.
pub fn columns() -> Columns {
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
    Columns::new(columns, 1)
}

/// Makes rows of objects, a data set for each bucket. Their bodies are skipped.
pub struct Rows<S> {
    /// The receiver of the rows.
    to: S,
    commit_ts: u64,
    /// The current bucket, its scope and its data set.
    open: Option<(Vec<u8>, String, usize)>,
}

impl<S: Sink> Rows<S> {
    /// Passes rows to a sink.
    pub fn new(to: S) -> Self {
        Rows { to, commit_ts: 0, open: None }
    }

    /// The data set of a bucket.
    ///
    /// # Errors
    /// As [`Sink::set`].
    pub fn bucket(&mut self, bucket: &[u8]) -> Result<usize> {
        if let Some((open, _, set)) = &self.open
            && open == bucket
        {
            return Ok(*set);
        }
        let set = self.to.set(&folder(bucket), columns)?;
        self.open = Some((bucket.to_vec(), segment(bucket), set));
        Ok(set)
    }

    /// The sink.
    pub fn into_sink(self) -> S {
        self.to
    }
}

impl<S: Sink> Visitor for Rows<S> {
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
        self.to.push(set, &row)?;
        if let Some((_, scope, _)) = &self.open {
            let bytes = u64::try_from(manifest.size_bytes).unwrap_or(0);
            self.to.count(adapter::S3, scope, "objects", 1, bytes);
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
