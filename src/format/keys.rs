//! Keys of encrypted bodies (`encryption.md` §3). The side-car that holds them is in `sidecar.rs`.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::envelope::{DataKey, Envelope, OpenFault};
use super::limits::VALUE_HEADER;
use super::mvcc::{ENCRYPTED, WRITERS};

/// Bytes of a key.
pub const KEY: usize = 32;

/// A key in clear; its bytes are overwritten when it is dropped.
pub type Key = Zeroizing<[u8; KEY]>;

/// The row that registers a node as a writer with a key: raw key and value (`encryption.md` §4). The epochs are the first and the last
/// that the node used in nonces.
pub fn writer_row(key_id: u32, node: u64, epochs: [u16; 2]) -> (Vec<u8>, Vec<u8>) {
    let [.., high, low] = node.to_be_bytes();
    let key = [WRITERS, &key_id.to_be_bytes(), b"|", &[high, low]].concat();
    let [first, last] = epochs.map(u16::to_be_bytes);
    (key, [&node.to_be_bytes()[..], &first, &last].concat())
}

/// Data keys by their ids.
#[derive(Default)]
pub struct KeyRing {
    keys: BTreeMap<u32, (DataKey, Key)>,
}

impl KeyRing {
    /// Adds a key; `false`: another key has its id already.
    pub fn add(&mut self, id: u32, key: Key) -> bool {
        match self.keys.get(&id) {
            Some((_, known)) => *known == key,
            None => {
                let Some(ready) = DataKey::new(&key) else { return false };
                self.keys.insert(id, (ready, key));
                true
            }
        }
    }

    /// The bytes of the key with this id.
    pub(super) fn bytes(&self, id: u32) -> Option<&Key> {
        self.keys.get(&id).map(|(_, key)| key)
    }

    /// The key with this id.
    pub fn get(&self, id: u32) -> Option<&DataKey> {
        self.keys.get(&id).map(|(key, _)| key)
    }

    /// Appends the plain body of an encrypted row; `aad` is a buffer. `None`: the row is not encrypted, or its key is not in the ring.
    pub fn open_into(
        &self,
        raw_key: &[u8],
        raw_value: &[u8],
        aad: &mut Vec<u8>,
        body: &mut Vec<u8>,
    ) -> Option<Result<(), OpenFault>> {
        let (envelope, key) = self.envelope(raw_key, raw_value, aad)?;
        Some(envelope.open(key, aad, body))
    }

    /// As [`open_into`](KeyRing::open_into), but writes the body to the first bytes of `room`, and returns its length. After an error `room`
    /// has any content. `None` also for a body that must be inflated.
    pub fn open_to(
        &self,
        raw_key: &[u8],
        raw_value: &[u8],
        aad: &mut Vec<u8>,
        room: &mut [u8],
    ) -> Option<Result<usize, OpenFault>> {
        let (envelope, key) = self.envelope(raw_key, raw_value, aad)?;
        envelope.open_to(key, aad, room)
    }

    /// The envelope of a row with its key; `aad` gets what is authenticated beside the ciphertext.
    fn envelope<'v>(&self, raw_key: &[u8], raw_value: &'v [u8], aad: &mut Vec<u8>) -> Option<(Envelope<'v>, &DataKey)> {
        let (header, envelope) = raw_value.split_first_chunk()?;
        let envelope = Envelope::parse(envelope).ok()?;
        let key = self.get(envelope.sealed.key_id)?;
        aad.clear();
        envelope.aad_into(header, raw_key, aad);
        Some((envelope, key))
    }

    /// The id of the key that opens a row which is marked as not encrypted, if there is one (`encryption.md` §7). The encryption state of a
    /// row is not authenticated, so an envelope can be disguised as a body.
    pub fn opens_clear(&self, raw_key: &[u8], raw_value: &[u8]) -> Option<u32> {
        let (header, body) = raw_value.split_first_chunk::<VALUE_HEADER>()?;
        let envelope = Envelope::parse(body).ok()?;
        let key = self.get(envelope.sealed.key_id)?;
        let [_, expire @ ..] = *header;
        let (mut aad, mut plain) = (Vec::new(), Vec::new());
        let mut opens = |expire: [u8; 8]| {
            let mut sealed = [ENCRYPTED; VALUE_HEADER];
            sealed.last_chunk_mut().map(|last| *last = expire)?;
            aad.clear();
            plain.clear();
            envelope.aad_into(&sealed, raw_key, &mut aad);
            envelope.open(key, &aad, &mut plain).ok()
        };
        opens(expire).or_else(|| opens([0; 8])).map(|()| envelope.sealed.key_id)
    }

    /// All ids.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.keys.keys().copied()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// Key material is not printed.
impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::mvcc::Operational;
    use super::*;

    #[test]
    fn writers() {
        let (key, value) = writer_row(3, 0x0102_0304_0506_0708, [9, 10]);
        assert_eq!(key, b"!encryption|writers|\0\0\0\x03|\x07\x08");
        assert_eq!(value, [1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 0, 10]);
        assert_eq!(Operational::of(&key, &value), Some(Operational::EncryptionWriter));
        assert_eq!(Operational::EncryptionWriter.value(&value), Ok(0));
    }

    #[test]
    fn rings() {
        let key = |byte: u8| Key::new([byte; KEY]);
        let mut ring = KeyRing::default();
        assert!(
            ring.is_empty()
                && ring.add(3, key(1))
                && ring.add(3, key(1))
                && !ring.add(3, key(2))
                && ring.add(1, key(2))
        );
        assert!(ring.get(3).is_some() && ring.get(2).is_none());
        assert_eq!(format!("{ring:?}"), "[1, 3]");
    }
}
