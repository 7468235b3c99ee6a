//! Turns rows into logical objects: one folder for each adapter, which is a front end of the server.
//!
//! An adapter knows which families of rows belong to it and how the server interprets them. It cuts its work into *splits*, ranges of keys
//! that can be read in any order and by any thread, and gives the objects of a split to a visitor of [`crate::model`]. It does not know
//! about files.

pub mod dynamodb;
pub mod fs;
pub mod redis;
pub mod rows;
pub mod s3;
pub mod sqs;
