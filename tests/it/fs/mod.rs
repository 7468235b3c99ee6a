//! The file system on rows built in place: the reader's rules, anomalies, names.

mod anomalies;
mod archive;
mod chosen;
mod lost;
mod names;
mod open;
mod reading;
mod values;
