//! A running elastickv: the rows that it receives, in a server in memory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ekvsnap::decode::{Layout, Options as Decode, Silent, decode};
use ekvsnap::encode::{self, encode};
use ekvsnap::format::Family;
use ekvsnap::format::frame::{Step, step};
use ekvsnap::format::limits::VALUE_HEADER;
use ekvsnap::format::mvcc::split_key;
use ekvsnap::index::Granularity;
use ekvsnap::load::{Input, Options, Outcome, Target, load};
use serde_json::Value;

use super::ekv_server::{Fate, Server, Store};
use super::rdb::sources;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load as fixture, snapshots};

const CORPORA: [&str; 7] =
    ["redis-nasty", "dynamodb-nasty", "s3-nasty", "sqs-nasty", "fs-small", "two-groups", "sst-plain"];

fn loaded(input: &Input, server: &Server, options: &Options) -> ekvsnap::Result<Outcome> {
    load(input, &Target::Ekv(server.target()), options, &Silent)
}

/// An output that was made for a restore.
fn output(inputs: &[Vec<u8>], dir: &Path) -> PathBuf {
    let target = dir.join("out");
    let options = Decode { layout: Layout::JSONL, fsync: Some(false), ..Decode::default() }.for_restore();
    decode(&sources(inputs), &target, &options, &Silent).unwrap();
    target
}

/// The rows that an encode of an output writes, except those of the store itself.
fn rows_of(output: &Path, dir: &Path) -> Store {
    let file = dir.join("x.fsm");
    let options = encode::Options { fsync: Some(false), ..encode::Options::default() };
    encode(&[output.to_path_buf()], &file, &options, &Silent).unwrap();
    let bytes = std::fs::read(file).unwrap();
    let (_, mut at) = ekvsnap::index::stream(&bytes).unwrap();
    let mut rows = Store::new();
    while let Ok(Step::Entry(entry)) = step(&bytes, at) {
        if !entry.raw_key.starts_with(b"_meta_") {
            let (key, _) = split_key(entry.raw_key).unwrap();
            rows.insert(key.to_vec(), entry.raw_value[VALUE_HEADER..].to_vec());
        }
        at = entry.end;
    }
    rows
}

fn stored() -> Server {
    Server::start(Store::new(), |_| Fate::Stored)
}

/// Families whose values are more exact in a snapshot than in an output: an item is taken unchanged, with any order of its attributes, and
/// times of buckets and objects are more exact than milliseconds.
const MORE_EXACT: [Family; 3] = [Family::DdbItem, Family::S3Object, Family::S3BucketMeta];

#[test]
fn every_corpus_is_stored_as_an_encode_writes_it() {
    let mut differ = BTreeSet::new();
    for name in CORPORA {
        let (inputs, dir) = (snapshots(&fixture(name)), tempfile::tempdir().unwrap());
        let output = output(&inputs, dir.path());
        let want = rows_of(&output, dir.path());
        assert!(!want.is_empty());
        for input in [Input::Snapshots(sources(&inputs)), Input::Outputs(vec![output])] {
            let server = stored();
            let outcome = loaded(&input, &server, &Options::default()).unwrap();
            assert_eq!(outcome.rows, Some(want.len() as u64), "{name}");
            let (found, is_snapshot) = (server.store(), matches!(input, Input::Snapshots(_)));
            assert!(found.keys().eq(want.keys()), "{name}");
            for (key, value) in &want {
                let family = Family::of(key);
                if found[key] != *value && !(is_snapshot && MORE_EXACT.contains(&family)) {
                    differ.insert((name, is_snapshot, family));
                }
            }
        }
    }
    assert!(differ.is_empty(), "{differ:?}");
}

/// Rows of every batch are looked for: here each row is one.
#[test]
fn batches_of_one_row() {
    let inputs = snapshots(&fixture("dynamodb-nasty"));
    let (large, small) = (stored(), stored());
    let tiny = Granularity { checkpoint_interval: 1, read_size: 1, task_size: 1 };
    let options = Options { decode: Decode { granularity: tiny, ..Decode::default() }, ..Options::default() };
    loaded(&Input::Snapshots(sources(&inputs)), &large, &Options::default()).unwrap();
    loaded(&Input::Snapshots(sources(&inputs)), &small, &options).unwrap();
    assert_eq!(large.store(), small.store());
}

/// A leader that is missing for a moment, and a connection that breaks, cost only time.
#[test]
fn what_fails_for_a_while_is_sent_again() {
    let mut calls = 0;
    let server = Server::start(Store::new(), move |_| {
        calls += 1;
        match calls {
            3 | 700 => Fate::Cut,
            5..40 => Fate::Refused(2, "not leader"),
            _ => Fate::Stored,
        }
    });
    let inputs = snapshots(&fixture("redis-nasty"));
    let outcome = loaded(&Input::Snapshots(sources(&inputs)), &server, &Options::default()).unwrap();
    assert_eq!(outcome.rows, Some(server.store().len() as u64));
}

