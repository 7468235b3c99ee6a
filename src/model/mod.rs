//! Logical objects as typed, borrowed values: what a client of the server would see.
//!
//! An *adapter* ([`crate::adapters`]) reads rows and gives objects; a *layout* ([`crate::layouts`]) takes objects and makes
//! files of them. This module is what both agree on. It knows neither rows nor files: no I/O, no JSON, no names of files.
//!
//! One key can be larger than the memory, so collections are streamed: an object begins, its elements follow, it ends. Whoever takes
//! objects implements the visitor of their kind. What is borrowed is valid during the call; what has to stay is copied.

pub mod dynamodb;
pub mod fs;
pub mod redis;
pub mod s3;
pub mod sqs;
