//! The front of a bundle and its manifest (`sst.md` §2).

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::SstFault;
use crate::format::b64::STANDARD;
use crate::format::cursor::Cursor;
use crate::format::hex;

/// Magic of a bundle.
pub const MAGIC: &[u8; 8] = b"EKVSSTI1";
/// Bytes before the manifest: magic, length, digest.
pub const FRONT: usize = 48;
/// Maximum length of a manifest.
pub const MAX_MANIFEST: i64 = 64 << 20;
/// Maximum number of files of a bundle.
pub const MAX_FILES: usize = 1 << 20;
const VERSION: i64 = 1;

/// What comes before the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// The manifest.
    pub manifest: Manifest,
    /// Bytes of the manifest.
    pub manifest_len: usize,
    /// Whether the manifest matches the digest before it.
    pub hash_matches: bool,
}

impl Front {
    /// Reads the front of a stream. A wrong digest is left to the caller, which may still try to use the manifest.
    pub fn parse(stream: &[u8]) -> Result<Front, SstFault> {
        let mut c = Cursor::new(stream);
        c.strip(MAGIC).ok_or(SstFault::Truncated("its front"))?;
        let len = c.i64_be().ok_or(SstFault::Truncated("its front"))?;
        let digest = c.take(32).ok_or(SstFault::Truncated("its front"))?;
        let manifest_len = usize::try_from(len).ok().filter(|_| (1..=MAX_MANIFEST).contains(&len));
        let manifest_len = manifest_len.ok_or(SstFault::ManifestLength(len))?;
        let manifest = c.take(manifest_len).ok_or(SstFault::Truncated("its manifest"))?;
        let hash_matches = digest == Sha256::digest(manifest).as_slice();
        match Manifest::parse(manifest) {
            Ok(manifest) => Ok(Front { manifest, manifest_len, hash_matches }),
            // Whatever else is wrong with it, it was changed after it was written.
            Err(_) if !hash_matches => Err(SstFault::ManifestHash),
            Err(fault) => Err(fault),
        }
    }

    /// Where the first table begins in the stream.
    pub const fn end(&self) -> usize {
        self.manifest_len.saturating_add(FRONT)
    }
}

/// What a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// The newest commit timestamp.
    pub last_commit_ts: u64,
    /// History below this timestamp may be compacted away.
    pub min_retained_ts: u64,
    /// The same for a compaction that is in progress.
    pub pending_min_retained_ts: u64,
    /// Raft index that the store has applied, if the manifest has it.
    pub applied_index: Option<u64>,
    /// Rows of all tables.
    pub entry_count: u64,
    /// Bytes of their keys and values.
    pub uncompressed_bytes: u64,
    /// The tables.
    pub files: Vec<File>,
}

/// One table of a bundle. Its name is its position: see [`name_of`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Bytes.
    pub size: u64,
    /// Their digest.
    pub sha256: [u8; 32],
    /// First raw key.
    pub smallest: Vec<u8>,
    /// Last raw key.
    pub largest: Vec<u8>,
}

/// The name of the table at a position.
pub fn name_of(position: usize) -> String {
    format!("{position:06}.sst")
}

/// The manifest as JSON, members in the server's order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    version: i64,
    last_commit_ts: u64,
    min_retained_ts: u64,
    pending_min_retained_ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied_index: Option<u64>,
    entry_count: u64,
    uncompressed_bytes: u64,
    total_file_bytes: i64,
    #[serde(borrow)]
    files: Option<Vec<Listed<'a>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed<'a> {
    #[serde(borrow)]
    name: std::borrow::Cow<'a, str>,
    size: i64,
    #[serde(borrow)]
    sha256: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    smallest: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    largest: std::borrow::Cow<'a, str>,
}

