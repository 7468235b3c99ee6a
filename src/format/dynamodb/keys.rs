//! Row keys after their family prefix, and the generation counter (`dynamodb.md` §1).
//!
//! | family | rest of the key |
//! |---|---|
//! | `!ddb\|meta\|table\|`, `!ddb\|meta\|gen\|` | base64url of the table name |
//! | `!ddb\|item\|` | base64url of the table name · `\|` · generation in decimal · `\|` · primary key |
//!
//! base64url has no `|`, so the first two of them are the separators, whatever the primary key contains.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::format::family::Family;
use crate::format::fault::{Fault, OrFault, Result};

const NOT_BASE64: &str = "its table segment is not base64url without padding";

/// The parts of an item key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemKey<'a> {
    /// The table name in base64url, as stored in the key: the identity of the table across families.
    pub table: &'a [u8],
    /// Generation of the table that the item belongs to.
    pub generation: u64,
    /// The primary key in the encoding of the table's version; never empty.
    pub primary: &'a [u8],
}

impl<'a> ItemKey<'a> {
    /// Splits what follows `!ddb|item|`.
    pub fn parse(suffix: &'a [u8]) -> Result<ItemKey<'a>> {
        let (table, rest) = split_at_bar(suffix).or_key("it has no | after the table segment")?;
        check_segment(table)?;
        let (generation, primary) = split_at_bar(rest).or_key("it has no | after the generation")?;
        let generation = decimal(generation).or_key("its generation is not a decimal number of 64 bits")?;
        if primary.is_empty() {
            return Err(Fault::Key("it ends before the primary key"));
        }
        Ok(ItemKey { table, generation, primary })
    }
}

/// Checks what follows `!ddb|meta|table|` or `!ddb|meta|gen|` and decodes the table name: any bytes, at least one.
pub fn table_name(segment: &[u8]) -> Result<Vec<u8>> {
    if segment.is_empty() {
        return Err(Fault::Key("its table segment is empty"));
    }
    URL_SAFE_NO_PAD.decode(segment).ok().or_key(NOT_BASE64)
}

/// Appends the user key that every item of one generation of a table begins with, for a range scan.
/// `table` is the encoded name, as in [`ItemKey::table`].
pub fn item_prefix_into(table: &[u8], generation: u64, out: &mut Vec<u8>) {
    items_into(table, out);
    out.extend_from_slice(itoa::Buffer::new().format(generation).as_bytes());
    out.push(b'|');
}

/// The common prefix of the keys of all items of a table, for every generation; the name is encoded.
pub fn items_of(table: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    items_into(table, &mut out);
    out
}

fn items_into(table: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(Family::DdbItem.prefix().as_bytes());
    out.extend_from_slice(table);
    out.push(b'|');
}

/// Parses the value of a `!ddb|meta|gen|` row: the last generation that was assigned, in decimal.
pub fn generation_counter(value: &[u8]) -> Result<u64> {
    decimal(value).or_value("it is not a decimal number of 64 bits")
}

fn split_at_bar(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(memchr::memchr(b'|', bytes)?)?;
    Some((head, rest.strip_prefix(b"|")?))
}

/// A `u64` of digits only: no sign, no space; leading zeros are allowed.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |n, &b| {
        let digit = b.checked_sub(b'0').filter(|&d| d < 10)?;
        n.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Checks a segment as strictly as decoding would, but without decoding: this runs once per row.
fn check_segment(segment: &[u8]) -> Result<()> {
    let last = *segment.last().or_key("its table segment is empty")?;
    // The rest after whole groups of four characters: the unused bits of the last one must be zero.
    let spare = match segment.len() % 4 {
        0 => 0,
        2 => 15,
        3 => 3,
        _ => return Err(Fault::Key(NOT_BASE64)),
    };
    let fine = segment.iter().all(|&b| sextet(b).is_some()) && sextet(last).is_some_and(|bits| bits & spare == 0);
    fine.then_some(()).or_key(NOT_BASE64)
}

/// The six bits of a base64url character.
const fn sextet(b: u8) -> Option<u8> {
    match b {
        b'A'..=b'Z' => b.checked_sub(b'A'),
        b'a'..=b'z' => b.checked_sub(b'a' - 26),
        b'0'..=b'9' => b.checked_add(52 - b'0'),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

impl ItemKey<'_> {
    /// Appends the whole user key.
    pub fn encode(&self, out: &mut Vec<u8>) {
        item_prefix_into(self.table, self.generation, out);
        out.extend_from_slice(self.primary);
    }
}

/// Appends the user key of a table's schema (`DdbTable`) or counter (`DdbGen`).
pub fn table_key_into(family: Family, table_name: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(family.prefix().as_bytes());
    out.extend_from_slice(URL_SAFE_NO_PAD.encode(table_name).as_bytes());
}

/// Appends the user key of an index row; its value is the user key of the item.
///
/// `index_key` is the primary key of the index and that of the item, each as
/// [`row_bytes_into`](super::PrimaryKey::row_bytes_into) gives it.
pub fn index_key_into(table: &[u8], generation: u64, index: &str, index_key: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(Family::DdbGsi.prefix().as_bytes());
    out.extend_from_slice(table);
    out.push(b'|');
    out.extend_from_slice(itoa::Buffer::new().format(generation).as_bytes());
    out.push(b'|');
    out.extend_from_slice(URL_SAFE_NO_PAD.encode(index).as_bytes());
    out.push(b'|');
    out.extend_from_slice(index_key);
}

/// Appends the value of a `!ddb|meta|gen|` row.
pub fn generation_counter_into(generation: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(generation).as_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn item_keys() {
        let got = ItemKey::parse(b"dA|7|a|b").unwrap();
        assert_eq!(got, ItemKey { table: b"dA", generation: 7, primary: b"a|b" });
        assert_eq!(ItemKey::parse(b"-_8|007|x").unwrap().generation, 7);
        assert_eq!(ItemKey::parse(b"dA|18446744073709551615|x").unwrap().generation, u64::MAX);
        let mut prefix = Vec::new();
        item_prefix_into(b"dA", 70, &mut prefix);
        assert_eq!(prefix, b"!ddb|item|dA|70|");
    }

    #[test]
    fn malformed_item_keys() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "it has no | after the table segment"),
            (b"dA", "it has no | after the table segment"),
            (b"|1|x", "its table segment is empty"),
            (b"dA==|1|x", NOT_BASE64),
            (b"d+|1|x", NOT_BASE64),
            (b"d|1|x", NOT_BASE64),
            (b"dB|1|x", NOT_BASE64),
            (b"dA\n|1|x", NOT_BASE64),
            (b"dA|1", "it has no | after the generation"),
            (b"dA||x", "its generation is not a decimal number of 64 bits"),
            (b"dA|+1|x", "its generation is not a decimal number of 64 bits"),
            (b"dA|-1|x", "its generation is not a decimal number of 64 bits"),
            (b"dA| 1|x", "its generation is not a decimal number of 64 bits"),
            (b"dA|1 |x", "its generation is not a decimal number of 64 bits"),
            (b"dA|0x1|x", "its generation is not a decimal number of 64 bits"),
            (b"dA|18446744073709551616|x", "its generation is not a decimal number of 64 bits"),
            (b"dA|1|", "it ends before the primary key"),
        ];
        for (suffix, reason) in cases {
            assert_eq!(ItemKey::parse(suffix), Err(Fault::Key(reason)), "{}", suffix.escape_ascii());
        }
    }

    #[test]
    fn table_keys() {
        assert_eq!(table_name(b"dA").unwrap(), b"t");
        assert_eq!(table_name(b"_w").unwrap(), b"\xff");
        assert_eq!(table_name(b""), Err(Fault::Key("its table segment is empty")));
        for bad in [&b"dA=="[..], b"dB", b"d", b"d+", b"dA\n", b"dA|1"] {
            assert_eq!(table_name(bad), Err(Fault::Key(NOT_BASE64)), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn counters() {
        assert_eq!(generation_counter(b"12"), Ok(12));
        for bad in [&b""[..], b"-1", b"1\n", b"99999999999999999999"] {
            assert_eq!(generation_counter(bad), Err(Fault::Value("it is not a decimal number of 64 bits")));
        }
    }

    proptest! {
        #[test]
        fn the_check_agrees_with_decoding(segment in "[A-Za-z0-9_=+ -]{0,9}") {
            prop_assert_eq!(check_segment(segment.as_bytes()).is_ok(), table_name(segment.as_bytes()).is_ok());
        }
    }

    proptest! {
        #[test]
        fn encoded_keys_are_parsed(name in prop::collection::vec(any::<u8>(), 1..9), generation: u64, primary in prop::collection::vec(any::<u8>(), 1..9)) {
            let table = URL_SAFE_NO_PAD.encode(&name);
            let key = ItemKey { table: table.as_bytes(), generation, primary: &primary };
            let user_key = crate::format::encoded(|out| key.encode(out));
            prop_assert_eq!(ItemKey::parse(Family::DdbItem.suffix(&user_key)), Ok(key));
            for family in [Family::DdbTable, Family::DdbGen] {
                let user_key = crate::format::encoded(|out| table_key_into(family, &name, out));
                prop_assert_eq!(table_name(family.suffix(&user_key)), Ok(name.clone()));
            }
            let counter = crate::format::encoded(|out| generation_counter_into(generation, out));
            prop_assert_eq!(generation_counter(&counter), Ok(generation));
        }
    }
}
