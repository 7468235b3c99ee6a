//! One span: every object in it with all its uploads.

use bumpalo::Bump;

use super::body::Body;
use super::buckets::{Buckets, Standing, folder, parse};
use super::etag::Report;
use super::leftovers::{Leftovers, Object};
use super::merge::{Chunk, FAMILIES, Merge};
use super::names::{META_SUFFIX, Name};
use super::payloads::{Payloads, brief};
use super::plan::Plan;
use super::spans::{Span, Spans};
use super::{render, verdict};
use crate::dataset::{DataSet, KeyRange, Row, Shared};
use crate::decode::Options;
use crate::decode::engine::Done;
use crate::error::Result;
use crate::format::s3::{Manifest, ObjectKey, UploadKey};
use crate::format::{Adapter, Family};
use crate::output::names::segment;
use crate::output::tree::{Dir, Tree};
use crate::output::unit::UnitOut;

/// What every span works with.
pub struct Context<'c, 'a> {
    /// The inputs.
    pub set: &'c DataSet<'a>,
    /// The buckets.
    pub buckets: &'c Buckets<'a>,
    /// The spans, with the names of the live objects.
    pub spans: &'c Spans,
    /// Payloads of offloaded chunks.
    pub payloads: &'c Payloads<'a>,
    /// What was asked for.
    pub options: &'c Options,
}

/// State of one span.
pub(super) struct Unit<'c, 'a, 't> {
    pub cx: &'c Context<'c, 'a>,
    pub out: UnitOut<'t>,
    pub leftovers: Leftovers,
    names: std::slice::Iter<'c, Name>,
    named: Vec<u64>,
    indexed: Vec<Vec<u8>>,
}

/// What a span gives.
pub struct Decoded<'t> {
    /// Files, lines and findings.
    pub out: UnitOut<'t>,
    /// What there is of objects that are not live, by bucket.
    pub leftovers: Leftovers,
    /// Digests of all references, in brief.
    pub named: Vec<u64>,
    /// Buckets that got lines of their index, in order.
    pub indexed: Vec<Vec<u8>>,
    /// Keys with rows in more than one input.
    pub shared: Vec<Shared>,
}

impl Done for Decoded<'_> {
    fn held(&self) -> usize {
        self.out.held() + self.named.capacity() * size_of::<u64>()
    }
}

