//! The bytes of Redis files (`redis.md` §4).

use crate::format::redis::stream::{StreamEntry, StreamId};
use crate::output::json::{self, Escape};

/// `"name": ` members of one collection file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Array {
    Fields,
    Items,
    Members,
}

impl Array {
    const fn name(self) -> &'static str {
        match self {
            Array::Fields => "fields",
            Array::Items => "items",
            Array::Members => "members",
        }
    }
}

/// Everything before the first element.
pub(super) fn open(array: Array, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\n  \"format_version\": 1,\n  \"");
    out.extend_from_slice(array.name().as_bytes());
    out.extend_from_slice(b"\": [");
}

/// What stands between elements, and before the first one.
pub(super) fn separate(first: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if first { b"\n    " } else { b",\n    " });
}

/// Everything behind the last element. No line feed at the end of the file.
pub(super) fn close(empty: bool, expire_ms: Option<u64>, out: &mut Vec<u8>) {
    out.extend_from_slice(if empty { b"],\n  \"expire_at_ms\": " } else { b"\n  ],\n  \"expire_at_ms\": " });
    json::integer_or_null(expire_ms, out);
    out.extend_from_slice(b"\n}");
}

/// A member or item.
pub(super) fn element(bytes: &[u8], out: &mut Vec<u8>) {
    json::bytes_indented(bytes, 4, out);
}

/// A field of a hash.
pub(super) fn field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\n      \"name\": ");
    json::bytes_indented(name, 6, out);
    out.extend_from_slice(b",\n      \"value\": ");
    json::bytes_indented(value, 6, out);
    out.extend_from_slice(b"\n    }");
}

/// A member of a sorted set.
pub(super) fn scored(member: &[u8], score: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\n      \"member\": ");
    json::bytes_indented(member, 6, out);
    out.extend_from_slice(b",\n      \"score\": ");
    json::score(score, out);
    out.extend_from_slice(b"\n    }");
}

/// One line of a stream.
pub(super) fn entry(id: StreamId, entry: &StreamEntry<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":\"");
    json::integer(id.ms, out);
    out.push(b'-');
    json::integer(id.seq, out);
    out.extend_from_slice(b"\",\"fields\":[");
    for (i, (name, value)) in entry.fields().enumerate() {
        out.extend_from_slice(if i == 0 { b"{\"name\":" } else { b",{\"name\":" });
        json::bytes(name, Escape::Html, out);
        out.extend_from_slice(b",\"value\":");
        json::bytes(value, Escape::Html, out);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}\n");
}

/// The last line of a stream.
pub(super) fn terminator(length: i64, last: StreamId, expire_ms: Option<u64>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"_meta\":true,\"length\":");
    json::integer(length, out);
    out.extend_from_slice(b",\"last_ms\":");
    json::integer(last.ms, out);
    out.extend_from_slice(b",\"last_seq\":");
    json::integer(last.seq, out);
    out.extend_from_slice(b",\"expire_at_ms\":");
    json::integer_or_null(expire_ms, out);
    out.extend_from_slice(b"}\n");
}

/// One line of `strings_ttl.jsonl` or `hll_ttl.jsonl`.
pub(super) fn ttl_line(segment: &str, expire_ms: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"key\":");
    json::string(segment, Escape::Plain, out);
    out.extend_from_slice(b",\"expire_at_ms\":");
    json::integer(expire_ms, out);
    out.extend_from_slice(b"}\n");
}