/// Loads a corpus by the command line.
fn run(corpus: &str, server: &Server, more: &[&str]) -> std::process::Output {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.fsm"), &snapshots(&fixture(corpus))[0]).unwrap();
    ekvsnap(dir.path(), &[&["load", "x.fsm", "--to", &server.target()], more].concat())
}

#[track_caller]
fn fails(out: &std::process::Output, words: &str) {
    assert_eq!((code(out), stderr(out).contains(words)), (1, true), "{}", stderr(out));
}

#[test]
fn a_load_that_broke_off_is_resumed() {
    let mut calls = 0;
    let server = Server::start(Store::new(), move |_| {
        calls += 1;
        if calls == 600 { Fate::Refused(9, "raft 100%25 full") } else { Fate::Stored }
    });
    let broken = run("redis-nasty", &server, &[]);
    fails(&broken, "raft 100% full (gRPC status 9)");
    let told = stderr(&broken);
    let position =
        told.lines().find_map(|line| line.strip_prefix("hint: 512 rows are loaded; continue with ")).unwrap();
    let (_, position) = position.split_once(' ').unwrap();
    let resumed = run("redis-nasty", &server, &["--start-after", position, "--json"]);
    assert_eq!(code(&resumed), 0, "{}", stderr(&resumed));
    let summary: Value =
        serde_json::from_slice(resumed.stdout.split(|b| *b == b'\n').rfind(|l| !l.is_empty()).unwrap()).unwrap();
    let all = stored();
    assert_eq!(code(&run("redis-nasty", &all, &[])), 0);
    assert_eq!(server.store(), all.store());
    assert_eq!(
        (summary["passed_over"].as_u64(), summary["rows"].as_u64()),
        (Some(512), Some(all.store().len() as u64 - 512))
    );
    fails(&run("redis-nasty", &server, &["--start-after", "row:nobody"]), "the inputs do not have this object");
}

#[test]
fn what_is_there_is_not_mixed_with_what_comes() {
    let there = Store::from([(b"!hs|meta|\0\0\0\x01h".to_vec(), vec![0; 8]), (b"!dist|meta|x".to_vec(), Vec::new())]);
    let server = Server::start(there.clone(), |_| Fate::Stored);
    fails(&run("redis-small", &server, &[]), "it has rows of redis already, such as row:base64:IWhzfG1ldGF8AAAAAWg");
    fails(&run("redis-small", &server, &["--dry-run"]), "(--merge loads into a server that is not empty)");
    assert_eq!(server.store(), there, "nothing was sent");
    // Other front ends are none of their business.
    assert_eq!(code(&run("sqs-small", &server, &["--dry-run"])), 0);
    assert_eq!(server.store(), there, "nothing was sent");
    assert_eq!(code(&run("sqs-small", &server, &[])), 0);
    assert_eq!(code(&run("redis-small", &server, &["--merge"])), 0);
    let bare = Server::start(Store::from([(b"k".to_vec(), Vec::new())]), |_| Fate::Stored);
    fails(&run("redis-small", &bare, &[]), "such as row:k (--merge");
}

#[test]
fn rows_that_are_gone_are_missed() {
    let mut calls = 0;
    let server = Server::start(Store::new(), move |_| {
        calls += 1;
        if calls == 20 { Fate::Lost } else { Fate::Stored }
    });
    fails(&run("sqs-small", &server, &[]), "rows that it had stored are missing: 1, such as row:base64:IXNxc3");
}

/// A list that begins before the range would be asked for again and again.
#[test]
fn a_list_that_is_not_in_the_range() {
    let (done, result) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(run("sqs-small", &Server::that_begins_again(), &[])));
    let out = result.recv_timeout(std::time::Duration::from_secs(30)).expect("it ends");
    fails(&out, "its list of the keys from row:");
}

#[test]
fn only_what_is_chosen() {
    let server = stored();
    let out = run("redis-small", &server, &["--adapter", "sqs"]);
    assert!(code(&out) == 0 && stderr(&out).contains("load_nothing"), "{}", stderr(&out));
    let out = run("redis-small", &server, &["--type", "list"]);
    assert_eq!(code(&out), 0, "{}", stderr(&out));
    assert!(server.store().keys().all(|key| key.starts_with(b"!lst|") || key.starts_with(b"!redis|ttl|")));
    for address in ["ekv://h", "ekv://h:1/x", "ekv://:1", "ekv://u:p@h:1"] {
        let out = ekvsnap(Path::new("."), &["load", "testdata/redis-small.fsm", "--to", address]);
        assert_eq!((code(&out), stderr(&out).contains("p@h")), (64, false), "{}", stderr(&out));
    }
}

/// One object of two outputs would have the rows of both.
#[test]
fn the_same_twice_is_refused() {
    let (dir, other, server) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), stored());
    let outputs = [&dir, &other].map(|dir| output(&snapshots(&fixture("redis-small")), dir.path()));
    let twice = loaded(&Input::Outputs(outputs.to_vec()), &server, &Options::default());
    let words = twice.unwrap_err().to_string();
    assert!(words.contains("two objects have this row"), "{words}");
    assert!(server.store().is_empty());
}
