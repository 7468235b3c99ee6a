//! Key attributes of an item, and their bytes in a row key (`dynamodb.md` §1.1).
//!
//! | version | hash only | with range |
//! |---|---|---|
//! | below 2 | base64url(hash) `\|` | base64url(hash) `\|` base64url(range) |
//! | from 2 | S(hash) | S(hash) S(range) |
//!
//! S(raw) is raw with every `00` as `00 FF`, closed by `00 01`. Raw is the text, the binary, or for a number:
//!
//! | number | raw |
//! |---|---|
//! | zero | `01` |
//! | positive | `02` · E(exponent) · `00` · significant digits in ASCII |
//! | negative | `00` · the same as after the `02`, every bit inverted |
//!
//! The value is 0.DIGITS × 10^exponent. E(0) is `01`; E(e) is `02` · U(e), or `00` · U(−e) inverted; U(n) is a length
//! byte and that many bytes, big endian, without leading zeros.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::item::{Item, Value};
use super::number::{Decimal, as_decimal, canon, is_canonical};
use super::schema::{KeyNames, Schema};
use crate::format::fault::{Fault, OrFault, Result};
use crate::format::ordered;

/// From this key encoding version on, row keys are ordered bytes.
pub const ORDERED_VERSION: u64 = 2;

/// The value of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyValue<'a> {
    /// String.
    S(&'a str),
    /// Number, as the text that was stored.
    N(&'a str),
    /// Binary.
    B(&'a [u8]),
}

/// The key attributes of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrimaryKey<'a> {
    /// The hash attribute's value.
    pub hash: KeyValue<'a>,
    /// The range attribute's value, in a table that has one.
    pub range: Option<KeyValue<'a>>,
}

impl<'a> KeyValue<'a> {
    fn of(value: Option<Value<'a>>, missing: &'static str) -> Result<KeyValue<'a>> {
        match value.or_value(missing)? {
            Value::S(text) => Ok(KeyValue::S(text)),
            Value::N(text) => Ok(KeyValue::N(text)),
            Value::B(bytes) => Ok(KeyValue::B(bytes)),
            _ => Err(Fault::Value("a key attribute is neither S nor N nor B")),
        }
    }

    /// The letter of its type.
    pub const fn kind(self) -> &'static str {
        match self {
            KeyValue::S(_) => "S",
            KeyValue::N(_) => "N",
            KeyValue::B(_) => "B",
        }
    }

    /// The bytes that were stored: text or binary.
    pub const fn raw(self) -> &'a [u8] {
        match self {
            KeyValue::S(text) | KeyValue::N(text) => text.as_bytes(),
            KeyValue::B(bytes) => bytes,
        }
    }

    /// Whether it has the declared type and, if a number, the canonical text.
    fn is_regular(self, declared: Option<&str>) -> bool {
        let text = match self {
            KeyValue::N(text) => is_canonical(text),
            _ => true,
        };
        text && declared == Some(self.kind())
    }

    /// Appends S(raw); `None` for a number that the server could not have stored in this encoding.
    fn ordered_segment_into(self, out: &mut Vec<u8>) -> Option<()> {
        match self {
            KeyValue::N(text) => {
                let mut raw = Vec::new();
                ordered_into(text, &mut raw)?;
                escape_into(&raw, out);
            }
            other => escape_into(other.raw(), out),
        }
        Some(())
    }

    fn identity_into(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.kind().as_bytes());
        match self {
            KeyValue::N(text) => escape_into(canon(text).as_bytes(), out),
            other => escape_into(other.raw(), out),
        }
    }
}

impl<'a> PrimaryKey<'a> {
    /// Takes the key attributes of a table out of an item.
    pub fn of(item: Item<'a>, names: &KeyNames) -> Result<PrimaryKey<'a>> {
        let hash = KeyValue::of(item.get(&names.hash), "it lacks the hash attribute")?;
        if names.range.is_empty() {
            return Ok(PrimaryKey { hash, range: None });
        }
        let range = KeyValue::of(item.get(&names.range), "it lacks the range attribute")?;
        Ok(PrimaryKey { hash, range: Some(range) })
    }

    /// Hash and range value.
    pub fn values(self) -> impl Iterator<Item = KeyValue<'a>> {
        std::iter::once(self.hash).chain(self.range)
    }

