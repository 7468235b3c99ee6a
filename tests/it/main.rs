//! Tests of the whole program on data: real snapshots with what their server answered, golden trees, damaged files, and
//! small snapshots built in place.

mod kit;

mod archive;
mod better;
mod cli;
mod container;
mod damaged;
mod diff;
mod differential;
mod dry_run;
mod dynamodb;
mod faults;
mod filters;
mod flips;
mod fs;
mod generated;
mod get;
mod golden;
mod groups;
mod guide;
mod hostile;
mod inputs;
mod inspect;
mod ranges;
mod ranges_model;
mod redis_errors;
mod redis_families;
mod redis_warnings;
mod reference;
mod replay;
mod s3;
mod s3_rows;
mod salvage;
mod skip;
mod sqs;
mod targets;
mod torn;
mod truth_dynamodb;
mod truth_fs;
mod truth_redis;
mod truth_s3;
mod truth_sqs;
mod verify;
mod visibility;
mod words;
