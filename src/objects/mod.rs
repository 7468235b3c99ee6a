//! Logical objects one by one: keys, items, objects, messages and files, as a client of the server would count them.
//!
//! For a snapshot, the packed layout reports them while it renders them. For an output, they are read from its lines (`rules.md` §6).
//! So everything that is reported about objects — sizes, expiries, differences — is about what a decode writes.

mod bodies;
mod digest;
mod item;
mod lines;
mod read;
mod schema;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

pub use read::of_output;
pub(crate) use read::{File, of_layout};

use crate::decode::{DecodeResult, Layout, Options, Progress, fill, on_threads};
use crate::error::{Error, ErrorKind, Result};
use crate::format::adapter::{self, Adapter};
use crate::layouts::members::KeyNames;
use crate::layouts::place::{Place, Shape};
use crate::options::typed_name;
use crate::output::checksums::Digest;
use crate::output::names::unsegment;
pub use crate::output::observer::{Fingerprint, Object};
use crate::output::observer::{Secret, Stream, observed, observed_both};
use crate::output::tee::{Chunk, Part, teed};
use crate::output::tree::{Digests, Tree};
use crate::registry;
use crate::source::Source;
use bodies::Bodies;
use item::ItemHash;
use lines::{Each, Lines};
use schema::SchemaText;

/// Whether an object of this kind is a table, bucket or queue itself.
pub fn describes_scope(kind: &str) -> bool {
    matches!(kind, "tables" | "buckets" | "queues")
}

/// The name of a table, bucket or queue; the object has the segment of the output for it.
pub(crate) fn scope_bytes(scope: &str) -> Vec<u8> {
    // The folder of an empty name.
    if scope == "%" {
        return Vec::new();
    }
    unsegment(scope).unwrap_or_else(|| scope.as_bytes().to_vec())
}

/// The name by which `get` finds the object.
pub(crate) fn name_of(object: &Object<'_>) -> String {
    let &Object { adapter, scope, kind, key, range, .. } = object;
    name_by_parts(adapter, scope, kind, key, range)
}

/// The same for an object given by its parts.
pub(crate) fn name_by_parts(adapter: Adapter, scope: &str, kind: &str, key: &[u8], range: Option<&[u8]>) -> String {
    let scope = scope_bytes(scope);
    let scoped = Some(&scope[..]).filter(|_| adapter.scoped().is_some());
    // The name of a table, bucket or queue is its scope.
    let key = Some(key).filter(|_| scoped.is_none() || !describes_scope(kind));
    typed_name(adapter, &[scoped, key, range].into_iter().flatten().collect::<Vec<_>>())
}

/// Decodes snapshots and passes on their logical objects; nothing is written.
///
/// Objects of one table, bucket or queue, and all Redis keys, come in the order of the packed layout. `fingerprints`: whether values are
/// fingerprinted; they cannot be compared with the fingerprints of another call.
///
/// # Errors
/// As [`decode`](crate::decode::decode), except for the output; and the error of `each`.
pub fn of_snapshots(
    sources: &[Source],
    options: &Options,
    fingerprints: bool,
    progress: &dyn Progress,
    each: &mut Each<'_>,
) -> Result<DecodeResult> {
    of_sources(sources, options, fingerprints.then(Secret::random), progress, each)
}

/// The same, with fingerprints that depend on a secret.
pub(crate) fn of_sources(
    sources: &[Source],
    options: &Options,
    secret: Option<Arc<Secret>>,
    progress: &dyn Progress,
    each: &mut Each<'_>,
) -> Result<DecodeResult> {
    let options = &packed(options);
    let fill = |tree: &Tree, scratch: &Path| fill(sources, tree, scratch, options, progress);
    observed(secret, false, |tree, scratch| on_threads(options.threads, || fill(tree, scratch))?, each)
}

