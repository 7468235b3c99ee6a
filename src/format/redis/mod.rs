//! Redis keys and values (`redis.md` §1 and §2).

pub mod blob;
pub mod key;
pub mod list;
pub mod meta;
pub mod stream;
pub mod string;

pub use key::{ElementKey, element_key};
