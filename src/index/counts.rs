//! Counts of the index.

use std::collections::BTreeMap;

use crate::format::family::{Class, unknown_prefix};
use crate::format::{Adapter, Family, adapter};

/// Rows of one family in one input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FamilyCount {
    /// Every version.
    pub rows: u64,
    /// Versions that delete the key.
    pub tombstones: u64,
    /// Keys whose newest visible version is neither a tombstone nor expired.
    pub live: u64,
    /// Bytes of all versions, with their framing.
    pub bytes: u64,
    /// Bytes of the live versions.
    pub live_bytes: u64,
    /// Whether some key arrives after a longer key that it is a prefix of, so that rows are not in key order.
    pub unordered: bool,
}

/// Counts of all families.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    families: Vec<FamilyCount>,
    /// Raw rows of the store itself.
    pub operational: u64,
    /// Live unknown rows by prefix.
    pub unknown: BTreeMap<Vec<u8>, Unknown>,
}

/// Unknown rows that share a prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Their number.
    pub rows: u64,
    /// The first of them.
    pub example: Vec<u8>,
    /// Its position.
    pub offset: u64,
}

/// Maximum number of prefixes counted separately; a hostile file must not fill memory with them.
pub(super) const MOST_PREFIXES: usize = 64;

impl Counts {
    /// Nothing counted yet.
    pub fn new() -> Counts {
        Counts { families: vec![FamilyCount::default(); Family::ALL.len()], ..Counts::default() }
    }

    /// The count of a family.
    #[inline]
    pub fn family_mut(&mut self, family: Family) -> &mut FamilyCount {
        &mut self.families[family as usize]
    }

    /// The count of a family.
    pub fn family(&self, family: Family) -> FamilyCount {
        self.families[family as usize]
    }

    /// Every family with rows.
    pub fn families(&self) -> impl Iterator<Item = (Family, FamilyCount)> + '_ {
        Family::ALL.iter().map(|f| (*f, self.family(*f))).filter(|(_, c)| c.rows > 0)
    }

    /// Counts a live unknown row.
    pub fn note_unknown(&mut self, user_key: &[u8], offset: usize) {
        let entry = self.unknown_by(unknown_prefix(user_key).unwrap_or(user_key));
        if entry.rows == 0 {
            *entry = Unknown { rows: 0, example: user_key.to_vec(), offset: offset as u64 };
        }
        entry.rows += 1;
    }

    /// Adds the counts of another input.
    pub fn add(&mut self, other: &Counts) {
        for (mine, theirs) in self.families.iter_mut().zip(&other.families) {
            mine.rows += theirs.rows;
            mine.tombstones += theirs.tombstones;
            mine.live += theirs.live;
            mine.bytes += theirs.bytes;
            mine.live_bytes += theirs.live_bytes;
            mine.unordered |= theirs.unordered;
        }
        self.operational += other.operational;
        for (prefix, unknown) in &other.unknown {
            let entry = self.unknown.entry(prefix.clone()).or_insert_with(|| Unknown { rows: 0, ..unknown.clone() });
            entry.rows += unknown.rows;
        }
    }

    /// Adds the counts of the next part of the same input.
    pub fn append(&mut self, mut next: Counts) {
        for (prefix, unknown) in std::mem::take(&mut next.unknown) {
            let mine = self.unknown_by(&prefix);
            if mine.rows == 0 || unknown.offset < mine.offset {
                (mine.example, mine.offset) = (unknown.example, unknown.offset);
            }
            mine.rows += unknown.rows;
        }
        self.add(&next);
    }

    fn unknown_by(&mut self, prefix: &[u8]) -> &mut Unknown {
        let room = self.unknown.len() < MOST_PREFIXES || self.unknown.contains_key(prefix);
        self.unknown.entry(if room { prefix } else { b"(other)" }.to_vec()).or_default()
    }

    /// The public decoder's counters: rows of each adapter, tombstones, internal, unknown.
    pub fn summary(&self) -> Summary {
        let mut sum = Summary { operational: self.operational, ..Summary::default() };
        for (family, count) in self.families() {
            let data = count.rows - count.tombstones;
            sum.entries += count.rows;
            sum.tombstones += count.tombstones;
            sum.live += count.live;
            match family.class() {
                Class::Adapter(adapter) => sum.adapters[usize::from(adapter.id())] += data,
                Class::Internal => sum.internal += data,
                Class::Unknown => sum.unknown += data,
            }
        }
        sum
    }
}

/// The public decoder's counters. Every MVCC row is counted once: `entries` is the sum of all but `live` and `operational`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// All MVCC rows.
    pub entries: u64,
    adapters: [u64; adapter::MOST],
    /// Rows that delete a key.
    pub tombstones: u64,
    /// Bookkeeping rows.
    pub internal: u64,
    /// Rows that no family owns.
    pub unknown: u64,
    /// Keys that can be read.
    pub live: u64,
    /// Raw rows of the store.
    pub operational: u64,
}

impl Summary {
    /// Rows of an adapter, without tombstones.
    pub fn adapter(&self, adapter: Adapter) -> u64 {
        self.adapters[usize::from(adapter.id())]
    }
}
