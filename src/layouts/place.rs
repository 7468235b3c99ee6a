//! The content of an output's files. Each adapter defines it for the paths of its layouts.

use std::borrow::Cow;

use crate::format::Adapter;
use crate::output::names::is_for_restore;

/// The form of objects in the lines of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
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
    /// `{"key":…,"expire_at_ms":…}`, with the key in the form of file names: only in a tree.
    Ttl,
    /// No lines: the whole file describes a table, bucket or queue.
    Scope,
    /// No lines: the whole file is an object, or a part of one. Only in a tree.
    Whole,
}

/// A file of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its adapter.
    pub adapter: Adapter,
    /// The scope of the objects, with the name of its folder.
    pub scope: String,
    /// Their kind, in the plural.
    pub kind: &'static str,
    /// Their form in the file.
    pub shape: Shape,
    /// The object's key, if the whole file is one.
    pub key: Vec<u8>,
}

impl Place {
    /// Several objects.
    pub fn new(adapter: Adapter, scope: &str, kind: &'static str, shape: Shape) -> Place {
        Place { adapter, scope: scope.to_owned(), kind, shape, key: Vec::new() }
    }

    /// One object, or a part of one, which is the whole file.
    pub fn whole(adapter: Adapter, scope: &str, kind: &'static str, key: &[u8]) -> Place {
        Place { key: key.to_vec(), ..Place::new(adapter, scope, kind, Shape::Whole) }
    }
}

/// The first folder of a path, which need not be UTF-8, and the part below it: nothing for a file that is only for a restore and so
/// contains no objects.
pub fn split(below: &[u8]) -> Option<(Cow<'_, str>, &[u8])> {
    let Some(slash) = memchr::memchr(b'/', below) else {
        let name = String::from_utf8_lossy(below);
        return (!is_for_restore(&name)).then_some((name, b""));
    };
    Some((String::from_utf8_lossy(&below[..slash]), &below[slash + 1..]))
}
