//! Objects of two snapshots side by side, as they are decoded: what is equal on both sides goes no farther.
//!
//! Objects of a scope mostly come in the order of their keys. Where they do on both sides, equal ones meet here, and only what differs
//! is handed to the ledger. No order is taken for granted: a scope whose first objects are out of order goes to the ledger as a whole,
//! and if one that seemed to be in order is not, the comparison begins anew without this step.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::Counts;
use super::ledger::Ledger;
use crate::error::Result;
use crate::format::Adapter;
use crate::format::adapter::Naming;
use crate::objects::{Object, describes_scope};
use crate::output::observer::Stream;

/// Equal objects at the start of a scope that go to the ledger all the same: by then it mostly shows whether there is an order.
const TRIED: usize = if cfg!(test) { 2 } else { 1000 };

/// An adapter and a scope of it.
type Scope = (Adapter, String);

/// What came of it.
pub(super) enum Merged {
    /// Objects that are equal on both sides, and not in the ledger.
    Equal(BTreeMap<Scope, Counts>),
    /// Some of them may be wrong: their scope was not in order.
    OutOfOrder,
}

/// Compares what comes of both sides.
///
/// # Errors
/// A decode that failed, or a ledger that cannot spill.
pub(super) fn merge(sides: &mut [Stream<'_>; 2], ledger: &mut Ledger) -> Result<Merged> {
    let mut merge = Merge { sides, ledger, last: Key::default() };
    let mut equal: BTreeMap<Scope, Counts> = BTreeMap::new();
    merge.advance(0)?;
    merge.advance(1)?;
    while let Some(scope) = merge.next_scope() {
        // What comes of a scope that was over may be equal to what is not in the ledger.
        let same = if equal.contains_key(&scope) { None } else { merge.scope(&scope)? };
        match same {
            None => return Ok(Merged::OutOfOrder),
            Some(0) => {}
            Some(same) => drop(equal.insert(scope, Counts { same, ..Counts::default() })),
        }
    }
    Ok(Merged::Equal(equal))
}

/// Both sides.
struct Merge<'m, 's, 'l> {
    sides: &'m mut [Stream<'s>; 2],
    ledger: &'l mut Ledger,
    /// The key that came last.
    last: Key,
}

#[derive(Default)]
struct Key {
    key: Vec<u8>,
    range: Option<Vec<u8>>,
}

impl Merge<'_, '_, '_> {
    /// Goes on to the next object of a side. What describes a scope has no order, and goes to the ledger.
    fn advance(&mut self, side: usize) -> Result<()> {
        let stream = &mut self.sides[side];
        stream.advance()?;
        while let Some(object) = stream.head().filter(|object| describes_scope(object.kind)) {
            self.ledger.add(side, &object)?;
            stream.advance()?;
        }
        Ok(())
    }

    /// The scope at hand: of two, that whose turn it is if scopes are in order.
    fn next_scope(&self) -> Option<Scope> {
        let scopes = self.sides.iter().filter_map(|side| side.head()).map(|object| (object.adapter, object.scope));
        scopes.min().map(|(adapter, scope)| (adapter, scope.to_owned()))
    }

    /// Compares the objects of a scope; gives the number of those that are not in the ledger. `None`: they were not in order.
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
                before.filter(|_| order.is_le()).map_or(Ok(()), |object| self.ledger.add(0, &object))?;
                after.filter(|_| order.is_ge()).map_or(Ok(()), |object| self.ledger.add(1, &object))?;
            }
            same += u64::from(is_over);
            if !self.step(order, scope)? {
                return if same > 0 { Ok(None) } else { self.rest(scope).map(|()| Some(0)) };
            }
        }
    }

    /// Goes on behind the lesser object, or behind both; tells whether what comes now is in order.
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

    /// Gives all that is left of a scope to the ledger.
    fn rest(&mut self, scope: &Scope) -> Result<()> {
        for side in [0, 1] {
            while let Some(object) = self.sides[side].head().filter(|object| is_of(object, scope)) {
                self.ledger.add(side, &object)?;
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

/// Whether two objects with one key are equal, as the ledger would say.
fn are_equal(before: &Object<'_>, after: &Object<'_>) -> bool {
    (before.value, before.rest) == (after.value, after.rest) && before.kind == after.kind
}

fn compare(before: &Object<'_>, after: &Object<'_>) -> Ordering {
    compare_keys(before.adapter, before.key, after.key).then_with(|| before.range.cmp(&after.range))
}

/// Paths come as directories are walked: what is below one comes before its siblings.
#[inline]
fn compare_keys(adapter: Adapter, before: &[u8], after: &[u8]) -> Ordering {
    if adapter.spec().naming != Naming::Path {
        return before.cmp(after);
    }
    let rank = |byte: &u8| (*byte != b'/', *byte);
    before.iter().map(rank).cmp(after.iter().map(rank))
}
