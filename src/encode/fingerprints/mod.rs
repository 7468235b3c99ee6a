//! Fingerprints of objects: those that were read and those that were written must be the same, object by object.
//!
//! Elements of a hash, set or sorted set count in any order, as for the server; items of a list and entries of a stream in their order.
//!
//! Objects of both sides come in different orders and on several threads. So the fingerprints of each side are added up, and the two sums
//! are compared: nothing is held in memory or sorted. Only if they differ, both sides are read again, into a sorter that finds the object.
//! Fingerprints use a secret of the run, so that nobody can construct objects whose sums agree.

mod visitors;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::format::sqs::key::queue_name;
use crate::model::redis::{Key, Standing};
use crate::output::extents::ExtentsHash;
use crate::output::observer::{Hasher, Secret};
use crate::run::spill::Spill;
use crate::sync::{into_inner, lock};

/// The identity of an object: a letter, then its name.
const KEY: u8 = b'k';
const QUEUE: u8 = b'q';
const GENERATION: u8 = b'g';
const SEQUENCE: u8 = b's';
const MESSAGE: u8 = b'm';
const GUARD: u8 = b'r';
const TABLE: u8 = b't';
const ITEM: u8 = b'i';
const BUCKET: u8 = b'b';
const OBJECT: u8 = b'o';
const UPLOAD: u8 = b'u';
const INODE: u8 = b'f';
const NAME: u8 = b'n';
const CONTENT: u8 = b'c';
const ADDED: u8 = b'a';

/// Parts of at most this total length are copied together and hashed in one call.
const SHORT: usize = 64 << 10;

/// Where a fingerprint comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Side {
    /// It was read from an output.
    Read,
    /// It is in the snapshot.
    Written,
}

/// Takes objects of both sides, on one thread; [`fork`](Fingerprints::fork) makes one for another thread.
pub(crate) struct Fingerprints {
    both: Arc<Both>,
    side: Side,
    /// The sum of the objects since the last [`settle`](Fingerprints::settle).
    sum: Sum,
    /// The digest of the current collection.
    ordered: Hasher,
    unordered: u128,
    /// The content of the current file, up to `at`.
    extents: ExtentsHash,
    at: u64,
    /// The queue of the current records.
    of: Vec<u8>,
    id: Vec<u8>,
    buffer: Vec<u8>,
    hashed: Vec<u8>,
}

/// What all threads share.
struct Both {
    secret: Arc<Secret>,
    /// Whether every object goes to the sorter, so that the name of a differing one is known. Otherwise only objects do that may be in the
    /// snapshot alone.
    names_all: bool,
    sorter: Mutex<Spill>,
    sums: Mutex<[Sum; 2]>,
}

/// The fingerprints of some objects, in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    objects: u64,
    fingerprints: u128,
}

impl Sum {
    fn add(&mut self, other: Sum) {
        self.objects = self.objects.wrapping_add(other.objects);
        self.fingerprints = self.fingerprints.wrapping_add(other.fingerprints);
    }
}

/// How two sides compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    Same,
    /// Some object differs; [`Fingerprints::that_name`] makes a comparison that can name it.
    Different,
}

impl Fingerprints {
    /// No objects yet.
    pub fn new(scratch: &Path) -> Fingerprints {
        Fingerprints::with(scratch, false)
    }

    /// A comparison that names the object that differs. Objects are spilled to the file system of `scratch`.
    pub(super) fn that_name(scratch: &Path) -> Fingerprints {
        Fingerprints::with(scratch, true)
    }

    fn with(scratch: &Path, names_all: bool) -> Fingerprints {
        let (secret, sorter, sums) = (Secret::random(), Mutex::new(Spill::new(scratch)), Mutex::default());
        Fingerprints::of(Arc::new(Both { secret, names_all, sorter, sums }), Side::Read)
    }

    fn of(both: Arc<Both>, side: Side) -> Fingerprints {
        Fingerprints {
            ordered: both.secret.hasher(),
            both,
            side,
            sum: Sum::default(),
            unordered: 0,
            extents: ExtentsHash::default(),
            at: 0,
            of: Vec::new(),
            id: Vec::new(),
            buffer: Vec::new(),
            hashed: Vec::new(),
        }
    }

    /// Takes objects of the same side on another thread, until it is [settled](Fingerprints::settle).
    pub(super) fn fork(&self) -> Fingerprints {
        Fingerprints { of: self.of.clone(), ..Fingerprints::of(Arc::clone(&self.both), self.side) }
    }

    /// The following objects belong to this side.
    pub(super) fn turn(&mut self, side: Side) {
        self.settle();
        self.side = side;
    }

