//! Compares the objects of two states and finds those that differ.
//!
//! Two snapshots are decoded at once, and equal objects are dropped (`merge`). The other objects of both sides go into one sorter that
//! spills (`sorter`), which brings the two states of an object together. `diff` reports what differs; `since` makes of it what a decode of
//! changes needs (`docs/format/changes.md`).

mod differences;
pub(crate) mod merge;
mod set;
pub mod since;
pub(crate) mod sorter;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use differences::{Change, Counts, Difference, Totals};

use crate::decode::{DecodeResult, Options, Progress};
use crate::error::Result;
use crate::format::Adapter;
use crate::objects;
use crate::output::observer::{Secret, Stream};
use crate::run::Silent;
use crate::source::Source;
use sorter::DiffSorter;

/// The result once both sides were read.
pub(crate) struct Compared<S> {
    /// Objects that differ, or may differ.
    pub sorter: DiffSorter,
    /// Objects that are not in the sorter: they are equal.
    pub equal: BTreeMap<(Adapter, String), Counts>,
    /// What each side reported.
    pub seen: [S; 2],
}

/// A sorter for both sides.
pub(crate) fn sorter() -> DiffSorter {
    DiffSorter::new(&std::env::temp_dir())
}

/// Decodes snapshots of both sides at once. `None`: their objects are not in order.
pub(crate) fn side_by_side(
    sides: [&[Source]; 2],
    options: [&Options; 2],
    secret: &Arc<Secret>,
    progress: &dyn Progress,
) -> Result<Option<Compared<DecodeResult>>> {
    let mut sorter = sorter();
    let merge = |streams: &mut [Stream<'_>; 2]| merge::merge(streams, &mut sorter);
    let done = objects::of_both(sides, options, secret, [progress, &Silent], merge)?;
    Ok(done.map(|(seen, equal)| Compared { sorter, equal, seen }))
}
