//! Fingerprints of objects, of what was read and of what was written: both must be the same, object by object.
//!
//! Elements of a hash, set or sorted set count in any order, as the server has them; items of a list and entries of a stream in theirs.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::format::mvcc::hlc_millis;
use crate::format::redis::stream::{StreamEntry, StreamId};
use crate::format::s3::Manifest;
use crate::format::s3::key::object_prefix;
use crate::format::sqs::key::queue_name;
use crate::format::{Family, s3 as s3_format};
use crate::model::dynamodb::{self, Item, StaleItem, Table};
use crate::model::fs::{InodeVisitor, Node};
use crate::model::redis::{self, Key, Standing, StreamEnd, Type};
use crate::model::s3::{self, Bucket, Object, OrphanChunk, OrphanManifest, UploadRow};
use crate::model::sqs::{self, Message, Queue, Records, SideRecord};
use crate::output::extents::ExtentsHash;
use crate::run::spill::Spill;

/// What an object is known by: a letter, then its name.
const KEY: u8 = b'k';
const QUEUE: u8 = b'q';
const GENERATION: u8 = b'g';
const SEQUENCE: u8 = b's';
const MESSAGE: u8 = b'm';
const GUARD: u8 = b'r';
const TABLE: u8 = b't';
const ITEM: u8 = b'i';
const BUCKET: u8 = b'b';
const OBJECT: u8 = b'o';
const UPLOAD: u8 = b'u';
const INODE: u8 = b'f';
const NAME: u8 = b'n';
const CONTENT: u8 = b'c';

/// Where a fingerprint comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Side {
    /// It was read from an output.
    Read,
    /// It is in the snapshot.
    Written,
}

/// Takes objects of both sides.
pub(crate) struct Fingerprints {
    spill: Spill,
    side: Side,
    /// Of the collection at hand.
    ordered: Sha256,
    unordered: u128,
    /// The content of the file at hand, up to some place.
    extents: ExtentsHash,
    at: u64,
    /// The queue whose records come.
    of: Vec<u8>,
    id: Vec<u8>,
    buffer: Vec<u8>,
}

