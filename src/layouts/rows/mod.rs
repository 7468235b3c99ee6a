//! Logical objects as rows of typed columns: the data sets of `docs/format/parquet.md`.
//!
//! A visitor of the model for each adapter makes rows of objects and passes them to a [`Sink`]. The sink of Parquet writes row groups, that
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

/// The last time that all readers support: the end of the year 9999.
const LAST_MILLIS: i64 = 253_402_300_799_999;

/// Unix milliseconds as a time, if readers support it.
fn moment(ms: u64) -> Cell<'static> {
    i64::try_from(ms).ok().filter(|ms| *ms <= LAST_MILLIS).map_or(Cell::Null, Cell::I64)
}

/// The same for a number that can be negative, and the number; 0 is not a time.
fn signed_moment(ms: i64) -> [Cell<'static>; 2] {
    let known = ms != 0 && (0..=LAST_MILLIS).contains(&ms);
    [if known { Cell::I64(ms) } else { Cell::Null }, Cell::I64(ms)]
}

fn text(text: &str) -> Cell<'_> {
    Cell::Bytes(text.as_bytes())
}
