//! The messages of the server's raw key-value interface, as far as a load needs them.
//!
//! Their numbers and types are the server's; what is not named here is passed over by the reader of protobuf.

use prost::Message;

/// The methods that are called.
pub(super) mod method {
    /// Stores a row: [`Put`](super::Put) to [`Stored`](super::Stored).
    pub const PUT: &str = "/RawKV/RawPut";
    /// Tells the keys of a range: [`Scan`](super::Scan) to [`Scanned`](super::Scanned).
    pub const SCAN: &str = "/RawKV/RawScanAt";
    /// Tells which group has which range: an empty message to [`Routes`](super::Routes).
    pub const ROUTES: &str = "/Distribution/ListRoutes";
}

/// A row to be stored. The server chooses the timestamp.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Put {
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// What became of it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Stored {
    #[prost(bool, tag = "2")]
    pub success: bool,
}

/// A range of keys, and how many of them are wanted.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Scan {
    #[prost(bytes = "vec", tag = "1")]
    pub start: Vec<u8>,
    /// The first key that is not wanted; empty: there is none.
    #[prost(bytes = "vec", tag = "2")]
    pub end: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub limit: i64,
    /// The group that is asked; 0: that which the server finds by the start of the range.
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

/// A row that is there.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Found {
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
}

/// Which group has which range.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Routes {
    #[prost(message, repeated, tag = "2")]
    pub routes: Vec<Route>,
}

/// A range, of which only the group counts here.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Route {
    #[prost(uint64, tag = "4")]
    pub group: u64,
}
