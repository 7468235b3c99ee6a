//! Writes the content of one file.

use std::io::Write;

use super::digest::zeros;
use crate::adapters::fs::Extents;
use crate::dataset::DataSet;
use crate::error::{Error, Result};
use crate::model::fs::Node;

/// Writes the content of a file, with zeros for its holes.
///
/// # Errors
/// An input that changed, or a failed write.
pub fn copy(set: &DataSet<'_>, node: &Node, out: &mut dyn Write) -> Result<()> {
    let (mut extents, mut at) = (Extents::new(set, node), 0);
    let failed = Error::stdout;
    while let Some((offset, bytes)) = extents.next()? {
        zeros(offset - at)
            .try_for_each(|zeros| out.write_all(zeros))
            .and_then(|()| out.write_all(bytes))
            .map_err(failed)?;
        at = offset + bytes.len() as u64;
    }
    zeros(node.inode.size - at).try_for_each(|zeros| out.write_all(zeros)).map_err(failed)
}
