//! Rows that newer servers write: known ones are not reported, unknown ones are.

use ekvsnap::decode::Options;

use crate::kit::build::{NOW, Snapshot, Version, be, marker, mvcc2_with, plain, with_footer};
use crate::kit::command::{code, ekvsnap};
use crate::kit::{decoded, run, run_with};

/// One string in addition to the subject of a test.
fn base() -> Snapshot {
    Snapshot::new().put("!redis|str|a", b"\xff\x01\x001")
}

#[test]
fn bookkeeping_by_name_is_silent() {
    let prefixes = [
        "!dist|delta|",
        "!dist|job|",
        "!dist|jobhist|",
        "!dist|meta|",
        "!dist|route|",
        "!encryption|rewrite|cursor|",
        "!encryption|writers|",
        "!migfence|",
        "!migstage|future|",
        "!migwrite|",
        "!s3|chunkblob-gc-queue|",
        "!s3|chunkref-rc|",
        "!s3route|",
        "!txn|meta|",
    ];
    for prefix in prefixes {
        let decoded = decoded(base().put(plain(prefix, "x"), "anything").build());
        assert_eq!(decoded.warnings(), [], "{prefix}");
        assert_eq!(decoded.text("redis/db_0/strings/a.bin"), "1");
        assert!(decoded.text("MANIFEST.json").contains("\"internal\": 1"), "{prefix}");
    }
}

/// The route catalog is not parsed: a record of version 3 is only a bookkeeping row.
#[test]
fn routes_of_any_version() {
    for version in 1..=9 {
        let record = [&[version][..], &be(&[7, 8, 9]), b"more"].concat();
        let decoded = decoded(base().put(plain("!dist|route|", be(&[1])), record).build());
        assert_eq!((decoded.warnings(), decoded.notes()), (vec![], vec![]));
    }
}

#[test]
fn other_rows_of_the_server_are_named() {
    let snapshot = base().put("!dist|new|a", "1").put("!dist|new|b", "2").put("!dist|x", "3");
    let snapshot = snapshot.put("!s3|tagging|b", "4").put("!encryption|kms|1", "5").put("!txn|save|k", "6");
    let decoded = decoded(snapshot.build());
    assert_eq!(decoded.warnings(), [("unknown_rows", 5)]);
    let manifest = decoded.text("MANIFEST.json");
    for prefix in ["!dist|", "!dist|new|", "!s3|tagging|", "!encryption|kms|", "!txn|save|"] {
        assert!(manifest.contains(&format!("\"prefix\": \"{prefix}\"")), "{prefix}: {manifest}");
    }
}

#[test]
fn raw_rows_that_are_no_rows_of_a_key() {
    let known: [(&[u8], usize); 6] = [
        (b"_migack", 2),
        (b"_mighlc", 30),
        (b"_migpromote", 200),
        (b"_migfuture", 3),
        (b"!migstage|ready|\0\0\0\0\0\0\0\x07", 31),
        (b"!migstage|future|", 1),
    ];
    for (key, len) in known {
        let decoded = decoded(base().raw(key, vec![1; len]).build());
        assert_eq!(decoded.warnings(), [], "{}", key.escape_ascii());
        assert!(decoded.text("MANIFEST.json").contains("\"operational\": 1"), "{}", key.escape_ascii());
    }
    for (key, len) in [(&b"_mi"[..], 2), (b"_meta_future", 3), (b"!migwrite|12345678", 8), (b"abc", 40)] {
        assert!(run(&[base().raw(key, vec![1; len]).build()]).is_err(), "{}", key.escape_ascii());
    }
}

/// `SET k` by a transaction whose primary is in another group, whose record may be missing.
fn prepared(start: u64) -> Snapshot {
    let (k, p) = (&b"!redis|str|k"[..], &b"!redis|str|p"[..]);
    let sized = |bytes: &[u8]| [&be(&[bytes.len() as u64])[..], bytes].concat();
    let lock = [&[1][..], &be(&[start, 0]), &[0], &sized(p)].concat();
    let intent = [&[1][..], &be(&[start]), &[0], &sized(b"after")].concat();
    base()
        .put_at(NOW - 9, k, "before")
        .put_at(start, plain("!txn|lock|", k), lock)
        .put_at(start, plain("!txn|int|", k), intent)
        // The primary's own lock: without it the transaction would count as rolled back.
        .put_at(start, plain("!txn|lock|", p), [&[1][..], &be(&[start, 0]), &[1], &sized(p)].concat())
}

