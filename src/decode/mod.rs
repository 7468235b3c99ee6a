//! From rows to logical objects: what each front end's data looks like in the output.

pub mod dynamodb;
