//! Turns rows into entries of a snapshot and sorts them.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::Seal;
use crate::adapters::rows::RowSink;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Family;
use crate::format::limits::{MAX_RAW_KEY, MAX_RAW_VALUE, VALUE_HEADER};
use crate::format::mvcc::raw_key_into;
use crate::format::sealer::{MOST_SEALED, Sealer};
use crate::run::engine::Done;
use crate::run::spill::{LaneBatches, Lanes, SortedRuns, Threads};
use crate::sync::{Spare, lock};

/// Bytes of rows that are given to the sorter at once.
const BLOCK: usize = 1 << 20;
/// The rows of the store itself, and their lane in the sorter.
const APPLIED_INDEX: &[u8] = b"_meta_applied_index";
const LAST_COMMIT: &[u8] = b"_meta_last_commit_ts";
const MIN_RETAINED: &[u8] = b"_meta_min_retained_ts";
const OWN: &str = "_meta";
/// No flags, and no expiry of the row itself.
const PLAIN: [u8; VALUE_HEADER] = [0; VALUE_HEADER];

/// Sorts rows that all have one commit timestamp. A clone gives rows to the same sorter.
#[derive(Clone)]
pub(crate) struct Rows(Arc<Mutex<Taken>>);

struct Taken {
    block: RowBlock,
    /// Takes full blocks. `None`: this is a fork, whose rows are one block.
    sorter: Option<Lanes>,
    form: RowForm,
    sealer: Option<Sealer>,
    /// The row that is encrypted.
    key: Vec<u8>,
    value: Vec<u8>,
    count: u64,
}

/// Rows of a block of objects.
#[derive(Default)]
pub(crate) struct RowBlock {
    rows: LaneBatches,
    count: u64,
}

impl Done for RowBlock {
    fn held(&self) -> usize {
        self.rows.held()
    }
}

/// What makes entries of rows.
#[derive(Clone)]
pub(crate) struct RowForm(Arc<Parts>);

struct Parts {
    /// The end of every raw key: the commit timestamp.
    ts: Vec<u8>,
    seal: Option<Seal>,
    /// Blocks that were emptied, for the next forks.
    spare: Spare<LaneBatches>,
}

impl RowForm {
    /// Rows have this timestamp, and are encrypted if there is a key.
    pub fn new(ts: u64, seal: Option<Seal>) -> RowForm {
        let mut end = Vec::new();
        raw_key_into(b"", ts, &mut end);
        RowForm(Arc::new(Parts { ts: end, seal, spare: Spare::default() }))
    }

    fn rows(&self, sorter: Option<Lanes>) -> Result<Rows> {
        let rows = self.0.spare.take();
        let sealer = self.0.seal.as_ref().map(Seal::sealer).transpose()?;
        let (form, key, value) = (self.clone(), Vec::new(), Vec::new());
        let block = RowBlock { rows, count: 0 };
        Ok(Rows(Arc::new(Mutex::new(Taken { block, sorter, form, sealer, key, value, count: 0 }))))
    }

    /// Takes the rows of one block.
    ///
    /// # Errors
    /// The library cannot allocate memory for the key.
    pub fn fork(&self) -> Result<Rows> {
        self.rows(None)
    }
}

impl Rows {
    /// No rows yet; they are spilled to the file system of `scratch`.
    ///
    /// # Errors
    /// As [`RowForm::fork`].
    pub fn new(form: &RowForm, scratch: &Path) -> Result<Rows> {
        form.rows(Some(Lanes::new(scratch)))
    }

    /// How many rows were taken.
    pub fn count(&self) -> u64 {
        let taken = lock(&self.0);
        taken.count + taken.block.count
    }

    /// What makes entries of these rows.
    pub fn form(&self) -> RowForm {
        lock(&self.0).form.clone()
    }

    /// The rows of a fork, sorted.
    pub fn into_block(self) -> RowBlock {
        let mut block = std::mem::take(&mut lock(&self.0).block);
        block.rows.sort();
        block
    }