#[test]
fn a_success_marker_is_evidence_of_a_commit() {
    let (start, commit) = (NOW - 5, NOW - 2);
    let value = |snapshot: Snapshot| {
        let decoded = decoded(snapshot.last_commit(NOW).build());
        decoded.text("redis/db_0/strings/k.bin").to_owned()
    };
    assert_eq!(value(prepared(start)), "before");
    // Of this key, or of another one of the same transaction.
    for locked in ["!redis|str|k", "!redis|str|other"] {
        let marked = prepared(start).put_at(commit, marker(locked, start, commit, "!redis|str|p"), "");
        assert_eq!(value(marked), "after", "{locked}");
    }
    // Of another transaction.
    for (start_of, primary) in [(start + 1, "!redis|str|p"), (start, "!redis|str|q")] {
        let other = prepared(start).put_at(commit, marker("!redis|str|k", start_of, commit, primary), "");
        assert_eq!(value(other), "before", "{primary}");
    }
    // A transaction that was committed later than asked for.
    let marked = prepared(start).put_at(commit, marker("!redis|str|k", start, commit, "!redis|str|p"), "");
    let options = Options { as_of: Some(commit - 1), ..Options::default() };
    let earlier = run_with(&[marked.build()], &options).unwrap();
    assert_eq!(earlier.text("redis/db_0/strings/k.bin"), "before");
}

#[test]
fn a_malformed_success_marker_is_damage() {
    let error = run(&[base().put("!txn|ok|\x01\x09short", "").build()]).err().unwrap();
    assert!(error.is_damage() && error.to_string().contains("!txn|ok|"), "{error}");
}

/// A snapshot of the timestamp group with this number of bytes of state.
fn timestamps(len: usize) -> Vec<u8> {
    let state = [&be(&[NOW >> 16, NOW])[..], &[1, 1], &be(&[NOW])].concat();
    with_footer(state[..len].to_vec())
}

#[test]
fn the_timestamp_group_has_no_data() {
    for len in [8, 16, 17, 26] {
        let error = run(&[timestamps(len)]).err().unwrap();
        assert!(
            error.is_damage() && error.to_string().contains("state of the timestamp group and no user data"),
            "{error}"
        );
        for inputs in [[timestamps(len), base().build()], [base().build(), timestamps(len)]] {
            let decoded = run(&inputs).unwrap();
            assert_eq!((decoded.warnings(), decoded.notes()), (vec![], vec![("timestamp_group", 1)]));
            assert_eq!(decoded.text("redis/db_0/strings/a.bin"), "1");
        }
    }
}

#[test]
fn what_only_has_the_length_of_the_timestamp_group_is_damage() {
    let mut torn = timestamps(16);
    torn[3] ^= 1;
    for bytes in [torn, with_footer(vec![1; 9]), with_footer(vec![1; 25]), vec![1; 17]] {
        let error = run(&[base().build(), bytes]).err().unwrap().to_string();
        assert!(!error.contains("timestamp group"), "{error}");
    }
    // An empty store has a header and a footer, in as many bytes.
    let empty = run(&[with_footer(b"EKVTHLC1\0\0\0\0\0\0\0\0".to_vec())]).unwrap();
    assert_eq!((empty.warnings(), empty.notes()), (vec![], vec![]));
}

