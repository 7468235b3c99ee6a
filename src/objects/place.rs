//! Which file of an output holds logical objects, and how.

use crate::decode::Layout;
use crate::format::Adapter;
use crate::layouts::s3::names::META_SUFFIX;
use crate::model::redis::Type;
use crate::output::names::{is_for_restore, raw_of_segment};

/// How the lines of a file tell of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `{"key":…, …,"expire_at_ms":…}`.
    Keyed,
    /// The same, several lines for one key: the last one has `_meta`.
    Stream,
    /// `{"Item":{…}}`; the table's schema tells which attributes are the key.
    Item,
    /// One item over many lines, which is the whole file: only in a tree.
    ItemFile,
    /// `{"key":…, …,"size_bytes":…}`.
    S3,
    /// `{"message_id":…, …}`.
    Message,
    /// `{"path":…,"type":…, …}`.
    File,
    /// `{"key":…,"expire_at_ms":…}`, the key as it is in file names: only in a tree.
    Ttl,
    /// No lines: the whole file describes a table, bucket or queue.
    Scope,
    /// No lines: the whole file is an object, or a part of one. Only in a tree.
    Whole,
}

/// A file of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub adapter: Adapter,
    pub scope: String,
    pub kind: &'static str,
    pub shape: Shape,
    /// The object's key, if the whole file is one.
    pub key: Vec<u8>,
}

impl Place {
    fn new(adapter: Adapter, scope: &str, kind: &'static str, shape: Shape) -> Place {
        Place { adapter, scope: scope.to_owned(), kind, shape, key: Vec::new() }
    }

    /// What a file holds, by its path below an output.
    pub fn of(layout: Layout, path: &[u8]) -> Option<Place> {
        match layout {
            Layout::Packed => Place::packed(path),
            Layout::Tree => Place::tree(path),
        }
    }

    /// In a tree nearly every file is an object; those that are none are about the others.
    fn tree(path: &[u8]) -> Option<Place> {
        let mut parts = path.splitn(3, |b| *b == b'/');
        let (adapter, scope, rest) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
        let adapter = Adapter::named(adapter)?;
        let scope = String::from_utf8_lossy(scope).into_owned();
        let place = |kind, shape| Some(Place::new(adapter, &scope, kind, shape));
        let whole = |kind, key: &[u8]| Some(Place { key: key.to_vec(), ..place(kind, Shape::Whole)? });
        match (adapter, rest) {
            (Adapter::Fs, b"") if scope == "metadata.jsonl" => Some(Place::new(adapter, "tree", "files", Shape::File)),
            (Adapter::Fs, _) | (_, b"KEYMAP.jsonl") => None,
            (_, b"") if is_for_restore(&scope) => None,
            (Adapter::Redis, b"strings_ttl.jsonl" | b"hll_ttl.jsonl") => place("expiry", Shape::Ttl),
            (Adapter::Redis, _) => {
                let named = std::str::from_utf8(rest).ok().and_then(|rest| rest.split_once('/'));
                let kind = named.and_then(|(folder, _)| Type::of_plural(folder)).map(Type::plural);
                match (kind, named) {
                    (Some(kind), Some((_, name))) => whole(kind, &key_of_name(name)),
                    _ => whole("others", rest),
                }
            }
            (Adapter::DynamoDb, b"_schema.json") => place("tables", Shape::Scope),
            (Adapter::DynamoDb, _) => match rest.strip_prefix(b"items/") {
                Some(name) if name.starts_with(b"data-") && name.ends_with(b".jsonl") => place("items", Shape::Item),
                Some(name) => {
                    let key = name.strip_suffix(b".json").unwrap_or(name).to_vec();
                    Some(Place { key, ..place("items", Shape::ItemFile)? })
                }
                None => whole("others", rest),
            },
            (Adapter::S3, b"_bucket.json") => place("buckets", Shape::Scope),
            (Adapter::S3, _) => match rest.strip_suffix(META_SUFFIX.as_bytes()) {
                Some(object) => whole("metadata", object),
                None => whole("objects", rest),
            },
            (Adapter::Sqs, b"_queue.json") => place("queues", Shape::Scope),
            (Adapter::Sqs, b"messages.jsonl") => place("messages", Shape::Message),
            (Adapter::Sqs, _) => whole("others", rest),
        }
    }

