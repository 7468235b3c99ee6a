//! The names of live objects, which depend on all keys of a bucket.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use super::{MAX_KEY, Name, Rules, assign};
use crate::adapters::s3::{self, Buckets, Split};
use crate::dataset::DataSet;
use crate::error::Result;

/// A name for each live object, in key order over all buckets.
pub struct Names {
    names: Vec<Name>,
    /// Number of live objects before each split.
    before: Vec<usize>,
    /// The first split that was read.
    first: usize,
}

impl Names {
    /// Names the live objects of some splits. All keys of their buckets are read for this.
    ///
    /// # Errors
    /// The first manifest with a malformed key, unless damage is skipped.
    pub fn of_splits(
        set: &DataSet<'_>,
        buckets: &Buckets<'_>,
        (splits, some): (&[Split], Range<usize>),
        rules: Rules,
    ) -> Result<Names> {
        let read = |range: Range<usize>| -> Result<Vec<Keys<'_>>> {
            let found: Vec<_> = splits[range].par_iter().map(|split| keys_of(set, buckets, split)).collect();
            found.into_iter().collect()
        };
        let mine = read(some.clone())?;
        let mut named = mine.iter().flatten().map(|(bucket, _)| s3::of_bucket(splits, bucket));
        let (first, last) = (named.next(), named.next_back());
        let end = last.or(first.clone()).map_or(some.end, |last| last.end.max(some.end));
        let first = first.map_or(some.start, |first| first.start.min(some.start));
        let mut found = read(first..some.start)?;
        found.extend(mine);
        found.extend(read(some.end..end)?);
        let (mut keys, mut counts, mut before) = (Vec::new(), Vec::new(), Vec::new());
        for live in found {
            before.push(keys.len());
            live.into_iter().for_each(|(bucket, of_bucket)| {
                count(&mut counts, bucket, of_bucket.len());
                keys.extend(of_bucket);
            });
        }
        let mut names = Vec::with_capacity(keys.len());
        let mut rest = keys.as_slice();
        for (_, count) in counts {
            let (bucket, after) = rest.split_at(count);
            names.extend(assign(bucket, rules));
            rest = after;
        }
        Ok(Names { names, before, first })
    }

    /// The names of a split, and of those after it.
    pub fn of(&self, split: usize) -> &[Name] {
        let before = split.checked_sub(self.first).and_then(|at| self.before.get(at));
        before.and_then(|before| self.names.get(*before..)).unwrap_or_default()
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

fn keys_of<'a>(set: &DataSet<'a>, buckets: &Buckets<'_>, split: &Split) -> Result<Keys<'a>> {
    let mut keys = Keys::new();
    s3::live_keys(set, buckets, split, |key| match keys.last_mut() {
        Some((last, of_bucket)) if *last == key.bucket => of_bucket.push(cut_long(key.object)),
        _ => keys.push((key.bucket, vec![cut_long(key.object)])),
    })?;
    Ok(keys)
}

/// The start of a long key: it is not a path, whatever follows, and no file can be named after it.
fn cut_long(key: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    const MOST: usize = 4 * MAX_KEY;
    match key {
        Cow::Borrowed(key) => Cow::Borrowed(&key[..key.len().min(MOST)]),
        Cow::Owned(key) if key.len() > MOST => Cow::Owned(key[..MOST].to_vec()),
        short => short,
    }
}
