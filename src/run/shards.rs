//! Splits that are shared among processes: each runs some of them and records what they gave, and one puts all of it together (`plan.md` §4).
//!
//! What splits give is taken in their order, whoever ran them: the code that takes it does not know.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::engine::{self, Done};
use crate::dataset::DataSet;
use crate::error::{Error, Result};
use crate::format::Adapter;
use crate::format::adapter;
use crate::format::family::Class;
use crate::format::wire::{self, Reader};
use crate::options::filter::Filter;
use crate::output::checksums::{Checksums, Sums};
use crate::output::record::{Lines, batches, encode_sums, sums};
use crate::output::split::Tally;
use crate::output::tree::Tree;
use crate::report::Findings;
use crate::source::{Access, Source};

/// What the record of a shard begins with.
const MAGIC: &[u8; 8] = b"EKVSHRD1";
/// Bytes of the digest of a plan, and of the one at the end of a record.
pub const DIGEST: usize = 32;

/// Which part of the work a run does.
#[derive(Clone, Copy, Default)]
pub enum Role<'r> {
    /// All of it.
    #[default]
    All,
    /// Some splits; what they give is recorded.
    Shard(&'r Recorder),
    /// All but the splits, whose records are there.
    Merge(&'r Shards),
}

/// Which shard of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Which {
    /// From 0.
    pub index: u32,
    /// All of them.
    pub count: u32,
}

/// What a split gives, as bytes.
pub trait Recordable<'t>: Done + Sized {
    /// Appends it; its lines go to `lines`.
    ///
    /// # Errors
    /// A failed write.
    fn record(self, lines: &mut Lines, out: &mut Vec<u8>) -> Result<()>;

    /// Reads it again; `None`: the bytes are others.
    fn replay(reader: &mut Reader<'_>, lines: &Arc<File>, tree: &'t Tree) -> Option<Self>;
}

/// Runs the splits of an adapter that are this run's, or takes what others have recorded of them. `order`: the split that is taken at
/// a position; a shard records them one behind the other.
///
/// # Errors
/// As [`engine::run_with`]; a record that cannot be written or read.
pub fn run_splits<'t, T: Recordable<'t>, W>(
    (role, adapter, tree): (Role<'_>, Adapter, &'t Tree),
    (splits, order): (usize, &(dyn Fn(usize) -> usize + Sync)),
    work: impl Fn(usize) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<W> + Send,
    after: impl Fn(W) -> Result<()> + Sync,
) -> Result<()> {
    match role {
        Role::All => engine::run_with(splits, |i| work(order(i)), commit, after),
        Role::Shard(recorder) => {
            let mine = recorder.share.splits(splits);
            let mut number = mine.start;
            engine::run(
                mine.len(),
                |i| work(mine.start + i),
                |done| {
                    recorder.split(adapter, number, done)?;
                    number += 1;
                    Ok(())
                },
            )
        }
        Role::Merge(shards) => engine::run_with(splits, |i| shards.split(adapter, order(i), tree), commit, after),
    }
}

/// What a shard has to do.
#[derive(Debug, Clone)]
pub struct Share {
    which: Which,
    /// Bytes of splits that each shard gets, about.
    weights: Vec<u64>,
    /// Adapters that one shard writes as a whole, with their shard.
    owners: Vec<(Adapter, u32)>,
}

impl Share {
    /// Shares the work by bytes of rows: an adapter whose splits cannot be parted goes to the shard that has least, and splits make up
    /// for it.
    pub fn of(set: &DataSet<'_>, which: Which, adapters: &[Adapter], is_split: impl Fn(Adapter) -> bool) -> Share {
        let counts = set.counts();
        let bytes_of = |adapter: Adapter| -> u64 {
            let own = counts.families().filter(|(family, _)| family.class() == Class::Adapter(adapter));
            own.map(|(_, count)| count.bytes).sum()
        };
        let mut whole: Vec<(u64, Adapter)> = adapters
            .iter()
            .filter(|adapter| !is_split(**adapter))
            .map(|adapter| (bytes_of(*adapter), *adapter))
            .collect();
        whole.sort_by_key(|(bytes, adapter)| (std::cmp::Reverse(*bytes), adapter.id()));
        let mut loads = vec![0_u64; which.count as usize];
        let mut owners = Vec::new();
        for (bytes, adapter) in whole {
            let least = (0_u32..).zip(&loads).min_by_key(|(_, load)| **load).map_or(0, |(shard, _)| shard);
            loads[least as usize] += bytes;
            owners.push((adapter, least));
        }
        let split = adapters.iter().filter(|adapter| is_split(**adapter)).map(|adapter| bytes_of(*adapter)).sum();
        Share { which, weights: filled_up(&loads, split), owners }
    }

