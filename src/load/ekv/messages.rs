//! The messages of the server's raw key-value interface that a load needs.
//!
//! Their numbers and types are the server's. The protobuf reader skips fields that are not named here.

use prost::Message;

/// The methods that are called.
pub(super) mod method {
    /// Stores a row: [`Put`](super::Put) to [`Stored`](super::Stored).
    pub const PUT: &str = "/RawKV/RawPut";
    /// Lists the keys of a range: [`Scan`](super::Scan) to [`Scanned`](super::Scanned).
    pub const SCAN: &str = "/RawKV/RawScanAt";
    /// Lists which group has which range: an empty message to [`Routes`](super::Routes).
    pub const ROUTES: &str = "/Distribution/ListRoutes";
}

/// A row to store. The server chooses the timestamp.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Put {
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// The result of storing it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Stored {
    #[prost(bool, tag = "2")]
    pub success: bool,
}

/// A range of keys, and the maximum number of keys.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Scan {
    #[prost(bytes = "vec", tag = "1")]
    pub start: Vec<u8>,
    /// The end of the range, which is not included; empty: there is none.
    #[prost(bytes = "vec", tag = "2")]
    pub end: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub limit: i64,
    /// The group that is asked; 0: the server finds it by the start of the range.
    #[prost(uint64, tag = "6")]
    pub group: u64,
    #[prost(bool, tag = "7")]
    pub keys_only: bool,
}

/// The keys of a range, in their order.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Scanned {
    #[prost(message, repeated, tag = "1")]
    pub rows: Vec<Found>,
}

/// A stored row.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Found {
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
}

/// The groups of all ranges.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Routes {
    #[prost(message, repeated, tag = "2")]
    pub routes: Vec<Route>,
}

/// A range. Only its group is used here.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Route {
    #[prost(uint64, tag = "4")]
    pub group: u64,
}
