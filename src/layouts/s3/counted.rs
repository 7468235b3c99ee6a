//! How objects are counted: by their lines, or in a tree by the files of bodies and sidecars, one pair for each object.

use std::collections::BTreeMap;

use super::names::META_SUFFIX;
use crate::layouts::counted::{Counts, FileCount, Sum, in_folder};

const BODIES: &str = "bodies";
const SIDECARS: &str = "sidecars";
const INDEX: &str = "index";
/// Sidecars of bodies whose names look like those of sidecars.
const DOUBTFUL: &str = "doubtful";

/// Objects.
#[derive(Debug)]
pub struct Objects;

impl Counts for Objects {
    fn kinds(&self) -> &'static [&'static str] {
        &["objects"]
    }

    fn file<'p>(&self, below: &'p [u8]) -> Option<FileCount<'p>> {
        let (bucket, rest) = in_folder(below)?;
        let suffix = META_SUFFIX.as_bytes();
        match rest {
            b"_bucket.json" | b"KEYMAP.jsonl" => None,
            b"_index.jsonl" => Some(FileCount::lines(bucket, INDEX)),
            _ if rest.starts_with(b"_orphans/") || rest.starts_with(b"_incomplete_uploads/") => None,
            _ => Some(FileCount::file(
                bucket,
                match rest.strip_suffix(suffix) {
                    Some(body) if body.ends_with(suffix) => DOUBTFUL,
                    Some(_) => SIDECARS,
                    None => BODIES,
                },
            )),
        }
    }

    fn objects(&self, files: &BTreeMap<&'static str, Sum>, packed: bool) -> Vec<(&'static str, (u64, Option<u64>))> {
        let of = |kind| files.get(kind).copied().unwrap_or_default();
        let [bodies, sidecars, doubtful, index] = [BODIES, SIDECARS, DOUBTFUL, INDEX].map(of);
        let all = bodies.0 + sidecars.0 + doubtful.0;
        let sum = if packed && all + index.0 > 0 {
            (index.0, Some(bodies.1 + sidecars.1 + doubtful.1))
        } else if all > 0 {
            // A body with a sidecar's name has a sidecar that is named like the sidecar of a sidecar.
            let objects = if all.is_multiple_of(2) { all / 2 } else { bodies.0 };
            (objects, (doubtful.0 == 0).then_some(bodies.1))
        } else {
            return Vec::new();
        };
        vec![("objects", sum)]
    }
}
