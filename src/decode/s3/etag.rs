//! Checks of a body while it streams by: MD5 ETag and sizes (`s3.md` §2.2, `rules.md` §5).
//!
//! The ETag of a single PUT is the MD5 of the body. That of a multipart upload is the MD5 of the parts' 16-byte MD5s,
//! `-` and the number of parts. Nothing here is damage: the body is written in any case, differences are warnings.

use md5::{Digest, Md5};

use super::plan::{Expected, Plan};
use crate::format::hex;
use crate::format::s3::chunk::ChunkId;
use crate::format::s3::{Manifest, Part};

/// How an ETag was made, as its text tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// 32 hex digits: MD5 of the body.
    Plain,
    /// 32 hex digits, `-` and this number of parts.
    Composite(usize),
    /// Something else.
    Other,
}

impl Form {
    /// The form of an unquoted ETag.
    pub fn of(etag: &str) -> Form {
        match etag.split_once('-') {
            None if is_md5(etag) => Form::Plain,
            Some((md5, count)) if is_md5(md5) && count.bytes().all(|b| b.is_ascii_digit()) => {
                count.parse().map_or(Form::Other, Form::Composite)
            }
            _ => Form::Other,
        }
    }

    /// Whether it is that of a multipart upload.
    pub const fn is_composite(self) -> bool {
        matches!(self, Form::Composite(_))
    }
}

fn is_md5(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a body has the ETag of its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has.
    Match,
    /// It has another one.
    Mismatch {
        /// The manifest's.
        want: String,
        /// The body's.
        got: String,
    },
    /// The ETag is no MD5, or it is of more or fewer parts than the manifest has: the boundaries are lost, as in an
    /// object that was restored from a dump.
    NotCheckable,
}

/// What differs in the first part that is not as the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartDiffers {
    /// Its length in bytes.
    Size {
        /// Part number.
        part_no: u64,
        /// The manifest's.
        want: i64,
        /// The body's.
        got: u64,
    },
    /// Its MD5; only looked at in multipart objects.
    Etag {
        /// Part number.
        part_no: u64,
        /// The manifest's.
        want: String,
        /// The body's.
        got: String,
    },
}

/// The length of an inline chunk that is not as the manifest says, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkDiffers {
    /// The chunk.
    pub id: ChunkId,
    /// The manifest's length.
    pub want: u64,
    /// The stored length.
    pub got: u64,
}

/// The outcome for one body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
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

impl Report {
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

/// The one hash that the ETag's form asks for.
enum Hash {
    Body(Md5),
    Parts { current: Md5, ended: Md5 },
    None,
}

impl<'p> BodyCheck<'p> {
    /// A check of the body that `plan`, made of the same manifest, describes.
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

