//! Every limit of the container, in one place (`container.md` §2, §3.1, §7).

/// Longest raw key: 1 MiB of user key and the 8-byte timestamp suffix.
pub const MAX_RAW_KEY: u64 = (1 << 20) + 8;
/// Longest raw value: 256 MiB of body, the 9-byte value header and the 34-byte encryption envelope.
pub const MAX_RAW_VALUE: u64 = (256 << 20) + 9 + 34;
/// Length of the inverted commit timestamp that ends every MVCC key.
pub const TS_SUFFIX: usize = 8;
/// Length of the header of an MVCC value: flags and expiry.
pub const VALUE_HEADER: usize = 9;
/// Shortest payload of an `EKVTHLC2` header.
pub const MIN_HEADER_PAYLOAD: u16 = 16;
/// Longest payload of an `EKVTHLC2` header.
pub const MAX_HEADER_PAYLOAD: u16 = 1024;
/// Length of the footer: a big-endian CRC32C of everything before it.
pub const FOOTER: usize = 4;
/// Longest user key of an `EKVMVCC2` stream.
pub const MVCC2_MAX_KEY: u64 = 1 << 20;
/// Most versions of one key of an `EKVMVCC2` stream.
pub const MVCC2_MAX_VERSIONS: u64 = 1 << 20;
/// Longest part of the state of migrations in an `EKVMVCC2` stream, and the largest number of readiness states.
pub const MVCC2_MAX_STATE: u64 = 1 << 20;
/// Longest value of an `EKVMVCC2` stream.
pub const MVCC2_MAX_VALUE: u64 = 256 << 20;
