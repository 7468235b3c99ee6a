//! From rows to logical objects.

pub mod s3;
