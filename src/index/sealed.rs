//! Encrypted rows by the keys that they need.

use std::collections::BTreeMap;

use crate::error::Brief;
use crate::format::Family;
use crate::format::envelope::Sealed;

/// Rows of one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OfKey {
    /// Every version.
    pub rows: u64,
    /// Keys whose newest visible version is one of them.
    pub live: u64,
}

/// A visible row whose key is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unopened {
    /// Its position.
    pub offset: usize,
    /// Version and key of its envelope.
    pub sealed: Sealed,
    /// Its family.
    pub family: Family,
    /// Its user key.
    pub key: Brief,
}

/// Encrypted rows, whether they were decrypted or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SealedRows {
    by_key: BTreeMap<u32, OfKey>,
    /// The first visible row whose key is missing.
    pub unopened: Option<Unopened>,
}

impl SealedRows {
    /// Counts a row.
    pub(super) fn add(&mut self, key_id: u32, live: bool) {
        let of_key = self.by_key.entry(key_id).or_default();
        of_key.rows += 1;
        of_key.live += u64::from(live);
    }

    /// Adds those of another part, or another input.
    pub fn append(&mut self, other: &SealedRows) {
        for (key_id, other) in &other.by_key {
            let of_key = self.by_key.entry(*key_id).or_default();
            of_key.rows += other.rows;
            of_key.live += other.live;
        }
        if self.unopened.is_none() {
            self.unopened.clone_from(&other.unopened);
        }
    }

    /// By key id.
    pub fn keys(&self) -> impl Iterator<Item = (u32, OfKey)> {
        self.by_key.iter().map(|(key_id, of_key)| (*key_id, *of_key))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}