    /// Whether every key attribute has its declared type and canonical text (`rules.md` §2): two such items of one table never have the
    /// same file name.
    pub fn is_regular(self, schema: &Schema) -> bool {
        let names = [&schema.key.hash, &schema.key.range];
        self.values().zip(names).all(|(value, name)| value.is_regular(schema.declared(name)))
    }

    /// Whether every key attribute has its declared type, whatever the text of its numbers.
    pub fn has_declared_types(self, schema: &Schema) -> bool {
        let names = [&schema.key.hash, &schema.key.range];
        self.values().zip(names).all(|(value, name)| schema.declared(name) == Some(value.kind()))
    }

    /// Appends bytes that are equal for two items of a table if and only if they are the same item: the kinds and values of the key
    /// attributes, numbers in canonical form (`rules.md` §2).
    pub fn identity_into(self, out: &mut Vec<u8>) {
        self.values().for_each(|value| value.identity_into(out));
    }

    /// Appends the primary-key bytes of the item's row key. `None` if a number is outside the grammar of that encoding: then no row can
    /// have the item. What was appended so far stays.
    pub fn row_bytes_into(self, key_encoding_version: u64, out: &mut Vec<u8>) -> Option<()> {
        if key_encoding_version >= ORDERED_VERSION {
            return self.values().try_for_each(|value| value.ordered_segment_into(out));
        }
        self.legacy_into(out);
        Some(())
    }

    /// Whether these are the primary-key bytes of the item's row key. The content of `rebuilt` is overwritten.
    pub fn has_row_bytes(self, key_encoding_version: u64, primary: &[u8], rebuilt: &mut Vec<u8>) -> bool {
        // Most keys are one text without a NUL: it is in the key unchanged, and nothing has to be built.
        if let (KeyValue::S(_) | KeyValue::B(_), None) = (self.hash, self.range)
            && key_encoding_version >= ORDERED_VERSION
            && primary.strip_suffix(&[0, 1]) == Some(self.hash.raw())
            && memchr::memchr(0, self.hash.raw()).is_none()
        {
            return true;
        }
        rebuilt.clear();
        self.row_bytes_into(key_encoding_version, rebuilt).is_some() && rebuilt == primary
    }

    /// Appends the primary-key bytes of the row with the same item, if there is one. Like [`row_bytes_into`](Self::row_bytes_into), but an
    /// item of the old encoding is found in the ordered one even if its number text (`1/2`, `0x10`) is outside the grammar there.
    pub fn same_item_into(self, key_encoding_version: u64, out: &mut Vec<u8>) -> Option<()> {
        if key_encoding_version >= ORDERED_VERSION {
            return self.values().try_for_each(|value| value.valued_segment_into(out));
        }
        self.legacy_into(out);
        Some(())
    }

    /// Appends what an index row of the item has after the name of the index; `self` is the key of the index. `None` as in
    /// [`row_bytes_into`](Self::row_bytes_into).
    pub fn index_bytes_into(self, item: PrimaryKey<'_>, key_encoding_version: u64, out: &mut Vec<u8>) -> Option<()> {
        self.row_bytes_into(key_encoding_version, out)?;
        if key_encoding_version < ORDERED_VERSION {
            out.push(b'|');
        }
        item.row_bytes_into(key_encoding_version, out)
    }

    fn legacy_into(self, out: &mut Vec<u8>) {
        base64_into(self.hash.raw(), out);
        out.push(b'|');
        if let Some(range) = self.range {
            base64_into(range.raw(), out);
        }
    }
}

impl KeyValue<'_> {
    /// Appends S(raw) of the number's value, also for a text that the ordered encoding does not allow.
    fn valued_segment_into(self, out: &mut Vec<u8>) -> Option<()> {
        match self {
            KeyValue::N(text) => KeyValue::N(&as_decimal(text)?).ordered_segment_into(out),
            other => other.ordered_segment_into(out),
        }
    }
}

fn base64_into(raw: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(URL_SAFE_NO_PAD.encode(raw).as_bytes());
}

/// Appends S(raw), which sorts like raw and is never a prefix of another.
pub fn escape_into(raw: &[u8], out: &mut Vec<u8>) {
    ordered::append(raw, 1, out);
}

