//! S3: many buckets, long and nested keys, manifests of many parts or members.

use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::super::rows::NOW;
use super::super::tables::hex;
use super::{Kind, Pile, each, list, part};

pub const KINDS: &[Kind] = &[
    ("buckets", buckets),
    ("buckets-gone", buckets_gone),
    ("objects", |n| objects(n, |i| format!("obj{i:09}"))),
    ("long-directories", |n| objects(n, |i| format!("{i:09}/{}f", format!("{}/", "d".repeat(200)).repeat(4)))),
    ("nul-keys", |n| objects(n, |i| format!("{i:07}\0{}", "k".repeat(1_000_000)))),
    ("prefix-stack", prefix_stack),
    ("parts-empty", |n| one_object(&format!(",\"parts\":[{}]", list("{}", n)))),
    ("parts-unknown", |n| one_object(&format!(",\"parts\":[{{\"x\":[{}]}}]", list("1", n)))),
    ("chunk-sizes", |n| one_object(&format!(",\"parts\":[{{\"part_no\":1,\"chunk_sizes\":[{}]}}]", list("0", n)))),
    ("user-metadata", |n| one_object(&format!(",\"user_metadata\":{{{}}}", members(n)))),
    ("unknown-members", |n| one_object(&format!(",\"x\":[{}]", list("1", n)))),
    ("deep-manifest", |n| one_object(&format!(",\"x\":{}{}", "[".repeat(n as usize), "]".repeat(n as usize)))),
    ("parts", parts),
    ("one-payload", one_payload),
];

fn bucket(pile: &mut Pile, name: &str) {
    let value = format!("{{\"bucket_name\":\"{name}\",\"generation\":1,\"created_at_hlc\":{NOW}}}");
    pile.put([b"!s3|bucket|meta|", &part(name.as_bytes())[..]].concat(), value);
}

/// The representation of an object in every key.
fn key(prefix: &str, bucket: &str, name: &str) -> Vec<u8> {
    [prefix.as_bytes(), &part(bucket.as_bytes()), &1u64.to_be_bytes(), &part(name.as_bytes())].concat()
}

fn manifest(etag: &str, size: u64, more: &str) -> String {
    let upload = "0".repeat(32);
    format!(
        "{{\"upload_id\":\"{upload}\",\"etag\":\"{etag}\",\"size_bytes\":{size},\"last_modified_hlc\":{NOW}{more}}}"
    )
}

fn empty_manifest() -> String {
    manifest(&hex(&Md5::digest(b"")), 0, "")
}

/// A chunk's key: upload, part and number.
fn chunk(prefix: &str, bucket: &str, name: &str, part_no: u64, chunk_no: u64) -> Vec<u8> {
    let upload = part("0".repeat(32).as_bytes());
    [key(prefix, bucket, name), upload, part_no.to_be_bytes().to_vec(), chunk_no.to_be_bytes().to_vec()].concat()
}

fn buckets(n: u64) -> Pile {
    let etag = hex(&Md5::digest(b"x"));
    let parts = format!(
        ",\"parts\":[{{\"part_no\":1,\"etag\":\"{etag}\",\"size_bytes\":1,\"chunk_count\":1,\"chunk_sizes\":[1]}}]"
    );
    each(n, |pile, i| {
        let name = format!("bucket{i:07}");
        bucket(pile, &name);
        pile.put(key("!s3|obj|head|", &name, "o"), manifest(&etag, 1, &parts));
        pile.put(chunk("!s3|blob|", &name, "o", 1, 0), *b"x");
    })
}

/// Counters of deleted buckets, all before the names of existing ones.
fn buckets_gone(n: u64) -> Pile {
    each(n, |pile, i| {
        let gone = format!("a{i:07}");
        pile.put([b"!s3|bucket|gen|", &part(gone.as_bytes())[..]].concat(), 1u64.to_be_bytes());
        bucket(pile, &format!("z{i:07}"));
    })
}

fn objects(n: u64, name: impl Fn(u64) -> String) -> Pile {
    let value = empty_manifest();
    let mut pile = each(n, |pile, i| pile.put(key("!s3|obj|head|", "bb", &name(i)), value.clone()));
    bucket(&mut pile, "bb");
    pile
}

/// Every prefix of a long name is an object, and many objects are below it.
fn prefix_stack(n: u64) -> Pile {
    let longest = format!("{}{}", format!("{}/", "a".repeat(199)).repeat(3), "a".repeat(190));
    let mut pile = objects(n, |i| format!("{longest}/{i:07}"));
    for len in (1..=longest.len()).filter(|len| !longest[..*len].ends_with('/')) {
        pile.put(key("!s3|obj|head|", "bb", &longest[..len]), empty_manifest());
    }
    pile
}

fn one_object(more: &str) -> Pile {
    let mut pile = each(1, |pile, _| pile.put(key("!s3|obj|head|", "bb", "o"), manifest("x", 0, more)));
    bucket(&mut pile, "bb");
    pile
}

fn members(n: u64) -> String {
    let all: Vec<_> = (0..n).map(|i| format!("\"{i:x}\":\"\"")).collect();
    all.join(",")
}

/// An object in `n` parts of one byte.
fn parts(n: u64) -> Pile {
    let declared = |i: u64| {
        format!("{{\"part_no\":{},\"etag\":\"\",\"size_bytes\":1,\"chunk_count\":1,\"chunk_sizes\":[1]}}", i + 1)
    };
    let all: Vec<_> = (0..n).map(declared).collect();
    let mut pile = each(n, |pile, i| pile.put(chunk("!s3|blob|", "bb", "o", i + 1, 0), *b"x"));
    pile.put(key("!s3|obj|head|", "bb", "o"), manifest("x", n, &format!(",\"parts\":[{}]", all.join(","))));
    bucket(&mut pile, "bb");
    pile
}

/// `n` references to one payload of 64 KiB.
fn one_payload(n: u64) -> Pile {
    const SIZE: u64 = 64 << 10;
    let payload = vec![b'A'; SIZE as usize];
    let digest: [u8; 32] = Sha256::digest(&payload).into();
    let reference = [&[1], &digest[..], &SIZE.to_be_bytes(), &[0, 0]].concat();
    let mut pile = each(n, |pile, i| pile.put(chunk("!s3|chunkref|", "bb", "o", 1, i), reference.clone()));
    let sizes = list(&SIZE.to_string(), n);
    let parts = format!(
        ",\"parts\":[{{\"part_no\":1,\"size_bytes\":{},\"chunk_count\":{n},\"chunk_sizes\":[{sizes}],\"offloaded\":true}}]",
        n * SIZE
    );
    pile.put(key("!s3|obj|head|", "bb", "o"), manifest("x", n * SIZE, &parts));
    pile.put(format!("!s3|chunkblob|{}", hex(&digest)), payload);
    bucket(&mut pile, "bb");
    pile
}
