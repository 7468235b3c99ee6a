//! KEYMAP.jsonl of a table: names that do not show their key.

use std::collections::VecDeque;
use std::sync::Arc;

use super::files::FirstUses;
use crate::error::Result;
use crate::layouts::dynamodb::name::Special;
use crate::layouts::dynamodb::paths::Paths;
use crate::model::dynamodb::Table;
use crate::output::names::keymap_line;
use crate::output::split::{SpillWriter, SplitOutput};
use crate::output::tree::Tree;

/// One table's KEYMAP.jsonl: lines in the order of the user keys that need them, each once.
pub(super) struct Keymap<'t> {
    /// Special segments of items that are written already, in the order of their first user keys.
    pending: VecDeque<(Vec<u8>, Special)>,
    done: Vec<Special>,
    /// Number of the table.
    pub table: usize,
    /// The file, as soon as it has lines.
    pub file: Option<SpillWriter<'t>>,
}

impl<'t> Keymap<'t> {
    /// `uses`: those of the items that are written already.
    pub fn new(table: usize, uses: &mut FirstUses) -> Self {
        let mut pending = Vec::new();
        for special in [Special::Dot, Special::DotDot, Special::Empty] {
            pending.extend(uses.remove(&(table, special)).map(|first| (first, special)));
        }
        pending.sort();
        let pending = pending.into_iter().map(|((key, _), special)| (key, special)).collect();
        Keymap { pending, done: Vec::new(), table, file: None }
    }

    /// Appends a line.
    pub fn line(&mut self, tree: &'t Tree, table: &Table, encoded: &str, original: &[u8], kind: &str) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(
                SplitOutput::new(tree)
                    .grow(&Arc::new(tree.make_dir(Paths::of(table).dir.as_bytes())?), b"KEYMAP.jsonl"),
            ),
        };
        keymap_line(encoded.as_bytes(), original, kind, &mut file.buffer);
        file.spill()
    }

    /// Writes the line of a special segment unless it is already written.
    pub fn special(&mut self, tree: &'t Tree, table: &Table, special: Special) -> Result<()> {
        if self.done.contains(&special) {
            return Ok(());
        }
        self.done.push(special);
        self.line(tree, table, special.encoded(), special.original().as_bytes(), special.kind())
    }

    /// Writes the lines that come before `user_key`; without it, all lines.
    pub fn advance(&mut self, tree: &'t Tree, table: &Table, user_key: Option<&[u8]>) -> Result<()> {
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
