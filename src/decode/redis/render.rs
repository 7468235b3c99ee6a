//! The bytes of Redis files (`redis.md` §4).

use crate::format::redis::stream::{StreamEntry, StreamId};
use crate::output::json::{self, Escape};
use crate::output::out::Out;

/// `"name": ` members of one collection.
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

/// How an object stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style<'a> {
    /// An indented file of its own (`redis.md` §4).
    File,
    /// A line among others, which states the key (`rules.md` §6).
    Line {
        /// The user key.
        key: &'a [u8],
    },
}

impl Style<'_> {
    /// Everything before the first element.
    pub fn open(self, array: Array, out: &mut impl Out) {
        match self {
            Style::File => out.buffer().extend_from_slice(b"{\n  \"format_version\": 1,\n  \""),
            Style::Line { key } => {
                out.buffer().extend_from_slice(b"{\"key\":");
                out.bytes(key, Escape::Html);
                out.buffer().extend_from_slice(b",\"");
            }
        }
        out.buffer().extend_from_slice(array.name().as_bytes());
        out.buffer().extend_from_slice(if self == Style::File { b"\": [" } else { b"\":[" });
    }

    /// What stands between elements, and before the first one.
    pub fn separate(self, first: bool, out: &mut impl Out) {
        out.buffer().extend_from_slice(match (self, first) {
            (Style::File, true) => b"\n    ",
            (Style::File, false) => b",\n    ",
            (_, true) => b"",
            (_, false) => b",",
        });
    }

    /// Everything behind the last element. A file has no line feed at its end.
    pub fn close(self, empty: bool, expire_ms: Option<u64>, out: &mut impl Out) {
        out.buffer().extend_from_slice(match (self, empty) {
            (Style::File, true) => b"],\n  \"expire_at_ms\": ",
            (Style::File, false) => b"\n  ],\n  \"expire_at_ms\": ",
            _ => b"],\"expire_at_ms\":",
        });
        json::integer_or_null(expire_ms, out.buffer());
        out.buffer().extend_from_slice(if self == Style::File { b"\n}" } else { b"}\n" });
    }

    /// A member or item.
    pub fn element(self, bytes: &[u8], out: &mut impl Out) {
        match self {
            Style::File => out.bytes_indented(bytes, 4),
            Style::Line { .. } => out.bytes(bytes, Escape::Html),
        }
    }

    /// A field of a hash.
    pub fn field(self, name: &[u8], value: &[u8], out: &mut impl Out) {
        if let Style::Line { .. } = self {
            out.buffer().extend_from_slice(b"{\"name\":");
            out.bytes(name, Escape::Html);
            out.buffer().extend_from_slice(b",\"value\":");
            out.bytes(value, Escape::Html);
            return out.buffer().push(b'}');
        }
        out.buffer().extend_from_slice(b"{\n      \"name\": ");
        out.bytes_indented(name, 6);
        out.buffer().extend_from_slice(b",\n      \"value\": ");
        out.bytes_indented(value, 6);
        out.buffer().extend_from_slice(b"\n    }");
    }

    /// A member of a sorted set.
    pub fn scored(self, member: &[u8], score: f64, out: &mut impl Out) {
        if let Style::Line { .. } = self {
            out.buffer().extend_from_slice(b"{\"member\":");
            out.bytes(member, Escape::Html);
            out.buffer().extend_from_slice(b",\"score\":");
            json::score(score, out.buffer());
            return out.buffer().push(b'}');
        }
        out.buffer().extend_from_slice(b"{\n      \"member\": ");
        out.bytes_indented(member, 6);
        out.buffer().extend_from_slice(b",\n      \"score\": ");
        json::score(score, out.buffer());
        out.buffer().extend_from_slice(b"\n    }");
    }

    /// What a line of a stream begins with: packed, the key as well.
    fn open_line(self, out: &mut impl Out) {
        out.buffer().push(b'{');
        if let Style::Line { key } = self {
            out.buffer().extend_from_slice(b"\"key\":");
            out.bytes(key, Escape::Html);
            out.buffer().push(b',');
        }
    }

    /// One line of a stream; tells whether the text of the ID inside the entry is the one written.
    pub fn entry(self, id: StreamId, entry: &StreamEntry<'_>, out: &mut impl Out) -> bool {
        self.open_line(out);
        out.buffer().extend_from_slice(b"\"id\":\"");
        let start = out.buffer().len();
        json::integer(id.ms, out.buffer());
        out.buffer().push(b'-');
        json::integer(id.seq, out.buffer());
        let same = out.buffer().get(start..) == Some(entry.id_text);
        out.buffer().extend_from_slice(b"\",\"fields\":[");
        for (i, (name, value)) in entry.fields().enumerate() {
            out.buffer().extend_from_slice(if i == 0 { b"{\"name\":" } else { b",{\"name\":" });
            out.bytes(name, Escape::Html);
            out.buffer().extend_from_slice(b",\"value\":");
            out.bytes(value, Escape::Html);
            out.buffer().push(b'}');
            out.relieve();
        }
        out.buffer().extend_from_slice(b"]}\n");
        same
    }

    /// The last line of a stream.
    pub fn terminator(self, length: i64, last: StreamId, expire_ms: Option<u64>, out: &mut impl Out) {
        self.open_line(out);
        out.buffer().extend_from_slice(b"\"_meta\":true,\"length\":");
        json::integer(length, out.buffer());
        out.buffer().extend_from_slice(b",\"last_ms\":");
        json::integer(last.ms, out.buffer());
        out.buffer().extend_from_slice(b",\"last_seq\":");
        json::integer(last.seq, out.buffer());
        out.buffer().extend_from_slice(b",\"expire_at_ms\":");
        json::integer_or_null(expire_ms, out.buffer());
        out.buffer().extend_from_slice(b"}\n");
    }
}

/// A line of packed strings.
pub(super) fn string_line(key: &[u8], value: &[u8], expire_ms: Option<u64>, out: &mut impl Out) {
    out.buffer().extend_from_slice(b"{\"key\":");
    out.bytes(key, Escape::Html);
    out.buffer().extend_from_slice(b",\"value\":");
    out.bytes(value, Escape::Html);
    out.buffer().extend_from_slice(b",\"expire_at_ms\":");
    json::integer_or_null(expire_ms, out.buffer());
    out.buffer().extend_from_slice(b"}\n");
}

/// One line of `strings_ttl.jsonl` or `hll_ttl.jsonl`.
pub(super) fn ttl_line(segment: &str, expire_ms: u64, out: &mut impl Out) {
    out.buffer().extend_from_slice(b"{\"key\":");
    out.string(segment, Escape::Plain);
    out.buffer().extend_from_slice(b",\"expire_at_ms\":");
    json::integer(expire_ms, out.buffer());
    out.buffer().extend_from_slice(b"}\n");
}

/// The same, packed.
pub(super) fn packed_ttl_line(key: &[u8], expire_ms: u64, out: &mut impl Out) {
    out.buffer().extend_from_slice(b"{\"key\":");
    out.bytes(key, Escape::Html);
    out.buffer().extend_from_slice(b",\"expire_at_ms\":");
    json::integer(expire_ms, out.buffer());
    out.buffer().extend_from_slice(b"}\n");
}
