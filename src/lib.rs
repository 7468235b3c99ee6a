//! ekvsnap turns elastickv snapshot files into logical backups.
#![deny(unsafe_code)]

pub mod dataset;
pub mod error;
pub mod format;
pub mod output;
pub mod source;
pub mod survey;

pub use error::{Error, ErrorKind, Result};
