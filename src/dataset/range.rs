//! All live rows of a key range, in user-key order, merged over the inputs.
//!
//! Rows stand in the file by raw key, which is nearly but not quite the order of user keys: `a` comes after `ab`,
//! because a timestamp follows it (`container.md` §3.2). So a range is read in pieces:
//!
//! 1. From `start`, take every input's rows below a piece boundary `b`. A row whose user key is below `start`
//!    belongs to an earlier piece.
//! 2. A key below `b` whose rows stand behind `b` must be a proper prefix of `b`. Boundaries are cut short, so there
//!    are few such prefixes; each is looked up. Where `b` begins a key of the same family and input, and the survey saw
//!    no key out of order there, none is: but for keys that with part of a timestamp are `b` itself.
//! 3. Sort (a check, when rows came in order), keep the newest version of each key over all inputs, drop the dead.
//!
//! A piece is bounded in bytes, so memory stays flat whatever the range.

use std::cmp::Reverse;
use std::sync::Arc;

use super::row::Row;
use super::scan::Scan;
use super::{DataSet, Shared};
use crate::error::Result;
use crate::format::Family;

/// Bytes of one input that a piece covers, about.
const PIECE: usize = 256 << 10;
/// Bytes of a boundary kept behind what it shares with the start of the piece.
const BOUNDARY_TAIL: usize = 4;

/// Iterates live rows with `lo <= user key < hi`.
pub struct RangeIter<'s, 'a> {
    set: &'s DataSet<'a>,
    family: Family,
    /// Start of the next piece; `None` when all pieces are read.
    start: Option<Vec<u8>>,
    hi: Option<Vec<u8>>,
    scans: Vec<Scan<'a>>,
    rows: Vec<Row<'a>>,
    at: usize,
    shared: Option<Shared>,
}

impl<'s, 'a> RangeIter<'s, 'a> {
    /// Rows of `family` from `lo` up to, not including, `hi`.
    pub(super) fn new(set: &'s DataSet<'a>, family: Family, lo: Vec<u8>, hi: Option<Vec<u8>>) -> Self {
        let empty = hi.as_ref().is_some_and(|hi| *hi <= lo);
        let start = (!empty).then_some(lo);
        RangeIter { set, family, start, hi, scans: Vec::new(), rows: Vec::new(), at: 0, shared: None }
    }

