//! Turns the bytes of a file, as they arrive, into logical objects.
//!
//! Lines are not kept, unless they are split between two reads: then their start is kept, and of their end enough for the expiry. So a key
//! of a gigabyte takes a few megabytes.

use sha2::{Digest as _, Sha256};

use super::digest::{cut, fingerprint_of};
use super::item::ItemHash;
use super::{Fingerprint, Object};
use crate::error::{Error, ErrorKind, Result};
use crate::layouts::fs::above::Above;
use crate::layouts::members::{self, KeyNames, Members};
use crate::layouts::place::{Place, Shape};
use crate::output::names::raw_of_segment;

/// Maximum bytes kept of the start of a long line: a key of 1 MiB, each of its bytes escaped.
const HEAD: usize = 8 << 20;
/// Bytes kept of its end.
const TAIL: usize = 64;
/// The text before the expiry.
const EXPIRY: &[u8] = b",\"expire_at_ms\":";

/// Reads the bytes of one file.
pub(super) struct Lines {
    pub place: Place,
    /// For a table: known after its schema was read.
    pub names: KeyNames,
    fingerprints: bool,
    number: u64,
    /// The start of a line that continues.
    head: Vec<u8>,
    long: Option<Long>,
    stream: Stream,
    /// For the file system: the directories above the current line.
    above: Above,
    /// Keys of S3 objects with the paths of their bodies: taken by the caller.
    pub bodies: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The rest of a line that is too long to be kept.
struct Long {
    hash: Sha256,
    /// The last bytes, which are not hashed yet.
    tail: Vec<u8>,
    len: u64,
}

/// Lines of one stream so far.
#[derive(Default)]
struct Stream {
    size: u64,
    hash: Sha256,
}

/// The known parts of a line.
struct Line<'l> {
    head: &'l [u8],
    tail: &'l [u8],
    len: u64,
    /// Hash of the text before the tail, if the head is not all of it.
    hash: Option<Sha256>,
}

/// Called for each object.
pub(super) type Each<'e> = dyn FnMut(&Object<'_>) -> Result<()> + 'e;

impl Lines {
    pub fn new(place: Place, names: KeyNames, fingerprints: bool) -> Lines {
        let (head, stream, above) = (Vec::new(), Stream::default(), Above::default());
        Lines { place, names, fingerprints, number: 0, head, long: None, stream, above, bodies: Vec::new() }
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    /// The error of `each`; a line that its file should not have.
    pub fn feed(&mut self, mut bytes: &[u8], each: &mut Each<'_>) -> Result<()> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            self.number += 1;
            if self.head.is_empty() && self.long.is_none() {
                self.whole(line, each)?;
                continue;
            }
            self.hold(line);
            let head = std::mem::take(&mut self.head);
            match self.long.take() {
                None => self.whole(&head, each)?,
                Some(Long { hash, tail, len }) => {
                    let hash = Some(hash);
                    self.line(&Line { head: &head, tail: &tail, len, hash }, each)?;
                }
            }
        }
        self.hold(bytes);
        Ok(())
    }

    fn whole(&mut self, line: &[u8], each: &mut Each<'_>) -> Result<()> {
        let tail = &line[line.len().saturating_sub(TAIL)..];
        self.line(&Line { head: line, tail, len: line.len() as u64, hash: None }, each)
    }

    fn hold(&mut self, bytes: &[u8]) {
        // The key of an item can be anywhere in it.
        let most = if self.place.shape == Shape::Item { usize::MAX } else { HEAD };
        if self.long.is_none() && self.head.len().saturating_add(bytes.len()) <= most {
            return self.head.extend_from_slice(bytes);
        }
        let head = &mut self.head;
        let long = self.long.get_or_insert_with(|| {
            let mut long = Long { hash: Sha256::new(), tail: Vec::new(), len: 0 };
            long.add(head);
            long
        });
        long.add(bytes);
    }

