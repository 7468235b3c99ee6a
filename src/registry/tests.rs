//! Paths of outputs: what files contain, and how their objects are counted.

use crate::format::adapter;
use crate::layouts::counted::Each;
use crate::layouts::place::Shape;
use crate::options::Layout;
use crate::registry::{counted, place};

#[test]
fn places() {
    let shape = |path: &str| place(Layout::JSONL, path.as_bytes()).map(|place| (place.scope, place.kind, place.shape));
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
    assert_eq!(place(Layout::JSONL, b"s3/\xff/_index.jsonl"), None);
}

#[test]
fn what_is_counted() {
    let of = |path: &'static str| {
        counted(path.as_bytes())
            .map(|(adapter, count)| (adapter, std::str::from_utf8(count.scope).unwrap(), count.kind, count.each))
    };
    let stream = Each::Occurrence(b",\"_meta\":true,");
    for (path, want) in [
        ("redis/db_0/hashes/h.json", Some((adapter::REDIS, "db_0", "hashes", Each::File))),
        ("redis/db_0/hashes.jsonl", Some((adapter::REDIS, "db_0", "hashes", Each::Line))),
        ("redis/db_0/streams.jsonl", Some((adapter::REDIS, "db_0", "streams", stream))),
        ("redis/db_0/strings_ttl.jsonl", None),
        ("redis/db_0/KEYMAP.jsonl", None),
        ("redis/db_0/_orphans/hashes/h.json", None),
        ("redis/hashes.jsonl", None),
        ("dynamodb/t/items/a/b.json", Some((adapter::DYNAMODB, "t", "items", Each::File))),
        ("dynamodb/t/items/data-00001.jsonl", Some((adapter::DYNAMODB, "t", "items", Each::Line))),
        ("dynamodb/t.jsonl", Some((adapter::DYNAMODB, "t", "items", Each::Line))),
        ("dynamodb/t.schema.json", None),
        ("dynamodb/_rows~.jsonl", None),
        ("s3/b/x/y", Some((adapter::S3, "b", "bodies", Each::File))),
        ("s3/b/x/y.elastickv-meta.json", Some((adapter::S3, "b", "sidecars", Each::File))),
        ("s3/b/_index.jsonl", Some((adapter::S3, "b", "index", Each::Line))),
        ("s3/b/_orphans/o/gen-1/u_1.bin", None),
        ("sqs/q.fifo/messages.jsonl", Some((adapter::SQS, "q.fifo", "messages", Each::Line))),
        ("sqs/q.fifo.jsonl", Some((adapter::SQS, "q.fifo", "messages", Each::Line))),
        ("sqs/q.side.jsonl", None),
        ("sqs/_generations~.jsonl", None),
        ("fs/tree/x", None),
        ("ERRORS.jsonl", None),
    ] {
        assert_eq!(of(path), want, "{path}");
    }
}

#[test]
fn places_in_a_tree() {
    let tree = |path: &str| place(Layout::TREE, path.as_bytes());
    let whole = |path: &str| tree(path).map(|place| (place.kind, String::from_utf8(place.key).unwrap(), place.shape));
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
