pub mod decode;
pub mod error;
pub mod format;
pub mod output;

pub use error::{Error, ErrorKind, Result};
