//! Manifests of snapshots that a server's tool has put into an object store (`container.md` §11).
//!
//! A manifest is JSON with a SHA-256 of itself: of its canonical form without that member.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::hex;

/// The known version.
const VERSION: i64 = 1;
/// The longest manifest that the tool itself reads.
pub const MOST_BYTES: usize = 1 << 20;

/// What is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// It is longer than any manifest.
    #[error("it has more than 1 MiB")]
    Long,
    /// Not JSON, or a member that is missing or of another type.
    #[error("{0}")]
    Json(String),
    /// A version of a newer tool.
    #[error("its schema_version is {0}, not 1: it was written by a newer server; update ekvsnap")]
    Version(i64),
    /// A member with an invalid value.
    #[error("its member \"{0}\" is not valid")]
    Member(&'static str),
    /// It was changed or truncated.
    #[error("its manifest_sha256 is not that of its content: it was changed")]
    Hash,
    /// It names a place that is not its own.
    #[error("it was moved or renamed: its content says that it is {0}")]
    Place(String),
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    schema_version: i64,
    created_at: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    source_cluster: String,
    /// The Raft group.
    pub group_id: u64,
    /// The Raft index of the snapshot.
    pub snapshot_index: u64,
    /// Its term.
    pub snapshot_term: u64,
    conf_state: Members,
    /// The snapshot itself.
    pub payload: Payload,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    binary_version: String,
    /// The path of the manifest, below the root of the store.
    pub manifest_key: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    manifest_sha256: String,
}

/// The members of the group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Members {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    voters: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    learners: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    voters_outgoing: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    learners_next: Vec<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    auto_leave: bool,
}

/// The file of a snapshot in the store: the server's file without its footer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Its path, below the root of the store.
    pub key: String,
    /// Its bytes.
    pub bytes: u64,
    /// Their SHA-256, 64 digits in lower case.
    pub sha256: String,
    /// Their CRC32C, which was the footer.
    pub source_crc32c: u32,
}

impl Manifest {
    /// Parses a manifest and checks its own hash.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Manifest, ManifestFault> {
        if text.len() > MOST_BYTES {
            return Err(ManifestFault::Long);
        }
        let manifest: Manifest = serde_json::from_slice(text).map_err(|e| ManifestFault::Json(e.to_string()))?;
        if manifest.schema_version != VERSION {
            return Err(ManifestFault::Version(manifest.schema_version));
        }
        for (name, is_valid) in [
            ("snapshot_index", manifest.snapshot_index > 0),
            ("snapshot_term", manifest.snapshot_term > 0),
            ("payload.sha256", is_digest(&manifest.payload.sha256)),
            ("payload.key", manifest.payload.key.ends_with(&manifest.payload.below())),
            ("manifest_sha256", is_digest(&manifest.manifest_sha256)),
        ] {
            if !is_valid {
                return Err(ManifestFault::Member(name));
            }
        }
        if manifest.sha256() != manifest.manifest_sha256 { Err(ManifestFault::Hash) } else { Ok(manifest) }
    }

    /// Its path below the prefix.
    pub fn below(&self) -> String {
        format!("v1/groups/{}/snapshots/{:020}-{:020}.json", self.group_id, self.snapshot_index, self.snapshot_term)
    }

    /// The hash of its canonical form.
    fn sha256(&self) -> String {
        let unsigned = Manifest { manifest_sha256: String::new(), ..self.clone() };
        hex::text(&Sha256::digest(unsigned.canonical()))
    }

    /// JSON as the tool writes it: indented by two spaces per level, with the characters of HTML escaped.
    fn canonical(&self) -> String {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        let mut canonical = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                // They occur in strings only.
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => canonical.push_str(&format!("\\u{:04x}", u32::from(c))),
                _ => canonical.push(c),
            }
        }
        canonical
    }

    /// The file of a manifest, with its hash.
    pub fn encode(&self) -> String {
        Manifest { manifest_sha256: self.sha256(), ..self.clone() }.canonical() + "\n"
    }

    /// The manifest of a snapshot, in a store with a prefix that is empty or ends in a slash; `position`: its index and term.
    pub fn new(
        prefix: &str,
        created_at: &str,
        group_id: u64,
        position: (u64, u64),
        payload: &[u8],
        crc: u32,
    ) -> Manifest {
        let (snapshot_index, snapshot_term) = position;
        let mut manifest = Manifest {
            schema_version: VERSION,
            created_at: created_at.to_owned(),
            source_cluster: String::new(),
            group_id,
            snapshot_index,
            snapshot_term,
            conf_state: Members { voters: vec![1], ..Members::default() },
            payload: Payload {
                key: String::new(),
                bytes: payload.len() as u64,
                sha256: hex::text(&Sha256::digest(payload)),
                source_crc32c: crc,
            },
            binary_version: String::new(),
            manifest_key: String::new(),
            manifest_sha256: String::new(),
        };
        manifest.payload.key = format!("{prefix}{}", manifest.payload.below());
        manifest.manifest_key = format!("{prefix}{}", manifest.below());
        manifest
    }
}

impl Payload {
    /// Its path below the prefix.
    pub fn below(&self) -> String {
        format!("v1/payloads/sha256/{}/{}.fsm", self.sha256.get(..2).unwrap_or_default(), self.sha256)
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let mut manifest = Manifest::new("a/", "2026-01-01T00:00:00Z", 7, (61, 3), b"payload", 5);
        manifest.source_cluster = "a <b> & \u{2028}\"c\"".to_owned();
        manifest
    }

    #[test]
    fn written_and_read() {
        let text = manifest().encode();
        let parsed = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(parsed.manifest_key, "a/v1/groups/7/snapshots/00000000000000000061-00000000000000000003.json");
        assert!(text.contains(r#""source_cluster": "a \u003cb\u003e \u0026 \u2028\"c\"""#), "{text}");
        assert!(text.contains("\"conf_state\": {\n    \"voters\": [\n      1\n    ]\n  },"), "{text}");
        assert_eq!(parsed.encode(), text);
    }

    /// Every change is detected, and none causes a panic.
    #[test]
    fn changed_manifests() {
        let text = manifest().encode();
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut changed = text.clone().into_bytes();
                changed[at] ^= 1 << bit;
                if let Ok(parsed) = Manifest::parse(&changed) {
                    // White space, and members whose names are not known.
                    assert_eq!(parsed, Manifest::parse(text.as_bytes()).unwrap(), "{at}, {bit}");
                }
            }
        }
        for (from, to, want) in [
            ("\"schema_version\": 1", "\"schema_version\": 2", ManifestFault::Version(2)),
            ("\"snapshot_term\": 3", "\"snapshot_term\": 0", ManifestFault::Member("snapshot_term")),
            ("\"group_id\": 7", "\"group_id\": 8", ManifestFault::Hash),
            ("/payloads/", "/elsewhere/", ManifestFault::Member("payload.key")),
        ] {
            assert_eq!(Manifest::parse(text.replace(from, to).as_bytes()), Err(want));
        }
        assert_eq!(Manifest::parse(&vec![b' '; MOST_BYTES + 1]), Err(ManifestFault::Long));
        assert!(matches!(Manifest::parse(b"{}"), Err(ManifestFault::Json(_))));
    }
}
