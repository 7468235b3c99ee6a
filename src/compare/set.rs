//! The set of added or changed objects, which many threads query, and the names of deleted objects.
//!
//! Names are hashed. A collision does no harm: one line too many is written. Most objects did not change, which two bits show; the others
//! are looked up in a table on disk.

use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use xxhash_rust::xxh3::xxh3_128;

use super::sorter::identity_into;
use super::{Change, Difference};
use crate::error::{Error, Result};
use crate::format::Adapter;
use crate::format::adapter::Naming;
use crate::layouts::jsonl::deleted;
use crate::objects::describes_scope;
use crate::options::changes::{Changes, Found};
use crate::output::{Writer, temporary};
use crate::run::table::{Filling, Table};
use crate::sync::lock;

/// Bits that recognise most unchanged objects: 8 MiB.
const BITS: usize = if cfg!(test) { 1 << 7 } else { 1 << 26 };
/// Bytes of names that are given at once.
const PIECE: usize = 1 << 20;

/// Collects differences.
pub(super) struct Gathering {
    changed: Filling,
    bits: Bits,
    gone: BufWriter<Writer<File>>,
    line: Vec<u8>,
    id: Vec<u8>,
}

impl Gathering {
    /// An empty set; its files go to the file system of `scratch`.
    pub fn new(scratch: &Path) -> Result<Gathering> {
        let gone = temporary(scratch).map_err(|e| Error::io("keep names in", scratch, e))?;
        let gone = BufWriter::with_capacity(PIECE, Writer(gone));
        Ok(Gathering { changed: Filling::new(scratch), bits: Bits::new(), gone, line: Vec::new(), id: Vec::new() })
    }

    /// Adds the next difference. An object that changed its type was deleted from the file of the old type.
    pub fn take(&mut self, difference: &Difference<'_>) -> Result<()> {
        let &Difference { change, adapter, scope, kind, kind_before, key, range, .. } = difference;
        if let Some(before) = kind_before.filter(|before| change == Change::Removed || *before != kind) {
            self.line.clear();
            let key = Some((key, range)).filter(|_| !describes_scope(before));
            deleted::line_into(adapter, scope, before, key, &mut self.line);
            self.gone.write_all(&self.line).map_err(failed)?;
        }
        if change == Change::Removed {
            return Ok(());
        }
        self.id.clear();
        identity_into(adapter, scope, Some(key), range, &mut self.id);
        let hash = xxh3_128(&self.id);
        self.bits.add(hash);
        self.changed.push(&hash.to_be_bytes(), &[])
    }

    /// Completes the set after all differences were added.
    pub fn finish(self) -> Result<Found> {
        let Writer(mut gone) = self.gone.into_inner().map_err(|e| failed(e.into_error()))?;
        let bytes = gone.stream_position().map_err(failed)?;
        let (changed, bits, failed) = (self.changed.finish()?, self.bits, Mutex::new(None));
        Ok(Found(Arc::new(Set { changed, bits, gone, bytes, failed })))
    }
}

#[cold]
fn failed(e: std::io::Error) -> Error {
    Error::io("keep names in", "the temporary directory", e)
}

/// The changed objects.
struct Set {
    changed: Table,
    bits: Bits,
    /// Lines of the deleted objects, and their size.
    gone: File,
    bytes: u64,
    /// The first look-up that failed: the answer of a look-up can only be yes or no.
    failed: Mutex<Option<Error>>,
}

impl Changes for Set {
    fn has(&self, adapter: Adapter, name: &[u8], keys: &[&[u8]]) -> bool {
        let (key, rest) = match adapter.spec().naming {
            Naming::Scoped(_) => (keys.first().copied().unwrap_or_default(), keys.get(1).copied()),
            Naming::Key | Naming::Path => (name, None),
        };
        let mut id = Vec::new();
        identity_into(adapter, &deleted::scope(adapter, name), Some(key), rest, &mut id);
        let hash = xxh3_128(&id);
        self.bits.may_have(hash)
            && self.changed.get(&hash.to_be_bytes()).map_or_else(
                |error| {
                    lock(&self.failed).get_or_insert(error);
                    true
                },
                |found| found.is_some(),
            )
    }

    fn deleted(&self, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if let Some(error) = lock(&self.failed).take() {
            return Err(error);
        }
        let (mut piece, mut at) = (Vec::new(), 0);
        while at < self.bytes {
            let len = (self.bytes - at).min(PIECE as u64);
            piece.resize(usize::try_from(len).unwrap_or(PIECE), 0);
            self.gone.read_exact_at(&mut piece, at).map_err(failed)?;
            each(&piece)?;
            at += len;
        }
        Ok(())
    }
}

/// Bits at two positions for each hash.
struct Bits(Vec<u64>);

impl Bits {
    fn new() -> Bits {
        Bits(vec![0; BITS / 64])
    }

    /// Word and bit for each of the two positions of a hash.
    fn places(hash: u128) -> [(usize, u64); 2] {
        [hash as usize, (hash >> 64) as usize].map(|half| (half / 64 % (BITS / 64), 1 << (half % 64)))
    }

    fn add(&mut self, hash: u128) {
        Bits::places(hash).into_iter().for_each(|(word, bit)| self.0[word] |= bit);
    }

    fn may_have(&self, hash: u128) -> bool {
        Bits::places(hash).into_iter().all(|(word, bit)| self.0[word] & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::adapter;

    fn difference<'d>(change: Change, kinds: (&'static str, &'static str), key: &'d [u8]) -> Difference<'d> {
        let (kind_before, kind) = kinds;
        Difference {
            change,
            adapter: adapter::REDIS,
            scope: "db_0",
            kind,
            kind_before: Some(kind_before).filter(|_| change != Change::Added),
            key,
            range: None,
            parts: Vec::new(),
            before: None,
            after: None,
        }
    }

    /// Every changed key is found, and no other key, although there are many more changed keys than bits.
    #[test]
    fn what_changed_is_found() {
        let mut gathering = Gathering::new(&std::env::temp_dir()).unwrap();
        let key = |n: u32| format!("key {n}").into_bytes();
        for n in 0..1000 {
            let change = [Change::Added, Change::Removed, Change::Changed][n as usize % 3];
            let kinds = if n % 9 == 2 { ("sets", "lists") } else { ("sets", "sets") };
            gathering.take(&difference(change, kinds, &key(n))).unwrap();
        }
        let Found(set) = gathering.finish().unwrap();
        for n in 0..2000 {
            assert_eq!(set.has(adapter::REDIS, &key(n), &[]), n < 1000 && n % 3 != 1, "{n}");
        }
        let mut lines = Vec::new();
        let mut take = |piece: &[u8]| {
            lines.extend_from_slice(piece);
            Ok(())
        };
        set.deleted(&mut take).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        assert_eq!(lines.lines().count(), (0..1000).filter(|n| n % 3 == 1 || n % 9 == 2).count());
        assert!(lines.contains(r#"{"file":"redis/db_0/sets.jsonl","kind":"sets","scope":"db_0","key":"key 2"}"#));
    }
}
