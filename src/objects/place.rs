//! Which file of an output holds logical objects, and how.

use crate::format::Adapter;

/// How the lines of a file tell of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `{"key":…, …,"expire_at_ms":…}`.
    Keyed,
    /// The same, several lines for one key: the last one has `_meta`.
    Stream,
    /// `{"Item":{…}}`; the table's schema tells which attributes are the key.
    Item,
    /// `{"key":…, …,"size_bytes":…}`.
    S3,
    /// `{"message_id":…, …}`.
    Message,
    /// `{"path":…,"type":…, …}`.
    File,
    /// No lines: the whole file describes a table, bucket or queue.
    Scope,
}

/// A file of a packed output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub adapter: Adapter,
    pub scope: String,
    pub kind: &'static str,
    pub shape: Shape,
}

/// Folders of Redis types.
const REDIS: [&str; 7] = ["strings", "hll", "hashes", "lists", "sets", "zsets", "streams"];

impl Place {
    /// What a file holds, by its path below a packed output; `None`: no objects (a body, a key map).
    pub fn of(path: &[u8]) -> Option<Place> {
        let path = std::str::from_utf8(path).ok()?;
        let (adapter, rest) = path.split_once('/')?;
        let place = |adapter, scope: &str, kind, shape| Some(Place { adapter, scope: scope.to_owned(), kind, shape });
        match adapter {
            "redis" => {
                let (scope, name) = rest.split_once('/')?;
                let kind = REDIS.into_iter().find(|kind| name.strip_suffix(".jsonl") == Some(kind))?;
                let shape = if kind == "streams" { Shape::Stream } else { Shape::Keyed };
                place(Adapter::Redis, scope, kind, shape)
            }
            "dynamodb" => match (rest.strip_suffix(".schema.json"), rest.strip_suffix(".jsonl")) {
                _ if rest.contains('/') => None,
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
                _ if rest.contains('/') || rest.ends_with(".side.jsonl") => None,
                (Some(queue), _) => place(Adapter::Sqs, queue, "queues", Shape::Scope),
                (_, Some(queue)) => place(Adapter::Sqs, queue, "messages", Shape::Message),
                _ => None,
            },
            "fs" if rest == "metadata.jsonl" => place(Adapter::Fs, "tree", "files", Shape::File),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let shape = |path: &str| Place::of(path.as_bytes()).map(|place| (place.scope, place.kind, place.shape));
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
        assert_eq!(Place::of(b"s3/\xff/_index.jsonl"), None);
    }
}
