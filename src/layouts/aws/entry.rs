//! References to the items that are sorted: 32 bytes for each.

use std::io;

use crate::dataset::RowRef;
use crate::run::sort::{Record, field};

/// An item for which a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Number of its table; the first key of the order.
    pub table: u32,
    /// Bytes of its value, to cut the work into even pieces.
    pub len: u32,
    /// Hash of its key: the second key of the order, which is not the order of the table. Items that are one item for AWS have the same
    /// hash.
    pub hash: u64,
    /// The reference to its row.
    pub row: RowRef,
}

impl Record for Entry {
    type Key = (u32, u64);
    const STORED: usize = 28;

    fn key(&self) -> (u32, u64) {
        (self.table, self.hash)
    }

    fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(&self.table.to_le_bytes())?;
        out.write_all(&self.len.to_le_bytes())?;
        out.write_all(&self.hash.to_le_bytes())?;
        out.write_all(&self.row.group.to_le_bytes())?;
        out.write_all(&self.row.at.to_le_bytes())
    }

    fn read(stored: &[u8]) -> Entry {
        Entry {
            table: u32::from_le_bytes(field(stored, 0)),
            len: u32::from_le_bytes(field(stored, 4)),
            hash: u64::from_le_bytes(field(stored, 8)),
            row: RowRef { group: u32::from_le_bytes(field(stored, 16)), at: u64::from_le_bytes(field(stored, 20)) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back() {
        let entry = Entry { table: 1, len: u32::MAX, hash: 1 << 60, row: RowRef { group: 7, at: u64::MAX } };
        let mut stored = Vec::new();
        entry.write(&mut stored).unwrap();
        assert_eq!((stored.len(), Entry::read(&stored)), (Entry::STORED, entry));
    }
}
