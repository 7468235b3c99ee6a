//! Parsers of keys and values.

use bumpalo::Bump;

use crate::format::envelope::{Envelope, Sealed};
use crate::format::keys::{Key, KeyRing};
use crate::format::opened::{self, Body};
use crate::format::redis::{blob, element_key, list, meta, stream, string};
use crate::format::sidecar::{Purpose, Sidecar};
use crate::format::{Family, dynamodb, fs, header, proto, s3, sqs, txn};
use crate::layouts::dynamodb::render::ItemRenderer;
use crate::layouts::sqs::render::{Shown, message_line};
use crate::verify::rows::check;

/// Envelopes, key files and decrypted values: bytes that are not an envelope never become one, and nothing can be opened with an invented
/// key.
pub fn envelope(data: &[u8]) {
    let _ = (Envelope::parse(data).is_ok(), opened::parse(data, data));
    if let Ok(sidecar) = Sidecar::parse(data) {
        let any = sidecar.keys.values().any(|record| record.purpose == Purpose::Storage);
        assert!(!any || sidecar.unwrap(&Key::default()).is_err());
        assert_eq!(Sidecar::parse(&sidecar.encode()), Ok(sidecar));
    }
    let mut keys = KeyRing::default();
    keys.add(1, Key::default());
    let (raw_key, raw_value) = data.split_at(data.len().min(20));
    let (mut aad, mut body) = (Vec::new(), Vec::new());
    assert!(keys.open_into(raw_key, raw_value, &mut aad, &mut body).is_none_or(|opened| opened.is_err()));
    assert!(body.is_empty() && keys.opens_clear(raw_key, raw_value).is_none());
    let (mut value, sealed) = (raw_value.to_vec(), Sealed { version: 1, key_id: 1 });
    if opened::encode(Body::Near(raw_key), sealed, &mut value).is_some() {
        assert_eq!(opened::parse(&value, b"").map(|(value, was)| (value.body, was)), Some((raw_key, sealed)));
    }
}

/// The parsers of one family, chosen by the first byte: the second is the length of the key.
pub fn rows(data: &[u8]) {
    let [family, len, rest @ ..] = data else { return };
    let family = Family::ALL[usize::from(*family) % Family::ALL.len()];
    let (suffix, body) = rest.split_at(rest.len().min(usize::from(*len)));
    let user_key = [family.prefix().as_bytes(), suffix].concat();
    let _ = check(&Bump::new(), Family::of(&user_key), &user_key, body);
}

/// An item: its line and its file are JSON with the same content.
pub fn dynamodb_item(data: &[u8]) {
    for value in [data, &[dynamodb::item::MAGIC, data].concat()] {
        let Ok(item) = dynamodb::Item::parse(value) else { continue };
        let (mut line, mut file, mut renderer) = (Vec::new(), Vec::new(), ItemRenderer::default());
        renderer.line(item, &mut line);
        renderer.file(item, &mut file);
        let line: serde_json::Value = serde_json::from_slice(&line).expect("a line is JSON");
        let file: serde_json::Value = serde_json::from_slice(&file).expect("a file is JSON");
        assert_eq!(line["Item"], file);
    }
    let _ = (dynamodb::Schema::parse(data), dynamodb::keys::table_name(data), dynamodb::ItemKey::parse(data));
}

/// Values of S3 families; a parsed key must give the same key when encoded.
pub fn s3_values(data: &[u8]) {
    let arena = Bump::new();
    let _ = (s3::Manifest::parse(&arena, data), s3::ChunkRef::parse(data), s3::Part::parse(&arena, data));
    let _ = (s3::BucketRecord::parse(&arena, data), s3::UploadRecord::parse(&arena, data));
    if let Ok(key) = s3::ObjectKey::parse(data) {
        assert_eq!(Family::S3Object.suffix(s3::key::object_prefix(Family::S3Object, &key).as_bytes()), data);
    }
    if let Ok(key) = s3::ChunkKey::parse(data) {
        let again = s3::key::chunk_key(Family::S3Blob, &key);
        let explicit_zero = key.version == 0 && data.len() != Family::S3Blob.suffix(again.as_bytes()).len();
        assert!(explicit_zero || Family::S3Blob.suffix(again.as_bytes()) == data, "a chunk's key");
    }
}

/// A message: the canonical reader gives the same as the general parser, and its line is JSON.
pub fn sqs_message(data: &[u8]) {
    sqs::message_both_ways(data);
    let value = [sqs::message::MAGIC, data].concat();
    let arena = Bump::new();
    if let Ok(message) = sqs::Message::parse(&arena, &value) {
        let mut line = Vec::new();
        message_line(&message, Shown::default(), &mut line);
        serde_json::from_slice::<serde_json::Value>(&line).expect("a line is JSON");
        assert_eq!(crate::layouts::members::message_id(&line).as_deref(), Some(message.message_id.as_bytes()));
    }
    let _ = (sqs::Queue::parse(&arena, data), sqs::Head::parse(&arena, &value).is_ok());
}

/// Runs every Redis parser; none may panic, and the fields of an entry must be consistent.
pub fn redis_values(data: &[u8]) {
    let _ = (string::string(data), string::hll(data), meta::CollectionMeta::parse(data), meta::delta(data));
    let _ = (meta::score(data), meta::index_ttl(data), list::ListMeta::parse(data), list::ListDelta::parse(data));
    let _ =
        (list::item_key(data), element_key(data), stream::StreamMeta::parse(data), stream::StreamId::from_text(data));
    let _ = (blob::hash(data, |_, _| ()), blob::set(data, |_| ()), blob::zset(data, |_, _| ()), proto::map_entry(data));
    let _ = (txn::Lock::parse(data), txn::Intent::parse(data), txn::commit_ts(data), header::parse(data));
    for message in [data, &[b"\0RXE\x01", data].concat()] {
        if let Ok(entry) = stream::StreamEntry::parse(message) {
            let _ = entry.fields().count();
        }
    }
    for magic in [blob::HASH, blob::SET, blob::ZSET] {
        let value = [magic, data].concat();
        let _ = (blob::hash(&value, |_, _| ()), blob::set(&value, |_| ()), blob::zset(&value, |_, _| ()));
    }
}

/// Runs every parser of the file system on `data`, as key and as value; none may panic, and a parsed key must give the same key when
/// encoded.
pub fn fs_rows(data: &[u8]) {
    let arena = Bump::new();
    let _ = (fs::Inode::parse(&arena, data), fs::Entry::parse(&arena, data), fs::Home::parse(&arena, data));
    let _ = (fs::Handle::parse(&arena, data), fs::Intent::parse(&arena, data), fs::MoveJob::parse(&arena, data));
    let _ = (fs::Usage::parse(&arena, data), fs::Counter::parse(&arena, data), fs::number(data));
    for &family in Family::ALL {
        let _ = fs::check(&arena, family, &[family.prefix().as_bytes(), data].concat(), b"{}");
    }
    if let Ok(key) = fs::EntryKey::parse(data) {
        assert_eq!(Family::FsEntry.suffix(&fs::key::entry(key.parent, &key.name)), data);
    }
    if let Ok(key) = fs::HandleKey::parse(data) {
        assert_eq!(Family::FsHandle.suffix(&fs::key::handle(key.inode, &key.client, key.handle)), data);
    }
    if let Ok(key) = fs::ChunkKey::parse(data) {
        let numbers = [key.home_slot, key.inode, key.index];
        assert_eq!(Family::FsChunk.suffix(&fs::key::numbers(Family::FsChunk, &numbers)), data);
    }
}
