//! Keys of encrypted bodies, and the side-car that holds them (`encryption.md` §3).
//!
//! A data key of 32 bytes stands in `keys.json`, wrapped with the key of a key file (KEK):
//! nonce (12 bytes) · ciphertext (32) · tag (16) of AES-256-GCM, without anything else authenticated.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::envelope::{DataKey, Envelope, NONCE, OpenFault, TAG};
use super::limits::VALUE_HEADER;
use super::mvcc::ENCRYPTED;

/// Bytes of a key.
pub const KEY: usize = 32;
/// Bytes of a wrapped key.
pub const WRAPPED: usize = NONCE + KEY + TAG;

/// A key in clear; its bytes are overwritten when it is dropped.
pub type Key = Zeroizing<[u8; KEY]>;

/// What is wrong with a side-car.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SidecarFault {
    /// No JSON object.
    #[error("it is no JSON object: {0}")]
    Json(String),
    /// A version of a newer server.
    #[error("its version is {0}, not 1 or 2: it was written by a newer server; update ekvsnap")]
    Version(String),
    /// A member that is missing, or no such value.
    #[error("its member \"{0}\" is missing or not valid")]
    Member(String),
    /// A key id that is no number of 32 bits, or 0.
    #[error("key id \"{0}\" is not a number from 1 to 4294967295")]
    KeyId(String),
    /// A purpose that no server knows.
    #[error("key {0} has a purpose other than storage and raft")]
    Purpose(u32),
    /// An active key that is not there, or has another purpose.
    #[error("the active {0} key {1} is not among its keys with that purpose")]
    Active(&'static str, u32),
    /// A wrapped key of another length.
    #[error("the wrapped key {0} is not 60 bytes in base64")]
    Wrapped(u32),
    /// A wrapped key that does not open.
    #[error("key {0} does not open with this key file: it belongs to another side-car, or one of both was changed")]
    Kek(u32),
}

/// The wrapped storage keys of a side-car; keys of the log encrypt no snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sidecar {
    /// By key id.
    pub wrapped: BTreeMap<u32, [u8; WRAPPED]>,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Storage,
    Raft,
}

impl Sidecar {
    /// Reads a `keys.json` by the rules of the server: unknown members are ignored, names match without regard to case.
    pub fn parse(json: &[u8]) -> Result<Sidecar, SidecarFault> {
        let root: Value = serde_json::from_slice(json).map_err(|e| SidecarFault::Json(e.to_string()))?;
        let root = root.as_object().ok_or_else(|| SidecarFault::Json("it is another value".into()))?;
        match member(root, "version") {
            Some(version) if matches!(version.as_u64(), Some(1 | 2)) => {}
            version => return Err(SidecarFault::Version(version.map_or("missing".into(), Value::to_string))),
        }
        let keys = object(root, "keys")?;
        let (mut sidecar, mut purposes) = (Sidecar::default(), BTreeMap::new());
        for (id, record) in keys {
            let id = id.parse().ok().filter(|id| *id > 0).ok_or_else(|| SidecarFault::KeyId(id.clone()))?;
            let record = record.as_object().ok_or_else(|| SidecarFault::Member(format!("keys.{id}")))?;
            let purpose = match member(record, "purpose").and_then(Value::as_str) {
                Some("storage") => Purpose::Storage,
                Some("raft") => Purpose::Raft,
                _ => return Err(SidecarFault::Purpose(id)),
            };
            purposes.insert(id, purpose);
            let wrapped = member(record, "wrapped").and_then(Value::as_str);
            let wrapped = wrapped.and_then(|text| STANDARD.decode(text).ok()).and_then(|bytes| bytes.try_into().ok());
            let wrapped = wrapped.ok_or(SidecarFault::Wrapped(id))?;
            if purpose == Purpose::Storage {
                sidecar.wrapped.insert(id, wrapped);
            }
        }
        let active = object(root, "active")?;
        for (name, purpose) in [("storage", Purpose::Storage), ("raft", Purpose::Raft)] {
            let id = member(active, name).map_or(Some(0), Value::as_u64).and_then(|id| u32::try_from(id).ok());
            let id = id.ok_or_else(|| SidecarFault::Member(format!("active.{name}")))?;
            if id != 0 && purposes.get(&id) != Some(&purpose) {
                return Err(SidecarFault::Active(name, id));
            }
        }
        Ok(sidecar)
    }

    /// Opens all keys.
    pub fn unwrap(&self, kek: &Key) -> Result<Vec<(u32, Key)>, SidecarFault> {
        let kek = DataKey::new(kek);
        let open = |(id, wrapped): (&u32, &[u8; WRAPPED])| {
            unwrap(kek.as_ref(), wrapped).map(|key| (*id, key)).ok_or(SidecarFault::Kek(*id))
        };
        self.wrapped.iter().map(open).collect()
    }
}

