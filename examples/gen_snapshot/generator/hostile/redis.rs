//! Redis: large values, many small elements in one value, long and nested keys.

use super::super::rows::{Damage, NOW};
use super::{Kind, Pile, each, field};

pub const KINDS: &[Kind] = &[
    ("string-control", |n| large(1, n, 1)),
    ("strings-control", |n| large(8, n, 1)),
    ("strings-ascii", |n| large(16, n, b'v')),
    ("set-blob-empty", |n| blob("set", b"\0RS\x01", &b"\x0a\0".repeat(n as usize))),
    ("zset-blob-empty", |n| blob("zset", b"\0RZ\x01", &b"\x0a\0".repeat(n as usize))),
    ("hash-blob-empty", |n| blob("hash", b"\0RH\x01", &b"\x0a\0".repeat(n as usize))),
    ("set-blob", |n| blob("set", b"\0RS\x01", &numbered(n, |name| field(1, name)))),
    ("zset-blob", |n| blob("zset", b"\0RZ\x01", &numbered(n, |name| field(1, &field(1, name))))),
    ("hash-blob", |n| blob("hash", b"\0RH\x01", &numbered(n, |name| field(1, &field(1, name))))),
    ("stream-blob", |n| blob("stream", b"\0RX\x01", &b"\x0a\0".repeat(n as usize))),
    ("stream-fields", stream_fields),
    ("nested-keys", |n| each(n, |pile, i| pile.put(string(&vec![b'a'; i as usize + 1]), value(b"v")))),
    ("long-keys", |n| each(n, |pile, i| pile.put(string(&long(i)), value(&[b'v'; 100])))),
    ("long-hash", long_hash),
    ("one-key", |n| each(n, |pile, i| pile.put_at(string(b"k"), NOW - i, value(b"v")))),
    ("deltas", |n| each(n, |pile, i| pile.put(delta(i), 1u64.to_be_bytes()))),
    ("ttl-alone", |n| each(n, |pile, i| pile.put(format!("!redis|ttl|nobody{i:07}"), NOW.to_be_bytes()))),
    ("damaged-metas", |n| each(n, |pile, i| pile.put(meta(&number(i)), [0; 7]))),
    ("damaged-long", |n| each(n, |pile, i| pile.put(meta(&[&number(i)[..], &[b'k'; 1_000_000]].concat()), [0; 7]))),
    ("damaged-keys", |n| each(n, |pile, i| pile.put(string(&number(i)), value(b"v"))).damaged(1000, Damage::Key)),
    ("damaged-frames", |n| each(n, |pile, i| pile.put(string(&number(i)), value(b"v"))).damaged(8, Damage::Frame)),
    ("unknown", |n| each(n, |pile, i| pile.put(format!("!u{i:07}|x"), *b"v"))),
    ("intents", intents),
];

fn string(key: &[u8]) -> Vec<u8> {
    [b"!redis|str|", key].concat()
}

fn value(body: &[u8]) -> Vec<u8> {
    [b"\xff\x01\0", body].concat()
}

fn number(i: u64) -> Vec<u8> {
    format!("{i:07}").into_bytes()
}

/// Strings of `n` equal bytes.
fn large(strings: u64, n: u64, byte: u8) -> Pile {
    each(strings, |pile, i| pile.put(string(&number(i)), value(&vec![byte; n as usize])))
}

/// A collection in one value, the form of old servers.
fn blob(kind: &str, magic: &[u8], elements: &[u8]) -> Pile {
    each(1, |pile, _| pile.put(format!("!redis|{kind}|s"), [magic, elements].concat()))
}

fn numbered(n: u64, element: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    (0..n).flat_map(|i| element(format!("{i:x}").as_bytes())).collect()
}

fn sized(prefix: &str, key: &[u8]) -> Vec<u8> {
    [prefix.as_bytes(), &(key.len() as u32).to_be_bytes(), key].concat()
}

fn meta(key: &[u8]) -> Vec<u8> {
    sized("!hs|meta|", key)
}

fn delta(i: u64) -> Vec<u8> {
    [&sized("!hs|meta|d|", b"h")[..], &i.to_be_bytes(), &[0; 4]].concat()
}

fn long(i: u64) -> Vec<u8> {
    [&[b'p'; 200_000][..], &number(i)].concat()
}

/// One entry with many empty fields.
fn stream_fields(n: u64) -> Pile {
    let one = 1u64.to_be_bytes();
    each(1, |pile, _| {
        pile.put(sized("!stream|meta|", b"s"), [one, one, one].concat());
        let entry = [b"\0RXE\x01", &field(1, b"1-1")[..], &b"\x12\0".repeat(2 * n as usize)].concat();
        pile.put([&sized("!stream|entry|", b"s")[..], &one, &one].concat(), entry);
    })
}

fn long_hash(n: u64) -> Pile {
    let key = [b'p'; 200_000];
    each(n, |pile, i| pile.put([sized("!hs|fld|", &key), number(i)].concat(), *b"v"))
}

/// A committed transaction on many keys.
fn intents(n: u64) -> Pile {
    let (start, commit) = ((NOW - 100).to_be_bytes(), (NOW - 50).to_be_bytes());
    let primary = string(&number(0));
    let mut pile = each(n, |pile, i| {
        let key = string(&number(i));
        let (len, first) = ((primary.len() as u64).to_be_bytes(), [u8::from(i == 0)]);
        pile.put([b"!txn|lock|", &key[..]].concat(), [&[1], &start[..], &[0; 8], &first, &len, &primary].concat());
        let body = value(b"v");
        let len = (body.len() as u64).to_be_bytes();
        pile.put([b"!txn|int|", &key[..]].concat(), [&[1], &start[..], &[0], &len, &body].concat());
    });
    pile.put([b"!txn|cmt|", &primary[..], &start].concat(), [&[1], &commit[..]].concat());
    pile
}
