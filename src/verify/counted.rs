//! What an output holds, counted by the names and lines of its files: MANIFEST.json must tell the same.
//!
//! Counted is what a client of the server would count: keys, items, objects, messages. What stands below `_orphans` and
//! the side records of queues are not; a digest they have like all files.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::format::adapter;
use crate::layouts::s3::names::META_SUFFIX;
use crate::model::redis::Type;
use crate::output::manifest_read::ReadManifest;
use crate::output::names::is_for_restore;
use crate::output::parts;

/// Kinds of MANIFEST.json that are compared, but for those of the file system.
const KINDS: [&str; 10] =
    ["strings", "hll", "hashes", "lists", "sets", "zsets", "streams", "items", "objects", "messages"];
/// Kinds of files of an S3 bucket that are not objects by themselves.
const BODIES: &str = "bodies";
const SIDECARS: &str = "sidecars";
const INDEX: &str = "index";
/// Sidecars of bodies that are named like sidecars.
const DOUBTFUL: &str = "doubtful";
/// Where the places are listed that could not be read.
const ERRORS: &[u8] = b"ERRORS.jsonl";
/// What the last line of a stream has, and nothing else: within a string both quotes would be escaped.
const META: &[u8] = b",\"_meta\":true,";

/// Objects and bytes.
type Sum = (u64, u64);

/// What was counted.
#[derive(Debug, Default)]
pub struct Counted {
    scopes: HashMap<Vec<u8>, BTreeMap<&'static str, Sum>>,
    /// Files in parts: how many there are, and the largest number.
    parts: BTreeMap<Vec<u8>, (u32, u32)>,
    /// Lines of ERRORS.jsonl.
    errors: u64,
    /// Objects of the file system by kind, from the lines of its metadata.
    pub fs: BTreeMap<&'static str, Sum>,
}

/// How the objects of a file are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<'p> {
    /// The file is one. Adapter and scope are how its path begins.
    One(&'p [u8], &'static str),
    /// Each line is one.
    Lines(&'p [u8], &'static str),
    /// Each line that ends a stream.
    Streams(&'p [u8]),
    Errors,
}

impl<'p> Place<'p> {
    fn of(path: &'p [u8]) -> Option<Place<'p>> {
        if path == ERRORS {
            return Some(Place::Errors);
        }
        let slash = memchr::memchr(b'/', path)?;
        let (adapter, rest) = (&path[..slash], &path[slash + 1..]);
        let Some(end) = memchr::memchr(b'/', rest) else {
            // Packed lines of a table or queue.
            if std::str::from_utf8(rest).is_ok_and(is_for_restore) {
                return None;
            }
            let scope = path.strip_suffix(b".jsonl")?;
            return match adapter {
                b"dynamodb" => Some(Place::Lines(scope, "items")),
                b"sqs" if !scope.ends_with(b".side") => Some(Place::Lines(scope, "messages")),
                _ => None,
            };
        };
        let (scope, rest) = (&path[..slash + 1 + end], &rest[end + 1..]);
        match adapter {
            b"redis" => Place::of_redis(scope, rest),
            b"dynamodb" => match rest.strip_prefix(b"items/")? {
                name if name.starts_with(b"data-") && name.ends_with(b".jsonl") => Some(Place::Lines(scope, "items")),
                _ => Some(Place::One(scope, "items")),
            },
            b"s3" => Place::of_s3(scope, rest),
            b"sqs" => (rest == b"messages.jsonl").then_some(Place::Lines(scope, "messages")),
            _ => None,
        }
    }

    fn of_redis(scope: &'p [u8], rest: &[u8]) -> Option<Place<'p>> {
        let folder = |name: &[u8]| std::str::from_utf8(name).ok().and_then(Type::of_plural).map(Type::plural);
        if let Some(slash) = memchr::memchr(b'/', rest) {
            return folder(&rest[..slash]).map(|kind| Place::One(scope, kind));
        }
        match folder(rest.strip_suffix(b".jsonl")?)? {
            "streams" => Some(Place::Streams(scope)),
            kind => Some(Place::Lines(scope, kind)),
        }
    }

    fn of_s3(scope: &'p [u8], rest: &[u8]) -> Option<Place<'p>> {
        let suffix = META_SUFFIX.as_bytes();
        match rest {
            b"_bucket.json" | b"KEYMAP.jsonl" => None,
            b"_index.jsonl" => Some(Place::Lines(scope, INDEX)),
            _ if rest.starts_with(b"_orphans/") || rest.starts_with(b"_incomplete_uploads/") => None,
            _ => Some(Place::One(
                scope,
                match rest.strip_suffix(suffix) {
                    Some(body) if body.ends_with(suffix) => DOUBTFUL,
                    Some(_) => SIDECARS,
                    None => BODIES,
                },
            )),
        }
    }
}

/// Counts lines while the bytes of a file pass.
#[derive(Debug, Default)]
pub struct LineCount {
    wanted: bool,
    streams: bool,
    lines: u64,
    metas: u64,
    /// The last bytes, for what is cut by the end of a piece.
    tail: Vec<u8>,
}

impl LineCount {
    /// Counts the lines of a file, if they matter.
    pub fn of(path: &[u8]) -> LineCount {
        let place = Place::of(parts::joined(path));
        let streams = matches!(place, Some(Place::Streams(_)));
        let wanted = streams || matches!(place, Some(Place::Lines(..) | Place::Errors));
        LineCount { wanted, streams, ..LineCount::default() }
    }

    /// Takes the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        if !self.wanted {
            return;
        }
        self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        if self.streams {
            let head = &bytes[..bytes.len().min(META.len() - 1)];
            self.tail.extend_from_slice(head);
            self.metas += memchr::memmem::find_iter(&self.tail, META).count() as u64;
            self.metas += memchr::memmem::find_iter(bytes, META).count() as u64;
            self.tail.truncate(self.tail.len() - head.len());
            self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(META.len() - 1)..]);
            let over = self.tail.len().saturating_sub(META.len() - 1);
            self.tail.drain(..over);
        }
    }
}

