//! One row as a reader sees it.

use crate::error::Error;
use crate::format::{Family, Fault};

/// The newest visible version of a user key, borrowed from its file.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The user key with its family prefix.
    pub user_key: &'a [u8],
    /// The family's own value; empty where `live` is false.
    pub body: &'a [u8],
    /// Commit timestamp (HLC).
    pub commit_ts: u64,
    /// Position of the entry in its file.
    pub offset: usize,
    /// Number of its input.
    pub group: u32,
    /// Whether it is neither a tombstone nor expired.
    pub live: bool,
    /// Whether it is encrypted and its encryption key is missing: the body is not known.
    pub sealed: bool,
}

impl Row<'_> {
    /// An error about this row. The caller that knows the inputs adds the file's name.
    #[cold]
    pub fn fault(&self, family: Family, fault: Fault) -> RowError {
        RowError { group: self.group, error: Error::from(fault).at(self.offset).row(family, self.user_key) }
    }
}

/// An error about a row of one of several inputs.
#[derive(Debug)]
pub struct RowError {
    /// Number of the input.
    pub group: u32,
    /// What is wrong.
    pub error: Error,
}
