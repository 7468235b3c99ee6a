//! S3: buckets that are created again, objects that are replaced, left-over chunks, unfinished uploads.
//!
//! An upload has the same shape wherever it occurs, and an operation writes or deletes all of it: bodies stay complete.

use ekvsnap::format::s3::key::{bucket_key, chunkblob_key};
use ekvsnap::format::{Family, adapter};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::history::{Operation, Row, history};
use super::{ask, changes, comes_back, compare, config, manner};
use crate::kit::build::be;
use crate::kit::s3::{chunk_of, head, md5, reference, upload};

/// Part number, version, whether it is offloaded, and chunks.
type Shape = (u64, u64, bool, u64);

/// The uploads of objects, with their parts as the manifest declares them.
const UPLOADS: [(&str, &[Shape]); 10] = [
    ("one", &[(1, 0, false, 1)]),
    ("three", &[(1, 0, false, 3)]),
    ("multi", &[(1, 5, false, 2), (3, 6, false, 1)]),
    ("offloaded", &[(1, 0, true, 2), (2, 9, false, 1)]),
    ("backwards", &[(2, 7, false, 1), (1, 8, false, 2), (4, 3, false, 0)]),
    // The last declaration of a part counts.
    ("again", &[(1, 4, false, 1), (2, 1, false, 1), (1, 4, false, 2)]),
    ("twice", &[(1, 4, false, 1), (1, 4, true, 1), (1, 2, false, 2)]),
    (ZEROS, &[(1, 0, false, 2), (2, 0, true, 1)]),
    (UPPER_CASE, &[(1, 0, true, 2), (2, 9, true, 1)]),
    (UNNAMED, &[(1, 55, false, 2), (2, 55, true, 1)]),
];
/// An upload whose keys have an explicit version of 0.
const ZEROS: &str = "zeros";
/// An upload whose payloads have their digests in upper case.
const UPPER_CASE: &str = "UPPER";
/// An upload that its manifest does not name.
const UNNAMED: &str = "unnamed";
/// IDs of uploads that no manifest names.
const STRAYS: [&str; 4] = ["stray", "../<&>", "\u{fc}\0", LONG];
const LONG: &str = "a name of an upload that no server would give it, longer than what a file name has room for, which is two \
                    hundred and fifty-five bytes, of which the numbers behind it take fifty-one, and the ending of the \
                    name some more: it is cut, and ends in a part of its SHA-256";

