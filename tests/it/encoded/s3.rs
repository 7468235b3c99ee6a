//! Buckets and objects.

use std::path::Path;

use ekvsnap::Snapshot;
use ekvsnap::decode::{Layout, Silent};
use ekvsnap::format::s3::key::bucket_key;
use ekvsnap::format::{Family, adapter};
use serde_json::json;

use super::{FORMS, live, options, round, rows_of};
use crate::kit::build;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::s3 as kit_s3;

const S3: [Family; 5] =
    [Family::S3BucketMeta, Family::S3BucketGen, Family::S3Object, Family::S3Upload, Family::S3UploadPart];

/// A server stored these buckets. Their bodies are restored in other uploads; the decode compares their content.
#[test]
fn what_a_server_stored() {
    let (mut encoded, mut bodies) = (0, 0);
    for name in ["empty", "s3-small", "s3-nasty", "two-groups", "mvcc-interleave"] {
        for snapshot in snapshots(&load(name)) {
            let want = live(&snapshot, &S3);
            if want.is_empty() {
                continue;
            }
            let rows = round(snapshot, adapter::S3, name);
            for (key, value) in &want {
                let got = rows.get(key).unwrap_or_else(|| panic!("{name}: {} is gone", key.escape_ascii()));
                if Family::of(key) != Family::S3Object {
                    assert_eq!(value.escape_ascii().to_string(), got.escape_ascii().to_string(), "{name}");
                }
            }
            let others = rows.keys().filter(|key| !want.contains_key(*key));
            for key in others {
                assert_eq!(Family::of(key), Family::S3Blob, "{name}: {} is new", key.escape_ascii());
                bodies += 1;
            }
            encoded += want.len();
        }
    }
    assert!(encoded > 100 && bodies > 50, "{encoded} {bodies}");
}

