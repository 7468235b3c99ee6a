//! How two states differ: object by object, and in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::format::Adapter;
use crate::output::manifest::FindingInfo;

/// What happened to an object from A to B.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only B has it.
    Added,
    /// Only A has it.
    Removed,
    /// Both have it, and it differs.
    Changed,
}

/// An object in which A and B differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference<'a> {
    /// What happened to it.
    pub change: Change,
    /// The front end that it belongs to.
    pub adapter: Adapter,
    /// As in [`Object`](crate::objects::Object).
    pub scope: &'a str,
    /// Its kind in B, or in A if it was removed.
    pub kind: &'static str,
    /// Its kind in A, if it was there.
    pub kind_before: Option<&'static str>,
    /// Its key; for a table, bucket or queue the scope.
    pub key: &'a [u8],
    /// The value of its range attribute.
    pub range: Option<&'a [u8]>,
    /// For a changed object, what differs: `type`, `value`, `expiry`, `metadata`, `attributes`.
    pub parts: Vec<&'static str>,
    /// Its size in A.
    pub before: Option<u64>,
    /// Its size in B.
    pub after: Option<u64>,
}

/// Number of objects of a scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Only in B.
    pub added: u64,
    /// Only in A.
    pub removed: u64,
    /// In both, and different.
    pub changed: u64,
    /// In both, and equal.
    pub same: u64,
}

impl Counts {
    pub(crate) fn count(&mut self, change: Option<Change>) {
        let count = match change {
            Some(Change::Added) => &mut self.added,
            Some(Change::Removed) => &mut self.removed,
            Some(Change::Changed) => &mut self.changed,
            None => &mut self.same,
        };
        *count += 1;
    }

    pub(crate) fn add(&mut self, other: Counts) {
        let Counts { added, removed, changed, same } = other;
        self.added += added;
        self.removed += removed;
        self.changed += changed;
        self.same += same;
    }
}

/// Numbers of objects of all scopes.
#[derive(Debug, Default)]
pub struct Totals {
    /// By adapter and scope.
    pub scopes: BTreeMap<(Adapter, String), Counts>,
    /// Number of places on both sides that could not be read.
    pub skipped: u64,
    /// Warnings of the decodes of A and of B.
    pub warnings: [Vec<FindingInfo>; 2],
    /// Their notes.
    pub notes: [Vec<FindingInfo>; 2],
}

impl Totals {
    /// Whether nothing differs.
    pub fn are_equal(&self) -> bool {
        self.scopes.values().all(|counts| counts.added + counts.removed + counts.changed == 0)
    }
}
