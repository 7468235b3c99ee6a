//! Redis: turns rows of some twenty families into keys.
//!
//! A *split* is a range of user keys. Every family gives a stream of its rows in that range, in user-key order. The
//! streams are merged by user key, so all rows of a key (its anchors, elements, deltas and TTL row) come together in
//! one place, in one pass, without an index of keys. Families whose keys have a length before the user key give one
//! stream for each length, because their order is (length, key).

mod all;
mod collection;
pub mod encode;
mod expiry;
mod findings;
mod key;
mod list;
mod merge;
mod orphans;
mod pieces;
mod splits;
mod stream;
mod task;

pub use all::read_all;
pub use orphans::{malformed_keys, unreachable_items};
pub use pieces::Pieces;
pub use splits::{Split, Splits};
pub use task::{Report, read, read_with};
