//! Takes the rows that logical objects are encoded as.

use crate::error::Result;
use crate::format::Adapter;

/// Takes rows in any order, each once.
pub trait RowSink {
    /// A row: its user key, and its value without header.
    ///
    /// # Errors
    /// A row that no snapshot can hold; an error of the sink, such as a failed write.
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<()>;
}

impl<S: RowSink> RowSink for &mut S {
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        (**self).row(key, value)
    }
}

/// Takes objects of adapters that were [added](crate::format::adapter::register). Only their rows are known.
pub trait RowVisitor {
    /// A row of an object: its user key, and its value without header.
    ///
    /// # Errors
    /// The error of the visitor.
    fn stored_row(&mut self, adapter: Adapter, key: &[u8], value: &[u8]) -> Result<()>;

    /// Called after all rows of an object. `kind`: its kind, in the plural.
    ///
    /// # Errors
    /// As [`stored_row`](RowVisitor::stored_row).
    fn stored_object(&mut self, adapter: Adapter, kind: &'static str) -> Result<()>;
}
