//! S3: names, bodies, several inputs, and what ekvsnap does better than the public decoder.

use ekvsnap::decode::Options;
use ekvsnap::format::Family;
use ekvsnap::index::Granularity;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::kit::build::{NOW, Snapshot};
use crate::kit::fixtures::load;
use crate::kit::s3::{
    B, U, base, bucket, chunk, committed_intent, head, manifest, md5, payload, put, put_chunked, record, reference,
};
use crate::kit::{Decoded, Tree, decoded, packed, run, run_with};

/// Bodies: the files that have a sidecar.
fn bodies(decoded: &Decoded) -> Vec<String> {
    let has_sidecar = |path: &&Vec<u8>| decoded.tree.contains_key(&[path, &b".elastickv-meta.json"[..]].concat());
    let bodies = decoded.tree.keys().filter(has_sidecar).filter_map(|path| path.strip_prefix(b"s3/bkt/"));
    bodies.map(|path| String::from_utf8_lossy(path).into_owned()).collect()
}

/// Decodes objects of these keys; every body is its key.
fn keys(keys: &[&[u8]], rename: bool) -> Decoded {
    let snapshot = keys.iter().fold(base(), |s, key| put(s, key, key));
    let options = Options { rename_s3_collisions: rename, ..Options::default() };
    run_with(&[snapshot.build()], &options).unwrap()
}

/// Checks where the first of `all` is stored.
#[track_caller]
fn check_name(all: &[&[u8]], rename: bool, want: &str) {
    let decoded = keys(all, rename);
    let path = format!("s3/bkt/{want}");
    assert_eq!(decoded.tree.get(path.as_bytes()).map(Vec::as_slice), Some(all[0]), "{:#?}", decoded.below("s3/"));
    assert!(decoded.has(&format!("{path}.elastickv-meta.json")));
    assert_eq!(bodies(&decoded).len(), all.len(), "{:?}", bodies(&decoded));
    assert!(decoded.warnings().is_empty());
    let renamed = want.as_bytes() != all[0];
    let keymap = if decoded.has("s3/bkt/KEYMAP.jsonl") { decoded.text("s3/bkt/KEYMAP.jsonl") } else { "" };
    assert_eq!(keymap.contains(&format!("{{\"encoded\":\"{want}\",")), renamed, "{keymap}");
}

#[test]
fn names_of_the_spec() {
    let long = format!("_encoded/17b16d8ef494060fefa36a6a41567b8c__{}", "k".repeat(64));
    for (all, want) in [
        (&[&b"dir/"[..]][..], "_encoded/dir%2F"),
        (&[b"a//b"], "_encoded/a%2F%2Fb"),
        (&[b"../x"], "_encoded/..%2Fx"),
        (&[b"."], "_encoded/%2E"),
        (&[b".."], "_encoded/%2E%2E"),
        (&[b""], "_encoded/%"),
        (&[b"j", b"j.elastickv-leaf-data", b"j/x"], "_encoded/j"),
        (&[b"_bucket.json"], "_encoded/_bucket.json"),
        (&[b"_bucket.json/x"], "_encoded/_bucket.json%2Fx"),
        (&[b"KEYMAP.jsonl"], "_encoded/KEYMAP.jsonl"),
        (&[b"_orphans/x"], "_encoded/_orphans%2Fx"),
        (&[b"_incomplete_uploads/x"], "_encoded/_incomplete_uploads%2Fx"),
        (&[b"_encoded/dir%2F"], "_encoded/_encoded%2Fdir%252F"),
        (&[&[b'k'; 300]], &long),
        (&[b"b\xff", b"b\xff/x"], "_encoded/b%FF"),
        (&[b"x\0y"], "_encoded/x%00y"),
        (&[b"back\\slash"], "_encoded/back%5Cslash"),
        (&[b"a", b"a/b"], "a.elastickv-leaf-data"),
        (&[b"a/b/c"], "a/b/c"),
        (&[b"n.elastickv-meta.json"], "_encoded/n.elastickv-meta.json"),
        (&[b"k.elastickv-meta.json/z", b"k"], "_encoded/k.elastickv-meta.json%2Fz"),
        (&[b"k.elastickv-leaf-data/y", b"k", b"k/x"], "_encoded/k.elastickv-leaf-data%2Fy"),
    ] {
        check_name(all, false, want);
    }
    check_name(&[b"n.elastickv-meta.json"], true, "n.elastickv-meta.json.user-data");
}