    /// Adds the objects so far to the sum of their side.
    pub(super) fn settle(&mut self) {
        let mut sums = lock(&self.both.sums);
        sums[self.side as usize].add(std::mem::take(&mut self.sum));
    }

    fn put(&mut self, kind: u8, names: &[&[u8]], digest: u128) -> Result<()> {
        self.id.clear();
        self.id.push(kind);
        for (n, name) in names.iter().enumerate() {
            // Only the last name can contain a line feed.
            if n > 0 {
                self.id.push(b'\n');
            }
            self.id.extend_from_slice(name);
        }
        if self.both.names_all || may_be_derived(kind) {
            let mut fingerprint = [0; 17];
            fingerprint[0] = self.side as u8;
            fingerprint[1..].copy_from_slice(&digest.to_be_bytes());
            let sorter = self.both.sorter.lock();
            return sorter.unwrap_or_else(PoisonError::into_inner).push(&self.id, &fingerprint);
        }
        self.id.extend_from_slice(&digest.to_be_bytes());
        let fingerprints = u128::from_le_bytes(self.both.secret.fingerprint(&self.id));
        self.sum.add(Sum { objects: 1, fingerprints });
        Ok(())
    }

    /// Adds an element whose position does not matter.
    fn element(&mut self, first: &[u8], second: &[u8]) {
        self.unordered = self.unordered.wrapping_add(self.digest(&[first, second]));
    }

    /// Adds an element after the earlier ones.
    fn next(&mut self, bytes: &[u8]) {
        self.ordered.update(&(bytes.len() as u64).to_le_bytes());
        self.ordered.update(bytes);
    }

    /// The fingerprint of everything that [`next`](Fingerprints::next) was given since the last call.
    fn end_ordered(&mut self) -> u128 {
        let fingerprint = self.ordered.fingerprint();
        self.ordered = self.both.secret.hasher();
        u128::from_le_bytes(fingerprint)
    }

    /// The fingerprint of one part.
    fn whole(&self, part: &[u8]) -> u128 {
        u128::from_le_bytes(self.both.secret.fingerprint(part))
    }

    /// The fingerprint of parts with clear boundaries.
    fn digest(&mut self, parts: &[&[u8]]) -> u128 {
        let secret = &self.both.secret;
        let fingerprint = if parts.iter().map(|part| part.len()).sum::<usize>() <= SHORT {
            self.hashed.clear();
            for part in parts {
                self.hashed.extend_from_slice(&(part.len() as u64).to_le_bytes());
                self.hashed.extend_from_slice(part);
            }
            secret.fingerprint(&self.hashed)
        } else {
            let mut hasher = secret.hasher();
            for part in parts {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
            hasher.fingerprint()
        };
        u128::from_le_bytes(fingerprint)
    }

    fn key(&mut self, key: &Key<'_>, value: u128) -> Result<()> {
        if key.standing == Standing::Orphan {
            return Ok(());
        }
        let expiry = key.expire_at_ms.map_or([0; 8], u64::to_le_bytes);
        let digest = self.digest(&[&[key.kind as u8, u8::from(key.bare)], &expiry, &value.to_le_bytes()]);
        self.put(KEY, &[key.name], digest)
    }

    /// Compares both sides, after all forks were settled.
    ///
    /// # Errors
    /// The first object that differs, if names are known.
    pub(super) fn compare(mut self) -> Result<Compared> {
        self.settle();
        let both = Arc::into_inner(self.both).ok_or_else(|| Error::internal("a thread still takes fingerprints"))?;
        let [read, written] = into_inner(both.sums);
        let mut sorted = into_inner(both.sorter).finish()?;
        let (mut id, mut seen) = (Vec::new(), Seen::default());
        loop {
            let next = sorted.next()?;
            if next.is_none_or(|(next, _)| next != id) && !seen.agree(id.first().copied()) {
                let why = format!("{} differs in it", named(&id));
                return Err(Error::new(ErrorKind::Encoded(why)));
            }
            let Some((next, fingerprint)) = next else { break };
            if next != id {
                id.clear();
                id.extend_from_slice(next);
                seen = Seen::default();
            }
            seen.take(fingerprint);
        }
        Ok(if read == written { Compared::Same } else { Compared::Different })
    }
}

/// The fingerprints of one object.
#[derive(Default)]
struct Seen {
    read: Vec<Vec<u8>>,
    written: Vec<Vec<u8>>,
}

impl Seen {
    fn take(&mut self, fingerprint: &[u8]) {
        let Some((side, digest)) = fingerprint.split_first() else { return };
        let side = if *side == Side::Read as u8 { &mut self.read } else { &mut self.written };
        // A third one would make no difference.
        if side.len() < 2 {
            side.push(digest.to_vec());
        }
    }

