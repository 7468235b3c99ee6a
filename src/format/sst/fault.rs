//! What is wrong with a bundle, without its position.

/// A reason to reject a bundle, one of its tables, or a block of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SstFault {
    /// The bytes end where more must follow.
    #[error("snapshot truncated: the bundle ends inside {0}")]
    Truncated(&'static str),
    /// A length of the manifest that no server accepts.
    #[error("invalid SST ingest manifest length: {0} is not between 1 and 67108864")]
    ManifestLength(i64),
    /// The manifest's bytes do not match the digest before them.
    #[error("SST ingest manifest SHA-256 mismatch")]
    ManifestHash,
    /// The manifest cannot be read, or is inconsistent.
    #[error("invalid SST ingest manifest: {0}")]
    Manifest(&'static str),
    /// A manifest of a newer server.
    #[error(
        "SST ingest manifest version {0} is not known (only 1): the file was written by a newer server; update ekvsnap"
    )]
    ManifestVersion(i64),
    /// Bytes after the last table.
    #[error("the bundle has trailing bytes: {0} after its last file")]
    TrailingBytes(u64),
    /// A table's bytes do not match their digest in the manifest.
    #[error("file integrity mismatch: its bytes do not have the SHA-256 of the manifest")]
    FileHash,
    /// The footer of a table cannot be read.
    #[error("invalid table footer: {0}")]
    Footer(&'static str),
    /// A handle does not lead to a block.
    #[error("a block handle is wrong: {0}")]
    Handle(&'static str),
    /// A block's bytes do not match their checksum.
    #[error("block checksum mismatch: the block says {stored:08x}, its bytes give {computed:08x}")]
    Checksum {
        /// The stored value.
        stored: u32,
        /// The value computed from the bytes.
        computed: u32,
    },
    /// A block in a form that the server does not write.
    #[error("block type {0} is not known (stored and Snappy are)")]
    BlockType(u8),
    /// A block that cannot be inflated.
    #[error("the block is not a Snappy block")]
    Snappy,
    /// A block that is longer than the longest row.
    #[error("the block would have {0} bytes")]
    BlockTooLarge(u64),
    /// The entries of a block cannot be read.
    #[error("invalid block: {0}")]
    Block(&'static str),
    /// A key length over the limit.
    #[error("snapshot key length exceeds limit: {0} > 1048584")]
    KeyTooLarge(u64),
    /// A value length over the limit.
    #[error("snapshot value length exceeds limit: {0} > 268435499")]
    ValueTooLarge(u64),
    /// An entry that does not set a key.
    #[error("an entry of kind {0}: a snapshot holds only sets (1)")]
    Kind(u8),
    /// A value that is not stored after its key.
    #[error("value prefix {0:#010b}: a snapshot holds only values in place")]
    ValuePrefix(u8),
    /// A property that no table of a server has.
    #[error("invalid table property: {0}")]
    Property(&'static str),
    /// A number of the manifest or of a table that its rows contradict.
    #[error("{what} mismatch: {stated} stated, {found} found")]
    Count {
        /// Which number.
        what: &'static str,
        /// The stated value.
        stated: u64,
        /// The value that was found.
        found: u64,
    },
    /// The first or last key is not that of the manifest.
    #[error("{0} key mismatch: it is not that of the manifest")]
    KeyBound(&'static str),
}

/// A fault in a table, with the position of the block if it is in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Where the block begins in the table.
    pub block: Option<u64>,
    /// What is wrong.
    pub fault: SstFault,
}

impl From<SstFault> for At {
    fn from(fault: SstFault) -> At {
        At { block: None, fault }
    }
}

impl SstFault {
    /// The same fault in a block.
    pub const fn at(self, block: u64) -> At {
        At { block: Some(block), fault: self }
    }
}
