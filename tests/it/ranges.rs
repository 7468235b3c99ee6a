//! Ranges of a data set: wherever the keys are cut, every row comes once and in order.

use ekvsnap::dataset::DataSet;
use ekvsnap::format::Family;
use ekvsnap::index::Granularity;
use ekvsnap::source::Source;
use proptest::prelude::*;

use crate::kit::build::{NOW, Snapshot};

const FAMILY: Family = Family::Str;

fn key(rest: &[u8]) -> Vec<u8> {
    [FAMILY.prefix().as_bytes(), rest].concat()
}

/// Rows of the family in parts, cut at `cuts`.
fn read(sources: &[Source], cuts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let set = DataSet::index(sources, None, Granularity::default()).unwrap();
    let mut bounds: Vec<Vec<u8>> = cuts.iter().map(|cut| key(cut)).collect();
    bounds.sort();
    let los = std::iter::once(key(b"")).chain(bounds.iter().cloned());
    let his = bounds.iter().cloned().chain([b"!redis|str}".to_vec()]);
    let mut found = Vec::new();
    for (lo, hi) in los.zip(his) {
        let mut rows = set.range(FAMILY, lo, Some(hi));
        while let Some(row) = rows.next().unwrap() {
            found.push(FAMILY.suffix(row.user_key).to_vec());
        }
    }
    found
}

fn snapshot(keys: &[Vec<u8>]) -> Snapshot {
    let put = |snapshot: Snapshot, k: &Vec<u8>| snapshot.put(key(k), b"new").put_at(NOW - (1 << 20), key(k), b"old");
    keys.iter().fold(Snapshot::new(), put)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let letter = prop_oneof![Just(b'a'), Just(b'b'), Just(0u8), Just(0xfe), Just(0xff)];
    prop::collection::vec(letter, 0..5)
}

/// A boundary that is a key with some bytes of its timestamp, as in the file.
#[test]
fn a_cut_inside_a_timestamp_loses_no_key() {
    let sources = [Source::from_bytes("x.fsm", snapshot(&[b"a".to_vec(), b"b".to_vec()]).build())];
    let raw = [b"a", &(!NOW).to_be_bytes()[..]].concat();
    for len in 0..=raw.len() {
        assert_eq!(read(&sources, &[raw[..len].to_vec()]), [b"a", b"b"], "{len}");
    }
}

/// A boundary that is a key of another family: a key of this family that is a prefix of it comes after it.
#[test]
fn a_cut_at_a_longer_key_loses_no_key() {
    let sources = [Source::from_bytes("x.fsm", snapshot(&[b"foo".to_vec(), b"g".to_vec()]).build())];
    assert_eq!(read(&sources, &[b"foobar".to_vec()]), [&b"foo"[..], b"g"]);
}

proptest! {
    #[test]
    fn any_cuts_give_every_row_once(
        keys in prop::collection::btree_set(bytes(), 0..12), cuts in prop::collection::vec(bytes(), 0..6), groups in 1usize..3,
    ) {
        let keys: Vec<Vec<u8>> = keys.into_iter().collect();
        let share = keys.len().div_ceil(groups).max(1);
        let mut sources: Vec<Source> =
            keys.chunks(share).map(|part| Source::from_bytes("x.fsm", snapshot(part).build())).collect();
        if sources.is_empty() {
            sources.push(Source::from_bytes("x.fsm", Snapshot::new().build()));
        }
        prop_assert_eq!(read(&sources, &cuts), keys);
    }
}

/// Keys of a megabyte with a common prefix cost no more than others: boundaries stay short.
#[test]
fn long_keys_that_begin_alike_take_no_time() {
    let keys: Vec<Vec<u8>> = (0..8).map(|i| vec![b'k'; (1 << 20) - 32 + i]).collect();
    let sources = [Source::from_bytes("x.fsm", snapshot(&keys).build())];
    assert!(read(&sources, &[]) == keys);
}
