//! The JSON and the paths around object bodies (`s3.md` §5, §5.1, §6, §7; `rules.md` §3, §6).
//!
//! Every function appends to a buffer. Files are indented by two spaces and end without a line feed, lines are compact
//! and end with one.

use super::buckets::folder;
use super::names::{Name, safe_segment_into};
use super::plan;
use crate::format::Family;
use crate::format::jsonval::replace_invalid;
use crate::format::mvcc::hlc_millis;
use crate::format::s3::{BucketRecord, ChunkKey, Manifest, ObjectKey, Part};
use crate::output::json::{self, Escape};
use crate::output::names::{MAX_SEGMENT, NameKind, fallback_into, segment_into};
use crate::report::time;

/// Longest segment of an upload ID in the name of an orphan chunk: three numbers and `.ref.v0.bin` can follow it, and a
/// name may have 255 bytes.
const MAX_UPLOAD: usize = 255 - 3 * 17 - 11;

/// Appends `_bucket.json`; `name` is the bucket's name from the key.
pub fn bucket(name: &[u8], record: &BucketRecord<'_>, out: &mut Vec<u8>) {
    let mut w = Writer::indented(out);
    w.begin(b'{');
    w.integer("format_version", 1);
    w.string("name", &replace_invalid(name));
    w.string_if_any("owner", record.owner);
    w.string_if_any("region", record.region);
    w.string_if_any("acl", record.acl);
    w.time("creation_time_iso", record.created_at_hlc);
    w.integer_if_any("generation", record.generation);
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

/// Name of the index of a bucket.
pub const INDEX: &str = "_index.jsonl";

/// Where the objects of a bucket are listed in the packed layout.
pub fn index_path(bucket: &[u8]) -> String {
    format!("{}/{INDEX}", folder(bucket))
}

/// Appends an object's line of `_index.jsonl`. A key or path that is not UTF-8 stands as `{"base64":…}`.
pub fn index_line(key: &[u8], name: Name, manifest: &Manifest<'_>, out: &mut Vec<u8>) {
    let mut w = Writer::compact(out);
    w.begin(b'{');
    w.bytes("key", key);
    w.bytes("path", &name.path(key));
    w.object(manifest);
    w.end(b'}');
    out.push(b'\n');
}

/// Appends an object's line of `KEYMAP.jsonl`; nothing when its path is its key.
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

/// Appends a row's line of `_incomplete_uploads/records.jsonl`; `user_key` with its prefix.
pub fn incomplete_line(family: Family, user_key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"prefix\":");
    json::string(family.prefix(), Escape::Plain, out);
    for (name, bytes) in [("key", user_key), ("value", value)] {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":\"");
        json::base64(bytes, out);
        out.push(b'"');
    }
    out.extend_from_slice(b"}\n");
}

/// Appends the path of an orphan chunk, relative to the bucket's directory:
/// `_orphans/<object>/gen-<generation>/<upload ID>_<part>_<chunk>_<version>.bin`, numbers as 16 hex digits.
pub fn orphan_path(chunk: &ChunkKey<'_>, out: &mut String) {
    orphan_dir(&chunk.upload.object, out);
    upload_into(&chunk.upload.upload_id, out);
    out.push_str(&format!("_{:016x}_{:016x}_{:016x}.bin", chunk.part_no, chunk.chunk_no, chunk.version));
}

/// Appends the segment of an upload ID, short enough for what follows it.
fn upload_into(id: &[u8], out: &mut String) {
    let start = out.len();
    if segment_into(id, out) == NameKind::Plain && out.len() - start <= MAX_UPLOAD {
        return;
    }
    out.truncate(start);
    fallback_into(id, id, out);
    if out.len() - start > MAX_UPLOAD {
        // The hash in front tells it from others. A percent sign keeps its digits, or goes.
        out.truncate(start + MAX_UPLOAD);
        out.truncate(out.rfind('%').filter(|at| at + 3 > out.len()).unwrap_or(out.len()));
    }
}

