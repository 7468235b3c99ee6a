//! Encrypts the rows of a snapshot while it is written (`encryption.md` §2, §9).
//!
//! A server's nonces consist of node, epoch and a counter. The epoch is raised at each start, so that no nonce is used twice. A file that
//! is written without a server cannot use this scheme. Its nonces are the first 12 bytes of an HMAC-SHA-256 of the row, with a key that is
//! derived from the data key. Two rows have the same nonce only if they are the same row, which then has the same envelope. A collision by
//! chance, also with a nonce of a server, is as improbable as with random nonces. So the limit is the same as for those: a sealer encrypts
//! at most 2^32 rows. A caller that uses one key in several sealers must count the rows itself.
//! The same rows give the same bytes, on any number of threads.

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key as MacKey, sign};

use super::envelope::{DataKey, NONCE, Seal, Sealed};
use super::keys::{Key, KeyRing};
use super::limits::VALUE_HEADER;
use super::mvcc::ENCRYPTED;

/// Version of the envelopes: the one that every server reads.
const VERSION: u8 = 1;
/// The label from which the key of the nonces is derived.
const NONCES: &[u8] = b"ekvsnap: nonces of rows";
/// Maximum number of rows that are sealed with one key.
pub const MOST_SEALED: u64 = 1 << 32;

/// Encrypts rows with one key.
pub struct Sealer {
    key_id: u32,
    key: DataKey,
    nonces: MacKey,
    sealed: u64,
}

impl Sealer {
    /// With a data key and its id; `None`: the id is 0, or the library cannot allocate memory for the key.
    pub fn new(key_id: u32, key: &Key) -> Option<Sealer> {
        let nonces = sign(&MacKey::new(HMAC_SHA256, &key[..]), NONCES);
        let nonces = MacKey::new(HMAC_SHA256, nonces.as_ref());
        let key = DataKey::new(key).filter(|_| key_id > 0)?;
        Some(Sealer { key_id, key, nonces, sealed: 0 })
    }

    /// The key's id.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// Appends the raw value of a row, encrypted. `None`: the body is too long, or the maximum number of rows is reached.
    pub fn value_into(&mut self, raw_key: &[u8], expire_at: u64, body: &[u8], out: &mut Vec<u8>) -> Option<()> {
        self.sealed = self.sealed.checked_add(1).filter(|sealed| *sealed <= MOST_SEALED)?;
        let mut header = [ENCRYPTED; VALUE_HEADER];
        *header.last_chunk_mut()? = expire_at.to_le_bytes();
        let nonce = self.nonce(raw_key, &header, body)?;
        let start = out.len();
        out.extend_from_slice(&header);
        let sealed = Sealed { version: VERSION, key_id: self.key_id };
        let seal = Seal { sealed, snappy: false, nonce: &nonce, header: &header, raw_key };
        let done = seal.encode(&self.key, body, out);
        if done.is_none() {
            out.truncate(start);
        }
        done
    }

    fn nonce(&self, raw_key: &[u8], header: &[u8; VALUE_HEADER], body: &[u8]) -> Option<[u8; NONCE]> {
        let mut mac = Context::with_key(&self.nonces);
        // The length separates the key from what follows.
        mac.update(&(raw_key.len() as u64).to_be_bytes());
        mac.update(raw_key);
        mac.update(header);
        mac.update(body);
        mac.sign().as_ref().first_chunk().copied()
    }
}

impl KeyRing {
    /// A sealer with the key of this id.
    pub fn sealer(&self, id: u32) -> Option<Sealer> {
        self.bytes(id).and_then(|key| Sealer::new(id, key))
    }
}

/// Key material is not printed.
impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::envelope::Envelope;
    use super::*;

    fn key() -> Key {
        Key::new([7; 32])
    }

    fn sealed(raw_key: &[u8], expire_at: u64, body: &[u8]) -> Vec<u8> {
        let mut out = b"before".to_vec();
        Sealer::new(5, &key()).unwrap().value_into(raw_key, expire_at, body, &mut out).unwrap();
        out.split_off(6)
    }

    /// A nonce belongs to one row: it changes with any part of the row, also with the place where the key ends.
    #[test]
    fn a_nonce_for_each_row() {
        let rows: [(&[u8], u64, &[u8]); 7] = [
            (b"k", 0, b"v"),
            (b"k", 0, b"w"),
            (b"l", 0, b"v"),
            (b"k", 1, b"v"),
            (b"k", 0, b""),
            (b"", 0, b"kv"),
            (b"kv", 0, b""),
        ];
        let nonce = |(raw_key, expire_at, body): (&[u8], u64, &[u8])| {
            let value = sealed(raw_key, expire_at, body);
            assert_eq!(value, sealed(raw_key, expire_at, body));
            *Envelope::parse(&value[9..]).unwrap().nonce
        };
        let mut nonces: BTreeSet<[u8; NONCE]> = rows.into_iter().map(nonce).collect();
        // Another key has other nonces.
        let mut out = Vec::new();
        Sealer::new(5, &Key::new([8; 32])).unwrap().value_into(b"k", 0, b"v", &mut out).unwrap();
        nonces.insert(*Envelope::parse(&out[9..]).unwrap().nonce);
        assert_eq!(nonces.len(), rows.len() + 1);
    }

    #[test]
    fn bounds() {
        assert!(Sealer::new(0, &key()).is_none());
        let (mut sealer, mut out) = (Sealer::new(5, &key()).unwrap(), Vec::new());
        sealer.sealed = MOST_SEALED - 1;
        assert!(sealer.value_into(b"k", 0, b"v", &mut out).is_some() && !out.is_empty());
        let len = out.len();
        assert!(sealer.value_into(b"k", 0, b"w", &mut out).is_none() && out.len() == len);
        assert_eq!(format!("{sealer:?}"), "Sealer { key_id: 5, .. }");
    }

    proptest::proptest! {
        #[test]
        fn what_is_sealed_opens(raw_key: Vec<u8>, expire_at: u64, body: Vec<u8>) {
            let (value, mut plain, mut ring) = (sealed(&raw_key, expire_at, &body), Vec::new(), KeyRing::default());
            assert!(ring.add(5, key()));
            proptest::prop_assert_eq!(&value[..9], &[&[2][..], &expire_at.to_le_bytes()].concat()[..]);
            proptest::prop_assert_eq!(ring.open_into(&raw_key, &value, &mut Vec::new(), &mut plain), Some(Ok(())));
            proptest::prop_assert_eq!(plain, body);
        }
    }
}
