//! `--on-error skip` after broken frames and keys out of order: everything that is read was in the snapshot, and is the newest version.

use std::collections::BTreeMap;

use ekvsnap::dataset::{DataSet, Lost, SkipLog};
use ekvsnap::format::Family;
use ekvsnap::format::frame::{self, Entry, Step};
use ekvsnap::index::Granularity;
use ekvsnap::source::Source;

use crate::kit::build::{NOW, Snapshot};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

const FAMILIES: [Family; 2] = [Family::Str, Family::S3Blob];

/// Live rows of a few families, and the losses.
fn lenient(file: Vec<u8>) -> (Rows, Vec<Lost>) {
    let sources = [Source::from_bytes("a.fsm", file)];
    let set = DataSet::index_with(&sources, None, Granularity::default(), SkipLog::new(true)).unwrap();
    let mut rows = Rows::new();
    for family in FAMILIES {
        let mut range = set.family(family);
        while let Some(row) = range.next().unwrap() {
            rows.insert(row.user_key.to_vec(), row.body.to_vec());
        }
        assert_eq!(range.shared(), None, "runs of one file are not several inputs");
    }
    let lost = set.losses().take().unwrap();
    (rows, lost.iter().collect::<ekvsnap::error::Result<_>>().unwrap())
}

/// Twenty keys with up to three versions, some deleted.
fn history() -> Vec<u8> {
    let mut snapshot = Snapshot::new();
    for n in 0..20u64 {
        let key = format!("!redis|str|key {n:02}{}", "x".repeat(n as usize % 5));
        for version in 0..n % 4 {
            let tombstone = u8::from(n % 7 == 6 && version == 2);
            snapshot = snapshot.version(NOW + version, &key, tombstone, 0, format!("{n} {version}"));
        }
    }
    snapshot.build()
}

fn entries(file: &[u8]) -> Vec<Entry<'_>> {
    let (_, mut at) = ekvsnap::index::stream(file).unwrap();
    let mut all = Vec::new();
    while let Ok(Step::Entry(entry)) = frame::step(file, at) {
        at = entry.end;
        all.push(entry);
    }
    all
}

/// Whatever one bit of a length is changed to, every row that comes out is the newest version of its key, at most three keys
/// are missing, and something is listed.
#[test]
fn one_bit_of_a_length_costs_its_neighbours_at_most() {
    let whole = history();
    let (want, none) = lenient(whole.clone());
    assert!(want.len() > 12 && none.is_empty());
    for entry in entries(&whole) {
        let value = entry.start + 8 + entry.raw_key.len();
        for bit in (entry.start * 8..entry.start * 8 + 64).chain(value * 8..value * 8 + 64) {
            let mut file = whole.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            let (got, lost) = lenient(file);
            assert!(!lost.is_empty(), "bit {bit}");
            for (key, body) in &got {
                assert_eq!(want.get(key), Some(body), "bit {bit} {}: {lost:?}", key.escape_ascii());
            }
            assert!(got.len() + 3 >= want.len(), "bit {bit}: {} of {}, {lost:?}", got.len(), want.len());
        }
    }
}

/// Two broken frames with rows between them.
#[test]
fn what_is_between_two_broken_frames_is_saved() {
    let whole = history();
    let (want, _) = lenient(whole.clone());
    let all = entries(&whole);
    let mut saved = 0;
    for (n, first) in all.iter().enumerate() {
        for second in all.iter().skip(n + 5) {
            for at in [first.start + 4, first.start + 8 + first.raw_key.len() + 4] {
                let mut file = whole.clone();
                file[at] ^= 1;
                file[second.start + 3] ^= 128;
                let (got, lost) = lenient(file);
                assert!(got.iter().all(|(key, body)| want.get(key) == Some(body)), "{lost:?}");
                assert!(got.len() + 6 >= want.len(), "{} of {}: {lost:?}", got.len(), want.len());
                saved += 1;
            }
        }
    }
    assert!(saved > 500, "{saved}");
}

/// The same for a bit of a key that takes it out of its order.
#[test]
fn one_bit_of_a_key_out_of_order_costs_its_neighbours_at_most() {
    let whole = history();
    let (want, _) = lenient(whole.clone());
    let mut seen = 0;
    for pair in entries(&whole).windows(3) {
        let [before, entry, after] = pair else { continue };
        for bit in (entry.start + 8) * 8..(entry.start + 8 + entry.raw_key.len() - 8) * 8 {
            let mut file = whole.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            let key = &file[entry.start + 8..entry.start + 8 + entry.raw_key.len()];
            if (before.raw_key..after.raw_key).contains(&key) {
                continue;
            }
            seen += 1;
            let (got, lost) = lenient(file);
            for (key, body) in &got {
                assert_eq!(want.get(key), Some(body), "bit {bit} {}: {lost:?}", key.escape_ascii());
            }
            assert!(got.len() + 3 >= want.len(), "bit {bit}: {} of {}, {lost:?}", got.len(), want.len());
        }
    }
    assert!(seen > 1000, "{seen}");
}

