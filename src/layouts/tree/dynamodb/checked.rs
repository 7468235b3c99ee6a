//! Checks items without writing files. For most items it is enough that they are in the form that the server writes.

use super::files::{self, FileShare};
use crate::error::Result;
use crate::format::dynamodb::PrimaryKey;
use crate::layouts::dynamodb::canonical::Canonical;
use crate::layouts::dynamodb::count::Count;
use crate::layouts::dynamodb::paths::HeldPaths;
use crate::layouts::dynamodb::{LARGE, Writer};
use crate::model::dynamodb::{Item, StaleItem, StoredItem, Table, Visitor};
use crate::output::names::is_surely_plain;
use crate::output::split::SplitOutput;

/// Counts the items of a split; writes only unusual ones, into the null sink.
pub(super) struct Checked<'a, 't> {
    inner: files::Writer<'a, 't>,
    canonical: Canonical<'a>,
    /// The table that the canonical reader knows.
    table: Option<usize>,
    line: Vec<u8>,
    count: Count,
    paths: HeldPaths,
}

impl<'t> Checked<'_, 't> {
    /// Counts in `out`.
    pub fn new(out: SplitOutput<'t>) -> Self {
        let (inner, canonical) = (files::Writer::new(out), Canonical::default());
        Checked {
            inner,
            canonical,
            table: None,
            line: Vec::new(),
            count: Count::default(),
            paths: HeldPaths::default(),
        }
    }
}

impl<'a, 't> Writer<'a, 't> for Checked<'a, 't> {
    type Share = FileShare;

    fn finish(self) -> Result<(SplitOutput<'t>, FileShare)> {
        let Checked { inner, mut count, .. } = self;
        let (mut out, share) = inner.finish()?;
        count.flush(&mut out);
        // Skipped files make no system calls, at which a run could be stopped.
        out.tree().pass(b"")?;
        Ok((out, share))
    }
}

impl<'a> Visitor<'a> for Checked<'a, '_> {
    const TAKES_STORED: bool = true;

    fn stored(&mut self, table: &Table, item: &StoredItem<'a>) -> Result<bool> {
        if item.value.len() >= LARGE {
            return Ok(false);
        }
        if self.table.replace(table.place) != Some(table.place) {
            self.canonical = Canonical::default();
        }
        self.line.clear();
        let key = self.canonical.stored(table, item, &mut self.line);
        if !key.is_some_and(|key| has_plain_name(table, key)) {
            return Ok(false);
        }
        let bytes = self.line.len() as u64;
        self.inner.out.tree().pass_file(bytes);
        self.count.add(&mut self.inner.out, &self.paths.get(table).scope, "items", bytes);
        Ok(true)
    }

    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        self.inner.item(table, item)
    }

    fn stale(&mut self, item: &StaleItem<'a>) -> Result<()> {
        self.inner.stale(item)
    }
}

/// Whether an item has a name that no other item wants, and no line in KEYMAP.jsonl.
fn has_plain_name(table: &Table, key: PrimaryKey<'_>) -> bool {
    let is_plain = |raw: &[u8]| is_surely_plain(raw) && !matches!(raw, b"" | b"." | b"..");
    key.is_regular(&table.schema) && key.values().all(|value| is_plain(value.raw()))
}
