//! The normal form of an item, for comparisons: attributes in the order of their names, numbers by value.

use crate::format::dynamodb::item::{Entry, Map};
use crate::format::dynamodb::number::plain;
use crate::format::dynamodb::{Item, Value};
use crate::output::observer::{Fingerprint, Hasher, Secret};

/// Bytes that are buffered before they are hashed; a longer text is hashed directly.
const PIECE: usize = 64 << 10;

/// Makes fingerprints of items and reuses its memory.
#[derive(Default)]
pub(super) struct Normal {
    bytes: Vec<u8>,
    /// The hash of the bytes that did not fit into the buffer.
    before: Option<Box<Hasher>>,
}

/// An item while its fingerprint is made.
struct Making<'n, 'a> {
    normal: &'n mut Normal,
    entries: &'n mut Vec<Entry<'a>>,
    secret: &'n Secret,
}

impl Normal {
    /// The fingerprint of an item. `entries` is memory for sorting names, of which one item can need much.
    pub fn fingerprint<'a>(&mut self, item: Item<'a>, secret: &Secret, entries: &mut Vec<Entry<'a>>) -> Fingerprint {
        self.bytes.clear();
        self.before = None;
        Making { normal: self, entries, secret }.map(item.attributes());
        match self.before.take() {
            None => secret.fingerprint(&self.bytes),
            Some(mut hash) => {
                hash.update(&self.bytes);
                hash.fingerprint()
            }
        }
    }
}

impl<'a> Making<'_, 'a> {
    fn map(&mut self, map: Map<'a>) {
        let from = self.entries.len();
        map.push_sorted(self.entries);
        let to = self.entries.len();
        for at in from..to {
            let entry = self.entries[at];
            self.text(b'k', entry.name.as_bytes());
            self.value(entry.value());
        }
        self.entries.truncate(from);
        self.tag(b'e');
    }

    /// A value; a value without a type is written as null.
    fn value(&mut self, value: Value<'a>) {
        match value {
            Value::S(text) => self.text(b'S', text.as_bytes()),
            Value::N(text) => self.text(b'N', plain(text).as_bytes()),
            Value::B(bytes) => self.text(b'B', bytes),
            Value::Bool(false) => self.tag(b'f'),
            Value::Bool(true) => self.tag(b't'),
            Value::Null(false) => self.tag(b'0'),
            Value::Null(true) | Value::Unset => self.tag(b'1'),
            Value::Ss(set) => self.sequence(b's', set.iter(), |making, text| making.text(b'S', text.as_bytes())),
            Value::Ns(set) => self.sequence(b'n', set.iter(), |making, text| making.text(b'N', plain(text).as_bytes())),
            Value::Bs(set) => self.sequence(b'b', set.iter(), |making, bytes| making.text(b'B', bytes)),
            Value::L(list) => self.sequence(b'L', list.iter(), Self::value),
            Value::M(map) => {
                self.tag(b'M');
                self.map(map);
            }
        }
    }

    fn sequence<T>(&mut self, tag: u8, items: impl Iterator<Item = T>, each: impl Fn(&mut Self, T)) {
        self.tag(tag);
        items.for_each(|item| each(self, item));
        self.tag(b'e');
    }

    #[inline]
    fn tag(&mut self, tag: u8) {
        self.normal.bytes.push(tag);
    }

    #[inline]
    fn text(&mut self, tag: u8, text: &[u8]) {
        let bytes = &mut self.normal.bytes;
        bytes.push(tag);
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        if bytes.len() + text.len() < PIECE { bytes.extend_from_slice(text) } else { self.hash(text) }
    }

    #[cold]
    fn hash(&mut self, text: &[u8]) {
        let hash = self.normal.before.get_or_insert_with(|| Box::new(self.secret.hasher()));
        hash.update(&self.normal.bytes);
        hash.update(text);
        self.normal.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::dynamodb::wire::{b, field, item, member, n, s};

    #[test]
    fn what_is_equal_and_what_is_not() {
        let secret = Secret::random();
        let long = "x".repeat(3 * PIECE);
        let row = |number: &str, text: &str| {
            let nested = field(10, &[member("m", &n(number)), member("s", &s("1.0"))].concat());
            let set = field(7, &[field(1, number.as_bytes()), field(1, b"7")].concat());
            vec![
                member("h", &n(number)),
                member("l", &field(9, &field(1, &nested))),
                member("n", &set),
                member("t", &s(text)),
            ]
        };
        let fingerprint = |members: &[Vec<u8>]| {
            let value = item(members);
            Normal::default().fingerprint(Item::parse(&value).unwrap(), &secret, &mut Vec::new())
        };
        for text in ["", "a", &long] {
            let one = fingerprint(&row("1", text));
            assert_eq!(fingerprint(&row("1.0", text)), one);
            assert_eq!(fingerprint(&row("10e-1", text)), one);
            let mut other_order = row("1", text);
            other_order.reverse();
            other_order.push(member("t", &s(text)));
            assert_eq!(fingerprint(&other_order), one);
            assert_ne!(fingerprint(&row("2", text)), one);
            assert_ne!(fingerprint(&row("1", &format!("{text}b"))), one);
        }
        let pairs = [
            (s("1"), s("1.0")),
            (s("1"), n("1")),
            (s("1"), b(b"1")),
            (field(6, &field(1, b"ab")), field(6, &[field(1, b"a"), field(1, b"b")].concat())),
            (field(6, b""), field(8, b"")),
            (b"\x20\x00".to_vec(), b"\x20\x01".to_vec()),
            (b"\x28\x00".to_vec(), b"\x28\x01".to_vec()),
        ];
        for (one, other) in pairs {
            assert_ne!(
                fingerprint(&[member("a", &one)]),
                fingerprint(&[member("a", &other)]),
                "{one:02x?} {other:02x?}"
            );
        }
        assert_eq!(fingerprint(&[member("a", b"\x28\x01")]), fingerprint(&[member("a", b"")]));
    }
}
