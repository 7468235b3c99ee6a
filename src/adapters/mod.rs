//! From rows to logical objects: one folder an adapter, a front end of the server.
//!
//! An adapter knows which families of rows are its own and what the server makes of them. It cuts its work into *splits*, ranges
//! of keys that can be read in any order and by any thread, and gives the objects of a split to a visitor of [`crate::model`]. It
//! knows nothing of files.

pub mod dynamodb;
pub mod fs;
pub mod redis;
pub mod rows;
pub mod s3;
pub mod sqs;
