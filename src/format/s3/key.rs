//! Keys of the S3 families: parsers of what follows the prefix, and builders for look-ups (`docs/format/s3.md` §1).
//!
//! A component is escaped so that it sorts like the raw bytes and has an end: `00` becomes `00 FF`, the end is `00 01`.
//! Integers are `u64be`.
//!
//! | family | after the prefix |
//! |---|---|
//! | `bucket\|meta`, `bucket\|gen` | bucket |
//! | `obj\|head` | bucket · generation · object |
//! | `upload\|meta`, `gc\|upload` | bucket · generation · object · upload ID |
//! | `upload\|part` | bucket · generation · object · upload ID · part |
//! | `blob`, `chunkref` | bucket · generation · object · upload ID · part · chunk [· version] |
//! | `chunkblob` | 64 hex digits of SHA-256 |

use std::borrow::Cow;

use crate::format::cursor::Cursor;
use crate::format::family::Family;
use crate::format::fault::{Fault, OrFault, Result};
use crate::format::ordered;

/// The last byte of a component, after a NUL.
const END: u8 = 1;

const TRAILING: &str = "bytes follow where it should end";

/// Key of an object: `obj|head`, and the start of every row of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKey<'a> {
    /// The bucket's name.
    pub bucket: Cow<'a, [u8]>,
    /// The bucket's generation: a bucket that is created again gets the next one.
    pub generation: u64,
    /// The object's key as the client gave it: any bytes.
    pub object: Cow<'a, [u8]>,
}

/// Key of an upload: `upload|meta` and `gc|upload`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadKey<'a> {
    /// Bucket, generation and object.
    pub object: ObjectKey<'a>,
    /// The upload's ID: 32 lower-case hex digits.
    pub upload_id: Cow<'a, [u8]>,
}

/// Key of a part of an unfinished upload: `upload|part`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartKey<'a> {
    /// The upload.
    pub upload: UploadKey<'a>,
    /// Part number, 1 to 10000.
    pub part_no: u64,
}

/// Key of a chunk: `blob` and `chunkref`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkKey<'a> {
    /// The upload that wrote it.
    pub upload: UploadKey<'a>,
    /// Part number, 1 to 10000.
    pub part_no: u64,
    /// Number of the chunk in its part, from 0.
    pub chunk_no: u64,
    /// Version of the part; 0 when the key has none.
    pub version: u64,
}