    /// The splits of this shard, of so many.
    pub fn splits(&self, all: usize) -> Range<usize> {
        let total: u128 = self.weights.iter().map(|weight| u128::from(*weight)).sum();
        let index = self.which.index as usize;
        let before = |shards: usize| {
            let sum: u128 = self.weights[..shards].iter().map(|weight| u128::from(*weight)).sum();
            (all as u128 * sum / total.max(1)) as usize
        };
        let end = if index + 1 == self.weights.len() { all } else { before(index + 1) };
        before(index).min(end)..end
    }

    /// Whether this shard writes an adapter as a whole.
    pub fn owns(&self, adapter: Adapter) -> bool {
        self.owners.contains(&(adapter, self.which.index))
    }
}

/// Parts `bytes` so that all loads become as equal as can be.
fn filled_up(loads: &[u64], bytes: u64) -> Vec<u64> {
    let mut sorted = loads.to_vec();
    sorted.sort_unstable();
    let (mut level, mut rest) = (sorted.first().copied().unwrap_or(0), bytes);
    for (n, next) in (1_u64..).zip(sorted.iter().skip(1).copied().chain([u64::MAX])) {
        let room = (next - level).saturating_mul(n);
        if room >= rest {
            level += rest.div_ceil(n);
            break;
        }
        (level, rest) = (next, rest - room);
    }
    // Where there is nothing to part, all are equal.
    loads.iter().map(|load| level.saturating_sub(*load) + u64::from(bytes == 0)).collect()
}

/// Writes the record of a shard.
pub struct Recorder {
    share: Share,
    state: Mutex<Recording>,
}

struct Recording {
    lines: Lines,
    record: BufWriter<File>,
    hash: Sha256,
    entry: Vec<u8>,
}

/// Kinds of entries of a record.
const SPLIT: u8 = 1;
const SUMS: u8 = 2;
const WHOLE: u8 = 3;
const MARKS: u8 = 4;
const END: u8 = 5;

impl Recorder {
    /// Begins a record of a share of a plan, in two new files in `dir`.
    ///
    /// # Errors
    /// They cannot be made.
    pub fn begin(dir: &Path, plan: &[u8; DIGEST], share: Share) -> Result<Recorder> {
        let create =
            |name| File::create_new(dir.join(name)).map_err(|e| Error::io("create a file of a shard in", dir, e));
        let (lines, record) = (Lines::new(create(LINES)?), BufWriter::new(create(RECORD)?));
        let Which { index, count } = share.which;
        let recording = Recording { lines, record, hash: Sha256::new(), entry: Vec::new() };
        let recorder = Recorder { share, state: Mutex::new(recording) };
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(plan);
        [index, count].iter().for_each(|n| wire::number(u64::from(*n), &mut head));
        recorder.with(|recording| recording.put(&head))?;
        Ok(recorder)
    }

    /// What it has to do.
    pub fn share(&self) -> &Share {
        &self.share
    }

    fn with<T>(&self, work: impl FnOnce(&mut Recording) -> Result<T>) -> Result<T> {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn split<'t>(&self, adapter: Adapter, number: usize, done: impl Recordable<'t>) -> Result<()> {
        self.with(|recording| {
            recording.entry(SPLIT, |lines, out| {
                wire::bytes(adapter.name().as_bytes(), out);
                wire::number(number as u64, out);
                done.record(lines, out)
            })
        })
    }

    /// Adds digests of files.
    ///
    /// # Errors
    /// A failed write.
    pub fn sums(&self, all: Checksums) -> Result<()> {
        batches(all, |batch| match batch.is_empty() {
            true => Ok(()),
            false => self.with(|recording| recording.entry(SUMS, |_, out| encode_sums(batch, out))),
        })
    }

    /// Adds what an adapter gave that was written as a whole, whose digests are told apart.
    ///
    /// # Errors
    /// A failed write.
    pub fn whole(&self, adapter: Adapter, findings: &Findings, tally: &Tally) -> Result<()> {
        self.with(|recording| {
            recording.entry(WHOLE, |_, out| {
                wire::bytes(adapter.name().as_bytes(), out);
                findings.encode(out);
                tally.encode(out);
                Ok(())
            })
        })
    }

