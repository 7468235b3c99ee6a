//! Tests of the whole program on data: real snapshots with what their server answered, golden trees, damaged files, and
//! small snapshots built in place.

mod kit;

mod better;
mod cli;
mod container;
mod damaged;
mod dynamodb;
mod golden;
mod groups;
mod ranges;
mod redis_errors;
mod redis_families;
mod redis_warnings;
mod replay;
mod sqs;
mod truth_dynamodb;
mod truth_redis;
mod truth_sqs;
mod visibility;
