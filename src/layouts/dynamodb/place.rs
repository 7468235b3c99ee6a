//! The content of tables' files.

use crate::format::adapter::DYNAMODB;
use crate::layouts::place::{Place, Shape, split};
use crate::options::Layout;
use crate::output::names::is_for_restore;

/// The content of a file, by its path below `dynamodb/`; `None`: no objects.
pub fn place(layout: Layout, below: &[u8]) -> Option<Place> {
    if layout.is_packed() {
        let name = std::str::from_utf8(below).ok().filter(|name| !name.contains('/') && !is_for_restore(name))?;
        let schema = name.strip_suffix(".schema.json").map(|table| Place::new(DYNAMODB, table, "tables", Shape::Scope));
        let items = || name.strip_suffix(".jsonl").map(|table| Place::new(DYNAMODB, table, "items", Shape::Item));
        return schema.or_else(items);
    }
    let (table, rest) = split(below)?;
    match (rest, rest.strip_prefix(b"items/")) {
        (b"KEYMAP.jsonl", _) => None,
        (b"_schema.json", _) => Some(Place::new(DYNAMODB, &table, "tables", Shape::Scope)),
        (_, Some(name)) if name.starts_with(b"data-") && name.ends_with(b".jsonl") => {
            Some(Place::new(DYNAMODB, &table, "items", Shape::Item))
        }
        (_, Some(name)) => {
            let key = name.strip_suffix(b".json").unwrap_or(name).to_vec();
            Some(Place { key, ..Place::new(DYNAMODB, &table, "items", Shape::ItemFile) })
        }
        _ => Some(Place::whole(DYNAMODB, &table, "others", rest)),
    }
}
