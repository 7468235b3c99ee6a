//! Sorting records of any length, in bounded memory: a key and a value, both bytes, ordered by key and then by arrival.
//!
//! A full batch is sorted and spilled as a *run* to an unlinked temporary file. Runs are merged at the end. Many runs are merged into
//! longer ones before that, so that neither their number nor their buffers grow with the data. A value in a run is not in memory until its
//! turn has come.
//!
//! Callers with typed records encode them as bytes that sort like the records; `format::ordered` helps.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rayon::slice::ParallelSliceMut as _;

use crate::error::{Error, Result};
use crate::output::{Writer, temporary};

/// Bytes of a batch.
const BATCH: usize = 48 << 20;
/// Runs of one age that are merged into one.
const FAN_IN: usize = 64;
/// Bytes of a run that are read at a time.
const PIECE: usize = 256 << 10;
/// Bytes before a record in a run: the lengths of key and value.
const HEAD: usize = 8;

/// How memory is used. Tests make it tiny; the order does not depend on it.
#[derive(Debug, Clone, Copy)]
struct Limits {
    batch: usize,
    fan_in: usize,
    piece: usize,
}

const LIMITS: Limits = Limits { batch: BATCH, fan_in: FAN_IN, piece: PIECE };

/// Takes records in any order.
pub struct Spill {
    scratch: PathBuf,
    batch: Batch,
    /// Runs by age: those of the second age were merged from `FAN_IN` runs of the first, and so on.
    ages: Vec<Age>,
    limits: Limits,
}

/// Runs that are stored in one file, one after the other.
struct Age {
    file: File,
    runs: Vec<Span>,
    /// The last key of the last run: records that begin after it continue that run.
    last: Vec<u8>,
    len: u64,
}

/// The position of a run in its file.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: u64,
    to: u64,
}

/// Records in memory.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    records: Vec<Held>,
}

/// A record of a batch: the key is at `at`, followed by the value.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// The first bytes of the key after the common prefix of the batch. They decide most comparisons.
    prefix: u64,
    at: usize,
    key: u32,
    value: u32,
}

impl Batch {
    fn held(&self) -> usize {
        self.bytes.len() + self.records.len() * size_of::<Held>()
    }

    fn push(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let too_long = |_| io::Error::other("a record of 4 GiB");
        let held = Held {
            prefix: 0,
            at: self.bytes.len(),
            key: u32::try_from(key.len()).map_err(too_long)?,
            value: u32::try_from(value.len()).map_err(too_long)?,
        };
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.records.push(held);
        Ok(())
    }

    fn key(&self, held: &Held) -> &[u8] {
        &self.bytes[held.at..][..held.key as usize]
    }

    fn value(&self, held: &Held) -> &[u8] {
        &self.bytes[held.at + held.key as usize..][..held.value as usize]
    }

    /// Uses all threads, so it must not run in a task: a thread that waits for its half of a sort may begin another task.
    fn sort(&mut self) {
        let mut records = std::mem::take(&mut self.records);
        let shared = self.shared(&records);
        records.iter_mut().for_each(|held| held.prefix = prefix(&self.key(held)[shared..]));
        records.par_sort_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| self.key(a).cmp(self.key(b))));
        self.records = records;
    }

    /// Length of the common prefix of all keys.
    fn shared(&self, records: &[Held]) -> usize {
        let Some((first, rest)) = records.split_first() else { return 0 };
        let mut shared = self.key(first);
        for held in rest {
            let key = self.key(held);
            if !key.starts_with(shared) {
                shared = &shared[..shared.iter().zip(key).take_while(|(a, b)| a == b).count()];
            }
        }
        shared.len()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }
}

/// Sorts as the keys do, unless their first bytes are equal.
fn prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let len = key.len().min(8);
    first[..len].copy_from_slice(&key[..len]);
    u64::from_be_bytes(first)
}

impl Spill {
    /// An empty sorter; runs go to the file system of `scratch`.
    pub fn new(scratch: &Path) -> Spill {
        Spill::with(scratch, LIMITS)
    }

    /// As [`new`](Self::new), with at most `batch` bytes of records in memory.
    pub fn with_batch(scratch: &Path, batch: usize) -> Spill {
        Spill::with(scratch, Limits { batch, ..LIMITS })
    }

    fn with(scratch: &Path, limits: Limits) -> Spill {
        Spill { scratch: scratch.to_path_buf(), batch: Batch::default(), ages: Vec::new(), limits }
    }

