//! The data about buckets and objects in documents and lines.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::format::s3::{Manifest, Part};
use crate::layouts::reading::Binary;
use crate::report::time;

/// The document of a bucket; the public decoder has members that it never fills.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub format_version: u64,
    pub name: String,
    #[serde(default)]
    pub owner: String,
    #[serde(default)]
    pub region: String,
    #[serde(default)]
    pub acl: String,
    creation_time_iso: Option<String>,
    pub generation: Option<u64>,
    #[serde(default)]
    created_at_hlc: u64,
}

impl Document {
    /// The creation time of the bucket; `None`: the text is not a time.
    pub fn created_at_hlc(&self) -> Option<u64> {
        if self.created_at_hlc > 0 { Some(self.created_at_hlc) } else { hlc_of(self.creation_time_iso.as_deref()) }
    }
}

/// Where the body of a line of an index is.
#[derive(Deserialize)]
pub(super) struct Place {
    pub path: Binary,
}

/// A sidecar, or a line of an index.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    pub format_version: Option<u64>,
    pub key: Option<Binary>,
    #[serde(rename = "path")]
    _path: Option<Binary>,
    #[serde(default)]
    etag: String,
    size_bytes: i64,
    last_modified: Option<String>,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    content_encoding: String,
    #[serde(default)]
    cache_control: String,
    #[serde(default)]
    content_disposition: String,
    #[serde(default)]
    user_metadata: BTreeMap<String, String>,
    #[serde(default)]
    parts: Vec<PartTold>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartTold {
    part_no: u64,
    etag: String,
    size_bytes: i64,
}

impl Told {
    /// Passes on the manifest; `None`: its time is invalid.
    pub fn give<T>(&self, give: impl FnOnce(&Manifest<'_>) -> T) -> Option<T> {
        let pairs: Vec<(&str, &str)> = self.user_metadata.iter().map(|(name, value)| (&**name, &**value)).collect();
        let parts = self.parts.iter().map(|part| {
            let PartTold { part_no, etag, size_bytes } = part;
            Part { part_no: *part_no, etag, size_bytes: *size_bytes, ..Part::default() }
        });
        let parts: Vec<Part<'_>> = parts.collect();
        Some(give(&Manifest {
            upload_id: "",
            etag: &self.etag,
            size_bytes: self.size_bytes,
            last_modified_hlc: hlc_of(self.last_modified.as_deref())?,
            content_type: &self.content_type,
            content_encoding: &self.content_encoding,
            cache_control: &self.cache_control,
            content_disposition: &self.content_disposition,
            user_metadata: &pairs,
            parts: &parts,
            declared_parts: parts.len(),
        }))
    }
}

/// The clock value of a time, which is never 0. `None`: it is not a time, or not one of the clock.
fn hlc_of(moment: Option<&str>) -> Option<u64> {
    let Some(text) = moment else { return Some(0) };
    let millis = time::millis_of(text)?;
    (millis < 1 << 48).then_some((millis << 16).max(1))
}
