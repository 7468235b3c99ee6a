//! Rows of items that do not follow from the items' attributes.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Deserialize;

use crate::error::Result;
use crate::format::dynamodb::Item;
use crate::format::hex;
use crate::layouts::dynamodb::paths;
use crate::layouts::dynamodb::render::ItemRenderer;
use crate::layouts::dynamodb::rows::{Digest, digest};
use crate::layouts::reading::{Binary, Budget, Text, wrong};
use crate::model::dynamodb::Table;
use crate::run::spill::Spill;
use crate::run::table::{self, Filling};
use crate::sync::lock;

/// A line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: Binary,
    generation: u64,
    key: Binary,
    sha256: String,
}

/// Rows by the identity of their items: the name of the table, a digest of the item, and a number that distinguishes equal items.
pub(super) struct Moved {
    scratch: PathBuf,
    told: Option<Spill>,
    rows: Option<table::Table>,
    /// Names of tables with such rows.
    tables: BTreeSet<Vec<u8>>,
    /// For items with equal ones, the number of rows that were used. Which of them gets which row makes no difference.
    taken: Mutex<BTreeMap<Vec<u8>, u64>>,
}

impl Moved {
    pub fn new(scratch: &Path) -> Moved {
        let scratch = scratch.to_path_buf();
        Moved { scratch, told: None, rows: None, tables: BTreeSet::new(), taken: Mutex::default() }
    }

    /// Reads the file.
    pub fn read(&mut self, path: &[u8], bytes: &mut dyn Read) -> Result<()> {
        let (budget, failed) = (Budget::default(), Cell::new(None));
        let mut lines = Text::new(path, bytes).lines();
        let mut spill = Spill::new(&self.scratch);
        while let Some(line) = lines.next(&budget, PhantomData::<Line>, &failed)? {
            let digest: Digest = hex::parse(&line.sha256).ok_or_else(|| lines.wrong("its sha256 is not valid"))?;
            if line.key.0.is_empty() {
                return Err(lines.wrong("its key is empty"));
            }
            spill.push(&identity(&line.name.0, &digest), &[&line.generation.to_be_bytes(), &*line.key.0].concat())?;
            self.tables.insert(line.name.0);
        }
        self.told = Some(spill);
        Ok(())
    }

    /// Called after the file was read, if there is one.
    pub fn settle(&mut self) -> Result<()> {
        let Some(told) = self.told.take() else { return Ok(()) };
        let (mut sorted, mut filling) = (told.finish()?, Filling::new(&self.scratch));
        let (mut last, mut number) = (Vec::new(), 0);
        while let Some((identity, row)) = sorted.next()? {
            number = if last == identity { number + 1 } else { 0 };
            last.clear();
            last.extend_from_slice(identity);
            filling.push(&numbered(identity, number), row)?;
        }
        self.rows = Some(filling.finish()?);
        Ok(())
    }

    /// Generation and primary key of an item's row, if they do not follow from its attributes.
    pub fn row_of(&self, table: &Table, item: Item<'_>) -> Result<Option<(u64, Vec<u8>)>> {
        let Some(rows) = self.rows.as_ref().filter(|_| self.tables.contains(&table.name)) else { return Ok(None) };
        let identity = identity(&table.name, &digest(&mut ItemRenderer::default(), item));
        let mut taken = lock(&self.taken);
        let number = taken.get(&identity).copied().unwrap_or_default();
        let Some(row) = rows.get(&numbered(&identity, number))? else { return Ok(None) };
        if number > 0 || rows.get(&numbered(&identity, 1))?.is_some() {
            taken.insert(identity, number + 1);
        }
        let Some((generation, primary)) = row.split_first_chunk() else { return Ok(None) };
        Ok(Some((u64::from_be_bytes(*generation), primary.to_vec())))
    }

    /// Requires that every row belongs to an item that was read.
    pub fn all_are_used(&self) -> Result<()> {
        let unused = self.rows.as_ref().map_or(Ok(None), table::Table::unused)?;
        unused.map_or(Ok(()), |_| Err(wrong(paths::rows().as_bytes(), "it lists an item that is missing")))
    }
}

fn identity(table: &[u8], digest: &Digest) -> Vec<u8> {
    [&digest[..], table].concat()
}

fn numbered(identity: &[u8], number: u64) -> Vec<u8> {
    [identity, &number.to_be_bytes()].concat()
}
