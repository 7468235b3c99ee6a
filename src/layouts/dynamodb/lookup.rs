//! One item of an output.
//!
//! Items are compared by the row key of their attributes, in the encodings of the table's schema: names of files show neither types nor the
//! form of numbers.

use std::collections::BTreeSet;

use super::name;
use super::paths::{DOCUMENT, FOLDER, PACKED_DOCUMENT, packed_items};
use crate::adapters::dynamodb::key_text::{Key, keys, rows};
use crate::error::Result;
use crate::format::Family;
use crate::format::dynamodb::keys::ItemKey;
use crate::layouts::lookup::{Files, Lookup, Wanted, compact_into, indented, scan};
use crate::layouts::members::{self, KeyNames};

/// Writes the requested item; returns whether it exists.
///
/// # Errors
/// As [`lookup`](crate::registry::lookup).
pub fn lookup(at: &mut Lookup<'_>) -> Result<bool> {
    let mut table = String::new();
    name::table_into(&at.one.name, &mut table);
    let about = match at.packed {
        true => format!("{FOLDER}/{table}{PACKED_DOCUMENT}"),
        false => format!("{FOLDER}/{table}/{DOCUMENT}"),
    };
    let Some(schema) = at.files([about.clone().into_bytes()])?.whole(about.as_bytes())? else {
        return Ok(false);
    };
    let asked = Asked::of(&schema, at.rest())
        .ok_or_else(|| at.wrong(about.as_bytes(), "the schema of a table cannot be read"))?;
    let below = format!("{FOLDER}/{table}/").into_bytes();
    if at.packed {
        let path = packed_items(&format!("{FOLDER}/{table}")).into_bytes();
        let files = at.files([path.clone()])?;
        return item_line(at, &files, &path, &asked);
    }
    if item_file(at, &below, &asked)? {
        return Ok(true);
    }
    let prefix = Some([&*below, b"items/data-"].concat());
    let bundles = Files::open(at.path, &Wanted { prefix, ..Wanted::default() })?;
    for path in bundles.below(&below).iter().filter(|path| path.ends_with(b".jsonl")) {
        if item_line(at, &bundles, path, &asked)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes an item that is a line. In the form of lines, writes all items that the text can mean.
fn item_line(at: &mut Lookup<'_>, files: &Files, path: &[u8], asked: &Asked) -> Result<bool> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    scan(files, path, &[], &mut |line| {
        let is_it = members::item_of(line).is_some_and(|item| asked.is(item));
        found.extend(is_it.then(|| line.to_vec()));
        Ok(())
    })?;
    found.truncate(if at.lines { usize::MAX } else { 1 });
    found.iter().try_fold(false, |any, line| Ok(at.put_lines(path, line, as_file)? || any))
}

/// Writes an item that is a file: under its own name, or another one if an equal name was taken.
fn item_file(at: &mut Lookup<'_>, below: &[u8], asked: &Asked) -> Result<bool> {
    let mut paths: Vec<Vec<u8>> = asked.paths().map(|path| [below, path.as_bytes()].concat()).collect();
    let keymap = [below, b"KEYMAP.jsonl"].concat();
    let renamed = at.files([keymap.clone()])?;
    scan(&renamed, &keymap, &[], &mut |line| {
        let encoded = members::member(line, "encoded");
        let original = members::member_of_base64url(line, "original");
        let is_it = original.is_some_and(|row| asked.is_row(&row));
        paths.extend(encoded.filter(|_| is_it).map(|path| [below, &path].concat()));
        Ok(())
    })?;
    let files = at.files(paths.clone())?;
    for path in paths {
        // Names show neither types nor the form of numbers.
        if let Some(item) = files.whole(&path)?.filter(|item| asked.is(item)) {
            if at.lines {
                return at.put_as_lines(&files, &path, as_lines);
            }
            return at.put(&item).map(|()| true);
        }
    }
    Ok(false)
}

/// The requested item, in all meanings of its text.
struct Asked {
    names: KeyNames,
    keys: Vec<Key>,
    /// The ends of their row keys, by the encodings of the table: the server distinguishes items by them.
    rows: BTreeSet<(u64, Vec<u8>)>,
    versions: Vec<u64>,
}

impl Asked {
    /// `None`: it is not a schema.
    fn of(schema: &[u8], text: &[u8]) -> Option<Asked> {
        let schema: serde_json::Value = serde_json::from_slice(schema).ok()?;
        let names = KeyNames::of(&schema)?;
        let number = |name: &str| schema[name].as_u64().or_else(|| schema[name].as_str()?.parse().ok()).unwrap_or(0);
        let mut versions = vec![number("key_encoding_version")];
        // While a table migrates, items that are not moved yet have rows in the old encoding.
        versions.extend((number("migrating_from_generation") > 0).then_some(0));
        let keys = keys(text, names.range.is_some());
        Some(Asked { rows: rows(&keys, &versions), names, keys, versions })
    }

    /// Whether the JSON of an item is that of one of them.
    fn is(&self, item: &[u8]) -> bool {
        let key = members::item_key(item, &self.names);
        key.is_some_and(|key| {
            self.versions
                .iter()
                .any(|version| key.row(*version).is_some_and(|row| self.rows.contains(&(*version, row))))
        })
    }

    /// Whether a whole row key is that of one of them.
    fn is_row(&self, row: &[u8]) -> bool {
        let parsed = ItemKey::parse(Family::DdbItem.suffix(row));
        parsed.is_ok_and(|row| self.rows.iter().any(|(_, asked)| asked == row.primary))
    }

    /// Their paths below the table, if the names are free.
    fn paths(&self) -> impl Iterator<Item = String> {
        let paths = self.keys.iter().map(|key| {
            let mut path = String::new();
            name::item_into(key.primary(), &mut path);
            path
        });
        let mut seen = BTreeSet::new();
        paths.filter(move |path| seen.insert(path.clone()))
    }
}

/// The line of an item in the form of a tree's file; `None`: it is not what a decode writes.
fn as_file(line: &[u8]) -> Option<Vec<u8>> {
    let item = line.strip_prefix(b"{\"Item\":")?.trim_ascii_end().strip_suffix(b"}")?;
    Some(indented(item))
}

/// The file of an item in the form of a packed line.
#[expect(clippy::unnecessary_wraps, reason = "every adapter tells so whether a file is one of a decode")]
fn as_lines(file: &[u8]) -> Option<Vec<u8>> {
    let mut out = b"{\"Item\":".to_vec();
    compact_into(file, &mut out);
    out.extend_from_slice(b"}\n");
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_decode_writes() {
        assert_eq!(as_file(b"[]"), None);
    }
}
