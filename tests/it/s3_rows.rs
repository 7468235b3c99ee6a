//! S3 rows that are damaged, contradict each other, or are left over: every error, warning and note.

use ekvsnap::decode::Options;
use ekvsnap::format::Family;
use ekvsnap::index::Granularity;
use serde_json::json;

use crate::kit::build::Snapshot;
use crate::kit::fixtures::load;
use crate::kit::s3::{
    B, U, base, bucket, chunk, chunk_of, counter, head, manifest, md5, payload, put, put_chunked, record, reference,
    upload,
};
use crate::kit::{Decoded, decoded, run, run_with};

/// An intact object with one more row fails, with family and place in the error.
#[track_caller]
fn rejects(key: &[u8], value: &[u8], family: &str, words: &str) {
    let error = run(&[put(base(), "o", "body").put(key, value).build()]).err().unwrap();
    assert!(error.is_damage() && error.to_string().contains(words), "{error}");
    assert_eq!(error.family().map(|f| f.prefix()), Some(family), "{error}");
    assert!(error.offset().is_some() && error.key() == Some(key), "{error}");
}

#[test]
fn malformed_rows_are_damage_wherever_they_are() {
    let gone = |family| upload(family, "gone", 9, b"o", "u");
    let suffix = |family: &str, rest: &[u8]| [family.as_bytes(), rest].concat();
    for (key, value, family, words) in [
        (suffix("!s3|bucket|meta|", b"b"), &b"{}"[..], "!s3|bucket|meta|", "bucket name has no end"),
        (suffix("!s3|bucket|meta|", b"..\0\x01"), b"{}", "!s3|bucket|meta|", "dot segment"),
        (suffix("!s3|bucket|meta|", b"b\0\x01"), b"[]", "!s3|bucket|meta|", "invalid !s3|bucket|meta| value"),
        (suffix("!s3|bucket|gen|", b"b\0\x01x"), b"1", "!s3|bucket|gen|", "bytes follow"),
        (suffix("!s3|bucket|gen|", b"b\0\x01"), b"x", "!s3|bucket|gen|", "neither 8 bytes nor a decimal"),
        (suffix("!s3|obj|head|", b"b\0\x01\0"), b"{}", "!s3|obj|head|", "inside its generation"),
        (head("gone", 3, b"o"), b"garbage", "!s3|obj|head|", "it is not JSON"),
        (
            head(B, 7, b"o"),
            b"{\"parts\":[{\"offloaded\":true,\"chunk_count\":1}]}",
            "!s3|obj|head|",
            "the number of chunk_sizes",
        ),
        (suffix("!s3|blob|", b"b\0\x01\0\0\0\0\0\0\0\x01k\0\x01u\0\x01"), b"", "!s3|blob|", "inside its part number"),
        (suffix("!s3|blob|", b"x"), b"", "!s3|blob|", "bucket name has no end"),
        (suffix("!s3|blob|", &[0xff; 9]), b"", "!s3|blob|", "bucket name has no end"),
        (suffix("!s3|chunkref|", b"bkt"), b"", "!s3|chunkref|", "bucket name has no end"),
        (chunk(Family::S3ChunkRef, b"nowhere", "u", (1, 0, 0)), b"\x03", "!s3|chunkref|", "unknown version"),
        (gone(Family::S3Upload), b"", "!s3|upload|meta|", "it is not JSON"),
        (gone(Family::S3GcUpload), b"7", "!s3|gc|upload|", "must be an object"),
        (gone(Family::S3UploadPart), b"{}", "!s3|upload|part|", "inside its part number"),
        (
            [gone(Family::S3UploadPart), vec![0; 8]].concat(),
            b"{\"part_no\":\"1\"}",
            "!s3|upload|part|",
            "must be an unsigned integer",
        ),
        (suffix("!s3|chunkblob|", b"abc"), b"", "!s3|chunkblob|", "64 hex digits"),
        (suffix("!s3|chunkblob|", &[b'0'; 64]), b"x", "!s3|chunkblob|", "SHA-256 is not the digest"),
    ] {
        rejects(&key, value, family, words);
    }
}

