//! Replays what fuzzing found and its seeds, without a fuzzer; and flips and cuts of a small snapshot.

use std::path::Path;

use crate::kit::build::{NOW, Snapshot, be, entry, sized};

fn files(folder: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
    let entries = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let paths = entries.map(|e| e.unwrap().path()).filter(|p| p.is_file() && !p.ends_with("README.md"));
    paths.map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn seeds_and_regressions() {
    let all = [files("seeds"), files("regressions")].concat();
    assert!(all.len() >= 8, "the corpus is not there");
    for data in all {
        ekvsnap::replay::survey(&data);
        ekvsnap::replay::redis_values(&data);
        ekvsnap::replay::fs_rows(&data);
    }
}

/// Every byte flipped and every cut of a small file: never a panic, and with a footer never an accepted difference.
#[test]
fn flips_and_cuts() {
    let snapshot = Snapshot::new()
        .put_at(NOW, "!redis|str|a", "v")
        .delete_at(NOW, "!redis|str|b")
        .put(sized("!stream|entry|", "s", be(&[1, 1])), entry("1-1", &[b"f", b"v"]))
        .raw("_meta_last_commit_ts", NOW.to_le_bytes());
    for file in [snapshot.bare(), snapshot.build()] {
        for at in 0..file.len() {
            for bit in [0x01, 0x80] {
                let mut flipped = file.clone();
                flipped[at] ^= bit;
                ekvsnap::replay::survey(&flipped);
            }
            ekvsnap::replay::survey(&file[..at]);
        }
    }
    let file = snapshot.build();
    for at in 0..file.len() {
        let mut flipped = file.clone();
        flipped[at] ^= 0x10;
        let accepted = crate::kit::run(&[flipped]);
        assert!(accepted.is_err(), "flip at {at} was accepted");
    }
}
