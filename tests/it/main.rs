//! Tests of the whole program on data: real snapshots with what their server answered, golden trees, damaged files, and
//! small snapshots built in place.

mod kit;

mod golden;
mod ranges;
mod s3;
mod s3_rows;
mod truth_s3;
