//! `encode` with keys: the rows of a snapshot, encrypted.

use std::path::Path;
use std::sync::Arc;

use ekvsnap::Snapshot;
use ekvsnap::decode::{Layout, Options, Silent};
use ekvsnap::encode::{self, Seal, encode};
use ekvsnap::format::adapter;
use ekvsnap::format::frame::{self, Step};
use ekvsnap::format::keys::{KeyRing, writer_row};
use ekvsnap::format::mvcc::{MvccFault, Operational, split_value};

use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::sealed::{KEK, in_clear, ring, sidecar, write_secret};

const CORPORA: [&str; 9] = [
    "dynamodb-nasty",
    "empty",
    "fs-small",
    "mvcc-interleave",
    "redis-nasty",
    "redis-small",
    "s3-nasty",
    "sqs-nasty",
    "two-groups",
];

fn sealed(out: &Path, target: &Path, seal: Option<Seal>, threads: usize) -> ekvsnap::Result<Vec<u8>> {
    let options = encode::Options { threads, seal, fsync: Some(false), ..encode::Options::default() };
    encode(&[out.to_path_buf()], target, &options, &Silent)?;
    Ok(std::fs::read(target).unwrap())
}

/// The envelopes of a snapshot: key id and nonce of each row. A row in clear has none.
fn envelopes(snapshot: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut at = memchr::memmem::find(snapshot, b"EKVPBBL1").unwrap() + frame::STREAM_HEADER;
    let mut found = Vec::new();
    while let Step::Entry(entry) = frame::step(snapshot, at).unwrap() {
        if Operational::of(entry.raw_key, entry.raw_value).is_none() {
            match split_value(entry.raw_value) {
                Err(MvccFault::Encrypted(Ok(sealed))) => {
                    found.push((sealed.key_id, entry.raw_value[9 + 6..9 + 18].to_vec()));
                }
                other => panic!("a row that is not encrypted: {other:?}"),
            }
        }
        at = entry.end;
    }
    found
}

fn seal(keys: &Arc<KeyRing>, key_id: u32) -> Option<Seal> {
    Some(Seal { key_id, keys: Arc::clone(keys), writers: Vec::new() })
}

/// In clear, the file is that of an encode without keys. Every row is encrypted, no nonce comes twice, and the number of threads does not
/// show.
#[test]
fn every_row_is_encrypted() {
    let (mut rows, keys) = (0, ring(&[1, 3]));
    for corpus in CORPORA {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let snapshot = Snapshot::from_bytes("input.fsm", snapshots(&load(corpus)).remove(0));
        let options = Options { adapters: adapter::BUILT_IN.to_vec(), layout: Layout::JSONL, ..Options::default() };
        match snapshot.decode(&path("out"), &options.for_restore(), &Silent) {
            Err(error) if error.to_string().contains("nothing matches") => continue,
            decoded => drop(decoded.unwrap()),
        }
        let clear = sealed(&path("out"), &path("clear.fsm"), None, 2).unwrap();
        let whole = sealed(&path("out"), &path("sealed.fsm"), seal(&keys, 3), 2).unwrap();
        assert!(sealed(&path("out"), &path("alone.fsm"), seal(&keys, 3), 1).unwrap() == whole, "{corpus}");
        assert!(in_clear(&whole, &keys) == clear, "{corpus}");
        let mut envelopes = envelopes(&whole);
        assert!(envelopes.iter().all(|(id, _)| *id == 3), "{corpus}");
        let count = envelopes.len();
        envelopes.sort();
        envelopes.dedup();
        assert_eq!(envelopes.len(), count, "{corpus}: a nonce came twice");
        rows += count;
    }
    assert!(rows > 3000, "{rows}");
}

/// The self-test reads the encrypted rows: without the key in the ring nothing is written.
#[test]
fn a_key_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let snapshot = Snapshot::from_bytes("input.fsm", snapshots(&load("stale-ttl")).remove(0));
    snapshot.decode(&path("out"), &Options::default().for_restore(), &Silent).unwrap();
    let error = sealed(&path("out"), &path("x.fsm"), seal(&ring(&[1]), 3), 1).unwrap_err().to_string();
    assert!(error.contains("key id 3, which is missing (known key ids: 1)"), "{error}");
    assert!(!path("x.fsm").exists());
    // Rows that register writers are in their sorted place.
    let writers = vec![writer_row(3, 7, [0, 0])];
    let registered = Some(Seal { writers: writers.clone(), ..seal(&ring(&[3]), 3).unwrap() });
    let whole = sealed(&path("out"), &path("x.fsm"), registered, 1).unwrap();
    assert!(memchr::memmem::find(&whole, &writers[0].0).is_some());
}

/// Which key it is: the active one of `keys.json`, the only one, or the one that is chosen.
#[test]
fn commands() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let snapshot = Snapshot::from_bytes("input.fsm", snapshots(&load("stale-ttl")).remove(0));
    snapshot.decode(&path("out"), &Options::default().for_restore(), &Silent).unwrap();
    write_secret(&path("kek"), &KEK);
    write_secret(&path("other"), &[8; 32]);
    write_secret(&path("dek1"), &[1; 32]);
    write_secret(&path("dek3"), &[3; 32]);
    std::fs::write(path("keys.json"), sidecar(&[1, 3])).unwrap();
    let inactive = sidecar(&[1, 3]).replace("\"storage\": 3", "\"storage\": 0");
    std::fs::write(path("inactive.json"), inactive).unwrap();
    let store = ["--kek", "kek", "--keys-json", "keys.json"];
    let cases: &[(&[&str], i32, &str)] = &[
        (&store, 0, "encrypted with key id 3"),
        (&[&store[..], &["--seal-with", "1"]].concat(), 0, "encrypted with key id 1"),
        (&["--dek", "1=dek1"], 0, "encrypted with key id 1"),
        (&["--dek", "1=dek1", "--dek", "3=dek3", "--seal-with", "3"], 0, "encrypted with key id 3"),
        (&["--dek", "1=dek1", "--dek", "3=dek3"], 1, "several or none (key ids: 1, 3): choose one"),
        (&["--kek", "kek", "--keys-json", "inactive.json"], 1, "several or none (key ids: 1, 3): choose one"),
        (&[&store[..], &["--seal-with", "2"]].concat(), 1, "key id 2, which is missing (known key ids: 1, 3)"),
        (&["--kek", "kek"], 64, "--keys-json <FILE>"),
        (&["--kek", "other", "--keys-json", "keys.json"], 1, "this key file does not open key"),
        (&["--keys-json", "keys.json"], 64, "--kek <FILE>"),
        (&["--seal-with", "1"], 64, "--seal-with chooses one of the keys"),
        (&["--dek", "1=dek1", "--seal-with", "0"], 64, "0 is not in 1.."),
    ];
    for (n, (args, want, words)) in cases.iter().enumerate() {
        let target = format!("{n}.fsm");
        let output = ekvsnap(dir.path(), &[&["encode", "out", "-o", &target], *args].concat());
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output));
        assert_eq!(code(&output), *want, "{args:?}: {text}");
        assert!(text.contains(words), "{args:?}: {text}");
        assert_eq!(path(&target).exists(), *want == 0, "{args:?}");
    }
}