/// A snapshot that is stored in a value is not taken for rows when the frame around it breaks.
#[test]
fn rows_inside_a_value_are_not_rows() {
    let inner = (0..50).fold(Snapshot::new(), |all, n| all.put(format!("!s3|blob|{n:02}"), "inner")).build();
    let outer = (0..30).fold(Snapshot::new(), |all, n| all.put(format!("!redis|str|{n:02}"), "outer"));
    let outer = outer.put("!s3|blob|.", &inner).put("!s3|blob|~1", "behind").put("!s3|blob|~2", "last").build();
    let (want, _) = lenient(outer.clone());
    let holder = entries(&outer).into_iter().find(|entry| entry.raw_value.len() > inner.len()).unwrap();
    let (start, value) = (holder.start, holder.start + 8 + holder.raw_key.len());
    for at in [start + 4, value + 4] {
        let mut file = outer.clone();
        file[at] ^= 1;
        let (got, lost) = lenient(file);
        assert!(got.iter().all(|(key, body)| want.get(key) == Some(body)), "{lost:?}");
        assert!(got.contains_key(&b"!s3|blob|~2"[..]) && got.len() == want.len() - 2, "{lost:?}");
        assert_eq!(lost.len(), 3, "the frame, the key behind it, and the checksum: {lost:?}");
    }
}

/// Two swapped rows: neither is known to be right.
#[test]
fn swapped_rows_are_both_left_out() {
    let rows: Vec<Vec<u8>> = (0..10).map(|n| format!("!redis|str|{n}").into_bytes()).collect();
    let whole = rows.iter().fold(Snapshot::new(), |all, key| all.put(key, "v")).build();
    let all = entries(&whole);
    let (a, b) = (all[4].start..all[4].end, all[5].start..all[5].end);
    let mut file = whole.clone();
    file[a.clone()].copy_from_slice(&whole[b.clone()]);
    file[b].copy_from_slice(&whole[a]);
    let (got, lost) = lenient(file);
    let left: Vec<&Vec<u8>> = rows.iter().filter(|key| !got.contains_key(*key)).collect();
    assert_eq!(left, [&rows[4], &rows[5], &rows[6]], "{lost:?}");
}

/// Many damaged keys: each costs itself, however many there are.
#[test]
fn there_is_no_most_of_damaged_places() {
    let mut file = (0..6000).fold(Snapshot::new(), |all, n| all.put(format!("!redis|str|{n:05}"), "v")).build();
    let starts: Vec<usize> = entries(&file).iter().skip(10).step_by(6).take(990).map(|entry| entry.start).collect();
    for start in &starts {
        file[start + 8] = b'\xa1';
    }
    let (got, lost) = lenient(file);
    assert_eq!(got.len(), 6000 - starts.len(), "{:?}", &lost[..10]);
    assert_eq!(lost.len(), starts.len() + 1, "and the checksum");
}

/// A few thousand keys with one to three versions.
fn large(random: &mut impl FnMut(u64) -> u64) -> Vec<u8> {
    let mut snapshot = Snapshot::new();
    for n in 0..3000u64 {
        let key = format!("!redis|str|user:{:06}:{}", n * 3, "profile".repeat(1 + random(2) as usize));
        for version in 0..1 + random(3) {
            snapshot = snapshot.version(NOW + n * 7 + version, &key, 0, 0, format!("{n} {version}"));
        }
    }
    snapshot.build()
}

/// One kind of damage to an entry whose neighbours' keys are known. A key that is moved only by a few places cannot be distinguished from
/// an intact one, so it is moved far.
fn damage(file: &mut [u8], all: &[Span], n: usize, random: &mut impl FnMut(u64) -> u64) {
    let Span { start, ref key, end } = all[n];
    let value = start + 8 + key.len();
    match random(5) {
        0 => file[start..start + 8].copy_from_slice(&random(u64::MAX).to_le_bytes()),
        1 => file[value..value + 8].copy_from_slice(&random(u64::MAX).to_le_bytes()),
        2 => file[start..end].fill(0),
        _ => {
            let near = &all[n.saturating_sub(30)].key..&all[(n + 30).min(all.len() - 1)].key;
            loop {
                let mut changed = key.clone();
                changed[random(key.len() as u64) as usize] ^= 1 << random(8);
                if !near.contains(&&changed) {
                    file[start + 8..value].copy_from_slice(&changed);
                    return;
                }
            }
        }
    }
}

struct Span {
    start: usize,
    end: usize,
    key: Vec<u8>,
}

/// Any number of damaged places, each of some adjacent entries whose keys or frames are damaged: all that comes out is the newest
/// version of its key, and of the keys that are not damaged 99 in 100 are saved, but for those next to a place.
#[test]
fn random_adjacent_keys_and_frames() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let whole = large(&mut random);
    let (want, none) = lenient(whole.clone());
    assert!(none.is_empty());
    let spans: Vec<Span> = entries(&whole)
        .into_iter()
        .map(|entry| Span { start: entry.start, end: entry.end, key: entry.raw_key.to_vec() })
        .collect();
    let user = |n: usize| spans[n].key[..spans[n].key.len() - 8].to_vec();
    for case in 0..std::env::var("SALVAGE_CASES").map_or(60, |n| n.parse().unwrap()) {
        let mut file = whole.clone();
        let mut touched = std::collections::BTreeSet::new();
        for _ in 0..1 + random(40) {
            let first = 40 + random(spans.len() as u64 - 80) as usize;
            for n in first..first + 1 + random(4) as usize {
                damage(&mut file, &spans, n, &mut random);
                // Entries near a place may be taken for damaged.
                touched.extend((n - 3..=n + 6).map(user));
            }
        }
        let (got, lost) = lenient(file);
        for (key, body) in &got {
            assert_eq!(want.get(key), Some(body), "case {case} {}: {lost:?}", key.escape_ascii());
        }
        let apart = want.keys().filter(|key| !touched.contains(*key));
        let (all, saved) =
            apart.fold((0, 0), |(all, saved), key| (all + 1, saved + usize::from(got.contains_key(key))));
        assert!(saved * 100 >= all * 99, "case {case}: {saved} of {all}: {lost:#?}");
    }
}