/// Appends the ordered form of a number's text, not escaped; `None`, and nothing appended, if it is not a plain decimal.
///
/// The bytes sort by value, except negative numbers with the same exponent whose digits begin alike (−0.5 and −0.55): the server's form
/// has no end mark for inverted digits.
pub fn ordered_into(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let number = Decimal::parse(text.trim())?;
    let digits = number.significant();
    if digits.is_empty() {
        out.push(1);
        return Some(());
    }
    let exponent = number.scale()?;
    out.push(if number.negative { 0 } else { 2 });
    let body = out.len();
    exponent_into(exponent, out);
    out.push(0);
    out.extend_from_slice(&digits);
    if number.negative {
        invert(out, body);
    }
    Some(())
}

/// Appends E(exponent).
fn exponent_into(exponent: i64, out: &mut Vec<u8>) {
    out.push(match exponent {
        ..0 => 0,
        0 => return out.push(1),
        1.. => 2,
    });
    let start = out.len();
    let n = exponent.unsigned_abs();
    let len = 8u32.saturating_sub(n.leading_zeros() / 8);
    out.push(len as u8);
    out.extend(n.to_be_bytes().into_iter().skip((n.leading_zeros() / 8) as usize));
    if exponent < 0 {
        invert(out, start);
    }
}