/// Decodes the objects of one span.
///
/// # Errors
/// The first damaged row or object of the span, or a failed write.
pub fn decode_span<'a, 't>(cx: &Context<'_, 'a>, span: &Span, tree: &'t Tree) -> Result<Decoded<'t>> {
    let names = cx.spans.names.get(span.first..).unwrap_or_default().iter();
    let (out, leftovers) = (UnitOut::new(tree), Leftovers::default());
    let mut unit = Unit { cx, out, leftovers, names, named: Vec::new(), indexed: Vec::new() };
    let mut merge = Merge::new(cx.set, span)?;
    while let Some(prefix) = merge.next_object() {
        if let Err(error) = unit.object(&mut merge, prefix) {
            cx.set.tolerate_object(error, rows_of(prefix), &|_| true)?;
        }
    }
    let shared = merge.shared();
    Ok(Decoded { out: unit.out, leftovers: unit.leftovers, named: unit.named, indexed: unit.indexed, shared })
}

/// Where the rows of an object stand.
fn rows_of(prefix: &[u8]) -> Vec<KeyRange> {
    FAMILIES.iter().map(|family| KeyRange::below(&[family.prefix().as_bytes(), prefix].concat())).collect()
}

impl<'a, 't> Unit<'_, 'a, 't> {
    /// Decodes what there is of one object, and steps over all of its rows even if it is damaged.
    fn object(&mut self, merge: &mut Merge<'_, 'a>, prefix: &'a [u8]) -> Result<()> {
        let key = ObjectKey::parse(prefix)?;
        let head = merge.heads.take(prefix)?;
        let standing = self.cx.buckets.standing(&key);
        if !self.wants(&key, head.as_ref(), standing) {
            if head.is_some() && standing == Standing::Live {
                self.names.next();
            }
            return self.step_over(merge, prefix);
        }
        let mut object = Object::new(prefix, &key, standing, head.is_some());
        let written = match head {
            Some(row) if object.standing == Standing::Live => self.live(merge, &mut object, row),
            Some(row) => self.stale_manifest(&object, &row),
            None => Ok(()),
        };
        let passed = self.pass_over(merge, &mut object);
        written.and(passed)?;
        self.report(&object);
        Ok(())
    }

    /// Whether an object is asked for. Where sizes matter and its manifest cannot be read, it is: that is told then.
    fn wants(&self, key: &ObjectKey<'_>, head: Option<&Row<'a>>, standing: Standing) -> bool {
        let filter = &self.cx.options.filter;
        if filter.is_trivial() {
            return true;
        }
        let size = |row: &Row<'a>| Manifest::parse(&Bump::new(), row.body).map(|manifest| manifest.size_bytes);
        let sized = |row: &Row<'a>| size(row).map_or(true, |n| filter.takes_size(u64::try_from(n).unwrap_or(0)));
        let written = (head.is_some() && standing == Standing::Live) || self.cx.options.include_orphans;
        let taken = filter.judge(Adapter::S3, &key.bucket, &[&key.object], written);
        taken && (!filter.has_sizes() || head.is_none_or(sized))
    }

    /// Passes over all rows of an object that is not asked for.
    fn step_over(&mut self, merge: &mut Merge<'_, 'a>, prefix: &'a [u8]) -> Result<()> {
        while let Some(upload) = merge.next_upload(prefix) {
            merge.uploads.take(upload)?;
            merge.garbage.take(upload)?;
            while merge.parts.take(upload)?.is_some() {}
            // References are read all the same: what they name is not without an owner.
            while self.chunk(merge, upload)?.is_some() {}
        }
        Ok(())
    }

    /// Writes a live object: its body and what stands beside it.
    fn live(&mut self, merge: &mut Merge<'_, 'a>, object: &mut Object<'_, 'a>, row: Row<'a>) -> Result<()> {
        let name = self.names.next().copied().unwrap_or(Name::Encoded);
        let arena = Bump::new();
        let manifest = parse(self.cx.set, Family::S3Object, &row, Manifest::parse(&arena, row.body))?;
        let plan = Plan::new(&manifest);
        let path = [folder(&object.key.bucket).as_bytes(), b"/", &name.path(&object.key.object)].concat();
        let (dir, file) = self.out.place(&path)?;
        let growing = self.out.grow(&dir, file);
        let mut body = Body::new(self.cx, object.key, row, &manifest, &plan, growing);
        while let Some(upload) = merge.next_upload(object.prefix) {
            if body.owns(&UploadKey::parse(upload)?.upload_id) {
                self.gather(merge, object, upload, &mut body)?;
            }
            self.upload(merge, object, upload)?;
        }
        for spare in body.sort_in()? {
            self.superseded(object, &spare)?;
        }
        let report = body.finish(&mut self.out)?;
        self.describe(object.key, &manifest, &report, name, &dir, file)
    }

    fn gather(
        &mut self,
        merge: &mut Merge<'_, 'a>,
        object: &mut Object<'_, 'a>,
        upload: &[u8],
        body: &mut Body<'_, '_, 'a, '_>,
    ) -> Result<()> {
        while let Some(chunk) = self.chunk(merge, upload)? {
            if let Some(spare) = body.take(chunk)? {
                self.superseded(object, &spare)?;
            }
        }
        Ok(())
    }

    /// The next chunk of an upload.
    pub fn chunk(&mut self, merge: &mut Merge<'_, 'a>, upload: &[u8]) -> Result<Option<Chunk<'a>>> {
        let chunk = merge.next_chunk(upload)?;
        let reference = chunk.as_ref().and_then(|chunk| chunk.reference);
        if self.cx.payloads.any {
            self.named.extend(reference.map(|reference| brief(&reference.digest)));
        }
        Ok(chunk)
    }

    /// Writes what stands beside a body: its sidecar, or its line of the index.
    fn describe(
        &mut self,
        key: &ObjectKey<'_>,
        manifest: &Manifest<'_>,
        report: &Report,
        name: Name,
        dir: &Dir,
        file: &[u8],
    ) -> Result<()> {
        verdict::report(key, manifest, report, &mut self.out.findings);
        if self.cx.options.packed() {
            if self.indexed.last().is_none_or(|last| last.as_slice() != &*key.bucket) {
                // Buckets come one after the other: the one before gets no more lines.
                if let Some(before) = self.indexed.last() {
                    let log = self.out.log(&render::index_path(before));
                    self.out.complete(log);
                }
                self.indexed.push(key.bucket.to_vec());
            }
            let lines = self.out.lines(&render::index_path(&key.bucket));
            render::index_line(&key.object, name, manifest, lines);
        } else {
            self.sidecar(key, manifest, name, dir, file)?;
        }
        self.out.tally.add(Adapter::S3, &segment(&key.bucket), "objects", 1, report.size);
        Ok(())
    }
    fn sidecar(
        &mut self,
        key: &ObjectKey<'_>,
        manifest: &Manifest<'_>,
        name: Name,
        dir: &Dir,
        file: &[u8],
    ) -> Result<()> {
        let mut text = Vec::new();
        render::sidecar(manifest, &mut text);
        self.out.put(dir, &[file, META_SUFFIX.as_bytes()].concat(), &text)?;
        if name.keymap_kind().is_some() {
            let lines = self.out.lines(&format!("{}/KEYMAP.jsonl", folder(&key.bucket)));
            render::keymap_line(&key.object, name, lines);
        }
        Ok(())
    }
}
