//! Where the logical data goes.

pub mod archive;
pub mod checksums;
pub mod escape;
pub mod extents;
pub mod growing;
pub mod json;
mod levels;
pub mod manifest;
pub mod manifest_read;
pub mod members;
pub mod names;
pub mod nested;
pub mod out;
pub mod pax;
pub mod pending;
pub mod reading;
pub mod remove;
pub mod single;
pub mod spool;
pub mod staging;
pub mod sumfile;
mod sys;
pub mod tap;
pub mod target;
pub mod time;
pub mod tree;
pub mod unit;