/// Names that are not keys, bodies that do not match their manifests, unfinished uploads, and deleted buckets.
#[test]
fn objects_that_their_names_do_not_tell() {
    use kit_s3::{B, U, base, chunk, chunk_of, counter, manifest, md5, put, put_chunked, upload};
    let (v, long) = ("f".repeat(32), vec![b'k'; 1100]);
    let mut s = counter(base(), "gone", 4).put_at(
        build::NOW + 1,
        bucket_key(Family::S3BucketGen, b"bkt").as_bytes(),
        [0, 0, 0, 0, 0, 0, 0, 9],
    );
    for key in [
        &b"a"[..],
        b"a/b",
        b"",
        b"..",
        b"dir/",
        b"\xff\0",
        b"_encoded/x",
        b"_orphans/x",
        b"\xffleaf",
        b"\xffleaf/x",
        &long,
    ] {
        s = put(s, key, key);
    }
    // These end like sidecars; `k/` and its namesake are both encoded.
    for key in ["k", "k.elastickv-meta.json", "k/", "k/.elastickv-meta.json", "z.elastickv-meta.json"] {
        s = put(s, key, r#"{"format_version":1,"size_bytes":3}"#);
    }
    s = put_chunked(s, (B, 1, b"large"), &vec![7; (5 << 20) + 3], 1 << 20);
    let part = |number: u64, size: i64, chunks: u64, version: u64| json!({"part_no": number, "etag": md5(b"x"), "size_bytes": size, "chunk_count": chunks, "part_version": version});
    let parts = [
        ("sizes", vec![part(1, 3, 1, 0), part(2, 4, 1, 5)]),
        ("too small", vec![part(1, 2, 1, 0), part(2, 1, 1, 5)]),
        ("too large", vec![part(1, 30, 1, 0), part(2, 40, 1, 5)]),
        ("negative", vec![part(1, -3, 1, 0), part(2, 4, 1, 5)]),
        ("versions", vec![part(1, 3, 1, 4), part(1, 4, 1, 5)]),
    ];
    for (n, (key, parts)) in parts.into_iter().enumerate() {
        let hlc = [0, 1, 1 << 16, u64::MAX, 5 << 16 | 7][n];
        let value = json!({"upload_id": U, "etag": format!("{}-2", md5(b"x")), "size_bytes": 7, "parts": parts,
            "last_modified_hlc": hlc, "user_metadata": {"a": "<\u{2028}>", "b": ""}, "content_type": "text/plain"});
        s = manifest(s, key.as_bytes(), &value);
        let numbers = if key == "versions" { [(1, 0, 4), (1, 0, 5)] } else { [(1, 0, 0), (2, 0, 5)] };
        s = s.put(chunk(Family::S3Blob, key.as_bytes(), U, numbers[0]), "abc");
        s = s.put(chunk(Family::S3Blob, key.as_bytes(), U, numbers[1]), "defg");
    }
    // An upload that can go on, one of another generation, and chunks of none.
    let record = |generation: u64| {
        json!({"bucket": B, "object": "u", "generation": generation, "upload_id": v, "created_hlc": 1}).to_string()
    };
    let with_part = [&upload(Family::S3UploadPart, B, 1, b"u", &v)[..], &3u64.to_be_bytes()].concat();
    let body = vec![9; 1 << 20];
    s = s
        .put(upload(Family::S3Upload, B, 1, b"u", &v), record(1))
        .put(with_part, part(3, 1 << 20, 1, 6).to_string())
        .put(chunk(Family::S3Blob, b"u", &v, (3, 0, 6)), &body)
        .put(upload(Family::S3Upload, B, 7, b"u", &v), record(7))
        .put(chunk_of(Family::S3Blob, B, 7, b"u", &v, (3, 0, 6)), "other")
        .put(chunk(Family::S3Blob, b"orphan", &v, (1, 0, 0)), "orphan");
    let snapshot = s.build();
    let rows = round(snapshot.clone(), adapter::S3, "planted");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.fsm"), &snapshot).unwrap();
    for layout in ["tree", "jsonl"] {
        let again = format!("{layout}.fsm");
        for args in [
            &["decode", "s.fsm", "-o", layout, "--layout", layout, "--for-restore"][..],
            &["verify", layout, "--against", "s.fsm"],
            &["diff", layout, "s.fsm"],
            &["encode", layout, "-o", &again],
        ] {
            let output = ekvsnap(dir.path(), args);
            assert_eq!(code(&output), 0, "{args:?}: {}", stderr(&output));
        }
    }
    let is_there = |key: &[u8]| rows.contains_key(key);
    assert_eq!(rows.get(&chunk(Family::S3Blob, b"u", &v, (3, 0, 6))), Some(&body));
    assert!(!is_there(&upload(Family::S3Upload, B, 7, b"u", &v)));
    assert!(!is_there(&chunk(Family::S3Blob, b"orphan", &v, (1, 0, 0))));
    for (bucket, want) in [(&b"gone"[..], 4u8), (b"bkt", 9)] {
        let row = rows.get(bucket_key(Family::S3BucketGen, bucket).as_bytes());
        assert_eq!(row.and_then(|row| row.last()), Some(&want));
    }
}

/// Faults of an output, and their messages.
#[test]
fn files_that_no_decode_writes() {
    type Change = fn(&Path);
    let meta = "s3/bkt/o.elastickv-meta.json";
    let replaced = |dir: &Path, file: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(dir.join(file)).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(dir.join(file), text.replacen(from, to, 1)).unwrap();
    };
    let files: [(Change, &str); 3] = [
        (|dir| std::fs::remove_file(dir.join("s3/bkt/o")).unwrap(), "it is missing"),
        (
            |dir| std::fs::remove_file(dir.join("s3/bkt/o.elastickv-meta.json")).unwrap(),
            "no sidecar file describes this object",
        ),
        (|dir| std::fs::write(dir.join("s3/bkt/o"), "other").unwrap(), "differs from its digest"),
    ];
    let texts = [
        (meta, r#""size_bytes": 4"#, r#""size": 4"#, "unknown field"),
        (meta, r#""format_version": 1"#, r#""format_version": 2"#, "newer"),
        (meta, "2023-11-14T", "2023-11-31T", "is not a time"),
        ("s3/bkt/_bucket.json", r#""name": "bkt""#, r#""name": "other""#, "it differs"),
        ("s3/bkt/_bucket.json", r#""format_version": 1"#, r#""format_version": 2"#, "newer"),
        ("s3/bkt/KEYMAP.jsonl", "s3-encoded", "s3-leaf-data", "another name"),
    ];
    let error_after = |change: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let rows = kit_s3::put(kit_s3::put(kit_s3::base(), "o", "body"), "dir/", "");
        let snapshot = Snapshot::from_bytes("input.fsm", rows.build());
        snapshot.decode(&path, &options(FORMS[0], adapter::S3), &Silent).unwrap();
        change(&path);
        rows_of(&path, Layout::TREE, adapter::S3).unwrap_err().to_string()
    };
    for (change, words) in files {
        let error = error_after(&change);
        assert!(error.contains(words), "{words}: {error}");
    }
    for (file, from, to, words) in texts {
        let error = error_after(&|dir| replaced(dir, file, from, to));
        assert!(error.contains(words), "{to}: {error}");
    }
}
