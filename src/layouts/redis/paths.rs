//! Paths of keys in both layouts, for writers, readers and look-ups.

use super::{BASE, ORPHANS, base};
use crate::layouts;
use crate::model::redis::{Standing, Type};
use crate::options::Layout;
use crate::output::names::segment;

/// Where stray list items are written, below the folder of orphans.
pub(in crate::layouts) const STRAY_ITEMS: &str = "list_items";
/// The file with the keys that cannot be decoded from the names of their files.
pub(super) const KEYMAP: &str = "KEYMAP.jsonl";
/// The file of strings that are stored under their own names.
const BARE: &str = "bare.jsonl";

/// The extension of a key's file in a tree.
pub(in crate::layouts) const fn extension(kind: Type) -> &'static str {
    match kind {
        Type::String | Type::Hll => ".bin",
        Type::Stream => ".jsonl",
        _ => ".json",
    }
}

/// The folder of the keys of one type, in a tree.
pub(in crate::layouts) fn folder(standing: Standing, kind: Type) -> String {
    format!("{}/{}", base(standing), kind.plural())
}

/// The file of expiries of strings or HyperLogLogs, in a tree.
pub(in crate::layouts) fn expiries(standing: Standing, kind: Type) -> String {
    format!("{}/{}_ttl.jsonl", base(standing), kind.plural())
}

/// The file with the keys that cannot be decoded from the names of their files, in a tree.
pub(in crate::layouts) fn keymap(standing: Standing) -> String {
    format!("{}/{KEYMAP}", base(standing))
}

/// The file of the keys of one type, in the packed layout.
pub(in crate::layouts) fn lines(standing: Standing, kind: Type) -> String {
    format!("{}/{}.jsonl", base(standing), kind.plural())
}

/// The file of strings that are stored under their own names, in both layouts.
pub(in crate::layouts) fn bare() -> String {
    format!("{BASE}/{BARE}")
}

/// The file of a key that the server serves, in a tree.
pub fn file_of_key(kind: Type, key: &[u8]) -> String {
    format!("{}/{}{}", folder(Standing::Served, kind), segment(key), extension(kind))
}

/// The file of expiries of strings or HyperLogLogs that the server serves, in a tree.
pub fn file_of_expiries(kind: Type) -> String {
    expiries(Standing::Served, kind)
}

/// The file of the keys of one type that the server serves, in the packed layout.
pub fn file_of_lines(kind: Type) -> String {
    lines(Standing::Served, kind)
}

/// A file of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File<'p> {
    /// One key of a tree: its type, and the segment of its name.
    Key(Type, &'p str),
    /// Keys of one type, as lines.
    Keys(Type),
    /// Expiries of strings or HyperLogLogs of a tree.
    Expiries(Type),
    /// Keys that cannot be decoded from the names of their files.
    KeyMap,
    /// Strings that are stored under their own names.
    Bare,
    /// Keys that the server does not serve.
    Aside,
}

impl File<'_> {
    /// The file at a path; `None`: no decode writes it.
    pub fn of(layout: Layout, path: &[u8]) -> Option<File<'_>> {
        let path = layouts::joined(layout, path);
        let path = std::str::from_utf8(path).ok()?;
        if path.strip_prefix(ORPHANS).is_some_and(|rest| rest.starts_with('/')) {
            return Some(File::Aside);
        }
        let below = path.strip_prefix(BASE)?.strip_prefix('/')?;
        if below == BARE {
            return Some(File::Bare);
        }
        match layout {
            Layout::JSONL => below.strip_suffix(".jsonl").and_then(Type::of_plural).map(File::Keys),
            Layout::TREE if below == KEYMAP => Some(File::KeyMap),
            Layout::TREE => File::of_tree(below),
            _ => None,
        }
    }

    fn of_tree(below: &str) -> Option<File<'_>> {
        let Some((folder, name)) = below.split_once('/') else {
            let kind = Type::of_plural(below.strip_suffix("_ttl.jsonl")?)?;
            return matches!(kind, Type::String | Type::Hll).then_some(File::Expiries(kind));
        };
        let kind = Type::of_plural(folder)?;
        let segment = name.strip_suffix(extension(kind)).filter(|segment| !segment.contains('/'))?;
        Some(File::Key(kind, segment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_written() {
        for kind in Type::ALL {
            let path = file_of_key(kind, b"a/b.json");
            assert_eq!(File::of(Layout::TREE, path.as_bytes()), Some(File::Key(kind, "a%2Fb.json")));
            assert_eq!(File::of(Layout::JSONL, path.as_bytes()), None);
            assert_eq!(File::of(Layout::JSONL, file_of_lines(kind).as_bytes()), Some(File::Keys(kind)));
            for (standing, want) in [(Standing::Served, None), (Standing::Orphan, Some(File::Aside))] {
                let path = lines(standing, kind);
                assert_eq!(File::of(Layout::TREE, path.as_bytes()), want);
                assert_eq!(File::of(Layout::JSONL, path.as_bytes()), Some(want.unwrap_or(File::Keys(kind))));
            }
        }
        let tree = |path: String| File::of(Layout::TREE, path.as_bytes()).map(|file| format!("{file:?}"));
        assert_eq!(tree(file_of_expiries(Type::Hll)).unwrap(), "Expiries(Hll)");
        assert_eq!(tree(expiries(Standing::Served, Type::Set)), None);
        assert_eq!(tree(keymap(Standing::Served)).unwrap(), "KeyMap");
        assert_eq!(tree(keymap(Standing::Orphan)).unwrap(), "Aside");
        assert_eq!(tree(bare()).unwrap(), "Bare");
        assert_eq!(tree("redis/db_0/strings/.bin".into()).unwrap(), "Key(String, \"\")");
        for other in
            ["redis/db_0/strings/a/b.bin", "redis/db_0/strings/a.json", "redis/db_1/strings/a.bin", "redis/db_0"]
        {
            assert_eq!(tree(other.into()), None, "{other}");
        }
    }
}
