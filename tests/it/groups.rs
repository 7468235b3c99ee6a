//! Several inputs as one data set, and transactions that were incomplete when the snapshots were taken.

use ekvsnap::decode::Options;

use crate::kit::build::{Snapshot, be, item, plain, sized};
use crate::kit::{Decoded, run, run_with};

fn both(a: &Snapshot, b: &Snapshot) -> Decoded {
    run(&[a.build(), b.build()]).unwrap()
}

#[test]
fn rows_of_one_key_in_two_groups_come_together() {
    let a = Snapshot::new()
        .put_at(9, sized("!hs|fld|", "h", "a"), "1")
        .put_at(9, sized("!hs|meta|", "h", ""), be(&[2]))
        .put_at(9, item("l", 0), "zero");
    let b = Snapshot::new()
        .put_at(9, sized("!hs|fld|", "h", "b"), "2")
        .put_at(9, "!redis|ttl|h", be(&[5000]))
        .put_at(9, "!lst|meta|l", be(&[0, 2, 2]))
        .put_at(9, item("l", 1), "one");
    let decoded = both(&a, &b);
    let hash = decoded.text("redis/db_0/hashes/h.json");
    assert!(hash.contains("\"1\"") && hash.contains("\"2\"") && hash.contains("\"expire_at_ms\": 5000"), "{hash}");
    let list = decoded.text("redis/db_0/lists/l.json");
    assert!(list.contains("\"zero\",\n    \"one\""), "{list}");
    assert!(decoded.warnings().is_empty(), "{:?}", decoded.warnings());
}

#[test]
fn a_key_in_two_groups_the_newest_of_all_wins_and_is_reported() {
    let a = Snapshot::new().put_at(5, "!redis|str|k", "old").put_at(5, "!redis|str|dead", "x").last_commit(9);
    let b = Snapshot::new().put_at(7, "!redis|str|k", "new").delete_at(8, "!redis|str|dead").last_commit(9);
    for decoded in [both(&a, &b), both(&b, &a)] {
        assert_eq!(decoded.text("redis/db_0/strings/k.bin"), "new");
        assert!(!decoded.has("redis/db_0/strings/dead.bin"), "a tombstone of another group hides it");
        assert_eq!(decoded.warnings(), [("key_in_several_groups", 1)]);
        assert!(decoded.text("MANIFEST.json").contains("\"keys\": 2"));
    }
}

#[test]
fn different_commit_times_are_warned_of_and_corrected_with_as_of() {
    let a = Snapshot::new().put_at(5, "!redis|str|a", "x");
    let b = Snapshot::new().put_at(6, "!redis|str|b", "x");
    assert_eq!(both(&a, &b).warnings(), [("groups_at_different_times", 1)]);
    let options = Options { as_of: Some(5), ..Options::default() };
    let corrected = run_with(&[a.build(), b.build()], &options).unwrap();
    assert!(corrected.warnings().is_empty());
    assert_eq!(corrected.below("redis/"), ["redis/db_0/strings/a.bin"]);
}

/// A lock on `key` for the transaction (`primary`, `start`).
pub fn lock(snapshot: Snapshot, key: &str, primary: &str, start: u64, expire: u64) -> Snapshot {
    let mut value = vec![1];
    value.extend(be(&[start, expire]));
    value.push(0);
    value.extend(be(&[primary.len() as u64]));
    value.extend(primary.as_bytes());
    snapshot.put_at(start, plain("!txn|lock|", key), value)
}

pub fn intent(snapshot: Snapshot, key: &str, start: u64, op: u8, body: &str) -> Snapshot {
    let mut value = vec![1];
    value.extend(be(&[start]));
    value.push(op);
    value.extend(be(&[body.len() as u64]));
    value.extend(body.as_bytes());
    snapshot.put_at(start, plain("!txn|int|", key), value)
}

pub fn committed(snapshot: Snapshot, primary: &str, start: u64, commit: u64) -> Snapshot {
    let key = [b"!txn|cmt|", primary.as_bytes(), &start.to_be_bytes()].concat();
    let value = [&[1], &be(&[commit])[..]].concat();
    snapshot.put_at(commit, key, value)
}

fn rolled_back(snapshot: Snapshot, primary: &str, start: u64) -> Snapshot {
    let key = [b"!txn|rb|", primary.as_bytes(), &start.to_be_bytes()].concat();
    snapshot.put_at(start + 1, key, [1])
}

const K: &str = "!redis|str|k";
const P: &str = "!redis|str|p";

fn before() -> Snapshot {
    Snapshot::new().put_at(10, K, "before").put_at(10, "!redis|str|z", "z").last_commit(100)
}

#[track_caller]
fn check(inputs: &[Snapshot], value: Option<&str>, notes: &[(&str, u64)], warnings: &[(&str, u64)]) {
    let files: Vec<Vec<u8>> = inputs.iter().map(Snapshot::build).collect();
    let decoded = run(&files).unwrap();
    let got = decoded.has("redis/db_0/strings/k.bin").then(|| decoded.text("redis/db_0/strings/k.bin"));
    assert_eq!(got, value);
    assert_eq!(decoded.notes(), notes);
    assert_eq!(decoded.warnings(), warnings);
}

#[test]
fn a_committed_intent_is_applied() {
    let prepared = intent(lock(before(), K, P, 20, 0), K, 20, 0, "after");
    let applied = [("txn_intents_applied", 1)];
    check(&[committed(prepared.clone(), P, 20, 30)], Some("after"), &[], &applied);
    // The outcome may be in another group's file.
    let other = committed(Snapshot::new().last_commit(100), P, 20, 30);
    check(&[prepared.clone(), other], Some("after"), &[], &applied);
    // A row newer than the commit wins.
    let newer = committed(prepared.put_at(40, K, "newer"), P, 20, 30);
    check(&[newer], Some("newer"), &[], &applied);
}

