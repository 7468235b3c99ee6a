//! What a run noticed, for people and for programs.

mod findings;
pub mod visible;

pub(crate) use findings::kinds;
pub use findings::{Cut, Finding, Findings, Kind, Level, Value, digits, exact_path};
