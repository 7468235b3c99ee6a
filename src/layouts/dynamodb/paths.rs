//! Paths of tables (`rules.md` §2).

use super::name::{ORPHANS, Special, table_into};
use crate::format::Family;
use crate::format::dynamodb::keys;
use crate::layouts;
use crate::model::dynamodb::{StaleItem, Table};
use crate::options::Layout;
use crate::output::names::{GENERATIONS, ROWS, segment, unsegment};

/// The folder of all tables.
pub(super) const FOLDER: &str = "dynamodb";
/// The schema of a table, in its folder.
pub(in crate::layouts) const DOCUMENT: &str = "_schema.json";
/// The same, after the name of the table.
pub(in crate::layouts) const PACKED_DOCUMENT: &str = ".schema.json";

/// The file of a table's items in the packed layout, by the name or the path of the table's folder.
pub(in crate::layouts) fn packed_items(table: &str) -> String {
    format!("{table}.jsonl")
}

/// The file of generations that are not in any schema, in both layouts.
pub(in crate::layouts) fn generations() -> String {
    format!("{FOLDER}/{GENERATIONS}")
}

/// The file of row keys that do not follow from the attributes of items, in both layouts.
pub(in crate::layouts) fn rows() -> String {
    format!("{FOLDER}/{ROWS}")
}

/// The paths of a table's files.
#[derive(Debug, Default)]
pub struct Paths {
    /// Number of the table.
    pub table: usize,
    /// The table's name in the manifest: the name of its folder, which no other table has.
    pub scope: String,
    /// Its folder below the root.
    pub dir: String,
    /// The folder of its items.
    pub items: String,
}

impl Paths {
    /// The paths of a table.
    pub fn of(table: &Table) -> Paths {
        let mut scope = String::new();
        table_into(&table.name, &mut scope);
        let dir = format!("dynamodb/{scope}");
        let items = format!("{dir}/items");
        Paths { table: table.place, scope, dir, items }
    }

    /// The file of its lines.
    pub fn lines(&self) -> String {
        packed_items(&self.dir)
    }
}

/// Paths that are needed repeatedly.
#[derive(Debug, Default)]
pub struct HeldPaths(Option<Paths>);

impl HeldPaths {
    /// The paths of a table.
    #[inline]
    pub fn get(&mut self, table: &Table) -> &Paths {
        match self.0.take() {
            Some(paths) if paths.table == table.place => self.0.insert(paths),
            _ => self.0.insert(Paths::of(table)),
        }
    }
}

/// Scope in the manifest and path of a stale item: `_orphans/TABLE` and `dynamodb/_orphans/TABLE/gen-N`, with N in the form of the row key
/// (with leading zeros, so that it may need a fallback name).
pub fn stale(item: &StaleItem<'_>) -> (String, String) {
    let mut scope = String::from("_orphans/");
    // Its encoding was checked with the key.
    table_into(&keys::table_name(item.key.table).unwrap_or_default(), &mut scope);
    let behind = Family::DdbItem.suffix(item.row_key).get(item.key.table.len() + 1..).unwrap_or_default();
    let generation = behind.split(|b| *b == b'|').next().unwrap_or_default();
    let path = format!("dynamodb/{scope}/{}", segment(&[b"gen-", generation].concat()));
    (scope, path)
}

/// A file of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File<'p> {
    /// The schema of the table with this file name.
    Document(&'p str),
    /// One of its items.
    Item(&'p str),
    /// Its items, or some of them, as lines.
    Items(&'p str),
    /// Names of items that do not show their keys. The items do.
    KeyMap,
    /// Generations that are not in any schema.
    Generations,
    /// Row keys that do not follow from the attributes of items.
    Rows,
    /// Items that the server does not serve.
    Aside,
}

impl File<'_> {
    /// The file at a path; `None`: no decode writes it.
    pub fn of(layout: Layout, path: &[u8]) -> Option<File<'_>> {
        let path = layouts::joined(layout, path);
        let below = std::str::from_utf8(path).ok()?.strip_prefix(FOLDER)?.strip_prefix('/')?;
        match below {
            GENERATIONS => return Some(File::Generations),
            ROWS => return Some(File::Rows),
            _ => {}
        }
        let Some((table, rest)) = below.split_once('/') else {
            let stem = |end| below.strip_suffix(end).filter(|_| layout == Layout::JSONL);
            return stem(PACKED_DOCUMENT).map(File::Document).or_else(|| stem(".jsonl").map(File::Items));
        };
        if table.as_bytes() == ORPHANS && is_aside(layout, rest) {
            return Some(File::Aside);
        }
        match rest {
            _ if layout == Layout::JSONL => None,
            DOCUMENT => Some(File::Document(table)),
            "KEYMAP.jsonl" => Some(File::KeyMap),
            _ => of_items(table, rest.strip_prefix("items/")?),
        }
    }
}

