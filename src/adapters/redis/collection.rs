//! Hashes, sets and sorted sets.

use super::findings;
use super::key::{Wide, parse};
use super::merge::{KeyStream, Merge};
use super::pieces::{self, Elements};
use super::task::Task;
use crate::dataset::{DataSet, Row};
use crate::error::Result;
use crate::format::Family;
use crate::format::last::LastOfEach;
use crate::format::redis::blob;
use crate::format::redis::meta::{self, CollectionMeta};
use crate::model::redis::{Key, StreamEnd, Type, Visitor};
use crate::report::{Finding, Kind};

/// The three types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Hash,
    Set,
    Zset,
}

impl Shape {
    pub const fn of_type(self) -> Type {
        match self {
            Shape::Hash => Type::Hash,
            Shape::Set => Type::Set,
            Shape::Zset => Type::Zset,
        }
    }

    const fn families(self) -> (Family, Family, Family) {
        match self {
            Shape::Hash => (Family::HashMeta, Family::HashField, Family::HashBlob),
            Shape::Set => (Family::SetMeta, Family::SetMember, Family::SetBlob),
            Shape::Zset => (Family::ZsetMeta, Family::ZsetMember, Family::ZsetBlob),
        }
    }

    const fn mismatch(self) -> (&'static Kind, &'static str) {
        match self {
            Shape::Hash => (&findings::HASH_LENGTH, "observed_fields"),
            Shape::Set => (&findings::SET_LENGTH, "observed_members"),
            Shape::Zset => (&findings::ZSET_LENGTH, "observed_members"),
        }
    }
}

/// The base record, checked.
pub(super) fn base(set: &DataSet<'_>, shape: Shape, wide: &Wide<'_>) -> Result<Option<CollectionMeta>> {
    let (family, _, _) = shape.families();
    wide.meta.map(|row| parse(set, family, &row, CollectionMeta::parse)).transpose()
}

/// Gives the collection.
pub(super) fn give<'a, V: Visitor>(
    task: &mut Task<'_, 'a, '_, V>,
    merge: &mut Merge<'_, 'a>,
    shape: Shape,
    wide: &Wide<'a>,
    base: Option<CollectionMeta>,
    key: &Key<'a>,
) -> Result<()> {
    let count = task.give(key, |task| {
        let mut count = 0;
        match (wide.elements, wide.blob) {
            (Some(elements), _) => pieces::give(task, merge.stream(elements), &Rows { shape, key }, &mut count)?,
            (None, Some(blob)) => count = from_blob(task, shape, &blob, key)?,
            (None, None) => {}
        }
        Ok((count, StreamEnd::default()))
    })?;
    if base.is_some() || wide.deltas.count > 0 {
        let declared = i128::from(base.map_or(0, |b| b.len)) + wide.deltas.len;
        let (kind, observed) = shape.mismatch();
        task.compare_length(kind, observed, key.name, declared.max(0), count);
    }
    Ok(())
}

/// The elements that have rows of their own, with their number.
struct Rows<'k, 'a> {
    shape: Shape,
    key: &'k Key<'a>,
}

impl<'a> Elements<'a> for Rows<'_, 'a> {
    type Told = u64;

    fn key(&self) -> &Key<'a> {
        self.key
    }

    #[inline]
    fn each<V: Visitor + ?Sized>(
        &self,
        task: &mut Task<'_, 'a, '_, V>,
        stream: &mut KeyStream<'_, 'a>,
        count: &mut u64,
    ) -> Result<()> {
        let Rows { shape, key } = *self;
        let (_, family, _) = shape.families();
        while let Some(head) = stream.take(key.name)? {
            task.visitor.committed(head.row.commit_ts);
            match shape {
                Shape::Hash => task.visitor.field(key, head.rest, head.row.body)?,
                Shape::Set => task.visitor.member(key, head.rest)?,
                Shape::Zset => {
                    let score = parse(task.set, family, &head.row, meta::score)?;
                    task.scored(key, head.rest, score)?;
                }
            }
            *count += 1;
        }
        Ok(())
    }

    fn add(count: &mut u64, more: u64) {
        *count += more;
    }
}

fn from_blob<'a, V: Visitor>(
    task: &mut Task<'_, 'a, '_, V>,
    shape: Shape,
    row: &Row<'a>,
    key: &Key<'a>,
) -> Result<u64> {
    let (_, _, family) = shape.families();
    let _reading = task.set.reading(row.body.len());
    let mut elements = LastOfEach::new(|(name, ..): &Element<'a>| *name);
    parse(task.set, family, row, |value| match shape {
        Shape::Hash => blob::hash(value, |name, value| elements.push((name, value, 0.0))),
        Shape::Set => blob::set(value, |member| elements.push((member, b"", 0.0))),
        Shape::Zset => blob::zset(value, |member, score| elements.push((member, b"", score))),
    })?;
    let elements = elements.finish();
    task.visitor.committed(row.commit_ts);
    for (name, value, score) in &elements {
        match shape {
            Shape::Hash => task.visitor.field(key, name, value)?,
            Shape::Set => task.visitor.member(key, name)?,
            Shape::Zset => task.scored(key, name, *score)?,
        }
    }
    Ok(elements.len() as u64)
}

/// Name, value and score.
type Element<'a> = (&'a [u8], &'a [u8], f64);

impl<V: Visitor + ?Sized> Task<'_, '_, '_, V> {
    /// Warns of a stated length that differs from the number of elements.
    pub(super) fn compare_length(
        &mut self,
        kind: &'static Kind,
        observed: &'static str,
        key: &[u8],
        declared: i128,
        count: u64,
    ) {
        if declared != i128::from(count) {
            let declared = i64::try_from(declared).unwrap_or(i64::MAX);
            let finding = Finding::new(kind).with("user_key_len", key.len()).with("declared_len", declared);
            self.report.findings.add(finding.with(observed, count).with("key", key));
        }
    }

    fn scored(&mut self, key: &Key<'_>, member: &[u8], score: f64) -> Result<()> {
        if score.is_nan() {
            let finding = Finding::new(&findings::NAN_SCORE).with("user_key_len", key.name.len());
            self.report.findings.add(finding.with("key", key.name).with("member", member));
        }
        self.visitor.scored(key, member, score)
    }
}