#[test]
fn streams_of_the_memory_store_with_the_state_of_migrations() {
    let le = |n: u64| n.to_le_bytes().to_vec();
    let part = |bytes: &[u8]| [&le(bytes.len() as u64)[..], bytes].concat();
    let (ready, extended) = ([le(2), part(b"one"), part(b"")].concat(), [part(b"acks"), part(b"floors")].concat());
    let marked = [&ready[..], b"EKVMIG2!", &extended].concat();
    let row: &[Version<'_>] = &[(NOW, false, 0, b"\xff\x01\x001")];
    let file = |version, state: &[u8]| mvcc2_with(version, state, NOW, &[(b"!redis|str|a", row)]);
    for (state, parts) in
        [(&le(0), 0), (&ready, 2), (&marked, 4), (&[&le(0)[..], &marked[le(2).len() + 19..]].concat(), 2)]
    {
        for file in [file(2, state), with_footer(file(2, state))] {
            let decoded = decoded(file);
            assert_eq!((decoded.text("redis/db_0/strings/a.bin"), decoded.warnings()), ("1", vec![]));
            assert!(decoded.text("MANIFEST.json").contains(&format!("\"operational\": {parts}")));
        }
    }
    let huge = [le(1), le((1 << 20) + 1), vec![0; 40]].concat();
    let many = [le((1 << 20) + 1), vec![0; 40]].concat();
    let long = [&le(0)[..], b"EKVMIG2!", &le(1 << 40)].concat();
    let cut = [le(1 << 20), part(b"one")].concat();
    let unmarked = [&le(0)[..], b"EKVMIG3!", &extended].concat();
    for (state, why) in [
        (huge, "1048577 > 1048576"),
        (many, "1048577 > 1048576"),
        (long, "1099511627776 > 1048576"),
        (cut, "exceeds limit"),
        (unmarked, "key length exceeds limit"),
    ] {
        let error = run(&[file(2, &state)]).err().unwrap();
        assert!(error.is_damage() && error.to_string().contains(why), "{why}: {error}");
    }
    assert!(run(&[file(2, b"")]).err().unwrap().is_damage());
    let error = run(&[file(3, &le(0))]).err().unwrap().to_string();
    assert!(error.contains("version 3 is not known"), "{error}");
}

/// A server directory with the timestamp group and a group of data.
#[test]
fn a_directory_with_the_timestamp_group() {
    let dir = tempfile::tempdir().unwrap();
    for (group, bytes) in [("0", timestamps(17)), ("1", base().build())] {
        let folder = dir.path().join(group).join("fsm-snap");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("0000000000000010.fsm"), bytes).unwrap();
    }
    let output = ekvsnap(dir.path(), &["decode", "--strict", ".", "-o", "out"]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert_eq!(std::fs::read(dir.path().join("out/redis/db_0/strings/a.bin")).unwrap(), b"1");
    for command in [&["verify", "0"][..], &["inspect", "0"], &["decode", "0", "-o", "none"]] {
        let output = ekvsnap(dir.path(), command);
        let text = String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap();
        assert!(code(&output) == 2 && text.contains("no user data"), "{command:?}: {text}");
    }
    assert!(!dir.path().join("none").exists());
}

/// The error of an encrypted row names the key it needs, and for a damaged envelope the fault.
#[test]
fn encrypted_rows_name_their_key() {
    let sealed = |body: &[u8]| {
        let snapshot = base().version(NOW, "!redis|str|secret", 2, 0, body);
        run(&[snapshot.build()]).err().unwrap().to_string()
    };
    let rest = [7; 40];
    for (head, words) in [
        ([1, 0, 0, 0, 0, 3], "envelope version 1, key id 3"),
        ([2, 1, 0, 0, 1, 0], "envelope version 2, key id 256"),
        ([3, 0, 0, 0, 0, 3], "envelope version 3 is not known"),
        ([1, 0, 0, 0, 0, 0], "reserved key id 0"),
        ([1, 1, 0, 0, 0, 3], "envelope version 1 with flag 0x01"),
        ([2, 2, 0, 0, 0, 3], "envelope version 2 with flag 0x02"),
    ] {
        let error = sealed(&[&head[..], &rest].concat());
        assert!(error.contains(words) && error.contains("!redis|str|secret"), "{words}: {error}");
    }
    assert!(sealed(&[1; 33]).contains("envelope of 33 bytes"));
}