#[test]
fn keys_that_are_not_utf8_are_their_paths() {
    let decoded = keys(&[b"d\xff/b\xfe"], false);
    assert_eq!(decoded.tree[&b"s3/bkt/d\xff/b\xfe"[..]], b"d\xff/b\xfe");
}

#[test]
fn keymap_is_ordered_by_key_bytes() {
    let decoded = keys(&[b"z/", b"a", b"a/b", b"a//", b"\xff\0", b"B/"], false);
    let originals: Vec<&str> =
        decoded.text("s3/bkt/KEYMAP.jsonl").lines().map(|l| l.split("\"original\":\"").nth(1).unwrap()).collect();
    let begins = ["Qi8\"", "YQ\"", "YS8v\"", "ei8\"", "_wA\""];
    assert!(originals.len() == 5 && originals.iter().zip(begins).all(|(o, b)| o.starts_with(b)), "{originals:?}");
}

#[test]
fn metadata_files() {
    let value = json!({"upload_id": U, "etag": "x", "size_bytes": 0, "last_modified_hlc": 1_700_000_000_000u64 << 16,
        "content_type": "t", "content_encoding": "gzip", "cache_control": "no", "content_disposition": "d",
        "user_metadata": {"b": "2", "a": "1"}});
    let decoded = decoded(manifest(base(), b"o", &value).build());
    assert_eq!(
        decoded.text("s3/bkt/o.elastickv-meta.json"),
        r#"{
  "format_version": 1,
  "etag": "x",
  "size_bytes": 0,
  "last_modified": "2023-11-14T22:13:20Z",
  "content_type": "t",
  "content_encoding": "gzip",
  "cache_control": "no",
  "content_disposition": "d",
  "user_metadata": {
    "a": "1",
    "b": "2"
  }
}"#
    );
    assert_eq!(decoded.text("s3/bkt/o"), "");
    assert_eq!(decoded.notes(), [("s3_etag_not_checkable", 1)]);
    let manifest = decoded.text("MANIFEST.json");
    assert!(manifest.contains("\"buckets\": [\n        \"bkt\"\n      ]"), "{manifest}");
}

#[test]
fn buckets_keep_their_creation_time_and_generation() {
    let text = decoded(base().build()).text("s3/bkt/_bucket.json").to_owned();
    assert!(text.contains("\"creation_time_iso\": \"2023-11-14T22:13:20.12Z\""), "{text}");
    assert!(text.contains("\"generation\": 1"), "{text}");
}

/// Two parts; the second is declared first and, if `offloaded`, its chunk is a reference.
fn multipart(offloaded: bool) -> Snapshot {
    let (one, two) = ([1u8; 300], [2u8; 50]);
    let digest = |body: &[u8]| -> Vec<u8> {
        let hex = md5(body);
        (0..16).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
    };
    let etag = format!("{}-2", md5(&[digest(&one), digest(&two)].concat()));
    let value = json!({"upload_id": U, "etag": etag, "size_bytes": 350, "parts": [
        {"part_no": 2, "etag": md5(&two), "size_bytes": 50, "chunk_count": 1, "chunk_sizes": [50],
         "part_version": 9, "chunk_ref_version": 7, "offloaded": offloaded},
        {"part_no": 1, "etag": md5(&one), "size_bytes": 300, "chunk_count": 2, "chunk_sizes": [200, 100],
         "part_version": 8}]});
    let s = manifest(base(), b"mp", &value)
        .put(chunk(Family::S3Blob, b"mp", U, (1, 0, 8)), &one[..200])
        .put(chunk(Family::S3Blob, b"mp", U, (1, 1, 8)), &one[200..]);
    if offloaded {
        s.put(chunk(Family::S3ChunkRef, b"mp", U, (2, 0, 7)), reference(&two, 50))
    } else {
        s.put(chunk(Family::S3Blob, b"mp", U, (2, 0, 9)), two)
    }
}

#[test]
fn composite_etags_are_verified_and_parts_kept() {
    let decoded = decoded(multipart(false).build());
    assert!(decoded.warnings().is_empty() && decoded.notes().is_empty(), "{:?}", decoded.warnings());
    assert_eq!(decoded.tree[&b"s3/bkt/mp"[..]], [&[1; 300][..], &[2; 50]].concat());
    assert!(decoded.text("s3/bkt/mp.elastickv-meta.json").contains("\"parts\": [\n    {\n      \"part_no\": 1,"));
}