/// A manifest of one part with two chunks.
fn two_chunks(offloaded: bool) -> Snapshot {
    let part = json!({"part_no": 1, "chunk_count": 2, "chunk_sizes": [3, 3], "size_bytes": 6, "offloaded": offloaded});
    manifest(base(), b"dir/o", &json!({"upload_id": U, "etag": md5(b"aaabbb"), "size_bytes": 6, "parts": [part]}))
}

fn blob(s: Snapshot, chunk_no: u64, body: &str) -> Snapshot {
    s.put(chunk(Family::S3Blob, b"dir/o", U, (1, chunk_no, 0)), body)
}

fn chunk_ref(s: Snapshot, chunk_no: u64, body: &str, size: usize) -> Snapshot {
    s.put(chunk(Family::S3ChunkRef, b"dir/o", U, (1, chunk_no, 0)), reference(body.as_bytes(), size))
}

#[test]
fn bodies_that_cannot_be_put_together_are_damage() {
    let refs = || chunk_ref(chunk_ref(two_chunks(true), 0, "aaa", 3), 1, "bbb", 3);
    let explicit_zero = [chunk(Family::S3Blob, b"dir/o", U, (1, 0, 0)), vec![0; 8]].concat();
    let of = |digest: &str| format!("the payload {digest}");
    for (snapshot, words) in [
        (two_chunks(false), "inline chunk 0 of part 1 (version 0) is missing".to_owned()),
        (blob(two_chunks(false), 0, "aaa"), "inline chunk 1 of part 1 (version 0) is missing".into()),
        (blob(two_chunks(false), 1, "bbb"), "inline chunk 0 of part 1 (version 0) is missing".into()),
        (blob(blob(blob(two_chunks(false), 0, "a"), 1, "b"), 2, "c"), "its part declares 2 chunks".into()),
        (blob(blob(two_chunks(false), 0, "a"), 1, "b").put(explicit_zero, "a"), "is stored twice".into()),
        (blob(blob(two_chunks(true), 0, "aaa"), 1, "bbb"), "offloaded chunk 0 of part 1".into()),
        (payload(refs(), b"aaa"), of("3e744b9dc39389baf0c5a0660589b8402f3dbb49b89b3e75f2c9355852a3c677")),
        (
            payload(payload(chunk_ref(chunk_ref(two_chunks(true), 0, "aaa", 4), 1, "bbb", 3), b"aaa"), b"bbb"),
            "3 bytes according to the manifest, 4 according to its reference, and 3 in the store".into(),
        ),
    ] {
        let error = run(&[snapshot.build()]).err().unwrap();
        let text = error.to_string();
        assert!(error.is_damage() && text.contains(&words), "{text}");
        assert!(text.contains("object \"dir/o\" of bucket \"bkt\"") && text.contains("input-0.fsm"), "{text}");
        assert!(error.offset().is_some_and(|at| at > 0), "the manifest's place");
    }
    let whole = payload(payload(refs(), b"aaa"), b"bbb");
    assert_eq!(decoded(whole.build()).text("s3/bkt/dir/o"), "aaabbb");
}

#[track_caller]
fn finds(snapshot: &Snapshot, warnings: &[(&str, u64)], notes: &[(&str, u64)]) -> Decoded {
    let decoded = run(&[snapshot.build()]).unwrap();
    assert_eq!((decoded.warnings(), decoded.notes()), (warnings.to_vec(), notes.to_vec()));
    decoded
}