/// A warning, since the server may answer without them: the keys are named, at most a hundred.
#[test]
fn applied_intents_are_named() {
    let key = |n| format!("!redis|str|k{n:03}");
    let prepared = (0..150).fold(before(), |snapshot, n| {
        let locked = lock(snapshot, &key(n), P, 20, 0);
        intent(locked, &key(n), 20, 0, "after")
    });
    let decoded = run(&[committed(prepared, P, 20, 30).build()]).unwrap();
    let warning = &decoded.outcome.manifest.warnings[0];
    assert_eq!((warning.event, warning.count, warning.examples.len()), ("txn_intents_applied", 150, 100));
    for (n, example) in warning.examples.iter().enumerate() {
        assert_eq!(serde_json::to_value(&example[0].1).unwrap(), key(n), "{example:?}");
    }
}

#[test]
fn a_committed_delete_hides_the_row() {
    let prepared = intent(lock(before(), K, P, 20, 0), K, 20, 1, "");
    check(&[committed(prepared, P, 20, 30)], None, &[], &[("txn_intents_applied", 1)]);
}

#[test]
fn an_intent_can_make_a_key_of_any_family() {
    let key = String::from_utf8(sized("!hs|fld|", "newhash", "f")).unwrap();
    let prepared = intent(lock(before(), &key, P, 20, 0), &key, 20, 0, "v");
    let decoded = run(&[committed(prepared, P, 20, 30).build()]).unwrap();
    assert!(decoded.text("redis/db_0/hashes/newhash.json").contains("\"value\": \"v\""));
}

/// A key that no family owns is missed nowhere: in a row, in a committed intent, or in both.
#[test]
fn intents_on_keys_that_nobody_owns_are_warned_of() {
    for (key, event) in [("!zzz|a", "unknown_rows"), ("!fs|a", "unknown_rows")] {
        let intent = |s: Snapshot, op| committed(intent(lock(s, key, P, 20, 0), key, 20, op, "v"), P, 20, 30);
        let row = |s: Snapshot, ts| s.put_at(ts, key, "v");
        for (snapshot, warned) in [
            (intent(before(), 0), true),
            (intent(row(before(), 10), 0), true),
            (intent(row(before(), 40), 0), true),
            (intent(before().delete_at(10, key), 0), true),
            (intent(before().delete_at(40, key), 0), false),
            (intent(before(), 1), false),
        ] {
            let decoded = run(&[snapshot.build()]).unwrap();
            assert_eq!(
                decoded.warnings(),
                [("txn_intents_applied", 1), (event, 1)][..1 + usize::from(warned)],
                "{key}"
            );
            assert!(!decoded.text("MANIFEST.json").contains("\"rows\": 2"), "counted twice");
        }
    }
}

#[test]
fn a_commit_after_as_of_has_not_happened() {
    let snapshot = committed(intent(lock(before(), K, P, 20, 0), K, 20, 0, "after"), P, 20, 30);
    let options = Options { as_of: Some(25), ..Options::default() };
    let decoded = run_with(&[snapshot.build()], &options).unwrap();
    assert_eq!(decoded.text("redis/db_0/strings/k.bin"), "before");
}

#[test]
fn pending_and_rolled_back_transactions_keep_the_committed_state() {
    let prepared = intent(lock(before(), K, P, 20, 0), K, 20, 0, "after");
    let primary_lock = lock(prepared.clone(), P, P, 20, 0);
    // The primary's own intent keeps its lock from being without one.
    let pending = intent(primary_lock, P, 20, 0, "p");
    check(&[pending], Some("before"), &[], &[("txn_pending", 1)]);
    check(&[rolled_back(prepared.clone(), P, 20)], Some("before"), &[("txn_rolled_back", 1)], &[]);
    // No record and no primary lock: rolled back.
    check(std::slice::from_ref(&prepared), Some("before"), &[("txn_rolled_back", 1)], &[]);
    // An expired primary lock: the server aborts it.
    let expired = intent(lock(prepared, P, P, 20, 50), P, 20, 0, "p");
    check(&[expired], Some("before"), &[("txn_rolled_back", 1)], &[]);
}

#[test]
fn odd_states_are_counted() {
    // A lock without its intent is pending.
    let no_intent = committed(lock(before(), K, P, 20, 0), P, 20, 30);
    check(&[no_intent], Some("before"), &[], &[("txn_pending", 1)]);
    // An intent without a lock, or of another transaction, is ignored.
    check(&[intent(before(), K, 20, 0, "stray")], Some("before"), &[], &[("txn_stray_intents", 1)]);
    let other = committed(intent(lock(before(), K, P, 20, 0), K, 21, 0, "stray"), P, 20, 30);
    check(&[other], Some("before"), &[], &[("txn_pending", 1), ("txn_stray_intents", 1)]);
}

#[test]
fn malformed_transaction_rows_are_damage() {
    for (key, value) in [
        ("!txn|lock|k", &b"\x01short"[..]),
        ("!txn|int|k", b"\x02"),
        ("!txn|cmt|p\0\0\0\0\0\0\0\x01", b"\x01\0"),
        ("!txn|rb|p\0\0\0\0\0\0\0\x01", b"\x02"),
    ] {
        let error = run(&[Snapshot::new().put(key, value).build()]).err().unwrap();
        assert!(error.is_damage() && error.to_string().contains(&key[..8]), "{error}");
    }
}
