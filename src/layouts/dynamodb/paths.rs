//! Paths of tables (`rules.md` §2).

use super::name::table_into;
use crate::format::Family;
use crate::format::dynamodb::keys;
use crate::model::dynamodb::{StaleItem, Table};
use crate::output::names::segment;

/// Where a table's files go.
#[derive(Debug, Default)]
pub struct Paths {
    /// Place of the table.
    pub table: usize,
    /// The table as it stands in the manifest: the name of its folder, which no other table has.
    pub scope: String,
    /// Its folder below the root.
    pub dir: String,
    /// The folder of its items.
    pub items: String,
}

impl Paths {
    /// Those of a table.
    pub fn of(table: &Table) -> Paths {
        let mut scope = String::new();
        table_into(&table.name, &mut scope);
        let dir = format!("dynamodb/{scope}");
        let items = format!("{dir}/items");
        Paths { table: table.place, scope, dir, items }
    }

    /// The file of its lines.
    pub fn lines(&self) -> String {
        format!("{}.jsonl", self.dir)
    }
}

/// Paths that are asked for again and again.
#[derive(Debug, Default)]
pub struct HeldPaths(Option<Paths>);

impl HeldPaths {
    /// Those of a table.
    #[inline]
    pub fn get(&mut self, table: &Table) -> &Paths {
        match self.0.take() {
            Some(paths) if paths.table == table.place => self.0.insert(paths),
            _ => self.0.insert(Paths::of(table)),
        }
    }
}

/// Scope in the manifest and path of a stale item: `_orphans/TABLE` and `dynamodb/_orphans/TABLE/gen-N`, with N as it stands in
/// the row key (leading zeros and all, so that it may need a fallback name).
pub fn stale(item: &StaleItem<'_>) -> (String, String) {
    let mut scope = String::from("_orphans/");
    // Its encoding was checked with the key.
    table_into(&keys::table_name(item.key.table).unwrap_or_default(), &mut scope);
    let behind = Family::DdbItem.suffix(item.row_key).get(item.key.table.len() + 1..).unwrap_or_default();
    let generation = behind.split(|b| *b == b'|').next().unwrap_or_default();
    let path = format!("dynamodb/{scope}/{}", segment(&[b"gen-", generation].concat()));
    (scope, path)
}
