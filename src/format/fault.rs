//! What is wrong with a key or a value, without its position.

/// A reason to reject a key or a value. `Copy`, no allocation: the row adds family, key and offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The key does not have the shape of its family.
    Key(&'static str),
    /// The value does not have the shape of its family.
    Value(&'static str),
    /// The value has a length that its family does not know.
    ValueLen {
        /// The length found, in bytes.
        got: usize,
        /// The correct lengths, in words.
        want: &'static str,
    },
}

/// Shorthand for parsers.
pub type Result<T> = std::result::Result<T, Fault>;

/// Turns a low-level `None` into a fault.
pub trait OrFault<T> {
    /// The key is malformed for this reason.
    fn or_key(self, reason: &'static str) -> Result<T>;
    /// The value is invalid for this reason.
    fn or_value(self, reason: &'static str) -> Result<T>;
}

impl<T> OrFault<T> for Option<T> {
    fn or_key(self, reason: &'static str) -> Result<T> {
        self.ok_or(Fault::Key(reason))
    }

    fn or_value(self, reason: &'static str) -> Result<T> {
        self.ok_or(Fault::Value(reason))
    }
}
