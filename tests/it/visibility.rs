//! Newest version wins, tombstones hide, whatever the order of raw keys: against a naive reader.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::kit::build::{NOW, Snapshot};
use crate::kit::run_with;
use ekvsnap::decode::Options;

/// The trap of `container.md` §3.2, by hand: `a`, and keys that sort between two versions of `a`.
#[test]
fn versions_of_one_key_need_not_be_adjacent() {
    let inverted = (!NOW).to_be_bytes();
    let between = [b"!redis|str|a", &inverted[..], b"x"].concat();
    let snapshot = Snapshot::new()
        .put_at(NOW, "!redis|str|a", "new")
        .put_at(NOW - 5, "!redis|str|a", "old")
        .put_at(NOW, &between, "between")
        .put_at(NOW - 9, &between, "older");
    let decoded = run_with(&[snapshot.build()], &Options::default()).unwrap();
    assert_eq!(decoded.text("redis/db_0/strings/a.bin"), "new");
    assert_eq!(decoded.below("redis/db_0/strings/").len(), 2);
}

#[derive(Debug, Clone)]
struct Version {
    key: Vec<u8>,
    ts: u64,
    body: Option<u8>,
}

/// Short keys over bytes that collide with inverted timestamps, so that prefixes and interleaving are common.
fn version() -> impl Strategy<Value = Version> {
    let byte = prop_oneof![Just(b'a'), Just(b'b'), Just(0xfe), Just(0xff), Just(0x00), Just(0xe7)];
    let key = prop::collection::vec(byte, 0..5);
    let long = (key.clone(), 0u64..4).prop_map(|(key, n)| [key, (!(NOW + n)).to_be_bytes().to_vec()].concat());
    let keys = prop_oneof![3 => key, 1 => long];
    (keys, 0u64..4, prop::option::weighted(0.8, any::<u8>())).prop_map(|(key, n, body)| Version {
        key,
        ts: NOW + n,
        body,
    })
}

fn naive(versions: &[Version], as_of: u64) -> BTreeMap<Vec<u8>, u8> {
    let mut newest: BTreeMap<&[u8], &Version> = BTreeMap::new();
    for v in versions.iter().filter(|v| v.ts <= as_of) {
        let slot = newest.entry(&v.key).or_insert(v);
        if v.ts > slot.ts {
            *slot = v;
        }
    }
    newest.into_iter().filter_map(|(key, v)| Some((key.to_vec(), v.body?))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn newest_wins_for_any_interleaving(versions in prop::collection::vec(version(), 0..40), as_of in 0u64..5) {
        let mut unique: BTreeMap<(Vec<u8>, u64), Version> = BTreeMap::new();
        for v in versions {
            unique.entry((v.key.clone(), v.ts)).or_insert(v);
        }
        let versions: Vec<Version> = unique.into_values().collect();
        let mut snapshot = Snapshot::new();
        for v in &versions {
            let key = [b"!redis|str|", &v.key[..]].concat();
            snapshot = match v.body {
                Some(body) => snapshot.put_at(v.ts, key, [body]),
                None => snapshot.delete_at(v.ts, key),
            };
        }
        let as_of = NOW + as_of;
        let options = Options { as_of: Some(as_of), ..Options::default() };
        let decoded = run_with(&[snapshot.build()], &options).unwrap();
        let want = naive(&versions, as_of);
        let got: BTreeMap<Vec<u8>, u8> = decoded.tree.iter().filter_map(|(path, body)| {
            let name = path.strip_prefix(b"redis/db_0/strings/")?.strip_suffix(b".bin")?;
            Some((unescape(name), body[0]))
        }).collect();
        prop_assert_eq!(got, want);
    }
}

fn unescape(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = name;
    while let Some((b, tail)) = rest.split_first() {
        if *b == b'%' {
            out.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            out.push(*b);
            rest = tail;
        }
    }
    out
}
