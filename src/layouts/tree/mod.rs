//! A file for each object (`docs/format/tree.md`), as the public decoder writes it.
//!
//! Mutual dependency with `redis`, `dynamodb`, `s3` and `sqs`: the folder of an adapter has what this layout and `jsonl` have in common,
//! and runs its splits. The layouts give it their visitors, and its reader reads the files of either.

pub(super) mod dynamodb;
pub(crate) mod redis;
pub(crate) mod s3;
pub(crate) mod sqs;
