//! Tables and items: their documents and their names.

pub mod name;
pub mod render;
