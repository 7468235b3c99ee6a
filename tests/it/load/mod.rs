//! `load`: objects into running systems. What needs a server is `#[ignore]`d, and run by `.ci/run`.

mod aws;
mod rdb;
mod rdb_reader;
mod redis_server;
mod truth;