#[test]
fn bodies_that_differ_from_their_manifest_are_written_and_warned_of() {
    let composite = format!("{}-1", md5(&[0; 16]));
    let part = |size: i64, etag: &str, sizes: &[u64]| json!([{"part_no": 1, "chunk_count": 1, "size_bytes": size, "etag": etag, "chunk_sizes": sizes}]);
    for (etag, size, parts, warnings) in [
        (md5(b"hello"), 5, part(5, "", &[5]), &[][..]),
        (md5(b"jello"), 5, part(5, "", &[]), &[("s3_etag_mismatch", 1)]),
        (md5(b"hello"), 6, part(5, "", &[]), &[("s3_size_mismatch", 1)]),
        (md5(b"hello"), 5, part(6, "", &[]), &[("s3_part_size_mismatch", 1)]),
        (md5(b"hello"), 5, part(5, "", &[4]), &[("s3_chunk_size_mismatch", 1)]),
        (composite, 5, part(5, &md5(b"x"), &[]), &[("s3_etag_mismatch", 1), ("s3_part_etag_mismatch", 1)]),
    ] {
        let value = json!({"upload_id": U, "etag": etag, "size_bytes": size, "parts": parts});
        let s = manifest(base(), b"o", &value).put(chunk(Family::S3Blob, b"o", U, (1, 0, 0)), "hello");
        assert_eq!(finds(&s, warnings, &[]).text("s3/bkt/o"), "hello");
    }
}

#[test]
fn an_etag_mismatch_names_both_values() {
    let value = json!({"upload_id": U, "etag": md5(b"x"), "size_bytes": 0});
    let text = decoded(manifest(base(), b"o", &value).build()).text("MANIFEST.json").to_owned();
    assert!(text.contains(&format!("\"etag\": \"{}\"", md5(b"x"))), "{text}");
    assert!(text.contains(&format!("\"body_etag\": \"{}\"", md5(b""))), "{text}");
}

const V: &str = "fedcba9876543210fedcba9876543210";

fn with_chunk(s: Snapshot, key: &[u8], upload: &str) -> Snapshot {
    s.put(chunk(Family::S3Blob, key, upload, (1, 0, 0)), "left")
}

#[test]
fn why_chunks_are_left_over() {
    let upload_row = |s: Snapshot, family| s.put(upload(family, B, 1, b"o", V), "{}");
    let part_row = |s: Snapshot| s.put([upload(Family::S3UploadPart, B, 1, b"o", V), vec![0; 8]].concat(), "{}");
    let object = || put(base(), "o", "body");
    for (s, warnings, notes) in [
        (with_chunk(base(), b"o", V), &[("s3_orphan_chunks", 1)][..], &[][..]),
        (with_chunk(with_chunk(base(), b"o", V), b"o", U), &[("s3_orphan_chunks", 1)], &[]),
        (with_chunk(upload_row(base(), Family::S3Upload), b"o", V), &[], &[("s3_unfinished_upload", 1)]),
        (upload_row(part_row(base()), Family::S3Upload), &[], &[("s3_unfinished_upload", 1)]),
        (with_chunk(upload_row(base(), Family::S3GcUpload), b"o", V), &[], &[("s3_upload_garbage", 1)]),
        (upload_row(part_row(base()), Family::S3GcUpload), &[], &[]),
        (part_row(base()), &[], &[("s3_leftover_part_rows", 1)]),
        (with_chunk(object(), b"o", V), &[], &[("s3_superseded_chunks", 1)]),
        (object().put(chunk(Family::S3Blob, b"o", U, (1, 0, 77)), "x"), &[], &[("s3_superseded_chunks", 1)]),
        (object().put(chunk(Family::S3Blob, b"o", U, (2, 0, 0)), "x"), &[], &[("s3_superseded_chunks", 1)]),
        (payload(base(), b"unused"), &[], &[("s3_unreferenced_chunkblobs", 1)]),
        (
            payload(base().put(chunk(Family::S3ChunkRef, b"o", V, (1, 0, 0)), reference(b"used", 4)), b"used"),
            &[("s3_orphan_chunks", 1)],
            &[],
        ),
    ] {
        finds(&s, warnings, notes);
    }
    let text = finds(&with_chunk(base(), b"o", V), &[("s3_orphan_chunks", 1)], &[]).text("MANIFEST.json").to_owned();
    let fields = "\"bucket\": \"bkt\",\n          \"object\": \"o\",\n          \"chunks\": 1";
    assert!(text.contains(fields), "{text}");
}

/// Rows of the generation `generation` of the bucket [`B`]: an object and a lone chunk.
fn generation(s: Snapshot, generation: u64) -> Snapshot {
    let s = put_chunked(s, (B, generation, b"old"), b"body", 9);
    s.put(chunk_of(Family::S3Blob, B, generation, b"lone", V, (1, 0, 0)), "left")
}

