//! The side-car `keys.json`, which has the wrapped keys of a store (`encryption.md` §3).
//!
//! A data key of 32 bytes is wrapped with the key of a key file (KEK):
//! nonce (12 bytes) · ciphertext (32) · tag (16) of AES-256-GCM, with no other authenticated data.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::envelope::{DataKey, NONCE, TAG};
use super::keys::{KEY, Key};

/// Bytes of a wrapped key.
pub const WRAPPED: usize = NONCE + KEY + TAG;
/// The version that a server writes; it reads 1 too.
const VERSION: u64 = 2;

/// What is wrong with a side-car.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SidecarFault {
    /// Not a JSON object.
    #[error("it is not a JSON object: {0}")]
    Json(String),
    /// A version of a newer server.
    #[error("its version is {0}, not 1 or 2: it was written by a newer server; update ekvsnap")]
    Version(String),
    /// A member that is missing or has an invalid value.
    #[error("its member \"{0}\" is missing or not valid")]
    Member(String),
    /// A key id that is not a number of 32 bits, or is 0.
    #[error("key id \"{0}\" is not a number from 1 to 4294967295")]
    KeyId(String),
    /// A purpose that no server knows.
    #[error("key {0} has a purpose other than storage and raft")]
    Purpose(u32),
    /// An active key that does not exist, or has another purpose.
    #[error("the active {0} key {1} is not among its keys with that purpose")]
    Active(&'static str, u32),
    /// A wrapped key with a wrong length.
    #[error("the wrapped key {0} is not 60 bytes in base64")]
    Wrapped(u32),
    /// A wrapped key that cannot be opened.
    #[error("this key file does not open key {0}: they do not belong together, or one of them was changed")]
    Kek(u32),
}

/// The purpose of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Rows of snapshots.
    Storage,
    /// Entries of the log, never in a snapshot.
    Raft,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Purpose::Storage => "storage",
            Purpose::Raft => "raft",
        }
    }
}

/// A key in a side-car.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its purpose.
    pub purpose: Purpose,
    /// The key, wrapped.
    pub wrapped: [u8; WRAPPED],
    /// When it was made, RFC 3339.
    pub created: String,
    /// The last epoch that the node used in nonces of this key.
    pub local_epoch: u16,
}

/// A side-car.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sidecar {
    /// Index of the log entry that changed it last.
    pub applied_index: u64,
    /// Whether new rows are encrypted.
    pub storage_active: bool,
    /// Index of the log entry from which they are encrypted.
    pub storage_cutover: u64,
    /// Index of the log entry after which entries are encrypted; 0 = none.
    pub raft_cutover: u64,
    /// The key for new rows; 0 = none.
    pub active_storage: u32,
    /// The key for new entries of the log; 0 = none.
    pub active_raft: u32,
    /// By key id.
    pub keys: BTreeMap<u32, Record>,
}

impl Sidecar {
    /// Reads a `keys.json` by the rules of the server: unknown members are ignored, names match without regard to case.
    pub fn parse(json: &[u8]) -> Result<Sidecar, SidecarFault> {
        let root: Value = serde_json::from_slice(json).map_err(|e| SidecarFault::Json(e.to_string()))?;
        let root = root.as_object().ok_or_else(|| SidecarFault::Json("it is another value".into()))?;
        match member(root, "version") {
            Some(version) if matches!(version.as_u64(), Some(1 | VERSION)) => {}
            version => return Err(SidecarFault::Version(version.map_or("missing".into(), Value::to_string))),
        }
        let mut sidecar = Sidecar {
            applied_index: or_default(root, "raft_applied_index", Value::as_u64)?,
            storage_active: or_default(root, "storage_envelope_active", Value::as_bool)?,
            storage_cutover: or_default(root, "storage_envelope_cutover_index", Value::as_u64)?,
            raft_cutover: or_default(root, "raft_envelope_cutover_index", Value::as_u64)?,
            ..Sidecar::default()
        };
        for (id, record) in object(root, "keys")? {
            let id = id.parse().ok().filter(|id| *id > 0).ok_or_else(|| SidecarFault::KeyId(id.clone()))?;
            let record = record.as_object().ok_or_else(|| SidecarFault::Member(format!("keys.{id}")))?;
            sidecar.keys.insert(id, Record::parse(id, record)?);
        }
        let active = object(root, "active")?;
        sidecar.active_storage = sidecar.active(active, Purpose::Storage)?;
        sidecar.active_raft = sidecar.active(active, Purpose::Raft)?;
        Ok(sidecar)
    }

