//! The digest of a file with holes, computed while it is written.

use sha2::{Digest as _, Sha256};

use crate::output::checksums::{Digest, Sum};
use crate::output::extents::ExtentsHash;
use crate::output::observer::{Fingerprint, Hasher};

/// Up to this many bytes of holes are hashed as the zeros that they read as; a file with more has a digest of its extents.
pub const MOST_ZEROS: u64 = 64 << 20;

/// Computes the digest of a file, extent by extent.
pub struct Summer {
    hash: Hash,
    at: u64,
}

enum Hash {
    /// No digest is needed.
    None,
    Whole(Sha256),
    /// The run compares objects: a fingerprint is made.
    Fingerprinted(Box<Hasher>),
    Extents(ExtentsHash),
}

impl Summer {
    /// For a file with this many bytes of holes; `wanted`: whether its digest is needed.
    pub fn new(holes: u64, wanted: bool) -> Summer {
        let hash = if !wanted {
            Hash::None
        } else if holes > MOST_ZEROS {
            Hash::Extents(ExtentsHash::default())
        } else {
            Hash::Whole(Sha256::new())
        };
        Summer { hash, at: 0 }
    }

    /// The same for a fingerprint.
    pub fn marking(holes: u64, hasher: Hasher) -> Summer {
        let extents = holes > MOST_ZEROS;
        Summer {
            hash: if extents { Hash::Extents(ExtentsHash::default()) } else { Hash::Fingerprinted(Box::new(hasher)) },
            at: 0,
        }
    }

    /// The fingerprint, at the end of a file of this size.
    pub fn fingerprint(mut self, size: u64) -> Fingerprint {
        self.skip_to(size);
        match self.hash {
            Hash::Fingerprinted(hash) => hash.fingerprint(),
            Hash::Extents(hash) => hash.finish().first_chunk().copied().unwrap_or_default(),
            Hash::None | Hash::Whole(_) => Fingerprint::default(),
        }
    }

    /// Adds bytes that follow at `offset`.
    pub fn add(&mut self, offset: u64, bytes: &[u8]) {
        self.skip_to(offset);
        match &mut self.hash {
            Hash::None => {}
            Hash::Whole(hash) => hash.update(bytes),
            Hash::Fingerprinted(hash) => hash.update(bytes),
            Hash::Extents(hash) => hash.add(bytes),
        }
        self.at = offset + bytes.len() as u64;
    }

    fn skip_to(&mut self, offset: u64) {
        let hole = offset - self.at;
        match &mut self.hash {
            Hash::None => {}
            Hash::Whole(hash) => zeros(hole).for_each(|zeros| hash.update(zeros)),
            Hash::Fingerprinted(hash) => zeros(hole).for_each(|zeros| hash.update(zeros)),
            Hash::Extents(hash) => hash.skip(hole),
        }
    }

    /// The digest, at the end of a file of this size.
    pub fn finish(mut self, size: u64) -> Sum {
        self.skip_to(size);
        match self.hash {
            Hash::None | Hash::Fingerprinted(_) => Sum::Whole(Digest::default()),
            Hash::Whole(hash) => Sum::Whole(hash.finalize().into()),
            Hash::Extents(hash) => Sum::Extents(hash.finish()),
        }
    }
}

/// Zeros of this length, in pieces.
pub fn zeros(len: u64) -> impl Iterator<Item = &'static [u8]> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut left = len;
    std::iter::from_fn(move || {
        let now = left.min(ZEROS.len() as u64);
        left -= now;
        (now > 0).then(|| &ZEROS[..now as usize])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(size: u64, extents: &[(u64, &[u8])]) -> Sum {
        let stored: u64 = extents.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let mut summer = Summer::new(size - stored, true);
        extents.iter().for_each(|(offset, bytes)| summer.add(*offset, bytes));
        summer.finish(size)
    }

    #[test]
    fn small_holes_are_zeros() {
        let want = Sum::Whole(Sha256::digest(b"ab\0\0\0c\0").into());
        assert_eq!(sum(7, &[(0, b"a"), (1, b"b"), (5, b"c")]), want);
        assert_eq!(sum(0, &[]), Sum::Whole(Sha256::digest(b"").into()));
        assert_eq!(sum(100_000, &[]), Sum::Whole(Sha256::digest(vec![0; 100_000]).into()));
    }

    #[test]
    fn large_holes_are_left_out() {
        let size = MOST_ZEROS + 4;
        assert!(matches!(sum(size, &[(0, b"abcd")]), Sum::Whole(_)));
        let mut hash = ExtentsHash::default();
        hash.add(b"ab");
        hash.skip(3);
        hash.add(b"c");
        hash.skip(size - 6);
        let want = Sum::Extents(hash.finish());
        assert_eq!(sum(size, &[(0, b"ab"), (5, b"c")]), want);
        // In whatever pieces the bytes come.
        assert_eq!(sum(size, &[(0, b"a"), (1, b"b"), (5, b"c")]), want);
        assert_ne!(sum(size, &[(0, b"ab"), (6, b"c")]), want);
        assert_ne!(sum(size + 1, &[(0, b"ab"), (5, b"c")]), want);
    }
}