impl Manifest {
    /// Reads a manifest and checks that it is consistent.
    pub fn parse(json: &[u8]) -> Result<Manifest, SstFault> {
        #[derive(Deserialize)]
        struct Version {
            version: i64,
        }
        let document: Document<'_> = match serde_json::from_slice(json) {
            Ok(document) => document,
            // A newer version may have unknown members.
            Err(_) => {
                return Err(match serde_json::from_slice(json) {
                    Ok(Version { version }) if version != VERSION => SstFault::ManifestVersion(version),
                    _ => SstFault::Manifest("it is not one JSON object of the members that it must have"),
                });
            }
        };
        if document.version != VERSION {
            return Err(SstFault::ManifestVersion(document.version));
        }
        let listed = document.files.unwrap_or_default();
        if listed.len() > MAX_FILES {
            return Err(SstFault::Manifest("too many files"));
        }
        let mut files: Vec<File> = Vec::new();
        let mut total = 0u64;
        for (position, listed) in listed.iter().enumerate() {
            let file = listed.check(position, files.last())?;
            total = total.saturating_add(file.size);
            files.push(file);
        }
        if i64::try_from(total) != Ok(document.total_file_bytes) {
            return Err(SstFault::Manifest("total size mismatch: it is not the sum of the files"));
        }
        Ok(Manifest {
            last_commit_ts: document.last_commit_ts,
            min_retained_ts: document.min_retained_ts,
            pending_min_retained_ts: document.pending_min_retained_ts,
            applied_index: document.applied_index,
            entry_count: document.entry_count,
            uncompressed_bytes: document.uncompressed_bytes,
            files,
        })
    }

    /// Appends the manifest as the server writes it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let files: Vec<Listed<'_>> = self.files.iter().enumerate().map(|(at, file)| file.listed(at)).collect();
        let document = Document {
            version: VERSION,
            last_commit_ts: self.last_commit_ts,
            min_retained_ts: self.min_retained_ts,
            pending_min_retained_ts: self.pending_min_retained_ts,
            applied_index: self.applied_index,
            entry_count: self.entry_count,
            uncompressed_bytes: self.uncompressed_bytes,
            total_file_bytes: self.files.iter().fold(0u64, |sum, file| sum.saturating_add(file.size)) as i64,
            files: (!files.is_empty()).then_some(files),
        };
        // Writing to a buffer does not fail.
        out.extend(serde_json::to_vec(&document).unwrap_or_default());
    }
}

impl Listed<'_> {
    fn check(&self, position: usize, previous: Option<&File>) -> Result<File, SstFault> {
        if self.name != name_of(position) {
            return Err(SstFault::Manifest("the name of a file does not match its position"));
        }
        let size = u64::try_from(self.size).ok().filter(|size| *size > 0);
        let size = size.ok_or(SstFault::Manifest("a file has a size that is not above zero"))?;
        let sha256 = hex::parse(&self.sha256).ok_or(SstFault::Manifest("a SHA-256 is not 64 hexadecimal digits"))?;
        let key = |text: &str| STANDARD.decode(text).ok().filter(|key| !key.is_empty());
        let bounds = key(&self.smallest).zip(key(&self.largest));
        let (smallest, largest) = bounds.ok_or(SstFault::Manifest("a key bound is not base64 of a key"))?;
        if smallest > largest {
            return Err(SstFault::Manifest("a smallest key is above the largest of its file"));
        }
        if previous.is_some_and(|previous| previous.largest >= smallest) {
            return Err(SstFault::Manifest("overlapping key bounds"));
        }
        Ok(File { size, sha256, smallest, largest })
    }
}

impl File {
    fn listed(&self, position: usize) -> Listed<'static> {
        Listed {
            name: name_of(position).into(),
            size: self.size as i64,
            sha256: hex::text(&self.sha256).into(),
            smallest: STANDARD.encode(&self.smallest).into(),
            largest: STANDARD.encode(&self.largest).into(),
        }
    }
}

