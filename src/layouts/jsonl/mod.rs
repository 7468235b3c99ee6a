//! A file of JSON lines for each scope and type, a line for each object (`docs/format/rules.md` §6).

pub(crate) mod beside;
pub(crate) mod deleted;
pub(super) mod dynamodb;
pub(crate) mod redis;
pub(crate) mod s3;
pub(crate) mod sqs;
