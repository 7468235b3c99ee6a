//! The file system on rows built in place: the reader's rules, anomalies, names.

mod anomalies;
mod archive;
mod chosen;
mod encode;
mod lost;
mod names;
mod open;
mod reading;
mod values;
