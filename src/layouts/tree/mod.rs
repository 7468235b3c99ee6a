//! A file for each object (`docs/format/tree.md`): what the public decoder writes too.

pub(super) mod dynamodb;
pub(super) mod redis;
pub(super) mod s3;
pub(super) mod sqs;