/// Inverts every bit from `start` on.
fn invert(out: &mut [u8], start: usize) {
    for b in out.iter_mut().skip(start) {
        *b = !*b;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use crate::format::dynamodb::wire::{b, field, item, member, n, s};
    use proptest::prelude::*;

    fn ordered(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        ordered_into(text, &mut out).map(|()| out)
    }

    #[test]
    fn ordered_numbers() {
        let cases: &[(&str, &[u8])] = &[
            ("-5", b"\x00\xfd\xfe\xfe\xff\xca"),
            ("1e10", b"\x02\x02\x01\x0b\x001"),
            ("0", b"\x01"),
            ("-0.00e5", b"\x01"),
            ("0.5", b"\x02\x01\x005"),
            (" +5.0 ", b"\x02\x02\x01\x01\x005"),
            ("0.05", b"\x02\x00\xfe\xfe\x005"),
            ("120", b"\x02\x02\x01\x03\x0012"),
            ("1e300", b"\x02\x02\x02\x01\x2d\x001"),
            ("-1e-300", b"\x00\xff\x02\x01\x2b\xff\xce"),
        ];
        for (text, want) in cases {
            assert_eq!(ordered(text).as_deref(), Some(*want), "{text}");
        }
        for text in
            ["", "abc", "1/3", "0x10", "1_0", "1p3", ".", "1e", "1e9223372036854775808", "10e9223372036854775807"]
        {
            assert_eq!(ordered(text), None, "{text}");
        }
    }

    #[test]
    fn row_bytes() {
        let key = |hash, range| PrimaryKey { hash, range };
        let cases: &[(PrimaryKey<'_>, u64, &[u8])] = &[
            (key(KeyValue::N("-5"), None), 2, b"\x00\xff\xfd\xfe\xfe\xff\xca\x00\x01"),
            (key(KeyValue::N("1e10"), None), 2, b"\x02\x02\x01\x0b\x00\xff1\x00\x01"),
            (key(KeyValue::S("a"), Some(KeyValue::B(b"\0b"))), 3, b"a\x00\x01\x00\xffb\x00\x01"),
            (key(KeyValue::S("a"), None), 0, b"YQ|"),
            (key(KeyValue::S("a"), Some(KeyValue::N("1.0"))), 1, b"YQ|MS4w"),
            (key(KeyValue::B(b""), Some(KeyValue::B(b"\xff"))), 0, b"|_w"),
        ];
        for (key, version, want) in cases {
            let mut out = Vec::new();
            assert_eq!(key.row_bytes_into(*version, &mut out), Some(()));
            assert_eq!(out, *want, "{key:?}");
        }
        assert_eq!(key(KeyValue::N("1/3"), None).row_bytes_into(2, &mut Vec::new()), None);
    }

    fn names(hash: &str, range: &str) -> KeyNames {
        KeyNames { hash: hash.into(), range: range.into() }
    }

    #[test]
    fn key_attributes_of_an_item() {
        let row =
            item(&[member("h", &s("x")), member("r", &n("1")), member("b", &b(b"\0")), member("l", &field(9, b""))]);
        let item = Item::parse(&row).unwrap();
        let key = PrimaryKey::of(item, &names("h", "")).unwrap();
        assert_eq!(key, PrimaryKey { hash: KeyValue::S("x"), range: None });
        let key = PrimaryKey::of(item, &names("b", "r")).unwrap();
        assert_eq!(key, PrimaryKey { hash: KeyValue::B(b"\0"), range: Some(KeyValue::N("1")) });
        for (hash, range, reason) in [
            ("q", "", "it lacks the hash attribute"),
            ("", "", "it lacks the hash attribute"),
            ("h", "q", "it lacks the range attribute"),
            ("l", "", "a key attribute is neither S nor N nor B"),
            ("h", "l", "a key attribute is neither S nor N nor B"),
        ] {
            assert_eq!(PrimaryKey::of(item, &names(hash, range)), Err(Fault::Value(reason)));
        }
    }

    #[test]
    fn regular_items() {
        let mut schema = Schema { key: names("h", "r"), ..Schema::default() };
        schema.attributes.insert("h".into(), "S".into());
        schema.attributes.insert("r".into(), "N".into());
        for (hash, range, want) in [
            (KeyValue::S("x"), KeyValue::N("1"), true),
            (KeyValue::S("x"), KeyValue::N("1.0"), false),
            (KeyValue::S("x"), KeyValue::S("1"), false),
            (KeyValue::N("1"), KeyValue::N("1"), false),
            (KeyValue::B(b"x"), KeyValue::N("1"), false),
            (KeyValue::S("x"), KeyValue::N("1/3"), true),
        ] {
            assert_eq!(PrimaryKey { hash, range: Some(range) }.is_regular(&schema), want, "{hash:?} {range:?}");
        }
        assert!(!PrimaryKey { hash: KeyValue::S("x"), range: None }.is_regular(&Schema::default()));
    }

    #[test]
    fn identities() {
        let identity = |hash, range| {
            let mut out = Vec::new();
            PrimaryKey { hash, range }.identity_into(&mut out);
            out
        };
        assert_eq!(identity(KeyValue::N("1"), None), identity(KeyValue::N("1.0"), None));
        assert_ne!(identity(KeyValue::N("1"), None), identity(KeyValue::S("1"), None));
        assert_ne!(identity(KeyValue::S("1"), None), identity(KeyValue::B(b"1"), None));
        let pair = identity(KeyValue::S("a"), Some(KeyValue::S("b")));
        assert_ne!(pair, identity(KeyValue::S("a\0\u{1}Sb"), None));
    }

    /// A number's text with up to six digits after the point.
    fn number() -> impl Strategy<Value = String> {
        (-999_999i32..=999_999, 0usize..=6).prop_map(|(n, behind)| {
            let digits = format!("{:07}", n.unsigned_abs());
            let (whole, fraction) = digits.split_at(7 - behind);
            format!("{}{whole}.{fraction}", if n < 0 { "-" } else { "" })
        })
    }

    proptest! {
        #[test]
        fn order_is_kept(a in number(), b in number()) {
            let value = |text: &str| text.parse::<f64>().unwrap();
            let (x, y) = (ordered(&a).unwrap(), ordered(&b).unwrap());
            let alike = a.starts_with('-') && (x.starts_with(&y) || y.starts_with(&x));
            prop_assert!(alike || value(&a).partial_cmp(&value(&b)) == Some(x.cmp(&y)), "{a} {b}");
        }

        #[test]
        fn bytes_of_a_row_are_known(
            raw in prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(255), Just(b'1')], 0..5),
            (kind, version, has_range) in (0u8..3, 0u64..3, any::<bool>()),
        ) {
            let text = std::str::from_utf8(&raw).unwrap_or("1");
            let hash = [KeyValue::S(text), KeyValue::N(text), KeyValue::B(&raw)][usize::from(kind)];
            let key = PrimaryKey { hash, range: has_range.then_some(hash) };
            let mut own = Vec::new();
            let is_row = key.row_bytes_into(version, &mut own).is_some();
            for primary in [own.clone(), [hash.raw(), &[0, 1]].concat(), raw.clone()] {
                let mut rebuilt = b"what was there before".to_vec();
                prop_assert_eq!(key.has_row_bytes(version, &primary, &mut rebuilt), is_row && primary == own);
            }
        }

        #[test]
        fn segments_keep_order(a in any::<Vec<u8>>(), b in any::<Vec<u8>>()) {
            let segment = |raw: &[u8]| {
                let mut out = Vec::new();
                escape_into(raw, &mut out);
                out
            };
            prop_assert_eq!(a.cmp(&b), segment(&a).cmp(&segment(&b)));
        }
    }
}
