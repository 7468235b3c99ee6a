//! Parquet: a data set for each kind and scope, in files that readers take in parallel (`docs/format/parquet.md`).
//!
//! A unit encodes its rows to row groups on its own thread and hands them over as a *piece*; what comes together in unit order is bytes
//! and descriptions. So the files are the same for any number of threads, and no row waits for another one.

mod chunk;
pub(crate) mod described;
pub(crate) mod dynamodb;
mod group;
mod page;
mod parts;
pub(crate) mod redis;
mod rows;
pub(crate) mod s3;
mod schema;
mod sets;
pub(crate) mod sqs;
mod statistics;

pub(crate) use parts::Parts;

use rows::Cell;

/// The last moment that all readers know: the end of the year 9999.
const LAST_MILLIS: i64 = 253_402_300_799_999;

/// Unix milliseconds as a moment, if readers know such a one.
fn moment(ms: u64) -> Cell<'static> {
    i64::try_from(ms).ok().filter(|ms| *ms <= LAST_MILLIS).map_or(Cell::Null, Cell::I64)
}

/// The same of a number that can be negative, and the number; 0 is no moment.
fn signed_moment(ms: i64) -> [Cell<'static>; 2] {
    let known = ms != 0 && (0..=LAST_MILLIS).contains(&ms);
    [if known { Cell::I64(ms) } else { Cell::Null }, Cell::I64(ms)]
}

#[cfg(test)]
mod tests;
