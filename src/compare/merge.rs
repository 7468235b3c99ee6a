//! Compares the objects of two snapshots while both are decoded. Equal objects are dropped here.
//!
//! Objects of a scope mostly come in the order of their keys. If they do on both sides, equal objects meet here, and only those that differ
//! go to the sorter. The order is not taken for granted: a scope whose first objects are out of order goes to the sorter as a whole. If a
//! scope that seemed to be in order turns out not to be, the comparison starts again without this step.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::differences::Counts;
use super::sorter::DiffSorter;
use crate::error::Result;
use crate::format::Adapter;
use crate::format::adapter::Naming;
use crate::objects::{Object, describes_scope};
use crate::output::observer::Stream;

/// Equal objects at the start of a scope that go to the sorter nevertheless: by then it is mostly clear whether there is an order.
const TRIED: usize = if cfg!(test) { 2 } else { 1000 };

/// An adapter and a scope of it.
type Scope = (Adapter, String);

/// Compares the objects of both sides and returns the number of equal objects that are not in the sorter. `None`: a scope was not in order,
/// and some objects that are not in the sorter should be there.
///
/// # Errors
/// A decode that failed, or a sorter that cannot spill.
pub(crate) fn merge(sides: &mut [Stream<'_>; 2], sorter: &mut DiffSorter) -> Result<Option<BTreeMap<Scope, Counts>>> {
    let mut merge = Merge { sides, sorter, last: Key::default() };
    let mut equal: BTreeMap<Scope, Counts> = BTreeMap::new();
    merge.advance(0)?;
    merge.advance(1)?;
    while let Some(scope) = merge.next_scope() {
        // Objects of a scope that was complete may be equal to objects that are not in the sorter.
        let same = if equal.contains_key(&scope) { None } else { merge.scope(&scope)? };
        match same {
            None => return Ok(None),
            Some(0) => {}
            Some(same) => drop(equal.insert(scope, Counts { same, ..Counts::default() })),
        }
    }
    Ok(Some(equal))
}

/// Both sides.
struct Merge<'m, 's, 'l> {
    sides: &'m mut [Stream<'s>; 2],
    sorter: &'l mut DiffSorter,
    /// The previous key.
    last: Key,
}

#[derive(Default)]
struct Key {
    key: Vec<u8>,
    range: Option<Vec<u8>>,
}

impl Merge<'_, '_, '_> {
    /// Moves to the next object of a side. Objects that describe a scope have no order and go to the sorter.
    fn advance(&mut self, side: usize) -> Result<()> {
        let stream = &mut self.sides[side];
        stream.advance()?;
        while let Some(object) = stream.head().filter(|object| describes_scope(object.kind)) {
            self.sorter.add(side, &object)?;
            stream.advance()?;
        }
        Ok(())
    }

    /// The next scope: if the sides are in two scopes, the smaller one.
    fn next_scope(&self) -> Option<Scope> {
        let scopes = self.sides.iter().filter_map(|side| side.head()).map(|object| (object.adapter, object.scope));
        scopes.min().map(|(adapter, scope)| (adapter, scope.to_owned()))
    }

    /// Compares the objects of a scope and returns the number of those that are not in the sorter. `None`: they were not in order.
    fn scope(&mut self, scope: &Scope) -> Result<Option<u64>> {
        let (mut tried, mut same) = (0, 0);
        loop {
            let [before, after] = [0, 1].map(|side| self.sides[side].head().filter(|object| is_of(object, scope)));
            let (order, equal) = match (&before, &after) {
                (None, None) => return Ok(Some(same)),
                (Some(_), None) => (Ordering::Less, false),
                (None, Some(_)) => (Ordering::Greater, false),
                (Some(before), Some(after)) => (compare(before, after), are_equal(before, after)),
            };
            let is_over = equal && order.is_eq() && tried == TRIED;
            if !is_over {
                tried += usize::from(equal);
                before.filter(|_| order.is_le()).map_or(Ok(()), |object| self.sorter.add(0, &object))?;
                after.filter(|_| order.is_ge()).map_or(Ok(()), |object| self.sorter.add(1, &object))?;
            }
            same += u64::from(is_over);
            if !self.step(order, scope)? {
                return if same > 0 { Ok(None) } else { self.rest(scope).map(|()| Some(0)) };
            }
        }
    }

    /// Moves past the smaller object, or past both if they are equal. `true`: the next objects are in order.
    fn step(&mut self, order: Ordering, scope: &Scope) -> Result<bool> {
        let side = usize::from(order.is_gt());
        if let Some(object) = self.sides[side].head() {
            self.last.set(&object);
        }
        let mut in_order = true;
        for side in side..=usize::from(order.is_ge()) {
            self.advance(side)?;
            let next = self.sides[side].head().filter(|object| is_of(object, scope));
            in_order &= next.is_none_or(|next| self.last.compare(&next).is_lt());
        }
        Ok(in_order)
    }

    /// Gives the rest of a scope to the sorter.
    fn rest(&mut self, scope: &Scope) -> Result<()> {
        for side in [0, 1] {
            while let Some(object) = self.sides[side].head().filter(|object| is_of(object, scope)) {
                self.sorter.add(side, &object)?;
                self.advance(side)?;
            }
        }
        Ok(())
    }
}

