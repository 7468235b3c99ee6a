//! Runs the inputs found by fuzzing and its seeds, without a fuzzer; and flips and cuts of a small snapshot.

use std::path::{Path, PathBuf};

use crate::kit::build::{NOW, Snapshot, be, entry, sized};

/// All files below a folder of `fuzz`.
fn files(folder: &str) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder)]);
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path)
            } else if !path.ends_with("README.md") {
                files.push(path)
            }
        }
    }
    files
}

/// Every target takes any bytes: each runs on the seeds of all.
#[test]
fn seeds_and_regressions() {
    let all = [files("seeds"), files("regressions")].concat();
    assert!(all.len() >= 100, "the corpus is not there");
    for path in all {
        let data = std::fs::read(&path).unwrap();
        for (name, run) in ekvsnap::replay::TARGETS {
            println!("{name} on {}", path.display());
            run(&data);
        }
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
                ekvsnap::replay::index(&flipped);
            }
            ekvsnap::replay::index(&file[..at]);
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

/// The targets of bundles on every flip and cut of their seeds.
#[test]
fn flips_and_cuts_of_bundles() {
    for path in files("seeds/sst_bundle").into_iter().chain(files("seeds/sst_block")) {
        let data = std::fs::read(&path).unwrap();
        for at in 0..data.len() {
            let mut flipped = data.clone();
            flipped[at] ^= 1 << (at % 8);
            for bytes in [&flipped[..], &data[..at]] {
                ekvsnap::replay::sst_block(bytes);
                ekvsnap::replay::sst_bundle(bytes);
            }
        }
    }
}
