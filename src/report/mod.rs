//! What a run noticed, for people and for programs.

mod findings;

pub use findings::{Finding, Findings, Kind, Level, Value};
