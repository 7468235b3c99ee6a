//! The JSON around object bodies (`docs/format/s3.md` §5.1 and §7; `docs/format/rules.md` §3 and §6).
//!
//! Every function appends to a buffer. Files are indented by two spaces and end without a line feed, lines are compact
//! and end with one.

use super::names::Name;
use crate::format::jsonval::replace_invalid;
use crate::format::mvcc::hlc_millis;
use crate::format::s3::{BucketRecord, Manifest, Part};
use crate::model::s3::UploadRow;
use crate::output::json::{self, Escape};
use crate::report::time;

/// Appends `_bucket.json`; `name` is the bucket's name from the key. `for_restore`: the generation is written even if it is 0, because
/// a document of the public decoder, which never has it, is that of a new bucket.
pub fn bucket(name: &[u8], record: &BucketRecord<'_>, for_restore: bool, out: &mut Vec<u8>) {
    let mut w = Writer::indented(out);
    w.begin(b'{');
    w.integer("format_version", 1);
    w.string("name", &replace_invalid(name));
    w.string_if_any("owner", record.owner);
    w.string_if_any("region", record.region);
    w.string_if_any("acl", record.acl);
    w.time("creation_time_iso", record.created_at_hlc);
    if for_restore {
        w.integer("generation", record.generation);
    } else {
        w.integer_if_any("generation", record.generation);
    }
    w.integer_if_any("created_at_hlc", record.created_at_hlc);
    w.end(b'}');
}

/// Appends the sidecar of an object, `<path>.elastickv-meta.json`.
pub fn sidecar(manifest: &Manifest<'_>, out: &mut Vec<u8>) {
    let mut w = Writer::indented(out);
    w.begin(b'{');
    w.integer("format_version", 1);
    w.object(manifest);
    w.end(b'}');
}

/// Appends an object's line of `_index.jsonl`. A key that is not UTF-8 is `{"base64":…}`; paths of lines are UTF-8.
pub fn index_line(key: &[u8], name: Name, manifest: &Manifest<'_>, out: &mut Vec<u8>) {
    let mut w = Writer::compact(out);
    w.begin(b'{');
    w.bytes("key", key);
    w.bytes("path", &name.path(key));
    w.object(manifest);
    w.end(b'}');
    out.push(b'\n');
}

/// Appends the data of an object's manifest, except the digest and the size of its body.
pub fn metadata(manifest: &Manifest<'_>, out: &mut Vec<u8>) {
    let mut w = Writer::compact(out);
    w.begin(b'{');
    w.beside_body(manifest);
    w.end(b'}');
}

/// Appends an object's line of `KEYMAP.jsonl`; nothing if its path is its key.
pub fn keymap_line(key: &[u8], name: Name, out: &mut Vec<u8>) {
    let Some(kind) = name.keymap_kind() else { return };
    out.extend_from_slice(b"{\"encoded\":");
    json::string(&replace_invalid(&name.path(key)), Escape::Plain, out);
    out.extend_from_slice(b",\"original\":\"");
    json::base64url(key, out);
    out.extend_from_slice(b"\",\"kind\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\"}\n");
}

/// Appends a row's line of `_incomplete_uploads/records.jsonl`.
pub fn incomplete_line(row: &UploadRow<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"prefix\":");
    json::string(row.family.prefix(), Escape::Plain, out);
    for (name, bytes) in [("key", row.user_key), ("value", row.value)] {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":\"");
        json::base64(bytes, out);
        out.push(b'"');
    }
    out.extend_from_slice(b"}\n");
}

/// Appends a line of the file of generations.
pub fn generation_line(bucket: &[u8], generation: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"name\":");
    json::bytes(bucket, Escape::Plain, out);
    out.extend_from_slice(b",\"generation\":");
    json::integer(generation, out);
    out.extend_from_slice(b"}\n");
}

/// Writes nested JSON, indented or on one line.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    compact: bool,
    depth: usize,
    fresh: bool,
}

impl<'o> Writer<'o> {
    fn indented(out: &'o mut Vec<u8>) -> Writer<'o> {
        Writer { out, compact: false, depth: 0, fresh: true }
    }

    fn compact(out: &'o mut Vec<u8>) -> Writer<'o> {
        Writer { out, compact: true, depth: 0, fresh: true }
    }

    fn begin(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.depth += 1;
        self.fresh = true;
    }

    fn end(&mut self, bracket: u8) {
        self.depth -= 1;
        if !self.fresh {
            self.line();
        }
        self.out.push(bracket);
        self.fresh = false;
    }

    fn line(&mut self) {
        if !self.compact {
            json::newline(2 * self.depth, self.out);
        }
    }

    fn item(&mut self) {
        if !self.fresh {
            self.out.push(b',');
        }
        self.fresh = false;
        self.line();
    }

    fn name(&mut self, name: &str) {
        self.item();
        json::string(name, Escape::Html, self.out);
        self.out.extend_from_slice(if self.compact { b":" } else { b": " });
    }

    fn integer(&mut self, name: &str, n: impl itoa::Integer) {
        self.name(name);
        json::integer(n, self.out);
    }

    fn integer_if_any(&mut self, name: &str, n: u64) {
        if n != 0 {
            self.integer(name, n);
        }
    }

    fn string(&mut self, name: &str, text: &str) {
        self.name(name);
        json::string(text, Escape::Html, self.out);
    }

    fn string_if_any(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.string(name, text);
        }
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        self.name(name);
        json::bytes(bytes, Escape::Html, self.out);
    }

    fn time(&mut self, name: &str, hlc: u64) {
        if hlc == 0 {
            return;
        }
        self.name(name);
        self.out.push(b'"');
        time::millis_into(hlc_millis(hlc), self.out);
        self.out.push(b'"');
    }

    /// The members of a sidecar without its version: the public decoder's, then ekvsnap's own.
    fn object(&mut self, manifest: &Manifest<'_>) {
        self.string_if_any("etag", manifest.etag);
        self.integer("size_bytes", manifest.size_bytes);
        self.beside_body(manifest);
    }

    fn beside_body(&mut self, manifest: &Manifest<'_>) {
        self.time("last_modified", manifest.last_modified_hlc);
        self.string_if_any("content_type", manifest.content_type);
        self.string_if_any("content_encoding", manifest.content_encoding);
        self.string_if_any("cache_control", manifest.cache_control);
        self.string_if_any("content_disposition", manifest.content_disposition);
        self.user_metadata(manifest.user_metadata);
        if manifest.is_multipart() {
            self.parts(&manifest.parts_in_order());
        }
    }

    fn user_metadata(&mut self, pairs: &[(&str, &str)]) {
        if pairs.is_empty() {
            return;
        }
        self.name("user_metadata");
        self.begin(b'{');
        for (name, value) in pairs {
            self.string(name, value);
        }
        self.end(b'}');
    }

    fn parts(&mut self, parts: &[Part<'_>]) {
        self.name("parts");
        self.begin(b'[');
        for part in parts {
            self.item();
            self.begin(b'{');
            self.integer("part_no", part.part_no);
            self.string("etag", part.etag);
            self.integer("size_bytes", part.size_bytes);
            self.end(b'}');
        }
        self.end(b']');
    }
}

#[cfg(test)]
mod tests;
