//! `deleted.jsonl`: the deleted objects, in an output of changes (`docs/format/changes.md`). A line names an object, and the file that had
//! its line.

use crate::format::adapter::{self, Adapter};
use crate::format::dynamodb::KeyValue;
use crate::format::dynamodb::item_name::{Attribute, ItemName};
use crate::layouts::dynamodb::name::table_into;
use crate::layouts::sqs::names::{packed_document, packed_messages, queue_stem};
use crate::layouts::{dynamodb, redis, s3};
use crate::model::redis::Type;
use crate::output::json::{self, Escape};
use crate::output::names::segment;

/// The scope of an object in an output, by the name of its table, bucket or queue.
pub(crate) fn scope(adapter: Adapter, name: &[u8]) -> String {
    match adapter {
        adapter::REDIS => redis::SCOPE.to_owned(),
        adapter::SQS => queue_stem(name),
        adapter::DYNAMODB => {
            let mut scope = String::new();
            table_into(name, &mut scope);
            scope
        }
        _ => segment(name),
    }
}

/// The file with the lines of a kind, or the document of a table, bucket or queue.
fn file(adapter: Adapter, scope: &str, kind: &str) -> String {
    if let Some(kind) = Type::of_plural(kind) {
        return redis::paths::file_of_lines(kind);
    }
    let below = match kind {
        "tables" => format!("{scope}{}", dynamodb::paths::PACKED_DOCUMENT),
        "items" => dynamodb::paths::packed_items(scope),
        "queues" => packed_document(scope),
        "messages" => packed_messages(scope),
        "buckets" => format!("{scope}/{}", s3::paths::DOCUMENT),
        "objects" => format!("{scope}/{}", s3::paths::INDEX),
        _ => format!("{scope}/{kind}.jsonl"),
    };
    format!("{}/{below}", adapter.name())
}

/// Appends the line of an object, from the parts that an observed run reports; without a key, of a table, bucket or queue itself.
pub(crate) fn line_into(
    adapter: Adapter,
    scope: &str,
    kind: &str,
    key: Option<(&[u8], Option<&[u8]>)>,
    out: &mut Vec<u8>,
) {
    let members = [("file", file(adapter, scope, kind)), ("kind", kind.to_owned()), ("scope", scope.to_owned())];
    for (n, (name, text)) in members.iter().enumerate() {
        out.extend_from_slice(if n == 0 { b"{\"" } else { b",\"" });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        json::string(text, Escape::Html, out);
    }
    if let Some((key, range)) = key {
        out.extend_from_slice(b",\"key\":");
        match range.and_then(|rest| ItemName::of(key, rest)) {
            Some(name) => item_into(&name, out),
            None => json::bytes(key, Escape::Html, out),
        }
    }
    out.extend_from_slice(b"}\n");
}

/// The key attributes as in the line of the item: sorted by name.
fn item_into(name: &ItemName<'_>, out: &mut Vec<u8>) {
    let mut attributes: Vec<Attribute<'_>> = std::iter::once(name.hash).chain(name.range).collect();
    attributes.sort_by_key(|attribute| attribute.name);
    for (n, Attribute { name, value }) in attributes.into_iter().enumerate() {
        out.push(if n == 0 { b'{' } else { b',' });
        json::string(name, Escape::Html, out);
        out.extend_from_slice(b":{\"");
        out.extend_from_slice(value.kind().as_bytes());
        out.extend_from_slice(b"\":");
        match value {
            KeyValue::S(text) | KeyValue::N(text) => json::string(text, Escape::Html, out),
            KeyValue::B(bytes) => {
                out.push(b'"');
                json::base64(bytes, out);
                out.push(b'"');
            }
        }
        out.push(b'}');
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::dynamodb::PrimaryKey;
    use crate::format::dynamodb::item_name::rest_into;
    use crate::format::dynamodb::schema::KeyNames;

    fn line(adapter: Adapter, name: &[u8], kind: &str, key: Option<(&[u8], Option<&[u8]>)>) -> String {
        let mut out = Vec::new();
        line_into(adapter, &scope(adapter, name), kind, key, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines() {
        use adapter::{DYNAMODB, REDIS, S3, SQS};
        let names = KeyNames { hash: "pk".into(), range: "a".into() };
        let key = PrimaryKey { hash: KeyValue::B(b"\xff"), range: Some(KeyValue::N("1.0")) };
        let mut rest = Vec::new();
        rest_into(&names, key, &mut rest);
        for (got, want) in [
            (
                line(REDIS, b"", "sets", Some((b"\xff", None))),
                r#"{"file":"redis/db_0/sets.jsonl","kind":"sets","scope":"db_0","key":{"base64":"_w"}}"#,
            ),
            (
                line(DYNAMODB, b"a b", "items", Some((b"\xff", Some(&rest)))),
                r#"{"file":"dynamodb/a%20b.jsonl","kind":"items","scope":"a%20b","key":{"a":{"N":"1.0"},"pk":{"B":"/w=="}}}"#,
            ),
            (line(DYNAMODB, b"t", "tables", None), r#"{"file":"dynamodb/t.schema.json","kind":"tables","scope":"t"}"#),
            (
                line(S3, b"b", "objects", Some((b"x/y", None))),
                r#"{"file":"s3/b/_index.jsonl","kind":"objects","scope":"b","key":"x/y"}"#,
            ),
            (line(S3, b"b", "buckets", None), r#"{"file":"s3/b/_bucket.json","kind":"buckets","scope":"b"}"#),
            (
                line(SQS, b"q.side", "messages", Some((b"id", None))),
                r#"{"file":"sqs/q%2Eside.jsonl","kind":"messages","scope":"q%2Eside","key":"id"}"#,
            ),
            (line(SQS, b"q", "queues", None), r#"{"file":"sqs/q.queue.json","kind":"queues","scope":"q"}"#),
        ] {
            assert_eq!(got, format!("{want}\n"));
        }
    }
}
