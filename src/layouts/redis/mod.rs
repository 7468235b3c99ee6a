//! What the layouts share for Redis: folders, counts, and the members of the lines of a stream.

pub(crate) mod counted;
pub(crate) mod lookup;
pub mod paths;
pub(crate) mod place;
pub mod read;
pub mod run;

pub use run::{Writer, write_all, write_one};

use crate::error::{Error, Result};
use crate::format::adapter;
use crate::format::redis::stream::StreamEntry;
use crate::model::redis::{Key, Standing, StreamEnd, Type};
use crate::options::filter::Filter;
use crate::output::json::{self, Escape};
use crate::output::out::Out;
use crate::output::split::{SpillWriter, SplitOutput, Tally};

/// Scope of the one Redis database.
pub(super) const SCOPE: &str = "db_0";
/// Its folder.
pub(super) const BASE: &str = "redis/db_0";
/// The folder of keys that the server does not serve.
pub(super) const ORPHANS: &str = "redis/db_0/_orphans";

/// The folder of keys with this standing.
pub(super) const fn base(standing: Standing) -> &'static str {
    match standing {
        Standing::Served => BASE,
        Standing::Orphan => ORPHANS,
    }
}

/// The name of the array of a collection's elements.
pub(super) const fn elements_of(kind: Type) -> &'static str {
    match kind {
        Type::Hash => "fields",
        Type::List => "items",
        _ => "members",
    }
}

/// Keys and bytes by type. There are few types, and most splits have keys of only one.
#[derive(Debug, Default)]
pub(super) struct Counts(Vec<(&'static str, u64, u64)>);

impl Counts {
    /// Counts a key.
    #[inline]
    pub fn add(&mut self, key: &Key<'_>, bytes: u64) {
        match key.standing {
            Standing::Served => self.add_as(key.kind.plural(), bytes),
            Standing::Orphan => self.add_orphan(bytes),
        }
    }

    /// Counts a key that the server does not serve.
    pub fn add_orphan(&mut self, bytes: u64) {
        self.add_as("orphans", bytes);
    }

    #[inline]
    fn add_as(&mut self, kind: &'static str, bytes: u64) {
        match self.0.iter_mut().find(|(known, ..)| *known == kind) {
            Some((_, objects, sum)) => (*objects, *sum) = (*objects + 1, *sum + bytes),
            None => self.0.push((kind, 1, bytes)),
        }
    }

    /// Hands over the counts: kind, keys and bytes.
    pub fn drain(&mut self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        self.0.drain(..)
    }

    /// Adds the counts to a tally.
    pub fn flush(&mut self, tally: &mut Tally) {
        for (kind, objects, bytes) in self.drain() {
            tally.add(adapter::REDIS, SCOPE, kind, objects, bytes);
        }
    }
}

/// Adds a string that is stored under its own name to the list of these strings, if the output has one.
pub(super) fn mark_bare(out: &mut SplitOutput<'_>, key: &Key<'_>) {
    if key.standing == Standing::Served {
        let lines = out.lines(&paths::bare());
        lines.extend_from_slice(b"{\"key\":");
        lines.bytes(key.name, Escape::Plain);
        lines.extend_from_slice(b"}\n");
    }
}

/// The error if an adapter gave an element before it began the key.
#[cold]
pub(super) fn not_begun() -> Error {
    Error::internal("an element came before its key")
}

/// Adds elements that another writer has rendered to the current collection.
pub(super) fn join(open: Option<&mut SpillWriter<'_>>, bytes: Vec<u8>, out: &SplitOutput<'_>) -> Result<()> {
    open.ok_or_else(not_begun)?.write(&bytes)?;
    out.tree().recycle(bytes);
    Ok(())
}

/// Completes a collection and returns its size; `None`: the filter does not take this size, and the collection is dropped.
pub(super) fn finish(
    out: &mut SplitOutput<'_>,
    file: SpillWriter<'_>,
    filter: &Filter,
    key: &Key<'_>,
    counts: &mut Counts,
) -> Result<Option<u64>> {
    if !filter.takes_size(file.size()) {
        return out.discard(file).map(|()| None);
    }
    let bytes = out.finish(file)?;
    counts.add(key, bytes);
    Ok(Some(bytes))
}

/// A field of a hash or stream entry, on one line.
#[inline]
pub(super) fn field(first: bool, name: &[u8], value: &[u8], out: &mut impl Out) {
    out.buffer().extend_from_slice(if first { b"{\"name\":" } else { b",{\"name\":" });
    out.bytes(name, Escape::Html);
    out.buffer().extend_from_slice(b",\"value\":");
    out.bytes(value, Escape::Html);
    out.buffer().push(b'}');
}

/// The members of the line of a stream entry, and its end. `before` begins or continues the line, up to the ID.
#[inline]
pub(super) fn entry_members(before: &[u8; 7], entry: &StreamEntry<'_>, out: &mut impl Out) {
    out.buffer().extend_from_slice(before);
    out.buffer().extend_from_slice(entry.id_text);
    out.buffer().extend_from_slice(b"\",\"fields\":[");
    for (i, (name, value)) in entry.fields().enumerate() {
        field(i == 0, name, value, out);
        out.relieve();
    }
    out.buffer().extend_from_slice(b"]}\n");
}

/// The members of the line that ends a stream, except for the expiry.
pub(super) fn terminator_members(stream: StreamEnd, out: &mut impl Out) {
    out.buffer().extend_from_slice(b"\"_meta\":true,\"length\":");
    json::integer(stream.length, out.buffer());
    out.buffer().extend_from_slice(b",\"last_ms\":");
    json::integer(stream.last.ms, out.buffer());
    out.buffer().extend_from_slice(b",\"last_seq\":");
    json::integer(stream.last.seq, out.buffer());
}

/// The end of a line: its last member is the expiry.
pub(super) fn close(expire_at_ms: Option<u64>, out: &mut impl Out) {
    out.buffer().extend_from_slice(b",\"expire_at_ms\":");
    json::integer_or_null(expire_at_ms, out.buffer());
    out.buffer().extend_from_slice(b"}\n");
}
