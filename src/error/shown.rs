//! Keys in error messages.

use std::fmt;

/// The start of a key, and its length: errors can be many and keys a megabyte long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// The first bytes, or all.
    pub head: Box<[u8]>,
    /// The length of the key.
    pub len: usize,
}

impl Brief {
    /// Maximum bytes that are kept.
    pub const MOST: usize = 512;

    /// The start of a key.
    pub fn of(key: &[u8]) -> Brief {
        Brief { head: key[..key.len().min(Brief::MOST)].into(), len: key.len() }
    }
}

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Start { head: &self.head, len: self.len }.fmt(f)
    }
}

/// A readable form of a key: printable ASCII is unchanged, other bytes are escaped, long keys are truncated.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Start { head: self.0, len: self.0.len() }.fmt(f)
    }
}

/// The start of a key of this length, in the form of [`Shown`].
pub struct Start<'a> {
    /// The first bytes, or all.
    pub head: &'a [u8],
    /// The length of the key.
    pub len: usize,
}

impl fmt::Display for Start<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 120;
        let head = &self.head[..self.head.len().min(MOST)];
        write!(f, "{}", head.escape_ascii())?;
        if self.len > head.len() {
            write!(f, "… ({} bytes)", self.len)?;
        }
        Ok(())
    }
}