#[test]
fn offloaded_chunks_come_from_any_group_and_any_time() {
    let late = chunkblob_at(&[2; 50], NOW + 99);
    for inputs in
        [vec![payload(multipart(true), &[2; 50]).build()], vec![multipart(true).build(), late.last_commit(1).build()]]
    {
        let decoded = run(&inputs).unwrap();
        assert_eq!(decoded.tree[&b"s3/bkt/mp"[..]], [&[1; 300][..], &[2; 50]].concat());
    }
    let options = Options { as_of: Some(NOW), ..Options::default() };
    let decoded = run_with(&[multipart(true).build(), chunkblob_at(&[2; 50], NOW + 99).build()], &options).unwrap();
    assert!(decoded.has("s3/bkt/mp"), "its timestamp means nothing");
}

fn chunkblob_at(body: &[u8], ts: u64) -> Snapshot {
    let key = ekvsnap::format::s3::key::chunkblob_key(&Sha256::digest(body).into());
    Snapshot::new().put_at(ts, key.as_bytes(), body)
}

#[test]
fn digests_in_upper_case_are_found() {
    let key = ekvsnap::format::s3::key::chunkblob_key(&Sha256::digest([2; 50]).into());
    let upper = key.as_bytes()[14..].to_ascii_uppercase();
    let upper = [b"!s3|chunkblob|", &upper[..]].concat();
    let at_once = multipart(true).put(&upper, [2; 50]);
    assert!(decoded(at_once.build()).notes().is_empty());
    // The moment that is asked for means nothing to payloads, whichever way they are written.
    let late = multipart(true).put_at(NOW + 9, &upper, [2; 50]);
    let gone = multipart(true).put(&upper, [2; 50]).delete_at(NOW + 9, &upper);
    let options = Options { as_of: Some(NOW), ..Options::default() };
    for snapshot in [&at_once, &late, &gone] {
        assert!(run_with(&[snapshot.build()], &options).unwrap().has("s3/bkt/mp"));
    }
    let wrong = multipart(true).put_at(NOW + 9, &upper, [3; 50]);
    let error = run_with(&[wrong.build()], &options).err().unwrap().to_string();
    assert!(error.contains("SHA-256 is not the digest"), "{error}");
}

#[test]
fn a_part_number_declared_twice_is_put_in_order() {
    let parts = json!([{"part_no": 1, "chunk_count": 2, "part_version": 5, "size_bytes": 2},
        {"part_no": 1, "chunk_count": 2, "part_version": 4, "size_bytes": 2}]);
    let value = json!({"upload_id": U, "etag": "", "size_bytes": 4, "parts": parts});
    let mut s = manifest(base(), b"o", &value);
    for (n, numbers) in [(1, 0, 4), (1, 1, 4), (1, 0, 5), (1, 1, 5)].into_iter().enumerate() {
        s = s.put(chunk(Family::S3Blob, b"o", U, numbers), n.to_string());
    }
    assert_eq!(decoded(s.build()).text("s3/bkt/o"), "0123");
}

#[test]
fn an_empty_upload_id_takes_the_chunks_of_every_upload() {
    let parts =
        json!([{"part_no": 1, "chunk_count": 1, "size_bytes": 1}, {"part_no": 2, "chunk_count": 1, "size_bytes": 1}]);
    let value = json!({"etag": "", "size_bytes": 2, "parts": parts});
    let s = manifest(base(), b"o", &value)
        .put(chunk(Family::S3Blob, b"o", "zz", (1, 0, 0)), "1")
        .put(chunk(Family::S3Blob, b"o", "aa", (2, 0, 0)), "2");
    assert_eq!(decoded(s.clone().build()).text("s3/bkt/o"), "12");
    let twice = s.put(chunk(Family::S3Blob, b"o", "bb", (2, 0, 0)), "3");
    let error = run(&[twice.build()]).err().unwrap();
    assert!(error.is_damage() && error.to_string().contains("stored twice"), "{error}");
}

