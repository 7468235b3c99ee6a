//! A file for each item.

use std::collections::BTreeMap;

use super::folders::Folders;
use super::unambiguous::is_unambiguous;
use super::used_names::UsedNames;
use crate::error::Result;
use crate::format::wire::{self, Reader};
use crate::layouts::dynamodb::count::{Count, note_untyped};
use crate::layouts::dynamodb::name::{self, Special, Specials};
use crate::layouts::dynamodb::paths::{self, HeldPaths};
use crate::layouts::dynamodb::render::ItemRenderer;
use crate::layouts::dynamodb::{self, Gather, LARGE, Share};
use crate::model::dynamodb::{Item, StaleItem, Table, Visitor};
use crate::output::names::segment_into;
use crate::output::split::{Collector, SpillWriter, SplitOutput};

/// For each special segment, by number of the table, the user key that uses it first, and its position among the special segments of that
/// key.
pub(super) type FirstUses = BTreeMap<(usize, Special), (Vec<u8>, usize)>;

/// Writes items.
#[derive(Default)]
pub(super) struct Files<'a> {
    renderer: ItemRenderer<'a>,
    folders: Folders,
    body: Vec<u8>,
    path: String,
    count: Count,
    paths: HeldPaths,
}

/// What is left to do after the files of all splits.
#[derive(Default)]
pub(super) struct FromFiles {
    /// The first uses of special segments.
    pub first_uses: FirstUses,
    /// Splits with items whose names depend on others.
    pub with_deferred: Vec<usize>,
    /// Number of splits so far.
    splits: usize,
}

/// The share of one split.
#[derive(Default)]
pub(super) struct FileShare {
    first_uses: FirstUses,
    has_deferred: bool,
}

impl Share for FileShare {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.has_deferred));
        wire::number(self.first_uses.len() as u64, out);
        for ((table, special), (key, place)) in &self.first_uses {
            wire::number(*table as u64, out);
            wire::bytes(special.original().as_bytes(), out);
            wire::bytes(key, out);
            wire::number(*place as u64, out);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<FileShare> {
        let mut share = FileShare { has_deferred: reader.flag()?, ..FileShare::default() };
        for _ in 0..reader.count()? {
            let (table, original) = (reader.size()?, reader.bytes()?);
            let special = Special::ALL.into_iter().find(|special| special.original().as_bytes() == original)?;
            share.first_uses.insert((table, special), (reader.bytes()?.to_vec(), reader.size()?));
        }
        Some(share)
    }
}

impl<'t> Gather<'t> for FromFiles {
    type Share = FileShare;

    fn take(&mut self, _: usize, share: FileShare, _: &mut Collector<'t>) -> Result<()> {
        if share.has_deferred {
            self.with_deferred.push(self.splits);
        }
        self.splits += 1;
        for (of, first) in share.first_uses {
            // Splits come in key order: the first one that has it has the first key.
            self.first_uses.entry(of).or_insert(first);
        }
        Ok(())
    }
}

/// Writes the items of a split whose names are unambiguous.
pub(super) struct Writer<'a, 't> {
    pub out: SplitOutput<'t>,
    files: Files<'a>,
    share: FileShare,
}

impl<'t> Writer<'_, 't> {
    /// Writes to `out`.
    pub fn new(out: SplitOutput<'t>) -> Self {
        Writer { out, files: Files::default(), share: FileShare::default() }
    }
}

impl<'a, 't> dynamodb::Writer<'a, 't> for Writer<'a, 't> {
    type Share = FileShare;

    fn finish(mut self) -> Result<(SplitOutput<'t>, FileShare)> {
        self.files.finish(&mut self.out);
        Ok((self.out, self.share))
    }
}

impl<'a> Visitor<'a> for Writer<'a, '_> {
    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        if is_unambiguous(table, item) {
            return self.files.put(&mut self.out, table, item, &mut self.share.first_uses);
        }
        self.share.has_deferred = true;
        Ok(())
    }

    fn stale(&mut self, item: &StaleItem<'a>) -> Result<()> {
        self.files.put_stale(&mut self.out, item)
    }
}

impl<'a> Files<'a> {
    /// Writes an item whose plain name belongs to it alone; records its special segments.
    pub fn put(
        &mut self,
        out: &mut SplitOutput<'_>,
        table: &Table,
        item: &Item<'a>,
        first: &mut FirstUses,
    ) -> Result<()> {
        for (place, special) in self.name(item).iter().enumerate() {
            first.entry((table.place, special)).or_insert_with(|| (item.row_key.to_vec(), place));
        }
        self.store(out, table, item, false).map(drop)
    }

