//! Incremental exports: the changes between two moments of the inputs' history, or between two snapshots (`aws-export.md` §5).
//!
//! The items of both states are paired by a hash of their keys (`sides.rs`). An item in the same row did not change. The others are read,
//! compared and written in the order of the hash, like the items of a full export.

use std::sync::Arc;

use super::export::Lines;
use super::gzip::Compressor;
use super::limits::{Checker, Importable, Limits, Reason};
use super::lines::{Rendered, TOGETHER};
use super::refused;
use super::sides::{Sight, Union};
use crate::adapters::dynamodb::Tables;
use crate::dataset::{DataSet, after_prefix};
use crate::error::Result;
use crate::format::dynamodb::item::Entry;
use crate::format::dynamodb::{Item, PrimaryKey};
use crate::format::mvcc::hlc_millis;
use crate::format::{Family, Fault, adapter};
use crate::index::Layout;
use crate::layouts::dynamodb::paths::Paths;
use crate::layouts::dynamodb::render::ItemRenderer;
use crate::model::dynamodb::Table;
use crate::output::nested::Nested;
use crate::output::out::Out;
use crate::output::split::SplitOutput;
use crate::output::tree::Tree;

/// Values up to this size are compared in rendered form, larger ones in stored form.
const SMALL: usize = 1 << 20;

/// Renders changes.
#[derive(Clone, Copy)]
pub(super) struct Changes<'r, 'a, 't> {
    /// The earlier state and the later one.
    pub sets: [&'r DataSet<'a>; 2],
    /// Whether both are states of one history: then a row has the same position in both.
    pub one_store: bool,
    pub tables: Union<'r, 'a>,
    pub tree: &'t Tree,
    /// The moment of the earlier state, and the last one of the later (HLC).
    pub from: u64,
    pub to: u64,
}

/// An item in one of the states.
#[derive(Clone, Copy)]
struct Image<'a> {
    row: &'a [u8],
    item: Item<'a>,
    key: PrimaryKey<'a>,
    user_key: &'a [u8],
    commit_ts: u64,
}

impl<'a, 't> Changes<'_, 'a, 't> {
    /// Renders a piece, which is of one table.
    pub fn piece(&self, sights: &[Sight]) -> Result<Rendered<'t>> {
        let number = sights.first().map_or(0, |sight| sight.table as usize);
        let tables = self.tables.of(number);
        let limits = [self.tables.before, self.tables.after]
            .into_iter()
            .zip(&tables)
            .map(|(all, table)| limits(all, table.as_deref()));
        let limits: Vec<Limits> = limits.collect();
        let mut writing = Writing {
            changes: self,
            tables: &tables,
            limits: &limits,
            paths: Paths::of(&self.tables.any(number)),
            renderer: ItemRenderer::default(),
            checker: Checker::default(),
            out: SplitOutput::new(self.tree),
            text: self.tree.buffer(),
            count: 0,
        };
        let pairs: Vec<&[Sight]> =
            sights.chunk_by(|a, b| a.id == b.id).filter(|pair| !self.is_same_row(pair)).collect();
        for pairs in pairs.chunks(TOGETHER) {
            for (set, is_after) in self.sets.into_iter().zip([false, true]) {
                let own = pairs.iter().copied().flatten().filter(|sight| sight.is_after == is_after);
                set.warm(own.map(|sight| (sight.row, sight.len as usize)));
            }
            pairs.iter().try_for_each(|pair| writing.of_one_id(pair))?;
        }
        let Writing { mut out, text, count, paths, .. } = writing;
        let lines = Lines { piece: Compressor::default().piece(&text)?, count, bytes: text.len() as u64 };
        self.tree.recycle(text);
        out.tally.scope(adapter::DYNAMODB, &paths.scope);
        if count > 0 {
            out.tally.add(adapter::DYNAMODB, &paths.scope, "changes", count, lines.bytes);
        }
        Ok(Rendered { table: number, lines, out })
    }

    /// The item at a position of one of the states.
    fn image(&self, sight: &Sight, table: &Table) -> Result<Image<'a>> {
        let set = self.sets[usize::from(sight.is_after)];
        let row = set.row_at(sight.row)?;
        let at = |fault: Fault| set.locate(row.fault(Family::DdbItem, fault));
        let item = Item::parse(row.body).map_err(at)?;
        let key = PrimaryKey::of(item, &table.schema.key).map_err(at)?;
        Ok(Image { row: row.body, item, key, user_key: row.user_key, commit_ts: row.commit_ts })
    }

    /// Whether both states have the item in the same row. Rows of applied intents are numbered separately in each state, and in `EKVMVCC2`
    /// all versions of a key have one position.
    fn is_same_row(&self, pair: &[Sight]) -> bool {
        let [before, after] = pair else { return false };
        let group = self.sets[0].groups().get(before.row.group as usize);
        let tells_version = self.one_store && group.is_some_and(|group| group.index.layout == Layout::Pebble);
        tells_version && before.row == after.row && before.is_after != after.is_after
    }

    /// When an item was deleted: the time of its tombstone, or the last moment if something else deleted it.
    fn deleted_at(&self, image: &Image<'a>) -> Result<u64> {
        let mut newest = 0;
        self.sets[1].versions(image.user_key, after_prefix(image.user_key).as_deref(), &mut |version| {
            if version.user_key == image.user_key && version.commit_ts <= self.to {
                newest = newest.max(version.commit_ts);
            }
            Ok(())
        })?;
        Ok(if newest > self.from { newest } else { self.to })
    }
}

