//! Reads the results of shards.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};

use super::{DIGEST, END, LINES, MAGIC, MARKS, RECORD, Recordable, SPLIT, SUMS, WHOLE, Which};
use crate::error::{Error, Result};
use crate::format::Adapter;
use crate::format::adapter;
use crate::format::wire::Reader;
use crate::options::filter::Filter;
use crate::output::checksums::Sums;
use crate::output::record::sums;
use crate::output::split::Tally;
use crate::output::tree::Tree;
use crate::report::Findings;
use crate::source::{Access, Source};

/// The complete record of a shard.
pub struct Shard {
    source: Source,
    lines: Arc<File>,
    /// Which shard it is.
    pub which: Which,
    /// The digest of its plan.
    pub plan: [u8; DIGEST],
    /// Start of its entries.
    start: usize,
}

impl Shard {
    /// Opens the record in a directory; `None`: there is no complete one.
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

/// Start of the entries of a complete record, its shard, and the digest of its plan.
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
    /// Positions of the splits, by adapter and number: the shard, and the bytes in its record.
    splits: BTreeMap<(u8, usize), (usize, Range<usize>)>,
    whole: Vec<(Adapter, usize, Range<usize>)>,
    sums: Vec<(usize, Range<usize>)>,
    marks: Vec<Vec<u8>>,
    written: (u64, u64),
    /// Number of splits that were taken.
    taken: AtomicUsize,
}

impl Shards {
    /// Takes the shards of a plan, one of each number.
    ///
    /// # Errors
    /// A record with contents that no shard can have.
    pub fn new(shards: Vec<Shard>) -> Result<Shards> {
        let (splits, whole, sums, marks) = (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new());
        let mut all =
            Shards { shards: Vec::new(), splits, whole, sums, marks, written: (0, 0), taken: AtomicUsize::new(0) };
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

    /// The result of a split.
    pub(super) fn split<'t, T: Recordable<'t>>(&self, adapter: Adapter, number: usize, tree: &'t Tree) -> Result<T> {
        let missing = || {
            Error::usage(format!("no shard has split {number} of {}: run all shards with this plan", adapter.name()))
        };
        let (n, range) = self.splits.get(&(adapter.id(), number)).ok_or_else(missing)?;
        let shard = &self.shards[*n];
        let mut reader = Reader::new(self.bytes((*n, range)).unwrap_or_default());
        let done = T::replay(&mut reader, &shard.lines, tree).filter(|_| reader.is_empty());
        self.taken.fetch_add(1, Ordering::Relaxed);
        done.ok_or_else(|| unreadable(shard))
    }

    /// Fails if a recorded split was not used.
    ///
    /// # Errors
    /// A split was not used.
    pub fn check_taken(&self) -> Result<()> {
        match self.splits.len() == self.taken.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(Error::internal("shards have splits that the merge does not know")),
        }
    }

    /// Digests of files that do not belong to a split.
    ///
    /// # Errors
    /// The error of `each`, or a record that cannot be read.
    pub fn each_sums(&self, mut each: impl FnMut(Sums) -> Result<()>) -> Result<()> {
        for (n, range) in &self.sums {
            let found = self.bytes((*n, range)).and_then(|bytes| sums(&mut Reader::new(bytes)));
            each(found.ok_or_else(|| unreadable(&self.shards[*n]))?)?;
        }
        Ok(())
    }

    /// The result of an adapter that one shard wrote as a whole.
    ///
    /// # Errors
    /// Not exactly one shard has it, or its record cannot be read.
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

    /// Number and bytes of the files that the shards have written.
    pub fn written(&self) -> (u64, u64) {
        self.written
    }

    /// Marks the patterns that matched something in a shard.
    pub fn mark(&self, filter: &Filter) {
        self.marks.iter().for_each(|marks| filter.mark(marks));
    }
}

fn unreadable(shard: &Shard) -> Error {
    let path = shard.source.path().display();
    Error::usage(format!("{path} is not what this version of ekvsnap records: remove the shard and run it again"))
}
