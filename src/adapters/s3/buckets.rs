//! The buckets: which of them exist, and which generation of each is live.

use std::borrow::Cow;

use bumpalo::Bump;

use super::rows::parse;
use crate::dataset::{DataSet, Row, after_prefix};
use crate::error::Result;
use crate::format::s3::key::{self, generation_prefix};
use crate::format::s3::{BucketRecord, ObjectKey, record};
use crate::format::{Family, adapter};
use crate::model::s3::{self as model, Standing};
use crate::options::filter::Filter;

/// A bucket that has a record, or had one according to its generation counter.
struct Bucket<'a> {
    name: Cow<'a, [u8]>,
    /// Generation of its record; `None` when it was deleted.
    live: Option<u64>,
    /// Whether the generation is stated in the record.
    is_told: bool,
    /// Last generation that was used, if there is a counter.
    last: Option<u64>,
    record: Option<Row<'a>>,
}

/// All buckets, by name.
pub struct Buckets<'a> {
    list: Vec<Bucket<'a>>,
}

impl<'a> Buckets<'a> {
    /// Reads and checks every bucket record and generation counter.
    ///
    /// # Errors
    /// The first malformed row.
    pub fn read(set: &DataSet<'a>) -> Result<Buckets<'a>> {
        let mut buckets = Buckets { list: Vec::new() };
        buckets.read_records(set)?;
        buckets.read_counters(set)?;
        // There can be very many buckets, and they stay in memory during the run.
        buckets.list.shrink_to_fit();
        Ok(buckets)
    }

    fn read_records(&mut self, set: &DataSet<'a>) -> Result<()> {
        let (family, mut arena) = (Family::S3BucketMeta, Bump::new());
        let mut rows = set.family(family);
        while let Some(row) = rows.next()? {
            arena.reset();
            let record = key::bucket(family.suffix(row.user_key))
                .and_then(|name| Ok((name, BucketRecord::parse(&arena, row.body)?.generation)));
            let (name, generation) = match parse(set, family, &row, record) {
                Ok(record) => record,
                Err(error) => {
                    set.skip(error)?;
                    continue;
                }
            };
            // No server writes generation 0. Then the newest generation with objects is the live one.
            let live = if generation == 0 { newest_generation(set, &name)? } else { generation };
            self.list.push(Bucket { name, live: Some(live), is_told: generation > 0, last: None, record: Some(row) });
        }
        Ok(())
    }

    fn read_counters(&mut self, set: &DataSet<'a>) -> Result<()> {
        let family = Family::S3BucketGen;
        let mut rows = set.family(family);
        // Both come in the order of names: counters of buckets with a record are matched, others are inserted between.
        let mut known = std::mem::take(&mut self.list).into_iter().peekable();
        while let Some(row) = rows.next()? {
            let counter =
                key::bucket(family.suffix(row.user_key)).and_then(|name| Ok((name, record::generation(row.body)?)));
            let (name, last) = match parse(set, family, &row, counter) {
                Ok((name, last)) => (name, Some(last)),
                Err(error) => {
                    set.skip(error)?;
                    continue;
                }
            };
            self.list.extend(std::iter::from_fn(|| known.next_if(|bucket| bucket.name < name)));
            let bucket = known.next_if(|bucket| bucket.name == name);
            let bucket = bucket.unwrap_or(Bucket { name, live: None, is_told: false, last: None, record: None });
            self.list.push(Bucket { last, ..bucket });
        }
        self.list.extend(known);
        Ok(())
    }

    fn find(&self, name: &[u8]) -> std::result::Result<usize, usize> {
        self.list.binary_search_by(|bucket| bucket.name.as_ref().cmp(name))
    }

    /// The live generation of a bucket.
    pub fn live(&self, name: &[u8]) -> Option<u64> {
        self.find(name).ok().and_then(|at| self.list[at].live)
    }

    /// The live generation of a bucket, if its record states it.
    pub fn told(&self, name: &[u8]) -> Option<u64> {
        self.find(name).ok().map(|at| &self.list[at]).filter(|bucket| bucket.is_told)?.live
    }

    /// The standing of an object, by its generation.
    pub fn standing(&self, object: &ObjectKey<'_>) -> Standing {
        let Ok(at) = self.find(&object.bucket) else { return Standing::NoBucket };
        let Bucket { live, last, .. } = self.list[at];
        let handed_out = last.is_some_and(|last| last >= live.unwrap_or(0) && last >= object.generation);
        match live {
            Some(live) if live == object.generation => Standing::Live,
            Some(live) if handed_out && object.generation < live => Standing::Earlier,
            Some(_) => Standing::Stale,
            None if handed_out => Standing::Earlier,
            None => Standing::NoBucket,
        }
    }

    /// The number of buckets, with those without a record.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The name of the bucket at a position.
    pub fn name(&self, at: usize) -> &[u8] {
        self.list.get(at).map_or(&[], |bucket| &bucket.name)
    }

    /// The position of a bucket.
    pub fn place(&self, name: &[u8]) -> Option<usize> {
        self.find(name).ok()
    }

    /// Whether the bucket at a position has a record.
    pub fn has_record(&self, at: usize) -> bool {
        self.list.get(at).is_some_and(|bucket| bucket.record.is_some())
    }

    /// Gives the last generations that are only in generation rows, by name: of deleted buckets, and of buckets whose record has another
    /// generation. Only buckets that are asked for.
    pub fn generations(&self, filter: &Filter) -> impl Iterator<Item = (&[u8], u64)> {
        let told = self.list.iter().filter_map(|bucket| Some((bucket, bucket.last?)));
        let alone = told.filter(|(bucket, last)| !bucket.is_told || bucket.live != Some(*last));
        alone.map(|(bucket, last)| (&*bucket.name, last)).filter(|(name, _)| filter.takes_scope(adapter::S3, name))
    }

    /// Gives every bucket that has a record and is asked for, by name.
    ///
    /// # Errors
    /// The error of `each`.
    pub fn records(&self, filter: &Filter, mut each: impl FnMut(&model::Bucket<'_>) -> Result<()>) -> Result<()> {
        let mut arena = Bump::new();
        for Bucket { name, record, .. } in &self.list {
            let Some(row) = record.filter(|_| filter.meets_scope(adapter::S3, name)) else { continue };
            arena.reset();
            // It was parsed successfully before.
            let record = BucketRecord::parse(&arena, row.body).unwrap_or_default();
            each(&model::Bucket { name, record: &record })?;
        }
        Ok(())
    }
}

/// The highest generation of a bucket that has a manifest; 0 when there is none.
fn newest_generation(set: &DataSet<'_>, name: &[u8]) -> Result<u64> {
    let family = Family::S3Object;
    let bucket = key::bucket_key(family, name);
    let end = after_prefix(bucket.as_bytes());
    let (mut newest, mut from) = (0, bucket.as_bytes().to_vec());
    while let Some(row) = set.range(family, from, end.clone()).next()? {
        newest = parse(set, family, &row, ObjectKey::parse(family.suffix(row.user_key)))?.generation;
        let Some(next) = newest.checked_add(1) else { break };
        from = generation_prefix(family, name, next).as_bytes().to_vec();
    }
    Ok(newest)
}
