//! References to the records that are sorted: 56 bytes for each.

use std::io;

use crate::dataset::RowRef;
use crate::model::sqs::Located;
use crate::run::sort::{Record, field};

/// Bytes of a message ID in an entry.
pub const ID_PREFIX: usize = 16;

/// A row and its place in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Number of its file; the first key of the order.
    pub file: u32,
    /// Bytes of the value, to cut the work into even parts.
    pub len: u32,
    /// Send time; the second key.
    pub time: i64,
    /// Sequence number, or position of a side record; the third key.
    pub seq: u64,
    /// First bytes of the message ID, padded with zeros; the last key.
    pub id: [u8; ID_PREFIX],
    /// The reference to its row.
    pub row: RowRef,
}

/// The sort key of entries. Messages with equal keys differ in the rest of their IDs, if at all.
pub type Key = (u32, i64, u64, [u8; ID_PREFIX]);

impl Located for Entry {
    fn row(&self) -> RowRef {
        self.row
    }

    fn len(&self) -> usize {
        self.len as usize
    }
}

impl Record for Entry {
    type Key = Key;
    const STORED: usize = 56;

    fn key(&self) -> Key {
        (self.file, self.time, self.seq, self.id)
    }

    fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(&self.file.to_le_bytes())?;
        out.write_all(&self.len.to_le_bytes())?;
        out.write_all(&self.time.to_le_bytes())?;
        out.write_all(&self.seq.to_le_bytes())?;
        out.write_all(&self.id)?;
        out.write_all(&u64::from(self.row.group).to_le_bytes())?;
        out.write_all(&self.row.at.to_le_bytes())
    }

    fn read(stored: &[u8]) -> Entry {
        Entry {
            file: u32::from_le_bytes(field(stored, 0)),
            len: u32::from_le_bytes(field(stored, 4)),
            time: i64::from_le_bytes(field(stored, 8)),
            seq: u64::from_le_bytes(field(stored, 16)),
            id: field(stored, 24),
            row: RowRef { group: u32::from_le_bytes(field(stored, 40)), at: u64::from_le_bytes(field(stored, 48)) },
        }
    }
}

/// The start of a message ID in the form of an entry.
pub fn id_prefix(id: &[u8]) -> [u8; ID_PREFIX] {
    let mut prefix = [0; ID_PREFIX];
    let len = id.len().min(ID_PREFIX);
    prefix[..len].copy_from_slice(&id[..len]);
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_small_and_come_back() {
        assert_eq!(size_of::<Entry>(), Entry::STORED);
        let row = RowRef { group: 7, at: u64::MAX };
        let entry = Entry { file: 1, len: u32::MAX, time: -2, seq: 3, id: id_prefix(b"0123456789abcdefX"), row };
        let mut stored = Vec::new();
        entry.write(&mut stored).unwrap();
        assert_eq!((stored.len(), Entry::read(&stored)), (Entry::STORED, entry));
    }
}