    /// The outcome after the last chunk.
    pub fn finish(mut self) -> Report {
        self.end_parts_before(self.parts.len());
        let etag = match self.hash {
            Hash::Body(md5) => verdict(self.want_etag, hex::text(&md5.finalize())),
            Hash::Parts { ended, .. } => {
                verdict(self.want_etag, format!("{}-{}", hex::text(&ended.finalize()), self.parts.len()))
            }
            Hash::None => Verdict::NotCheckable,
        };
        Report {
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
mod tests {
    use super::*;

    const HELLO: &str = "5d41402abc4b2a76b9719d911017c592";
    const EMPTY: &str = "d41d8cd98f00b204e9800998ecf8427e";

    /// Parts as (declared size, ETag, chunks); every chunk is stored as it stands.
    fn report(etag: &str, size_bytes: i64, parts: &[(i64, &str, &[&str])]) -> Report {
        let number = |(at, &(size_bytes, etag, chunks)): (usize, &(i64, _, &[&str]))| Part {
            part_no: at as u64 + 1,
            etag,
            size_bytes,
            chunk_count: chunks.len() as u64,
            ..Part::default()
        };
        let declared: Vec<_> = parts.iter().enumerate().map(number).collect();
        let manifest = Manifest { etag, size_bytes, parts: &declared, ..Manifest::default() };
        let plan = Plan::new(&manifest);
        let mut check = BodyCheck::new(&manifest, &plan);
        for (chunk, bytes) in plan.chunks().zip(parts.iter().flat_map(|part| part.2)) {
            check.feed(&chunk, bytes.as_bytes());
        }
        check.finish()
    }

    #[test]
    fn forms() {
        for (etag, want) in [
            (HELLO.to_string(), Form::Plain),
            (HELLO.to_uppercase(), Form::Plain),
            (format!("{HELLO}-12"), Form::Composite(12)),
            (format!("{HELLO}-"), Form::Other),
            (format!("{HELLO}-+1"), Form::Other),
            (format!("{HELLO}-1-2"), Form::Other),
            (format!("\"{HELLO}\""), Form::Other),
            (HELLO[1..].to_string(), Form::Other),
            (String::new(), Form::Other),
        ] {
            assert_eq!(Form::of(&etag), want, "{etag}");
        }
    }

    #[test]
    fn single_puts() {
        assert!(report(HELLO, 5, &[(5, HELLO, &["he", "llo"])]).is_clean());
        assert!(report(&HELLO.to_uppercase(), 5, &[(5, "", &["hello"])]).is_clean());
        assert!(report(EMPTY, 0, &[]).is_clean());
        let bad = report(EMPTY, 5, &[(5, EMPTY, &["hello"])]);
        assert_eq!(bad.etag, Verdict::Mismatch { want: EMPTY.into(), got: HELLO.into() });
        assert!(!bad.is_clean());
        let other = report("x", 5, &[(5, "", &["hello"])]);
        assert_eq!((&other.etag, other.is_clean()), (&Verdict::NotCheckable, true));
    }

    #[test]
    fn multipart() {
        // MD5 over the two digests, computed elsewhere.
        let etag = "a169f9255cc30bf56198c64ae2a09832-2";
        let parts: &[(i64, &str, &[&str])] = &[(5, HELLO, &["he", "llo"]), (0, EMPTY, &[])];
        assert_eq!(report(etag, 5, parts).etag, Verdict::Match);
        assert!(report(etag, 5, parts).is_clean());
        let wrong: &[(i64, &str, &[&str])] = &[(5, HELLO, &["jello"]), (0, EMPTY, &[])];
        let bad = report(etag, 5, wrong);
        assert!(matches!(bad.etag, Verdict::Mismatch { .. }));
        assert!(matches!(bad.part, Some(PartDiffers::Etag { part_no: 1, .. })), "{bad:?}");
        let restored = report(&etag.replace("-2", "-3"), 5, parts);
        assert_eq!(restored.etag, Verdict::NotCheckable);
    }

    #[test]
    fn sizes() {
        let bad = report(HELLO, 9, &[(7, "", &["hello"])]);
        assert_eq!((bad.size, bad.size_matches, &bad.etag), (5, false, &Verdict::Match));
        assert_eq!(bad.part, Some(PartDiffers::Size { part_no: 1, want: 7, got: 5 }));
        assert!(!report(HELLO, -5, &[(5, "", &["hello"])]).size_matches);
    }

    #[test]
    fn chunk_sizes() {
        let part = Part { part_no: 1, size_bytes: 5, chunk_count: 1, chunk_sizes: &[6], ..Part::default() };
        let parts = [part];
        let manifest = Manifest { size_bytes: 5, parts: &parts, ..Manifest::default() };
        let plan = Plan::new(&manifest);
        let mut check = BodyCheck::new(&manifest, &plan);
        let chunk = plan.chunks().next().unwrap();
        check.feed(&chunk, b"hello");
        assert_eq!(check.finish().chunk, Some(ChunkDiffers { id: chunk.id, want: 6, got: 5 }));
    }
}
