//! `--on-error skip` on bundles: a broken block costs its rows and no others, and an older version is never taken for the newest.

use std::collections::BTreeMap;

use ekvsnap::dataset::{DataSet, Lost, SkipLog};
use ekvsnap::decode::Options;
use ekvsnap::format::Family;
use ekvsnap::format::header::FsmHeader;
use ekvsnap::format::sst::row::{Row, Rows};
use ekvsnap::format::sst::table::payload_of;
use ekvsnap::format::sst::writer::Shape;
use ekvsnap::index::Granularity;
use ekvsnap::source::Source;

use crate::kit::build::{NOW, Snapshot, with_footer};
use crate::kit::bundle::{Parts, TINY, blocks_of, rewrite, rows_of};
use crate::kit::run_with;

type Live = BTreeMap<Vec<u8>, Vec<u8>>;

/// Live strings, and the losses.
fn lenient(file: Vec<u8>) -> (Live, Vec<Lost>) {
    let sources = [Source::from_bytes("a.fsm", file)];
    let set = DataSet::index_with(&sources, None, Granularity::default(), SkipLog::new(true)).unwrap();
    let (mut live, mut range) = (Live::new(), set.family(Family::Str));
    while let Some(row) = range.next().unwrap() {
        live.insert(row.user_key.to_vec(), row.body.to_vec());
    }
    let lost = set.losses().take().unwrap();
    (live, lost.iter().collect::<ekvsnap::error::Result<_>>().unwrap())
}

/// Keys with up to six versions, some deleted, some prefixes of others.
fn history() -> Parts {
    let mut snapshot = Snapshot::new();
    for n in 0..60u64 {
        let key = format!("!redis|str|key {:02}{}", n / 2, "x".repeat(n as usize % 2));
        for version in 0..1 + n % 6 {
            let tombstone = u8::from(n % 7 == 6 && version == 2);
            snapshot = snapshot.version(NOW + version, &key, tombstone, 0, format!("{n} {version}"));
        }
    }
    Parts::of(rows_of(&snapshot.build()), TINY, FsmHeader { version: 1, ceiling_ms: 1, cutover_index: 0, len: 16 })
}

/// User keys in a block.
fn keys_in(table: &[u8], handle: ekvsnap::format::sst::block::Handle) -> Vec<Vec<u8>> {
    let (payload, mut key, mut keys) = (payload_of(table, handle).unwrap(), Vec::new(), Vec::new());
    let mut rows = Rows::new(&payload, &mut key).unwrap();
    while let Some(Row { raw_key, .. }) = rows.next().unwrap() {
        keys.push(raw_key[..raw_key.len() - 8].to_vec());
    }
    keys
}

/// The rows that are read are the newest. The missing rows are in the broken blocks, or belong to the one key that continues after each.
fn check(want: &Live, file: Vec<u8>, broken: &[Vec<u8>], what: &str) -> Vec<Lost> {
    let (got, lost) = lenient(file);
    for (key, body) in &got {
        assert_eq!(want.get(key), Some(body), "{what}: {}: {lost:?}", key.escape_ascii());
    }
    for key in want.keys().filter(|key| !got.contains_key(*key)) {
        assert!(broken.contains(key), "{what}: {} is missing: {lost:?}", key.escape_ascii());
    }
    assert!(!lost.is_empty(), "{what}: nothing was told");
    lost
}

#[test]
fn a_broken_block_costs_its_rows() {
    let whole = history();
    let (want, none) = lenient(whole.build());
    assert!(want.len() > 40 && none.is_empty() && whole.tables.len() > 1);
    let (mut blocks, mut levels) = (0, 0);
    for file in 0..whole.tables.len() {
        let (data, lower) = blocks_of(&whole.tables[file]);
        for (n, handle) in data.iter().enumerate() {
            let broken = keys_in(&whole.tables[file], *handle);
            let mut parts = whole.clone();
            parts.tables[file][handle.offset as usize + 1] ^= 0x10;
            let what = format!("block {n} of file {file}");
            let lost = check(&want, parts.build(), &broken, &what);
            let at = whole.start_of(file) as u64 + handle.offset;
            let block = lost.iter().find(|lost| lost.offset == at && lost.reason.contains("checksum mismatch"));
            assert_eq!(block.unwrap().place.unwrap().block, Some(handle.offset), "{lost:?}");
            assert!(lost.iter().any(|lost| lost.reason.contains("SHA-256")), "{lost:?}");
            // The digest is right where the writer was wrong.
            check(&want, parts.told().build(), &broken, &what);
            blocks += 1;
        }
        for handle in lower {
            let mut parts = whole.clone();
            parts.tables[file][handle.offset as usize + 1] ^= 0x10;
            check(&want, parts.build(), &[], "a block of the index");
            levels += 1;
        }
    }
    assert!(blocks > 20 && levels > 3, "{blocks} blocks, {levels} of indexes");
}

