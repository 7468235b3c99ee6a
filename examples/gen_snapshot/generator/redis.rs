//! Redis keys.

use std::io;

use super::Amount;
use super::rows::{Family, LAST_COMMIT, NOW, Rows};

/// The families of one workload.
pub fn families(workload: &str, n: Amount) -> Vec<Family> {
    match workload {
        "strings" => vec![Family::new("!redis|str|key", move |rows| strings(rows, n))],
        "versions" => vec![Family::new("!redis|str|ver", move |rows| versions(rows, n))],
        "hashes" => hashes(n),
        "one-hash" => vec![Family::new("!hs|fld|", move |rows| one_hash(rows, n))],
        "sets" => sets(n),
        "zsets" => zsets(n),
        "lists" => lists(n),
        "streams" => streams(n),
        "ttl" => ttl(n),
        other => unreachable!("{other} is no workload"),
    }
}

/// A key with the length of its user key before it.
fn sized(prefix: &str, key: &str, rest: &[u8]) -> Vec<u8> {
    [prefix.as_bytes(), &(key.len() as u32).to_be_bytes(), key.as_bytes(), rest].concat()
}

fn big_endian(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

/// A string value without an expiry, 100 bytes with its envelope.
fn string(n: Amount, key: u64, version: u64) -> Vec<u8> {
    [b"\xff\x01\0", &n.text(key, version, 97)[..]].concat()
}

fn strings(rows: &mut Rows<'_>, n: Amount) -> io::Result<()> {
    (0..n.scale).try_for_each(|i| rows.put(format!("!redis|str|{}", n.padded("key", i)).as_bytes(), &string(n, i, 0)))
}

fn versions(rows: &mut Rows<'_>, n: Amount) -> io::Result<()> {
    (0..n.scale).try_for_each(|i| {
        let body = |v| (v != 4 || i % 10 != 0).then(|| string(n, i, v));
        let all: Vec<_> = (NOW..=LAST_COMMIT).rev().map(|ts| (ts, body(ts - NOW))).collect();
        rows.versions(format!("!redis|str|{}", n.padded("ver", i)).as_bytes(), &all)
    })
}

/// One row for each collection; its number and size determine the value.
fn per_key(
    prefix: &'static str,
    (kind, per): (&'static str, u64),
    n: Amount,
    value: impl Fn(u64) -> Vec<u8> + 'static,
) -> Family {
    Family::new(prefix, move |rows| {
        n.shares(per).try_for_each(|(c, count)| rows.put(&sized(prefix, &n.key(kind, c), b""), &value(count)))
    })
}

/// The rows for which transactions on collections conflict: empty, one for each key, in plain order of keys.
fn fence(prefix: &'static str, keys: impl Fn() -> Vec<String> + 'static) -> Family {
    let emit = move |rows: &mut Rows<'_>| {
        let mut keys = keys();
        keys.sort_unstable();
        keys.iter().try_for_each(|key| rows.put(&[prefix.as_bytes(), key.as_bytes()].concat(), b""))
    };
    Family { fence: true, ..Family::new(prefix, emit) }
}

fn fence_of(prefix: &'static str, kind: &'static str, n: Amount) -> Family {
    fence(prefix, move || n.shares(100).map(|(c, _)| n.key(kind, c)).collect())
}

/// Elements of collections of 100: `element` makes the rest of the key and the value, and ascends with its second number.
fn elements(
    prefix: &'static str,
    kind: &'static str,
    n: Amount,
    element: impl Fn(u64, u64) -> (Vec<u8>, Vec<u8>) + 'static,
) -> Family {
    Family::new(prefix, move |rows| {
        n.shares(100).try_for_each(|(c, count)| {
            let key = n.key(kind, c);
            (0..count).try_for_each(|i| {
                let (rest, value) = element(c, i);
                rows.put(&sized(prefix, &key, &rest), &value)
            })
        })
    })
}

/// The meta of a hash, set or sorted set.
fn collection_meta(count: u64) -> Vec<u8> {
    big_endian(&[count, 0])
}

fn hashes(n: Amount) -> Vec<Family> {
    let field = move |c, i| (format!("field:{i:03}").into_bytes(), n.text(c, i + 1, 50));
    vec![
        elements("!hs|fld|", "hash", n, field),
        per_key("!hs|meta|", ("hash", 100), n, collection_meta),
        fence_of("!redis|txn-wide-hash|", "hash", n),
    ]
}

/// One hash that should not need to fit into memory; its meta is missing, as if deltas were not folded yet.
fn one_hash(rows: &mut Rows<'_>, n: Amount) -> io::Result<()> {
    (0..n.scale)
        .try_for_each(|i| rows.put(&sized("!hs|fld|", "h", n.padded("field", i).as_bytes()), &n.text(0, i + 1, 50)))
}

fn sets(n: Amount) -> Vec<Family> {
    let member = move |c, i| (format!("member:{i:03}:{:08x}", n.hash(c, i) as u32).into_bytes(), Vec::new());
    vec![
        elements("!st|mem|", "set", n, member),
        per_key("!st|meta|", ("set", 100), n, collection_meta),
        fence_of("!redis|txn-wide-set|", "set", n),
    ]
}

fn zsets(n: Amount) -> Vec<Family> {
    // Scores ascend with the number, so that the index is in order too; their digits depend on the seed.
    let score = move |c, i| (i as f64 * 1.5 + (n.hash(c, i) % 1000) as f64 / 1000.0).to_bits();
    let name = |i| format!("member:{i:03}").into_bytes();
    let member = move |c, i| (name(i), score(c, i).to_be_bytes().to_vec());
    let index = move |c, i| ([&(score(c, i) ^ 1 << 63).to_be_bytes()[..], &name(i)].concat(), Vec::new());
    vec![
        elements("!zs|mem|", "zset", n, member),
        elements("!zs|scr|", "zset", n, index),
        per_key("!zs|meta|", ("zset", 100), n, collection_meta),
        fence_of("!redis|txn-wide-zset|", "zset", n),
    ]
}

/// Keys of lists have no length before them, so all have the same length and no list's items are between another's.
fn lists(n: Amount) -> Vec<Family> {
    let items = move |rows: &mut Rows<'_>| {
        n.shares(100).try_for_each(|(c, count)| {
            let key = n.padded("list", c);
            (0..count).try_for_each(|i| {
                let item = [b"!lst|itm|", key.as_bytes(), &(i | 1 << 63).to_be_bytes()].concat();
                rows.put(&item, &n.text(c, i + 1, 50))
            })
        })
    };
    let metas = move |rows: &mut Rows<'_>| {
        n.shares(100).try_for_each(|(c, count)| {
            let key = format!("!lst|meta|{}", n.padded("list", c));
            rows.put(key.as_bytes(), &big_endian(&[0, count, count]))
        })
    };
    vec![
        Family::new("!lst|itm|", items),
        Family::new("!lst|meta|", metas),
        fence("!redis|txn-wide-list|", move || n.shares(100).map(|(c, _)| n.padded("list", c)).collect()),
    ]
}

