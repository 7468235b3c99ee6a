//! Streams of rows by user key, and their merge.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::splits::{Split, Splits};
use crate::dataset::{DataSet, KeyRange, RangeIter, Row, Shared, after_prefix};
use crate::error::Result;
use crate::format::Family;
use crate::format::redis::{ElementKey, element_key, list};

/// A row of a known user key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    /// What follows the user key in the row's key.
    pub rest: &'a [u8],
    /// The row.
    pub row: Row<'a>,
}

/// The rows of one family (and one key length) in a split, in user-key order.
pub(super) struct KeyStream<'s, 'a> {
    pub family: Family,
    rows: RangeIter<'s, 'a>,
    /// For list items: the length of their rows' keys.
    item_len: usize,
    /// The key of the next row, which is the current one of `rows`: a row is not copied until it is taken.
    head: Option<ElementKey<'a>>,
}

impl<'s, 'a> KeyStream<'s, 'a> {
    fn new(family: Family, rows: RangeIter<'s, 'a>) -> Result<Self> {
        KeyStream::with(Like { family, item_len: 0 }, rows)
    }

    /// The items of one list in its window. Items of other lists can be between them, but their keys have another length.
    pub fn of_items(key: &[u8], rows: RangeIter<'s, 'a>) -> Result<Self> {
        let item_len = Family::ListItem.prefix().len() + key.len() + size_of::<i64>();
        KeyStream::with(Like { family: Family::ListItem, item_len }, rows)
    }

    fn with(like: Like, rows: RangeIter<'s, 'a>) -> Result<Self> {
        let Like { family, item_len } = like;
        let mut stream = KeyStream { family, rows, item_len, head: None };
        stream.advance()?;
        Ok(stream)
    }

    /// What is needed to read a part of this stream's range in the same way, in any thread.
    pub fn like(&self) -> Like {
        Like { family: self.family, item_len: self.item_len }
    }

    /// If `key` continues for more than `bytes` bytes after the current piece, ends the stream with this piece, until
    /// [`go_on`](KeyStream::go_on), and returns the range of the remaining rows. For most keys this is one comparison.
    #[inline]
    pub fn cut_off(&mut self, key: &[u8], bytes: usize) -> Option<KeyRange> {
        let last = self.split(self.rows.last_at_hand()?)?;
        if last.user_key == key { self.cut_off_large(key, bytes) } else { None }
    }

    #[inline(never)]
    fn cut_off_large(&mut self, key: &[u8], bytes: usize) -> Option<KeyRange> {
        let len = (key.len() as u32).to_be_bytes();
        let len = if self.family.is_len_prefixed() { &len[..] } else { &[] };
        self.rows.cut_off(&[self.family.prefix().as_bytes(), len, key].concat(), bytes)
    }

    /// Continues after the rows that were cut off.
    pub fn go_on(&mut self, from: Vec<u8>) -> Result<()> {
        self.rows.go_on(from);
        // If a row could not be read, other rows of the piece are still there.
        if self.head.is_some() { Ok(()) } else { self.advance() }
    }

    /// Keys so far that have rows in more than one input.
    pub fn shared(&mut self) -> Option<Shared> {
        self.rows.shared()
    }

    /// Adds keys that the stream of a part has counted.
    pub fn add_shared(&mut self, more: Option<Shared>) {
        self.rows.add_shared(more);
    }

    /// The next row, if it belongs to `key`.
    #[inline]
    pub fn at(&self, key: &[u8]) -> Option<Head<'a>> {
        let head = self.head.filter(|head| head.user_key == key)?;
        Some(Head { rest: head.rest, row: *self.rows.current()? })
    }

    /// The user key of the next row.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.head.map(|head| head.user_key)
    }

    /// Skips the next row.
    #[inline]
    pub fn advance(&mut self) -> Result<()> {
        self.head = None;
        while self.head.is_none() && self.rows.advance()? {
            self.head = self.rows.current().and_then(|row| self.split(row));
        }
        Ok(())
    }

    /// Takes the next row, if it belongs to `key`.
    #[inline]
    pub fn take(&mut self, key: &[u8]) -> Result<Option<Head<'a>>> {
        let head = self.at(key);
        if head.is_some() {
            self.advance()?;
        }
        Ok(head)
    }

    /// Splits the user key off. Malformed keys are skipped here: a separate task reports each of them.
    #[inline]
    fn split(&self, row: &Row<'a>) -> Option<ElementKey<'a>> {
        let suffix = self.family.suffix(row.user_key);
        if !self.family.is_len_prefixed() {
            if self.family == Family::ListItem {
                let (user_key, rest) = suffix.split_last_chunk::<8>()?;
                return (row.user_key.len() == self.item_len).then_some(ElementKey { user_key, rest });
            }
            // Deltas have the prefix of metas: only a value with the length of a meta is a meta (`redis.md` §1.5).
            let delta = self.family == Family::ListMeta
                && row.user_key.starts_with(Family::ListDelta.prefix().as_bytes())
                && !list::is_meta_len(row.body.len());
            return (!delta).then_some(ElementKey { user_key: suffix, rest: b"" });
        }
        if self.family == Family::ListDelta && list::is_meta_len(row.body.len()) {
            return None;
        }
        element_key(suffix).ok()
    }
}

/// How the parts of a stream's range are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Like {
    family: Family,
    item_len: usize,
}

impl Like {
    /// The stream of a part.
    pub fn stream<'s, 'a>(self, set: &'s DataSet<'a>, part: &KeyRange) -> Result<KeyStream<'s, 'a>> {
        KeyStream::with(self, set.range(self.family, part.lo.clone(), part.hi.clone()))
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
        let heads = streams.iter().enumerate().filter_map(|(i, s)| Some(Reverse((s.key()?, i))));
        let heap = heads.collect();
        Ok(Merge { streams, heap, here: Vec::new() })
    }

    /// The next user key; its rows are at the head of [`Merge::here`] streams.
    pub fn next_key(&mut self) -> Option<&'a [u8]> {
        // A single stream whose next key is below those of all others need not go through the heap.
        if let [i] = self.here[..]
            && let Some(key) = self.streams[i].key()
            && self.heap.peek().is_none_or(|Reverse((top, _))| key < *top)
        {
            return Some(key);
        }
        for i in self.here.drain(..) {
            if let Some(key) = self.streams[i].key() {
                self.heap.push(Reverse((key, i)));
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
        self.streams.iter_mut().filter_map(KeyStream::shared)
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

/// The row keys of user keys of length `len` in the split; `None` if there can be none.
fn run_range(family: Family, len: u32, split: &Split) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let base = [family.prefix().as_bytes(), &len.to_be_bytes()].concat();
    let at = |bound: &[u8]| match bound.get(..len as usize) {
        // A key that is a proper prefix of the bound is below it, so the range starts at the next key.
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
