//! `diff`: finds the logical objects in which two snapshots or outputs differ.
//!
//! Each side is read as a stream of objects with fingerprints of their values, and both meet in [`compare`]. Two snapshots are compared
//! object by object. An output is compared in its own layout: a snapshot on the other side is decoded with the options of its manifest,
//! into the null sink.

mod side;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::compare::{Change, Counts, Difference, Totals};
pub use side::Side;

use crate::compare::{self, Compared, side_by_side};
use crate::decode::{Options, Progress};
use crate::error::Result;
use crate::output::observer::Secret;
use side::Seen;

/// Compares A with B and calls `each` for every difference, ordered by adapter, scope and key. `options` choose objects of snapshots; each
/// side has its own, because `--as-of` may differ.
///
/// # Errors
/// A side that cannot be read, two outputs in different layouts, or the error of `each`.
pub fn diff(
    sides: [&mut Side; 2],
    options: [&Options; 2],
    progress: &dyn Progress,
    each: &mut dyn FnMut(&Difference<'_>) -> Result<()>,
) -> Result<Totals> {
    let told = side::told(&sides)?;
    let secret = Secret::random();
    let Compared { sorter, equal, seen } = match both_snapshots(&sides, options, &secret, progress)? {
        Some(compared) => compared,
        None => one_by_one(sides, options, told.as_ref(), &secret, progress)?,
    };
    if options.iter().all(|options| options.as_of.is_none()) {
        check_matched(&seen)?;
    }
    let mut totals = sorter.classify(each)?;
    equal.into_iter().for_each(|(scope, counts)| totals.scopes.entry(scope).or_default().add(counts));
    totals.skipped = seen.iter().map(|seen| seen.skipped).sum();
    let [before, after] = seen;
    totals.warnings = [before.warnings, after.warnings];
    totals.notes = [before.notes, after.notes];
    Ok(totals)
}

/// If both sides are empty because a pattern is mistyped, equality has no meaning. At an earlier moment, nothing may have existed.
fn check_matched(seen: &[Seen; 2]) -> Result<()> {
    match seen.each_ref().map(|seen| seen.matched.as_ref()) {
        [Some(before), Some(after)] if after.nothing => before.check(),
        _ => Ok(()),
    }
}

/// Decodes both sides at once. `None`: they are not two snapshots, or their objects are not in order.
fn both_snapshots(
    sides: &[&mut Side; 2],
    options: [&Options; 2],
    secret: &Arc<Secret>,
    progress: &dyn Progress,
) -> Result<Option<Compared<Seen>>> {
    let [Side::Snapshots(before), Side::Snapshots(after)] = sides.each_ref().map(|side| &**side) else {
        return Ok(None);
    };
    let done = side_by_side([before, after], options, secret, progress)?;
    Ok(done.map(|Compared { sorter, equal, seen }| Compared { sorter, equal, seen: seen.map(Seen::of) }))
}

/// Reads one side after the other, completely into the sorter.
fn one_by_one(
    sides: [&mut Side; 2],
    options: [&Options; 2],
    told: Option<&Options>,
    secret: &Arc<Secret>,
    progress: &dyn Progress,
) -> Result<Compared<Seen>> {
    let mut sorter = compare::sorter();
    let [before, after] = sides;
    let mut read =
        |n: usize, side: &mut Side| side.read(options[n], told, secret, progress, &mut |object| sorter.add(n, object));
    let seen = [read(0, before)?, read(1, after)?];
    Ok(Compared { sorter, equal: BTreeMap::new(), seen })
}
