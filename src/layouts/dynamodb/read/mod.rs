//! Reads tables and items of an output back into objects.
//!
//! The schemas are read first: they define which attributes of an item make its row key. The names of files are not needed. An output for a
//! restore has a file with the row keys that do not follow from the attributes.

mod attributes;
mod canonical;
mod document;
mod moved;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read;
use std::marker::PhantomData;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bumpalo::Bump;
use serde::Deserialize;

use super::paths::{File, table_of};
use crate::error::Result;
use crate::format::dynamodb::item::item_into;
use crate::format::dynamodb::keys::{ItemKey, item_prefix_into};
use crate::format::dynamodb::schema::Liveness;
use crate::format::dynamodb::{self, PrimaryKey};
use crate::layouts::reading::{self, Binary, Budget, Lines, Part, Text, wrong};
use crate::model::dynamodb::{Item, Table, TableVisitor};
use crate::options::Layout;
use moved::Moved;

/// Reads the tables of one output.
pub struct Reader {
    layout: Layout,
    /// Tables by the names of their files.
    tables: BTreeMap<String, Table>,
    moved: Moved,
}

/// A line of the file of generations.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Counter {
    name: Binary,
    generation: u64,
}

/// Items are rendered and encoded into these.
#[derive(Default)]
struct Buffers {
    value: Vec<u8>,
    row_key: Vec<u8>,
}

impl Reader {
    /// Reads an output of some layout; tables go to the file system of `scratch`.
    pub fn new(layout: Layout, scratch: &Path) -> Reader {
        Reader { layout, tables: BTreeMap::new(), moved: Moved::new(scratch) }
    }

    fn table(&self, path: &[u8], scope: &str) -> Result<&Table> {
        self.tables.get(scope).ok_or_else(|| wrong(path, "its table has no schema"))
    }
}

impl<V: TableVisitor> reading::Reader<V> for Reader {
    /// The role of the file at a path; `None`: no decode writes it.
    fn part(&self, path: &[u8]) -> Option<Part> {
        Some(match File::of(self.layout, path)? {
            File::Document(_) | File::Generations | File::KeyMap | File::Rows => Part::Sidecar,
            File::Item(_) | File::Items(_) => Part::Objects,
            File::Aside => Part::Aside,
        })
    }

