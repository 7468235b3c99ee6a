//! Paths of everything except bodies, which have their own names; paths of orphans (`docs/format/s3.md` §6).

use super::names::{ENCODED_DIR, META_SUFFIX, safe_segment_into};
use crate::format::s3::{ChunkKey, ObjectKey};
use crate::layouts;
use crate::model::s3::OrphanChunk;
use crate::options::Layout;
use crate::output::names::{GENERATIONS, MAX_SEGMENT, NameKind, fallback_into, segment, segment_into, unsegment};

/// The folder of all buckets.
const FOLDER: &str = "s3";
/// The record of a bucket, in its folder.
pub(in crate::layouts) const DOCUMENT: &str = "_bucket.json";
/// The keys of objects whose names are not their keys.
pub(in crate::layouts) const KEYMAP: &str = "KEYMAP.jsonl";
/// The data of manifests, in the packed layout.
pub(in crate::layouts) const INDEX: &str = "_index.jsonl";
/// Rows of unfinished uploads.
pub(super) const RECORDS: &str = "_incomplete_uploads/records.jsonl";
/// Their chunks. No key read by the public decoder's reader has a tilde there.
pub(super) const CHUNKS: &str = "_incomplete_uploads/chunks~.jsonl";

/// The file of generations that are not in any record, in both layouts.
pub(super) fn generations() -> String {
    format!("{FOLDER}/{GENERATIONS}")
}

