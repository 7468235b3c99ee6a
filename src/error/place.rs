//! The place of a fault in a bundle.

use std::fmt;

use crate::format::sst::bundle;

/// A place in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct SstPlace {
    /// The file of the bundle, by its position.
    #[serde(rename = "sst_file", serialize_with = "sst_file")]
    pub file: u32,
    /// Start of the block in that file, if the fault is in a block.
    #[serde(rename = "sst_block", skip_serializing_if = "Option::is_none")]
    pub block: Option<u64>,
}

// Serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn sst_file<S: serde::Serializer>(file: &u32, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&bundle::name_of(*file as usize))
}

impl fmt::Display for SstPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bundle::name_of(self.file as usize))?;
        match self.block {
            Some(block) => write!(f, ", block at {block}"),
            None => Ok(()),
        }
    }
}