impl<'a> ObjectKey<'a> {
    /// Parses what follows `!s3|obj|head|`.
    pub fn parse(suffix: &'a [u8]) -> Result<ObjectKey<'a>> {
        whole(suffix, Self::read)
    }

    fn read(c: &mut Cursor<'a>) -> Result<ObjectKey<'a>> {
        let bucket = read_bucket(c)?;
        let generation = c.u64_be().or_key("it ends inside its generation")?;
        let object = component(c).or_key("its object key has no end or a broken escape")?;
        Ok(ObjectKey { bucket, generation, object })
    }
}

impl<'a> UploadKey<'a> {
    /// Parses what follows `!s3|upload|meta|` or `!s3|gc|upload|`.
    pub fn parse(suffix: &'a [u8]) -> Result<UploadKey<'a>> {
        whole(suffix, Self::read)
    }

    fn read(c: &mut Cursor<'a>) -> Result<UploadKey<'a>> {
        let object = ObjectKey::read(c)?;
        let upload_id = component(c).or_key("its upload ID has no end or a broken escape")?;
        Ok(UploadKey { object, upload_id })
    }
}

impl<'a> PartKey<'a> {
    /// Parses what follows `!s3|upload|part|`.
    pub fn parse(suffix: &'a [u8]) -> Result<PartKey<'a>> {
        whole(suffix, Self::read)
    }

    fn read(c: &mut Cursor<'a>) -> Result<PartKey<'a>> {
        let upload = UploadKey::read(c)?;
        Ok(PartKey { upload, part_no: c.u64_be().or_key("it ends inside its part number")? })
    }
}

impl<'a> ChunkKey<'a> {
    /// Parses what follows `!s3|blob|` or `!s3|chunkref|`.
    pub fn parse(suffix: &'a [u8]) -> Result<ChunkKey<'a>> {
        whole(suffix, Self::read)
    }

    fn read(c: &mut Cursor<'a>) -> Result<ChunkKey<'a>> {
        let PartKey { upload, part_no } = PartKey::read(c)?;
        let chunk_no = c.u64_be().or_key("it ends inside its chunk number")?;
        let version = if c.is_empty() { 0 } else { c.u64_be().or_key("it ends inside its part version")? };
        Ok(ChunkKey { upload, part_no, chunk_no, version })
    }
}

/// Parses what follows `!s3|bucket|meta|` or `!s3|bucket|gen|`: the bucket's name.
pub fn bucket(suffix: &[u8]) -> Result<Cow<'_, [u8]>> {
    whole(suffix, read_bucket)
}

/// Parses what follows `!s3|chunkblob|`: the SHA-256 of the payload, digits of either case.
pub fn digest(suffix: &[u8]) -> Result<[u8; 32]> {
    let (pairs, odd) = suffix.as_chunks::<2>();
    let mut digest = [0; 32];
    if pairs.len() != digest.len() || !odd.is_empty() {
        return Err(Fault::Key("its digest does not have 64 hex digits"));
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        *byte = hex_pair(*pair).or_key("its digest does not have 64 hex digits")?;
    }
    Ok(digest)
}

fn hex_pair(pair: [u8; 2]) -> Option<u8> {
    let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high?.checked_mul(16)?.checked_add(low?)?).ok()
}

fn whole<'a, T>(suffix: &'a [u8], read: impl FnOnce(&mut Cursor<'a>) -> Result<T>) -> Result<T> {
    let mut c = Cursor::new(suffix);
    let key = read(&mut c)?;
    if c.is_empty() { Ok(key) } else { Err(Fault::Key(TRAILING)) }
}

/// A bucket's name. No server creates one that is empty or a dot segment, which would be a path of its own.
fn read_bucket<'a>(c: &mut Cursor<'a>) -> Result<Cow<'a, [u8]>> {
    let name = component(c).or_key("its bucket name has no end or a broken escape")?;
    match name.as_ref() {
        b"" | b"." | b".." => Err(Fault::Key("its bucket name is empty or a dot segment")),
        _ => Ok(name),
    }
}

/// Reads one escaped component; borrowed unless it contains a NUL.
fn component<'a>(c: &mut Cursor<'a>) -> Option<Cow<'a, [u8]>> {
    ordered::read(c, END)
}

/// Length of the bucket, generation and object at the start of `suffix`, which all rows of an object have in common, whatever their
/// family. `None` if they are malformed.
pub fn object_len(suffix: &[u8]) -> Option<usize> {
    let object = component_len(suffix)?.checked_add(size_of::<u64>())?;
    object.checked_add(component_len(suffix.get(object..)?)?)
}

/// Length of what all rows of an upload have in common: the object's part and the upload ID.
pub fn upload_len(suffix: &[u8]) -> Option<usize> {
    let object = object_len(suffix)?;
    object.checked_add(component_len(suffix.get(object..)?)?)
}

/// Length of the escaped component at the start of `text`, with its end.
fn component_len(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let nul = memchr::memchr(0, text.get(at..)?)?;
        at = at.checked_add(nul)?.checked_add(2)?;
        match text.get(..at)?.last()? {
            1 => return Some(at),
            0xff => {}
            _ => return None,
        }
    }
}

/// Appends an escaped component.
pub fn escape_into(raw: &[u8], out: &mut Vec<u8>) {
    ordered::append(raw, END, out);
}

/// A user key, or the start of one, that grows component by component; each step is a prefix for a range scan.
///
/// | rows | steps |
/// |---|---|
/// | bucket record | `new(S3BucketMeta)`, `bucket` |
/// | heads of a generation | `new(S3Object)`, `bucket`, `generation` |
/// | chunks of an upload | `new(S3Blob)`, `bucket`, `generation`, `object`, `upload` |
/// | one chunk, every version | …, `number(part)`, `number(chunk)` |
/// | one chunk | …, `version(version)` |
#[derive(Debug, Clone, Default)]
pub struct KeyBuf {
    bytes: Vec<u8>,
}

impl KeyBuf {
    /// Starts with the prefix of `family`.
    pub fn new(family: Family) -> KeyBuf {
        KeyBuf { bytes: family.prefix().as_bytes().to_vec() }
    }

