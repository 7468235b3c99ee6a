//! `diff`: finds the logical objects in which two snapshots or outputs differ.
//!
//! Each side is read as a stream of objects with fingerprints of their values. Two snapshots are decoded side by side, and what is equal goes
//! no farther (`merge`); the rest of both sides goes into one sorter that spills, behind which the two states of an object stand
//! together. Two snapshots are compared object by object. An output is compared in its own
//! layout: a snapshot beside it is decoded with the options that its manifest tells, into nowhere.

mod merge;
mod side;
mod sorter;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

pub use side::Side;

use crate::decode::{Options, Progress};
use crate::error::Result;
use crate::format::Adapter;
use crate::objects;
use crate::output::manifest::FindingInfo;
use crate::output::observer::{Secret, Stream};
use crate::run::Silent;
use side::Seen;
use sorter::DiffSorter;

/// What happened to an object from A to B.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only B has it.
    Added,
    /// Only A has it.
    Removed,
    /// Both have it, and it differs.
    Changed,
}

/// An object in which A and B differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference<'a> {
    /// How.
    pub change: Change,
    /// The front end that it belongs to.
    pub adapter: Adapter,
    /// As of [`Object`](crate::objects::Object).
    pub scope: &'a str,
    /// Its kind in B, or in A if it was removed.
    pub kind: &'static str,
    /// Its key; of a table, bucket or queue the scope.
    pub key: &'a [u8],
    /// The value of its range attribute.
    pub range: Option<&'a [u8]>,
    /// For a changed object, what differs: `type`, `value`, `expiry`, `metadata`, `attributes`.
    pub parts: Vec<&'static str>,
    /// Its size in A.
    pub before: Option<u64>,
    /// Its size in B.
    pub after: Option<u64>,
}

/// Objects of a scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Only in B.
    pub added: u64,
    /// Only in A.
    pub removed: u64,
    /// In both, and different.
    pub changed: u64,
    /// In both, and equal.
    pub same: u64,
}

impl Counts {
    fn count(&mut self, change: Option<Change>) {
        let count = match change {
            Some(Change::Added) => &mut self.added,
            Some(Change::Removed) => &mut self.removed,
            Some(Change::Changed) => &mut self.changed,
            None => &mut self.same,
        };
        *count += 1;
    }

    fn add(&mut self, other: Counts) {
        let Counts { added, removed, changed, same } = other;
        self.added += added;
        self.removed += removed;
        self.changed += changed;
        self.same += same;
    }
}

/// Objects of all scopes.
#[derive(Debug, Default)]
pub struct Totals {
    /// By adapter and scope.
    pub scopes: BTreeMap<(Adapter, String), Counts>,
    /// Places of both sides that could not be read.
    pub skipped: u64,
    /// What the decodes of A and of B warned of.
    pub warnings: [Vec<FindingInfo>; 2],
}

impl Totals {
    /// Whether nothing differs.
    pub fn are_equal(&self) -> bool {
        self.scopes.values().all(|counts| counts.added + counts.removed + counts.changed == 0)
    }
}

/// Compares A with B and gives every difference, ordered by adapter, scope and key. `options` choose objects of snapshots; of
/// each side its own, since `--as-of` may differ.
///
/// # Errors
/// A side that cannot be read, two outputs in different layouts, and what `each` gives.
pub fn diff(
    sides: [&mut Side; 2],
    options: [&Options; 2],
    progress: &dyn Progress,
    each: &mut dyn FnMut(&Difference<'_>) -> Result<()>,
) -> Result<Totals> {
    let told = side::told(&sides)?;
    let secret = Secret::random();
    let Compared { sorter, equal, seen } = match side_by_side(&sides, options, &secret, progress)? {
        Some(compared) => compared,
        None => one_by_one(sides, options, told.as_ref(), &secret, progress)?,
    };
    if options.iter().all(|options| options.as_of.is_none()) {
        check_matched(&seen)?;
    }
    let mut totals = sorter.classify(each)?;
    equal.into_iter().for_each(|(scope, counts)| totals.scopes.entry(scope).or_default().add(counts));
    totals.skipped = seen.iter().map(|seen| seen.skipped).sum();
    totals.warnings = seen.map(|seen| seen.warnings);
    Ok(totals)
}

/// Nothing of both sides is equal, and says nothing, if that is because a pattern is mistyped. At an earlier moment there may have been nothing.
fn check_matched(seen: &[Seen; 2]) -> Result<()> {
    match seen.each_ref().map(|seen| seen.matched.as_ref()) {
        [Some(before), Some(after)] if after.nothing => before.check(),
        _ => Ok(()),
    }
}

/// What is known when both sides were read.
struct Compared {
    sorter: DiffSorter,
    /// Objects that are not in the sorter.
    equal: BTreeMap<(Adapter, String), Counts>,
    seen: [Seen; 2],
}

fn sorter() -> DiffSorter {
    DiffSorter::new(&std::env::temp_dir())
}

/// Decodes both sides at once. `None`: they are not two snapshots, or their objects are not in order.
fn side_by_side(
    sides: &[&mut Side; 2],
    options: [&Options; 2],
    secret: &Arc<Secret>,
    progress: &dyn Progress,
) -> Result<Option<Compared>> {
    let [Side::Snapshots(before), Side::Snapshots(after)] = sides.each_ref().map(|side| &**side) else {
        return Ok(None);
    };
    let mut sorter = sorter();
    let merge = |streams: &mut [Stream<'_>; 2]| merge::merge(streams, &mut sorter);
    let done = objects::of_both([before, after], options, secret, [progress, &Silent], merge)?;
    Ok(done.map(|(filled, equal)| Compared { sorter, equal, seen: filled.map(Seen::of) }))
}

/// Reads one side after the other, all of it into the sorter.
fn one_by_one(
    sides: [&mut Side; 2],
    options: [&Options; 2],
    told: Option<&Options>,
    secret: &Arc<Secret>,
    progress: &dyn Progress,
) -> Result<Compared> {
    let mut sorter = sorter();
    let [before, after] = sides;
    let mut read =
        |n: usize, side: &mut Side| side.read(options[n], told, secret, progress, &mut |object| sorter.add(n, object));
    let seen = [read(0, before)?, read(1, after)?];
    Ok(Compared { sorter, equal: BTreeMap::new(), seen })
}
