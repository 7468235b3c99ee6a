//! Objects of an S3 bucket.

use std::io;

use md5::{Digest as _, Md5};

use super::rows::{Family, NOW, Rows};
use super::tables::hex;
use super::{Amount, random};

const CHUNK: usize = 1 << 20;
/// The end of a part of a key.
const END: [u8; 2] = [0, 1];
const FOLDERS: u64 = 200;
const BUCKET: &str = "{\"bucket_name\":\"bench\",\"generation\":1,\"created_at_hlc\":0,\
                      \"owner\":\"o\",\"region\":\"r\",\"acl\":\"private\"}";

/// The sizes of objects.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub usual: usize,
    /// Twelve objects, spread over all, have this size.
    pub twelve: usize,
}

impl Sizes {
    pub fn all(size: usize) -> Sizes {
        Sizes { usual: size, twelve: size }
    }

    fn of(self, n: Amount, i: u64) -> usize {
        if i.is_multiple_of(n.scale.div_ceil(12)) { self.twelve } else { self.usual }
    }
}

/// Objects in chunks of 1 MiB, in up to 200 folders.
pub fn s3(n: Amount, sizes: Sizes) -> Vec<Family> {
    let row = |prefix: &'static str, value: Vec<u8>| {
        let key = [prefix.as_bytes(), b"bench", &END].concat();
        Family::new(prefix, move |rows| rows.put(&key, &value))
    };
    vec![
        Family::new("!s3|blob|", move |rows| bodies(rows, n, sizes)),
        row("!s3|bucket|gen|", 1u64.to_be_bytes().to_vec()),
        row("!s3|bucket|meta|", BUCKET.into()),
        Family::new("!s3|obj|head|", move |rows| manifests(rows, n, sizes)),
    ]
}

/// The representation of an object in every key: bucket, generation, name.
fn object(n: Amount, i: u64) -> Vec<u8> {
    let folder = i * FOLDERS / n.scale;
    let name = format!("dir{folder:03}/{}", n.padded("object", i));
    [b"bench", &END[..], &1u64.to_be_bytes(), name.as_bytes(), &END].concat()
}

/// The chunks of a body. They are generated again for its digest, so that no body is in memory.
fn chunks(n: Amount, i: u64, size: usize) -> impl Iterator<Item = Vec<u8>> {
    let seed = n.hash(i, 1);
    (0..size.div_ceil(CHUNK)).map(move |c| random::text(random::mix(seed, c as u64), CHUNK.min(size - c * CHUNK)))
}

fn bodies(rows: &mut Rows<'_>, n: Amount, sizes: Sizes) -> io::Result<()> {
    (0..n.scale).try_for_each(|i| {
        let object = object(n, i);
        chunks(n, i, sizes.of(n, i)).enumerate().try_for_each(|(c, data)| {
            let key = [b"!s3|blob|", &object[..], b"u", &END, &1u64.to_be_bytes(), &(c as u64).to_be_bytes()];
            rows.put(&key.concat(), &data)
        })
    })
}

fn manifests(rows: &mut Rows<'_>, n: Amount, sizes: Sizes) -> io::Result<()> {
    (0..n.scale).try_for_each(|i| {
        let size = sizes.of(n, i);
        let (mut md5, mut chunk_sizes) = (Md5::new(), Vec::new());
        for chunk in chunks(n, i, size) {
            md5.update(&chunk);
            chunk_sizes.push(chunk.len().to_string());
        }
        let manifest = manifest(&hex(&md5.finalize()), size, &chunk_sizes);
        rows.put(&[b"!s3|obj|head|", &object(n, i)[..]].concat(), manifest.as_bytes())
    })
}

fn manifest(etag: &str, size: usize, chunk_sizes: &[String]) -> String {
    let (count, sizes) = (chunk_sizes.len(), chunk_sizes.join(","));
    format!(
        "{{\"upload_id\":\"u\",\"etag\":\"{etag}\",\"size_bytes\":{size},\"last_modified_hlc\":{NOW},\
         \"content_type\":\"text/plain\",\"user_metadata\":null,\"parts\":[{{\"part_no\":1,\"etag\":\"{etag}\",\
         \"size_bytes\":{size},\"chunk_count\":{count},\"chunk_sizes\":[{sizes}],\"part_version\":0,\
         \"chunk_ref_version\":0,\"offloaded\":false}}]}}"
    )
}
