//! Items whose file name depends on the other items of their table, and the tables' KEYMAP.jsonl.
//!
//! Every item with an unambiguous name was written before. The others are read again, in key order and one by one: the first one takes the
//! plain name if it is free, any other one gets a separate name.

use super::files::{Files, FirstUses};
use super::findings;
use super::keymap::Keymap;
use super::unambiguous::is_unambiguous;
use super::used_names::UsedNames;
use crate::adapters::dynamodb::{self, Tables};
use crate::dataset::{DataSet, KeyRange};
use crate::error::Result;
use crate::layouts::dynamodb::name::COLLISION;
use crate::model::dynamodb::{Item, StaleItem, Table, Visitor};
use crate::options::Options;
use crate::output::split::{Collector, SplitOutput};
use crate::output::tree::Tree;
use crate::report::Finding;

/// Writes the deferred items.
pub(super) struct Deferred<'s, 'a, 't> {
    tables: &'s Tables<'s>,
    tree: &'t Tree,
    first_uses: FirstUses,
    files: Files<'a>,
    keymap: Option<Keymap<'t>>,
    /// The used names, unless the tree itself knows them.
    used: Option<UsedNames>,
    out: SplitOutput<'t>,
}

impl<'s, 'a, 't> Deferred<'s, 'a, 't> {
    /// `first_uses`: of all items that are written already; `used`: for a tree that does not know its names.
    pub fn new(tables: &'s Tables<'s>, tree: &'t Tree, first_uses: FirstUses, used: Option<UsedNames>) -> Self {
        Deferred { tables, tree, first_uses, files: Files::default(), keymap: None, used, out: SplitOutput::new(tree) }
    }

    /// Writes the ambiguous items of a split. Splits must come in key order.
    ///
    /// # Errors
    /// A failed write, or an input that changed.
    pub fn split(
        &mut self,
        set: &DataSet<'a>,
        split: &KeyRange,
        options: &Options,
        collector: &mut Collector<'t>,
    ) -> Result<()> {
        // The findings were reported when the split was read first.
        dynamodb::read(set, self.tables, split, options, self)?;
        self.files.finish(&mut self.out);
        collector.take(std::mem::replace(&mut self.out, SplitOutput::new(self.tree)))
    }

    /// Completes every KEYMAP.jsonl.
    ///
    /// # Errors
    /// A failed write.
    pub fn finish(mut self, collector: &mut Collector<'t>) -> Result<()> {
        self.close()?;
        while let Some(((table, _), _)) = self.first_uses.first_key_value() {
            self.keymap = Some(Keymap::new(*table, &mut self.first_uses));
            self.close()?;
        }
        collector.take(self.out)
    }

    fn write(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        if self.keymap.as_ref().is_none_or(|keymap| keymap.table != table.place) {
            self.close()?;
        }
        let (tree, first_uses) = (self.tree, &mut self.first_uses);
        let keymap = self.keymap.get_or_insert_with(|| Keymap::new(table.place, first_uses));
        keymap.advance(tree, table, Some(item.row_key))?;
        if let Some(specials) = self.files.try_put(&mut self.out, table, item, self.used.as_mut())? {
            return specials.iter().try_for_each(|special| keymap.special(tree, table, special));
        }
        let (specials, path) = self.files.put_collided(&mut self.out, table, item)?;
        specials.iter().try_for_each(|special| keymap.special(tree, table, special))?;
        keymap.line(tree, table, path, item.row_key, COLLISION)?;
        let finding = Finding::new(&findings::COLLISION).with("table", table.name.as_slice());
        self.out.findings.add(finding.with("key", item.row_key).with("path", path));
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(mut keymap) = self.keymap.take() else { return Ok(()) };
        keymap.advance(self.tree, &self.tables.get(keymap.table), None)?;
        if let Some(file) = keymap.file {
            self.out.finish(file)?;
        }
        Ok(())
    }
}

impl<'a> Visitor<'a> for Deferred<'_, 'a, '_> {
    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        if is_unambiguous(table, item) { Ok(()) } else { self.write(table, item) }
    }

    fn stale(&mut self, _: &StaleItem<'a>) -> Result<()> {
        Ok(())
    }
}
