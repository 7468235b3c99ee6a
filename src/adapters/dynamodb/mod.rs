//! DynamoDB: tables and their items (`docs/format/dynamodb.md` §3).
//!
//! Schemas are read first; they are few ([`Tables`]). Item rows are then read in key order, in *splits*. Each row is checked and given to a
//! visitor at once, so memory holds only what a split needs.
//!
//! Items without a live generation are looked at once more, to see whether an earlier table of the same name explains them ([`Stale`]).

mod all;
pub mod encode;
mod findings;
pub(crate) mod key_text;
mod one;
mod splits;
mod stale;
mod tables;
mod task;
mod walk;

pub use all::read_all;
pub use one::{rows_of, splits_of};
pub use splits::splits;
pub use stale::Stale;
pub use tables::{Held, Tables, check_counters, counters};
pub use task::{Report, read};
