//! L2, `EKVSSTI1`: the rows of a store as tables of its storage engine (`sst.md`).
//!
//! ```text
//! "EKVSSTI1" · i64be length of the manifest · its SHA-256 · manifest (JSON) · table 0 · table 1 · …
//! ```
//!
//! [`bundle`] has the front and the manifest, [`table`] the footer of a table and the blocks it leads to, [`block`] the blocks of a table,
//! [`row`] the rows in its data blocks. [`writer`] makes tables and bundles.

pub mod block;
pub mod bundle;
mod fault;
pub mod row;
pub mod table;
pub mod writer;

pub use fault::{At, SstFault};

use prost::encoding;

/// A number with seven bits per byte, as in blocks.
#[inline]
fn uvarint(bytes: &mut &[u8]) -> Option<u64> {
    match bytes {
        [low @ 0..0x80, rest @ ..] => {
            let low = u64::from(*low);
            *bytes = rest;
            Some(low)
        }
        _ => encoding::decode_varint(bytes).ok(),
    }
}

fn uvarint_into(number: u64, out: &mut Vec<u8>) {
    encoding::encode_varint(number, out);
}