impl Fingerprints {
    /// No objects yet; fingerprints are spilled to the file system of `scratch`.
    pub fn new(scratch: &Path) -> Fingerprints {
        Fingerprints {
            spill: Spill::new(scratch),
            side: Side::Read,
            ordered: Sha256::new(),
            unordered: 0,
            extents: ExtentsHash::default(),
            at: 0,
            of: Vec::new(),
            id: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// The objects that come are of this side.
    pub(super) fn turn(&mut self, side: Side) {
        self.side = side;
    }

    fn put(&mut self, kind: u8, names: &[&[u8]], digest: u128) -> Result<()> {
        self.id.clear();
        self.id.push(kind);
        for (n, name) in names.iter().enumerate() {
            // All names but the last have no line feed.
            if n > 0 {
                self.id.push(b'\n');
            }
            self.id.extend_from_slice(name);
        }
        let mut fingerprint = [0; 17];
        fingerprint[0] = self.side as u8;
        fingerprint[1..].copy_from_slice(&digest.to_be_bytes());
        self.spill.push(&self.id, &fingerprint)
    }

    /// Adds an element whose place does not count.
    fn element(&mut self, first: &[u8], second: &[u8]) {
        self.unordered = self.unordered.wrapping_add(digest_of(&[first, second]));
    }

    /// Adds an element behind those that came before.
    fn next(&mut self, bytes: &[u8]) {
        self.ordered.update((bytes.len() as u64).to_le_bytes());
        self.ordered.update(bytes);
    }

    fn key(&mut self, key: &Key<'_>, value: u128) -> Result<()> {
        if key.standing == Standing::Orphan {
            return Ok(());
        }
        let expiry = key.expire_at_ms.map_or([0; 8], u64::to_le_bytes);
        let digest = digest_of(&[&[key.kind as u8, u8::from(key.bare)], &expiry, &value.to_le_bytes()]);
        self.put(KEY, &[key.name], digest)
    }

    /// Requires that both sides have the same objects.
    ///
    /// # Errors
    /// The first object that differs.
    pub fn compare(self) -> Result<()> {
        let mut sorted = self.spill.finish()?;
        let (mut id, mut seen) = (Vec::new(), Seen::default());
        loop {
            let next = sorted.next()?;
            if next.is_none_or(|(next, _)| next != id) && !seen.agree(id.first().copied()) {
                let why = format!("{} is not the same in it", named(&id));
                return Err(Error::new(ErrorKind::Encoded(why)));
            }
            let Some((next, fingerprint)) = next else { return Ok(()) };
            if next != id {
                id.clear();
                id.extend_from_slice(next);
                seen = Seen::default();
            }
            seen.take(fingerprint);
        }
    }
}

/// The fingerprints of one object.
#[derive(Default)]
struct Seen {
    read: Vec<Vec<u8>>,
    written: Vec<Vec<u8>>,
}

impl Seen {
    fn take(&mut self, fingerprint: &[u8]) {
        let Some((side, digest)) = fingerprint.split_first() else { return };
        let side = if *side == Side::Read as u8 { &mut self.read } else { &mut self.written };
        // A third one would make no difference.
        if side.len() < 2 {
            side.push(digest.to_vec());
        }
    }

    /// What is derived may be in the snapshot alone.
    fn agree(&self, kind: Option<u8>) -> bool {
        let may_be_derived = matches!(kind, Some(GENERATION | SEQUENCE | GUARD));
        (self.read.is_empty() && may_be_derived) || (self.read == self.written && self.read.len() < 2)
    }
}

/// What an object is called in an error.
fn named(id: &[u8]) -> String {
    let (kind, name) = id.split_first().unwrap_or((&0, b""));
    let mut names = name.splitn(2, |byte| *byte == b'\n');
    let queue = queue_name(names.next().unwrap_or_default()).unwrap_or_default();
    let (queue, rest) = (queue.escape_ascii(), names.next().unwrap_or_default().escape_ascii());
    match *kind {
        TABLE => format!("the table \"{}\"", name.escape_ascii()),
        BUCKET => format!("the bucket \"{}\"", name.escape_ascii()),
        OBJECT => format!("the object of the row \"{}\"", name.escape_ascii()),
        UPLOAD => format!("the row of an upload \"{}\"", name.escape_ascii()),
        ITEM => format!("the item of the row \"{}\"", name.escape_ascii()),
        INODE => format!("inode {}", number_of(name)),
        CONTENT => format!("the content of inode {}", number_of(name)),
        NAME => {
            let name = name.get(8..).unwrap_or_default().escape_ascii();
            format!("the name \"{name}\" in inode {}", number_of(id.get(1..).unwrap_or_default()))
        }
        KEY => format!("the Redis key \"{}\"", name.escape_ascii()),
        QUEUE => format!("the queue \"{queue}\""),
        GENERATION => format!("the generation of the queue \"{queue}\""),
        SEQUENCE => format!("the last sequence number of the queue \"{queue}\""),
        MESSAGE => format!("the message \"{}\" of the queue \"{queue}\"", rest.to_string().replacen("\\n", ": ", 1)),
        _ => format!("the bookkeeping row \"{rest}\" of the queue \"{queue}\""),
    }
}

/// The number that a name of eight bytes begins with.
fn number_of(name: &[u8]) -> u64 {
    name.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The start of a SHA-256 of parts that are kept apart.
fn digest_of(parts: &[&[u8]]) -> u128 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    first_half(hash)
}

fn first_half(hash: Sha256) -> u128 {
    hash.finalize().first_chunk().map_or(0, |half| u128::from_be_bytes(*half))
}

impl redis::Visitor for Fingerprints {
    fn string(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        self.key(key, digest_of(&[value]))
    }

    fn begin(&mut self, _: &Key<'_>) -> Result<()> {
        (self.ordered, self.unordered) = (Sha256::new(), 0);
        Ok(())
    }

    fn field(&mut self, _: &Key<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        self.element(name, value);
        Ok(())
    }

    fn item(&mut self, _: &Key<'_>, value: &[u8]) -> Result<()> {
        self.next(value);
        Ok(())
    }

    fn member(&mut self, _: &Key<'_>, member: &[u8]) -> Result<()> {
        self.element(member, b"");
        Ok(())
    }

    fn scored(&mut self, _: &Key<'_>, member: &[u8], score: f64) -> Result<()> {
        // Every NaN is one.
        let bits = if score.is_nan() { f64::NAN.to_bits() } else { score.to_bits() };
        self.element(member, &bits.to_le_bytes());
        Ok(())
    }

    fn entry(&mut self, _: &Key<'_>, id: StreamId, entry: &StreamEntry<'_>) -> Result<()> {
        self.next(&[id.ms.to_le_bytes(), id.seq.to_le_bytes()].concat());
        for (name, value) in entry.fields() {
            self.next(name);
            self.next(value);
        }
        // Fields end here: those of the next entry are no more of this one.
        self.ordered.update(u64::MAX.to_le_bytes());
        Ok(())
    }

    fn end(&mut self, key: &Key<'_>, stream: StreamEnd) -> Result<()> {
        let ordered = first_half(std::mem::take(&mut self.ordered));
        let mut value = digest_of(&[&ordered.to_le_bytes(), &self.unordered.to_le_bytes()]);
        if key.kind == Type::Stream {
            let StreamEnd { length, last } = stream;
            let end = [length.to_le_bytes(), last.ms.to_le_bytes(), last.seq.to_le_bytes()].concat();
            value = digest_of(&[&value.to_le_bytes(), &end]);
        }
        self.key(key, value)
    }

    fn abandon(&mut self, _: &Key<'_>) -> Result<()> {
        Ok(())
    }

    fn stray_items(&mut self, _: &[u8], _: &[&[u8]]) -> Result<()> {
        Ok(())
    }

    fn stray_expiry(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}

impl sqs::Visitor for Fingerprints {
    fn message(&mut self, message: &Message<'_>) -> Result<()> {
        let value = message.value;
        // A delay hides a message too.
        let visible_at_millis = value.visible_at_millis.max(value.available_at_millis);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let value = crate::format::sqs::Message { visible_at_millis, ..*value };
        value.encode(&mut buffer).map_err(|fault| Error::internal(format!("a message: {fault:?}")))?;
        let partition = message.partition.map_or([0xff; 8], |n| u64::from(n).to_le_bytes());
        let digest = digest_of(&[&buffer, &partition]);
        self.buffer = buffer;
        let of = std::mem::take(&mut self.of);
        // One ID can be in several generations and partitions of a damaged queue.
        let partition =
            message.partition.map_or("no partition".to_owned(), |partition| format!("partition {partition}"));
        let place = format!("generation {}, {partition}", value.queue_generation);
        let put = self.put(MESSAGE, &[&of, place.as_bytes(), value.message_id.as_bytes()], digest);
        self.of = of;
        put
    }

    fn side_record(&mut self, record: &SideRecord<'_>) -> Result<()> {
        let of = std::mem::take(&mut self.of);
        let put = self.put(GUARD, &[&of, record.key], digest_of(&[record.value]));
        self.of = of;
        put
    }
}

impl sqs::QueueVisitor for Fingerprints {
    fn queue(&mut self, queue: &Queue<'_>) -> Result<()> {
        let mut value = Vec::new();
        // A record without its name is known by its key.
        let name = String::from_utf8_lossy(queue.name);
        let name = if queue.record.name.is_empty() { &*name } else { queue.record.name };
        let record = crate::format::sqs::Queue { name, generation: 0, ..*queue.record };
        record.encode(&mut value).map_err(|fault| Error::internal(format!("a queue: {fault:?}")))?;
        self.put(QUEUE, &[queue.encoded], digest_of(&[&value]))?;
        for (kind, number) in [(GENERATION, queue.record.generation), (SEQUENCE, queue.last_sequence)] {
            if number > 0 {
                self.put(kind, &[queue.encoded], u128::from(number))?;
            }
        }
        Ok(())
    }

    fn records(&mut self, of: &Records<'_>) -> Result<()> {
        self.of.clear();
        self.of.extend_from_slice(of.queue);
        Ok(())
    }

    fn generation(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}

impl Fingerprints {
    /// A table, by its schema as a row has it.
    pub fn schema(&mut self, table: &[u8], schema: &[u8]) -> Result<()> {
        self.put(TABLE, &[table], digest_of(&[schema]))
    }
}

impl<'a> dynamodb::Visitor<'a> for Fingerprints {
    fn item(&mut self, _: &Table, item: &Item<'a>) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        item.value.encode(&mut buffer);
        let digest = digest_of(&[&buffer]);
        self.buffer = buffer;
        self.put(ITEM, &[item.row_key], digest)
    }

    fn stale(&mut self, _: &StaleItem<'a>) -> Result<()> {
        Ok(())
    }
}

impl Fingerprints {
    /// What a record, as JSON, says.
    fn json(&mut self, kind: u8, name: &[u8], encode: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let encoded = encode(&mut buffer);
        let digest = digest_of(&[&buffer]);
        self.buffer = buffer;
        encoded?;
        self.put(kind, &[name], digest)
    }

    /// A bucket.
    pub fn bucket(&mut self, bucket: &Bucket<'_>) -> Result<()> {
        self.json(BUCKET, bucket.name, |out| Ok(bucket.record.encode(out)?))
    }

    /// A row of an unfinished upload.
    pub fn upload_row(&mut self, row: &UploadRow<'_>) -> Result<()> {
        self.put(UPLOAD, &[row.user_key], digest_of(&[row.value]))
    }
}

/// What clients see of a manifest, as JSON.
fn visible(manifest: &Manifest<'_>, out: &mut Vec<u8>) -> Result<()> {
    // Those that were written are in the order of the body, each once.
    // One with the ETag of the whole stands for parts that nobody told (`adapters/s3/encode.rs`).
    let is_whole = matches!(manifest.parts, [part] if part.etag == manifest.etag);
    let parts = if manifest.is_multipart() && !is_whole { manifest.parts } else { &[] };
    let parts = parts.iter().map(|part| s3_format::Part {
        part_no: part.part_no,
        etag: part.etag,
        size_bytes: part.size_bytes,
        ..s3_format::Part::default()
    });
    let parts: Vec<_> = parts.collect();
    let last_modified_hlc = match manifest.last_modified_hlc {
        0 => 0,
        // The counter within a millisecond is no part of it.
        hlc => (hlc_millis(hlc) << 16) + 1,
    };
    Ok(Manifest { upload_id: "", parts: &parts, last_modified_hlc, ..*manifest }.encode(out)?)
}

impl s3::Visitor for Fingerprints {
    fn begin(&mut self, _: &Object<'_>) -> Result<()> {
        self.ordered = Sha256::new();
        Ok(())
    }

    fn body(&mut self, piece: &[u8]) -> Result<()> {
        self.ordered.update(piece);
        Ok(())
    }

    fn end(&mut self, object: &Object<'_>) -> Result<()> {
        let body = first_half(std::mem::take(&mut self.ordered)).to_be_bytes();
        let key = object_prefix(Family::S3Object, object.key);
        self.json(OBJECT, key.as_bytes(), |out| {
            visible(object.manifest, out)?;
            out.extend_from_slice(&body);
            Ok(())
        })
    }

    fn abandon(&mut self, object: &Object<'_>) -> Result<()> {
        Err(Error::internal(format!("the body of \"{}\" does not end", object.key.object.escape_ascii())))
    }

    fn orphan_manifest(&mut self, _: &OrphanManifest<'_>) -> Result<()> {
        Ok(())
    }

    fn orphan_chunk(&mut self, _: &OrphanChunk<'_>) -> Result<()> {
        Ok(())
    }
}

impl InodeVisitor for Fingerprints {
    fn inode(&mut self, node: &Node) -> Result<()> {
        self.json(INODE, &node.number.to_be_bytes(), |out| Ok(node.inode.encode(out)?))
    }

    fn name(&mut self, parent: u64, name: &[u8], node: &Node) -> Result<()> {
        self.put(NAME, &[&[&parent.to_be_bytes(), name].concat()], u128::from(node.number))
    }

    fn content(&mut self, _: &Node, offset: u64, bytes: &[u8]) -> Result<()> {
        self.extents.skip(offset - self.at);
        self.extents.add(bytes);
        self.at = offset + bytes.len() as u64;
        Ok(())
    }

    fn end_content(&mut self, file: &Node) -> Result<()> {
        let at = std::mem::take(&mut self.at);
        self.extents.skip(file.inode.size.saturating_sub(at));
        let digest = std::mem::take(&mut self.extents).finish();
        let digest = digest.first_chunk().map_or(0, |half| u128::from_be_bytes(*half));
        self.put(CONTENT, &[&file.number.to_be_bytes()], digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::redis::Visitor as _;

    fn set(fingerprints: &mut Fingerprints, name: &str, expire_at_ms: Option<u64>, members: &[&str]) {
        let key = Key { name: name.as_bytes(), kind: Type::Set, expire_at_ms, standing: Standing::Served, bare: false };
        fingerprints.begin(&key).unwrap();
        members.iter().for_each(|member| fingerprints.member(&key, member.as_bytes()).unwrap());
        fingerprints.end(&key, StreamEnd::default()).unwrap();
    }

    #[test]
    fn every_difference_is_seen() {
        type Object<'o> = (&'o str, Option<u64>, &'o [&'o str]);
        let read: [Object<'_>; 2] = [("a", None, &["x", "y"]), ("b", Some(1), &[])];
        let cases: [(&[Object<'_>], Option<&str>); 7] = [
            (&read, None),
            (&[("b", Some(1), &[]), ("a", None, &["y", "x"])], None),
            (&[("a", None, &["x"]), ("b", Some(1), &[])], Some("\"a\"")),
            (&[("a", None, &["x", "y"]), ("b", None, &[])], Some("\"b\"")),
            (&[("a", None, &["x", "y"])], Some("\"b\"")),
            (&[("a", None, &["x", "y"]), ("b", Some(1), &[]), ("c", None, &[])], Some("\"c\"")),
            (&[("a", None, &["x", "y"]), ("b", Some(1), &[]), ("b", Some(1), &[])], Some("\"b\"")),
        ];
        for (written, want) in cases {
            let mut fingerprints = Fingerprints::new(&std::env::temp_dir());
            read.iter().for_each(|(name, at, members)| set(&mut fingerprints, name, *at, members));
            fingerprints.turn(Side::Written);
            written.iter().for_each(|(name, at, members)| set(&mut fingerprints, name, *at, members));
            let error = fingerprints.compare().err().map(|error| error.to_string());
            match (want, error) {
                (None, None) => {}
                (Some(words), Some(error)) => assert!(error.contains(words), "{error}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