const STREAM: u64 = 1000;

fn streams(n: Amount) -> Vec<Family> {
    let entries = move |rows: &mut Rows<'_>| {
        n.shares(STREAM).try_for_each(|(c, count)| {
            let key = n.key("stream", c);
            (0..count).try_for_each(|i| {
                let (id, entry) = stream_entry(n, c, i);
                rows.put(&sized("!stream|entry|", &key, &id), &entry)
            })
        })
    };
    let meta = |count| big_endian(&[count, (NOW >> 16) + count - 1, 0, 0, 0, 0]);
    vec![Family::new("!stream|entry|", entries), per_key("!stream|meta|", ("stream", STREAM), n, meta)]
}

fn stream_entry(n: Amount, stream: u64, i: u64) -> (Vec<u8>, Vec<u8>) {
    let ms = (NOW >> 16) + i;
    let text = format!("{ms}-0");
    let mut entry = b"\0RXE\x01\x0a".to_vec();
    entry.push(text.len() as u8);
    entry.extend(text.as_bytes());
    for part in [&b"field"[..], &n.text(stream, i + 1, 60)] {
        entry.extend([0x12, part.len() as u8]);
        entry.extend(part);
    }
    (big_endian(&[ms, 0]), entry)
}

/// TTL rows of deleted keys, as after a crash between two transactions, and a few that belong to a set.
fn ttl(n: Amount) -> Vec<Family> {
    let rows_of_keys = move |rows: &mut Rows<'_>| {
        (0..n.scale).try_for_each(|i| {
            let key = format!("!redis|ttl|{}", n.padded("set", i));
            rows.put(key.as_bytes(), &(1 + n.hash(i, 1) % (1 << 41)).to_be_bytes())
        })
    };
    let metas = move |rows: &mut Rows<'_>| {
        (0..n.scale).step_by(100).try_for_each(|i| rows.put(&sized("!st|meta|", &n.padded("set", i), b""), &[0; 8]))
    };
    vec![Family::new("!redis|ttl|", rows_of_keys), Family::new("!st|meta|", metas)]
}
