//! What is wrong with a key or a value, without where it stands.

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
        /// The lengths that are right, in words.
        want: &'static str,
    },
}

/// Shorthand for parsers.
pub type Result<T> = std::result::Result<T, Fault>;

/// Adds the meaning to a low-level "it is not there".
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
