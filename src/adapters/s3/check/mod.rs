//! Checks of a body as it passes: MD5 ETag and sizes (`docs/format/s3.md` §2.2, `docs/format/rules.md` §5).
//!
//! The ETag of a single PUT is the MD5 of the body. The ETag of a multipart upload is the MD5 of the parts' 16-byte
//! MD5s, then `-` and the number of parts. Nothing here is damage: the body is written in any case, and differences are
//! warnings.

use md5::{Digest, Md5};

mod report;

pub use report::report;

use super::plan::{Expected, Plan};
use crate::format::hex;
use crate::format::s3::chunk::ChunkId;
use crate::format::s3::etag::{Form, is_md5};
use crate::format::s3::{Manifest, Part};

/// Whether a body has the ETag of its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has this ETag.
    Match,
    /// It has another ETag.
    Mismatch {
        /// The ETag in the manifest.
        want: String,
        /// The ETag of the body.
        got: String,
    },
    /// The ETag is not an MD5, or its number of parts differs from the manifest: the part boundaries are lost, for
    /// example in an object that was restored from a dump.
    NotCheckable,
}

/// The first difference between a part and the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartDiffers {
    /// Its length in bytes.
    Size {
        /// Part number.
        part_no: u64,
        /// The size in the manifest.
        want: i64,
        /// The size of the body's part.
        got: u64,
    },
    /// Its MD5; checked only for multipart objects.
    Etag {
        /// Part number.
        part_no: u64,
        /// The MD5 in the manifest.
        want: String,
        /// The MD5 of the body's part.
        got: String,
    },
}

/// An inline chunk whose length in bytes differs from the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkDiffers {
    /// The chunk.
    pub id: ChunkId,
    /// The length in the manifest.
    pub want: u64,
    /// The stored length.
    pub got: u64,
}

/// The result for one body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyReport {
    /// The ETag.
    pub etag: Verdict,
    /// Length of the body in bytes.
    pub size: u64,
    /// Whether `size` is the manifest's `size_bytes`.
    pub size_matches: bool,
    /// The first part that differs.
    pub part: Option<PartDiffers>,
    /// The first chunk that differs.
    pub chunk: Option<ChunkDiffers>,
}

impl BodyReport {
    /// Whether there is nothing to warn of.
    pub fn is_clean(&self) -> bool {
        let etag_differs = matches!(self.etag, Verdict::Mismatch { .. });
        self.size_matches && !etag_differs && self.part.is_none() && self.chunk.is_none()
    }
}

/// Checks one body. Feed its chunks in the order of the plan, then [`finish`](BodyCheck::finish).
pub struct BodyCheck<'p> {
    parts: &'p [Part<'p>],
    want_etag: &'p str,
    want_size: i64,
    hash: Hash,
    part: usize,
    part_size: u64,
    size: u64,
    part_differs: Option<PartDiffers>,
    chunk_differs: Option<ChunkDiffers>,
}

/// The hash that the form of the ETag requires.
enum Hash {
    Body(Md5),
    Parts { current: Md5, ended: Md5 },
    None,
}

impl<'p> BodyCheck<'p> {
    /// A check of the body that `plan` describes; it must be made from the same manifest.
    pub fn new(manifest: &Manifest<'p>, plan: &'p Plan<'_>) -> BodyCheck<'p> {
        let parts = plan.parts();
        let hash = match Form::of(manifest.etag) {
            Form::Plain => Hash::Body(Md5::new()),
            Form::Composite(count) if count == parts.len() => Hash::Parts { current: Md5::new(), ended: Md5::new() },
            _ => Hash::None,
        };
        BodyCheck {
            parts,
            want_etag: manifest.etag,
            want_size: manifest.size_bytes,
            hash,
            part: 0,
            part_size: 0,
            size: 0,
            part_differs: None,
            chunk_differs: None,
        }
    }

    /// Takes the next chunk.
    pub fn feed(&mut self, chunk: &Expected, bytes: &[u8]) {
        self.end_parts_before(chunk.part);
        let got = bytes.len() as u64;
        if let Some(want) = chunk.size.filter(|&want| want != got) {
            self.chunk_differs.get_or_insert(ChunkDiffers { id: chunk.id, want, got });
        }
        self.part_size += got;
        self.size += got;
        match &mut self.hash {
            Hash::Body(md5) | Hash::Parts { current: md5, .. } => md5.update(bytes),
            Hash::None => {}
        }
    }

    fn end_parts_before(&mut self, next: usize) {
        while self.part < next {
            self.end_part();
            self.part += 1;
        }
    }

    fn end_part(&mut self) {
        let Part { part_no, etag, size_bytes, .. } = self.parts[self.part];
        let got = std::mem::take(&mut self.part_size);
        if u64::try_from(size_bytes) != Ok(got) {
            self.part_differs.get_or_insert(PartDiffers::Size { part_no, want: size_bytes, got });
        }
        let Hash::Parts { current, ended } = &mut self.hash else { return };
        let digest = current.finalize_reset();
        ended.update(digest);
        let got = hex::text(&digest);
        if is_md5(etag) && !got.eq_ignore_ascii_case(etag) {
            self.part_differs.get_or_insert(PartDiffers::Etag { part_no, want: etag.to_owned(), got });
        }
    }

    /// The result after the last chunk.
    pub fn finish(mut self) -> BodyReport {
        self.end_parts_before(self.parts.len());
        let etag = match self.hash {
            Hash::Body(md5) => verdict(self.want_etag, hex::text(&md5.finalize())),
            Hash::Parts { ended, .. } => {
                verdict(self.want_etag, format!("{}-{}", hex::text(&ended.finalize()), self.parts.len()))
            }
            Hash::None => Verdict::NotCheckable,
        };
        BodyReport {
            etag,
            size: self.size,
            size_matches: u64::try_from(self.want_size) == Ok(self.size),
            part: self.part_differs,
            chunk: self.chunk_differs,
        }
    }
}

fn verdict(want: &str, got: String) -> Verdict {
    // The number may have leading zeros in the manifest; its value was compared before.
    let md5 = |etag: &str| etag[..32].to_ascii_lowercase();
    if md5(want) == md5(&got) { Verdict::Match } else { Verdict::Mismatch { want: want.to_owned(), got } }
}

#[cfg(test)]
mod tests;