/// Several broken blocks, next to each other and apart.
#[test]
fn many_broken_blocks() {
    let whole = history();
    let (want, _) = lenient(whole.build());
    for step in 1..6 {
        for first in 0..step {
            let (mut parts, mut broken) = (whole.clone(), Vec::new());
            for (file, table) in whole.tables.iter().enumerate() {
                for handle in blocks_of(table).0.iter().skip(first).step_by(step) {
                    broken.extend(keys_in(table, *handle));
                    parts.tables[file][handle.offset as usize + 1] ^= 0x10;
                }
            }
            check(&want, parts.build(), &broken, &format!("each {step}th block"));
        }
    }
}

/// Where the end of a table is missing, its blocks are found without it.
#[test]
fn a_cut_bundle_costs_what_is_cut_off() {
    let whole = history();
    let (want, _) = lenient(whole.build());
    let file = whole.build();
    let start = whole.start_of(0);
    let mut last = usize::MAX;
    for cut in (start..file.len() - 4).rev().step_by(7) {
        let (got, lost) = lenient(with_footer(file[..cut].to_vec()));
        assert!(got.iter().all(|(key, body)| want.get(key) == Some(body)), "cut to {cut}: {lost:?}");
        assert!(!lost.is_empty() && got.len() <= last, "cut to {cut}: {} of {last} keys, {lost:?}", got.len());
        last = got.len();
        let of_blocks = blocks_of(&whole.tables[0]).0;
        let there = of_blocks.iter().filter(|handle| start as u64 + handle.end() <= cut as u64).count();
        assert!(there < 2 || !got.is_empty(), "cut to {cut}: {there} blocks give nothing");
    }
    assert_eq!(last, 0);
}

/// A file whose digest is wrong and whose blocks are right loses nothing; so does a wrong number.
#[test]
fn what_costs_no_rows_is_told() {
    let mut parts = history();
    let (want, _) = lenient(parts.build());
    parts.manifest.files[0].sha256[3] ^= 1;
    parts.manifest.entry_count += 1;
    let options = Options { skip_damage: true, ..Options::default() };
    let decoded = run_with(&[parts.build()], &options).unwrap();
    assert_eq!(decoded.below("redis/db_0/strings/").len(), want.len());
    let lines: Vec<serde_json::Value> =
        decoded.text("ERRORS.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().map(|line| (line["sst_file"].as_str(), line["reason"].as_str().unwrap())).collect();
    assert_eq!(told.len(), 2, "{lines:?}");
    assert!(told[0].0 == Some("000000.sst") && told[0].1.contains("SHA-256"), "{told:?}");
    assert!(told[1].0.is_none() && told[1].1.contains("entry_count"), "{told:?}");
}

/// Damaged rows in one block are reported one by one, each at the block.
#[test]
fn damaged_rows_of_one_block() {
    let mut snapshot = Snapshot::new();
    for n in 0..8 {
        let flags = if n % 2 == 1 { 0x80 } else { 0 };
        snapshot = snapshot.version(NOW, format!("!redis|str|{n}"), flags, 0, "v");
    }
    let file = crate::kit::bundle::bundle_of(&snapshot.build(), Shape::default());
    let (got, lost) = lenient(file);
    assert_eq!((got.len(), lost.len()), (4, 4));
    let offsets: Vec<_> = lost.iter().map(|lost| (lost.offset, lost.place.unwrap().block)).collect();
    assert!(offsets.iter().all(|place| *place == offsets[0] && place.1 == Some(0)), "{offsets:?}");
}

/// A block that is wrong at its end, of which a part was written already.
#[test]
fn a_large_block_is_taken_back() {
    let mut snapshot = Snapshot::new();
    for n in 0..4u8 {
        snapshot = snapshot.put(format!("!redis|str|{n}"), vec![b'0' + n; 3 << 20]);
    }
    let shape = Shape { block: 64 << 20, snappy: false, ..Shape::default() };
    let mut parts = Parts::of(
        rows_of(&snapshot.put("!redis|str|4", "v").build()),
        shape,
        FsmHeader { version: 1, ..FsmHeader::default() },
    );
    let handle = blocks_of(&parts.tables[0]).0[0];
    rewrite(&mut parts.tables[0], handle, |payload| {
        // The prefix of the last value.
        let at = payload.len() - 8 - 11;
        assert_eq!(payload[at..at + 11], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b'v']);
        payload[at] = 0xff;
    });
    let (got, lost) = lenient(parts.told().build());
    assert_eq!(got.len(), 0);
    assert!(lost.iter().any(|lost| lost.reason.contains("value prefix")), "{lost:?}");
}
