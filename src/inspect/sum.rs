//! Objects and bytes, added up.

use serde::Serialize;

/// Objects and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Sum {
    pub(super) fn add(&mut self, bytes: u64) {
        self.merge(Sum { objects: 1, bytes });
    }

    pub(super) fn merge(&mut self, other: Sum) {
        self.objects += other.objects;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}
