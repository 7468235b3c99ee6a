//! Logical objects as rows of typed columns: the data sets of `docs/format/parquet.md`.
//!
//! A visitor of the model for each adapter makes rows of objects and gives them to a [`Sink`]: that of Parquet writes row groups, that
//! of the Python wheel fills Arrow arrays. So both have the same columns.

mod cell;
mod column;
mod dataset;
pub mod dynamodb;
pub mod fs;
pub mod redis;
pub mod s3;
pub mod sqs;

pub use cell::{Cell, Pairs, Rendered};
pub use column::{Column, Kind, SHORT_DECIMAL, column};
pub use dataset::{Columns, Sink};

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

fn text(text: &str) -> Cell<'_> {
    Cell::Bytes(text.as_bytes())
}