impl Counted {
    /// Takes a file.
    pub fn file(&mut self, path: &[u8], size: u64, lines: &LineCount) {
        let (file, part) = parts::of(path).map_or((path, None), |(file, number)| (file, Some(number)));
        if let Some(number) = part {
            self.part(file, (1, number));
        }
        match Place::of(file) {
            Some(Place::One(scope, kind)) => self.add(scope, kind, (1, size)),
            Some(Place::Lines(scope, kind)) => self.add(scope, kind, (lines.lines, size)),
            Some(Place::Streams(scope)) => self.add(scope, "streams", (lines.metas, size)),
            Some(Place::Errors) => self.errors += lines.lines,
            None => {}
        }
    }

    fn part(&mut self, file: &[u8], (count, last): (u32, u32)) {
        let parts = self.parts.entry(file.to_vec()).or_default();
        *parts = (parts.0.saturating_add(count), parts.1.max(last));
    }

    fn add(&mut self, scope: &[u8], kind: &'static str, (objects, bytes): Sum) {
        let kinds = match self.scopes.get_mut(scope) {
            Some(kinds) => kinds,
            None => self.scopes.entry(scope.to_vec()).or_default(),
        };
        let sum = kinds.entry(kind).or_default();
        *sum = (sum.0 + objects, sum.1 + bytes);
    }

    /// Takes what another has counted.
    pub fn merge(&mut self, other: Counted) {
        self.errors += other.errors;
        other.parts.iter().for_each(|(file, parts)| self.part(file, *parts));
        for (scope, kinds) in other.scopes {
            kinds.into_iter().for_each(|(kind, sum)| self.add(&scope, kind, sum));
        }
    }

    /// What a manifest of ours tells otherwise, in words.
    pub fn differences(&self, manifest: &ReadManifest) -> Vec<String> {
        let (packed, mut words) = (manifest.options.layout == "jsonl", Vec::new());
        // What is in files of other layouts is not counted: they have digests like all others.
        if packed || manifest.options.layout.is_empty() {
            self.different_counts(manifest, packed, &mut words);
        }
        for (file, (count, last)) in self.parts.iter().filter(|(_, (count, last))| count != last) {
            let file = String::from_utf8_lossy(file);
            words.push(format!("{file} has {count} parts, but the last one has number {last}"));
        }
        if self.errors != manifest.skipped {
            let (errors, skipped) = (self.errors, manifest.skipped);
            words.push(format!("ERRORS.jsonl has {errors} places, but it tells of {skipped}"));
        }
        words
    }

    fn different_counts(&self, manifest: &ReadManifest, packed: bool, words: &mut Vec<String>) {
        let mut have: BTreeMap<(String, String), (u64, Option<u64>)> = BTreeMap::new();
        for (scope, kinds) in &self.scopes {
            let scope = String::from_utf8_lossy(scope).into_owned();
            for (kind, sum) in objects(kinds, packed) {
                have.insert((scope.clone(), kind.to_owned()), sum);
            }
        }
        for (kind, (objects, bytes)) in &self.fs {
            have.insert(("fs".to_owned(), (*kind).to_owned()), (*objects, Some(*bytes)));
        }
        let told = told(manifest);
        for (scope, kind) in have.keys().chain(told.keys().filter(|key| !have.contains_key(*key))) {
            let key = (scope.clone(), kind.clone());
            let (objects, bytes) = have.get(&key).copied().unwrap_or((0, Some(0)));
            let (told_objects, told_bytes) = told.get(&key).copied().unwrap_or_default();
            if (objects, bytes.unwrap_or(told_bytes)) != (told_objects, told_bytes) {
                let bytes = bytes.map_or(String::new(), |bytes| format!(" of {bytes} bytes"));
                words.push(format!(
                    "{scope} has {objects} {kind}{bytes}, but it tells of {told_objects} of {told_bytes} bytes"
                ));
            }
        }
    }
}

