//! Streams of rows by user key, and their merge.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::splits::{Split, Splits};
use crate::dataset::{DataSet, RangeIter, Row, Shared, after_prefix};
use crate::error::Result;
use crate::format::Family;
use crate::format::redis::{element_key, list};

/// A row with its user key split off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    /// The Redis user key.
    pub key: &'a [u8],
    /// What follows it in the row's key.
    pub rest: &'a [u8],
    /// The row.
    pub row: Row<'a>,
}

/// The rows of one family (and one key length) in a split, in user-key order.
pub(super) struct KeyStream<'s, 'a> {
    pub family: Family,
    rows: RangeIter<'s, 'a>,
    head: Option<Head<'a>>,
}

impl<'s, 'a> KeyStream<'s, 'a> {
    fn new(family: Family, rows: RangeIter<'s, 'a>) -> Result<Self> {
        let mut stream = KeyStream { family, rows, head: None };
        stream.advance()?;
        Ok(stream)
    }

    /// The row that comes next, if it belongs to `key`.
    #[inline]
    pub fn at(&self, key: &[u8]) -> Option<Head<'a>> {
        self.head.filter(|head| head.key == key)
    }

    /// Steps over the row that comes next.
    #[inline]
    pub fn advance(&mut self) -> Result<()> {
        self.head = None;
        while let Some(row) = self.rows.next()? {
            self.head = self.split(row);
            if self.head.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Takes the row that comes next, if it belongs to `key`.
    #[inline]
    pub fn take(&mut self, key: &[u8]) -> Result<Option<Head<'a>>> {
        let head = self.at(key);
        if head.is_some() {
            self.advance()?;
        }
        Ok(head)
    }

    /// Splits the user key off. Malformed keys are passed over here: a job of its own reports every one of them.
    #[inline]
    fn split(&self, row: Row<'a>) -> Option<Head<'a>> {
        let suffix = self.family.suffix(row.user_key);
        if !self.family.is_len_prefixed() {
            // Deltas share the prefix of metas: only a value of a meta's length makes one (`redis.md` §1.5).
            let delta = self.family == Family::ListMeta
                && row.user_key.starts_with(Family::ListDelta.prefix().as_bytes())
                && !list::is_meta_len(row.body.len());
            return (!delta).then_some(Head { key: suffix, rest: b"", row });
        }
        if self.family == Family::ListDelta && list::is_meta_len(row.body.len()) {
            return None;
        }
        let split = element_key(suffix).ok()?;
        Some(Head { key: split.user_key, rest: split.rest, row })
    }
}

/// Merges the streams of a split by user key.
pub(super) struct Merge<'s, 'a> {
    streams: Vec<KeyStream<'s, 'a>>,
    heap: BinaryHeap<Reverse<(&'a [u8], usize)>>,
    here: Vec<usize>,
}

impl<'s, 'a> Merge<'s, 'a> {
    pub fn new(set: &'s DataSet<'a>, splits: &Splits, split: &Split) -> Result<Self> {
        let mut streams = Vec::new();
        for family in &splits.simple {
            let (lo, hi) = simple_range(*family, split);
            streams.push(KeyStream::new(*family, set.range(*family, lo, hi))?);
        }
        for (family, len) in &splits.runs {
            if let Some((lo, hi)) = run_range(*family, *len, split) {
                streams.push(KeyStream::new(*family, set.range(*family, lo, hi))?);
            }
        }
        let heads = streams.iter().enumerate().filter_map(|(i, s)| Some(Reverse((s.head?.key, i))));
        let heap = heads.collect();
        Ok(Merge { streams, heap, here: Vec::new() })
    }

    /// The next user key; its rows are at the head of [`Merge::here`] streams.
    pub fn next_key(&mut self) -> Option<&'a [u8]> {
        // A stream that is alone below all others goes on without a turn in the heap.
        if let [i] = self.here[..]
            && let Some(head) = self.streams[i].head
            && self.heap.peek().is_none_or(|Reverse((top, _))| head.key < *top)
        {
            return Some(head.key);
        }
        for i in self.here.drain(..) {
            if let Some(head) = self.streams[i].head {
                self.heap.push(Reverse((head.key, i)));
            }
        }
        let Reverse((key, _)) = *self.heap.peek()?;
        while let Some(Reverse((same, i))) = self.heap.peek()
            && *same == key
        {
            self.here.push(*i);
            self.heap.pop();
        }
        Some(key)
    }

    /// How many streams have rows of the current key.
    pub fn here(&self) -> usize {
        self.here.len()
    }

    /// One of the streams that have rows of the current key.
    pub fn at(&self, n: usize) -> usize {
        self.here[n]
    }

    pub fn stream(&mut self, i: usize) -> &mut KeyStream<'s, 'a> {
        &mut self.streams[i]
    }

    /// Keys that have rows in more than one input.
    pub fn shared(&mut self) -> impl Iterator<Item = Shared> {
        self.streams.iter_mut().filter_map(|s| s.rows.shared())
    }
}

fn simple_range(family: Family, split: &Split) -> (Vec<u8>, Option<Vec<u8>>) {
    let prefix = family.prefix().as_bytes();
    let hi = match &split.hi {
        Some(hi) => Some([prefix, hi].concat()),
        None => after_prefix(prefix),
    };
    ([prefix, &split.lo].concat(), hi)
}

/// Row keys of the user keys of length `len` in the split; `None` when there can be none.
fn run_range(family: Family, len: u32, split: &Split) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let base = [family.prefix().as_bytes(), &len.to_be_bytes()].concat();
    let at = |bound: &[u8]| match bound.get(..len as usize) {
        // A key shorter than the bound is below it when it is its prefix: the next one counts.
        Some(cut) if bound.len() > len as usize => after_prefix(&[&base, cut].concat()),
        _ => Some([&base, bound].concat()),
    };
    let lo = at(&split.lo)?;
    let hi = match &split.hi {
        Some(hi) => at(hi),
        None => after_prefix(&base),
    };
    (hi.as_ref() != Some(&lo)).then_some((lo, hi))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_short_keys() {
        let split = Split { lo: b"abc".to_vec(), hi: Some(b"abd".to_vec()) };
        // Keys of two bytes: "ab" is below both bounds, "ac" above both.
        assert_eq!(run_range(Family::HashMeta, 2, &split), None);
        let (lo, hi) = run_range(Family::HashMeta, 3, &split).unwrap();
        assert!(lo.ends_with(b"abc") && hi.unwrap().ends_with(b"abd"));
        let split = Split { lo: Vec::new(), hi: Some(b"abd".to_vec()) };
        let (lo, hi) = run_range(Family::HashMeta, 2, &split).unwrap();
        assert!(lo.ends_with(b"\0\0\0\x02") && hi.unwrap().ends_with(b"ac"));
    }
}