    /// Takes a record.
    ///
    /// # Errors
    /// A full batch could not be spilled.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let more = key.len() + value.len() + size_of::<Held>();
        if !self.batch.records.is_empty() && self.batch.held() + more > self.limits.batch {
            self.spill().map_err(|e| self.failed(e))?;
        }
        self.batch.push(key, value).map_err(|e| self.failed(e))
    }

    #[cold]
    fn failed(&self, e: io::Error) -> Error {
        Error::io("sort in", &self.scratch, e)
    }

    fn spill(&mut self) -> io::Result<()> {
        self.batch.sort();
        let batch = &self.batch;
        let ends = batch.records.first().zip(batch.records.last());
        let (first, last) = ends.map_or((&[][..], &[][..]), |(first, last)| (batch.key(first), batch.key(last)));
        let age = age(&mut self.ages, 0, &self.scratch)?;
        age.append((first, last), |out| {
            batch.records.iter().try_for_each(|held| write_record(out, batch.key(held), batch.value(held)))
        })?;
        self.batch.clear();
        self.merge_full_ages()
    }

    /// Merges the runs of each age that has many of them into one run of the next age.
    fn merge_full_ages(&mut self) -> io::Result<()> {
        let mut young = 0;
        while self.ages.get(young).is_some_and(|age| age.runs.len() >= self.limits.fan_in) {
            let empty = Age::new(&self.scratch)?;
            let full = std::mem::replace(&mut self.ages[young], empty);
            let mut sorted = Sorted::of_runs(full.into_runs(self.limits.piece)?)?;
            // Its first key is not known before it is written, so no run is continued here.
            age(&mut self.ages, young + 1, &self.scratch)?.append((&[], &[]), |out| {
                while sorted.advance()? {
                    write_record(out, &sorted.key, &sorted.value)?;
                }
                Ok(())
            })?;
            young += 1;
        }
        Ok(())
    }

    /// All records, in order.
    ///
    /// # Errors
    /// A run could not be read back.
    pub fn finish(mut self) -> Result<Sorted> {
        self.batch.sort();
        let (piece, scratch) = (self.limits.piece, self.scratch);
        let failed = |e| Error::io("sort in", &scratch, e);
        let mut runs = Vec::new();
        // Older runs were taken before younger ones.
        for age in self.ages.into_iter().rev() {
            runs.extend(age.into_runs(piece).map_err(failed)?);
        }
        runs.push(Run::Held(self.batch, 0));
        let mut sorted = Sorted::of_runs(runs).map_err(failed)?;
        sorted.scratch = scratch;
        Ok(sorted)
    }
}

fn age<'a>(ages: &'a mut Vec<Age>, n: usize, scratch: &Path) -> io::Result<&'a mut Age> {
    if ages.len() == n {
        ages.push(Age::new(scratch)?);
    }
    Ok(&mut ages[n])
}

impl Age {
    fn new(scratch: &Path) -> io::Result<Age> {
        Ok(Age { file: temporary(scratch)?, runs: Vec::new(), last: Vec::new(), len: 0 })
    }

    /// Appends a run, with its first and last key.
    fn append(
        &mut self,
        (first, last): (&[u8], &[u8]),
        write: impl FnOnce(&mut BufWriter<Writer<&File>>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 20, Writer(&self.file));
        write(&mut out)?;
        out.flush()?;
        drop(out);
        let to = self.file.metadata()?.len();
        match self.runs.last_mut() {
            // Records that arrive in order are one run, however many they are.
            Some(run) if !first.is_empty() && first >= self.last.as_slice() => run.to = to,
            _ => self.runs.push(Span { from: self.len, to }),
        }
        self.last.clear();
        self.last.extend_from_slice(last);
        self.len = to;
        Ok(())
    }

    fn into_runs(self, piece: usize) -> io::Result<Vec<Run>> {
        let Age { file, runs, .. } = self;
        let of_span = |span: &Span| {
            let (at, to) = (span.from, span.to);
            Ok(Run::Spilled(Reading { file: file.try_clone()?, at, to, buffer: Vec::new(), used: 0, piece, value: 0 }))
        };
        runs.iter().map(of_span).collect()
    }
}

fn write_record(out: &mut impl io::Write, key: &[u8], value: &[u8]) -> io::Result<()> {
    // Both lengths were checked when the record was taken.
    out.write_all(&(key.len() as u32).to_le_bytes())?;
    out.write_all(&(value.len() as u32).to_le_bytes())?;
    out.write_all(key)?;
    out.write_all(value)
}

/// A sorted run.
enum Run {
    /// In memory, with the number of the next record.
    Held(Batch, usize),
    /// In a file.
    Spilled(Reading),
}

/// A run that is read from its file.
struct Reading {
    file: File,
    /// Positions in the file: of the bytes after the buffer, and of the end of the run.
    at: u64,
    to: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were consumed.
    used: usize,
    piece: usize,
    /// Length of the next value.
    value: usize,
}