/// Objects of a scope by kind, and their bytes, if these can be told.
fn objects(kinds: &BTreeMap<&'static str, Sum>, packed: bool) -> Vec<(&'static str, (u64, Option<u64>))> {
    let of = |kind| kinds.get(kind).copied().unwrap_or_default();
    let mut all: Vec<_> =
        kinds.iter().filter(|(kind, _)| KINDS.contains(kind)).map(|(k, s)| (*k, (s.0, Some(s.1)))).collect();
    let [bodies, sidecars, doubtful, index] = [BODIES, SIDECARS, DOUBTFUL, INDEX].map(of);
    let files = bodies.0 + sidecars.0 + doubtful.0;
    if packed && files + index.0 > 0 {
        all.push(("objects", (index.0, Some(bodies.1 + sidecars.1 + doubtful.1))));
    } else if files > 0 {
        // A body that is named like a sidecar has a sidecar named like that of a sidecar.
        let objects = if files.is_multiple_of(2) { files / 2 } else { bodies.0 };
        all.push(("objects", (objects, (doubtful.0 == 0).then_some(bodies.1))));
    }
    all
}

/// What the manifest tells, by scope and kind; the scopes of the file system are one.
fn told(manifest: &ReadManifest) -> BTreeMap<(String, String), Sum> {
    let mut told: BTreeMap<(String, String), Sum> = BTreeMap::new();
    for adapter in adapter::all() {
        let scopes = manifest.document.get("adapters").and_then(|adapters| adapters.get(adapter.name())?.get("scopes"));
        for scope in scopes.and_then(Value::as_array).into_iter().flatten() {
            let place = match (adapter.has_paths(), scope["name"].as_str()) {
                (true, _) => adapter.name().to_owned(),
                (_, name) => format!("{}/{}", adapter.name(), name.unwrap_or_default()),
            };
            for kind in scope["kinds"].as_array().into_iter().flatten() {
                let name = kind["kind"].as_str().unwrap_or_default();
                if adapter.has_paths() || KINDS.contains(&name) {
                    let number = |member: &str| kind[member].as_u64().unwrap_or_default();
                    let sum = told.entry((place.clone(), name.to_owned())).or_default();
                    *sum = (sum.0 + number("objects"), sum.1 + number("bytes"));
                }
            }
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let of = |path: &'static str| Place::of(path.as_bytes());
        for (path, want) in [
            ("redis/db_0/hashes/h.json", Some(Place::One(b"redis/db_0", "hashes"))),
            ("redis/db_0/hashes.jsonl", Some(Place::Lines(b"redis/db_0", "hashes"))),
            ("redis/db_0/streams.jsonl", Some(Place::Streams(b"redis/db_0"))),
            ("redis/db_0/strings_ttl.jsonl", None),
            ("redis/db_0/KEYMAP.jsonl", None),
            ("redis/db_0/_orphans/hashes/h.json", None),
            ("dynamodb/t/items/a/b.json", Some(Place::One(b"dynamodb/t", "items"))),
            ("dynamodb/t/items/data-00001.jsonl", Some(Place::Lines(b"dynamodb/t", "items"))),
            ("dynamodb/t.jsonl", Some(Place::Lines(b"dynamodb/t", "items"))),
            ("dynamodb/t.schema.json", None),
            ("s3/b/x/y", Some(Place::One(b"s3/b", BODIES))),
            ("s3/b/x/y.elastickv-meta.json", Some(Place::One(b"s3/b", SIDECARS))),
            ("s3/b/_index.jsonl", Some(Place::Lines(b"s3/b", INDEX))),
            ("s3/b/_orphans/o/gen-1/u_1.bin", None),
            ("sqs/q.fifo/messages.jsonl", Some(Place::Lines(b"sqs/q.fifo", "messages"))),
            ("sqs/q.fifo.jsonl", Some(Place::Lines(b"sqs/q.fifo", "messages"))),
            ("sqs/q.side.jsonl", None),
            ("fs/tree/x", None),
            ("ERRORS.jsonl", Some(Place::Errors)),
        ] {
            assert_eq!(of(path), want, "{path}");
        }
    }

    #[test]
    fn streams_are_counted_however_the_bytes_are_cut() {
        let line = "{\"key\":\"a\",\"id\":\"1-0\",\"fields\":[\"x\",\",\\\"_meta\\\":true,\"]}\n{\"key\":\"a\",\"_meta\":true,\"length\":1}\n";
        let text = line.repeat(3);
        for size in 1..text.len() {
            let mut count = LineCount::of(b"redis/db_0/streams.jsonl");
            text.as_bytes().chunks(size).for_each(|piece| count.add(piece));
            assert_eq!((count.lines, count.metas), (6, 3), "{size}");
        }
    }
}