fn unwrap(kek: Option<&DataKey>, wrapped: &[u8; WRAPPED]) -> Option<Key> {
    let (nonce, rest) = wrapped.split_first_chunk::<NONCE>()?;
    let (text, tag) = rest.split_last_chunk::<TAG>()?;
    let mut key = Zeroizing::new(Vec::with_capacity(KEY));
    kek?.open(nonce, b"", text, tag, &mut key).then_some(())?;
    Some(Key::new(key.as_slice().try_into().ok()?))
}

/// Wraps a key as a side-car has it; the nonce must never be used twice with a KEK.
pub fn wrap(kek: &Key, nonce: &[u8; NONCE], key: &Key) -> Option<[u8; WRAPPED]> {
    let mut text = key.clone();
    let tag = DataKey::new(kek)?.seal(nonce, b"", text.as_mut_slice())?;
    [&nonce[..], &text[..], &tag[..]].concat().try_into().ok()
}

fn member<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    object.iter().rfind(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn object<'v>(root: &'v Map<String, Value>, name: &str) -> Result<&'v Map<String, Value>, SidecarFault> {
    member(root, name).and_then(Value::as_object).ok_or_else(|| SidecarFault::Member(name.to_owned()))
}

/// Data keys by their ids.
#[derive(Default)]
pub struct KeyRing {
    keys: BTreeMap<u32, (DataKey, Key)>,
}

impl KeyRing {
    /// Adds a key; `false`: another one has its id already.
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

    /// The key with this id.
    pub fn get(&self, id: u32) -> Option<&DataKey> {
        self.keys.get(&id).map(|(key, _)| key)
    }

    /// Appends the plain body of an encrypted row; `aad` is a buffer. `None`: the row is not encrypted, or its key is not here.
    pub fn open_into(
        &self,
        raw_key: &[u8],
        raw_value: &[u8],
        aad: &mut Vec<u8>,
        body: &mut Vec<u8>,
    ) -> Option<Result<(), OpenFault>> {
        let (header, envelope) = raw_value.split_first_chunk()?;
        let envelope = Envelope::parse(envelope).ok()?;
        let key = self.get(envelope.sealed.key_id)?;
        aad.clear();
        envelope.aad_into(header, raw_key, aad);
        Some(envelope.open(key, aad, body))
    }

    /// The key that opens a row which is stored as clear, if one does (`encryption.md` §7): the state of a row is not
    /// authenticated, so that an envelope can be made to look like a body.
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

    /// Whether there is none.
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
    use super::*;

    fn key(byte: u8) -> Key {
        Key::new([byte; KEY])
    }

    fn sidecar(records: &str) -> Result<Sidecar, SidecarFault> {
        Sidecar::parse(format!(r#"{{"version":2,"Active":{{"storage":1}},"keys":{{{records}}},"x":0}}"#).as_bytes())
    }

    fn record(id: &str, purpose: &str, wrapped: &[u8]) -> String {
        format!(r#""{id}":{{"PURPOSE":"{purpose}","wrapped":"{}","local_epoch":1}}"#, STANDARD.encode(wrapped))
    }

    #[test]
    fn wrapped_keys_open() {
        let wrapped = wrap(&key(9), &[3; NONCE], &key(5)).unwrap();
        let records = [record("1", "storage", &wrapped), record("2", "raft", &wrapped)].join(",");
        let parsed = sidecar(&records).unwrap();
        assert_eq!(parsed.unwrap(&key(9)).unwrap(), [(1, key(5))]);
        assert_eq!(parsed.unwrap(&key(8)), Err(SidecarFault::Kek(1)));
    }

    #[test]
    fn faults() {
        let good = [0; WRAPPED];
        let fault = |records: &str| sidecar(records).unwrap_err();
        assert_eq!(fault(""), SidecarFault::Active("storage", 1));
        assert_eq!(fault(&record("1", "raft", &good)), SidecarFault::Active("storage", 1));
        for id in ["0", "-1", "4294967296", "x", ""] {
            assert_eq!(fault(&record(id, "storage", &good)), SidecarFault::KeyId(id.into()));
        }
        assert_eq!(fault(&record("1", "other", &good)), SidecarFault::Purpose(1));
        assert_eq!(fault(&record("1", "storage", &good[1..])), SidecarFault::Wrapped(1));
        assert_eq!(fault(r#""1":7"#), SidecarFault::Member("keys.1".into()));
        for (json, want) in [
            (r#"{"version":3}"#, SidecarFault::Version("3".into())),
            (r#"{}"#, SidecarFault::Version("missing".into())),
            (r#"{"version":1}"#, SidecarFault::Member("keys".into())),
            (r#"{"version":1,"keys":{}}"#, SidecarFault::Member("active".into())),
            (r#"{"version":1,"keys":{},"active":{"raft":-1}}"#, SidecarFault::Member("active.raft".into())),
            ("[]", SidecarFault::Json("it is another value".into())),
        ] {
            assert_eq!(Sidecar::parse(json.as_bytes()), Err(want), "{json}");
        }
        assert!(matches!(Sidecar::parse(b"{"), Err(SidecarFault::Json(_))));
        assert_eq!(Sidecar::parse(br#"{"version":1,"keys":{},"active":{}}"#), Ok(Sidecar::default()));
    }

    #[test]
    fn rings() {
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