/// The fingerprinted objects of two data sets at once: `merge` takes the next object from either.
pub(crate) fn of_both<R>(
    sources: [&[Source]; 2],
    options: [&Options; 2],
    secret: &Arc<Secret>,
    progress: [&dyn Progress; 2],
    merge: impl FnOnce(&mut [Stream<'_>; 2]) -> Result<Option<R>>,
) -> Result<Option<([DecodeResult; 2], R)>> {
    let decode = |side: usize| {
        let (sources, options, progress) = (sources[side], packed(options[side]), progress[side]);
        // Each side has half of the threads: so both use as much memory as one with all of them.
        let threads = options.threads.div_ceil(2);
        move |tree: &Tree, scratch: &Path| on_threads(threads, || fill(sources, tree, scratch, &options, progress))?
    };
    observed_both(secret, [decode(0), decode(1)], merge)
}

/// The same for anything that fills a tree in the packed layout, without fingerprints, in any order.
pub(crate) fn of_filling(
    threads: usize,
    fill: impl FnOnce(&Tree, &Path) -> Result<DecodeResult> + Send,
    each: &mut Each<'_>,
) -> Result<DecodeResult> {
    observed(None, true, |tree, scratch| on_threads(threads, || fill(tree, scratch))?, each)
}

/// The options with the packed layout, in which every object has its own lines.
pub(crate) fn packed(options: &Options) -> Options {
    Options { layout: Layout::JSONL, part_size: None, archive: None, dynamodb_bundle: None, ..options.clone() }
}

/// Decodes snapshots in the way an output was made, and passes on their objects in its layout, with the fingerprints of its bytes. In a
/// tree an object may come in parts: its value as a file, its expiry as a line.
pub(crate) fn of_decode(
    sources: &[Source],
    options: &Options,
    progress: &dyn Progress,
    each: &mut Each<'_>,
) -> Result<DecodeResult> {
    let wanted: fn(&[u8]) -> bool = match options.packed() {
        false => |path| is_read(Layout::TREE, path),
        true => |path| is_read(Layout::JSONL, path),
    };
    // Whole files are distinguished by their digests; with lines, only bodies are whole files.
    let digests = if options.packed() { Digests::NotShared } else { Digests::All };
    let mut reader = Reader::new(options.layout, true);
    // Parts contain the same objects.
    let options = &Options { part_size: None, ..options.clone() };
    let decode =
        |tree: &Tree, scratch: &Path| on_threads(options.threads, || fill(sources, tree, scratch, options, progress))?;
    let mut filled = teed(wanted, digests, decode, |chunk| reader.take(&chunk, each))?;
    let whole = filled
        .checksums
        .merge(|path, entry| reader.whole(path, entry.place.len, &entry.digest, each).map_err(std::io::Error::other));
    whole.map_err(|e| Error::io("merge checksums in", "the temporary directory", e))?;
    reader.end(each)?;
    Ok(filled)
}

/// Whether a file must be read: it has lines, or describes a scope.
fn is_read(layout: Layout, path: &[u8]) -> bool {
    registry::place(layout, path).is_some_and(|place| place.shape != Shape::Whole)
}

/// Whether a file of the packed layout has lines of objects.
pub(crate) fn has_lines(path: &[u8]) -> bool {
    registry::place(Layout::JSONL, path).is_some_and(|place| place.shape != Shape::Scope)
}

/// Whether a file of a tree is an object, or has the messages of a queue.
pub(crate) fn has_object(path: &[u8]) -> bool {
    registry::place(Layout::TREE, path).is_some_and(|place| match place.shape {
        Shape::Whole => !matches!(place.kind, "metadata" | "others"),
        shape => matches!(shape, Shape::Message | Shape::ItemFile),
    })
}

/// Whether a file of either layout describes a queue, or has its messages.
pub(crate) fn is_of_queue(path: &[u8]) -> bool {
    describes_queue(path) || (path.starts_with(b"sqs/") && (has_object(path) || has_lines(path)))
}

/// Whether a file of either layout describes a queue.
pub(crate) fn describes_queue(path: &[u8]) -> bool {
    path.starts_with(b"sqs/") && (path.ends_with(b"/_queue.json") || path.ends_with(b".queue.json"))
}

/// Reads files of an output.
struct Reader {
    layout: Layout,
    fingerprints: bool,
    files: HashMap<Vec<u8>, Lines>,
    /// Key attributes by table.
    names: HashMap<String, Arc<KeyNames>>,
    /// The last of them: most tables have the same ones.
    last_names: Arc<KeyNames>,
    /// Items of a tree that are not complete yet.
    items: HashMap<Vec<u8>, (ItemHash, u64)>,
    /// Schemas of tables that are not complete yet.
    schemas: HashMap<Vec<u8>, SchemaText>,
    bodies: Option<Bodies>,
}

impl Reader {
    fn new(layout: Layout, fingerprints: bool) -> Reader {
        let bodies = (layout == Layout::JSONL && fingerprints).then(Bodies::new);
        let (files, names, items, schemas) = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        Reader { layout, fingerprints, files, names, last_names: Arc::default(), items, schemas, bodies }
    }

    /// Reads the next bytes of a file from the tee. The state of a file is dropped at its end: there may be many.
    fn take(&mut self, chunk: &Chunk, each: &mut Each<'_>) -> Result<()> {
        if chunk.part == Part::End {
            self.files.remove(&chunk.path);
        }
        // An empty file has no objects.
        if chunk.bytes.is_empty() { Ok(()) } else { self.feed(&chunk.path, &chunk.bytes, each) }
    }

    /// Reads the next bytes of a file; for one that describes a bucket or queue: all of them.
    fn feed(&mut self, path: &[u8], bytes: &[u8], each: &mut Each<'_>) -> Result<()> {
        if let Some(lines) = self.files.get_mut(path) {
            lines.feed(bytes, each)?;
            let bodies = lines.bodies.drain(..);
            return take_bodies(path, bodies, self.bodies.as_mut());
        }
        let Some(place) = registry::place(self.layout, path) else { return Ok(()) };
        if place.shape == Shape::Scope {
            return match place.adapter {
                adapter::DYNAMODB => self.schema(path, &place, bytes, each),
                _ => self.scope(&place, bytes.len(), self.fingerprints.then(|| digest::fingerprint_of(bytes)), each),
            };
        }
        if place.shape == Shape::ItemFile {
            return self.item(path, &place, bytes, each);
        }
        let names = self.names.get(&place.scope).filter(|_| place.adapter == adapter::DYNAMODB);
        let lines =
            Lines::new(place.clone(), names.map(|names| names.as_ref().clone()).unwrap_or_default(), self.fingerprints);
        self.files.insert(path.to_vec(), lines);
        self.feed(path, bytes, each)
    }

    /// Reads the next bytes of the file of an item.
    fn item(&mut self, path: &[u8], place: &Place, bytes: &[u8], each: &mut Each<'_>) -> Result<()> {
        let (mut hash, size) = self.items.remove(path).unwrap_or_default();
        let size = size + bytes.len() as u64;
        if !hash.feed(bytes).1 {
            self.items.insert(path.to_vec(), (hash, size));
            return Ok(());
        }
        let Place { adapter, scope, kind, key, .. } = place;
        let (adapter, kind, value) = (*adapter, *kind, self.fingerprints.then(|| hash.finish()));
        each(&Object { adapter, scope, kind, key, range: None, size, expire_at_ms: None, value, rest: None })
    }

    /// Passes on what is known only after everything was read.
    fn end(&mut self, each: &mut Each<'_>) -> Result<()> {
        if let Some(Place { scope, .. }) = self.schemas.keys().find_map(|path| registry::place(self.layout, path)) {
            return Err(unread_schema(&scope));
        }
        self.bodies.take().map_or(Ok(()), |bodies| bodies.give(each))
    }

    /// Adds a file that is an object, or a part of one, by its digest.
    fn whole(&mut self, path: &[u8], size: u64, digest: &Digest, each: &mut Each<'_>) -> Result<()> {
        if let Some(bodies) = &mut self.bodies {
            return bodies.file(path, size, digest);
        }
        let Some(place) = registry::place(self.layout, path).filter(|place| place.shape == Shape::Whole) else {
            return Ok(());
        };
        let Place { adapter, scope, kind, key, .. } = &place;
        let (adapter, kind) = (*adapter, *kind);
        let fingerprint = self.fingerprints.then(|| digest::half(digest));
        let (value, rest) = if kind == "metadata" { (None, fingerprint) } else { (fingerprint, None) };
        each(&Object { adapter, scope, kind, key, range: None, size, expire_at_ms: None, value, rest })
    }

    /// Reads the next bytes of the schema of a table.
    fn schema(&mut self, path: &[u8], place: &Place, bytes: &[u8], each: &mut Each<'_>) -> Result<()> {
        let mut text = self.schemas.remove(path).unwrap_or_default();
        if !text.feed(bytes) {
            self.schemas.insert(path.to_vec(), text);
            return Ok(());
        }
        let names = text.key_names().ok_or_else(|| unread_schema(&place.scope))?;
        if *self.last_names != names {
            self.last_names = Arc::new(names);
        }
        self.names.insert(place.scope.clone(), Arc::clone(&self.last_names));
        self.scope(place, text.size, self.fingerprints.then(|| text.fingerprint()), each)
    }

    /// Passes on a table, bucket or queue.
    fn scope(&mut self, place: &Place, size: usize, value: Option<Fingerprint>, each: &mut Each<'_>) -> Result<()> {
        let Place { adapter, scope, kind, .. } = place;
        let (key, size) = (scope.as_bytes(), size as u64);
        let (adapter, kind) = (*adapter, *kind);
        each(&Object { adapter, scope, kind, key, range: None, size, expire_at_ms: None, value, rest: None })
    }
}

/// Paths in lines are below the bucket; `index` is that of the lines.
fn take_bodies(
    index: &[u8],
    lines: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    bodies: Option<&mut Bodies>,
) -> Result<()> {
    let Some(bodies) = bodies else { return Ok(()) };
    let dir = memchr::memrchr(b'/', index).and_then(|at| index.get(..=at)).unwrap_or_default();
    for (path, key) in lines {
        bodies.key(&[dir, &path].concat(), &key)?;
    }
    Ok(())
}

/// The objects of a packed file's lines, read in pieces of this size: for tests of any split.
#[doc(hidden)]
pub fn feed_in_pieces(path: &str, lines: &[u8], size: usize) -> Vec<String> {
    let mut reader = Reader::new(Layout::JSONL, true);
    reader.names.insert("t".to_owned(), Arc::new(KeyNames { hash: "h".to_owned(), range: Some("r".to_owned()) }));
    let mut objects = Vec::new();
    let mut fed = Ok(());
    for piece in lines.chunks(size) {
        fed = fed.and_then(|()| {
            reader.feed(path.as_bytes(), piece, &mut |object| {
                objects.push(format!("{object:?}"));
                Ok(())
            })
        });
    }
    objects.extend(fed.err().map(|error| error.to_string()));
    objects
}

fn unread_schema(table: &str) -> Error {
    Error::new(ErrorKind::Output(format!("the schema of table {table} cannot be read")))
}