/// Enough objects for several spans, in two buckets, with names of every kind.
fn many() -> Snapshot {
    let mut s = bucket(base(), "other", 3);
    for n in 0..2500u32 {
        let body: Vec<u8> = (0..3000).map(|i| ((i * n) >> 3) as u8).collect();
        let key = format!("d{}/{n}{}", n % 7, if n % 50 == 0 { "/" } else { "" });
        let at = if n % 3 == 0 { ("other", 3, key.as_bytes()) } else { (B, 1, key.as_bytes()) };
        s = put_chunked(s, at, &body, 1024);
    }
    put(s, "large", vec![7; 6 << 20])
}

#[test]
fn the_output_is_the_same_for_any_number_of_threads() {
    let bytes = many().build();
    let trees = [1, 2, 3, 8].map(|threads| {
        let options = Options { threads, include_orphans: true, ..Options::default() };
        run_with(std::slice::from_ref(&bytes), &options).unwrap().tree
    });
    assert!(trees[0].len() > 5000 && trees[1..].iter().all(|tree| *tree == trees[0]));
    assert_eq!(trees[0][&b"s3/bkt/large"[..]].len(), 6 << 20);
}

#[test]
fn packed_buckets_are_the_same_for_any_number_of_threads_and_seams() {
    let bytes = many().build();
    let granularities = [Granularity::default(), Granularity { checkpoint_interval: 1, read_size: 1, task_size: 1 }];
    let trees = [(1, 0), (2, 0), (3, 1), (8, 1)].map(|(threads, granularity)| {
        let options = Options { threads, granularity: granularities[granularity], include_orphans: true, ..packed() };
        run_with(std::slice::from_ref(&bytes), &options).unwrap().tree
    });
    assert!(trees[0].len() > 2500 && trees[1..].iter().all(|tree| *tree == trees[0]));
    let indexes = trees[0].iter().filter(|(path, _)| path.ends_with(b"/_index.jsonl"));
    let lines = indexes.flat_map(|(_, text)| text).filter(|b| **b == b'\n').count();
    let as_tree = run_with(&[bytes], &Options { include_orphans: true, ..Options::default() }).unwrap().tree;
    let sidecars = as_tree.keys().filter(|path| path.ends_with(b".elastickv-meta.json")).count();
    assert_eq!(lines, sidecars);
    // Sidecars and KEYMAP go, the index comes; everything else is what it is in a tree.
    let apart = |path: &[u8]| {
        path.ends_with(b".elastickv-meta.json") || path.ends_with(b"KEYMAP.jsonl") || path.ends_with(b"_index.jsonl")
    };
    let rest = |tree: &Tree| -> Vec<(Vec<u8>, Vec<u8>)> {
        let of_s3 = tree.iter().filter(|(path, _)| path.starts_with(b"s3/") && !apart(path));
        of_s3.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
    };
    assert!(rest(&trees[0]) == rest(&as_tree));
}

