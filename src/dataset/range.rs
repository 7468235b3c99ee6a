//! All live rows of a key range, in user-key order, merged over the inputs.
//!
//! Rows are in the file in the order of raw keys, which is nearly but not quite the order of user keys: `a` comes after
//! `ab`, because a timestamp follows it (`container.md` §3.2). So a range is read in pieces:
//!
//! 1. From `start`, take every input's rows below a piece boundary `b`. A row whose user key is below `start`
//!    belongs to an earlier piece.
//! 2. A key below `b` whose rows come after `b` must be a proper prefix of `b`. Boundaries are cut short, so there
//!    are few such prefixes; each is looked up. No look-up is needed if `b` was cut from a user key of the same input and
//!    the index saw no key of the family out of order there: then a prefix of `b` can come after it only if `b`
//!    continues like a timestamp.
//! 3. Sort (only a check, if rows came in order), keep the newest version of each key over all inputs, drop dead rows.
//!
//! A piece is bounded in bytes, so memory does not grow with the range.

use std::cmp::Reverse;
use std::sync::Arc;

use super::row::Row;
use super::scan::Scan;
use super::{DataSet, KeyRange, Shared, View};
use crate::error::Result;
use crate::format::Family;
use crate::format::redis::key::user_key_len;

/// Bytes of a boundary that are kept beyond what it shares with the start of the piece.
const BOUNDARY_TAIL: usize = 4;
/// Longest boundary: a long one would have many prefixes to look up. If keys share more than this, the piece gets
/// longer; their rows are so long that even a long piece holds few of them.
const MOST_BOUNDARY: usize = 1024;

/// Iterates live rows with `lo <= user key < hi`.
pub struct RangeIter<'s, 'a> {
    set: &'s DataSet<'a>,
    family: Family,
    view: View,
    /// Start of the next piece; `None` when all pieces are read.
    start: Option<Vec<u8>>,
    hi: Option<Vec<u8>>,
    scans: Vec<Scan<'a>>,
    rows: Vec<Row<'a>>,
    /// Index of the row after the current one.
    next: usize,
    shared: Option<Shared>,
    alone: Option<Alone>,
    prefixes_of_end: bool,
}

/// Live keys that are only in a group of staged rows.
struct Alone {
    group: u32,
    count: u64,
    example: Option<Vec<u8>>,
}

/// Where a piece ends, and the input that its key was cut from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Boundary {
    key: Vec<u8>,
    cut_from: Option<usize>,
}

impl<'s, 'a> RangeIter<'s, 'a> {
    /// Rows of `family` from `lo` up to `hi`, without `hi`.
    pub(super) fn new(set: &'s DataSet<'a>, family: Family, lo: Vec<u8>, hi: Option<Vec<u8>>) -> Self {
        let empty = hi.as_ref().is_some_and(|hi| *hi <= lo);
        let start = (!empty).then_some(lo);
        let (scans, rows) = (Vec::new(), Vec::new());
        let view = set.view();
        RangeIter {
            set,
            family,
            view,
            start,
            hi,
            scans,
            rows,
            next: 0,
            shared: None,
            alone: None,
            prefixes_of_end: true,
        }
    }

    /// Counts the live keys of a group of staged rows that have no row in any input.
    #[must_use]
    pub(super) fn noting_alone(mut self, group: u32) -> Self {
        self.alone = Some(Alone { group, count: 0, example: None });
        self
    }

    /// The number of these keys, and the first one.
    pub(super) fn alone(self) -> (u64, Option<Vec<u8>>) {
        self.alone.map_or((0, None), |alone| (alone.count, alone.example))
    }

    /// Ignores `--as-of`: for node-local rows, whose timestamps mean nothing.
    #[must_use]
    pub fn of_any_time(mut self) -> Self {
        self.view = self.view.of_any_time();
        self
    }

    /// The caller does not need keys that are a proper prefix of the range's end, so they are not looked up.
    #[must_use]
    pub fn without_prefixes_of_end(mut self) -> Self {
        self.prefixes_of_end = false;
        self
    }