    /// Reads a document, or another file that is needed before the items, and passes on tables and generations.
    ///
    /// # Errors
    /// A failed read, a file that is not what a decode writes, or the error of the visitor.
    fn sidecar(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()> {
        match File::of(self.layout, path) {
            Some(File::Document(scope)) => {
                let schema = document::read(path, bytes)?;
                let name = table_of(scope, &schema.table_name);
                let name = name.ok_or_else(|| wrong(path, "its path is not that of its table"))?;
                let encoded = URL_SAFE_NO_PAD.encode(&name).into_bytes();
                let table = Table { place: self.tables.len(), encoded, name, schema };
                visitor.table(&table)?;
                self.tables.insert(scope.to_owned(), table);
                Ok(())
            }
            // Its digest is checked, and its content is not needed.
            Some(File::KeyMap) => Ok(()),
            Some(File::Rows) => self.moved.read(path, bytes),
            Some(File::Generations) => generations(path, bytes, visitor),
            _ => Err(wrong(path, "it is not a sidecar file")),
        }
    }

    /// Called after all sidecars.
    ///
    /// # Errors
    /// A failed spill.
    fn settle(&mut self) -> Result<()> {
        self.moved.settle()
    }

    /// Passes on the objects of a file.
    ///
    /// # Errors
    /// A failed read, a file that is not what a decode writes, or the error of the visitor.
    fn objects(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()> {
        let Some(File::Item(scope)) = File::of(self.layout, path) else {
            return Err(wrong(path, "no decode writes such a file"));
        };
        let table = self.table(path, scope)?;
        let (budget, failed, mut buffers) = (Budget::default(), Cell::new(None), Buffers::default());
        let item = Text::new(path, bytes).document(&budget, attributes::Attributes, &failed)?;
        item_into(&item, &mut buffers.value);
        give(table, &self.moved, &mut buffers, visitor, &|why| wrong(path, why))
    }

    /// Whether the file has lines of items.
    ///
    /// # Errors
    /// A table without a schema.
    fn begin_lines(&mut self, path: &[u8], _: &mut V) -> Result<bool> {
        match File::of(self.layout, path) {
            Some(File::Items(scope)) => self.table(path, scope).map(|_| true),
            _ => Ok(false),
        }
    }

    /// Passes on the items of some lines.
    ///
    /// # Errors
    /// A failed read, lines that are not what a decode writes, or the error of the visitor.
    fn lines(&self, path: &[u8], lines: &mut Lines<'_>, visitor: &mut V) -> Result<()> {
        let Some(File::Items(scope)) = File::of(self.layout, path) else {
            return Err(wrong(path, "no decode writes such a file"));
        };
        let table = self.table(path, scope)?;
        let (budget, failed, mut buffers) = (Budget::default(), Cell::new(None), Buffers::default());
        let mut arena = Bump::new();
        loop {
            arena.reset();
            buffers.value.clear();
            if lines.canonical(|line| canonical::line(line, &arena, &mut buffers.value)).is_none() {
                let Some(item) = lines.next(&budget, attributes::Line, &failed)? else { return Ok(()) };
                buffers.value.clear();
                item_into(&item, &mut buffers.value);
            }
            give(table, &self.moved, &mut buffers, visitor, &|why| lines.wrong(why))?;
        }
    }

    /// Called after all files.
    ///
    /// # Errors
    /// The row key of an item that does not exist.
    fn finish(&self) -> Result<()> {
        self.moved.all_are_used()
    }
}

/// Passes on the item whose value is in the buffers.
fn give(
    table: &Table,
    moved: &Moved,
    buffers: &mut Buffers,
    visitor: &mut impl TableVisitor,
    wrong: &dyn Fn(&str) -> crate::Error,
) -> Result<()> {
    let Buffers { value, row_key } = buffers;
    let parsed = dynamodb::Item::of_encoder(value).map_err(|fault| wrong(&crate::Error::from(fault).to_string()))?;
    let key = PrimaryKey::of(parsed, &table.schema.key);
    let key = key.map_err(|fault| wrong(&crate::Error::from(fault).to_string()))?;
    row_key.clear();
    item_prefix_into(&table.encoded, table.schema.generation, row_key);
    let told = key.row_bytes_into(table.version_of(Liveness::Active), row_key);
    let matches_row_key = match moved.row_of(table, parsed)? {
        Some((generation, primary)) => {
            row_key.clear();
            ItemKey { table: &table.encoded, generation, primary: &primary }.encode(row_key);
            is_told(table, key, generation, &primary)
        }
        None if told.is_some() => true,
        None => return Err(wrong("a number in its key is not one that a row can have")),
    };
    visitor.item(table, &Item { value: parsed, key, row_key, stored_len: value.len(), matches_row_key })
}

/// Whether the attributes of an item give its row key in a generation.
pub(super) fn is_told(table: &Table, key: PrimaryKey<'_>, generation: u64, primary: &[u8]) -> bool {
    let mut told = Vec::new();
    let version = table.version_of(table.schema.liveness(generation));
    key.row_bytes_into(version, &mut told).is_some() && told == primary
}

fn generations(path: &[u8], bytes: &mut dyn Read, visitor: &mut impl TableVisitor) -> Result<()> {
    let (budget, failed) = (Budget::default(), Cell::new(None));
    let mut lines = Text::new(path, bytes).lines();
    while let Some(Counter { name, generation }) = lines.next(&budget, PhantomData::<Counter>, &failed)? {
        visitor.generation(&name.0, generation)?;
    }
    Ok(())
}
