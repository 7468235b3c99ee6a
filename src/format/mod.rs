//! Parses bytes into borrowed records, and encodes records: each `parse` has an `encode` (or a function `…_into`) that appends what `parse`
//! reads, with a property test that one inverts the other.
//!
//! Nothing here does I/O, allocates per row or panics on any input. A parser that rejects its input returns a [`Fault`]: what is wrong,
//! without the position. The caller, which knows the row, turns it into an [`Error`](crate::Error) with family, key and byte offset.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

pub mod adapter;
pub(crate) mod b64;
pub mod container;
pub mod cursor;
pub mod dynamodb;
pub mod envelope;
pub mod family;
pub mod fault;
pub mod frame;
pub mod fs;
pub mod header;
pub mod hex;
pub(crate) mod jsonout;
pub mod jsonval;
pub mod keys;
pub mod last;
pub mod limits;
pub mod messages;
pub mod mvcc;
pub mod mvcc2;
pub mod offload;
pub mod opened;
pub mod ordered;
pub mod proto;
pub mod raft;
pub mod rawjson;
pub mod redis;
pub mod route;
pub mod s3;
pub mod sealer;
pub mod sidecar;
pub(crate) mod slots;
pub mod snappy;
pub mod sqs;
pub mod sst;
pub mod staged;
pub mod tso;
pub mod txn;
pub mod wire;

pub use adapter::Adapter;
pub use cursor::Cursor;
pub use family::Family;
pub use fault::Fault;
pub use slots::Full;

/// What an encoder appends, for tests.
#[cfg(test)]
pub(crate) fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}
