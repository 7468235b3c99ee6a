//! Fingerprints from the digests in an output: half of the SHA-256.

use sha2::{Digest as _, Sha256};

use super::Fingerprint;
use crate::output::checksums::Digest;

/// The fingerprint of bytes.
pub(super) fn fingerprint_of(bytes: &[u8]) -> Fingerprint {
    cut(Sha256::new_with_prefix(bytes))
}

/// The digest of what was hashed.
pub(super) fn cut(hash: Sha256) -> Fingerprint {
    half(&hash.finalize().into())
}

/// Half of a digest is enough to distinguish two values.
pub(super) fn half(digest: &Digest) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(&digest[..16]);
    fingerprint
}
