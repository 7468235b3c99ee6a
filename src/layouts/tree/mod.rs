//! A file for each object (`docs/format/tree.md`): what the public decoder writes too.

pub(super) mod dynamodb;
pub(crate) mod redis;
pub(crate) mod s3;
pub(crate) mod sqs;
