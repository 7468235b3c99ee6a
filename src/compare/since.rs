//! What a decode of changes needs to know: which objects were added or changed, and which were deleted (`docs/format/changes.md`).
//!
//! Both states are decoded into the null sink, side by side, with fingerprints of their lines. The objects that differ are a set (`set`),
//! and the decode that writes takes only objects of the set. So it writes the same lines as a decode of everything would.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::set::Gathering;
use super::{Compared, side_by_side, sorter};
use crate::decode::{DecodeResult, Options, Progress};
use crate::error::Result;
use crate::index;
use crate::objects;
use crate::options::changes::{Older, check_moments};
use crate::output::observer::Secret;
use crate::source::Source;

/// Finds the changes and adds them to the options. Options of a decode that does not write changes as lines are returned unchanged.
///
/// # Errors
/// One of the states cannot be decoded; the earlier state is later than the other, or its history is compacted away; a filter matches
/// nothing in either state.
pub fn prepare(sources: &[Source], options: Options, progress: &dyn Progress) -> Result<Options> {
    options.check()?;
    let Some(since) = options.since.filter(|_| options.writes_changes()) else { return Ok(options) };
    let moment = moment_of(sources, &options)?;
    match &options.older {
        Some(older) => older.check(sources.iter(), moment)?,
        None => check_moments(since, moment)?,
    }
    let after = Options { since: None, older: None, ..options.clone() };
    // A key that was left out as expired is not in the output. Reporting it as deleted does no harm, and which keys an older decode left
    // out is not known.
    let before =
        Options { as_of: Some(since).filter(|_| options.older.is_none()), drop_expired: None, ..after.clone() };
    let earlier = options.older.as_ref().map_or(sources, Older::sources);
    let Compared { sorter, seen, .. } = compared([earlier, sources], [&before, &after], progress)?;
    if let [before, after] = &seen
        && after.matched.nothing
    {
        before.matched.check()?;
    }
    let mut gathering = Gathering::new(&std::env::temp_dir())?;
    sorter.classify(&mut |difference| gathering.take(difference))?;
    let mut options = options;
    options.filter.changes = Some(gathering.finish()?);
    Ok(options)
}

/// The moment of the later state.
fn moment_of(sources: &[Source], options: &Options) -> Result<u64> {
    let mut newest = 0;
    for source in sources {
        source.unpack(options.skip_damage)?;
        newest = newest.max(index::last_commit_ts(source)?);
    }
    Ok(newest.min(options.as_of.unwrap_or(u64::MAX)))
}

/// Compares the objects of both states; side by side if they come in an order.
fn compared(
    sources: [&[Source]; 2],
    options: [&Options; 2],
    progress: &dyn Progress,
) -> Result<Compared<DecodeResult>> {
    let secret = Secret::of_lines();
    if let Some(compared) = side_by_side(sources, options, &secret, progress)? {
        return Ok(compared);
    }
    let mut sorter = sorter();
    let mut read = |side: usize| {
        let (secret, options) = (Some(Arc::clone(&secret)), options[side]);
        objects::of_sources(sources[side], options, secret, progress, &mut |object| sorter.add(side, object))
    };
    let seen = [read(0)?, read(1)?];
    Ok(Compared { sorter, equal: BTreeMap::new(), seen })
}
