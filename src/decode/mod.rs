//! From rows to logical objects, one module per front end.

pub mod sqs;