    /// Completes the record; `filter`: whose patterns have taken something; `written`: files and their bytes.
    ///
    /// # Errors
    /// A failed write.
    pub fn finish(self, filter: &Filter, written: (u64, u64)) -> Result<()> {
        let mut recording = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        recording.entry(MARKS, |_, out| {
            wire::bytes(&filter.marks(), out);
            Ok(())
        })?;
        recording.entry(END, |_, out| {
            wire::number(written.0, out);
            wire::number(written.1, out);
            Ok(())
        })?;
        let digest = std::mem::take(&mut recording.hash).finalize();
        let written = recording.record.write_all(&digest).and_then(|()| recording.record.flush());
        written.map_err(failed)
    }
}

fn failed(e: std::io::Error) -> Error {
    Error::io("write the record of a shard in", "its directory", e)
}

impl Recording {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.record.write_all(bytes).map_err(failed)
    }

    fn entry(&mut self, kind: u8, fill: impl FnOnce(&mut Lines, &mut Vec<u8>) -> Result<()>) -> Result<()> {
        let mut entry = std::mem::take(&mut self.entry);
        entry.clear();
        entry.push(kind);
        fill(&mut self.lines, &mut entry)?;
        let mut len = Vec::new();
        wire::number(entry.len() as u64, &mut len);
        self.put(&len)?;
        self.put(&entry)?;
        self.entry = entry;
        Ok(())
    }
}

/// The file with what its splits gave.
pub const RECORD: &str = "RECORD";
/// The file with lines of shared files.
pub const LINES: &str = "LINES";
/// The folder with the files that it wrote.
pub const FILES: &str = "files";

/// The record of a shard, which is whole.
pub struct Shard {
    source: Source,
    lines: Arc<File>,
    /// Which shard it is.
    pub which: Which,
    /// The digest of its plan.
    pub plan: [u8; DIGEST],
    /// Where its entries begin.
    start: usize,
}

impl Shard {
    /// Opens the record in a directory; `None`: there is none that is whole.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn open(dir: &Path) -> Result<Option<Shard>> {
        let path = dir.join(RECORD);
        if !path.is_file() {
            return Ok(None);
        }
        let source = Source::open(&path, Access::Map)?;
        let Some((start, which, plan)) = head(source.file()) else { return Ok(None) };
        let lines = dir.join(LINES);
        let lines = Arc::new(File::open(&lines).map_err(|e| Error::io("open", &lines, e))?);
        Ok(Some(Shard { source, lines, which, plan, start }))
    }

    fn body(&self) -> &[u8] {
        let file = self.source.file();
        &file[..file.len() - DIGEST]
    }
}

/// Where the entries of a whole record begin, and what it is of.
fn head(file: &[u8]) -> Option<(usize, Which, [u8; DIGEST])> {
    let (body, digest) = file.split_last_chunk::<DIGEST>()?;
    let mut reader = Reader::new(body.strip_prefix(MAGIC)?);
    let plan = *reader.array::<DIGEST>()?;
    let mut small = || u32::try_from(reader.number()?).ok();
    let which = Which { index: small()?, count: small()? };
    let is_whole = which.index < which.count && Sha256::digest(body)[..] == digest[..];
    is_whole.then(|| (body.len() - reader.len(), which, plan))
}

/// All shards of a plan.
pub struct Shards {
    shards: Vec<Shard>,
    /// Where the splits are, by adapter and number: which shard, and the bytes in its record.
    splits: BTreeMap<(u8, usize), (usize, Range<usize>)>,
    whole: Vec<(Adapter, usize, Range<usize>)>,
    sums: Vec<(usize, Range<usize>)>,
    marks: Vec<Vec<u8>>,
    written: (u64, u64),
}

impl Shards {
    /// Takes the shards of a plan, one of each number.
    ///
    /// # Errors
    /// A record that tells what no shard can tell.
    pub fn new(shards: Vec<Shard>) -> Result<Shards> {
        let (splits, whole, sums, marks) = (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new());
        let mut all = Shards { shards: Vec::new(), splits, whole, sums, marks, written: (0, 0) };
        for (n, shard) in shards.iter().enumerate() {
            all.entries(n, shard).ok_or_else(|| unreadable(shard))?;
        }
        all.shards = shards;
        Ok(all)
    }

