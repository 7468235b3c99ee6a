//! Compares ranges with a simple reader: every live row, in user-key order, for any cuts.

use std::collections::BTreeMap;

use ekvsnap::dataset::DataSet;
use ekvsnap::format::Family;
use ekvsnap::index::Granularity;
use ekvsnap::source::Source;
use proptest::prelude::*;

use crate::kit::build::{NOW, Snapshot};

type Rows = BTreeMap<Vec<u8>, (u64, Vec<u8>)>;

fn sources(groups: &[Rows]) -> Vec<Source> {
    let build =
        |rows: &Rows| rows.iter().fold(Snapshot::new(), |s, (key, (ts, body))| s.put_at(*ts, key, body)).build();
    groups.iter().map(|rows| Source::from_bytes("x", build(rows))).collect()
}

fn read(set: &DataSet<'_>, lo: &[u8], hi: &[u8]) -> Vec<Vec<u8>> {
    let mut rows = set.range(Family::Str, lo.to_vec(), Some(hi.to_vec()));
    let mut keys = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        keys.push(row.user_key.to_vec());
    }
    keys
}

/// Reads the whole family in parts that begin and end at `cuts`, and compares.
fn check(groups: &[Rows], cuts: &[Vec<u8>]) {
    let sources = sources(groups);
    let set = DataSet::index(&sources, None, Granularity::default()).unwrap();
    let mut bounds: Vec<Vec<u8>> = cuts.iter().map(|cut| [b"!redis|str|", &cut[..]].concat()).collect();
    bounds.extend([b"!redis|str|".to_vec(), b"!redis|str}".to_vec()]);
    bounds.sort();
    bounds.dedup();
    let got: Vec<_> = bounds.windows(2).flat_map(|pair| read(&set, &pair[0], &pair[1])).collect();
    let mut want: Vec<_> = groups.iter().flat_map(|rows| rows.keys().cloned()).collect();
    want.sort();
    want.dedup();
    assert!(got == want, "cuts {bounds:?}: got {} rows, want {}", got.len(), want.len());
}

fn rows(keys: &[(&[u8], usize)]) -> Rows {
    keys.iter().map(|(key, len)| ([b"!redis|str|", *key].concat(), (NOW, vec![0; *len]))).collect()
}

#[test]
fn a_cut_behind_a_key_that_is_its_prefix_loses_nothing() {
    check(&[rows(&[(b"a", 1), (b"b", 1)])], &[b"ab".to_vec()]);
    check(&[rows(&[(b"a", 1)]), rows(&[(b"a1", 400_000), (b"a2", 400_000), (b"ab", 400_000)])], &[]);
}

#[test]
fn large_values_under_keys_that_share_much_lose_nothing() {
    let key = |n: u8| [b"the same long beginning of a key", &[0, 0, 0, 0, 0, 0, 0, n][..]].concat();
    let keys: Vec<_> = (0..8).map(key).collect();
    let large: Vec<(&[u8], usize)> = keys.iter().map(|key| (key.as_slice(), 1 << 20)).collect();
    check(&[rows(&large)], &[]);
    let mixed: Vec<_> = large.iter().enumerate().map(|(i, (key, len))| (*key, len >> (i % 3 * 8))).collect();
    check(&[rows(&mixed)], &[]);
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(vec![b'a', b'b', 0, 0xff, 0xfe, 0xe5, 0x8c]);
    prop::collection::vec(byte, 0..12)
}

fn group() -> impl Strategy<Value = Rows> {
    let len = prop::sample::select(vec![0usize, 20, 9_000, 70_000, 300_000]);
    prop::collection::vec((key(), 0..3u64, len), 0..20).prop_map(|rows| {
        let row = |(key, ts, len)| ([b"!redis|str|", &key as &[u8]].concat(), (NOW + ts, vec![0; len]));
        rows.into_iter().map(row).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn ranges_are_complete(groups in prop::collection::vec(group(), 1..4), cuts in prop::collection::vec(key(), 0..4)) {
        check(&groups, &cuts);
    }
}
