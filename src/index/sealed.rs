//! Encrypted rows by the keys that they need.

use std::collections::BTreeMap;

use crate::error::Brief;
use crate::format::Family;
use crate::format::envelope::Sealed;

/// Maximum number of keys that are counted one by one; no store has that many, but every row of a hostile file can name another one.
const MOST_KEYS: usize = 1 << 10;

/// Rows of one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OfKey {
    /// Every version.
    pub rows: u64,
    /// Keys whose newest visible version is one of them.
    pub live: u64,
}

impl OfKey {
    fn add(&mut self, other: OfKey) {
        self.rows += other.rows;
        self.live += other.live;
    }
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
    /// Of the smallest key ids.
    by_key: BTreeMap<u32, OfKey>,
    /// Of all other key ids. The parts of a file may be counted in any way: the smallest ids are always the same.
    others: OfKey,
    /// The first visible row whose key is missing.
    pub unopened: Option<Unopened>,
}

impl SealedRows {
    /// Counts a row.
    pub(super) fn add(&mut self, key_id: u32, live: bool) {
        self.count(key_id, OfKey { rows: 1, live: live.into() });
    }

    fn count(&mut self, key_id: u32, of_key: OfKey) {
        self.by_key.entry(key_id).or_default().add(of_key);
        if self.by_key.len() > MOST_KEYS
            && let Some((_, largest)) = self.by_key.pop_last()
        {
            self.others.add(largest);
        }
    }

    /// Adds those of another part, or another input.
    pub fn append(&mut self, other: &SealedRows) {
        other.keys().for_each(|(key_id, of_key)| self.count(key_id, of_key));
        self.others.add(other.others);
        if self.unopened.is_none() {
            self.unopened.clone_from(&other.unopened);
        }
    }

    /// Rows of key ids that [`keys`](Self::keys) leaves out, because there are too many.
    pub fn others(&self) -> Option<OfKey> {
        (self.others.rows > 0).then_some(self.others)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows with many keys are counted in little memory, and in the same way however they are parted.
    #[test]
    fn more_keys_than_any_store_has() {
        let ids: Vec<u32> = (0..3000u32).map(|n| n.wrapping_mul(0x9e37_79b9)).flat_map(|id| [id, id]).collect();
        let counted = |ids: &[u32]| {
            let mut rows = SealedRows::default();
            ids.iter().for_each(|id| rows.add(*id, id % 2 == 0));
            rows
        };
        let whole = counted(&ids);
        assert_eq!(
            (whole.keys().count(), whole.others().map(|others| others.rows)),
            (MOST_KEYS, Some(2 * (3000 - 1024)))
        );
        for cut in [1, 2, 1000, 5999] {
            let mut parts = counted(&ids[..cut]);
            parts.append(&counted(&ids[cut..]));
            assert_eq!(parts, whole, "{cut}");
        }
        assert_eq!(counted(&ids[..20]).others(), None);
    }
}