#[test]
fn other_generations_and_lost_buckets() {
    let stale = [("s3_stale_generation_objects", 1)];
    let earlier = [("s3_earlier_generation_objects", 1)];
    for (s, warnings, notes) in [
        (generation(bucket(Snapshot::new(), B, 5), 4), &[][..], &earlier[..]),
        (generation(record(Snapshot::new(), B, 5), 4), &stale, &[]),
        (generation(bucket(Snapshot::new(), B, 5), 6), &stale, &[]),
        (generation(counter(Snapshot::new(), B, 5), 5), &[], &earlier),
        (counter(Snapshot::new(), B, 5), &[], &[]),
        (
            generation(counter(Snapshot::new(), B, 5), 6),
            &[("s3_bucket_without_record", 1), ("s3_orphan_chunks", 2)],
            &[],
        ),
        (generation(Snapshot::new(), 1), &[("s3_bucket_without_record", 1), ("s3_orphan_chunks", 2)], &[]),
    ] {
        let decoded = finds(&s, warnings, notes);
        let files = decoded.below("s3/");
        assert!(files.is_empty() || files == ["s3/bkt/_bucket.json"], "{files:?}");
    }
    let text = decoded(generation(record(Snapshot::new(), B, 5), 4).build()).text("MANIFEST.json").to_owned();
    assert!(text.contains("\"active_generation\": 5,\n          \"stale_count\": 2"), "{text}");
}

fn with_orphans(snapshot: &Snapshot) -> Decoded {
    run_with(&[snapshot.build()], &Options { include_orphans: true, ..Options::default() }).unwrap()
}

#[test]
fn orphans_are_written_on_demand() {
    let s = generation(base(), 4);
    let s = with_chunk(with_chunk(s, b"..", V), b"a/b", V);
    let s = s.put([chunk(Family::S3Blob, b"a/b", V, (1, 0, 0)), vec![0; 8]].concat(), "zero");
    let s = s.put(chunk(Family::S3ChunkRef, b"a/b", V, (1, 0, 0)), reference(b"pay", 3));
    let s = s.put(chunk(Family::S3ChunkRef, b"a/b", V, (1, 1, 9)), reference(b"no payload", 10));
    let decoded = with_orphans(&payload(s, b"pay"));
    let name =
        |upload: &str, more: &str| format!("{upload}_0000000000000001_0000000000000000_0000000000000000{more}.bin");
    let mut want = [
        (format!("a%2Fb/gen-1/{}", name(V, "")), "left"),
        (format!("a%2Fb/gen-1/{}", name(V, ".v0")), "zero"),
        (format!("a%2Fb/gen-1/{}", name(V, ".ref")), "pay"),
        (format!("%2E%2E/gen-1/{}", name(V, "")), "left"),
        (format!("lone/gen-4/{}", name(V, "")), "left"),
        (format!("old/gen-4/{}", name(U, "")), "body"),
    ];
    want.sort();
    let mut files = decoded.below("s3/bkt/_orphans/");
    files.retain(|path| !path.ends_with("manifest.json"));
    let want_files: Vec<String> = want.iter().map(|(path, _)| format!("s3/bkt/_orphans/{path}")).collect();
    assert_eq!(files, want_files);
    for ((_, body), path) in want.iter().zip(&files) {
        assert_eq!(decoded.text(path), *body);
    }
    assert_eq!(decoded.notes(), [("s3_orphan_payload_missing", 1)]);
    let chunks = [("s3_orphan_chunks", 4), ("s3_stale_generation_objects", 1)];
    assert_eq!(decoded.warnings(), chunks, "two live, two stale");
}

/// The longest name that a chunk can get: a reference whose version 0 is written out.
#[test]
fn orphans_of_long_uploads_have_names_that_fit() {
    let mut s = payload(base(), b"pay");
    let ids = ["u".repeat(193), "u".repeat(220), "u".repeat(500), "\u{fc}".repeat(100)];
    for id in &ids {
        let key = chunk(Family::S3ChunkRef, b"o", id, (1, 0, 0));
        s = s.put([key, vec![0; 8]].concat(), reference(b"pay", 3));
    }
    assert_eq!(with_orphans(&s).below("s3/bkt/_orphans/o/gen-1/").len(), ids.len());
}

