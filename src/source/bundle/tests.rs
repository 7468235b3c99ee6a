use std::collections::BTreeMap;
use std::io::Read as _;
use std::io::Seek as _;

use proptest::prelude::*;

use super::*;
use crate::format::container;
use crate::format::header::FsmHeader;
use crate::format::sst::writer::{self, Shape};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

const HEADER: FsmHeader = FsmHeader { version: 1, ceiling_ms: 7, cutover_index: 0, len: 16 };

fn bundle_of(rows: &Rows, shape: Shape) -> Vec<u8> {
    let (mut encoder, mut tables) = (writer::Encoder::new(shape), Vec::new());
    for (key, value) in rows {
        tables.extend(encoder.raw(key, value).unwrap());
    }
    let (last, manifest) = encoder.finish();
    tables.extend(last);
    writer::bundle(&HEADER, &manifest, &tables)
}

/// The same rows as a stream, without a footer.
fn stream_of(rows: &Rows, last_commit_ts: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = container::Encoder::begin(&HEADER, last_commit_ts, &mut out);
    rows.iter().for_each(|(key, value)| encoder.raw(key.clone(), value, &mut out).unwrap());
    out
}

fn unpacked(file: &[u8], lenient: bool, run: usize, threads: usize) -> Result<(Vec<u8>, Unpacked)> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (mut stream, unpacked) = pool.install(|| unpack_in(file, Path::new("x.fsm"), lenient, run))?;
    let mut bytes = Vec::new();
    stream.rewind().unwrap();
    stream.read_to_end(&mut bytes).unwrap();
    Ok((bytes, unpacked))
}

fn last_commit_ts(stream: &[u8]) -> u64 {
    u64::from_le_bytes(stream[24..32].try_into().unwrap())
}

/// More with `BUNDLE_CASES`.
fn cases() -> u32 {
    std::env::var("BUNDLE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

fn rows() -> impl Strategy<Value = Rows> {
    let key = prop_oneof![proptest::collection::vec(any::<u8>(), 1..20), "[ab]{1,12}".prop_map(String::into_bytes)];
    let value = prop_oneof![any::<Vec<u8>>(), (0..3000usize).prop_map(|len| vec![b'v'; len])];
    proptest::collection::btree_map(key, value, 0..150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// A bundle of any shape becomes the stream of the same rows, however it is cut into runs and on any number of threads; each row is
    /// assigned to its block.
    #[test]
    fn bundles_become_streams(
        rows in rows(), block in 1usize..2000, index in 1usize..300, file in 1u64..20_000, snappy: bool,
        run in 1usize..4000, threads in 1usize..8,
    ) {
        let bundle = bundle_of(&rows, Shape { block, index, file, snappy });
        prop_assert!(is_bundle(&bundle));
        let (stream, unpacked) = unpacked(&bundle, false, run, threads).unwrap();
        prop_assert!(stream == stream_of(&rows, last_commit_ts(&stream)));
        prop_assert!(unpacked.lost().is_empty() && !unpacked.has_missing());
        prop_assert!(unpacked.footer().unwrap().matches());
        let (mut at, mut before) = (32, 0);
        for (key, value) in &rows {
            let (offset, place) = unpacked.place(at).unwrap();
            prop_assert!(offset >= before && place.block.is_some());
            before = offset;
            at += 16 + (key.len() + value.len()) as u64;
        }
    }

    /// One changed bit of a bundle is always detected, and costs a lenient run only the rows of its block; a table without its index loses
    /// none.
    #[test]
    fn one_bit(
        rows in rows(), block in 1usize..600, index in 1usize..300, file in 1u64..20_000, snappy: bool,
        bit: prop::sample::Index, run in 1usize..2000, threads in 1usize..4,
    ) {
        let mut bundle = bundle_of(&rows, Shape { block, index, file, snappy });
        let front = Front::parse(&bundle[16..]).unwrap().end() + 16;
        prop_assume!(bundle.len() - 4 > front);
        let bit = front * 8 + bit.index((bundle.len() - 4 - front) * 8);
        bundle[bit / 8] ^= 1 << (bit % 8);
        let error = unpacked(&bundle, false, run, threads).err().unwrap();
        prop_assert!(error.is_damage() && error.place().is_some(), "{}", error);
        let again = unpacked(&bundle, false, run, 1).err().unwrap();
        prop_assert_eq!(again.to_string(), error.to_string());
        let (stream, unpacked) = unpacked(&bundle, true, run, threads).unwrap();
        prop_assert!(!unpacked.lost().is_empty());
        prop_assert!(!unpacked.footer().unwrap().matches());
        let (mut at, mut got) = (32, Rows::new());
        while let frame::Step::Entry(entry) = frame::step(&stream, at).unwrap() {
            got.insert(entry.raw_key.to_vec(), entry.raw_value.to_vec());
            at = entry.end;
        }
        prop_assert_eq!(at, stream.len());
        let missing: Vec<_> = rows.iter().filter(|(key, value)| got.get(*key) != Some(value)).collect();
        prop_assert!(got.len() + missing.len() == rows.len(), "no row is made up");
        prop_assert_eq!(unpacked.has_missing(), !missing.is_empty());
        let bytes: usize = missing.iter().map(|(key, value)| key.len() + value.len()).sum();
        let largest = rows.iter().map(|(key, value)| key.len() + value.len() + 12).max().unwrap_or(0);
        prop_assert!(bytes <= block + largest, "{} of a block of {}: {:?}", bytes, block, unpacked.lost());
    }
}

/// Rows so large that a run waits for its turn in the middle, and a block whose rows are all removed then.
#[test]
fn large_rows() {
    let rows: Rows = (0..9u8).map(|n| (vec![n; 1000], vec![n; (3 << 20) + usize::from(n)])).collect();
    for (shape, run) in [(Shape::default(), 1), (Shape { block: 40 << 20, ..Shape::default() }, 1 << 20)] {
        for snappy in [true, false] {
            let mut bundle = bundle_of(&rows, Shape { snappy, ..shape });
            let (stream, _) = unpacked(&bundle, false, run, 3).unwrap();
            assert!(stream == stream_of(&rows, last_commit_ts(&stream)));
            // The last key of the last block.
            let front = Front::parse(&bundle[16..]).unwrap();
            let at = 16 + front.end() + 100;
            bundle[at] ^= 1;
            let (stream, unpacked) = unpacked(&bundle, true, run, 3).unwrap();
            let gap = unpacked.missing().next().unwrap();
            assert!(gap.position == 32 && stream.len() < 30 << 20);
        }
    }
}
