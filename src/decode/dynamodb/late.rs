//! Items whose file name depends on the other items of their table, and the tables' KEYMAP.jsonl.
//!
//! Every item that is sure of its name has been written before. The rest is read again, in key order and one by one:
//! the first to come takes the plain name if it is free, any other one gets a name of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use super::files::{Files, FirstSpecials};
use super::findings;
use super::name::{COLLISION, Special};
use super::table::{Table, Tables};
use super::taken::Taken;
use super::unit::Span;
use super::walk::{Found, Live, Walk};
use crate::dataset::DataSet;
use crate::decode::filter::Filter;
use crate::error::Result;
use crate::output::names::keymap_line;
use crate::output::tree::Tree;
use crate::output::unit::{Collector, Growing, UnitOut};
use crate::report::Finding;

/// One table's KEYMAP.jsonl: lines in the order of the user keys that need them, each once.
struct Keymap<'t> {
    /// Special segments of items that are written already, in the order of their first user keys.
    pending: VecDeque<(Vec<u8>, Special)>,
    done: Vec<Special>,
    table: usize,
    file: Option<Growing<'t>>,
}

impl<'t> Keymap<'t> {
    fn new(table: usize, specials: &mut FirstSpecials) -> Self {
        let mut pending = Vec::new();
        for special in [Special::Dot, Special::DotDot, Special::Empty] {
            pending.extend(specials.remove(&(table, special)).map(|first| (first, special)));
        }
        pending.sort();
        let pending = pending.into_iter().map(|((key, _), special)| (key, special)).collect();
        Keymap { pending, done: Vec::new(), table, file: None }
    }

    fn line(&mut self, tree: &'t Tree, table: &Table, encoded: &str, original: &[u8], kind: &str) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                none.insert(UnitOut::new(tree).grow(&Arc::new(tree.make_dir(table.dir.as_bytes())?), b"KEYMAP.jsonl"))
            }
        };
        keymap_line(encoded.as_bytes(), original, kind, &mut file.buffer);
        file.spill()
    }

    /// Writes the line of a special segment unless it is there already.
    fn special(&mut self, tree: &'t Tree, table: &Table, special: Special) -> Result<()> {
        if self.done.contains(&special) {
            return Ok(());
        }
        self.done.push(special);
        self.line(tree, table, special.encoded(), special.original().as_bytes(), special.kind())
    }

    /// Writes the lines that come before `user_key`; without one, all.
    fn advance(&mut self, tree: &'t Tree, table: &Table, user_key: Option<&[u8]>) -> Result<()> {
        while let Some((key, special)) = self.pending.pop_front() {
            if user_key.is_some_and(|before| key.as_slice() >= before) {
                self.pending.push_front((key, special));
                break;
            }
            self.special(tree, table, special)?;
        }
        Ok(())
    }
}

/// Writes what waited.
pub(super) struct Late<'s, 'a, 't> {
    tables: &'s Tables<'s>,
    filter: &'s Filter,
    tree: &'t Tree,
    specials: FirstSpecials,
    files: Files<'a>,
    keymap: Option<Keymap<'t>>,
    /// The names that are taken, unless the tree itself can tell.
    taken: Option<Taken>,
    out: UnitOut<'t>,
}

impl<'s, 'a, 't> Late<'s, 'a, 't> {
    /// `specials`: of all items that are written already; `taken`: for a tree that does not know its names.
    pub fn new(
        tables: &'s Tables<'s>,
        filter: &'s Filter,
        tree: &'t Tree,
        specials: FirstSpecials,
        taken: Option<Taken>,
    ) -> Self {
        Late { tables, filter, tree, specials, files: Files::default(), keymap: None, taken, out: UnitOut::new(tree) }
    }

    /// Writes the items of a span that are not sure of their names. Spans must come in key order.
    ///
    /// # Errors
    /// A failed write, or an input that changed.
    pub fn span(&mut self, set: &DataSet<'a>, span: &Span, collector: &mut Collector<'t>) -> Result<()> {
        let mut walk = Walk::new(set, self.tables, span);
        while let Some(row) = walk.next()? {
            match walk.judge(row) {
                Ok(Found::Live(live)) if !live.sure && live.is_wanted(self.tables, self.filter) => self.item(&live)?,
                Ok(_) => {}
                Err(error) => set.tolerate(error)?,
            }
        }
        self.files.finish(&mut self.out);
        collector.take(std::mem::replace(&mut self.out, UnitOut::new(self.tree)))
    }

    /// Completes every KEYMAP.jsonl.
    ///
    /// # Errors
    /// A failed write.
    pub fn finish(mut self, collector: &mut Collector<'t>) -> Result<()> {
        self.close()?;
        while let Some(((table, _), _)) = self.specials.first_key_value() {
            self.keymap = Some(Keymap::new(*table, &mut self.specials));
            self.close()?;
        }
        collector.take(self.out)
    }

    fn item(&mut self, live: &Live<'a>) -> Result<()> {
        if self.keymap.as_ref().is_none_or(|keymap| keymap.table != live.table) {
            self.close()?;
        }
        let (tree, specials) = (self.tree, &mut self.specials);
        let table = &*self.tables.get(live.table);
        let keymap = self.keymap.get_or_insert_with(|| Keymap::new(live.table, specials));
        keymap.advance(tree, table, Some(live.row.user_key))?;
        if let Some(specials) = self.files.try_put(&mut self.out, table, live, self.taken.as_mut())? {
            return specials.iter().try_for_each(|special| keymap.special(tree, table, special));
        }
        let (specials, path) = self.files.put_collided(&mut self.out, table, live)?;
        specials.iter().try_for_each(|special| keymap.special(tree, table, special))?;
        keymap.line(tree, table, path, live.row.user_key, COLLISION)?;
        let finding = Finding::new(&findings::COLLISION).with("table", table.name.as_slice());
        self.out.findings.add(finding.with("key", live.row.user_key).with("path", path));
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
