//! Parquet: a data set for each kind and scope, in files that readers can read in parallel (`docs/format/parquet.md`).
//!
//! A task encodes its rows as row groups on its own thread and passes them on as a *piece*. Only bytes and descriptions are joined, in task
//! order. So the files are the same for any number of threads, and no row waits for another one.

mod chunk;
mod delta;
#[cfg(feature = "cli")]
pub(crate) mod described;
pub(crate) mod dynamodb;
pub(crate) mod fs;
mod group;
mod page;
mod parts;
mod recorded;
pub(crate) mod redis;
mod rows;
pub(crate) mod s3;
mod schema;
mod sets;
pub(crate) mod sqs;
mod statistics;

pub(crate) use parts::Parts;

#[cfg(test)]
mod tests;
