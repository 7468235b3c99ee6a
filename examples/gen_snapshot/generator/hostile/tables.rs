//! DynamoDB: many tables, items with many attributes, deeply nested values, names that many items have.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Kind, Pile, each, field, part};

pub const KINDS: &[Kind] = &[
    ("tables", |n| each(n, |pile, i| table(pile, &format!("table{i:07}"), b"S", b""))),
    ("tables-items", tables_items),
    ("attributes", |n| item(&numbered(n, |name| entry(name, b"\x12\x011")))),
    ("attributes-empty", |n| item(&b"\x0a\0".repeat(n as usize))),
    ("list-empty", |n| item(&entry(b"zz", &field(9, &b"\x0a\0".repeat(n as usize))))),
    ("map-empty", |n| item(&entry(b"zz", &field(10, &b"\x0a\0".repeat(n as usize))))),
    ("string-set-empty", |n| item(&entry(b"zz", &field(6, &b"\x0a\0".repeat(n as usize))))),
    ("indexes", |n| each(1, |pile, _| table(pile, "t", b"S", &numbered(n, |name| field(4, &field(1, name)))))),
    ("deep-item", |n| item(&entry(b"zz", &nested(n)))),
    ("equal-numbers", |n| each_number(n, |i| format!("1.{}", "0".repeat(i as usize)))),
    ("equal-short", |n| {
        each_number(n, |i| format!("{}1.{}", "0".repeat(i as usize % 500), "0".repeat(i as usize / 500)))
    }),
];

fn table(pile: &mut Pile, name: &str, kind: &[u8], more: &[u8]) {
    let definition = field(2, &[field(1, b"pk"), field(2, kind)].concat());
    let key = field(3, &field(1, b"pk"));
    let value =
        [b"\0DS\x01", &field(1, name.as_bytes())[..], &definition, &key, &[5 << 3, 2, 7 << 3, 1], more].concat();
    pile.put(format!("!ddb|meta|table|{}", URL_SAFE_NO_PAD.encode(name)), value);
}

fn entry(name: &[u8], value: &[u8]) -> Vec<u8> {
    field(1, &[field(1, name), field(2, value)].concat())
}

fn key_of(table: &str, key: &[u8]) -> Vec<u8> {
    [format!("!ddb|item|{}|1|", URL_SAFE_NO_PAD.encode(table)).as_bytes(), key].concat()
}

fn numbered(n: u64, element: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    (0..n).flat_map(|i| element(format!("{i:x}").as_bytes())).collect()
}

fn tables_items(n: u64) -> Pile {
    each(n, |pile, i| {
        let name = format!("table{i:07}");
        table(pile, &name, b"S", b"");
        let body = [b"\0DI\x01", &entry(b"pk", &field(1, b"k"))[..]].concat();
        pile.put(key_of(&name, &part(b"k")), body);
    })
}

/// One item with these attributes in addition to its key.
fn item(attributes: &[u8]) -> Pile {
    each(1, |pile, _| {
        table(pile, "t", b"S", b"");
        let body = [b"\0DI\x01", attributes, &entry(b"pk", &field(1, b"k"))].concat();
        pile.put(key_of("t", &part(b"k")), body);
    })
}

/// Nested lists: lengths are known from the inside, so the value is built from its end.
fn nested(n: u64) -> Vec<u8> {
    let mut reversed = vec![1, 5 << 3];
    for _ in 0..n {
        for number in [1, 9] {
            let mut head = vec![number << 3 | 2];
            super::varint(reversed.len() as u64, &mut head);
            reversed.extend(head.iter().rev());
        }
    }
    reversed.reverse();
    reversed
}

/// Items whose keys are numbers of the same value in many forms.
fn each_number(n: u64, text: impl Fn(u64) -> String) -> Pile {
    let mut pile = each(n, |pile, i| {
        let text = text(i);
        let key = format!("{}|", URL_SAFE_NO_PAD.encode(&text));
        pile.put(key_of("t", key.as_bytes()), [b"\0DI\x01", &entry(b"pk", &field(2, text.as_bytes()))[..]].concat());
    });
    let definition = field(2, &[field(1, b"pk"), field(2, b"N")].concat());
    let schema = [b"\0DS\x01", &field(1, b"t")[..], &definition, &field(3, &field(1, b"pk")), &[7 << 3, 1]].concat();
    pile.put(format!("!ddb|meta|table|{}", URL_SAFE_NO_PAD.encode("t")), schema);
    pile
}