/// Appends the front of a bundle with this manifest; the tables follow.
pub fn front_into(manifest: &Manifest, out: &mut Vec<u8>) {
    let mut json = Vec::new();
    manifest.encode(&mut json);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&(json.len() as u64).to_be_bytes());
    out.extend_from_slice(&Sha256::digest(&json));
    out.extend_from_slice(&json);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::encoded;

    fn files() -> impl Strategy<Value = Vec<File>> {
        let keys = proptest::collection::btree_set(proptest::collection::vec(any::<u8>(), 1..12), 0..12);
        let of_one = (keys, any::<[u8; 32]>(), 1..1u64 << 40);
        of_one.prop_map(|(keys, sha256, size)| {
            let keys: Vec<Vec<u8>> = keys.into_iter().collect();
            let pairs = keys.chunks_exact(2);
            pairs.map(|pair| File { size, sha256, smallest: pair[0].clone(), largest: pair[1].clone() }).collect()
        })
    }

    fn manifest() -> impl Strategy<Value = Manifest> {
        let numbers = (any::<[u64; 5]>(), any::<Option<u64>>());
        (numbers, files()).prop_map(|(([a, b, c, d, e], applied_index), files)| Manifest {
            last_commit_ts: a,
            min_retained_ts: b,
            pending_min_retained_ts: c,
            applied_index,
            entry_count: d,
            uncompressed_bytes: e,
            files,
        })
    }

    proptest! {
        #[test]
        fn encoded_fronts_are_parsed(manifest in manifest(), bit: prop::sample::Index, cut: prop::sample::Index) {
            let mut stream = encoded(|out| front_into(&manifest, out));
            let front = Front::parse(&stream).unwrap();
            prop_assert_eq!((front.end(), front.hash_matches), (stream.len(), true));
            prop_assert_eq!(front.manifest, manifest);
            prop_assert!(Front::parse(&stream[..cut.index(stream.len())]).is_err());
            // Every flipped bit after the length is detected.
            let bit = 16 * 8 + bit.index((stream.len() - 16) * 8);
            stream[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Front::parse(&stream).map_or(true, |front| !front.hash_matches));
        }
    }

    #[test]
    fn what_is_wrong_with_a_manifest() {
        let file = |name: &str, smallest: &str, largest: &str| {
            let (zeros, size) = ("00".repeat(32), 7);
            format!(
                r#"{{"name":"{name}","size":{size},"sha256":"{zeros}","smallest":"{smallest}","largest":"{largest}"}}"#
            )
        };
        let with = |version: i64, total: u64, files: &str, rest: &str| {
            let text = format!(
                r#"{{"version":{version},"last_commit_ts":18446744073709551615,"min_retained_ts":0,"pending_min_retained_ts":0,"entry_count":1,"uncompressed_bytes":2,"total_file_bytes":{total},"files":{files}}}{rest}"#
            );
            Manifest::parse(text.as_bytes())
        };
        let one = |name, smallest, largest| with(1, 7, &format!("[{}]", file(name, smallest, largest)), "");
        let reason = |parsed: Result<Manifest, SstFault>| parsed.unwrap_err();
        assert_eq!(with(1, 0, "null", " ").unwrap().last_commit_ts, u64::MAX);
        assert_eq!(one("000000.sst", "YQ==", "Yg==").unwrap().files[0].largest, b"b");
        let not_json = SstFault::Manifest("it is not one JSON object of the members that it must have");
        assert_eq!(reason(with(1, 0, "null", "{}")), not_json);
        assert_eq!(reason(with(1, 0, r#"null,"more":1"#, "")), not_json);
        assert_eq!(reason(with(2, 0, "null", "")), SstFault::ManifestVersion(2));
        assert_eq!(reason(with(2, 0, r#"null,"more":1"#, "")), SstFault::ManifestVersion(2));
        for (got, want) in [
            (with(1, 1, "null", ""), "total size mismatch: it is not the sum of the files"),
            (one("000001.sst", "YQ==", "Yg=="), "the name of a file does not match its position"),
            (one("000000.sst", "YQ==", "Yg"), "a key bound is not base64 of a key"),
            (one("000000.sst", "", "Yg=="), "a key bound is not base64 of a key"),
            (one("000000.sst", "Yg==", "YQ=="), "a smallest key is above the largest of its file"),
            (
                with(
                    1,
                    14,
                    &format!("[{},{}]", file("000000.sst", "YQ==", "Yg=="), file("000001.sst", "Yg==", "Yw==")),
                    "",
                ),
                "overlapping key bounds",
            ),
            (
                with(
                    1,
                    7,
                    &format!("[{}]", file("000000.sst", "YQ==", "Yg==").replace("\"size\":7", "\"size\":0")),
                    "",
                ),
                "a file has a size that is not above zero",
            ),
            (
                with(1, 7, &format!("[{}]", file("000000.sst", "YQ==", "Yg==").replace("00\",\"sm", "0g\",\"sm")), ""),
                "a SHA-256 is not 64 hexadecimal digits",
            ),
        ] {
            assert_eq!(reason(got), SstFault::Manifest(want));
        }
    }

    /// As many as fit into a manifest of the maximum length, so that the number of files is the only fault.
    #[test]
    #[cfg_attr(miri, ignore = "60 MB of JSON")]
    fn too_many_files() {
        let parsed = |count: usize| {
            let files = vec![r#"{"name":"","size":1,"sha256":"","smallest":"","largest":""}"#; count].join(",");
            let text = format!(
                r#"{{"version":1,"last_commit_ts":0,"min_retained_ts":0,"pending_min_retained_ts":0,"entry_count":0,"uncompressed_bytes":0,"total_file_bytes":0,"files":[{files}]}}"#
            );
            assert!(text.len() as i64 <= MAX_MANIFEST);
            Manifest::parse(text.as_bytes()).unwrap_err()
        };
        assert_eq!(parsed(MAX_FILES + 1), SstFault::Manifest("too many files"));
        assert_eq!(parsed(MAX_FILES), SstFault::Manifest("the name of a file does not match its position"));
    }

    #[test]
    fn lengths_of_the_manifest() {
        let front = |len: i64, rest: &[u8]| Front::parse(&[&MAGIC[..], &len.to_be_bytes(), &[0; 32], rest].concat());
        for len in [i64::MIN, -1, 0, MAX_MANIFEST + 1, i64::MAX] {
            assert_eq!(front(len, b"{}"), Err(SstFault::ManifestLength(len)));
        }
        assert_eq!(front(3, b"{}"), Err(SstFault::Truncated("its manifest")));
        assert_eq!(front(2, b"{}"), Err(SstFault::ManifestHash));
        assert_eq!(Front::parse(b"EKVSSTI1\0"), Err(SstFault::Truncated("its front")));
    }
}
