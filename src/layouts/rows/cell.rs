//! The values of a row.

use crate::format::redis::stream::StreamEntry;
use crate::output::split::SpillWriter;

/// Pairs of names and values, in their order.
pub trait Pairs {
    /// Iterates over them.
    fn iter(&self) -> Box<dyn Iterator<Item = (&[u8], &[u8])> + '_>;
}

impl<const N: usize> Pairs for [(&[u8], &[u8]); N] {
    fn iter(&self) -> Box<dyn Iterator<Item = (&[u8], &[u8])> + '_> {
        Box::new(self.as_slice().iter().copied())
    }
}

impl Pairs for Vec<(&[u8], &[u8])> {
    fn iter(&self) -> Box<dyn Iterator<Item = (&[u8], &[u8])> + '_> {
        Box::new(self.as_slice().iter().copied())
    }
}

impl Pairs for StreamEntry<'_> {
    fn iter(&self) -> Box<dyn Iterator<Item = (&[u8], &[u8])> + '_> {
        Box::new(self.fields())
    }
}

/// Bytes that are rendered when they are written.
pub trait Rendered {
    /// Their number.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends them to a share of the output.
    fn write(&self, to: &mut SpillWriter<'_>);

    /// Appends them to bytes in memory.
    fn append(&self, to: &mut Vec<u8>);
}

/// A value of a row.
#[derive(Clone, Copy)]
pub enum Cell<'c> {
    /// None.
    Null,
    /// Bytes, text or JSON.
    Bytes(&'c [u8]),
    /// An unsigned number.
    U64(u64),
    /// A signed number, or a time.
    I64(i64),
    /// A floating-point number.
    F64(f64),
    /// True or false.
    Bool(bool),
    /// A decimal without its point.
    Decimal(i128),
    /// Pairs of names and values.
    Pairs(&'c dyn Pairs),
    /// Bytes of a row that is not kept in memory.
    Rendered(&'c dyn Rendered),
}