    fn line(&mut self, line: &Line<'_>, each: &mut Each<'_>) -> Result<()> {
        let found = match self.place.shape {
            Shape::Keyed => self.keyed(line, each),
            Shape::Stream => self.stream(line, each),
            Shape::Item => self.item(line, each),
            Shape::S3 => self.s3(line, each),
            Shape::Message => self.message(line, each),
            Shape::File => self.file(line, each),
            Shape::Ttl => self.ttl(line, each),
            Shape::Scope | Shape::Whole | Shape::ItemFile => Some(Ok(())),
        };
        found.unwrap_or_else(|| Err(Error::new(ErrorKind::OutputLine(self.number))))
    }

    fn object<'o>(&'o self, key: &'o [u8], line: &Line<'_>) -> Object<'o> {
        let Place { adapter, scope, kind, .. } = &self.place;
        let (adapter, kind, size) = (*adapter, *kind, line.len + 1);
        Object { adapter, scope, kind, key, range: None, size, expire_at_ms: None, value: None, rest: None }
    }

    /// A fingerprint of the whole line.
    fn fingerprint(&self, line: &Line<'_>) -> Option<Fingerprint> {
        self.fingerprints.then(|| line.fingerprint(line.tail.len()))
    }

    fn keyed(&self, line: &Line<'_>, each: &mut Each<'_>) -> Option<Result<()>> {
        let (_, key) = Members::of(line.head).next()?;
        let key = members::binary(key)?;
        let (expire_at_ms, before) = line.expiry()?;
        let value = self.fingerprints.then(|| line.fingerprint(before));
        let rest = self.fingerprints.then(|| fingerprint_of(&line.tail[before..]));
        Some(each(&Object { expire_at_ms, value, rest, ..self.object(&key, line) }))
    }

    fn ttl(&self, line: &Line<'_>, each: &mut Each<'_>) -> Option<Result<()>> {
        let (_, segment) = Members::of(line.head).next()?;
        let key = raw_of_segment(&members::text(segment)?);
        let (expire_at_ms, before) = line.expiry()?;
        let rest = self.fingerprints.then(|| fingerprint_of(&line.tail[before..]));
        Some(each(&Object { expire_at_ms, rest, ..self.object(&key, line) }))
    }

    fn stream(&mut self, line: &Line<'_>, each: &mut Each<'_>) -> Option<Result<()>> {
        self.stream.size += line.len + 1;
        let mut members = Members::of(line.head);
        let (_, key) = members.next()?;
        let is_last = members.next()?.0 == "_meta";
        let (expire_at_ms, before) = if is_last { line.expiry()? } else { (None, line.tail.len()) };
        if self.fingerprints {
            self.stream.hash.update(line.fingerprint(before));
        }
        if !is_last {
            return Some(Ok(()));
        }
        let Stream { size, hash } = std::mem::take(&mut self.stream);
        let key = members::binary(key)?;
        let value = self.fingerprints.then(|| cut(hash));
        let rest = self.fingerprints.then(|| fingerprint_of(&line.tail[before..]));
        Some(each(&Object { size, expire_at_ms, value, rest, ..self.object(&key, line) }))
    }

    fn item(&self, line: &Line<'_>, each: &mut Each<'_>) -> Option<Result<()>> {
        let (_, item) = Members::of(line.head).next()?;
        let (mut hash, mut range) = (None, None);
        for (name, value) in Members::of(item.as_bytes()) {
            if name == self.names.hash {
                hash = members::key_attribute(value, self.fingerprints);
            } else if Some(&*name) == self.names.range.as_deref() {
                range = members::key_attribute(value, self.fingerprints);
            }
        }
        let hash = hash?;
        let object = self.object(&hash, line);
        let value = self.fingerprints.then(|| {
            let mut fingerprint = ItemHash::default();
            fingerprint.feed(item.as_bytes());
            fingerprint.finish()
        });
        Some(each(&Object { range: range.as_deref(), value, ..object }))
    }

    fn s3(&mut self, line: &Line<'_>, each: &mut Each<'_>) -> Option<Result<()>> {
        let (mut key, mut path, mut size, mut body, mut rest) = (None, None, None, Sha256::new(), Sha256::new());
        for (name, value) in Members::of(line.head) {
            match &*name {
                "key" => key = members::binary(value),
                "path" => path = members::binary(value),
                "etag" | "size_bytes" => {
                    size = if name == "size_bytes" { members::size(value) } else { size };
                    body.update(value);
                }
                _ => rest.update([name.as_bytes(), value.as_bytes()].concat()),
            }
        }
        let (key, value, rest) = (key?, self.fingerprints.then(|| cut(body)), self.fingerprints.then(|| cut(rest)));
        let given = each(&Object { size: size?, value, rest, ..self.object(&key, line) });
        if let Some(path) = path.filter(|_| self.fingerprints) {
            self.bodies.push((path, key));
        }
        Some(given)
    }

    fn message(&self, line: &Line<'_>, each: &mut Each<'_>) -> Option<Result<()>> {
        let (_, id) = Members::of(line.head).next()?;
        let id = members::text(id)?;
        Some(each(&Object { value: self.fingerprint(line), ..self.object(id.as_bytes(), line) }))
    }

    /// Files and directories. The times of the last access and of the last inode change say nothing about them: these are left out of the
    /// fingerprint, and so is what only the server's bookkeeping needs.
    fn file(&mut self, line: &Line<'_>, each: &mut Each<'_>) -> Option<Result<()>> {
        let (mut path, mut kind, mut size, mut stored) = (None, None, 0, 0);
        let (mut ino, mut parent, mut file_name) = (None, None, None);
        let (mut content, mut rest) = (Sha256::new(), Sha256::new());
        for (name, value) in Members::of(line.head) {
            match &*name {
                "path" => path = members::text(value).map(String::into_bytes),
                "path_b64" => path = members::base64(value),
                "ino" => ino = members::number(value),
                "parent_ino" => parent = members::number(value),
                "name" => file_name = members::text(value).map(String::into_bytes),
                "name_b64" => file_name = members::base64(value),
                "type" => kind = Some(if value == "\"directory\"" { "directories" } else { "files" }),
                "size" => size = members::number(value)?,
                "stored_bytes" => stored = members::number(value)?,
                "sha256" | "sha256_extents" => content.update(value),
                "mode" | "uid" | "gid" | "mtime_ns" => rest.update([name.as_bytes(), value.as_bytes()].concat()),
                _ => {}
            }
        }
        content.update([kind?.as_bytes(), &size.to_le_bytes()].concat());
        let is_dir = kind? == "directories";
        let path = match (path, parent) {
            (Some(path), _) => {
                self.above.whole(&path, ino?, is_dir);
                path
            }
            (None, Some(parent)) => self.above.below(parent, &file_name?, ino?, is_dir)?,
            // An inode that no directory leads to has no path.
            (None, None) => return Some(Ok(())),
        };
        let (value, rest) = (self.fingerprints.then(|| cut(content)), self.fingerprints.then(|| cut(rest)));
        Some(each(&Object { kind: kind?, size: stored, value, rest, ..self.object(&path, line) }))
    }
}

impl Long {
    fn add(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.tail.extend_from_slice(bytes);
        let over = self.tail.len().saturating_sub(TAIL);
        self.hash.update(&self.tail[..over]);
        self.tail.drain(..over);
    }
}

impl Line<'_> {
    /// The expiry at the end of a line, and the number of bytes of the tail before it.
    fn expiry(&self) -> Option<(Option<u64>, usize)> {
        let before = memchr::memmem::rfind(self.tail, EXPIRY)?;
        let digits = self.tail[before + EXPIRY.len()..].strip_suffix(b"}")?;
        let at = match digits {
            b"null" => None,
            digits => Some(std::str::from_utf8(digits).ok()?.parse().ok()?),
        };
        Some((at, before))
    }

    /// A fingerprint of the line up to this number of bytes of its tail.
    fn fingerprint(&self, of_tail: usize) -> Fingerprint {
        let mut hash = match &self.hash {
            Some(hash) => hash.clone(),
            None => Sha256::new_with_prefix(&self.head[..self.head.len() - self.tail.len()]),
        };
        hash.update(&self.tail[..of_tail]);
        cut(hash)
    }
}