    fn active(&self, active: &Map<String, Value>, purpose: Purpose) -> Result<u32, SidecarFault> {
        let id = member(active, purpose.name()).map_or(Some(0), Value::as_u64);
        let id = id.and_then(|id| u32::try_from(id).ok());
        let id = id.ok_or_else(|| SidecarFault::Member(format!("active.{}", purpose.name())))?;
        match self.keys.get(&id) {
            _ if id == 0 => Ok(0),
            Some(record) if record.purpose == purpose => Ok(id),
            _ => Err(SidecarFault::Active(purpose.name(), id)),
        }
    }

    /// The bytes of a `keys.json`, as a server writes it.
    pub fn encode(&self) -> Vec<u8> {
        // Go sorts the members of a map by their bytes.
        let records: BTreeMap<String, &Record> =
            self.keys.iter().map(|(id, record)| (id.to_string(), record)).collect();
        let records: Vec<String> = records.iter().map(|(id, record)| record.encode(id)).collect();
        let keys = if records.is_empty() { "{}".to_owned() } else { format!("{{\n{}\n  }}", records.join(",\n")) };
        let Sidecar { applied_index, storage_active, storage_cutover, raft_cutover, .. } = self;
        format!(
            "{{\n  \"version\": {VERSION},\n  \"raft_applied_index\": {applied_index},\n  \
             \"storage_envelope_active\": {storage_active},\n  \"storage_envelope_cutover_index\": {storage_cutover},\n  \
             \"raft_envelope_cutover_index\": {raft_cutover},\n  \"active\": {{\n    \"storage\": {},\n    \"raft\": {}\n  }},\n  \
             \"keys\": {keys}\n}}",
            self.active_storage, self.active_raft
        )
        .into_bytes()
    }

    /// Opens the keys of rows. The keys of the log stay wrapped: no snapshot is encrypted with them.
    pub fn unwrap(&self, kek: &Key) -> Result<Vec<(u32, Key)>, SidecarFault> {
        let of_rows = self.keys.iter().filter(|(_, record)| record.purpose == Purpose::Storage);
        of_rows.map(|(id, record)| Ok((*id, record.open(*id, kek)?))).collect()
    }

    /// Adds the keys of another node of the same cluster; for a key that both have, the later epoch counts.
    pub fn merge(&mut self, other: Sidecar) {
        for (id, record) in other.keys {
            let epoch = record.local_epoch;
            let known = self.keys.entry(id).or_insert(record);
            known.local_epoch = known.local_epoch.max(epoch);
        }
    }
}

impl Record {
    /// Opens the key; an error names its id.
    pub fn open(&self, id: u32, kek: &Key) -> Result<Key, SidecarFault> {
        unwrap(kek, &self.wrapped).ok_or(SidecarFault::Kek(id))
    }

    fn parse(id: u32, record: &Map<String, Value>) -> Result<Record, SidecarFault> {
        let purpose = match member(record, "purpose").and_then(Value::as_str) {
            Some("storage") => Purpose::Storage,
            Some("raft") => Purpose::Raft,
            _ => return Err(SidecarFault::Purpose(id)),
        };
        let wrapped = member(record, "wrapped").and_then(Value::as_str);
        let wrapped = wrapped.and_then(|text| STANDARD.decode(text).ok()).and_then(|bytes| bytes.try_into().ok());
        let wrapped = wrapped.ok_or(SidecarFault::Wrapped(id))?;
        let epoch = |value: &Value| value.as_u64().and_then(|epoch| u16::try_from(epoch).ok());
        let named = |_| SidecarFault::Member(format!("keys.{id}"));
        let created = or_default(record, "created", |value| value.as_str().map(str::to_owned)).map_err(named)?;
        let local_epoch = or_default(record, "local_epoch", epoch).map_err(named)?;
        Ok(Record { purpose, wrapped, created, local_epoch })
    }