/// The limits for the items of a table.
fn limits(tables: &Tables<'_>, table: Option<&Table>) -> Limits {
    let stored = table.and_then(|table| Some((table, tables.stored(table.place)?)));
    stored.map_or_else(Limits::default, |(table, stored)| Limits::of(&Importable::of(&table.name, &stored)))
}

/// Writes the changes of a table.
struct Writing<'w, 'r, 'a, 't> {
    changes: &'w Changes<'r, 'a, 't>,
    tables: &'w [Option<Arc<Table>>; 2],
    limits: &'w [Limits],
    paths: Paths,
    renderer: ItemRenderer<'a>,
    checker: Checker<'a>,
    out: SplitOutput<'t>,
    text: Vec<u8>,
    count: u64,
}

impl<'a> Writing<'_, '_, 'a, '_> {
    /// Writes the changes of the items with one hash, which are one item except after a collision.
    fn of_one_id(&mut self, sights: &[Sight]) -> Result<()> {
        let mut images = [Vec::new(), Vec::new()];
        for sight in sights {
            if let Some(table) = &self.tables[usize::from(sight.is_after)] {
                images[usize::from(sight.is_after)].push(self.changes.image(sight, table)?);
            }
        }
        let [mut before, after] = images;
        for new in after {
            let old = before.iter().position(|old| old.key == new.key).map(|at| before.remove(at));
            self.change(old, Some(new))?;
        }
        before.into_iter().try_for_each(|old| self.change(Some(old), None))
    }

    fn change(&mut self, old: Option<Image<'a>>, new: Option<Image<'a>>) -> Result<()> {
        if let (Some(old), Some(new)) = (&old, &new)
            && self.are_equal(old, new)
        {
            return Ok(());
        }
        let (Some(image), Some(table)) = (new.or(old), self.tables[usize::from(new.is_some())].as_deref()) else {
            return Ok(());
        };
        let written = if new.is_some() { image.commit_ts } else { self.changes.deleted_at(&image)? };
        let mut keys = Vec::new();
        image.item.attributes().push_sorted(&mut keys);
        let names = [&table.schema.key.hash, &table.schema.key.range];
        keys.retain(|entry| names.iter().any(|name| *name == entry.name));
        let change = Change { written, keys, old: old.map(|old| old.item), new: new.map(|new| new.item) };
        match self.refusal(&change) {
            Some(why) => {
                let (renderer, place) = (&mut self.renderer, (table, &*self.paths.dir));
                let bytes = refused::item(place, &image.key, &why, &mut self.out, |w| change.members(renderer, w))?;
                self.out.tally.add(adapter::DYNAMODB, &self.paths.scope, refused::KIND, 1, bytes);
            }
            None => {
                Nested::<false>::new(&mut self.text).object(|w| change.members(&mut self.renderer, w));
                self.text.push(b'\n');
                self.count += 1;
            }
        }
        Ok(())
    }

    /// Whether two states of an item are equal.
    fn are_equal(&mut self, old: &Image<'a>, new: &Image<'a>) -> bool {
        if old.row == new.row || old.row.len().max(new.row.len()) > SMALL {
            return old.row == new.row;
        }
        let [old, new] = [old, new].map(|image| {
            let mut line = Vec::new();
            self.renderer.line(image.item, &mut line);
            line
        });
        old == new
    }

    fn refusal(&mut self, change: &Change<'a>) -> Option<Reason> {
        let old = change.old.and_then(|item| self.checker.check(&self.limits[0], item).err());
        let new = change.new.and_then(|item| self.checker.check(&self.limits[1], item).err());
        new.or_else(|| old.map(|why| format!("before the change: {why}")))
    }
}

/// A line.
struct Change<'a> {
    /// When it was written (HLC).
    written: u64,
    keys: Vec<Entry<'a>>,
    old: Option<Item<'a>>,
    new: Option<Item<'a>>,
}

impl<'a> Change<'a> {
    fn members(&self, renderer: &mut ItemRenderer<'a>, w: &mut Nested<'_, false, impl Out>) {
        w.plain_member("Metadata");
        w.object(|w| {
            w.plain_member("WriteTimestampMicros");
            w.object(|w| w.text_member("N", &hlc_millis(self.written).saturating_mul(1000).to_string()));
        });
        w.plain_member("Keys");
        renderer.object(&self.keys, w.out());
        if let Some(old) = self.old {
            renderer.member("OldImage", old, w);
        }
        if let Some(new) = self.new {
            renderer.member("NewImage", new, w);
        }
    }
}
