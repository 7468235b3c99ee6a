//! The container: headers, footers, limits, a row of the store itselfs, the in-memory layout.

use ekvsnap::decode::Options;

use crate::kit::build::{NOW, Snapshot, Version, mvcc2, plain, with_footer};
use crate::kit::{decoded, run, run_with};

/// `container.md` §10.
const VECTOR: &str = "
454b5654484c43310000000000000000454b565042424c3100001e0000000000
14000000000000002172656469737c7374727c61ffffffffffebffff0f000000
00000000000000000000000000ff01006e657714000000000000002172656469
737c7374727c61fffffffffff5ffff0f00000000000000000000000000000000
ff01006f6c6417000000000000002172656469737c7374727c676f6e65ffffff
ffffe1ffff090000000000000001000000000000000017000000000000002172
656469737c7374727c676f6e65fffffffffff5ffff0d00000000000000000000
000000000000ff01007814000000000000005f6d6574615f6c6173745f636f6d
6d69745f7473080000000000000000001e0000000000620c27eb";

fn vector() -> Vec<u8> {
    let hex: Vec<u8> = VECTOR.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |b: u8| (b as char).to_digit(16).unwrap() as u8;
    hex.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

#[test]
fn the_end_of_time_is_a_date() {
    let snapshot = Snapshot::new().put_at(u64::MAX, "!redis|str|k", "v");
    assert_eq!(decoded(snapshot.build()).outcome.manifest.wall_time_iso, "9999-12-31T23:59:59Z");
}

#[test]
fn the_test_vector_of_the_spec() {
    assert_eq!(vector().len(), 282);
    let decoded = decoded(vector());
    assert_eq!(decoded.text("redis/db_0/strings/a.bin"), "new");
    assert_eq!(decoded.below("redis/").len(), 1, "the deleted key must not come back");
    let manifest = &decoded.outcome.manifest;
    assert_eq!(manifest.last_commit_ts, 1_966_080);
    assert_eq!(manifest.source.fsm_crc32c.as_deref(), Some("620c27eb"));
    assert_eq!(manifest.wall_time_iso, "1970-01-01T00:00:00.03Z");
    assert_eq!((manifest.counters.entries, manifest.counters.tombstone, manifest.counters.operational), (4, 1, 1));
    assert!(decoded.warnings().is_empty() && decoded.notes().is_empty());
}

#[test]
fn all_four_combinations_of_header_and_footer() {
    let snapshot = Snapshot::new().put("!redis|str|k", "v");
    let header1 = [b"EKVTHLC1\0\0\0\0\0\0\0\x09", &snapshot.bare()[..]].concat();
    let header2 = [b"EKVTHLC2\0\x10\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x07", &snapshot.bare()[..]].concat();
    for (file, footer) in [
        (snapshot.bare(), false),
        (with_footer(snapshot.bare()), true),
        (header1.clone(), false),
        (with_footer(header1), true),
        (with_footer(header2), true),
    ] {
        let decoded = decoded(file);
        assert_eq!(decoded.text("redis/db_0/strings/k.bin"), "v");
        assert_eq!(decoded.outcome.manifest.source.fsm_crc32c.is_some(), footer);
        assert_eq!(decoded.notes().contains(&("no_footer", 1)), !footer);
    }
}

#[test]
fn an_empty_store_and_nearly_nothing() {
    for (file, files) in [(vec![0, 0, 0, 0], 2), (Snapshot::new().build(), 2), (Snapshot::new().bare(), 2)] {
        assert_eq!(decoded(file).tree.len(), files, "only MANIFEST.json and CHECKSUMS");
    }
    let header_only = decoded(b"EKVTHLC1\0\0\0\0\0\0\0\0".to_vec());
    assert_eq!(header_only.warnings(), [("no_store_stream", 1)]);
    for nothing in [&b""[..], b"x", b"1234567", b"EKVPBBL1\0\0"] {
        assert!(run(&[nothing.to_vec()]).err().unwrap().is_damage());
    }
}

#[test]
fn a_wrong_footer_is_named_with_both_values() {
    let mut file = Snapshot::new().put("!redis|str|k", "v").build();
    *file.last_mut().unwrap() ^= 1;
    let words = run(&[file]).err().unwrap().to_string();
    assert!(words.contains("CRC32C mismatch: the footer says") && words.contains("the bytes give"), "{words}");
}

#[test]
fn operational_rows_are_not_data() {
    let mut writer = b"!encryption|writers|\0\0\0\x01|\0\x02".to_vec();
    let snapshot = Snapshot::new()
        .put("!redis|str|k", "v")
        .put("_meta_mine", "a user's key")
        .raw("_meta_last_commit_ts", NOW.to_le_bytes())
        .raw("_meta_applied_index", 7u64.to_le_bytes())
        .raw("_meta_pending_min_retained_ts", [0; 8])
        .raw(&writer, [0xff; 12]);
    let decoded = decoded(snapshot.build());
    assert_eq!(decoded.below("redis/"), ["redis/db_0/strings/_meta_mine.bin", "redis/db_0/strings/k.bin"]);
    assert_eq!(decoded.outcome.manifest.counters.operational, 4);
    assert!(decoded.warnings().is_empty());
    // A value of the wrong length is damage; another shape of the key makes it an ordinary row.
    let bad = Snapshot::new().raw("_meta_applied_index", b"short");
    assert!(run(&[bad.build()]).err().unwrap().to_string().contains("a row of the store itself"));
    writer[24] = b'-';
    let ordinary = Snapshot::new().raw(&writer, [0xff; 12]);
    assert!(run(&[ordinary.build()]).err().unwrap().to_string().contains("reserved"));
}

#[test]
fn value_header_expiry_counts_at_the_read_timestamp() {
    let at = |ms: u64| ms << 16;
    let snapshot = Snapshot::new()
        .version(at(10), "!redis|str|past", 0, at(20), "x")
        .version(at(10), "!redis|str|future", 0, at(40), "x")
        // Older versions do not become visible when the newest has expired.
        .version(at(5), "!redis|str|past", 0, 0, "old")
        .last_commit(at(30));
    let names = |options: &Options| run_with(&[snapshot.build()], options).unwrap().below("redis/");
    assert_eq!(names(&Options::default()), ["redis/db_0/strings/future.bin"]);
    let early = Options { as_of: Some(at(15)), ..Options::default() };
    assert_eq!(names(&early), ["redis/db_0/strings/future.bin", "redis/db_0/strings/past.bin"]);
}

/// What is not in doubt for being close.
#[test]
fn a_moment_before_the_first_commit_is_refused_with_the_range() {
    let routes = Snapshot::new().put_at(1, "!dist|meta|version", "v");
    let with = |key: &str| routes.clone().put_at(NOW, key, "v").delete_at(NOW + (60_000 << 16), key);
    for key in ["!redis|str|k", "k", "!nobody|k"] {
        let file = with(key).build();
        let at = |as_of| {
            let options = Options { as_of: Some(as_of), ..Options::default() };
            run_with(std::slice::from_ref(&file), &options)
        };
        for as_of in [0, 4, NOW >> 16, 1_577_836_800_000 << 16, NOW - (10_001 << 16)] {
            let error = at(as_of).err().unwrap().to_string();
            let range = format!("the commits are from {NOW} (about 2026-01-01T00:00:00Z) to {}", NOW + (60_000 << 16));
            assert!(error.contains(&range), "{error}");
            assert_eq!(error.contains("Unix milliseconds"), as_of == NOW >> 16, "{error}");
        }
        // Timestamps can be ten seconds ahead; and after the first commit everything can be deleted.
        for as_of in [NOW - (10_000 << 16), NOW - 1, NOW, NOW + (60_000 << 16), u64::MAX] {
            assert!(at(as_of).is_ok(), "{as_of}");
        }
    }
    // Of several inputs the first of all counts, and where nothing was committed there is nothing to be before.
    let late = Snapshot::new().put_at(NOW + (1 << 40), "!redis|str|k", "v").build();
    let both = |inputs: &[Vec<u8>]| run_with(inputs, &Options { as_of: Some(NOW), ..Options::default() });
    assert!(both(&[late.clone(), with("k").build()]).is_ok());
    assert!(!both(std::slice::from_ref(&late)).err().unwrap().is_damage());
    assert!(both(&[routes.build()]).is_ok());
}

#[test]
fn as_of_shows_the_past_and_refuses_compacted_history() {
    let snapshot = Snapshot::new()
        .put_at(10, "!redis|str|k", "old")
        .put_at(20, "!redis|str|k", "new")
        .put_at(10, "!redis|str|gone", "was here")
        .delete_at(15, "!redis|str|gone")
        .raw("_meta_min_retained_ts", 8u64.to_le_bytes());
    let at = |as_of| run_with(&[snapshot.build()], &Options { as_of: Some(as_of), ..Options::default() });
    let past = at(12).unwrap();
    assert_eq!(past.text("redis/db_0/strings/k.bin"), "old");
    assert_eq!(past.text("redis/db_0/strings/gone.bin"), "was here");
    assert!(!at(15).unwrap().has("redis/db_0/strings/gone.bin"));
    assert_eq!(at(20).unwrap().text("redis/db_0/strings/k.bin"), "new");
    assert!(at(9).unwrap().below("redis/").is_empty());
    let error = at(7).err().unwrap();
    assert!(!error.is_damage() && error.to_string().contains("compacted away"), "{error}");
    // A compaction under way may have removed what lies below its own mark.
    let pending = snapshot.raw("_meta_pending_min_retained_ts", 15u64.to_le_bytes());
    let options = Options { as_of: Some(12), ..Options::default() };
    assert!(run_with(&[pending.build()], &options).is_err());
}

#[test]
fn rows_above_last_commit_are_kept_and_noted() {
    let snapshot = Snapshot::new().put_at(50, "!redis|str|k", "v").last_commit(40);
    let decoded = decoded(snapshot.build());
    assert_eq!(decoded.text("redis/db_0/strings/k.bin"), "v");
    assert_eq!(decoded.notes(), [("rows_above_last_commit", 1)]);
}

#[test]
fn the_in_memory_layout() {
    let keys: &[(&[u8], &[Version<'_>])] = &[
        (b"!redis|str|deleted", &[(1, false, 0, b"x"), (2, true, 0, b"")]),
        (b"!redis|str|expired", &[(1, false, 5, b"x")]),
        (b"!redis|str|k", &[(1, false, 0, b"old"), (9, false, 0, b"new")]),
        (b"!redis|str|k2", &[(1, false, 0, b"v")]),
    ];
    for file in [mvcc2(9, keys), with_footer(mvcc2(9, keys))] {
        let decoded = decoded(file);
        assert_eq!(decoded.text("redis/db_0/strings/k.bin"), "new");
        assert_eq!(decoded.below("redis/"), ["redis/db_0/strings/k.bin", "redis/db_0/strings/k2.bin"]);
    }
    let past = run_with(&[mvcc2(9, keys)], &Options { as_of: Some(1), ..Options::default() }).unwrap();
    assert_eq!(past.text("redis/db_0/strings/k.bin"), "old");
    assert!(past.has("redis/db_0/strings/deleted.bin"));
}

#[test]
fn damage_of_the_in_memory_layout() {
    let k: &[u8] = b"!redis|str|k";
    let good = mvcc2(9, &[(k, &[(1, false, 0, b"v")])]);
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut version = good.clone();
    version[8] = 3;
    for (file, words) in [
        (flipped, "EKVMVCC2 checksum mismatch"),
        (version, "version 3"),
        (good[..good.len() - 1].to_vec(), "truncated"),
        (good[..20].to_vec(), "truncated"),
        (mvcc2(9, &[(b"b", &[]), (b"a", &[])]), "ascend"),
        (mvcc2(9, &[(k, &[(2, false, 0, b""), (1, false, 0, b"")])]), "ascend"),
    ] {
        let error = run(&[file]).err().unwrap();
        assert!(error.is_damage() && error.to_string().contains(words), "{words}: {error}");
    }
}

#[test]
fn unknown_rows_are_counted_with_an_example_and_never_emitted() {
    let snapshot = Snapshot::new()
        .put("!nobody|one", "x")
        .put("!nobody|two", "x")
        .put_at(NOW, "!redis|list|old", "x")
        .put("!txn|odd|k", "x")
        .put("!stream|user key", "a bare string")
        .put("!fs|route|chk|x", "x");
    let decoded = decoded(snapshot.build());
    assert_eq!(decoded.warnings(), [("unknown_rows", 4)]);
    assert_eq!(decoded.below("redis/"), ["redis/db_0/strings/%21stream%7Cuser%20key.bin"]);
    assert!(decoded.text("MANIFEST.json").contains("!nobody|one"));
    assert_eq!(decoded.outcome.manifest.counters.unknown, 5);
}

/// Lengths are checked before memory is reserved: a header that claims 2^60 bytes costs nothing.
#[test]
fn no_length_reserves_memory() {
    for (at, claim) in [(0, u64::MAX), (0, 1 << 60), (0, (1 << 20) + 8), (28, 1 << 60), (28, (256 << 20) + 43)] {
        let mut file = Snapshot::new().put(plain("!redis|str|", "k"), "v").bare();
        file[16 + at..24 + at].copy_from_slice(&claim.to_le_bytes());
        assert!(run(&[file]).err().unwrap().is_damage());
    }
}