/// Appends the directory of what is left of an object, relative to the bucket's, with a slash.
pub fn orphan_dir(object: &ObjectKey<'_>, out: &mut String) {
    out.push_str("_orphans/");
    safe_segment_into(&object.object, MAX_SEGMENT, out);
    out.push_str(&format!("/gen-{}/", object.generation));
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

    /// The members of a sidecar without its version: the peer's, then ours.
    fn object(&mut self, manifest: &Manifest<'_>) {
        self.string_if_any("etag", manifest.etag);
        self.integer("size_bytes", manifest.size_bytes);
        self.time("last_modified", manifest.last_modified_hlc);
        self.string_if_any("content_type", manifest.content_type);
        self.string_if_any("content_encoding", manifest.content_encoding);
        self.string_if_any("cache_control", manifest.cache_control);
        self.string_if_any("content_disposition", manifest.content_disposition);
        self.user_metadata(manifest.user_metadata);
        if plan::is_multipart(manifest) {
            self.parts(&plan::declared_parts(manifest));
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
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::format::s3::UploadKey;

    fn shown(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    const HLC: u64 = 1_700_000_000_120 << 16 | 5;

    #[test]
    fn buckets() {
        let record = BucketRecord { region: "us-east-1", acl: "private", ..BucketRecord::default() };
        let peer = r#"{
  "format_version": 1,
  "name": "bkt",
  "region": "us-east-1",
  "acl": "private"
}"#;
        assert_eq!(shown(|o| bucket(b"bkt", &record, o)), peer);
        let record = BucketRecord { generation: 2, created_at_hlc: HLC, owner: "<o>", ..record };
        let want = r#"{
  "format_version": 1,
  "name": "bkt",
  "owner": "\u003co\u003e",
  "region": "us-east-1",
  "acl": "private",
  "creation_time_iso": "2023-11-14T22:13:20.12Z",
  "generation": 2,
  "created_at_hlc": 111411200007864325
}"#;
        assert_eq!(shown(|o| bucket(b"bkt", &record, o)), want);
        let odd = shown(|o| bucket(b"b\xff\xfe", &BucketRecord::default(), o));
        assert_eq!(odd, "{\n  \"format_version\": 1,\n  \"name\": \"b\u{fffd}\u{fffd}\"\n}");
    }

    const PARTS: [Part<'static>; 2] = [
        Part { part_no: 1, etag: "p1", size_bytes: 5, ..EMPTY },
        Part { part_no: 2, etag: "", size_bytes: 0, ..EMPTY },
    ];
    const EMPTY: Part<'static> = Part {
        part_no: 0,
        etag: "",
        size_bytes: 0,
        chunk_count: 0,
        chunk_sizes: &[],
        part_version: 0,
        chunk_ref_version: 0,
        offloaded: false,
    };

    fn full() -> Manifest<'static> {
        Manifest {
            upload_id: "u",
            etag: "e",
            size_bytes: -1,
            last_modified_hlc: HLC,
            content_type: "text/plain; a=\"b\"",
            content_encoding: "gzip",
            cache_control: "no-cache",
            content_disposition: "x",
            user_metadata: &[("a&", "1"), ("b", "")],
            parts: &PARTS,
            declared_parts: PARTS.len(),
        }
    }

    #[test]
    fn sidecars() {
        let least = shown(|o| sidecar(&Manifest::default(), o));
        assert_eq!(least, "{\n  \"format_version\": 1,\n  \"size_bytes\": 0\n}");
        let want = r#"{
  "format_version": 1,
  "etag": "e",
  "size_bytes": -1,
  "last_modified": "2023-11-14T22:13:20.12Z",
  "content_type": "text/plain; a=\"b\"",
  "content_encoding": "gzip",
  "cache_control": "no-cache",
  "content_disposition": "x",
  "user_metadata": {
    "a\u0026": "1",
    "b": ""
  },
  "parts": [
    {
      "part_no": 1,
      "etag": "p1",
      "size_bytes": 5
    },
    {
      "part_no": 2,
      "etag": "",
      "size_bytes": 0
    }
  ]
}"#;
        assert_eq!(shown(|o| sidecar(&full(), o)), want);
        let single = Manifest { parts: &PARTS[..1], declared_parts: 1, ..full() };
        assert!(!shown(|o| sidecar(&single, o)).contains("parts"));
    }

    #[test]
    fn index_lines() {
        let small = Manifest { size_bytes: 3, user_metadata: &[("a", "1")], ..Manifest::default() };
        let line = shown(|o| index_line(b"dir/", Name::Encoded, &small, o));
        let want = r#"{"key":"dir/","path":"_encoded/dir%2F","size_bytes":3,"user_metadata":{"a":"1"}}"#;
        assert_eq!(line, format!("{want}\n"));
        let line = shown(|o| index_line(b"<\xff\x80>", Name::Verbatim, &Manifest::default(), o));
        let want = r#"{"key":{"base64":"PP-APg"},"path":{"base64":"PP-APg"},"size_bytes":0}"#;
        assert_eq!(line, format!("{want}\n"));
        let line = shown(|o| index_line(b"k", Name::Verbatim, &full(), o));
        assert!(line.ends_with(
            r#""parts":[{"part_no":1,"etag":"p1","size_bytes":5},{"part_no":2,"etag":"","size_bytes":0}]}
"#
        ));
    }

    #[test]
    fn keymap_lines() {
        let line = |key: &[u8], name| shown(|o| keymap_line(key, name, o));
        let want = r#"{"encoded":"_encoded/dir%2F","original":"ZGlyLw","kind":"s3-encoded"}"#;
        assert_eq!(line(b"dir/", Name::Encoded), format!("{want}\n"));
        let want = r#"{"encoded":"<a>.elastickv-leaf-data","original":"PGE-","kind":"s3-leaf-data"}"#;
        assert_eq!(line(b"<a>", Name::LeafData), format!("{want}\n"));
        assert_eq!(line(b"x", Name::Verbatim), "");
    }

    #[test]
    fn incomplete_lines() {
        let line = shown(|o| incomplete_line(Family::S3Upload, b"!s3|upload|meta|\xff", b"{}", o));
        let want = r#"{"prefix":"!s3|upload|meta|","key":"IXMzfHVwbG9hZHxtZXRhfP8=","value":"e30="}"#;
        assert_eq!(line, format!("{want}\n"));
    }

    #[test]
    fn orphan_paths() {
        for (object, want) in [(&b"a/b"[..], "a%2Fb"), (b"..", "%2E%2E"), (b"", "%")] {
            let object = ObjectKey { bucket: Cow::Borrowed(b"b"), generation: 12, object: Cow::Borrowed(object) };
            let upload = UploadKey { object, upload_id: Cow::Borrowed(b"u1") };
            let mut path = String::new();
            orphan_path(&ChunkKey { upload, part_no: 1, chunk_no: 10, version: 0xabc }, &mut path);
            let file = "u1_0000000000000001_000000000000000a_0000000000000abc.bin";
            assert_eq!(path, format!("_orphans/{want}/gen-12/{file}"));
        }
    }

    #[test]
    fn names_of_orphans_fit() {
        let ids = [vec![b'u'; 193], vec![b'u'; 194], vec![b'u'; 240], vec![b'u'; 241], vec![0xff; 64], vec![0xff; 65]];
        let odd = [b"u".as_slice(), &[0xff; 63]].concat();
        let mut paths: Vec<String> = Vec::new();
        for id in ids.iter().chain([&odd]) {
            let object = ObjectKey { bucket: Cow::Borrowed(b"b"), generation: 1, object: Cow::Borrowed(&[0xff; 90]) };
            let upload = UploadKey { object, upload_id: Cow::Borrowed(id) };
            let mut path = String::new();
            orphan_path(&ChunkKey { upload, part_no: 1, chunk_no: 10, version: 0xabc }, &mut path);
            let name = path.rsplit('/').next().unwrap();
            assert!(path.split('/').all(|segment| segment.len() <= 255 - ".ref.v0".len()), "{path}");
            assert!(name.split('%').skip(1).all(|rest| rest.starts_with("FF")), "{name}");
            paths.push(path);
        }
        assert!(paths[0].contains(&format!("/{}_0", "u".repeat(193))));
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), ids.len() + 1);
    }
}