/// An object of a generation of a bucket.
#[derive(Debug, Clone)]
struct Place {
    bucket: &'static str,
    generation: u64,
    key: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Op {
    Bucket(&'static str, u64, Value),
    Counter(&'static str, u64),
    Object { at: Place, upload: usize, members: Value },
    Empty { at: Place, members: Value },
    Stray { at: Place, upload: &'static str, numbers: (u64, u64, u64), offloaded: bool },
    Payload(&'static str),
    Upload { at: Place, upload: &'static str, family: Family },
}

impl Place {
    fn chunk(&self, family: Family, upload: &str, numbers: (u64, u64, u64)) -> Vec<u8> {
        chunk_of(family, self.bucket, self.generation, &self.key, upload, numbers)
    }

    /// A chunk's bytes: no other chunk has them.
    fn body(&self, upload: &str, numbers: (u64, u64, u64)) -> Vec<u8> {
        format!("{self:?} {upload} {numbers:?}").into()
    }

    /// The rows of a chunk.
    fn rows(&self, upload: &str, numbers: (u64, u64, u64), offloaded: bool) -> Vec<Row> {
        let body = self.body(upload, numbers);
        let family = if offloaded { Family::S3ChunkRef } else { Family::S3Blob };
        let mut key = self.chunk(family, upload, numbers);
        if upload == ZEROS && numbers.2 == 0 {
            key.extend(be(&[0]));
        }
        if !offloaded {
            return vec![(key, body)];
        }
        let mut blob = chunkblob_key(&Sha256::digest(&body).into()).as_bytes().to_vec();
        if upload == UPPER_CASE {
            blob[Family::S3ChunkBlob.prefix().len()..].make_ascii_uppercase();
        }
        vec![(key, reference(&body, body.len())), (blob, body)]
    }

    fn part(&self, upload: &str, (number, version, offloaded, chunks): Shape) -> (Value, Vec<Row>) {
        let ids: Vec<_> = (0..chunks).map(|chunk| (number, chunk, version)).collect();
        let sizes: Vec<usize> = ids.iter().map(|id| self.body(upload, *id).len()).collect();
        // The version of the other kind means nothing.
        let (part_version, chunk_ref_version) = if offloaded { (99, version) } else { (version, 99) };
        let part = json!({"part_no": number, "etag": md5(upload.as_bytes()), "size_bytes": sizes.iter().sum::<usize>(),
            "chunk_count": chunks, "chunk_sizes": sizes, "part_version": part_version,
            "chunk_ref_version": chunk_ref_version, "offloaded": offloaded});
        (part, ids.into_iter().flat_map(|id| self.rows(upload, id, offloaded)).collect())
    }

    fn manifest(&self, members: &Value, own: Value) -> Row {
        let (Value::Object(mut all), Value::Object(own)) = (members.clone(), own) else { unreachable!() };
        all.extend(own);
        (head(self.bucket, self.generation, &self.key), Value::Object(all).to_string().into())
    }
}

impl Operation for Op {
    fn rows(&self) -> Vec<Row> {
        match self {
            Op::Bucket(name, generation, members) => {
                let Value::Object(mut all) = members.clone() else { unreachable!() };
                all.insert("generation".into(), (*generation).into());
                vec![(
                    bucket_key(Family::S3BucketMeta, name.as_bytes()).as_bytes().into(),
                    Value::Object(all).to_string().into(),
                )]
            }
            Op::Counter(name, n) => {
                let counter = if n % 2 == 0 { be(&[*n]) } else { n.to_string().into_bytes() };
                vec![(bucket_key(Family::S3BucketGen, name.as_bytes()).as_bytes().into(), counter)]
            }
            Op::Object { at, upload, members } => {
                let (id, shapes) = UPLOADS[*upload];
                let (parts, rows): (Vec<Value>, Vec<Vec<Row>>) = shapes.iter().map(|shape| at.part(id, *shape)).unzip();
                let size: u64 = parts.iter().filter_map(|part| part["size_bytes"].as_u64()).sum();
                let mut rows = rows.concat();
                let id = if id == UNNAMED { "" } else { id };
                rows.push(at.manifest(members, json!({"upload_id": id, "size_bytes": size, "parts": parts})));
                rows
            }
            Op::Empty { at, members } => vec![at.manifest(members, json!({"upload_id": "empty", "parts": null}))],
            Op::Stray { at, upload, numbers, offloaded } => at.rows(upload, *numbers, *offloaded),
            Op::Payload(text) => {
                vec![(chunkblob_key(&Sha256::digest(text).into()).as_bytes().into(), text.as_bytes().into())]
            }
            Op::Upload { at, upload: id, family } => {
                let mut key = upload(*family, at.bucket, at.generation, &at.key, id);
                if *family == Family::S3UploadPart {
                    key.extend(be(&[1]));
                    return vec![(key, json!({"part_no": 1, "chunk_count": 0}).to_string().into())];
                }
                vec![(key, json!({"upload_id": id}).to_string().into())]
            }
        }
    }
}

fn bucket() -> impl Strategy<Value = &'static str> {
    select(vec!["b", "bb", "b.c", "\u{fc}/"])
}

/// Keys that are directories of each other, look like ekvsnap's own files, or cannot be paths.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let paths = [
        "a",
        "a/b",
        "a/b/c",
        "a-b",
        "a.elastickv-leaf-data",
        "a.elastickv-leaf-data/x",
        "k",
        "k.elastickv-meta.json/z",
    ];
    let odd = [
        "",
        "dir/",
        "dir",
        "a//b",
        ".",
        "../x",
        "x\\y",
        "_bucket.json",
        "_bucket.json/x",
        "_encoded/dir%2F",
        "_orphans/x",
        "x.elastickv-meta.json",
        "dir/.elastickv-meta.json",
        "KEYMAP.jsonl.elastickv-meta.json",
        "nul\0",
        "<&>\u{2028}",
    ];
    let long = vec![
        vec![b'k'; 300],
        vec![b'l'; 230],
        [&[b'l'; 230][..], b"/x"].concat(),
        vec![b'm'; 1025],
        b"b\xff".to_vec(),
        b"b\xff/x".to_vec(),
    ];
    let texts = |all: &[&str]| all.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
    prop_oneof![4 => select(texts(&paths)), 2 => select(texts(&odd)), 1 => select(long)]
}

fn place() -> impl Strategy<Value = Place> {
    (bucket(), 1..4u64, key()).prop_map(|(bucket, generation, key)| Place { bucket, generation, key })
}

fn hlc() -> impl Strategy<Value = u64> {
    select(vec![0, 1_700_000_000_120 << 16 | 5, 1_700_000_000_000 << 16, 1 << 16])
}

fn members() -> impl Strategy<Value = Value> {
    let text = || prop::option::weighted(0.4, select(vec!["", "text/plain", "<&>\"\u{2028}"]));
    let etag = select(vec!["", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef-2"]);
    let metadata = prop::collection::btree_map(
        select(vec!["m", "<n>", "\u{fc}"]).prop_map(str::to_owned),
        select(vec!["", "v&"]),
        0..3,
    );
    (etag, hlc(), text(), text(), text(), metadata).prop_map(|(etag, hlc, kind, encoding, cache, metadata)| {
        json!({"etag": etag, "last_modified_hlc": hlc, "content_type": kind, "content_encoding": encoding,
            "cache_control": cache, "user_metadata": metadata, "size_bytes": 0, "nobody_knows": 1})
    })
}

fn bucket_members() -> impl Strategy<Value = Value> {
    let text = || select(vec!["", "private", "<&>"]);
    (hlc(), text(), text(), text()).prop_map(
        |(hlc, owner, region, acl)| json!({"created_at_hlc": hlc, "owner": owner, "region": region, "acl": acl}),
    )
}

fn op() -> impl Strategy<Value = Op> {
    // No declared part has version 77; an upload that no manifest names can have any.
    let known = (0..UPLOADS.len()).prop_map(|n| UPLOADS[n].0);
    let stray = prop_oneof![(known, Just(77u64)), (select(STRAYS.to_vec()), select(vec![0, 1, 77]))];
    let stray = (place(), stray, 1..3u64, 0..3u64, any::<bool>());
    let any_upload = prop_oneof![select(STRAYS.to_vec()), (0..UPLOADS.len()).prop_map(|n| UPLOADS[n].0)];
    let family = select(vec![Family::S3Upload, Family::S3UploadPart, Family::S3GcUpload]);
    prop_oneof![
        3 => (bucket(), 0..4u64, bucket_members()).prop_map(|(name, n, members)| Op::Bucket(name, n, members)),
        1 => (bucket(), 0..5u64).prop_map(|(name, n)| Op::Counter(name, n)),
        9 => (place(), 0..UPLOADS.len(), members()).prop_map(|(at, upload, members)| Op::Object { at, upload, members }),
        2 => (place(), members()).prop_map(|(at, members)| Op::Empty { at, members }),
        3 => stray.prop_map(|(at, (upload, version), part, chunk, offloaded)| {
            Op::Stray { at, upload, numbers: (part, chunk, version), offloaded }
        }),
        1 => select(vec!["p", "q"]).prop_map(Op::Payload),
        2 => (place(), any_upload, family).prop_map(|(at, upload, family)| Op::Upload { at, upload, family }),
    ]
}

proptest! {
    #![proptest_config(config(60))]
    #[test]
    fn both_decoders_agree(history in history(op(), 50), ask in ask(), manner in manner()) {
        compare(adapter::S3, &history, ask, &manner)?;
    }

    #[test]
    fn what_is_encoded_comes_back(history in history(op(), 50), manner in manner()) {
        comes_back(adapter::S3, &history, &manner)?;
    }
}

proptest! {
    #![proptest_config(config(15))]
    #[test]
    fn lines_of_changes_lead_from_one_state_to_another(
        history in history(op(), 50), span in changes::span(), shown: bool, manner in manner(),
    ) {
        changes::lead_on(adapter::S3, &history, span, shown, &manner)?;
    }
}
