//! Maps logical objects to named files.
//!
//! A layout decides which files there are, their names and their content. It takes the objects of [`crate::model`] from the adapters, and
//! never sees a row.

#[cfg(feature = "archive")]
pub(crate) mod aws;
pub mod counted;
pub mod dynamodb;
pub mod fs;
pub mod jsonl;
pub mod lookup;
pub(crate) mod members;
#[cfg(feature = "parquet")]
pub(crate) mod parquet;
pub mod place;
pub mod reading;
pub mod redis;
pub mod rows;
pub mod s3;
pub mod sqs;
pub mod tree;

use crate::options::Layout;
use crate::output::parts;

/// The file of packed lines that a path is a part of, or the path itself.
pub(crate) fn joined(layout: Layout, path: &[u8]) -> &[u8] {
    if layout == Layout::JSONL { parts::joined(path) } else { path }
}