    fn encode(&self, id: &str) -> String {
        let Record { purpose, wrapped, created, local_epoch } = self;
        format!(
            "    \"{id}\": {{\n      \"purpose\": \"{}\",\n      \"wrapped\": \"{}\",\n      \"created\": {},\n      \
             \"local_epoch\": {local_epoch}\n    }}",
            purpose.name(),
            STANDARD.encode(wrapped),
            json!(created),
        )
    }
}

fn unwrap(kek: &Key, wrapped: &[u8; WRAPPED]) -> Option<Key> {
    let (nonce, rest) = wrapped.split_first_chunk::<NONCE>()?;
    let (text, tag) = rest.split_last_chunk::<TAG>()?;
    let mut key = Zeroizing::new(Vec::with_capacity(KEY));
    DataKey::new(kek)?.open(nonce, b"", text, tag, &mut key).then_some(())?;
    Some(Key::new(key.as_slice().try_into().ok()?))
}

/// Wraps a key in the form of a side-car; a nonce must never be used twice with a KEK.
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

/// A member that may be missing or null, as in Go.
fn or_default<T: Default>(
    object: &Map<String, Value>,
    name: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<T, SidecarFault> {
    match member(object, name).filter(|value| !value.is_null()) {
        None => Ok(T::default()),
        Some(value) => read(value).ok_or_else(|| SidecarFault::Member(name.to_owned())),
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
        let no_epoch = record("1", "storage", &good).replace(":1}", ":65536}");
        assert_eq!(fault(&no_epoch), SidecarFault::Member("keys.1".into()));
        for (json, want) in [
            (r#"{"version":3}"#, SidecarFault::Version("3".into())),
            (r#"{}"#, SidecarFault::Version("missing".into())),
            (r#"{"version":1}"#, SidecarFault::Member("keys".into())),
            (r#"{"version":1,"keys":{}}"#, SidecarFault::Member("active".into())),
            (r#"{"version":1,"keys":{},"active":{"raft":-1}}"#, SidecarFault::Member("active.raft".into())),
            (r#"{"version":1,"raft_applied_index":-1}"#, SidecarFault::Member("raft_applied_index".into())),
            ("[]", SidecarFault::Json("it is another value".into())),
        ] {
            assert_eq!(Sidecar::parse(json.as_bytes()), Err(want), "{json}");
        }
        assert!(matches!(Sidecar::parse(b"{"), Err(SidecarFault::Json(_))));
        assert_eq!(Sidecar::parse(br#"{"version":1,"keys":{},"active":{}}"#), Ok(Sidecar::default()));
        assert_eq!(Sidecar::parse(&Sidecar::default().encode()), Ok(Sidecar::default()));
    }

    proptest::proptest! {
        #[test]
        fn encoded_side_cars_are_parsed(
            numbers: [u64; 3], storage_active: bool, ids: std::collections::BTreeSet<u32>, created: String, epoch: u16,
        ) {
            let record = |(n, id): (usize, &u32)| {
                let purpose = if n == 0 { Purpose::Storage } else { Purpose::Raft };
                (*id, Record { purpose, wrapped: [n as u8; WRAPPED], created: created.clone(), local_epoch: epoch })
            };
            let keys: BTreeMap<u32, Record> = ids.iter().filter(|id| **id > 0).enumerate().map(record).collect();
            let (active_storage, active_raft) =
                (keys.keys().next().copied().unwrap_or(0), keys.keys().nth(1).copied().unwrap_or(0));
            let [applied_index, storage_cutover, raft_cutover] = numbers;
            let sidecar = Sidecar {
                applied_index, storage_active, storage_cutover, raft_cutover, active_storage, active_raft, keys,
            };
            proptest::prop_assert_eq!(Sidecar::parse(&sidecar.encode()), Ok(sidecar));
        }
    }
}
