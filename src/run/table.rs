//! A map on disk: keys and values, both bytes, filled once and then looked up. In memory are one key per block and one bit per record.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::spill::{Sorted, Spill};
use crate::error::{Error, Result};
use crate::output::temporary;

/// Approximate size of a block.
const BLOCK: usize = 16 << 10;

/// Takes the records of a table.
pub struct Filling {
    spill: Spill,
    scratch: PathBuf,
}

impl Filling {
    /// No records yet; they go to the file system of `scratch`.
    pub fn new(scratch: &Path) -> Filling {
        Filling { spill: Spill::new(scratch), scratch: scratch.to_path_buf() }
    }

    /// Takes a record. If several have the same key, the last one counts.
    ///
    /// # Errors
    /// A failed spill.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.spill.push(key, value)
    }

    /// Returns the table.
    ///
    /// # Errors
    /// A failed spill.
    pub fn finish(self) -> Result<Table> {
        let Filling { spill, scratch } = self;
        let sorted = spill.finish()?;
        write(sorted, &scratch, BLOCK)
    }
}

/// Records that can be looked up, by several threads at once.
pub struct Table {
    file: File,
    blocks: Vec<Block>,
    len: u64,
    /// Which records were looked up.
    used: Vec<AtomicU64>,
    scratch: PathBuf,
}

/// Records that are read together.
struct Block {
    first: Vec<u8>,
    at: u64,
    /// Number of the first record.
    number: u64,
}

/// Takes a record with its number; `true`: it wants more.
type Each<'e> = dyn FnMut(u64, &[u8], &[u8]) -> bool + 'e;

/// Writes records as blocks.
struct Writer {
    out: BufWriter<File>,
    at: u64,
    number: u64,
    block_bytes: usize,
    blocks: Vec<Block>,
    in_block: usize,
}

impl Writer {
    fn put(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if self.in_block >= self.block_bytes || self.blocks.is_empty() {
            self.blocks.push(Block { first: key.to_vec(), at: self.at, number: self.number });
            self.in_block = 0;
        }
        // Both lengths were checked by the sorter.
        self.out.write_all(&(key.len() as u32).to_le_bytes())?;
        self.out.write_all(&(value.len() as u32).to_le_bytes())?;
        self.out.write_all(key)?;
        self.out.write_all(value)?;
        let bytes = 8 + key.len() + value.len();
        (self.at, self.in_block, self.number) = (self.at + bytes as u64, self.in_block + bytes, self.number + 1);
        Ok(())
    }
}

fn write(mut sorted: Sorted, scratch: &Path, block_bytes: usize) -> Result<Table> {
    let failed = |e| Error::io("write a table to", scratch, e);
    let out = BufWriter::new(temporary(scratch).map_err(failed)?);
    let mut writer = Writer { out, at: 0, number: 0, block_bytes, blocks: Vec::new(), in_block: 0 };
    let mut last: Option<(Vec<u8>, Vec<u8>)> = None;
    while let Some((key, value)) = sorted.next()? {
        match &mut last {
            Some((same, old)) if same == key => {
                old.clear();
                old.extend_from_slice(value);
            }
            _ => {
                if let Some((key, value)) = last.replace((key.to_vec(), value.to_vec())) {
                    writer.put(&key, &value).map_err(failed)?;
                }
            }
        }
    }
    if let Some((key, value)) = last {
        writer.put(&key, &value).map_err(failed)?;
    }
    let Writer { out, at, number, blocks, .. } = writer;
    let file = out.into_inner().map_err(|e| failed(e.into_error()))?;
    let words = usize::try_from(number.div_ceil(64)).unwrap_or(usize::MAX);
    let used = std::iter::repeat_with(AtomicU64::default).take(words).collect();
    Ok(Table { file, blocks, len: at, used, scratch: scratch.to_path_buf() })
}

impl Table {
    /// The value of a key. Its record counts as used from now on.
    ///
    /// # Errors
    /// A failed read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let after = self.blocks.partition_point(|block| block.first.as_slice() <= key);
        let Some(block) = after.checked_sub(1) else { return Ok(None) };
        let mut found = None;
        self.each(block, &mut |number, here, value| {
            if here == key {
                self.used[(number / 64) as usize].fetch_or(1 << (number % 64), Ordering::Relaxed);
                found = Some(value.to_vec());
            }
            here < key
        })?;
        Ok(found)
    }

    /// A record that was never looked up.
    ///
    /// # Errors
    /// A failed read.
    pub fn unused(&self) -> Result<Option<Vec<u8>>> {
        let mut unused = None;
        for block in 0..self.blocks.len() {
            self.each(block, &mut |number, key, _| {
                let is_used = self.used[(number / 64) as usize].load(Ordering::Relaxed) & (1 << (number % 64)) != 0;
                if !is_used {
                    unused = Some(key.to_vec());
                }
                is_used
            })?;
            if unused.is_some() {
                break;
            }
        }
        Ok(unused)
    }

    /// Gives the records of a block, with their numbers, as long as `each` wants more.
    fn each(&self, block: usize, each: &mut Each<'_>) -> Result<()> {
        let Block { at, mut number, .. } = self.blocks[block];
        let end = self.blocks.get(block + 1).map_or(self.len, |next| next.at);
        let mut bytes = vec![0; usize::try_from(end - at).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut bytes, at).map_err(|e| Error::io("read a table in", &self.scratch, e))?;
        let mut rest = &bytes[..];
        while let Some((key, value, after)) = record(rest) {
            if !each(number, key, value) {
                break;
            }
            (rest, number) = (after, number + 1);
        }
        Ok(())
    }
}

/// Splits off the first record: key, value, and the remaining bytes.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (key, rest) = bytes.split_first_chunk()?;
    let (value, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key) as usize)?;
    let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*value) as usize)?;
    Some((key, value, rest))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_map(
            records in prop::collection::vec((prop::collection::vec(0u8..3, 0..6), any::<u8>()), 0..40),
            asked in prop::collection::vec(prop::collection::vec(0u8..3, 0..6), 0..40),
            block in 1usize..60,
        ) {
            let scratch = std::env::temp_dir();
            let mut spill = Spill::new(&scratch);
            records.iter().for_each(|(key, n)| spill.push(key, &[*n]).unwrap());
            let table = write(spill.finish().unwrap(), &scratch, block).unwrap();
            let mut map: BTreeMap<_, _> = records.into_iter().collect();
            for key in &asked {
                prop_assert_eq!(table.get(key).unwrap(), map.get(key).map(|n| vec![*n]));
            }
            map.retain(|key, _| !asked.contains(key));
            prop_assert_eq!(table.unused().unwrap(), map.into_keys().next());
        }
    }
}
