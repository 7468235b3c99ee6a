//! A file for each object (`docs/format/tree.md`): what the public decoder writes too.
//!
//! Mutual dependency with `redis`, `dynamodb`, `s3` and `sqs`: the folder of an adapter holds what this layout and `jsonl` have in common, and the
//! run over
//! its splits. The layouts give it their visitors, and its reader reads the files of either.

pub(super) mod dynamodb;
pub(crate) mod redis;
pub(crate) mod s3;
pub(crate) mod sqs;