impl Key {
    fn set(&mut self, object: &Object<'_>) {
        self.key.clear();
        self.key.extend_from_slice(object.key);
        match (&mut self.range, object.range) {
            (Some(range), Some(next)) => {
                range.clear();
                range.extend_from_slice(next);
            }
            (range, next) => *range = next.map(<[u8]>::to_vec),
        }
    }

    fn compare(&self, next: &Object<'_>) -> Ordering {
        let order = compare_keys(next.adapter, &self.key, next.key);
        order.then_with(|| self.range.as_deref().cmp(&next.range))
    }
}

fn is_of(object: &Object<'_>, (adapter, scope): &Scope) -> bool {
    object.adapter == *adapter && object.scope == scope
}

/// Whether two objects with one key are equal, by the rules of the sorter.
fn are_equal(before: &Object<'_>, after: &Object<'_>) -> bool {
    (before.value, before.rest) == (after.value, after.rest) && before.kind == after.kind
}

fn compare(before: &Object<'_>, after: &Object<'_>) -> Ordering {
    compare_keys(before.adapter, before.key, after.key).then_with(|| before.range.cmp(&after.range))
}

/// Paths come in the order in which directories are walked: the contents of a directory come before its siblings.
#[inline]
fn compare_keys(adapter: Adapter, before: &[u8], after: &[u8]) -> Ordering {
    if adapter.spec().naming != Naming::Path {
        return before.cmp(after);
    }
    let rank = |byte: &u8| (*byte != b'/', *byte);
    before.iter().map(rank).cmp(after.iter().map(rank))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::format::adapter;
    use crate::output::observer::{Secret, observed_both};
    use crate::output::split::{Collector, SplitOutput};
    use crate::output::tree::Tree;

    /// Scope, key, value. A few rows have the kind of a scope itself.
    type Row = (u8, u8, u8);
    const SCOPES: [&str; 3] = ["a", "b", "c"];

    fn object<'o>(row: &Row, key: &'o [u8]) -> Object<'o> {
        let (scope, key_byte, value) = *row;
        let (adapter, scope) = (adapter::DYNAMODB, SCOPES[usize::from(scope)]);
        if key_byte == 0 {
            return Object::scope(adapter, "tables", scope, 1, Some([value; 16]));
        }
        let kind = if value == 3 { "body" } else { "items" };
        let (range, rest) = ((key_byte % 2 == 0).then_some(key), Some([0; 16]));
        Object { adapter, scope, kind, key, range, size: 1, expire_at_ms: None, value: Some([value; 16]), rest }
    }

    /// Reports the rows of a side, three per task.
    fn tell(tree: &Tree, scratch: &Path, rows: &[Row]) -> Result<()> {
        let mut collector = Collector::new(tree, scratch);
        for task in rows.chunks(3) {
            let mut out = SplitOutput::new(tree);
            let objects = out.objects().unwrap();
            task.iter().for_each(|row| objects.add(&object(row, &[row.1 / 2])));
            collector.take(out)?;
        }
        Ok(())
    }

    type Outcome = (Vec<String>, BTreeMap<Scope, Counts>);

    fn classified(sorter: DiffSorter, equal: BTreeMap<Scope, Counts>) -> Outcome {
        let mut differences = Vec::new();
        let mut totals = sorter
            .classify(&mut |difference| {
                differences.push(format!("{difference:?}"));
                Ok(())
            })
            .unwrap();
        equal.into_iter().for_each(|(scope, counts)| totals.scopes.entry(scope).or_default().add(counts));
        (differences, totals.scopes)
    }

    /// With the sorter alone.
    fn plain(sides: [&[Row]; 2]) -> Outcome {
        let mut sorter = DiffSorter::new(&std::env::temp_dir());
        for (side, rows) in sides.iter().enumerate() {
            rows.iter().for_each(|row| sorter.add(side, &object(row, &[row.1 / 2])).unwrap());
        }
        classified(sorter, BTreeMap::new())
    }

    /// Side by side; `None`: out of order.
    fn merged(sides: [&[Row]; 2]) -> Option<Outcome> {
        let mut sorter = DiffSorter::new(&std::env::temp_dir());
        let decode = |side: usize| move |tree: &Tree, scratch: &Path| tell(tree, scratch, sides[side]);
        let merge = |streams: &mut [Stream<'_>; 2]| merge(streams, &mut sorter);
        let done = observed_both(&Secret::random(), [decode(0), decode(1)], merge).unwrap();
        done.map(|(_, equal)| classified(sorter, equal))
    }

    fn once(mut rows: Vec<Row>) -> Vec<Row> {
        let mut seen = std::collections::BTreeSet::new();
        rows.retain(|(scope, key, _)| seen.insert((*scope, *key)));
        rows
    }

    fn in_order(mut rows: Vec<Row>) -> Vec<Row> {
        // In the order of objects: one half of each key has a range.
        rows.sort_by_key(|(scope, key, _)| (*scope, key / 2, key % 2 == 0));
        rows.dedup_by_key(|(scope, key, _)| (*scope, *key));
        rows
    }

    proptest! {
        #[test]
        fn as_by_the_sorter(
            rows in prop::collection::vec((0u8..3, 0u8..24, 0u8..4), 0..60),
            others in prop::collection::vec((0u8..3, 0u8..24, 0u8..4), 0..12),
            sorted in any::<[bool; 2]>(),
        ) {
            let more: Vec<Row> = rows.iter().copied().chain(others.iter().copied()).collect();
            // Snapshots have each object once.
            let [rows, more] = [rows, more].map(once);
            let [before, after] = [(rows, sorted[0]), (more, sorted[1])]
                .map(|(rows, sorted)| if sorted { in_order(rows) } else { rows });
            let merged = merged([&before, &after]);
            prop_assert!(merged.is_some() || sorted != [true, true]);
            if let Some(merged) = merged {
                prop_assert_eq!(merged, plain([&before, &after]));
            }
        }
    }

    #[test]
    fn a_late_surprise() {
        let rows: Vec<Row> = (1..20).map(|key| (0, 2 * key + 1, 0)).collect();
        let ordered = merged([&rows, &rows]).unwrap();
        assert_eq!(ordered.1.values().map(|counts| counts.same).collect::<Vec<_>>(), [19]);
        // A repeated key, a late key, a repeated scope.
        for surprise in [rows[10], (0, 3, 1), (0, 1, 1)] {
            let late = [&rows[..], &[surprise]].concat();
            assert_eq!(merged([&rows, &late]), None, "{surprise:?}");
            assert_eq!(merged([&late, &rows]), None, "{surprise:?}");
        }
        let again = [&rows[..], &[(1, 1, 0), (0, 99, 0)]].concat();
        assert_eq!(merged([&rows, &again]), None);
        // Out of order from the start: the whole scope goes to the sorter.
        let reversed: Vec<Row> = rows.iter().rev().copied().collect();
        assert_eq!(merged([&reversed, &reversed]).unwrap().1, ordered.1);
    }

    #[test]
    fn a_decode_that_fails_is_the_answer() {
        let rows: Vec<Row> = (1..200).map(|key| (0, key, 0)).collect();
        let error = |fails: [bool; 2], merge_fails: bool| {
            let decode = |side: usize| {
                let rows = &rows;
                move |tree: &Tree, scratch: &Path| {
                    tell(tree, scratch, rows)?;
                    if fails[side] { Err(crate::error::Error::usage(format!("side {side}"))) } else { Ok(()) }
                }
            };
            let merge = |streams: &mut [Stream<'_>; 2]| {
                if merge_fails {
                    return Err(crate::error::Error::usage("merge"));
                }
                merge(streams, &mut DiffSorter::new(&std::env::temp_dir()))
            };
            let done = observed_both(&Secret::random(), [decode(0), decode(1)], merge);
            done.err().map_or(String::new(), |error| error.to_string())
        };
        assert_eq!(error([false, false], false), "");
        assert_eq!(error([true, false], false), "side 0");
        assert_eq!(error([false, true], false), "side 1");
        assert_eq!(error([true, true], false), "side 0");
        assert_eq!(error([false, false], true), "merge");
    }
}
