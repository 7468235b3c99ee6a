//! The paths of orphans (`docs/format/s3.md` §6).

use super::names::safe_segment_into;
use crate::format::s3::{ChunkKey, ObjectKey};
use crate::model::s3::OrphanChunk;
use crate::output::names::{MAX_SEGMENT, NameKind, fallback_into, segment_into};

/// Longest segment of an upload ID in the name of an orphan chunk: three numbers and `.ref.v0.bin` can follow it, and a
/// name may have 255 bytes.
const MAX_UPLOAD: usize = 255 - 3 * 17 - 11;

/// Appends the path of an orphan chunk, relative to the bucket's directory:
/// `_orphans/<object>/gen-<generation>/<upload ID>_<part>_<chunk>_<version>.bin`, numbers as 16 hex digits. Chunks of keys that
/// mean the same have `.ref` and `.v0` before the end.
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
        // The hash in front tells it from others. A percent sign keeps its digits, or goes.
        out.truncate(start + MAX_UPLOAD);
        out.truncate(out.rfind('%').filter(|at| at + 3 > out.len()).unwrap_or(out.len()));
    }
}

/// Appends the directory of what is left of an object, relative to the bucket's, with a slash.
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