#[test]
fn an_empty_bucket_has_an_index_and_a_damaged_object_no_line() {
    let decoded = run_with(&[base().build()], &packed()).unwrap();
    assert_eq!(decoded.text("s3/bkt/_index.jsonl"), "");
    let mut snapshot = put(base(), "good", "x");
    snapshot = manifest(
        snapshot,
        b"bad",
        &json!({"upload_id": U, "etag": md5(b"y"), "size_bytes": 1,
        "parts": [{"part_no": 1, "chunk_count": 1, "size_bytes": 1}]}),
    );
    assert!(run_with(&[snapshot.clone().build()], &packed()).is_err());
    let decoded = run_with(&[snapshot.build()], &Options { skip_damage: true, ..packed() }).unwrap();
    let lines: Vec<&str> = decoded.text("s3/bkt/_index.jsonl").lines().collect();
    assert!(matches!(&lines[..], [one] if one.starts_with(r#"{"key":"good","path":"good","#)), "{lines:?}");
    assert!(decoded.has("ERRORS.jsonl") && decoded.has("s3/bkt/good") && !decoded.has("s3/bkt/bad"));
}

#[test]
fn objects_of_two_groups_come_together() {
    let (mut a, mut b) = (base(), Snapshot::new());
    let whole = put(put_chunked(base(), (B, 1, b"o"), &[5; 900], 100), "dir/", "x");
    assert_eq!(decoded(whole.build()).tree[&b"s3/bkt/o"[..]], [5; 900]);
    let parts = json!([{"part_no": 1, "chunk_count": 9, "size_bytes": 900}]);
    a = manifest(a, b"o", &json!({"upload_id": U, "etag": md5(&[5; 900]), "size_bytes": 900, "parts": parts}));
    for n in 0..9 {
        let (key, body) = (chunk(Family::S3Blob, b"o", U, (1, n, 0)), [5; 100]);
        (a, b) = if n % 2 == 0 { (a.put(key, body), b) } else { (a, b.put(key, body)) };
    }
    let decoded = run(&[a.build(), b.build()]).unwrap();
    assert_eq!(decoded.tree[&b"s3/bkt/o"[..]], [5; 900]);
    assert!(decoded.warnings().is_empty());
}

#[test]
fn a_manifest_in_two_groups_the_newest_wins_and_is_reported() {
    let old = manifest(base(), b"o", &json!({"etag": "old"}));
    let new = Snapshot::new().put_at(NOW + 1, head(B, 1, b"o"), "{\"etag\":\"new\"}");
    let options = Options { as_of: Some(NOW + 1), ..Options::default() };
    let decoded = run_with(&[old.build(), new.build()], &options).unwrap();
    assert!(decoded.text("s3/bkt/o.elastickv-meta.json").contains("\"new\""));
    assert!(decoded.warnings().contains(&("key_in_several_groups", 1)), "{:?}", decoded.warnings());
}

#[test]
fn a_committed_intent_is_applied() {
    let s = put(base(), "kept", "1");
    let s = put(s, "deleted", "2");
    let s = committed_intent(s, &head(B, 1, b"deleted"), NOW + 1, NOW + 2, None);
    let decoded = decoded(s.build());
    assert!(decoded.has("s3/bkt/kept") && !decoded.has("s3/bkt/deleted"));
    assert_eq!(decoded.warnings(), [("s3_orphan_chunks", 1), ("txn_intents_applied", 1)], "its chunk is left");
    let s = committed_intent(base(), &head(B, 1, b"made"), NOW + 1, NOW + 2, Some(b"{\"size_bytes\":0}"));
    assert!(crate::kit::decoded(s.build()).has("s3/bkt/made"));
}

#[test]
fn the_newest_bucket_record_decides_not_the_oldest() {
    let key = ekvsnap::format::s3::key::bucket_key(Family::S3BucketMeta, B.as_bytes());
    let s = put_chunked(put(base(), "old", "1"), (B, 2, b"new"), b"2", 9)
        .put_at(NOW + 1, key.as_bytes(), "{\"generation\":2}")
        .delete_at(NOW + 2, head(B, 2, b"gone"))
        .put_at(NOW + 1, head(B, 2, b"gone"), "{}");
    let decoded = decoded(s.build());
    assert_eq!(bodies(&decoded), ["new"]);
}

#[test]
fn a_record_with_generation_zero_means_the_newest_that_has_objects() {
    let s = put_chunked(put(record(Snapshot::new(), B, 0), "old", "1"), (B, 7, b"new"), b"2", 9);
    assert_eq!(bodies(&decoded(s.build())), ["new"]);
}

#[test]
fn a_large_object_is_streamed() {
    let body: Vec<u8> = (0..64usize << 20).map(|i| (i / 7) as u8).collect();
    let decoded = decoded(put(base(), "deep/er/large", &body).build());
    assert!(decoded.tree[&b"s3/bkt/deep/er/large"[..]] == body && decoded.warnings().is_empty());
}

#[test]
fn paths_stay_below_the_bucket() {
    let awkward: [&[u8]; 8] = [b"../../x", b"/etc/x", b"a/../../../x", b"..", b"./x", b"a/..", b"\0/../x", b"..\\x"];
    let decoded = keys(&awkward, true);
    assert!(decoded.below("s3/").iter().all(|path| path.starts_with("s3/bkt/")));
    assert_eq!(bodies(&decoded).len(), awkward.len());
}

#[test]
fn unfinished_uploads_rename_nothing() {
    let s = put(base(), "a", "1").put(chunk(Family::S3Blob, b"a/x", U, (1, 0, 0)), "2");
    assert_eq!(bodies(&decoded(s.build())), ["a"]);
}

#[test]
fn golden_tree() {
    let files = load("s3-small");
    let decoded = run(&crate::kit::fixtures::snapshots(&files)).unwrap();
    assert_eq!(crate::kit::golden::differences(&files, "golden", "s3", &decoded.tree), [""; 0]);
}