    fn agree(&self, kind: Option<u8>) -> bool {
        (self.read.is_empty() && kind.is_some_and(may_be_derived)) || (self.read == self.written && self.read.len() < 2)
    }
}

/// Whether an object may be in the snapshot alone, because an encode derives it from other objects.
fn may_be_derived(kind: u8) -> bool {
    matches!(kind, GENERATION | SEQUENCE | GUARD)
}

/// The name of an object in an error.
fn named(id: &[u8]) -> String {
    let (kind, name) = id.split_first().unwrap_or((&0, b""));
    let mut names = name.splitn(2, |byte| *byte == b'\n');
    let queue = queue_name(names.next().unwrap_or_default()).unwrap_or_default();
    let (queue, rest) = (queue.escape_ascii(), names.next().unwrap_or_default().escape_ascii());
    match *kind {
        TABLE => format!("the table \"{}\"", name.escape_ascii()),
        BUCKET => format!("the bucket \"{}\"", name.escape_ascii()),
        OBJECT => format!("the object of the row \"{}\"", name.escape_ascii()),
        UPLOAD => format!("the row of an upload \"{}\"", name.escape_ascii()),
        ITEM => format!("the item of the row \"{}\"", name.escape_ascii()),
        INODE => format!("inode {}", number_of(name)),
        CONTENT => format!("the content of inode {}", number_of(name)),
        NAME => {
            let name = name.get(8..).unwrap_or_default().escape_ascii();
            format!("the name \"{name}\" in inode {}", number_of(id.get(1..).unwrap_or_default()))
        }
        ADDED => format!("the row \"{}\"", name.escape_ascii()),
        KEY => format!("the Redis key \"{}\"", name.escape_ascii()),
        QUEUE => format!("the queue \"{queue}\""),
        GENERATION => format!("the generation of the queue \"{queue}\""),
        SEQUENCE => format!("the last sequence number of the queue \"{queue}\""),
        MESSAGE => format!("the message \"{}\" of the queue \"{queue}\"", rest.to_string().replacen("\\n", ": ", 1)),
        _ => format!("the bookkeeping row \"{rest}\" of the queue \"{queue}\""),
    }
}

/// The number in the first eight bytes of a name.
fn number_of(name: &[u8]) -> u64 {
    name.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::redis::{StreamEnd, Type, Visitor as _};

    fn set(fingerprints: &mut Fingerprints, name: &str, expire_at_ms: Option<u64>, members: &[&str]) {
        let key = Key { name: name.as_bytes(), kind: Type::Set, expire_at_ms, standing: Standing::Served, bare: false };
        fingerprints.begin(&key).unwrap();
        members.iter().for_each(|member| fingerprints.member(&key, member.as_bytes()).unwrap());
        fingerprints.end(&key, StreamEnd::default()).unwrap();
    }

    #[test]
    fn every_difference_is_seen() {
        type Object<'o> = (&'o str, Option<u64>, &'o [&'o str]);
        let read: [Object<'_>; 2] = [("a", None, &["x", "y"]), ("b", Some(1), &[])];
        let cases: [(&[Object<'_>], Option<&str>); 7] = [
            (&read, None),
            (&[("b", Some(1), &[]), ("a", None, &["y", "x"])], None),
            (&[("a", None, &["x"]), ("b", Some(1), &[])], Some("\"a\"")),
            (&[("a", None, &["x", "y"]), ("b", None, &[])], Some("\"b\"")),
            (&[("a", None, &["x", "y"])], Some("\"b\"")),
            (&[("a", None, &["x", "y"]), ("b", Some(1), &[]), ("c", None, &[])], Some("\"c\"")),
            (&[("a", None, &["x", "y"]), ("b", Some(1), &[]), ("b", Some(1), &[])], Some("\"b\"")),
        ];
        for (written, want) in cases {
            let compared = |mut fingerprints: Fingerprints| {
                read.iter().for_each(|(name, at, members)| set(&mut fingerprints, name, *at, members));
                fingerprints.turn(Side::Written);
                // Each object on another thread.
                for (name, at, members) in written {
                    let mut fork = fingerprints.fork();
                    set(&mut fork, name, *at, members);
                    fork.settle();
                }
                fingerprints.compare()
            };
            let scratch = std::env::temp_dir();
            let summed = compared(Fingerprints::new(&scratch)).unwrap();
            assert_eq!(summed, if want.is_some() { Compared::Different } else { Compared::Same });
            match (want, compared(Fingerprints::that_name(&scratch))) {
                (None, Ok(Compared::Same)) => {}
                (Some(words), Err(error)) => assert!(error.to_string().contains(words), "{error}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
