//! Where the logical data is written.

pub mod archive;
mod assembler;
mod backlog;
pub mod checksums;
mod collector;
pub mod escape;
pub mod extents;
pub mod fs_metadata;
pub mod json;
mod levels;
pub mod manifest;
pub mod manifest_read;
pub mod members;
pub mod names;
pub mod nested;
pub mod observer;
pub mod out;
pub mod parts;
pub mod pax;
pub mod pending;
pub mod reading;
pub mod record;
pub mod remove;
pub mod single;
pub mod spill_writer;
pub mod split;
pub mod spool;
pub mod staging;
mod stored;
mod strangers;
pub mod sumfile;
mod sys;
mod tally;
pub mod target;
pub mod tee;
pub mod tree;

pub(crate) use sys::{Writer, about_to, temporary};

/// The file that describes an output, below its root.
pub const MANIFEST: &str = "MANIFEST.json";
/// The file with the digest of every other file.
pub const CHECKSUMS: &str = "CHECKSUMS";
/// The file that lists what was deleted, in an output of changes.
pub const DELETED: &str = "deleted.jsonl";
/// The file that lists what a decode could not read.
pub const ERRORS: &str = "ERRORS.jsonl";
