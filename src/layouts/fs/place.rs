//! What the files of a file system hold.

use crate::format::adapter::FS;
use crate::layouts::place::{Place, Shape};
use crate::options::Layout;

/// What a file holds, by its path below `fs/`; `None`: no objects, or content, which its line stands for.
pub fn place(_: Layout, below: &[u8]) -> Option<Place> {
    (below == b"metadata.jsonl").then(|| Place::new(FS, "tree", "files", Shape::File))
}
