//! Reading a row again: a sorter stores the positions of rows, not the rows.

use super::row::Row;
use super::scan::{Scan, changed};
use super::{DataSet, Group};
use crate::error::Result;

const CACHE_LINE: usize = 64;

/// The position of a row of a [`DataSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRef {
    /// Number of the input. Values of applied intents have numbers after those of the inputs.
    pub group: u32,
    /// Position in the file; for an applied intent, its number.
    pub at: u64,
}

impl<'a> DataSet<'a> {
    /// The position of a row that this data set returned.
    pub fn place_of(&self, row: &Row<'_>) -> RowRef {
        let place = |at: usize| RowRef { group: row.group, at: at as u64 };
        if self.input(row.group).is_some() {
            return place(row.offset);
        }
        let from = self.overlay.partition_point(|other| other.user_key < row.user_key);
        let same = |other: &Row<'_>| other.offset == row.offset && other.group == row.group;
        place(from + self.overlay[from..].iter().position(same).unwrap_or(0))
    }

    /// The row at a position that [`place_of`](DataSet::place_of) returned.
    ///
    /// # Errors
    /// The input has changed.
    pub fn row_at(&self, place: RowRef) -> Result<Row<'a>> {
        let at = place.at as usize;
        let row = match self.input(place.group) {
            Some(group) => Scan::new(group, at, self.view).next_below(None)?.filter(|row| row.offset == at),
            None => self.overlay.get(at).copied(),
        };
        row.ok_or_else(changed)
    }

    /// Loads rows into the caches. Rows in random order would wait for memory one by one, but many loads can wait at
    /// once. `rows`: positions of rows, and about how many bytes they have.
    pub fn warm(&self, rows: impl Iterator<Item = (RowRef, usize)>) {
        let mut seen = 0;
        for (place, bytes) in rows {
            let Some(group) = self.input(place.group) else { continue };
            let behind = group.file().get(place.at as usize..).unwrap_or_default();
            let bytes = behind.get(..bytes).unwrap_or(behind);
            seen = bytes.iter().step_by(CACHE_LINE).fold(seen, |seen, byte| seen ^ byte);
        }
        std::hint::black_box(seen);
    }

    fn input(&self, group: u32) -> Option<&Group<'a>> {
        self.groups.get(group as usize)
    }
}