/// `TABLE/gen-N/items/KEY.json`, or `TABLE/gen-N.jsonl`. A table of the public decoder can have the folder of orphans.
fn is_aside(layout: Layout, rest: &str) -> bool {
    let parts: Vec<&str> = rest.splitn(5, '/').collect();
    match (layout, &*parts) {
        (Layout::TREE, [_, generation, "items", _]) => !generation.ends_with(".json"),
        (Layout::JSONL, [_, file]) => file.ends_with(".jsonl"),
        _ => false,
    }
}

fn of_items<'p>(table: &'p str, below: &'p str) -> Option<File<'p>> {
    match below.split_once('/') {
        Some((_, file)) if file.contains('/') || !file.ends_with(".json") => None,
        None if below.ends_with(".jsonl") => Some(File::Items(table)),
        None if !below.ends_with(".json") => None,
        _ => Some(File::Item(table)),
    }
}

/// The name of the table whose files are named `scope`; `told`: the name in its schema, which need not be that of its key.
pub(super) fn table_of(scope: &str, told: &str) -> Option<Vec<u8>> {
    let scope_of = |name: &[u8]| {
        let mut scope = String::new();
        table_into(name, &mut scope);
        scope
    };
    let by_scope = || match scope {
        _ if scope == Special::Empty.encoded() => Some(Vec::new()),
        "%5Forphans" => Some(ORPHANS.to_vec()),
        _ => unsegment(scope),
    };
    // The public decoder does not rename a table with the name of the orphans' folder.
    let is_named = |name: &Vec<u8>| scope_of(name) == scope || (name == ORPHANS && scope.as_bytes() == ORPHANS);
    [Some(told.as_bytes().to_vec()), by_scope()].into_iter().flatten().find(is_named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_written() {
        for name in ["t", "a.jsonl", "a.schema.json", "_orphans", "items", ".", "..", "_generations~"] {
            let paths = Paths::of(&Table { name: name.into(), ..Table::default() });
            let scope = &*paths.scope;
            let cases = [
                (Layout::TREE, format!("{}/{DOCUMENT}", paths.dir), File::Document(scope)),
                (Layout::TREE, format!("{}/KEYMAP.jsonl", paths.dir), File::KeyMap),
                (Layout::TREE, format!("{}/h.json", paths.items), File::Item(scope)),
                (Layout::TREE, format!("{}/h/r.json", paths.items), File::Item(scope)),
                (Layout::TREE, format!("{}/data-00001.jsonl", paths.items), File::Items(scope)),
                (Layout::TREE, format!("dynamodb/_orphans/{scope}/gen-3/items/k.json"), File::Aside),
                (Layout::JSONL, format!("{}{PACKED_DOCUMENT}", paths.dir), File::Document(scope)),
                (Layout::JSONL, paths.lines(), File::Items(scope)),
                (Layout::JSONL, format!("dynamodb/_orphans/{scope}/gen-3.jsonl"), File::Aside),
            ];
            for (layout, path, want) in cases {
                assert_eq!(File::of(layout, path.as_bytes()), Some(want), "{path}");
            }
            for told in [name, "other"] {
                assert_eq!(table_of(scope, told), Some(name.into()), "{name}");
            }
        }
        for layout in [Layout::TREE, Layout::JSONL] {
            assert_eq!(File::of(layout, generations().as_bytes()), Some(File::Generations));
            assert_eq!(File::of(layout, rows().as_bytes()), Some(File::Rows));
            for odd in ["dynamodb/t/x", "dynamodb/t/items/a/b/c.json", "dynamodb/t/items/x.bin", "dynamodb/t"] {
                assert_eq!(File::of(layout, odd.as_bytes()), None, "{odd}");
            }
        }
        assert_eq!(File::of(Layout::TREE, b"dynamodb/_orphans/items/h/r.json"), Some(File::Item("_orphans")));
        assert_eq!(table_of("_orphans", "_orphans"), Some(b"_orphans".to_vec()));
        let long = "x".repeat(300);
        let scope = Paths::of(&Table { name: long.clone().into(), ..Table::default() }).scope;
        assert_eq!(table_of(&scope, &long), Some(long.into_bytes()));
        assert_eq!(table_of(&scope, "other"), None);
    }
}
