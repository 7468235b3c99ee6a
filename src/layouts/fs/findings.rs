//! The kinds of findings about files and their names (`docs/format/fs.md` §7). Each note and warning about files, including those of the
//! adapter, is a code in `notes` of metadata.jsonl: its event without `fs_`.

use crate::report::{Kind, kinds};

kinds! {
    Note EXTENTS "fs_sha256_of_extents" "large holes: CHECKSUMS has no row, metadata.jsonl has sha256_extents";
    Note APART "fs_apart" "a name or path that cannot stand in the tree; written below fs/apart by its inode number";
}

/// The code of a kind: its event without `fs_`.
pub fn code(kind: &Kind) -> &'static str {
    kind.event.strip_prefix("fs_").unwrap_or(kind.event)
}
