//! Names of the chunks of an object's body, and their faults (`docs/format/s3.md` §5).

use super::ChunkKey;
use crate::format::hex;

/// Names a chunk within an object. Sorts in the order of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId {
    /// Part number.
    pub part_no: u64,
    /// Version of the part (inline) or of its references (offloaded).
    pub version: u64,
    /// Whether it is a `chunkref` row and not a `blob` row.
    pub offloaded: bool,
    /// Number in its part, from 0.
    pub chunk_no: u64,
}

impl ChunkId {
    /// The name of a stored row; `offloaded` distinguishes its two families.
    pub const fn of(key: &ChunkKey<'_>, offloaded: bool) -> ChunkId {
        ChunkId { part_no: key.part_no, version: key.version, offloaded, chunk_no: key.chunk_no }
    }
}

impl std::fmt::Display for ChunkId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.offloaded { "offloaded" } else { "inline" };
        write!(f, "{kind} chunk {} of part {} (version {})", self.chunk_no, self.part_no, self.version)
    }
}

/// Damage in the chunks of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkFault {
    /// A declared chunk is not stored.
    #[error("incomplete body: {0} is missing")]
    Missing(ChunkId),
    /// A chunk is stored beyond those that its part declares.
    #[error("excess bytes in the body: {0} is stored, but its part declares {1} chunks")]
    Surplus(ChunkId, u64),
    /// Two rows claim to be the same chunk.
    #[error("ambiguous body: {0} is stored twice")]
    Repeated(ChunkId),
    /// The payload that a reference names is in none of the inputs.
    #[error(
        "incomplete body: no input has the payload {} of {id}; payloads stay on their node: give the snapshot of \
         another node as a further input", hex::text(.digest)
    )]
    Payload {
        /// The chunk.
        id: ChunkId,
        /// SHA-256 of the payload.
        digest: [u8; 32],
    },
    /// A reference disagrees with the manifest or with the payload that it names.
    #[error(
        "{id} has {manifest} bytes according to the manifest, {reference} according to its reference, and {stored} in the store"
    )]
    Reference {
        /// The chunk.
        id: ChunkId,
        /// Length in the manifest's `chunk_sizes`.
        manifest: u64,
        /// Length in the reference.
        reference: u64,
        /// Length of the payload.
        stored: u64,
    },
}