    /// The bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its length: a mark for [`truncate`](Self::truncate).
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it is empty; a key with a family never is.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Goes back to a mark, so that one buffer serves many look-ups.
    pub fn truncate(&mut self, mark: usize) -> &mut KeyBuf {
        self.bytes.truncate(mark);
        self
    }

    /// Adds an escaped component: a bucket, an object key or an upload ID.
    pub fn name(&mut self, raw: &[u8]) -> &mut KeyBuf {
        escape_into(raw, &mut self.bytes);
        self
    }

    /// Adds a generation, a part number or a chunk number.
    pub fn number(&mut self, n: u64) -> &mut KeyBuf {
        self.bytes.extend_from_slice(&n.to_be_bytes());
        self
    }

    /// Ends a chunk key: version 0 is not written.
    pub fn version(&mut self, version: u64) -> &mut KeyBuf {
        if version == 0 { self } else { self.number(version) }
    }
}

/// User key of the one row of a bucket in `bucket|meta` or `bucket|gen`.
pub fn bucket_key(family: Family, bucket: &[u8]) -> KeyBuf {
    let mut key = KeyBuf::new(family);
    key.name(bucket);
    key
}

/// Prefix of all rows of one generation of a bucket, in any family that has the generation in its keys.
pub fn generation_prefix(family: Family, bucket: &[u8], generation: u64) -> KeyBuf {
    let mut key = bucket_key(family, bucket);
    key.number(generation);
    key
}

/// Prefix of all rows of one object; in `obj|head` the whole key.
pub fn object_prefix(family: Family, object: &ObjectKey<'_>) -> KeyBuf {
    let mut key = generation_prefix(family, &object.bucket, object.generation);
    key.name(&object.object);
    key
}

/// Prefix of all rows of one upload; in `upload|meta` and `gc|upload` the whole key.
pub fn upload_prefix(family: Family, upload: &UploadKey<'_>) -> KeyBuf {
    let mut key = object_prefix(family, &upload.object);
    key.name(&upload.upload_id);
    key
}

/// User key of a chunk in `blob` or `chunkref`. (An explicit version 0, which no server writes, is another key.)
pub fn chunk_key(family: Family, chunk: &ChunkKey<'_>) -> KeyBuf {
    let mut key = upload_prefix(family, &chunk.upload);
    key.number(chunk.part_no).number(chunk.chunk_no).version(chunk.version);
    key
}

/// User key of a `chunkblob` row, with lower-case digits as the server writes them.
pub fn chunkblob_key(digest: &[u8; 32]) -> KeyBuf {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut key = KeyBuf::new(Family::S3ChunkBlob);
    let nibbles = digest.iter().flat_map(|b| [b >> 4, b & 15]);
    key.bytes.extend(nibbles.filter_map(|n| HEX.get(usize::from(n))).map(|&digit| digit as u8));
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk<'a>(object: &'a [u8], version: u64) -> ChunkKey<'a> {
        let object = ObjectKey { bucket: Cow::Borrowed(b"bkt"), generation: 3, object: Cow::Borrowed(object) };
        let upload = UploadKey { object, upload_id: Cow::Borrowed(b"u1") };
        ChunkKey { upload, part_no: 1, chunk_no: 2, version }
    }

    fn suffix(family: Family, key: &KeyBuf) -> &[u8] {
        family.suffix(key.as_bytes())
    }

    #[test]
    fn keys_by_hand() {
        let key = b"b\0\x01\0\0\0\0\0\0\0\x07a\0\xffb\0\x01";
        let parsed = ObjectKey::parse(key).unwrap();
        assert_eq!((&*parsed.bucket, parsed.generation, &*parsed.object), (&b"b"[..], 7, &b"a\0b"[..]));
        assert!(matches!(parsed.bucket, Cow::Borrowed(_)));
        assert_eq!(bucket(b"b\0\xff\0\x01").unwrap().as_ref(), b"b\0");
        assert_eq!(chunkblob_key(&[0xa0; 32]).as_bytes(), ["!s3|chunkblob|", &"a0".repeat(32)].concat().as_bytes());
    }

    #[test]
    fn what_the_parsers_reject() {
        let full = chunk_key(Family::S3Blob, &chunk(b"o", 9));
        let full = suffix(Family::S3Blob, &full);
        let version = full.len() - 8;
        for len in 0..full.len() {
            let cut = ChunkKey::parse(&full[..len]);
            assert_eq!(cut.is_ok(), len == version, "{len}");
        }
        let with = |more: &[u8]| [full, more].concat();
        assert_eq!(ChunkKey::parse(&with(b"x")), Err(Fault::Key(TRAILING)));
        assert_eq!(ObjectKey::parse(full), Err(Fault::Key(TRAILING)));
        assert_eq!(UploadKey::parse(full), Err(Fault::Key(TRAILING)));
        assert_eq!(PartKey::parse(full), Err(Fault::Key(TRAILING)));
        for bad in [&b""[..], b"b", b"b\0", b"b\0\x02", b"b\0\0", b"b\0\x01x", b"\0\x01", b".\0\x01", b"..\0\x01"] {
            assert!(bucket(bad).is_err(), "{}", bad.escape_ascii());
        }
        assert_eq!(bucket(b"...\0\x01").unwrap().as_ref(), b"...");
    }

    #[test]
    fn versions() {
        for (trailer, want) in [(&b""[..], 0), (&[0; 8], 0), (&[0, 0, 0, 0, 0, 0, 0, 5], 5)] {
            let mut key = suffix(Family::S3Blob, &chunk_key(Family::S3Blob, &chunk(b"o", 0))).to_vec();
            key.extend_from_slice(trailer);
            assert_eq!(ChunkKey::parse(&key).unwrap().version, want);
        }
    }

    #[test]
    fn what_rows_share() {
        let key = chunk_key(Family::S3Blob, &chunk(b"a\0\0b", 9));
        let full = suffix(Family::S3Blob, &key);
        let (object, upload) = (object_len(full).unwrap(), upload_len(full).unwrap());
        assert_eq!(ObjectKey::parse(&full[..object]).unwrap(), chunk(b"a\0\0b", 9).upload.object);
        assert_eq!(UploadKey::parse(&full[..upload]).unwrap(), chunk(b"a\0\0b", 9).upload);
        for len in 0..full.len() {
            let cut = &full[..len];
            assert_eq!((object_len(cut).is_some(), upload_len(cut).is_some()), (len >= object, len >= upload), "{len}");
        }
        assert_eq!(object_len(b"b\0\x01\0\0\0\0\0\0\0\x07a\0\x02\0\x01"), None);
    }

    #[test]
    fn digests() {
        let upper = "AB".repeat(32);
        assert_eq!(digest(upper.as_bytes()), Ok([0xab; 32]));
        for bad in ["", "ab", &"ab".repeat(33), &"a".repeat(63), &"g0".repeat(32), &"+1".repeat(32)] {
            assert!(digest(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn chunk_keys_round_trip(object: Vec<u8>, version: u64) {
            let want = chunk(&object, version);
            let key = chunk_key(Family::S3ChunkRef, &want);
            prop_assert_eq!(ChunkKey::parse(suffix(Family::S3ChunkRef, &key)), Ok(want));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (ChunkKey::parse(&bytes), bucket(&bytes), digest(&bytes));
        }
    }
}
