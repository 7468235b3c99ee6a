//! From logical objects to named files.
//!
//! A layout decides what is a file, what is its name and what is in it. It takes the objects of [`crate::model`] from the adapters;
//! it never sees a row.

pub mod dynamodb;
pub mod fs;
pub mod jsonl;
pub mod reading;
pub mod redis;
pub mod s3;
pub mod sqs;
pub mod tree;

pub(crate) use dynamodb::{item as dynamodb_item, tables as dynamodb_tables};
pub(crate) use fs::files as fs_files;
pub(crate) use redis::run::{redis_key, redis_keys};
pub(crate) use s3::{object as s3_object, objects as s3_objects};
pub(crate) use sqs::{message as sqs_message, queues as sqs_queues};
