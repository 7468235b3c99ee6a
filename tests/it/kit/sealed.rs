//! Encrypted rows, their keys, and the same rows in clear.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ekvsnap::format::envelope::{DataKey, Seal, Sealed};
use ekvsnap::format::frame::{self, Step};
use ekvsnap::format::keys::{Key, KeyRing};
use ekvsnap::format::mvcc::{self, ValueHeader};
use ekvsnap::format::sidecar::{Sidecar, wrap};
use ekvsnap::index::{Granularity, decrypt};
use ekvsnap::source::{Access, Source};

use super::build::{Snapshot, with_footer};
use super::fixtures::Files;

/// The key of the key file.
pub const KEK: [u8; 32] = [9; 32];

/// The data key with an id.
pub fn data_key(id: u32) -> Key {
    Key::new([id as u8; 32])
}

/// A ring of such keys.
pub fn ring(ids: &[u32]) -> Arc<KeyRing> {
    let mut ring = KeyRing::default();
    ids.iter().for_each(|id| assert!(ring.add(*id, data_key(*id))));
    Arc::new(ring)
}

/// A `keys.json` with such keys, opened by [`KEK`].
pub fn sidecar(ids: &[u32]) -> String {
    sidecar_with(ids, data_key)
}

/// A `keys.json` with other keys.
pub fn sidecar_with(ids: &[u32], key_of: impl Fn(u32) -> Key) -> String {
    let record = |id: &u32| {
        let wrapped = STANDARD.encode(wrap(&Key::new(KEK), &[*id as u8; 12], &key_of(*id)).unwrap());
        format!(r#""{id}": {{"purpose": "storage", "wrapped": "{wrapped}", "created": "", "local_epoch": 0}}"#)
    };
    let (keys, active): (Vec<String>, u32) = (ids.iter().map(record).collect(), ids.last().copied().unwrap_or(0));
    format!(r#"{{"version": 1, "active": {{"storage": {active}, "raft": 0}}, "keys": {{{}}}}}"#, keys.join(","))
}

/// Writes a file that only its owner can read.
pub fn write_secret(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

impl Snapshot {
    /// An encrypted row; `version` 2 compresses its body.
    pub fn sealed(self, ts: u64, key: impl AsRef<[u8]>, body: impl AsRef<[u8]>, key_id: u32, version: u8) -> Self {
        self.sealed_with(&data_key(key_id), ts, key, body, (key_id, version))
    }

    /// The same with another key of that id.
    pub fn sealed_with(
        self,
        with: &Key,
        ts: u64,
        key: impl AsRef<[u8]>,
        body: impl AsRef<[u8]>,
        (key_id, version): (u32, u8),
    ) -> Self {
        let mut raw_key = Vec::new();
        mvcc::raw_key_into(key.as_ref(), ts, &mut raw_key);
        let header = [2, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&ts.to_be_bytes());
        let sealed = Sealed { version, key_id };
        let seal = Seal { sealed, snappy: version == 2, nonce: &nonce, header: &header, raw_key: &raw_key };
        let mut value = header.to_vec();
        seal.encode(&DataKey::new(with).unwrap(), body.as_ref(), &mut value).unwrap();
        self.last_commit(ts).raw(raw_key, value)
    }
}

/// A snapshot in memory with keys.
pub fn source_with(bytes: Vec<u8>, keys: &Arc<KeyRing>, granularity: Granularity) -> Source {
    decrypt(Source::from_bytes("input-0.fsm", bytes), keys, Access::Map, granularity).unwrap()
}

/// The keys of a corpus.
pub fn keys_of(files: &Files) -> Arc<KeyRing> {
    let kek = Key::new(files["kek.bin"].as_slice().try_into().unwrap());
    let mut ring = KeyRing::default();
    for (id, key) in Sidecar::parse(&files["keys.json"]).unwrap().unwrap(&kek).unwrap() {
        assert!(ring.add(id, key));
    }
    Arc::new(ring)
}

/// The same snapshot as written by a server with encryption: most rows are sealed, by one of three keys, in either version. The choice
/// depends on the seed only.
pub fn sealed_from(snapshot: &[u8], seed: u64) -> Vec<u8> {
    let mut at = memchr::memmem::find(snapshot, b"EKVPBBL1").unwrap() + frame::STREAM_HEADER;
    let (mut out, mut state) = (snapshot[..at].to_vec(), seed);
    while let Step::Entry(entry) = frame::step(snapshot, at).unwrap() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut value = entry.raw_value.to_vec();
        // The first byte is that of a clear row that is no tombstone; rows of the store itself are no rows of a version.
        let is_row = mvcc::Operational::of(entry.raw_key, &value).is_none() && value.len() >= 9 && value[0] == 0;
        let key_id = (state >> 60) as u32 % 4;
        if is_row && key_id > 0 {
            let mut header = [0; 9];
            header.copy_from_slice(&value[..9]);
            header[0] = 2;
            let mut nonce = [0; 12];
            nonce[..8].copy_from_slice(&state.to_be_bytes());
            let sealed = Sealed { version: 1 + (state >> 40) as u8 % 2, key_id };
            let seal =
                Seal { sealed, snappy: sealed.version == 2, nonce: &nonce, header: &header, raw_key: entry.raw_key };
            let body = value.split_off(9);
            value = header.to_vec();
            seal.encode(&DataKey::new(&data_key(key_id)).unwrap(), &body, &mut value).unwrap();
        }
        frame::entry_into(entry.raw_key, &value, &mut out);
        at = entry.end;
    }
    with_footer(out)
}

/// The same snapshot as written by a server without encryption: every row in clear.
pub fn in_clear(snapshot: &[u8], keys: &KeyRing) -> Vec<u8> {
    let mut at = memchr::memmem::find(snapshot, b"EKVPBBL1").unwrap() + frame::STREAM_HEADER;
    let (mut clear, mut aad) = (snapshot[..at].to_vec(), Vec::new());
    while let Step::Entry(entry) = frame::step(snapshot, at).unwrap() {
        let (mut body, mut value) = (Vec::new(), entry.raw_value.to_vec());
        if entry.raw_value.first() == Some(&2)
            && let Some(opened) = keys.open_into(entry.raw_key, entry.raw_value, &mut aad, &mut body)
        {
            opened.unwrap();
            value.clear();
            let expire_at = u64::from_le_bytes(entry.raw_value[1..9].try_into().unwrap());
            ValueHeader { tombstone: false, expire_at, body: &body }.encode(&mut value);
        }
        frame::entry_into(entry.raw_key, &value, &mut clear);
        at = entry.end;
    }
    with_footer(clear)
}
