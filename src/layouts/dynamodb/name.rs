//! File names of tables and items (`dynamodb.md` §4.3, `rules.md` §2).

use crate::format::dynamodb::number::canon;
use crate::format::dynamodb::primary::{KeyValue, PrimaryKey};
use crate::output::names::{binary_segment_into, fallback_into, segment_into};

/// Folder of items that the server cannot reach, next to the tables.
pub const ORPHANS: &[u8] = b"_orphans";
/// KEYMAP kind of an item whose plain name belongs to another item.
pub const COLLISION: &str = "ddb-name-collision";

/// A segment that cannot be a file name and needs a KEYMAP line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Special {
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// The empty name of a directory.
    Empty,
}

impl Special {
    /// All of them.
    pub const ALL: [Special; 3] = [Special::Dot, Special::DotDot, Special::Empty];

    /// Its form in the file system.
    pub const fn encoded(self) -> &'static str {
        match self {
            Special::Dot => "%2E",
            Special::DotDot => "%2E%2E",
            Special::Empty => "%",
        }
    }

    /// The name that it represents.
    pub const fn original(self) -> &'static str {
        match self {
            Special::Dot => ".",
            Special::DotDot => "..",
            Special::Empty => "",
        }
    }

    /// The kind of its KEYMAP line.
    pub const fn kind(self) -> &'static str {
        match self {
            Special::Dot | Special::DotDot => "dot-segment",
            Special::Empty => "empty-segment",
        }
    }

    fn of(segment: &str, place: Place) -> Option<Special> {
        match (segment, place) {
            (".", _) => Some(Special::Dot),
            ("..", _) => Some(Special::DotDot),
            ("", Place::Directory) => Some(Special::Empty),
            _ => None,
        }
    }
}

/// The kind of a segment. A file may have an empty one: its extension remains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Directory,
    File,
}

/// The segments of an item's path that need KEYMAP lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Specials {
    /// The hash segment.
    pub hash: Option<Special>,
    /// The range segment.
    pub range: Option<Special>,
}

impl Specials {
    /// Those that exist.
    pub fn iter(self) -> impl Iterator<Item = Special> {
        self.hash.into_iter().chain(self.range)
    }
}

/// Appends the directory name of a table; the name comes from the table's key. A table with the name of the orphans' folder gets another
/// name, whether that folder is written or not: `seg()` never gives `%5F`.
pub fn table_into(name: &[u8], out: &mut String) -> Option<Special> {
    if name == ORPHANS {
        out.push_str("%5Forphans");
        return None;
    }
    placed(Place::Directory, out, |out| {
        segment_into(name, out);
    })
}

/// Appends the plain path of an item below its table: `items/H.json`, or `items/H/R.json` with a range key.
pub fn item_into(key: PrimaryKey<'_>, out: &mut String) -> Specials {
    out.push_str("items/");
    let specials = match key.range {
        None => Specials { hash: value_into(key.hash, Place::File, out), range: None },
        Some(range) => {
            let hash = value_into(key.hash, Place::Directory, out);
            out.push('/');
            Specials { hash, range: value_into(range, Place::File, out) }
        }
    };
    out.push_str(".json");
    specials
}

/// Appends the path of an item whose plain one is taken: the last segment begins with a hash of the row's user key (with its prefix). Only
/// the hash segment above it can need its own KEYMAP line; the path needs one of kind [`COLLISION`].
pub fn collided_item_into(key: PrimaryKey<'_>, user_key: &[u8], out: &mut String) -> Specials {
    out.push_str("items/");
    let mut specials = Specials::default();
    if key.range.is_some() {
        specials.hash = value_into(key.hash, Place::Directory, out);
        out.push('/');
    }
    fallback_into(user_key, key.range.unwrap_or(key.hash).raw(), out);
    out.push_str(".json");
    specials
}

fn value_into(value: KeyValue<'_>, place: Place, out: &mut String) -> Option<Special> {
    placed(place, out, |out| {
        match value {
            KeyValue::S(text) => segment_into(text.as_bytes(), out),
            KeyValue::N(text) => segment_into(canon(text).as_bytes(), out),
            KeyValue::B(bytes) => binary_segment_into(bytes, out),
        };
    })
}

