//! The newest version wins and tombstones hide, whatever the order of raw keys: compared with a simple reader.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::kit::build::{NOW, Snapshot, be, item, plain, sized};
use crate::kit::{Tree, run_with};
use ekvsnap::decode::Options;
use ekvsnap::index::Granularity;

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

/// Open keys do not end in the order of a stack: none of these is an old version of another.
#[test]
fn keys_of_equal_length_are_not_taken_for_each_other() {
    let snapshot = Snapshot::new()
        .put_at(!0xfe00_0000_0000_0000, b"!redis|str|a\xfe\x01", "1")
        .put_at(!0xfe01_ffff_0000_0000, "!redis|str|a", "2")
        .put_at(!0xfe00_0000_0000_0000, b"!redis|str|a\xfe\x02", "3");
    let decoded = run_with(&[snapshot.build()], &Options::default()).unwrap();
    assert_eq!(decoded.below("redis/db_0/strings/").len(), 3);
}

/// A key out of order after a shorter one of another family.
#[test]
fn disorder_counts_for_the_family_it_is_in() {
    let mut snapshot = Snapshot::new().put_at(!u64::from_be_bytes(*b"|str|xzz"), "!redis", "bare").put_at(
        !u64::from_be_bytes(*b"{\0\0\0\0\0\0\0"),
        "!redis|str|x",
        "v",
    );
    for i in 0..3000 {
        snapshot = snapshot.put(format!("!redis|str|xy{i:06}"), "v".repeat(400));
    }
    for granularity in [FINE, Granularity::default()] {
        let options = Options { granularity, ..Options::default() };
        let decoded = run_with(&[snapshot.build()], &options).unwrap();
        assert_eq!(decoded.below("redis/db_0/strings/").len(), 3002);
    }
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

/// Cuts so fine that every row is next to a seam.
const FINE: Granularity = Granularity { checkpoint_interval: 1, read_size: 1, task_size: 1 };

/// Each version as a string, as a member of a set and as a field of a separate hash, spread over the inputs.
fn inputs(versions: &[Version], count: usize) -> Vec<Vec<u8>> {
    let mut snapshots = vec![Snapshot::new().last_commit(NOW); count];
    for (i, v) in versions.iter().enumerate() {
        let keys = [
            plain("!redis|str|", &v.key),
            sized("!st|mem|", "s", &v.key),
            sized("!hs|fld|", [b"h", &v.key[..]].concat(), "field"),
        ];
        for key in keys {
            let snapshot = &mut snapshots[i % count];
            *snapshot = match v.body {
                Some(body) => snapshot.clone().put_at(v.ts, key, [body]),
                None => snapshot.clone().delete_at(v.ts, key),
            };
        }
    }
    snapshots.iter().map(Snapshot::build).collect()
}

fn names(tree: &Tree, folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let inside =
        tree.keys().filter_map(|path| path.strip_prefix(folder.as_bytes())?.strip_suffix(extension.as_bytes()));
    let mut names: Vec<Vec<u8>> = inside.map(unescape).collect();
    names.sort();
    names
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn newest_wins_for_any_interleaving(
        versions in prop::collection::vec(version(), 0..40),
        as_of in 0u64..5,
        count in 1usize..3,
        fine in any::<bool>(),
    ) {
        let mut unique: BTreeMap<(Vec<u8>, u64), Version> = BTreeMap::new();
        for v in versions {
            unique.entry((v.key.clone(), v.ts)).or_insert(v);
        }
        let versions: Vec<Version> = unique.into_values().collect();
        let as_of = NOW + as_of;
        let granularity = if fine { FINE } else { Granularity::default() };
        let options = Options { as_of: Some(as_of), granularity, ..Options::default() };
        let decoded = run_with(&inputs(&versions, count), &options).unwrap();
        let want = naive(&versions, as_of);
        let keys: Vec<Vec<u8>> = want.keys().cloned().collect();
        prop_assert_eq!(names(&decoded.tree, "redis/db_0/hashes/h", ".json"), keys.clone());
        for (path, body) in &decoded.tree {
            if let Some(name) = path.strip_prefix(b"redis/db_0/strings/") {
                prop_assert_eq!(want.get(&unescape(name.strip_suffix(b".bin").unwrap())), Some(&body[0]));
            }
        }
        prop_assert_eq!(names(&decoded.tree, "redis/db_0/strings/", ".bin"), keys.clone());
        let mut set = b"{\n  \"format_version\": 1,\n  \"members\": [".to_vec();
        for (i, key) in keys.iter().enumerate() {
            set.extend(if i == 0 { &b"\n    "[..] } else { b",\n    " });
            ekvsnap::output::json::bytes_indented(key, 4, &mut set);
        }
        set.extend(b"\n  ],\n  \"expire_at_ms\": null\n}");
        if !keys.is_empty() {
            prop_assert_eq!(decoded.text("redis/db_0/sets/s.json").as_bytes(), set.as_slice());
        }
    }
}

/// Numbered keys are prefixes of each other: none may be lost where work is cut, by any seam.
#[test]
fn nothing_is_lost_at_the_seams() {
    let mut snapshot = Snapshot::new();
    for i in 0..3000u64 {
        let key = format!("user:{i}");
        snapshot = match i % 4 {
            0 => snapshot.put(format!("!redis|str|{key}"), "v"),
            1 => snapshot.put(sized("!hs|fld|", &key, "f"), "v"),
            2 => snapshot.put(format!("!lst|meta|{key}"), be(&[0, 1, 1])).put(item(&key, 0), "v"),
            _ => snapshot.put(&key, "bare"),
        };
    }
    let file = snapshot.build();
    for granularity in
        [FINE, Granularity { checkpoint_interval: 100, read_size: 300, task_size: 1000 }, Granularity::default()]
    {
        for threads in [1, 3] {
            let options = Options { granularity, threads, ..Options::default() };
            let decoded = run_with(std::slice::from_ref(&file), &options).unwrap();
            let count = |folder: &str| decoded.below(&format!("redis/db_0/{folder}/")).len();
            assert_eq!((count("strings"), count("hashes"), count("lists")), (1500, 750, 750), "{granularity:?}");
            assert!(decoded.warnings().is_empty(), "{:?}", decoded.warnings());
        }
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