    /// Takes the rows of a fork, in a task.
    ///
    /// # Errors
    /// A failed spill; too many encrypted rows.
    pub fn join(&self, block: RowBlock) -> Result<()> {
        let taken = &mut *lock(&self.0);
        taken.flush(Threads::This)?;
        if let Some(sorter) = &mut taken.sorter {
            sorter.append(&block.rows, Threads::This)?;
        }
        taken.counted(block.count)?;
        let mut rows = block.rows;
        rows.clear();
        taken.form.0.spare.give(rows);
        Ok(())
    }

    /// Adds the store's own rows, with those of writers of keys, and sorts all rows. The store's rows say that there are no versions before
    /// the timestamp `ts`.
    pub fn finish(self, ts: u64, index: Option<u64>) -> Result<SortedRuns> {
        let taken = &mut *lock(&self.0);
        taken.flush(Threads::All)?;
        let mut sorter = taken.sorter.take().ok_or_else(|| Error::internal("a fork has no sorter"))?;
        for (key, value) in taken.form.0.seal.iter().flat_map(|seal| &seal.writers) {
            sorter.push(OWN, key, value)?;
        }
        if let Some(index) = index {
            sorter.push(OWN, APPLIED_INDEX, &index.to_le_bytes())?;
        }
        sorter.push(OWN, LAST_COMMIT, &ts.to_le_bytes())?;
        sorter.push(OWN, MIN_RETAINED, &ts.to_le_bytes())?;
        Ok(sorter.finish())
    }
}

impl Taken {
    /// Gives the block to the sorter.
    fn flush(&mut self, threads: Threads) -> Result<()> {
        let Some(sorter) = &mut self.sorter else { return Ok(()) };
        if self.block.count == 0 {
            return Ok(());
        }
        sorter.append(&self.block.rows, threads)?;
        self.block.rows.clear();
        let count = std::mem::take(&mut self.block.count);
        self.counted(count)
    }

    fn counted(&mut self, count: u64) -> Result<()> {
        self.count += count;
        // A sealer counts only the rows of its block.
        if self.sealer.is_some() && self.count > MOST_SEALED {
            return Err(Error::usage("a key encrypts at most 2^32 rows, and there are more"));
        }
        Ok(())
    }

    fn put(&mut self, user_key: &[u8], body: &[u8]) -> Result<()> {
        let (key, value) = match &mut self.sealer {
            None => ([user_key, &self.form.0.ts], [&PLAIN[..], body]),
            Some(sealer) => {
                let (key, value) = (&mut self.key, &mut self.value);
                key.clear();
                key.extend_from_slice(user_key);
                key.extend_from_slice(&self.form.0.ts);
                value.clear();
                sealer.value_into(key, 0, body, value).ok_or_else(|| {
                    let why = "it cannot be encrypted: its value is too long, or its key has encrypted 2^32 rows";
                    refused(user_key, why)
                })?;
                ([user_key, &self.form.0.ts], [&value[..], &[][..]])
            }
        };
        let len = |parts: [&[u8]; 2]| parts.iter().map(|part| part.len() as u64).sum::<u64>();
        if len(key) > MAX_RAW_KEY || len(value) > MAX_RAW_VALUE {
            return Err(refused(user_key, "a key or value in it is longer than a snapshot can hold"));
        }
        let lane = |key: &[u8]| Family::of(key).prefix();
        self.block.rows.push(key, value, lane).map_err(|e| refused(user_key, &e.to_string()))?;
        self.block.count += 1;
        Ok(())
    }
}

impl RowSink for Rows {
    fn row(&mut self, user_key: &[u8], value: &[u8]) -> Result<()> {
        let taken = &mut *lock(&self.0);
        taken.put(user_key, value)?;
        if taken.block.rows.held() >= BLOCK { taken.flush(Threads::All) } else { Ok(()) }
    }
}

/// The error for two rows with one key.
#[cold]
pub(crate) fn twice(user_key: &[u8]) -> Error {
    refused(user_key, "two objects have this row: an object occurs twice, or a key has two types")
}

fn refused(user_key: &[u8], why: &str) -> Error {
    const SHOWN: usize = 200;
    let shown = user_key.get(..SHOWN).unwrap_or(user_key);
    let family = Family::of(user_key).prefix();
    Error::new(ErrorKind::Output(format!("row {} of {} bytes ({family}): {why}", shown.escape_ascii(), user_key.len())))
}
