//! ekvsnap turns elastickv snapshot files into logical backups.
#![deny(unsafe_code)]

pub mod cli;
pub mod dataset;
pub mod decode;
pub mod diff;
pub mod error;
pub mod format;
pub mod get;
pub mod inspect;
pub mod objects;
pub mod output;
#[doc(hidden)]
pub mod replay;
pub mod report;
pub mod source;
pub mod survey;
pub mod verify;

pub use error::{Error, ErrorKind, Result};
