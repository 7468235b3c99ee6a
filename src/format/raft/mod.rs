//! The files of a Raft data directory other than the snapshot itself, as the server reads and writes them.
//!
//! | file | module |
//! |---|---|
//! | `snap/<term>-<index>.snap` | [`snap`], around a [`token`] |
//! | `wal/<sequence>-<index>.wal` | [`wal`] |
//! | `etcd-raft-peers.bin` | [`peers`] |
//!
//! The protobuf messages are those of etcd's Raft library. They are small, except log entries, which are not read here. So they are
//! decoded into structs, not borrowed.

pub mod peers;
pub mod snap;
pub mod token;
pub mod wal;

use std::fmt;

/// The voters and learners of a group.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ConfState {
    /// Node ids that vote, ascending.
    #[prost(uint64, repeated, packed = "false", tag = "1")]
    pub voters: Vec<u64>,
    /// Node ids of learners, which do not vote.
    #[prost(uint64, repeated, packed = "false", tag = "2")]
    pub learners: Vec<u64>,
    /// Voters that a change of membership removes.
    #[prost(uint64, repeated, packed = "false", tag = "3")]
    pub voters_outgoing: Vec<u64>,
    /// Voters that become learners.
    #[prost(uint64, repeated, packed = "false", tag = "4")]
    pub learners_next: Vec<u64>,
    /// Whether the group leaves the change of membership by itself.
    #[prost(bool, optional, tag = "5")]
    pub auto_leave: Option<bool>,
}

/// What a node has promised to keep.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct HardState {
    /// The term.
    #[prost(uint64, optional, tag = "1")]
    pub term: Option<u64>,
    /// The node it voted for in this term.
    #[prost(uint64, optional, tag = "2")]
    pub vote: Option<u64>,
    /// The index up to which entries are committed.
    #[prost(uint64, optional, tag = "3")]
    pub commit: Option<u64>,
}

/// The numeric node id of a Raft id: FNV-1a with 64 bits, and 1 instead of 0.
pub fn node_id(raft_id: &str) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    raft_id.bytes().fold(0xcbf2_9ce4_8422_2325, fnv).max(1)
}

/// What is wrong with one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaftFault {
    /// The byte from which it is wrong.
    pub offset: usize,
    /// What is wrong.
    pub what: What,
}

/// The kinds of faults of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The file ends where more must follow.
    Truncated,
    /// It begins with the wrong bytes.
    Magic,
    /// A version that is not known.
    Version(u32),
    /// A number or length over its limit.
    TooLarge(u64),
    /// A message of protobuf that cannot be decoded.
    Message,
    /// A checksum that does not match.
    Crc {
        /// The stored value.
        stored: u32,
        /// The value computed from the bytes.
        computed: u32,
    },
    /// A kind of record, or a mark, that no server writes.
    Kind(u64),
    /// Text that is not UTF-8.
    Text,
    /// More bytes than there should be.
    Surplus,
}

impl fmt::Display for RaftFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Truncated => write!(f, "it ends at byte {}, where more must follow", self.offset),
            What::Magic => write!(f, "it does not begin like such a file"),
            What::Version(version) => write!(f, "version {version} is not known"),
            What::TooLarge(n) => write!(f, "the number {n} at byte {} is over the limit", self.offset),
            What::Message => write!(f, "the message at byte {} cannot be decoded", self.offset),
            What::Crc { stored, computed } => {
                write!(
                    f,
                    "CRC32C mismatch at byte {}: {stored:08x} is stored, but the bytes give {computed:08x}",
                    self.offset
                )
            }
            What::Kind(kind) => write!(f, "the mark {kind} at byte {} is not known", self.offset),
            What::Text => write!(f, "the text at byte {} is not UTF-8", self.offset),
            What::Surplus => write!(f, "it continues at byte {}, where it must end", self.offset),
        }
    }
}

/// Shorthand for the parsers of these files.
pub type Result<T> = std::result::Result<T, RaftFault>;

/// A fault at a byte.
const fn fault<T>(offset: usize, what: What) -> Result<T> {
    Err(RaftFault { offset, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_ids() {
        // From FNV's own test vectors.
        assert_eq!(node_id("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(node_id("foobar"), 0x8594_4171_f739_67e8);
    }
}
