//! The findings of a run, for people and for programs.

mod findings;
mod losses;
mod lost;
mod record;
pub mod time;
pub mod visible;

pub(crate) use findings::kinds;
pub use findings::{Cut, Finding, Findings, Kind, Level, Seen, Value, digits, exact_path};
pub use losses::{Losses, Pile};
pub use lost::Lost;
pub(crate) use lost::is_of_a_row;
pub use record::lasting;
