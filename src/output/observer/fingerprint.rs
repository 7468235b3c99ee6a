//! Fingerprints of values: a fast hash of 128 bits with a key that is new in every run.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3, xxh3_128_with_secret};

/// Distinguishes values. It can be compared only with fingerprints of the same secret.
pub type Fingerprint = [u8; 16];

/// Bytes of a secret.
const SECRET: usize = 192;

/// The key of fingerprints. The author of the data does not know it, so he cannot make two values with the same fingerprint.
pub struct Secret {
    bytes: [u8; SECRET],
    of_lines: bool,
}

impl Secret {
    /// A new random secret.
    pub fn random() -> Arc<Secret> {
        Secret::new(false)
    }

    /// As [`random`](Self::random), for fingerprints of lines as they are written. Equal numbers that are written in two ways make two
    /// lines, and so do two paths of one body. The reported names of items have the names and types of their key attributes.
    pub fn of_lines() -> Arc<Secret> {
        Secret::new(true)
    }

    fn new(of_lines: bool) -> Arc<Secret> {
        let (mut bytes, random) = ([0; SECRET], RandomState::new());
        for (n, word) in bytes.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&random.hash_one(n).to_le_bytes());
        }
        Arc::new(Secret { bytes, of_lines })
    }

    /// Whether fingerprints are of lines as they are written.
    pub fn is_of_lines(&self) -> bool {
        self.of_lines
    }

    /// The fingerprint of a value.
    #[inline]
    pub fn fingerprint(&self, bytes: &[u8]) -> Fingerprint {
        xxh3_128_with_secret(bytes, &self.bytes).to_le_bytes()
    }

    /// For the fingerprint of a value that comes in pieces.
    pub fn hasher(&self) -> Hasher {
        Hasher(Xxh3::with_secret(self.bytes))
    }
}

/// Takes a value in pieces.
#[derive(Clone)]
pub struct Hasher(Xxh3);

impl Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The fingerprint of all pieces: that of the whole value.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.digest128().to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_the_mark_of_the_whole() {
        let secret = Secret::random();
        let bytes: Vec<u8> = (0..5000u32).map(|n| (n * 7 % 251) as u8).collect();
        for len in [0, 1, 3, 8, 16, 17, 128, 129, 240, 241, 1024, 5000] {
            let whole = secret.fingerprint(&bytes[..len]);
            for piece in [1, 7, 64, 300, 5000] {
                let mut hasher = secret.hasher();
                bytes[..len].chunks(piece).for_each(|piece| hasher.update(piece));
                assert_eq!(hasher.fingerprint(), whole, "{len} bytes in pieces of {piece}");
            }
            assert_ne!(Secret::random().fingerprint(&bytes[..len]), whole, "every run has marks of its own");
        }
    }
}