    /// The next live row.
    #[inline]
    pub fn next(&mut self) -> Result<Option<Row<'a>>> {
        Ok(if self.advance()? { self.current().copied() } else { None })
    }

    /// Goes to the next live row; `false`: there is none.
    #[inline]
    pub fn advance(&mut self) -> Result<bool> {
        while self.next >= self.rows.len() {
            if self.start.is_none() {
                return Ok(false);
            }
            self.fill()?;
        }
        self.next += 1;
        Ok(true)
    }

    /// The row that [`advance`](RangeIter::advance) went to.
    #[inline]
    pub fn current(&self) -> Option<&Row<'a>> {
        self.rows.get(self.next.wrapping_sub(1))
    }

    /// Keys so far that have rows in more than one input.
    pub fn shared(&mut self) -> Option<Shared> {
        self.shared.take()
    }

    /// Adds keys that another reader of a part of the range has counted.
    pub fn add_shared(&mut self, more: Option<Shared>) {
        match (&mut self.shared, more) {
            (Some(shared), Some(more)) => shared.count += more.count,
            (none, more) => *none = none.take().or(more),
        }
    }

    /// The last row of the current piece, if the range continues after it.
    #[inline]
    pub fn last_at_hand(&self) -> Option<&Row<'a>> {
        self.start.as_ref().and(self.rows.last())
    }

    /// If keys with `prefix` continue for more than `bytes` bytes of an input, ends the range with the rows of the
    /// current piece, until [`go_on`](RangeIter::go_on), and returns the range of the remaining keys.
    pub fn cut_off(&mut self, prefix: &[u8], bytes: usize) -> Option<KeyRange> {
        let goes_on = self.set.groups().iter().zip(&self.scans).any(|(group, scan)| {
            let positions = group.index.checkpoints.positions();
            let ahead = positions.partition_point(|at| *at < scan.position().saturating_add(bytes));
            let key = positions.get(ahead).and_then(|at| group.user_key_at(*at));
            key.is_some_and(|key| key.starts_with(prefix))
        });
        let end = after_prefix(prefix);
        let hi = match (&self.hi, end) {
            (Some(hi), Some(end)) => Some(end.min(hi.clone())),
            (hi, end) => end.or_else(|| hi.clone()),
        };
        let is_inside = |lo: &mut Vec<u8>| goes_on && hi.as_ref().is_none_or(|hi| *lo < *hi);
        let lo = self.start.take_if(is_inside)?;
        Some(KeyRange { lo, hi })
    }

    /// Continues at `from` after the rows of the current piece.
    pub fn go_on(&mut self, from: Vec<u8>) {
        self.scans.clear();
        self.start = self.hi.as_ref().is_none_or(|hi| from < *hi).then_some(from);
    }

    fn fill(&mut self) -> Result<()> {
        let Some(start) = self.start.take() else { return Ok(()) };
        if self.scans.is_empty() {
            for group in self.set.groups() {
                let scan = Scan::new(group, group.seek(&start)?, self.view);
                // Bare keys have no prefix of their own: their range contains all keys.
                let bare = self.family == Family::Bare;
                self.scans.push(if bare { scan.only(Arc::clone(&group.bare)) } else { scan });
            }
        }
        self.rows.clear();
        self.next = 0;
        let boundary = self.boundary(&start);
        let end = boundary.as_ref().map(|b| b.key.as_slice());
        let merge = self.set.is_merged();
        for (scan, group) in self.scans.iter_mut().zip(self.set.groups()) {
            let sure = end.map_or(usize::MAX, |end| group.sure_below(end, scan.position()));
            let rows = &mut self.rows;
            scan.each_below(end, sure, |row| {
                // A row at or after the start can have a smaller user key only if the key is a prefix of the start.
                let inside = row.user_key.len() >= start.len() || row.user_key >= start.as_slice();
                if inside && (row.live || merge) {
                    rows.push(row);
                }
            })?;
        }
        let in_order = self.rows.len();
        let overlay = self.set.overlay_rows(&start, end).iter();
        let bare = self.family == Family::Bare;
        self.rows.extend(overlay.filter(|row| !bare || Family::of(row.user_key) == Family::Bare));
        if let Some(boundary) = &boundary {
            self.prefixes_of(&start, boundary, merge)?;
        }
        let came_in_order = self.rows.len() == in_order && !merge && self.comes_in_order();
        if !came_in_order {
            self.order(merge);
        }
        if self.set.has_missing_keys() {
            self.leave_out_sealed()?;
        }
        let boundary = boundary.map(|b| b.key);
        let more = boundary != self.hi;
        self.start = boundary.filter(|_| more);
        Ok(())
    }

    /// Where the piece from `start` ends: at a key cut from the nearest checkpoint that is far enough ahead, or at the end of the range.
    fn boundary(&self, start: &[u8]) -> Option<Boundary> {
        let piece = self.set.granularity().read_size;
        let ahead = self.set.groups().iter().zip(&self.scans).enumerate().filter_map(|(i, (group, scan))| {
            let positions = group.index.checkpoints.positions();
            let next = positions.partition_point(|at| *at < scan.position().saturating_add(piece));
            let keys = positions.get(next..)?.iter().filter_map(|at| group.user_key_at(*at));
            let mut inside = keys.take_while(|key| self.hi.as_deref().is_none_or(|hi| *key < hi));
            inside.find_map(|user_key| {
                let key = cut(start, user_key);
                let own = Family::of(user_key) == self.family;
                let good = key.as_slice() > start && key.len() <= MOST_BOUNDARY;
                good.then_some(Boundary { key, cut_from: own.then_some(i) })
            })
        });
        let cut = ahead.min();
        match (cut, &self.hi) {
            (Some(cut), Some(hi)) if cut.key >= *hi => Some(Boundary { key: hi.clone(), cut_from: None }),
            (None, Some(hi)) => Some(Boundary { key: hi.clone(), cut_from: None }),
            (cut, _) => cut,
        }
    }

    /// Adds keys in `[start, boundary)` whose rows come after the boundary.
    fn prefixes_of(&mut self, start: &[u8], boundary: &Boundary, merge: bool) -> Result<()> {
        let at_end = Some(&boundary.key) == self.hi.as_ref();
        if at_end && !self.prefixes_of_end {
            return Ok(());
        }
        // A shorter prefix of the boundary is also a proper prefix of the start, so it is below the start.
        let common = common_prefix(start, &boundary.key);
        let first = if common == start.len() { common } else { common + 1 };
        for (i, (group, scan)) in self.set.groups().iter().zip(&self.scans).enumerate() {
            let in_order = boundary.cut_from == Some(i) && !group.unordered(self.family);
            for (len, next) in boundary.key.iter().enumerate().skip(first) {
                let prefix = &boundary.key[..len];
                let none = in_order && *next < group.first_byte_of_timestamps();
                if none || (at_end && self.is_cut_short(prefix)) {
                    continue;
                }
                let found = group.newest(prefix, self.view)?;
                // Rows before the boundary were read above.
                let behind = found.filter(|row| row.offset >= scan.position() && (row.live || merge));
                self.rows.extend(behind.filter(|row| self.is_own(row.user_key)));
            }
        }
        Ok(())
    }

    /// Whether a key belongs to the family. The meta of a list named `d|…` has the prefix of a delta.
    fn is_own(&self, user_key: &[u8]) -> bool {
        let family = Family::of(user_key);
        family == self.family || (family == Family::ListDelta && self.family == Family::ListMeta)
    }

    /// Whether `prefix` is not a key of the family, because it ends inside the user key whose length it states. (Only
    /// at the end of a range: whole families are also walked to find malformed keys.)
    fn is_cut_short(&self, prefix: &[u8]) -> bool {
        self.family.is_len_prefixed() && user_key_len(self.family.suffix(prefix)).is_none()
    }

    /// Whether the index saw that rows of the range come in user-key order. Families without a prefix, or with a prefix
    /// that another one shares, cannot know it.
    fn comes_in_order(&self) -> bool {
        let alone = !matches!(self.family, Family::Bare | Family::ListMeta | Family::ListDelta);
        alone && self.set.groups().iter().all(|group| !group.unordered(self.family))
    }

    /// Puts the piece in user-key order and keeps only the newest version of each key.
    fn order(&mut self, merge: bool) {
        if !self.rows.is_sorted_by(|a, b| a.user_key < b.user_key) {
            self.rows.sort_unstable_by_key(|row| (row.user_key, Reverse(row.commit_ts), row.group));
        }
        if merge {
            self.note_shared();
            self.note_alone();
            self.rows.dedup_by_key(|row| row.user_key);
            self.rows.retain(|row| row.live);
        }
    }

    /// Leaves out rows whose encryption keys are missing, if damage is skipped.
    #[cold]
    fn leave_out_sealed(&mut self) -> Result<()> {
        for row in self.rows.iter().filter(|row| row.sealed && row.live) {
            self.set.skip(self.set.missing_key(row))?;
        }
        self.rows.retain(|row| !row.sealed);
        Ok(())
    }

    fn note_alone(&mut self) {
        let Some(alone) = &mut self.alone else { return };
        for versions in self.rows.chunk_by(|a, b| a.user_key == b.user_key) {
            let [newest, ..] = versions else { continue };
            let copied = newest.live && newest.group == alone.group && Family::of(newest.user_key) == self.family;
            if copied && versions.iter().all(|row| self.set.is_staged(row.group)) {
                alone.count += 1;
                alone.example.get_or_insert_with(|| newest.user_key.to_vec());
            }
        }
    }

    fn note_shared(&mut self) {
        let stands_in_an_input = |row: &Row<'_>| (row.group as usize) < self.set.groups().len();
        for pair in self.rows.windows(2) {
            let [a, b] = pair else { continue };
            let same_key = a.user_key == b.user_key && a.group != b.group;
            // Applied intents and staged copies do not count.
            let stored = same_key && ![a, b].into_iter().any(|row| self.set.is_staged(row.group));
            let both = stored && stands_in_an_input(a) && stands_in_an_input(b);
            if both && (a.live || b.live) {
                self.shared.get_or_insert_with(|| Shared::new(a)).count += 1;
            }
        }
    }
}

/// A boundary above `start` and not above `key`: enough bytes of `key` to differ, and a few more.
pub(super) fn cut(start: &[u8], key: &[u8]) -> Vec<u8> {
    key[..key.len().min(common_prefix(start, key) + BOUNDARY_TAIL)].to_vec()
}

/// Length of the common prefix.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The smallest byte string above everything with this `prefix`; `None` if there is none.
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
