//! Cuts the objects into spans of about equal bytes, and names the live ones.
//!
//! Every family that belongs to objects continues its prefix in the same way: bucket, generation, object. So one
//! range of such suffixes is a range in all of them, and a span has all rows of its objects.

use std::borrow::Cow;

use rayon::prelude::*;

use super::buckets::{Buckets, Standing, parse};
use super::names::{self, Name};
use crate::dataset::{DataSet, Group, RangeIter, after_prefix};
use crate::error::Result;
use crate::format::Family;
use crate::format::s3::ObjectKey;
use crate::format::s3::key::object_len;

/// Families whose keys begin with bucket, generation and object.
pub const FAMILIES: [Family; 6] =
    [Family::S3Object, Family::S3Blob, Family::S3ChunkRef, Family::S3Upload, Family::S3UploadPart, Family::S3GcUpload];
/// Bytes of one input that a span covers, about; a larger object is a span of its own.
const SPAN: usize = 4 << 20;
/// Bytes of a cut kept behind what its object shares with the one before.
const CUT_TAIL: usize = 4;
/// Longest cut.
const MOST_CUT: usize = 1024;

/// A range of key suffixes: `lo <= suffix < hi`; no `hi`: to the end.
pub struct Span {
    lo: Vec<u8>,
    hi: Option<Vec<u8>>,
    /// How many live objects stand before it.
    pub first: usize,
}

impl Span {
    /// The rows of one family in the span.
    pub fn rows<'s, 'a>(&self, set: &'s DataSet<'a>, family: Family) -> RangeIter<'s, 'a> {
        let prefix = family.prefix().as_bytes();
        let lo = [prefix, &self.lo].concat();
        let hi = self.hi.as_ref().map_or_else(|| after_prefix(prefix), |hi| Some([prefix, hi].concat()));
        set.range(family, lo, hi)
    }
}

/// All spans, and the names of all live objects.
pub struct Spans {
    /// The spans in order; together they cover every suffix.
    pub list: Vec<Span>,
    /// A name for each live object, in key order over all buckets.
    pub names: Vec<Name>,
}

impl Spans {
    /// One object, by what its keys begin with; it has some name that it can have.
    pub fn one(object: &[u8]) -> Spans {
        let span = Span { lo: object.to_vec(), hi: after_prefix(object), first: 0 };
        Spans { list: vec![span], names: vec![Name::Encoded] }
    }

    /// Cuts the spans, reads the keys of all manifests and names the live objects.
    ///
    /// # Errors
    /// The first manifest with a malformed key.
    pub fn new(set: &DataSet<'_>, buckets: &Buckets<'_>, rename_collisions: bool) -> Result<Spans> {
        let mut list = cut(set);
        let found: Vec<_> = list.par_iter().map(|span| live_keys(set, buckets, span)).collect();
        let (mut keys, mut counts) = (Vec::new(), Vec::new());
        for (span, live) in list.iter_mut().zip(found) {
            span.first = keys.len();
            live?.into_iter().for_each(|(bucket, names)| {
                count(&mut counts, bucket, names.len());
                keys.extend(names);
            });
        }
        let mut names = Vec::with_capacity(keys.len());
        let mut rest = keys.as_slice();
        for (_, count) in counts {
            let (bucket, after) = rest.split_at(count);
            names.extend(names::assign(bucket, rename_collisions));
            rest = after;
        }
        Ok(Spans { list, names })
    }
}

/// Live keys by bucket, in order.
type Keys<'a> = Vec<(Cow<'a, [u8]>, Vec<Cow<'a, [u8]>>)>;

fn count<'a>(counts: &mut Vec<(Cow<'a, [u8]>, usize)>, bucket: Cow<'a, [u8]>, more: usize) {
    match counts.last_mut() {
        Some((last, count)) if *last == bucket => *count += more,
        _ => counts.push((bucket, more)),
    }
}

fn live_keys<'a>(set: &DataSet<'a>, buckets: &Buckets<'_>, span: &Span) -> Result<Keys<'a>> {
    let family = Family::S3Object;
    let mut keys = Keys::new();
    let mut rows = span.rows(set, family);
    while let Some(row) = rows.next()? {
        let key = match parse(set, family, &row, ObjectKey::parse(family.suffix(row.user_key))) {
            Ok(key) => key,
            Err(error) => {
                set.tolerate(error)?;
                continue;
            }
        };
        if buckets.standing(&key) != Standing::Live {
            continue;
        }
        match keys.last_mut() {
            Some((last, names)) if *last == key.bucket => names.push(cut_long(key.object)),
            _ => keys.push((key.bucket, vec![cut_long(key.object)])),
        }
    }
    Ok(keys)
}

/// What a long key begins with: it is no path, whatever follows, and nothing can be named after it.
fn cut_long(key: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    const MOST: usize = 4 * names::MAX_KEY;
    match key {
        Cow::Borrowed(key) => Cow::Borrowed(&key[..key.len().min(MOST)]),
        Cow::Owned(key) if key.len() > MOST => Cow::Owned(key[..MOST].to_vec()),
        short => short,
    }
}

/// Where to cut does not depend on the number of threads.
fn cut(set: &DataSet<'_>) -> Vec<Span> {
    let bytes = SPAN.min(set.grain().unit);
    let mut objects: Vec<&[u8]> = set.groups().iter().flat_map(|group| objects_of(group, bytes)).collect();
    objects.sort_unstable();
    let cuts = short_cuts(&objects);
    let los = std::iter::once(Vec::new()).chain(cuts.iter().cloned());
    let his = cuts.iter().cloned().map(Some).chain(std::iter::once(None));
    los.zip(his).map(|(lo, hi)| Span { lo, hi, first: 0 }).collect()
}

/// A cut before each of some objects, in order, as short as it can be: a range ends with a look-up of every prefix of
/// its end that could be a key. No object is cut in two: none is a prefix of another, so that all of an object's rows
/// are on one side of any part of another one. An object that only a long cut would tell from the one before stays in
/// its span.
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

/// What the keys of an object begin with, for the first object of every so many bytes of one input.
fn objects_of<'g>(group: &'g Group<'_>, bytes: usize) -> impl Iterator<Item = &'g [u8]> {
    let mut next = bytes;
    let spaced = group.survey.checkpoints.positions().iter().copied().filter(move |at| {
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
