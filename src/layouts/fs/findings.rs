//! The kinds of findings about files and their names (`docs/format/fs.md` §7). Each note and warning about files, including those of the
//! adapter, is a code in `notes` of metadata.jsonl: its event without `fs_`.

use crate::report::{Kind, kinds};

kinds! {
    Note EXTENTS "fs_sha256_of_extents" "a file with large holes: its digest is not in CHECKSUMS, but in metadata.jsonl (sha256_extents)";
    Note APART "fs_apart" "a name or path that the tree cannot store; the file was written below fs/apart, under its inode number";
}

/// The code of a kind: its event without `fs_`.
pub fn code(kind: &Kind) -> &'static str {
    kind.event.strip_prefix("fs_").unwrap_or(kind.event)
}
