//! Cuts the objects into splits of about equal bytes.
//!
//! The keys of every family of objects have the same form after the prefix: bucket, generation, object. So one range of
//! such suffixes is a range in all of them, and a split has all rows of its objects.
//!
//! Mutual dependency with `merge`: the families that the merge reads determine where a split may be cut.

use std::ops::Range;

use super::buckets::Buckets;
use super::merge::FAMILIES;
use super::rows::parse;
use crate::dataset::{DataSet, Group, KeyRange, RangeIter, after_prefix};
use crate::error::Result;
use crate::format::Family;
use crate::format::s3::ObjectKey;
use crate::format::s3::key::{escape_into, object_len};
use crate::model::s3::Standing;

/// Approximate bytes of one input in a split; a larger object is a split of its own.
const SPLIT: usize = 4 << 20;
/// Bytes of a cut that are kept beyond what its object shares with the previous one.
const CUT_TAIL: usize = 4;
/// Longest cut.
const MOST_CUT: usize = 1024;

/// A range of objects. Plain data: any process that has the same inputs can use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The part of their keys after the prefixes of the families.
    suffixes: KeyRange,
}

impl Split {
    /// A split of one object, by the common part of its keys.
    pub(super) fn one(object: &[u8]) -> Split {
        Split { suffixes: KeyRange::below(object) }
    }

    /// The rows of one family in the split.
    pub(super) fn rows<'s, 'a>(&self, set: &'s DataSet<'a>, family: Family) -> RangeIter<'s, 'a> {
        let KeyRange { lo, hi } = &self.suffixes;
        let prefix = family.prefix().as_bytes();
        let lo = [prefix, lo].concat();
        let hi = hi.as_ref().map_or_else(|| after_prefix(prefix), |hi| Some([prefix, hi].concat()));
        set.range(family, lo, hi)
    }
}

/// Gives the keys of all live objects of a split, in the order in which they are read.
///
/// # Errors
/// The first manifest with a malformed key, unless damage is skipped.
pub fn live_keys<'a>(
    set: &DataSet<'a>,
    buckets: &Buckets<'_>,
    split: &Split,
    mut each: impl FnMut(ObjectKey<'a>),
) -> Result<()> {
    let family = Family::S3Object;
    let mut rows = split.rows(set, family);
    while let Some(row) = rows.next()? {
        match parse(set, family, &row, ObjectKey::parse(family.suffix(row.user_key))) {
            Ok(key) if buckets.standing(&key) == Standing::Live => each(key),
            Ok(_) => {}
            Err(error) => set.skip(error)?,
        }
    }
    Ok(())
}

/// The splits that can have objects of a bucket.
pub fn of_bucket(splits: &[Split], bucket: &[u8]) -> Range<usize> {
    let mut prefix = Vec::new();
    escape_into(bucket, &mut prefix);
    let KeyRange { lo, hi } = KeyRange::below(&prefix);
    let start = splits.partition_point(|split| split.suffixes.lo <= lo);
    let end = hi.map_or(splits.len(), |hi| splits.partition_point(|split| split.suffixes.lo < hi));
    start.saturating_sub(1)..end
}

/// All splits, in order; together they cover every key. They do not depend on the number of threads.
pub fn splits(set: &DataSet<'_>) -> Vec<Split> {
    let bytes = SPLIT.min(set.granularity().task_size);
    let mut objects: Vec<&[u8]> = set.groups().iter().flat_map(|group| objects_of(group, bytes)).collect();
    objects.sort_unstable();
    let cuts = short_cuts(&objects);
    let los = std::iter::once(Vec::new()).chain(cuts.iter().cloned());
    let his = cuts.iter().cloned().map(Some).chain(std::iter::once(None));
    los.zip(his).map(|(lo, hi)| Split { suffixes: KeyRange { lo, hi } }).collect()
}

/// A cut before each of some objects, in order. Cuts are as short as possible, because a range ends with a look-up of
/// every prefix of its end that could be a key. No object is cut in two: no object is a prefix of another, so all rows
/// of an object are on one side of any part of another one. An object that only a long cut would separate from the
/// previous one stays in its split.
fn short_cuts(objects: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut before: &[u8] = b"";
    let mut cuts = Vec::new();
    for object in objects {
        let common = before.iter().zip(*object).take_while(|(a, b)| a == b).count();
        let cut = &object[..object.len().min(common + CUT_TAIL)];
        if cut > before && cut.len() <= MOST_CUT {
            cuts.push(cut.to_vec());
        }
        before = object;
    }
    cuts
}

/// The common part of the keys of an object, for the first object after every `bytes` bytes of one input.
fn objects_of<'g>(group: &'g Group<'_>, bytes: usize) -> impl Iterator<Item = &'g [u8]> {
    let mut next = bytes;
    let spaced = group.index.checkpoints.positions().iter().copied().filter(move |at| {
        let due = *at >= next;
        if due {
            next = at.saturating_add(bytes);
        }
        due
    });
    spaced.filter_map(|at| object_at(group.key_at(at)?))
}

fn object_at(raw: &[u8]) -> Option<&[u8]> {
    let family = Family::of(raw);
    let suffix = family.suffix(raw);
    let len = FAMILIES.contains(&family).then(|| object_len(suffix)).flatten()?;
    suffix.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_of_buckets() {
        let escaped = |bucket: &[u8]| KeyRange::below(bucket).lo;
        let cuts =
            [b"a".to_vec(), b"a\0\x01\0".to_vec(), b"b\0\x01".to_vec(), b"c\0\xff".to_vec()].map(|cut| escaped(&cut));
        let los = std::iter::once(Vec::new()).chain(cuts.iter().cloned());
        let his = cuts.iter().cloned().map(Some).chain([None]);
        let splits: Vec<Split> = los.zip(his).map(|(lo, hi)| Split { suffixes: KeyRange { lo, hi } }).collect();
        for (bucket, want) in
            [(&b"Z"[..], 0..1), (b"a", 1..3), (b"aa", 2..3), (b"b", 3..4), (b"c", 3..4), (b"c\0", 4..5), (b"d", 4..5)]
        {
            assert_eq!(of_bucket(&splits, bucket), want, "{}", bucket.escape_ascii());
        }
    }

    type Objects<'o> = &'o [&'o [u8]];

    #[test]
    fn cuts_are_short_and_separate() {
        let long = |end: u8| [&[b'k'; 1 << 20][..], &[end]].concat();
        let (a, b, near) = (long(b'a'), long(b'b'), [&[b'k'; 600][..], b"x"].concat());
        let cases: &[(Objects<'_>, Objects<'_>)] = &[
            (&[], &[]),
            (&[b"photos/1", b"photos/1", b"photos/2"], &[b"phot", b"photos/2"]),
            (&[b"a", b"b/long/name", b"b/long/other"], &[b"a", b"b/lo", b"b/long/othe"]),
            (&[&a, &b], &[b"kkkk"]),
            (&[&a, &b, &near, b"z"], &[b"kkkk", &near, b"z"]),
        ];
        for (objects, want) in cases {
            assert!(objects.is_sorted());
            let cuts = short_cuts(objects);
            assert!(cuts.is_sorted_by(|a, b| a < b));
            assert_eq!(cuts, *want);
        }
    }
}
