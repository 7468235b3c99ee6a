//! Logical objects as typed, borrowed values: what a client of the server would see.
//!
//! An *adapter* ([`crate::adapters`]) reads rows and passes on objects; a *layout* ([`crate::layouts`]) takes objects and makes files of
//! them. This module is the interface between them. It knows neither rows nor files: no I/O, no JSON, no names of files.
//!
//! One key can be larger than the memory, so collections are streamed: an object begins, its elements follow, it ends. A receiver of
//! objects implements the visitor of their kind. Borrowed values are valid during the call; values that must be kept are copied.

pub mod dynamodb;
pub mod fs;
pub mod redis;
pub mod s3;
pub mod sqs;