/// A file of an output; the parts of its path are the folder of a bucket, and the rest below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File<'p> {
    /// The record of a bucket.
    Document(&'p str),
    /// Names of objects that are not their keys.
    KeyMap(&'p str),
    /// The data of manifests.
    Index(&'p str),
    /// The manifest data of the object in another file.
    Sidecar(&'p str, &'p [u8]),
    /// The same, or the body of an object whose key ends in this way: the key map distinguishes them.
    Doubtful(&'p str, &'p [u8]),
    /// A body.
    Body(&'p str, &'p [u8]),
    /// Rows of unfinished uploads.
    Uploads(&'p str),
    /// Generations that are not in any record.
    Generations,
    /// Objects that the server does not serve.
    Aside,
}

impl File<'_> {
    /// The file at a path; `None`: no decode writes it.
    pub fn of(layout: Layout, path: &[u8]) -> Option<File<'_>> {
        let path = layouts::joined(layout, path);
        let below = path.strip_prefix(FOLDER.as_bytes())?.strip_prefix(b"/")?;
        if below == GENERATIONS.as_bytes() {
            return Some(File::Generations);
        }
        let (scope, rest) = below.split_at_checked(memchr::memchr(b'/', below)?)?;
        let (scope, rest) = (std::str::from_utf8(scope).ok()?, rest.strip_prefix(b"/")?);
        let is_tree = layout == Layout::TREE;
        let is = |name: &str| rest == name.as_bytes();
        Some(match rest {
            _ if is(DOCUMENT) => File::Document(scope),
            _ if is(RECORDS) || is(CHUNKS) => File::Uploads(scope),
            _ if rest.starts_with(b"_orphans/") => File::Aside,
            _ if is(KEYMAP) && is_tree => File::KeyMap(scope),
            _ if is(INDEX) && !is_tree => File::Index(scope),
            _ => match rest.strip_suffix(META_SUFFIX.as_bytes()).filter(|_| is_tree) {
                Some(body) if is_encoded(rest) => File::Doubtful(scope, body),
                Some(body) => File::Sidecar(scope, body),
                None => File::Body(scope, rest),
            },
        })
    }
}

/// Whether a path is that of an object whose key cannot be a path.
fn is_encoded(path: &[u8]) -> bool {
    path.strip_prefix(ENCODED_DIR.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
}

/// The name of the bucket whose folder is `scope`; `told`: the name in its document.
pub(super) fn bucket_of(scope: &str, told: &str) -> Option<Vec<u8>> {
    let mut names = [Some(told.as_bytes().to_vec()), unsegment(scope)].into_iter().flatten();
    names.find(|name| segment(name) == scope)
}

/// Maximum length of an upload ID's segment in the name of an orphan chunk: three numbers and `.ref.v0.bin` can follow it, and a name may
/// have 255 bytes.
const MAX_UPLOAD: usize = 255 - 3 * 17 - 11;

/// Appends the path of an orphan chunk, relative to the bucket's directory:
/// `_orphans/<object>/gen-<generation>/<upload ID>_<part>_<chunk>_<version>.bin`, numbers as 16 hex digits. Chunks whose keys would give
/// the same name have `.ref` and `.v0` before the end.
pub fn orphan_chunk(chunk: &OrphanChunk<'_>, out: &mut String) {
    let ChunkKey { upload, part_no, chunk_no, version } = chunk.key;
    orphan_dir(&upload.object, out);
    upload_into(&upload.upload_id, out);
    out.push_str(&format!("_{part_no:016x}_{chunk_no:016x}_{version:016x}"));
    out.push_str(if chunk.offloaded { ".ref" } else { "" });
    out.push_str(if chunk.explicit_version { ".v0" } else { "" });
    out.push_str(".bin");
}

/// Appends the path of the manifest of an object that is not live, relative to the bucket's directory.
pub fn orphan_manifest(object: &ObjectKey<'_>, out: &mut String) {
    orphan_dir(object, out);
    out.push_str("manifest.json");
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
        // The hash at the start keeps it unique. A percent sign keeps its digits, or is removed.
        out.truncate(start + MAX_UPLOAD);
        out.truncate(out.rfind('%').filter(|at| at + 3 > out.len()).unwrap_or(out.len()));
    }
}

/// Appends the directory of an object's orphans, relative to the bucket's, with a slash.
fn orphan_dir(object: &ObjectKey<'_>, out: &mut String) {
    out.push_str("_orphans/");
    safe_segment_into(&object.object, MAX_SEGMENT, out);
    out.push_str(&format!("/gen-{}/", object.generation));
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::format::s3::UploadKey;
    use crate::model::s3::Standing;

    #[test]
    fn files() {
        use File::{Aside, Body, Document, Doubtful, Generations, Index, KeyMap, Sidecar, Uploads};
        let meta = |path: &str| format!("{path}{META_SUFFIX}");
        let cases = [
            ("s3/b/_bucket.json", Some(Document("b")), Some(Document("b"))),
            ("s3/b/KEYMAP.jsonl", Some(KeyMap("b")), Some(Body("b", b"KEYMAP.jsonl"))),
            ("s3/b/_index.jsonl", Some(Body("b", b"_index.jsonl")), Some(Index("b"))),
            ("s3/b/x/y", Some(Body("b", b"x/y")), Some(Body("b", b"x/y"))),
            (&meta("s3/b/x/y"), Some(Sidecar("b", b"x/y")), Some(Body("b", b"x/y.elastickv-meta.json"))),
            (
                &meta("s3/b/_encoded/x"),
                Some(Doubtful("b", b"_encoded/x")),
                Some(Body("b", b"_encoded/x.elastickv-meta.json")),
            ),
            ("s3/b/_incomplete_uploads/records.jsonl", Some(Uploads("b")), Some(Uploads("b"))),
            ("s3/b/_incomplete_uploads/chunks~.jsonl", Some(Uploads("b")), Some(Uploads("b"))),
            ("s3/b/_orphans/x/gen-1/manifest.json", Some(Aside), Some(Aside)),
            ("s3/_generations~.jsonl", Some(Generations), Some(Generations)),
            ("s3/b", None, None),
        ];
        for (path, tree, packed) in cases {
            assert_eq!(File::of(Layout::TREE, path.as_bytes()), tree, "{path}");
            assert_eq!(File::of(Layout::JSONL, path.as_bytes()), packed, "{path}");
        }
        for name in [&b"bkt"[..], b"a.b", b"\xff", b"%"] {
            assert_eq!(bucket_of(&segment(name), "other"), Some(name.to_vec()));
        }
        let long = "x".repeat(300);
        assert_eq!(bucket_of(&segment(long.as_bytes()), &long), Some(long.into_bytes()));
    }

    fn chunk<'k>(key: &'k ChunkKey<'k>) -> OrphanChunk<'k> {
        OrphanChunk { key, standing: Standing::Live, offloaded: false, explicit_version: false, payload: b"" }
    }

    #[test]
    fn orphan_paths() {
        for (object, want) in [(&b"a/b"[..], "a%2Fb"), (b"..", "%2E%2E"), (b"", "%")] {
            let object = ObjectKey { bucket: Cow::Borrowed(b"b"), generation: 12, object: Cow::Borrowed(object) };
            let upload = UploadKey { object, upload_id: Cow::Borrowed(b"u1") };
            let mut path = String::new();
            orphan_chunk(&chunk(&ChunkKey { upload, part_no: 1, chunk_no: 10, version: 0xabc }), &mut path);
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
            orphan_chunk(&chunk(&ChunkKey { upload, part_no: 1, chunk_no: 10, version: 0xabc }), &mut path);
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