    fn entries(&mut self, n: usize, shard: &Shard) -> Option<()> {
        let body = shard.body();
        let mut reader = Reader::new(body.get(shard.start..)?);
        loop {
            let entry = reader.bytes()?;
            let end = body.len() - reader.len();
            let mut inner = Reader::new(entry);
            let kind = inner.byte()?;
            match kind {
                SPLIT => {
                    let key = (adapter::named(inner.bytes()?)?.id(), inner.size()?);
                    self.splits.insert(key, (n, end - inner.len()..end)).is_none().then_some(())?;
                }
                SUMS => self.sums.push((n, end - inner.len()..end)),
                WHOLE => {
                    let adapter = adapter::named(inner.bytes()?)?;
                    self.whole.push((adapter, n, end - inner.len()..end));
                }
                MARKS => self.marks.push(inner.bytes()?.to_vec()),
                END => {
                    let (files, bytes) = (inner.number()?, inner.number()?);
                    self.written = (self.written.0.checked_add(files)?, self.written.1.checked_add(bytes)?);
                    return reader.is_empty().then_some(());
                }
                _ => return None,
            }
        }
    }

    fn bytes(&self, (n, range): (usize, &Range<usize>)) -> Option<&[u8]> {
        self.shards.get(n)?.body().get(range.clone())
    }

    /// What a split gave.
    fn split<'t, T: Recordable<'t>>(&self, adapter: Adapter, number: usize, tree: &'t Tree) -> Result<T> {
        let missing = || {
            Error::usage(format!("no shard has split {number} of {}: run all shards with this plan", adapter.name()))
        };
        let (n, range) = self.splits.get(&(adapter.id(), number)).ok_or_else(missing)?;
        let shard = &self.shards[*n];
        let mut reader = Reader::new(self.bytes((*n, range)).unwrap_or_default());
        let done = T::replay(&mut reader, &shard.lines, tree).filter(|_| reader.is_empty());
        done.ok_or_else(|| unreadable(shard))
    }

    /// Digests of files that no split tells.
    ///
    /// # Errors
    /// What `each` gives, or a record that cannot be read.
    pub fn each_sums(&self, mut each: impl FnMut(Sums) -> Result<()>) -> Result<()> {
        for (n, range) in &self.sums {
            let found = self.bytes((*n, range)).and_then(|bytes| sums(&mut Reader::new(bytes)));
            each(found.ok_or_else(|| unreadable(&self.shards[*n]))?)?;
        }
        Ok(())
    }

    /// What an adapter gave that one shard wrote as a whole.
    ///
    /// # Errors
    /// Not exactly one has, or its record cannot be read.
    pub fn whole(&self, adapter: Adapter) -> Result<(Findings, Tally)> {
        let mut found = self.whole.iter().filter(|(of, ..)| *of == adapter);
        let (Some((_, n, range)), None) = (found.next(), found.next()) else {
            return Err(Error::usage(format!(
                "not one shard has all of {}: run all shards with this plan",
                adapter.name()
            )));
        };
        let mut reader = Reader::new(self.bytes((*n, range)).unwrap_or_default());
        let mut read = || Some((Findings::decode(&mut reader)?, Tally::decode(&mut reader)?));
        read().ok_or_else(|| unreadable(&self.shards[*n]))
    }

    /// Files that the shards have written, and their bytes.
    pub fn written(&self) -> (u64, u64) {
        self.written
    }

    /// Marks the patterns that have taken something in a shard.
    pub fn mark(&self, filter: &Filter) {
        self.marks.iter().for_each(|marks| filter.mark(marks));
    }
}

fn unreadable(shard: &Shard) -> Error {
    let path = shard.source.path().display();
    Error::usage(format!("{path} is not what this version of ekvsnap records: remove the shard and run it again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(weights: &[u64], index: u32) -> Share {
        let which = Which { index, count: weights.len() as u32 };
        Share { which, weights: weights.to_vec(), owners: Vec::new() }
    }

    #[test]
    fn shares_cover_all_splits_once() {
        for weights in [&[1][..], &[1, 1, 1], &[0, 5, 0], &[7, 0, 1, 2], &[u64::MAX, u64::MAX, 1]] {
            for all in [0, 1, 2, 7, 100] {
                let mut next = 0;
                for index in 0..weights.len() as u32 {
                    let mine = share(weights, index).splits(all);
                    assert_eq!(mine.start, next, "{weights:?} {all}");
                    next = mine.end;
                }
                assert_eq!(next, all, "{weights:?}");
            }
        }
    }

    #[test]
    fn splits_make_up_for_what_is_whole() {
        assert_eq!(filled_up(&[0, 0], 10), [5, 5]);
        assert_eq!(filled_up(&[8, 0, 0], 10), [0, 5, 5]);
        assert_eq!(filled_up(&[3, 0, 0], 12), [2, 5, 5]);
        assert_eq!(filled_up(&[5], 0), [1]);
        assert_eq!(filled_up(&[100, 0], 10), [0, 10]);
    }
}
