//! Takes the rows that logical objects are encoded to.

use crate::error::Result;
use crate::format::Adapter;

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

/// Takes objects of adapters that were [added](crate::format::adapter::register): they are known by their rows alone.
pub trait RowVisitor {
    /// A row of an object: its user key, and its value without header.
    ///
    /// # Errors
    /// What taking it gives.
    fn stored_row(&mut self, adapter: Adapter, key: &[u8], value: &[u8]) -> Result<()>;

    /// All rows of an object were given. `kind`: what it is, in the plural.
    ///
    /// # Errors
    /// As [`stored_row`](RowVisitor::stored_row).
    fn stored_object(&mut self, adapter: Adapter, kind: &'static str) -> Result<()>;
}
