use super::*;
use crate::format::Family;

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
    assert_eq!(shown(|o| bucket(b"bkt", &record, false, o)), peer);
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
    assert_eq!(shown(|o| bucket(b"bkt", &record, false, o)), want);
    let odd = shown(|o| bucket(b"b\xff\xfe", &BucketRecord::default(), false, o));
    assert_eq!(odd, "{\n  \"format_version\": 1,\n  \"name\": \"b\u{fffd}\u{fffd}\"\n}");
}

const PARTS: [Part<'static>; 2] =
    [Part { part_no: 1, etag: "p1", size_bytes: 5, ..EMPTY }, Part { part_no: 2, etag: "", size_bytes: 0, ..EMPTY }];
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
    let line = shown(|o| index_line(b"<\xff\x80>", Name::Encoded, &Manifest::default(), o));
    let want = r#"{"key":{"base64":"PP-APg"},"path":"_encoded/%3C%FF%80%3E","size_bytes":0}"#;
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
    let (bucket, user_key) = (b"b".into(), b"!s3|upload|meta|\xff");
    let row = UploadRow { family: Family::S3Upload, bucket, user_key, value: b"{}" };
    let line = shown(|o| incomplete_line(&row, o));
    let want = r#"{"prefix":"!s3|upload|meta|","key":"IXMzfHVwbG9hZHxtZXRhfP8=","value":"e30="}"#;
    assert_eq!(line, format!("{want}\n"));
}
