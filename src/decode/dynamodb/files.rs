//! A file for each item.

use std::collections::BTreeMap;

use super::findings;
use super::folders::Folders;
use super::name::{self, Special, Specials};
use super::render::ItemRenderer;
use super::table::Table;
use super::taken::Taken;
use super::walk::{Left, Live};
use crate::error::Result;
use crate::format::Adapter;
use crate::output::names::segment_into;
use crate::output::unit::{Growing, UnitOut};
use crate::report::Finding;

/// The first user key of every special segment, and which of its special segments it is, by place of the table.
pub(super) type FirstSpecials = BTreeMap<(usize, Special), (Vec<u8>, usize)>;

/// Items whose rows have so many bytes are not held as a whole once they are rendered.
pub(super) const LARGE: usize = 128 << 10;

/// Writes items.
#[derive(Default)]
pub(super) struct Files<'a> {
    renderer: ItemRenderer<'a>,
    folders: Folders,
    body: Vec<u8>,
    path: String,
    count: Count,
}

/// What was written of one scope and is not in the tally yet: scopes change rarely.
#[derive(Default)]
pub(super) struct Count {
    scope: String,
    kind: &'static str,
    objects: u64,
    bytes: u64,
}

impl<'a> Files<'a> {
    /// Writes an item whose plain name is its own; remembers its special segments.
    pub fn put(
        &mut self,
        out: &mut UnitOut<'_>,
        table: &Table,
        live: &Live<'a>,
        first: &mut FirstSpecials,
    ) -> Result<()> {
        for (place, special) in self.name(live).iter().enumerate() {
            first.entry((live.table, special)).or_insert_with(|| (live.row.user_key.to_vec(), place));
        }
        self.store(out, table, live, false).map(drop)
    }

    /// Writes an item under its plain name if that is free, as `taken` or the file system tells. `None`: it is not.
    pub fn try_put(
        &mut self,
        out: &mut UnitOut<'_>,
        table: &Table,
        live: &Live<'a>,
        taken: Option<&mut Taken>,
    ) -> Result<Option<Specials>> {
        let specials = self.name(live);
        let written = match taken {
            Some(taken) => taken.take(live) && self.store(out, table, live, false)?,
            None => self.store(out, table, live, true)?,
        };
        Ok(written.then_some(specials))
    }

    /// Writes the item that [`try_put`](Self::try_put) found no place for, under a name that has its hash; gives the
    /// path below the table.
    pub fn put_collided(&mut self, out: &mut UnitOut<'_>, table: &Table, live: &Live<'a>) -> Result<(Specials, &str)> {
        self.path.clear();
        let specials = name::collided_item_into(live.key, live.row.user_key, &mut self.path);
        self.store(out, table, live, false)?;
        Ok((specials, &self.path))
    }

    /// Writes an item of no live generation. Its name is its row key: nothing tells which attributes made it.
    pub fn put_left(&mut self, out: &mut UnitOut<'_>, left: &Left<'a>) -> Result<()> {
        let (scope, path) = left.place();
        self.path.clear();
        segment_into(left.key.primary, &mut self.path);
        self.path.push_str(".json");
        let dir = self.folders.open(out.tree(), &format!("{path}/items"), None)?;
        let bytes = if left.row.body.len() < LARGE {
            self.body.clear();
            self.renderer.file(left.item, &mut self.body);
            out.put(dir, self.path.as_bytes(), &self.body)?;
            self.body.len() as u64
        } else {
            let mut file = out.grow(dir, self.path.as_bytes());
            self.renderer.file(left.item, &mut file);
            out.finish(file)?
        };
        self.count.add(out, &scope, "orphans", bytes);
        Ok(())
    }

    /// Hands over what was counted: call it at the end of a unit.
    pub fn finish(&mut self, out: &mut UnitOut<'_>) {
        self.count.flush(out);
    }

    /// Sets the plain path.
    fn name(&mut self, live: &Live<'a>) -> Specials {
        self.path.clear();
        name::item_into(live.key, &mut self.path)
    }

    fn render(&mut self, out: &mut UnitOut<'_>, table: &Table, live: &Live<'a>) {
        self.body.clear();
        self.renderer.file(live.item, &mut self.body);
        note_untyped(&mut self.renderer, out, table, live);
    }

    /// Writes an item under the path at hand; `if_free`: only if the file system has no such name yet. Tells whether it did.
    fn store(&mut self, out: &mut UnitOut<'_>, table: &Table, live: &Live<'a>, if_free: bool) -> Result<bool> {
        let large = live.row.body.len() >= LARGE;
        if !large {
            self.render(out, table, live);
        }
        let (hash, file) = split(&self.path);
        let (dir, file) = (self.folders.open(out.tree(), &table.items, hash)?, file.as_bytes());
        if large {
            let file = if if_free { out.grow_new(dir, file)? } else { Some(out.grow(dir, file)) };
            return file.map_or(Ok(false), |file| self.grown(out, table, live, file).map(|()| true));
        }
        let written = if if_free {
            out.try_put(dir, file, &self.body)?
        } else {
            out.put(dir, file, &self.body).map(|()| true)?
        };
        if written {
            self.count.add(out, &table.scope, "items", self.body.len() as u64);
        }
        Ok(written)
    }

    /// Writes an item that is not held as a whole.
    fn grown(&mut self, out: &mut UnitOut<'_>, table: &Table, live: &Live<'a>, mut file: Growing<'_>) -> Result<()> {
        self.renderer.file(live.item, &mut file);
        note_untyped(&mut self.renderer, out, table, live);
        let bytes = out.finish(file)?;
        self.count.add(out, &table.scope, "items", bytes);
        Ok(())
    }
}

/// `items/H.json` or `items/H/R.json`: folder in `items`, and file.
fn split(path: &str) -> (Option<&str>, &str) {
    let below = path.strip_prefix("items/").unwrap_or(path);
    below.split_once('/').map_or((None, below), |(hash, file)| (Some(hash), file))
}

/// Warns about values that the renderer had to make up.
pub(super) fn note_untyped(renderer: &mut ItemRenderer<'_>, out: &mut UnitOut<'_>, table: &Table, live: &Live<'_>) {
    let values = renderer.take_untyped();
    if values > 0 {
        let finding = Finding::new(&findings::UNTYPED).with("table", table.name.as_slice()).with("values", values);
        out.findings.add(finding.with("key", live.row.user_key));
    }
}

impl Count {
    /// Counts an object.
    pub fn add(&mut self, out: &mut UnitOut<'_>, scope: &str, kind: &'static str, bytes: u64) {
        if (self.kind, self.scope.as_str()) != (kind, scope) {
            self.flush(out);
            (self.scope, self.kind) = (scope.to_owned(), kind);
        }
        self.objects += 1;
        self.bytes += bytes;
    }

    /// Hands over what was counted.
    pub fn flush(&mut self, out: &mut UnitOut<'_>) {
        let count = std::mem::take(self);
        if count.objects > 0 {
            out.tally.add(Adapter::DynamoDb, &count.scope, count.kind, count.objects, count.bytes);
        }
    }
}
