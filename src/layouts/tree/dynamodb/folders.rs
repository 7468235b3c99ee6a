//! The folders that items are written to: the last ones stay open, because items come sorted.

use std::sync::Arc;

use crate::error::Result;
use crate::output::tree::{Dir, Tree};

/// The folder of one table's items, and that of one hash key in it. At most these two handles are open, however many tables and hash keys
/// there are.
#[derive(Default)]
pub(super) struct Folders {
    items: Option<(String, Arc<Dir>)>,
    hash: Option<(String, Arc<Dir>)>,
}

impl Folders {
    /// The folder at `items`, or the one of a hash key in it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(&mut self, tree: &Tree, items: &str, hash: Option<&str>) -> Result<&Arc<Dir>> {
        if self.items.as_ref().is_none_or(|(path, _)| path != items) {
            self.hash = None;
        }
        let table = held(&mut self.items, items, || tree.make_dir(items.as_bytes()))?;
        match hash {
            Some(hash) => held(&mut self.hash, hash, || tree.make_dir_in(table, hash.as_bytes())),
            None => Ok(table),
        }
    }
}

/// The open folder if it has this name, otherwise a new one in its place.
fn held<'d>(
    slot: &'d mut Option<(String, Arc<Dir>)>,
    name: &str,
    make: impl FnOnce() -> Result<Dir>,
) -> Result<&'d Arc<Dir>> {
    let folder = match slot.take().filter(|(held, _)| held == name) {
        Some(folder) => folder,
        None => (name.to_owned(), Arc::new(make()?)),
    };
    Ok(&slot.insert(folder).1)
}
