//! The files of one export: objects with lines, one after the other, and the manifests that list them (`aws-export.md` §2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Crc;
use md5::{Digest as _, Md5};
use serde::Serialize;

use super::gzip;
use super::names::{BUCKET, Names, instant};
use crate::error::{Error, Result};
use crate::format::hex;
use crate::output::split::SplitOutput;

/// The folder of all tables.
const ROOT: &str = "dynamodb";

/// The content of an export.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// All items.
    Full,
    /// The changes after this moment (HLC), up to that of the export.
    Changes(u64),
}

/// An export while it is written.
pub(super) struct Export {
    names: Names,
    kind: Kind,
    /// Approximate bytes of lines in an object.
    size: u64,
    /// Number of the last object.
    number: u32,
    open: Option<Object>,
    /// MD5 of `manifest-files.json`.
    files: Md5,
    items: u64,
}

/// An object while it is written.
struct Object {
    /// Its key in a bucket.
    key: String,
    md5: Md5,
    crc: Crc,
    items: u64,
    bytes: u64,
}

/// Lines, compressed.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub piece: gzip::Piece,
    /// Number of lines, and their bytes before compression.
    pub count: u64,
    pub bytes: u64,
}

/// A line of `manifest-files.json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FileLine<'f> {
    item_count: u64,
    md5_checksum: String,
    etag: String,
    #[serde(rename = "dataFileS3Key")]
    key: &'f str,
}

/// `manifest-summary.json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'s> {
    version: &'static str,
    export_arn: &'s str,
    start_time: &'s str,
    end_time: &'s str,
    table_arn: &'s str,
    table_id: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    export_time: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    export_from_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    export_to_time: Option<&'s str>,
    #[serde(rename = "s3Bucket")]
    bucket: &'static str,
    #[serde(rename = "s3Prefix")]
    prefix: &'s str,
    #[serde(rename = "s3SseAlgorithm")]
    sse_algorithm: &'static str,
    #[serde(rename = "s3SseKmsKeyId")]
    sse_kms_key_id: Option<&'static str>,
    #[serde(rename = "manifestFilesS3Key")]
    files_key: String,
    billed_size_bytes: u64,
    item_count: u64,
    output_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_view: Option<&'static str>,
    export_type: &'static str,
}

impl Export {
    /// An export without content; objects have about `size` bytes before compression.
    pub fn new(names: Names, kind: Kind, size: u64) -> Export {
        Export { names, kind, size, number: 0, open: None, files: Md5::new(), items: 0 }
    }

    /// Adds lines to the current object or to the next one.
    ///
    /// # Errors
    /// A manifest that cannot be rendered.
    pub fn add(&mut self, lines: &Lines, out: &mut SplitOutput<'_>) -> Result<()> {
        if self.open.as_ref().is_some_and(|object| object.bytes >= self.size) {
            self.end_object(out)?;
        }
        let object = self.object(out);
        object.append(&lines.piece.bytes, out);
        object.crc.combine(&lines.piece.crc);
        object.items += lines.count;
        object.bytes += lines.bytes;
        Ok(())
    }

    fn object(&mut self, out: &mut SplitOutput<'_>) -> &mut Object {
        if self.open.is_none() {
            self.number += 1;
        }
        let (names, kind, number) = (&self.names, self.kind, self.number);
        self.open.get_or_insert_with(|| {
            // AWS puts the objects of all incremental exports into one folder.
            let key = match kind {
                Kind::Full => names.key(&format!("data/part-{number:05}.json.gz")),
                Kind::Changes(_) => names.shared_key(&format!("data/{}-{number:05}.json.gz", names.id)),
            };
            let mut object = Object { key, md5: Md5::new(), crc: Crc::new(), items: 0, bytes: 0 };
            object.append(&gzip::HEAD, out);
            object
        })
    }

    fn end_object(&mut self, out: &mut SplitOutput<'_>) -> Result<()> {
        let Some(mut object) = self.open.take() else { return Ok(()) };
        object.append(&gzip::end(&object.crc), out);
        let log = out.log(&path(&object.key));
        out.complete(log);
        let md5 = object.md5.finalize();
        let line = FileLine {
            item_count: object.items,
            md5_checksum: STANDARD.encode(md5),
            etag: hex::text(&md5),
            key: &object.key,
        };
        let line = [json(&line)?, b"\n".to_vec()].concat();
        self.files.update(&line);
        self.items += object.items;
        out.lines(&path(&self.names.key("manifest-files.json"))).extend_from_slice(&line);
        Ok(())
    }

    /// Ends the last object and writes the manifests; an export without items has one object, which is empty.
    ///
    /// # Errors
    /// A failed write.
    pub fn finish(mut self, out: &mut SplitOutput<'_>) -> Result<()> {
        if self.number == 0 {
            self.object(out);
        }
        self.end_object(out)?;
        let files_key = self.names.key("manifest-files.json");
        let log = out.log(&path(&files_key));
        out.complete(log);
        let Names { arn, table_arn, table_id, time, prefix, .. } = &self.names;
        let from = if let Kind::Changes(from) = self.kind { Some(instant(from)) } else { None };
        let is_full = from.is_none();
        let summary = json(&Summary {
            version: if is_full { "2020-06-30" } else { "2023-08-01" },
            export_arn: arn,
            start_time: time,
            end_time: time,
            table_arn,
            table_id,
            export_time: is_full.then_some(time),
            export_from_time: from,
            export_to_time: (!is_full).then_some(time),
            bucket: BUCKET,
            prefix,
            sse_algorithm: "AES256",
            sse_kms_key_id: None,
            files_key,
            billed_size_bytes: 0,
            item_count: self.items,
            output_format: "DYNAMODB_JSON",
            output_view: (!is_full).then_some("NEW_AND_OLD_IMAGES"),
            export_type: if is_full { "FULL_EXPORT" } else { "INCREMENTAL_EXPORT" },
        })?;
        let dir = out.tree().passing_dir(path(self.names.key("").trim_end_matches('/')).as_bytes())?;
        let digest = |bytes: &[u8]| STANDARD.encode(bytes).into_bytes();
        out.put(&dir, b"manifest-files.md5", &digest(&self.files.finalize()))?;
        out.put(&dir, b"manifest-summary.md5", &digest(&Md5::digest(&summary)))?;
        out.put(&dir, b"manifest-summary.json", &summary)?;
        out.put(&dir, b"_started", b"")
    }
}

impl Object {
    fn append(&mut self, bytes: &[u8], out: &mut SplitOutput<'_>) {
        self.md5.update(bytes);
        out.lines(&path(&self.key)).extend_from_slice(bytes);
    }
}

/// The path of a bucket's object in the output.
fn path(key: &str) -> String {
    format!("{ROOT}/{key}")
}

/// One line of JSON.
pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::internal(format!("a manifest cannot be rendered: {e}")))
}
