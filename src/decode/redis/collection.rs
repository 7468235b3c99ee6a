//! Hashes, sets and sorted sets: one file each.

use super::findings;
use super::key::{Wide, parse};
use super::merge::Merge;
use super::render::Array;
use super::unit::{Place, Unit};
use crate::dataset::Row;
use crate::error::Result;
use crate::format::Family;
use crate::format::redis::blob;
use crate::format::redis::meta::{self, CollectionMeta};
use crate::output::unit::Growing;
use crate::report::{Finding, Kind};

/// What tells the three types apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Hash,
    Set,
    Zset,
}

impl Shape {
    pub const fn folder(self) -> &'static str {
        match self {
            Shape::Hash => "hashes",
            Shape::Set => "sets",
            Shape::Zset => "zsets",
        }
    }

    const fn families(self) -> (Family, Family, Family) {
        match self {
            Shape::Hash => (Family::HashMeta, Family::HashField, Family::HashBlob),
            Shape::Set => (Family::SetMeta, Family::SetMember, Family::SetBlob),
            Shape::Zset => (Family::ZsetMeta, Family::ZsetMember, Family::ZsetBlob),
        }
    }

    const fn array(self) -> Array {
        match self {
            Shape::Hash => Array::Fields,
            _ => Array::Members,
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
pub(super) fn base(unit: &Unit<'_, '_, '_>, shape: Shape, wide: &Wide<'_>) -> Result<Option<CollectionMeta>> {
    let (family, _, _) = shape.families();
    wide.meta.map(|row| parse(unit.set, family, &row, CollectionMeta::parse)).transpose()
}

/// Writes the collection's file.
pub(super) fn write<'a>(
    unit: &mut Unit<'_, 'a, '_>,
    merge: &mut Merge<'_, 'a>,
    shape: Shape,
    wide: &Wide<'a>,
    base: Option<CollectionMeta>,
    place: &Place<'a>,
) -> Result<()> {
    let mut file = unit.begin(shape.folder(), ".json", place)?;
    let count = object(unit, merge, shape, wide, place, &mut file);
    let count = unit.end(shape.folder(), place, file, count)?;
    if base.is_some() || wide.deltas.count > 0 {
        let declared = i128::from(base.map_or(0, |b| b.len)) + wide.deltas.len;
        let (kind, observed) = shape.mismatch();
        unit.compare_length(kind, observed, place.key, declared.max(0), count);
    }
    Ok(())
}

/// The object from brace to brace; gives the number of elements.
fn object<'a>(
    unit: &mut Unit<'_, 'a, '_>,
    merge: &mut Merge<'_, 'a>,
    shape: Shape,
    wide: &Wide<'a>,
    place: &Place<'a>,
    file: &mut Growing<'_>,
) -> Result<u64> {
    place.style.open(shape.array(), file);
    let count = match (wide.elements, wide.blob) {
        (Some(elements), _) => from_rows(unit, merge, shape, elements, place, file)?,
        (None, Some(blob)) => from_blob(unit, shape, &blob, place, file)?,
        (None, None) => 0,
    };
    place.style.close(count == 0, place.expire_ms, file);
    Ok(count)
}

fn from_rows<'a>(
    unit: &mut Unit<'_, 'a, '_>,
    merge: &mut Merge<'_, 'a>,
    shape: Shape,
    elements: usize,
    place: &Place<'a>,
    file: &mut Growing<'_>,
) -> Result<u64> {
    let (_, family, _) = shape.families();
    let (key, style) = (place.key, place.style);
    let mut count = 0;
    while let Some(head) = merge.stream(elements).take(key)? {
        style.separate(count == 0, file);
        match shape {
            Shape::Hash => style.field(head.rest, head.row.body, file),
            Shape::Set => style.element(head.rest, file),
            Shape::Zset => {
                let score = parse(unit.set, family, &head.row, meta::score)?;
                unit.note_nan(key, head.rest, score);
                style.scored(head.rest, score, file);
            }
        }
        count += 1;
        file.spill()?;
    }
    Ok(count)
}

fn from_blob<'a>(
    unit: &mut Unit<'_, 'a, '_>,
    shape: Shape,
    row: &Row<'a>,
    place: &Place<'a>,
    file: &mut Growing<'_>,
) -> Result<u64> {
    let (_, _, family) = shape.families();
    let (key, style) = (place.key, place.style);
    let mut elements = Elements::default();
    parse(unit.set, family, row, |value| match shape {
        Shape::Hash => blob::hash(value, |name, value| elements.push((name, value, 0.0))),
        Shape::Set => blob::set(value, |member| elements.push((member, b"", 0.0))),
        Shape::Zset => blob::zset(value, |member, score| elements.push((member, b"", score))),
    })?;
    let elements = elements.finish();
    for (i, (name, value, score)) in elements.iter().enumerate() {
        style.separate(i == 0, file);
        match shape {
            Shape::Hash => style.field(name, value, file),
            Shape::Set => style.element(name, file),
            Shape::Zset => {
                unit.note_nan(key, name, *score);
                style.scored(name, *score, file);
            }
        }
        file.spill()?;
    }
    Ok(elements.len() as u64)
}

/// Name, value and score.
type Element<'a> = (&'a [u8], &'a [u8], f64);

/// Elements of a blob, in any order.
#[derive(Default)]
struct Elements<'a> {
    all: Vec<Element<'a>>,
    /// How many there may be before those with one name become one: a blob can repeat a name of no bytes without end.
    most: usize,
}

impl<'a> Elements<'a> {
    /// Of so many elements, names are looked at for the first time.
    const FEW: usize = 64 << 10;

    fn push(&mut self, element: Element<'a>) {
        if self.all.len() >= self.most.max(Self::FEW) {
            self.tidy();
            // The next time twice as many have come, so that the work grows as their number.
            self.most = 2 * self.all.len();
        }
        self.all.push(element);
    }

    /// Sorts by name. Of a repeated name the last one counts.
    fn tidy(&mut self) {
        // Reversed, it is the first of its run after a stable sort.
        self.all.reverse();
        self.all.sort_by_key(|(name, _, _)| *name);
        self.all.dedup_by_key(|(name, _, _)| *name);
    }

    fn finish(mut self) -> Vec<Element<'a>> {
        self.tidy();
        self.all
    }
}

impl Unit<'_, '_, '_> {
    /// Warns of a length that is not the number of elements.
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
            self.out.findings.add(finding.with(observed, count).with("key", key));
        }
    }

    fn note_nan(&mut self, key: &[u8], member: &[u8], score: f64) {
        if score.is_nan() {
            let finding = Finding::new(&findings::NAN_SCORE).with("user_key_len", key.len());
            self.out.findings.add(finding.with("key", key).with("member", member));
        }
    }
}