    /// What a file holds, by its path below a packed output; `None`: no objects (a body, a key map).
    fn packed(path: &[u8]) -> Option<Place> {
        let path = std::str::from_utf8(path).ok()?;
        let (adapter, rest) = path.split_once('/')?;
        let place = |adapter, scope: &str, kind, shape| Some(Place::new(adapter, scope, kind, shape));
        match adapter {
            "redis" => {
                let (scope, name) = rest.split_once('/')?;
                let kind = name.strip_suffix(".jsonl").and_then(Type::of_plural).map(Type::plural)?;
                let shape = if kind == "streams" { Shape::Stream } else { Shape::Keyed };
                place(Adapter::Redis, scope, kind, shape)
            }
            "dynamodb" => match (rest.strip_suffix(".schema.json"), rest.strip_suffix(".jsonl")) {
                _ if rest.contains('/') || is_for_restore(rest) => None,
                (Some(table), _) => place(Adapter::DynamoDb, table, "tables", Shape::Scope),
                (_, Some(table)) => place(Adapter::DynamoDb, table, "items", Shape::Item),
                _ => None,
            },
            "s3" => match rest.split_once('/')? {
                (bucket, "_index.jsonl") => place(Adapter::S3, bucket, "objects", Shape::S3),
                (bucket, "_bucket.json") => place(Adapter::S3, bucket, "buckets", Shape::Scope),
                _ => None,
            },
            "sqs" => match (rest.strip_suffix(".queue.json"), rest.strip_suffix(".jsonl")) {
                _ if rest.contains('/') || rest.ends_with(".side.jsonl") || is_for_restore(rest) => None,
                (Some(queue), _) => place(Adapter::Sqs, queue, "queues", Shape::Scope),
                (_, Some(queue)) => place(Adapter::Sqs, queue, "messages", Shape::Message),
                _ => None,
            },
            "fs" if rest == "metadata.jsonl" => place(Adapter::Fs, "tree", "files", Shape::File),
            _ => None,
        }
    }
}

/// A Redis key by the name of its file.
fn key_of_name(name: &str) -> Vec<u8> {
    raw_of_segment(name.rsplit_once('.').map_or(name, |(segment, _)| segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let shape =
            |path: &str| Place::of(Layout::Packed, path.as_bytes()).map(|place| (place.scope, place.kind, place.shape));
        let some = |scope: &str, kind, shape| Some((scope.to_owned(), kind, shape));
        assert_eq!(shape("redis/db_0/hashes.jsonl"), some("db_0", "hashes", Shape::Keyed));
        assert_eq!(shape("redis/db_0/streams.jsonl"), some("db_0", "streams", Shape::Stream));
        assert_eq!(shape("dynamodb/t.schema.json"), some("t", "tables", Shape::Scope));
        assert_eq!(shape("dynamodb/t.jsonl"), some("t", "items", Shape::Item));
        assert_eq!(shape("s3/b/_index.jsonl"), some("b", "objects", Shape::S3));
        assert_eq!(shape("sqs/q.fifo.jsonl"), some("q.fifo", "messages", Shape::Message));
        assert_eq!(shape("fs/metadata.jsonl"), some("tree", "files", Shape::File));
        for none in ["s3/b/x/_index.jsonl", "s3/b/x.jsonl", "redis/db_0/_orphans/ttl.jsonl", "MANIFEST.json"] {
            assert_eq!(shape(none), None, "{none}");
        }
        assert_eq!(Place::of(Layout::Packed, b"s3/\xff/_index.jsonl"), None);
    }

    #[test]
    fn places_in_a_tree() {
        let tree = |path: &str| Place::of(Layout::Tree, path.as_bytes());
        let whole =
            |path: &str| tree(path).map(|place| (place.kind, String::from_utf8(place.key).unwrap(), place.shape));
        for (path, kind, key) in [
            ("redis/db_0/hashes/a%3Ab.json", "hashes", "a:b"),
            ("redis/db_0/streams/x.y.jsonl", "streams", "x.y"),
            ("redis/db_0/_orphans/ttl.jsonl", "others", "_orphans/ttl.jsonl"),
            ("s3/b/x/y.txt", "objects", "x/y.txt"),
            ("s3/b/x/y.txt.elastickv-meta.json", "metadata", "x/y.txt"),
            ("sqs/q/_internals/side_records.jsonl", "others", "_internals/side_records.jsonl"),
        ] {
            assert_eq!(whole(path), Some((kind, key.to_owned(), Shape::Whole)), "{path}");
        }
        for (path, shape) in [
            ("redis/db_0/strings_ttl.jsonl", Shape::Ttl),
            ("dynamodb/t/_schema.json", Shape::Scope),
            ("dynamodb/t/items/data-00001.jsonl", Shape::Item),
            ("dynamodb/t/items/a/b.json", Shape::ItemFile),
            ("sqs/q/messages.jsonl", Shape::Message),
            ("fs/metadata.jsonl", Shape::File),
        ] {
            assert_eq!(tree(path).map(|place| place.shape), Some(shape), "{path}");
        }
        for path in ["MANIFEST.json", "CHECKSUMS", "ERRORS.jsonl", "fs/tree/x", "redis/db_0/KEYMAP.jsonl"] {
            assert_eq!(tree(path), None, "{path}");
        }
    }
}
