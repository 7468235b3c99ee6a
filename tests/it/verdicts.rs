//! One verdict in every command: `verify`, `inspect` and `diff` accept exactly the inputs that a decode accepts.

use ekvsnap::dataset::Lost;
use ekvsnap::decode::{Options, Silent, fill_nowhere, on_threads};
use ekvsnap::diff::{Side, diff};
use ekvsnap::error::Result;
use ekvsnap::format::header::FsmHeader;
use ekvsnap::inspect::{Depth, inspect};
use ekvsnap::source::Source;
use ekvsnap::verify::{self, snapshots as verify_snapshots};

use crate::kit::bundle::{Parts, TINY, rows_of};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::thin::thinned;

const DEPTH: Depth = Depth { objects: true, top: 3, prefix_depth: 1 };

fn source(bytes: &[u8]) -> Vec<Source> {
    vec![Source::from_bytes("x.fsm", bytes.to_vec())]
}

/// What is wrong with the verdicts of all commands on one input.
fn verdicts(bytes: &[u8]) -> Result<Vec<String>> {
    let options = Options::default();
    let decoded = fill_nowhere(&source(bytes), &options, &Silent).map(drop);
    let intact = decoded.is_ok();
    assert!(decoded.as_ref().err().is_none_or(|error| error.is_damage()), "{decoded:?}");
    let mut wrong = Vec::new();
    let found =
        verify_snapshots(&source(bytes), Vec::new(), verify::Depth { limit: usize::MAX, try_clear: false }, &Silent)?;
    if (found.damaged == 0) != intact {
        wrong.push(format!("verify: {} places, decode: {decoded:?}", found.damaged));
    }
    wrong.extend(found.lost.iter().filter(|lost| !is_named(lost)).map(|lost| format!("{lost:?}")));
    let inspected = inspect(&source(bytes), &options, DEPTH, &Silent).map(drop);
    let sides = [&mut Side::Snapshots(source(bytes)), &mut Side::Snapshots(source(bytes))];
    let compared = diff(sides, [&options; 2], &Silent, &mut |_| Ok(()));
    let equal = compared.as_ref().map_or(true, |totals| totals.are_equal());
    for (name, got) in [("inspect", inspected), ("diff", compared.map(drop))] {
        if got.is_ok() != intact {
            wrong.push(format!("{name}: {got:?}, decode: {decoded:?}"));
        }
    }
    if !equal {
        wrong.push("diff: not the same as itself".to_owned());
    }
    Ok(wrong)
}

/// Whether a loss has a position, and for a row also its name.
fn is_named(lost: &Lost) -> bool {
    // Bytes that are not a row have no name.
    const OF_BYTES: [&str; 15] = [
        "CRC32C",
        "checksum",
        "were not read",
        "snapshot ",
        "the file is ",
        "FSM header",
        "EKVMVCC2",
        "key shorter",
        "SST ingest",
        "block",
        "file integrity",
        "table",
        "mismatch",
        "value prefix",
        "timestamp group",
    ];
    lost.family.is_some() && lost.key.is_some() || OF_BYTES.iter().any(|words| lost.reason.contains(words))
}

#[track_caller]
fn all_agree(files: impl Iterator<Item = (String, Vec<u8>)> + Send) {
    let wrong = on_threads(2, || {
        let agree = |(name, bytes): (String, Vec<u8>)| -> Vec<String> {
            let wrong = verdicts(&bytes).unwrap_or_else(|error| vec![error.to_string()]);
            wrong.into_iter().map(|wrong| format!("{name}: {wrong}")).collect()
        };
        files.flat_map(agree).collect::<Vec<String>>()
    });
    assert_eq!(wrong.unwrap(), [""; 0]);
}

#[test]
fn on_damaged_files() {
    all_agree(load("damaged").into_iter().filter(|(name, _)| name.ends_with(".fsm")));
}

#[test]
fn on_field_cases() {
    let is_small = |bytes: &[u8]| bytes.len() < 1 << 22;
    all_agree(load("field").into_iter().filter(|(name, bytes)| name.ends_with(".fsm") && is_small(bytes)));
}

#[test]
fn on_corpora() {
    let corpora =
        ["redis-nasty", "mvcc-interleave", "dynamodb-nasty", "s3-nasty", "sqs-nasty", "fs-small", "two-groups"];
    all_agree(corpora.iter().flat_map(|corpus| {
        snapshots(&load(corpus)).into_iter().map(|bytes| ((*corpus).to_owned(), bytes)).collect::<Vec<_>>()
    }));
}

/// Random changes of real rows, without a footer that would show them.
#[test]
fn on_random_damage() {
    let cases = std::env::var("VERDICTS").map_or(40, |n| n.parse().unwrap());
    for corpus in ["redis-nasty", "dynamodb-nasty", "s3-nasty", "sqs-nasty", "fs-small"] {
        let mut whole = thinned(corpus);
        whole.truncate(whole.len() - 4);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        all_agree((0..cases).map(|n| {
            let mut file = whole.clone();
            for _ in 0..=n % 4 {
                let at = random() as usize % file.len();
                file[at] ^= if n % 2 == 0 { 1 << (random() % 8) } else { random() as u8 };
            }
            (format!("{corpus} {n}"), file)
        }));
    }
}

/// The same in bundles: rows changed before they were written, with checksums that are right, or bytes of the file.
#[test]
fn on_random_damage_in_bundles() {
    let cases = std::env::var("VERDICTS").map_or(40, |n| n.parse().unwrap());
    for (corpus, mut state) in [("redis-nasty", 0x9e37_79b9_7f4a_7c15_u64), ("sqs-nasty", 7), ("dynamodb-nasty", 9)] {
        let whole = thinned(corpus);
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let header = FsmHeader { version: 1, ceiling_ms: 1, cutover_index: 0, len: 16 };
        all_agree((0..cases).map(|n| {
            let mut rows: Vec<(&[u8], Vec<u8>)> = rows_of(&whole).iter().map(|row| (row.0, row.1.to_vec())).collect();
            let count = rows.len();
            if n % 2 == 0 {
                let value = &mut rows[random() as usize % count].1;
                let at = random() as usize % value.len();
                value[at] ^= 1 << (random() % 8);
            }
            let mut file = Parts::of(rows.iter().map(|row| (row.0, &*row.1)), TINY, header).build();
            if n % 2 == 1 {
                file.truncate(file.len() - 4);
                let at = random() as usize % file.len();
                file[at] ^= 1 << (random() % 8);
            }
            (format!("{corpus} {n}"), file)
        }));
    }
}
