//! The content of a file system's files.

use crate::format::adapter::FS;
use crate::layouts::place::{Place, Shape};
use crate::options::Layout;

/// The content of a file, by its path below `fs/`; `None`: no objects, or content, which its line represents.
pub fn place(_: Layout, below: &[u8]) -> Option<Place> {
    (below == b"metadata.jsonl").then(|| Place::new(FS, "tree", "files", Shape::File))
}