    /// The next live row.
    #[inline]
    pub fn next(&mut self) -> Result<Option<Row<'a>>> {
        loop {
            if let Some(row) = self.rows.get(self.at) {
                self.at += 1;
                return Ok(Some(*row));
            }
            if self.start.is_none() {
                return Ok(None);
            }
            self.fill()?;
        }
    }

    /// Keys met so far that have rows in more than one input.
    pub fn shared(&mut self) -> Option<Shared> {
        self.shared.take()
    }

    fn fill(&mut self) -> Result<()> {
        let Some(start) = self.start.take() else { return Ok(()) };
        if self.scans.is_empty() {
            for group in self.set.groups() {
                let scan = Scan::new(group, group.seek(&start)?, self.set.view());
                // Bare keys have no prefix of their own: their range is that of all keys.
                let bare = self.family == Family::Bare;
                self.scans.push(if bare { scan.only(Arc::clone(&group.bare)) } else { scan });
            }
        }
        self.rows.clear();
        self.at = 0;
        let boundary = self.boundary(&start);
        let merge = self.set.groups().len() > 1 || !self.set.overlay.is_empty();
        for scan in &mut self.scans {
            while let Some(row) = scan.next_below(boundary.as_deref())? {
                if row.user_key >= start.as_slice() && (row.live || merge) {
                    self.rows.push(row);
                }
            }
        }
        if let Some(boundary) = &boundary {
            self.prefixes_of(&start, boundary, merge)?;
        }
        let overlay = self.set.overlay_rows(&start, boundary.as_deref());
        self.rows.extend(
            overlay.iter().filter(|row| self.family != Family::Bare || Family::of(row.user_key) == Family::Bare),
        );
        self.order(merge);
        let more = boundary != self.hi;
        self.start = boundary.filter(|_| more);
        Ok(())
    }

    /// Where the piece from `start` ends: cut from the nearest checkpoint far enough ahead, or the end of the range.
    fn boundary(&self, start: &[u8]) -> Option<Vec<u8>> {
        let ahead = self.set.groups().iter().zip(&self.scans).filter_map(|(group, scan)| {
            let positions = group.survey.checkpoints.positions();
            let next = positions.partition_point(|at| *at < scan.position().saturating_add(PIECE));
            // A cut inside a timestamp would part a key from its rows.
            let keys = positions.get(next..)?.iter().filter_map(|at| group.user_key_at(*at));
            keys.map(|key| cut(start, key)).find(|cut| cut.as_slice() > start)
        });
        let cut = ahead.min();
        match (cut, &self.hi) {
            (Some(cut), Some(hi)) => Some(cut.min(hi.clone())),
            (cut, hi) => cut.or_else(|| hi.clone()),
        }
    }

    /// Adds keys in `[start, boundary)` whose rows stand behind the boundary.
    fn prefixes_of(&mut self, start: &[u8], boundary: &[u8], merge: bool) -> Result<()> {
        // Whether the boundary begins a key of this family in the one input that there is.
        let known = self.set.groups().len() == 1 && self.hi.as_deref() != Some(boundary);
        let known = known && self.family != Family::Bare;
        for (group, scan) in self.set.groups().iter().zip(&self.scans) {
            let all = !known || group.unordered(self.family);
            for len in self.family.prefix().len()..boundary.len() {
                let (prefix, rest) = boundary.split_at(len);
                if prefix < start || !(all || group.may_be_stamp(rest)) {
                    continue;
                }
                let found = group.newest(prefix, self.set.view())?;
                // What stands before the boundary was read above.
                let behind = found.filter(|row| row.offset >= scan.position() && (row.live || merge));
                self.rows.extend(behind);
            }
        }
        Ok(())
    }

    /// Puts the piece in user-key order, the newest version of each key alone.
    fn order(&mut self, merge: bool) {
        if !self.rows.is_sorted_by(|a, b| a.user_key < b.user_key) {
            self.rows.sort_unstable_by_key(|row| (row.user_key, Reverse(row.commit_ts), row.group));
        }
        if merge {
            self.note_shared();
            self.rows.dedup_by_key(|row| row.user_key);
            self.rows.retain(|row| row.live);
        }
    }

    fn note_shared(&mut self) {
        let inputs = self.set.groups().len() as u32;
        for pair in self.rows.windows(2) {
            let [a, b] = pair else { continue };
            let both = a.user_key == b.user_key && a.group != b.group && a.group < inputs && b.group < inputs;
            if both && (a.live || b.live) {
                self.shared.get_or_insert_with(|| Shared::new(a)).count += 1;
            }
        }
    }
}

/// A boundary above `start` and not above `key`: as much of `key` as it takes to differ, and a little more.
fn cut(start: &[u8], key: &[u8]) -> Vec<u8> {
    let common = start.iter().zip(key).take_while(|(a, b)| a == b).count();
    key[..key.len().min(common + BOUNDARY_TAIL)].to_vec()
}

/// The smallest byte string above everything that begins with `prefix`; `None` when there is none.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let end = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut next = prefix[..=end].to_vec();
    if let Some(last) = next.last_mut() {
        *last += 1;
    }
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successors() {
        assert_eq!(after_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(after_prefix(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"\xff"), None);
        assert_eq!(after_prefix(b""), None);
    }

    #[test]
    fn cuts_lie_above_the_start() {
        for (start, key) in [(&b"a"[..], &b"abcdefghij"[..]), (b"user:1", b"user:2zzzzzz"), (b"", b"x")] {
            let cut = cut(start, key);
            assert!(cut.as_slice() > start && cut.as_slice() <= key);
        }
    }
}
