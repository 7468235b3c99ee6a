//! The content of buckets' files.

use super::names::META_SUFFIX;
use crate::format::adapter::S3;
use crate::layouts::place::{Place, Shape, split};
use crate::options::Layout;

/// The content of a file, by its path below `s3/`; `None`: no objects, or a body, which its line represents.
pub fn place(layout: Layout, below: &[u8]) -> Option<Place> {
    let (bucket, rest) = split(below)?;
    match (rest, rest.strip_suffix(META_SUFFIX.as_bytes())) {
        // The paths of lines are UTF-8.
        _ if layout.is_packed() && std::str::from_utf8(below).is_err() => None,
        (b"_index.jsonl", _) if layout.is_packed() => Some(Place::new(S3, &bucket, "objects", Shape::S3)),
        (b"_bucket.json", _) => Some(Place::new(S3, &bucket, "buckets", Shape::Scope)),
        _ if layout.is_packed() => None,
        (b"KEYMAP.jsonl", _) => None,
        (_, Some(object)) => Some(Place::whole(S3, &bucket, "metadata", object)),
        _ => Some(Place::whole(S3, &bucket, "objects", rest)),
    }
}
