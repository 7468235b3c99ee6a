//! Puts one body together: chunk by chunk from the map to the visitor, and checks it on the way.
//!
//! MD5 is the slowest work on a body. If there are several threads, a large body is given in batches, and a separate thread computes the
//! MD5 of a batch while the visitor hashes and writes it. A task of the pool would not do: while it waits, a thread of the pool may begin
//! another task, and that one may wait for this body.

use super::check::{BodyCheck, BodyReport};
use super::merge::Chunk;
use super::payloads::Payloads;
use super::plan::{Expected, Join, Plan};
use crate::dataset::{DataSet, Row, RowError};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Family;
use crate::format::s3::chunk::ChunkFault;
use crate::format::s3::{Manifest, ObjectKey};
use crate::model::s3::Visitor;

/// Bytes of a body from which on its MD5 is computed on another thread.
const LARGE: i64 = 4 << 20;
/// Number of reads of a range in a batch: 8 MiB with the default granularity.
const READS: usize = 32;

/// A body that is being given.
pub struct Body<'p, 's, 'a> {
    set: &'s DataSet<'a>,
    payloads: &'s Payloads<'a>,
    key: &'p ObjectKey<'a>,
    manifest_row: Row<'a>,
    upload_id: &'p str,
    join: Join<'p>,
    check: BodyCheck<'p>,
    /// Chunks that are held back because their rows do not come in body order.
    kept: Option<Vec<Chunk<'a>>>,
    /// For a large body: bytes that are checked and given together.
    batch: Option<Batch<'a>>,
    /// Maximum bytes of a batch.
    most: usize,
}

#[derive(Default)]
struct Batch<'a> {
    pieces: Vec<(Expected, &'a [u8])>,
    bytes: usize,
}

impl<'p, 's, 'a> Body<'p, 's, 'a> {
    /// The body of the object `key`, in the order that its manifest in `row` gives.
    pub fn new(
        set: &'s DataSet<'a>,
        payloads: &'s Payloads<'a>,
        key: &'p ObjectKey<'a>,
        row: Row<'a>,
        manifest: &Manifest<'p>,
        plan: &'p Plan<'_>,
    ) -> Self {
        // Rows come by upload, part and chunk number. An empty upload ID selects the rows of every upload.
        let in_order = plan.is_in_key_order() && !manifest.upload_id.is_empty();
        let most = READS * set.granularity().read_size;
        let is_large = manifest.size_bytes >= LARGE.min(most as i64) && rayon::current_num_threads() > 1;
        Body {
            set,
            payloads,
            key,
            manifest_row: row,
            upload_id: manifest.upload_id,
            join: plan.join(),
            check: BodyCheck::new(manifest, plan),
            kept: (!in_order).then(Vec::new),
            batch: is_large.then(Batch::default),
            most,
        }
    }

    /// Whether chunks of this upload belong to the body.
    pub fn owns(&self, upload_id: &[u8]) -> bool {
        self.upload_id.is_empty() || self.upload_id.as_bytes() == upload_id
    }

    /// Takes the next chunk of an upload of the body; returns it if it is left over.
    pub fn take(&mut self, chunk: Chunk<'a>, visitor: &mut impl Visitor) -> Result<Option<Chunk<'a>>> {
        match &mut self.kept {
            Some(kept) => kept.push(chunk),
            None => return self.append(chunk, visitor),
        }
        Ok(None)
    }

    /// Takes the chunks that were held back; returns those that are left over.
    pub fn sort_in(&mut self, visitor: &mut impl Visitor) -> Result<Vec<Chunk<'a>>> {
        let mut kept = self.kept.take().unwrap_or_default();
        kept.sort_by_key(Chunk::id);
        let mut spare = Vec::new();
        for chunk in kept {
            spare.extend(self.append(chunk, visitor)?);
        }
        Ok(spare)
    }

    fn append(&mut self, chunk: Chunk<'a>, visitor: &mut impl Visitor) -> Result<Option<Chunk<'a>>> {
        let expected = self.join.row(chunk.id()).map_err(|fault| self.damage(fault))?;
        let Some(expected) = expected else { return Ok(Some(chunk)) };
        let payload = self.payload(&chunk, &expected)?;
        match &mut self.batch {
            Some(batch) => {
                batch.pieces.push((expected, payload));
                batch.bytes += payload.len();
                if batch.bytes >= self.most {
                    self.give_batch(visitor)?;
                }
            }
            None => {
                self.check.feed(&expected, payload);
                visitor.body(payload)?;
            }
        }
        Ok(None)
    }

    /// Gives the collected batch, and checks it on another thread.
    fn give_batch(&mut self, visitor: &mut impl Visitor) -> Result<()> {
        let Some(batch) = &mut self.batch else { return Ok(()) };
        let Batch { pieces, .. } = std::mem::take(batch);
        let check = &mut self.check;
        let mut feed = || pieces.iter().for_each(|(expected, payload)| check.feed(expected, payload));
        let (is_checked, given) = std::thread::scope(|scope| {
            let beside = std::thread::Builder::new().spawn_scoped(scope, &mut feed);
            (beside.is_ok(), pieces.iter().try_for_each(|(_, payload)| visitor.body(payload)))
        });
        if !is_checked {
            feed();
        }
        given
    }

    fn payload(&self, chunk: &Chunk<'a>, expected: &Expected) -> Result<&'a [u8]> {
        let Some(reference) = &chunk.reference else { return Ok(chunk.row.body) };
        let stored = self.payloads.get(self.set, &reference.digest)?;
        let missing = ChunkFault::Payload { id: expected.id, digest: reference.digest };
        let row = stored.ok_or(missing).map_err(|fault| self.damage(fault))?;
        let fits = expected.check_reference(reference.size, row.body.len() as u64);
        fits.map(|()| row.body).map_err(|fault| self.damage(fault))
    }

    /// Checks that nothing is missing, gives the rest, and returns the result of the checks.
    pub fn finish(mut self, visitor: &mut impl Visitor) -> Result<BodyReport> {
        if let Err(fault) = self.join.clone().finish() {
            return Err(self.damage(fault));
        }
        self.give_batch(visitor)?;
        Ok(self.check.finish())
    }

    #[cold]
    fn damage(&self, fault: ChunkFault) -> Error {
        let (bucket, object) = (self.key.bucket.to_vec(), self.key.object.to_vec());
        let row = &self.manifest_row;
        let error =
            Error::new(ErrorKind::Body { bucket, object, fault }).at(row.offset).row(Family::S3Object, row.user_key);
        self.set.locate(RowError { group: row.group, error })
    }
}
