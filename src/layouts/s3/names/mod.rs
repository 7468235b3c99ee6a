//! The file of each live object (`docs/format/rules.md` §1).
//!
//! | name | file, below the bucket's directory | kind in KEYMAP |
//! |---|---|---|
//! | [`Verbatim`](Name::Verbatim) | the key | none |
//! | [`LeafData`](Name::LeafData) | key + `.elastickv-leaf-data` | `s3-leaf-data` |
//! | [`UserData`](Name::UserData) | key + `.user-data` | `meta-suffix-rename` |
//! | [`Encoded`](Name::Encoded), [`Hashed`](Name::Hashed) | `_encoded/` + one segment | `s3-encoded` |
//!
//! The keys come sorted, so every set in the rules is either a stack over one pass or a binary search: only one byte per key is kept.

mod all;
mod assign;

pub(super) use all::Names;
pub use assign::{Rules, assign};

use crate::output::names::{NameKind, fallback_into, segment_into};

/// The end of a sidecar's name.
pub const META_SUFFIX: &str = ".elastickv-meta.json";
/// The end of the name of an object whose key is a directory of other objects.
pub const LEAF_SUFFIX: &str = ".elastickv-leaf-data";
/// The end of the name of an object whose key looks like a sidecar.
pub const USER_SUFFIX: &str = ".user-data";
/// Directory of the objects whose keys cannot be paths.
pub const ENCODED_DIR: &str = "_encoded";

/// Maximum length of a key that can be a path, in bytes.
pub const MAX_KEY: usize = 1024;
/// Maximum length of a body's file name: its sidecar adds 20 bytes, and a name may have 255.
const MAX_LAST: usize = 235;

/// How an object is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Name {
    /// Its key is its path.
    Verbatim,
    /// Its key is also a directory.
    LeafData,
    /// Its key ends like a sidecar.
    UserData,
    /// Its key cannot be a path: one percent-encoded segment.
    Encoded,
    /// As `Encoded`, in the hashed form because the plain one is the sidecar of another encoded object.
    Hashed,
}

impl Name {
    /// The kind of its KEYMAP record; `None` when the path is the key.
    pub const fn keymap_kind(self) -> Option<&'static str> {
        match self {
            Name::Verbatim => None,
            Name::LeafData => Some("s3-leaf-data"),
            Name::UserData => Some("meta-suffix-rename"),
            Name::Encoded | Name::Hashed => Some("s3-encoded"),
        }
    }

    /// Appends the path of the object with this `key`, relative to the bucket's directory.
    pub fn path_into(self, key: &[u8], out: &mut Vec<u8>) {
        match self {
            Name::Encoded | Name::Hashed => out.extend_from_slice(encoded_path(self, key).as_bytes()),
            _ => {
                out.extend_from_slice(key);
                out.extend_from_slice(self.suffix().as_bytes());
            }
        }
    }

    /// The path as a new vector.
    pub fn path(self, key: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.path_into(key, &mut out);
        out
    }

    const fn suffix(self) -> &'static str {
        match self {
            Name::LeafData => LEAF_SUFFIX,
            Name::UserData => USER_SUFFIX,
            _ => "",
        }
    }
}

fn encoded_path(name: Name, key: &[u8]) -> String {
    let mut path = format!("{ENCODED_DIR}/");
    match name {
        Name::Hashed => fallback_into(key, key, &mut path),
        _ => safe_segment_into(key, MAX_LAST, &mut path),
    }
    path
}

/// `seg()` with its SHA fallback already above `limit` bytes, and never empty or a dot segment. (`segx()`: 235.)
pub fn safe_segment_into(raw: &[u8], limit: usize, out: &mut String) {
    match raw {
        b"" => return out.push('%'),
        b"." => return out.push_str("%2E"),
        b".." => return out.push_str("%2E%2E"),
        _ => {}
    }
    let start = out.len();
    if segment_into(raw, out) == NameKind::Plain && out.len() - start > limit {
        out.truncate(start);
        fallback_into(raw, raw, out);
    }
}
