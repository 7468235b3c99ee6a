//! The code of the fuzz targets, so that `cargo test` can run their inputs without a fuzzer.
//!
//! A target accepts any bytes. It must not panic, and it asserts further properties, for example that two ways give the same result.

mod bundles;
mod files;
mod outputs;
mod parsers;
mod text;
mod whole;

pub use bundles::{sst_block, sst_bundle};
pub use files::{container, index};
pub use outputs::{archive, encode_files, outputs};
pub use parsers::{dynamodb_item, envelope, fs_rows, redis_values, rows, s3_values, sqs_message};
pub use text::{json, lines, names};
pub use whole::{encode_rows, whole};

/// A target: its name, and what it runs.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 17] = [
    ("container", container),
    ("sst_block", sst_block),
    ("sst_bundle", sst_bundle),
    ("index", index),
    ("envelope", envelope),
    ("rows", rows),
    ("redis_values", redis_values),
    ("fs_rows", fs_rows),
    ("dynamodb_item", dynamodb_item),
    ("s3_values", s3_values),
    ("sqs_message", sqs_message),
    ("names", names),
    ("json", json),
    ("lines", lines),
    ("outputs", outputs),
    ("archive", archive),
    ("whole", whole),
];