#[test]
fn stale_manifests_are_kept_with_their_chunks() {
    let decoded = with_orphans(&generation(Snapshot::new(), 1));
    assert!(decoded.text("s3/bkt/_orphans/old/gen-1/manifest.json").contains("\"size_bytes\":4"));
    assert!(!decoded.has("s3/bkt/_bucket.json"));
}

#[test]
fn equal_uploads_in_two_generations_do_not_share_chunks() {
    let s = put_chunked(generation(bucket(Snapshot::new(), B, 5), 4), (B, 5, b"old"), b"new!", 9);
    let decoded = with_orphans(&s);
    assert_eq!(decoded.text("s3/bkt/old"), "new!");
    let chunk = format!("s3/bkt/_orphans/old/gen-4/{U}_0000000000000001_0000000000000000_0000000000000000.bin");
    assert_eq!(decoded.text(&chunk), "body");
}

#[test]
fn records_of_unfinished_uploads_on_demand() {
    let part = [upload(Family::S3UploadPart, B, 1, b"a", V), vec![0, 0, 0, 0, 0, 0, 0, 1]].concat();
    let s = base()
        .put(part, "{}")
        .put(upload(Family::S3Upload, B, 1, b"a", V), "{}")
        .put(upload(Family::S3Upload, B, 1, b"b", V), "{ }")
        .put(upload(Family::S3Upload, "no\0bucket", 1, b"b", V), "{}");
    let options = Options { include_incomplete_uploads: true, ..Options::default() };
    let decoded = run_with(&[s.build()], &options).unwrap();
    let lines: Vec<&str> = decoded.text("s3/bkt/_incomplete_uploads/records.jsonl").lines().collect();
    let prefixes = ["!s3|upload|meta|", "!s3|upload|meta|", "!s3|upload|part|"];
    assert!(lines.len() == 3 && lines.iter().zip(prefixes).all(|(l, p)| l.contains(p)), "{lines:?}");
    assert!(lines[1].ends_with("\"value\":\"eyB9\"}"), "{}", lines[1]);
    assert!(decoded.has("s3/no%00bucket/_incomplete_uploads/records.jsonl"));
    assert!(run(&[s.build()]).unwrap().below("s3/") == ["s3/bkt/_bucket.json"]);
}

#[test]
fn damaged_files() {
    let files = load("damaged");
    let run = |name: &str| run(&[files[&format!("{name}.fsm")].clone()]);
    assert!(run("s3-blob-orphan").unwrap().warnings().contains(&("s3_orphan_chunks", 1)));
    for name in ["s3-bucket-garbage", "s3-manifest-garbage"] {
        assert!(run(name).err().unwrap().is_damage(), "{name}");
    }
}

/// Keys that end inside the last object of a span come after it in the file: they are reported, and only once.
#[test]
fn malformed_keys_at_the_seams_are_not_lost() {
    let families = [
        Family::S3Object,
        Family::S3Blob,
        Family::S3ChunkRef,
        Family::S3Upload,
        Family::S3UploadPart,
        Family::S3GcUpload,
    ];
    let part = head(B, 1, b"object")[Family::S3Object.prefix().len()..].to_vec();
    let mut s = put(put(put(base(), "objeb", "1"), "object", "2"), "objectx", "3");
    for family in families {
        for len in 0..part.len() {
            s = s.put([family.prefix().as_bytes(), &part[..len]].concat(), "malformed");
        }
    }
    for unit in [1, 100, 4 << 20] {
        let granularity = Granularity { checkpoint_interval: 1, read_size: unit, task_size: unit };
        let options = Options { granularity, skip_damage: true, ..Options::default() };
        let decoded = run_with(&[s.build()], &options).unwrap();
        assert_eq!(decoded.text("ERRORS.jsonl").lines().count(), families.len() * part.len(), "{unit}");
        assert_eq!(decoded.text("s3/bkt/object"), "2");
    }
}
