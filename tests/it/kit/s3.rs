//! S3 rows: buckets and objects as the server writes them, and their possible faults.

use std::borrow::Cow;

use ekvsnap::format::Family;
use ekvsnap::format::s3::key::{bucket_key, chunk_key, chunkblob_key, object_prefix, upload_prefix};
use ekvsnap::format::s3::{ChunkKey, ObjectKey, UploadKey};
use md5::{Digest as _, Md5};
use serde_json::json;
use sha2::Sha256;

use super::build::{Snapshot, be};

/// The bucket of most tests.
pub const B: &str = "bkt";
/// The upload of most tests.
pub const U: &str = "0123456789abcdef0123456789abcdef";

/// MD5 as hex.
pub fn md5(body: &[u8]) -> String {
    Md5::digest(body).iter().map(|b| format!("{b:02x}")).collect()
}

/// A bucket's record and counter.
pub fn bucket(s: Snapshot, name: &str, generation: u64) -> Snapshot {
    counter(record(s, name, generation), name, generation)
}

/// A bucket's record alone.
pub fn record(s: Snapshot, name: &str, generation: u64) -> Snapshot {
    let value = json!({"bucket_name": name, "generation": generation, "created_at_hlc": 1_700_000_000_120u64 << 16});
    s.put(bucket_key(Family::S3BucketMeta, name.as_bytes()).as_bytes(), value.to_string())
}

/// A bucket's counter alone.
pub fn counter(s: Snapshot, name: &str, generation: u64) -> Snapshot {
    s.put(bucket_key(Family::S3BucketGen, name.as_bytes()).as_bytes(), be(&[generation]))
}

/// A snapshot with the bucket [`B`], generation 1.
pub fn base() -> Snapshot {
    bucket(Snapshot::new(), B, 1)
}

fn object_key<'a>(bucket: &'a str, generation: u64, key: &'a [u8]) -> ObjectKey<'a> {
    ObjectKey { bucket: Cow::Borrowed(bucket.as_bytes()), generation, object: Cow::Borrowed(key) }
}

fn upload_key<'a>(bucket: &'a str, generation: u64, key: &'a [u8], upload: &'a str) -> UploadKey<'a> {
    let upload_id = Cow::Borrowed(upload.as_bytes());
    UploadKey { object: object_key(bucket, generation, key), upload_id }
}

/// User key of a manifest.
pub fn head(bucket: &str, generation: u64, key: &[u8]) -> Vec<u8> {
    object_prefix(Family::S3Object, &object_key(bucket, generation, key)).as_bytes().to_vec()
}

/// User key of an upload's row in `family`.
pub fn upload(family: Family, bucket: &str, generation: u64, key: &[u8], upload: &str) -> Vec<u8> {
    upload_prefix(family, &upload_key(bucket, generation, key, upload)).as_bytes().to_vec()
}

/// User key of a chunk of an object of [`B`], generation 1: part, chunk, version.
pub fn chunk(family: Family, key: &[u8], upload: &str, numbers: (u64, u64, u64)) -> Vec<u8> {
    chunk_of(family, B, 1, key, upload, numbers)
}

/// User key of a chunk anywhere.
pub fn chunk_of(
    family: Family,
    bucket: &str,
    generation: u64,
    key: &[u8],
    upload: &str,
    (part_no, chunk_no, version): (u64, u64, u64),
) -> Vec<u8> {
    let upload = upload_key(bucket, generation, key, upload);
    chunk_key(family, &ChunkKey { upload, part_no, chunk_no, version }).as_bytes().to_vec()
}

/// A reference to `payload`, that says it has `size` bytes.
pub fn reference(payload: &[u8], size: usize) -> Vec<u8> {
    [&[1][..], &Sha256::digest(payload), &be(&[size as u64]), b"\0\x01n"].concat()
}

/// A payload under its digest.
pub fn payload(s: Snapshot, payload: &[u8]) -> Snapshot {
    s.put(chunkblob_key(&Sha256::digest(payload).into()).as_bytes(), payload)
}

/// An object of one PUT, in chunks of `size` bytes.
pub fn put_chunked(s: Snapshot, at: (&str, u64, &[u8]), body: &[u8], size: usize) -> Snapshot {
    let (bucket, generation, key) = at;
    let chunks: Vec<&[u8]> = body.chunks(size).collect();
    let sizes: Vec<usize> = chunks.iter().map(|c| c.len()).collect();
    let part = json!({"part_no": 1, "etag": md5(body), "size_bytes": body.len(), "chunk_count": chunks.len(),
        "chunk_sizes": sizes});
    let parts = if body.is_empty() { json!(null) } else { json!([part]) };
    let manifest = json!({"upload_id": U, "etag": md5(body), "size_bytes": body.len(),
        "last_modified_hlc": 1_700_000_000_120u64 << 16, "parts": parts});
    let mut s = s.put(head(bucket, generation, key), manifest.to_string());
    for (n, chunk) in chunks.iter().enumerate() {
        s = s.put(chunk_of(Family::S3Blob, bucket, generation, key, U, (1, n as u64, 0)), chunk);
    }
    s
}

/// An object of one PUT in [`B`], generation 1.
pub fn put(s: Snapshot, key: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Snapshot {
    put_chunked(s, (B, 1, key.as_ref()), body.as_ref(), 1 << 20)
}

/// A manifest in [`B`], generation 1.
pub fn manifest(s: Snapshot, key: &[u8], value: &serde_json::Value) -> Snapshot {
    s.put(head(B, 1, key), value.to_string())
}

/// A lock and an intent on `key`, and the outcome.
pub fn committed_intent(s: Snapshot, key: &[u8], start: u64, commit: u64, body: Option<&[u8]>) -> Snapshot {
    let primary = b"!redis|str|p";
    let sized = |bytes: &[u8]| [&be(&[bytes.len() as u64])[..], bytes].concat();
    let lock = [&[1][..], &be(&[start, 0]), &[0], &sized(primary)].concat();
    let op = u8::from(body.is_none());
    let intent = [&[1][..], &be(&[start]), &[op], &sized(body.unwrap_or_default())].concat();
    let outcome = [b"!txn|cmt|", &primary[..], &be(&[start])].concat();
    let s = s.put_at(start, [b"!txn|lock|", key].concat(), lock);
    let s = s.put_at(start, [b"!txn|int|", key].concat(), intent);
    s.put_at(commit, outcome, [&[1], &be(&[commit])[..]].concat())
}