    /// Writes an item under its plain name if that is free, according to `used` or the file system. `None`: it is not.
    pub fn try_put(
        &mut self,
        out: &mut SplitOutput<'_>,
        table: &Table,
        item: &Item<'a>,
        used: Option<&mut UsedNames>,
    ) -> Result<Option<Specials>> {
        let specials = self.name(item);
        let written = match used {
            Some(used) => used.take(table, item) && self.store(out, table, item, false)?,
            None => self.store(out, table, item, true)?,
        };
        Ok(written.then_some(specials))
    }

    /// Writes an item for which [`try_put`](Self::try_put) found no place, under a name with its hash; returns the path below the table.
    pub fn put_collided(
        &mut self,
        out: &mut SplitOutput<'_>,
        table: &Table,
        item: &Item<'a>,
    ) -> Result<(Specials, &str)> {
        self.path.clear();
        let specials = name::collided_item_into(item.key, item.row_key, &mut self.path);
        self.store(out, table, item, false)?;
        Ok((specials, &self.path))
    }

    /// Writes an item of no live generation. Its name is its row key: it is not known which attributes made it.
    pub fn put_stale(&mut self, out: &mut SplitOutput<'_>, item: &StaleItem<'a>) -> Result<()> {
        let (scope, path) = paths::stale(item);
        self.path.clear();
        segment_into(item.key.primary, &mut self.path);
        self.path.push_str(".json");
        let dir = self.folders.open(out.tree(), &format!("{path}/items"), None)?;
        let bytes = if item.stored_len < LARGE {
            self.body.clear();
            self.renderer.file(item.value, &mut self.body);
            out.put(dir, self.path.as_bytes(), &self.body)?;
            self.body.len() as u64
        } else {
            let mut file = out.grow(dir, self.path.as_bytes());
            self.renderer.file(item.value, &mut file);
            out.finish(file)?
        };
        self.count.add(out, &scope, "orphans", bytes);
        Ok(())
    }

    /// Passes the counts on: call it at the end of a task.
    pub fn finish(&mut self, out: &mut SplitOutput<'_>) {
        self.count.flush(out);
    }

    /// Sets the plain path.
    fn name(&mut self, item: &Item<'a>) -> Specials {
        self.path.clear();
        name::item_into(item.key, &mut self.path)
    }

    fn render(&mut self, out: &mut SplitOutput<'_>, table: &Table, item: &Item<'a>) {
        self.body.clear();
        self.renderer.file(item.value, &mut self.body);
        note_untyped(&mut self.renderer, out, table, item);
    }

    /// Writes an item under the current path; `if_free`: only if the file system has no such name yet. Returns whether it did.
    fn store(&mut self, out: &mut SplitOutput<'_>, table: &Table, item: &Item<'a>, if_free: bool) -> Result<bool> {
        let large = item.stored_len >= LARGE;
        if !large {
            self.render(out, table, item);
        }
        let (hash, file) = split(&self.path);
        let (dir, file) = (self.folders.open(out.tree(), &self.paths.get(table).items, hash)?, file.as_bytes());
        if large {
            let file = if if_free { out.grow_new(dir, file)? } else { Some(out.grow(dir, file)) };
            return file.map_or(Ok(false), |file| self.grown(out, table, item, file).map(|()| true));
        }
        let written = if if_free {
            out.try_put(dir, file, &self.body)?
        } else {
            out.put(dir, file, &self.body).map(|()| true)?
        };
        if written {
            self.count.add(out, &self.paths.get(table).scope, "items", self.body.len() as u64);
        }
        Ok(written)
    }

    /// Writes an item that is not kept in memory as a whole.
    fn grown(
        &mut self,
        out: &mut SplitOutput<'_>,
        table: &Table,
        item: &Item<'a>,
        mut file: SpillWriter<'_>,
    ) -> Result<()> {
        self.renderer.file(item.value, &mut file);
        note_untyped(&mut self.renderer, out, table, item);
        let bytes = out.finish(file)?;
        self.count.add(out, &self.paths.get(table).scope, "items", bytes);
        Ok(())
    }
}

/// `items/H.json` or `items/H/R.json`: folder in `items`, and file.
fn split(path: &str) -> (Option<&str>, &str) {
    let below = path.strip_prefix("items/").unwrap_or(path);
    below.split_once('/').map_or((None, below), |(hash, file)| (Some(hash), file))
}
