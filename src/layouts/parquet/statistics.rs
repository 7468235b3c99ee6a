//! The minimum and the maximum of a column chunk: readers use them to skip row groups.
//!
//! Among the columns of bytes, only those that the rows are sorted by have statistics: the first value and the last.

use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::rows::{LENGTH, Leaf, Shape};
use crate::layouts::rows::Kind;

/// Maximum bytes of a bound. A longer value is truncated to a valid bound.
const LONGEST: usize = 64;

/// The bounds of a leaf that has some.
pub(super) fn of(leaf: &Leaf) -> Option<Statistics> {
    let nulls = Some(leaf.defs.as_ref().map_or(0, |defs| defs.iter().filter(|def| **def == 0).count() as u64));
    if leaf.count == 0 || leaf.reps.is_some() {
        return None;
    }
    match leaf.kind {
        Kind::Bytes if leaf.sorted => bytes(leaf, nulls),
        Kind::U64 => {
            let (least, greatest) = bounds(leaf, u64::from_le_bytes)?;
            Some(Statistics::int64(Some(least.cast_signed()), Some(greatest.cast_signed()), None, nulls, false))
        }
        Kind::I64 | Kind::Millis => ints(leaf, nulls),
        Kind::Decimal(..) if leaf.shape == Shape::Fixed(8) => ints(leaf, nulls),
        Kind::F64 => floats(leaf, nulls),
        _ => None,
    }
}

fn ints(leaf: &Leaf, nulls: Option<u64>) -> Option<Statistics> {
    let (least, greatest) = bounds(leaf, i64::from_le_bytes)?;
    Some(Statistics::int64(Some(least), Some(greatest), None, nulls, false))
}

fn bounds<T: Ord + Copy>(leaf: &Leaf, read: impl Fn([u8; 8]) -> T) -> Option<(T, T)> {
    let (all, _) = leaf.values.as_chunks::<8>();
    let mut all = all.iter().map(|bytes| read(*bytes));
    let first = all.next()?;
    Some(all.fold((first, first), |(least, greatest), n| (least.min(n), greatest.max(n))))
}

/// None if a value is NaN, which has no place in the order; a zero has both signs.
fn floats(leaf: &Leaf, nulls: Option<u64>) -> Option<Statistics> {
    let (all, _) = leaf.values.as_chunks::<8>();
    let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
    for n in all.iter().map(|bytes| f64::from_le_bytes(*bytes)) {
        if n.is_nan() {
            return None;
        }
        (least, greatest) = (least.min(n), greatest.max(n));
    }
    let least = if least == 0.0 { -0.0 } else { least };
    let greatest = if greatest == 0.0 { 0.0 } else { greatest };
    Some(Statistics::double(Some(least), Some(greatest), None, nulls, false))
}

fn bytes(leaf: &Leaf, nulls: Option<u64>) -> Option<Statistics> {
    let (mut at, mut first, mut last) = (0, None, &b""[..]);
    while at < leaf.values.len() {
        let width = leaf.shape.width(&leaf.values[at..]);
        last = &leaf.values[at + LENGTH..at + width];
        first = first.or(Some(last));
        at += width;
    }
    let first = first?;
    let least = &first[..first.len().min(LONGEST)];
    let greatest = above(last)?;
    let (exact_least, exact_greatest) = (least.len() == first.len(), last.len() <= LONGEST);
    let bounds = [least.to_vec(), greatest].map(|bound| Some(ByteArray::from(bound)));
    let [least, greatest] = bounds;
    let values = ValueStatistics::new(least, greatest, None, nulls, false)
        .with_min_is_exact(exact_least)
        .with_max_is_exact(exact_greatest);
    Some(Statistics::ByteArray(values))
}

/// Short bytes that are not below a value; `None`: there are none.
fn above(value: &[u8]) -> Option<Vec<u8>> {
    if value.len() <= LONGEST {
        return Some(value.to_vec());
    }
    let end = value[..LONGEST].iter().rposition(|byte| *byte < 0xff)?;
    let mut bound = value[..=end].to_vec();
    *bound.last_mut()? += 1;
    Some(bound)
}