/// Appends a segment, or its replacement if it is special.
fn placed(place: Place, out: &mut String, write: impl FnOnce(&mut String)) -> Option<Special> {
    let start = out.len();
    write(out);
    let special = Special::of(&out[start..], place)?;
    out.truncate(start);
    out.push_str(special.encoded());
    Some(special)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key<'a>(hash: KeyValue<'a>, range: Option<KeyValue<'a>>) -> PrimaryKey<'a> {
        PrimaryKey { hash, range }
    }

    #[test]
    fn items_with_a_hash_key() {
        use KeyValue::{B, N, S};
        let long = format!("items/397fc6671f9e77a223078bf9d335b890__1{}.json", "0".repeat(63));
        let cases: &[(KeyValue<'_>, &str, Option<Special>)] = &[
            (S("a b/ü"), "items/a%20b%2F%C3%BC.json", None),
            (S(""), "items/.json", None),
            (S("."), "items/%2E.json", Some(Special::Dot)),
            (S(".."), "items/%2E%2E.json", Some(Special::DotDot)),
            (S("..."), "items/....json", None),
            (S("%2E"), "items/%252E.json", None),
            (S("b64.foo"), "items/72ef1a090c013093607ce5a62f598cf4__b64.foo.json", None),
            (N("1E2"), "items/100.json", None),
            (N("0.1"), "items/1%2F10.json", None),
            (N("-5.50"), "items/-11%2F2.json", None),
            (N("."), "items/%2E.json", Some(Special::Dot)),
            (N("abc"), "items/abc.json", None),
            (N("1e400"), &long, None),
            (B(b"\xff\xfe"), "items/b64.__4.json", None),
            (B(b""), "items/b64..json", None),
            (B(b"."), "items/b64.Lg.json", None),
        ];
        for (value, want, special) in cases {
            let mut path = String::new();
            assert_eq!(item_into(key(*value, None), &mut path), Specials { hash: *special, range: None });
            assert_eq!(path, *want);
        }
    }

    #[test]
    fn items_with_a_range_key() {
        use KeyValue::{B, N, S};
        let cases: &[(KeyValue<'_>, KeyValue<'_>, &str, &[Special])] = &[
            (S("h"), N("7.0"), "items/h/7.json", &[]),
            (S(""), S(""), "items/%/.json", &[Special::Empty]),
            (S(".."), S("."), "items/%2E%2E/%2E.json", &[Special::DotDot, Special::Dot]),
            (S("%"), B(b""), "items/%25/b64..json", &[]),
            (B(b""), S(".."), "items/b64./%2E%2E.json", &[Special::DotDot]),
            (N(""), S("x"), "items/%/x.json", &[Special::Empty]),
        ];
        for (hash, range, want, specials) in cases {
            let mut path = String::new();
            let got = item_into(key(*hash, Some(*range)), &mut path);
            assert_eq!((path.as_str(), got.iter().collect::<Vec<_>>()), (*want, specials.to_vec()));
        }
    }

    #[test]
    fn collisions() {
        let user_key = b"!ddb|item|Yw|1|\x02\x02\x01\x01\x00\xff1\x00\x01";
        let mut path = String::new();
        collided_item_into(key(KeyValue::N("1"), None), user_key, &mut path);
        assert_eq!(path, "items/6099cbca2c188cebb09bfbfae003f310__1.json");
        path.clear();
        let got = collided_item_into(key(KeyValue::S("."), Some(KeyValue::S(".."))), user_key, &mut path);
        assert_eq!(got, Specials { hash: Some(Special::Dot), range: None });
        assert_eq!(path, "items/%2E/6099cbca2c188cebb09bfbfae003f310__...json");
    }

    #[test]
    fn tables() {
        for (name, want, special) in [
            (&b"orders"[..], "orders", None),
            (b".", "%2E", Some(Special::Dot)),
            (b"..", "%2E%2E", Some(Special::DotDot)),
            (b"", "%", Some(Special::Empty)),
            (b"a/\xff", "a%2F%FF", None),
            (b"_orphans", "%5Forphans", None),
            (b"_orphans2", "_orphans2", None),
            (b"%5Forphans", "%255Forphans", None),
        ] {
            let mut out = String::from("dynamodb/");
            assert_eq!(table_into(name, &mut out), special);
            assert_eq!(out, format!("dynamodb/{want}"));
        }
    }

    #[test]
    fn keymap_lines() {
        for (special, want) in [
            (Special::Dot, ("%2E", ".", "dot-segment")),
            (Special::DotDot, ("%2E%2E", "..", "dot-segment")),
            (Special::Empty, ("%", "", "empty-segment")),
        ] {
            assert_eq!((special.encoded(), special.original(), special.kind()), want);
        }
    }
}