impl Reading {
    /// Appends the next `len` bytes.
    fn take(&mut self, mut len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        while len > 0 {
            if self.used == self.buffer.len() {
                let piece = self.piece.min(usize::try_from(self.to - self.at).unwrap_or(usize::MAX));
                if piece == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.buffer.resize(piece, 0);
                self.file.read_exact_at(&mut self.buffer, self.at)?;
                (self.at, self.used) = (self.at + piece as u64, 0);
            }
            let now = len.min(self.buffer.len() - self.used);
            out.extend_from_slice(&self.buffer[self.used..][..now]);
            (self.used, len) = (self.used + now, len - now);
        }
        Ok(())
    }

    fn key(&mut self, key: &mut Vec<u8>) -> io::Result<bool> {
        if self.used == self.buffer.len() && self.at == self.to {
            return Ok(false);
        }
        self.take(HEAD, key)?;
        let length = |at: usize| key.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        let (len, value) = (length(0).unwrap_or(0) as usize, length(4).unwrap_or(0) as usize);
        self.value = value;
        key.clear();
        self.take(len, key)?;
        Ok(true)
    }
}

impl Run {
    /// Replaces `key` with the next key; `false`: there is none.
    fn next_key(&mut self, key: &mut Vec<u8>) -> io::Result<bool> {
        key.clear();
        match self {
            Run::Spilled(reading) => reading.key(key),
            Run::Held(batch, next) => {
                let Some(held) = batch.records.get(*next) else { return Ok(false) };
                key.extend_from_slice(batch.key(held));
                Ok(true)
            }
        }
    }

    /// Replaces `value` with the value of the last key.
    fn value(&mut self, value: &mut Vec<u8>) -> io::Result<()> {
        value.clear();
        match self {
            Run::Spilled(reading) => reading.take(reading.value, value),
            Run::Held(batch, next) => {
                value.extend_from_slice(batch.records.get(*next).map_or(&[][..], |held| batch.value(held)));
                *next += 1;
                Ok(())
            }
        }
    }
}

/// Gives records in order.
pub struct Sorted {
    runs: Vec<Run>,
    /// The next key of each run that has one. Of equal keys that of the older run comes first.
    heads: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    key: Vec<u8>,
    value: Vec<u8>,
    scratch: PathBuf,
}

impl Sorted {
    fn of_runs(mut runs: Vec<Run>) -> io::Result<Sorted> {
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (n, run) in runs.iter_mut().enumerate() {
            let mut key = Vec::new();
            if run.next_key(&mut key)? {
                heads.push(Reverse((key, n)));
            }
        }
        Ok(Sorted { runs, heads, key: Vec::new(), value: Vec::new(), scratch: PathBuf::new() })
    }

    /// The next record.
    ///
    /// # Errors
    /// A run could not be read back.
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        match self.advance() {
            Ok(any) => Ok(any.then_some((&self.key, &self.value))),
            Err(e) => Err(Error::io("sort in", &self.scratch, e)),
        }
    }

    fn advance(&mut self) -> io::Result<bool> {
        let Some(mut top) = self.heads.peek_mut() else { return Ok(false) };
        let Reverse((key, run)) = &mut *top;
        let run = &mut self.runs[*run];
        std::mem::swap(&mut self.key, key);
        run.value(&mut self.value)?;
        // The next key of the run replaces this one: that sifts once, not twice.
        if !run.next_key(key)? {
            PeekMut::pop(top);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Record = (Vec<u8>, Vec<u8>);

    fn sorted(records: &[Record], limits: Limits) -> Vec<Record> {
        let mut spill = Spill::with(&std::env::temp_dir(), limits);
        records.iter().for_each(|(key, value)| spill.push(key, value).unwrap());
        let (mut sorted, mut all) = (spill.finish().unwrap(), Vec::new());
        while let Some((key, value)) = sorted.next().unwrap() {
            all.push((key.to_vec(), value.to_vec()));
        }
        all
    }

    #[test]
    fn a_record_longer_than_a_batch() {
        let records: Vec<Record> = (0..9u8).rev().map(|n| (vec![n; 40], vec![n; 4000])).collect();
        let got = sorted(&records, Limits { batch: 64, fan_in: 2, piece: 7 });
        assert!(got.iter().rev().eq(&records));
    }

    proptest! {
        #[test]
        fn any_limits_sort(
            records in prop::collection::vec((prop::collection::vec(0u8..3, 0..12), any::<u16>()), 0..80),
            batch in 1usize..2000, fan_in in 2usize..5, piece in 1usize..40,
        ) {
            let records: Vec<Record> =
                records.into_iter().map(|(key, n)| (key, n.to_le_bytes()[..usize::from(n % 3)].to_vec())).collect();
            let mut want = records.clone();
            want.sort_by(|a, b| a.0.cmp(&b.0));
            prop_assert_eq!(sorted(&records, Limits { batch, fan_in, piece }), want);
        }
    }
}
