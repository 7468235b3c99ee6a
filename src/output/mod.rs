//! Where the logical data goes.

pub mod json;
pub mod names;
pub mod nested;
