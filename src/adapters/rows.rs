//! Where rows go that are made of logical objects.

use crate::error::Result;

/// Takes rows in any order, each once.
pub trait RowSink {
    /// A row: its user key, and its value without header.
    ///
    /// # Errors
    /// A row that no snapshot can hold; what taking it gives, such as a failed write.
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<()>;
}

impl<S: RowSink> RowSink for &mut S {
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        (**self).row(key, value)
    }
}
