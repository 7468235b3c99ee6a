//! The file system on rows built by the tests: the reader's rules, anomalies, names.

mod anomalies;
mod archive;
mod chosen;
mod encode;
mod lost;
mod names;
mod open;
mod reading;
mod values;
