//! What ekvsnap does better than the public decoder: a test for each row of the tables "Where upstream falls short" of `container.md`
//! (c) and `redis.md` (r) that is about decoding.

use ekvsnap::decode::Options;
use ekvsnap::format::sst::writer::Shape;

use crate::kit::build::{NOW, Snapshot, be, delta, entry, item, mvcc2, sized};
use crate::kit::bundle::bundle_of;
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Decoded, decoded, run, run_with};

const STR: &str = "redis/db_0/strings/k.bin";

#[test]
fn better_c01_c02_c04_files_of_a_running_server_are_read_as_they_are() {
    let files = load("redis-small");
    let snapshot = &snapshots(&files)[0];
    assert!(snapshot.starts_with(b"EKVTHLC1"));
    let decoded = decoded(snapshot.clone());
    assert!(decoded.outcome.manifest.counters.operational >= 1);
    assert!(decoded.outcome.manifest.source.fsm_crc32c.is_some());
}

#[test]
fn better_c03_writer_registry_rows_are_not_parsed_as_versions() {
    let writer = [b"!encryption|writers|", &[0, 0, 0, 1, b'|', 0, 2][..]].concat();
    let snapshot = Snapshot::new().raw(writer, [0xff; 12]).put("!redis|str|k", "v");
    assert_eq!(decoded(snapshot.build()).text(STR), "v");
}

#[test]
fn better_c05_r01_the_newest_version_wins() {
    let snapshot = Snapshot::new().put_at(10, "!redis|str|k", "old").put_at(20, "!redis|str|k", "new");
    assert_eq!(decoded(snapshot.build()).text(STR), "new");
}

#[test]
fn better_c06_tombstones_hide_older_versions() {
    let snapshot = Snapshot::new().put_at(10, "!redis|str|k", "old").delete_at(20, "!redis|str|k");
    assert!(!decoded(snapshot.build()).has(STR));
}

#[test]
fn better_c07_value_header_expiry_is_honoured() {
    let snapshot = Snapshot::new().version(10, "!redis|str|k", 0, 20, "x").last_commit(30);
    assert!(!decoded(snapshot.build()).has(STR));
}

#[test]
fn better_c08_the_in_memory_layout_and_the_sst_bundle_are_read() {
    let decoded = decoded(mvcc2(9, &[(b"!redis|str|k", &[(1, false, 0, b"v")])]));
    assert_eq!(decoded.text(STR), "v");
    let bundle = bundle_of(&Snapshot::new().put("!redis|str|k", "v").build(), Shape::default());
    assert_eq!(run(&[bundle]).unwrap().text(STR), "v");
}

#[test]
fn better_c09_an_odd_flag_is_named_with_its_row() {
    let snapshot = Snapshot::new().put("!redis|str|a", "v").version(NOW, "!redis|str|k", 2, 0, "x");
    let error = run(&[snapshot.build()]).err().unwrap();
    assert_eq!(error.key(), Some(&b"!redis|str|k"[..]));
    assert!(error.offset().is_some() && error.to_string().contains("encrypted"));
}

#[test]
fn better_c10_r04_r05_legacy_blobs_and_bare_strings_are_data() {
    let snapshot = Snapshot::new()
        .put("!redis|hash|h", "\0RH\x01")
        .put("!redis|set|s", "\0RS\x01")
        .put("k", "bare")
        .put("!redis|ttl|h", be(&[5]));
    let decoded = decoded(snapshot.build());
    assert!(decoded.has("redis/db_0/hashes/h.json") && decoded.has("redis/db_0/sets/s.json"));
    assert_eq!(decoded.text(STR), "bare");
    assert!(decoded.warnings().is_empty(), "the TTL row of a legacy hash is no orphan");
}

#[test]
fn better_c11_fence_rows_do_not_count_as_unknown() {
    let snapshot = Snapshot::new().put("!redis|txn-wide-zset|k", "");
    assert_eq!(decoded(snapshot.build()).outcome.manifest.counters.unknown, 0);
}

#[test]
fn better_c12_intents_of_committed_transactions_are_applied() {
    let files = load("two-groups-pending");
    let decoded = run(&snapshots(&files)).unwrap();
    assert_eq!(
        decoded.warnings().iter().find(|(event, _)| *event == "txn_intents_applied"),
        Some(&("txn_intents_applied", 10))
    );
}

#[test]
fn better_c13_the_index_in_the_file_name_is_hexadecimal() {
    use ekvsnap::source::index_of;
    assert_eq!(index_of("d/000000000000003d.fsm".as_ref()), Some(61));
}

#[test]
fn better_c14_nothing_is_left_behind_on_an_error() {
    let snapshot = Snapshot::new().put("!redis|str|a", "v").put("!redis|str|k", b"\xff\x01");
    assert!(run(&[snapshot.build()]).is_err(), "the kit checks that the folder is empty");
}

#[test]
fn better_c16_a_cut_stream_header_is_a_typed_error() {
    assert!(run(&[b"EKVPBBL1\0\0\0".to_vec()]).err().unwrap().is_damage());
}

#[test]
fn better_c17_rows_above_the_last_commit_are_legal() {
    let snapshot = Snapshot::new().put_at(50, "!redis|str|k", "v").last_commit(40);
    assert_eq!(decoded(snapshot.build()).text(STR), "v");
}

#[test]
fn better_r02_stream_entries_and_ttl_lines_appear_once() {
    let key = sized("!stream|entry|", "s", be(&[1, 1]));
    let snapshot = Snapshot::new()
        .put_at(1, &key, entry("1-1", &[b"f", b"old"]))
        .put_at(2, &key, entry("1-1", &[b"f", b"new"]))
        .put(sized("!stream|meta|", "s", ""), be(&[1, 1, 1]))
        .put("!redis|str|k", "legacy")
        .put_at(1, "!redis|ttl|k", be(&[5]))
        .put_at(2, "!redis|ttl|k", be(&[6]));
    let decoded = decoded(snapshot.build());
    assert_eq!(decoded.text("redis/db_0/streams/s.jsonl").lines().count(), 2);
    assert_eq!(decoded.text("redis/db_0/strings_ttl.jsonl"), "{\"key\":\"k\",\"expire_at_ms\":6}\n");
}

#[test]
fn better_r03_versions_of_a_zset_blob_are_not_united() {
    let blob = |m: u8| [b"\0RZ\x01", &[0x0a, 3, 0x0a, 1, m][..]].concat();
    let snapshot = Snapshot::new().put_at(1, "!redis|zset|z", blob(b'o')).put_at(2, "!redis|zset|z", blob(b'n'));
    let decoded = decoded(snapshot.build());
    let text = decoded.text("redis/db_0/zsets/z.json");
    assert!(text.contains("\"n\"") && !text.contains("\"o\""), "{text}");
}

#[test]
fn better_r06_a_list_named_like_a_delta_keeps_its_ttl() {
    let snapshot = Snapshot::new().put("!lst|meta|d|x", be(&[0, 0, 0, 7]));
    assert!(decoded(snapshot.build()).text("redis/db_0/lists/d%7Cx.json").contains("\"expire_at_ms\": 7"));
}

#[test]
fn better_r07_an_inline_ttl_of_0_does_not_become_permanent() {
    let snapshot = Snapshot::new().put("!redis|str|k", b"\xff\x01\x01\0\0\0\0\0\0\0\0v");
    assert!(decoded(snapshot.build()).text("redis/db_0/strings_ttl.jsonl").contains(":1}"));
}

#[test]
fn better_r08_deltas_are_added_to_lengths() {
    let snapshot = Snapshot::new()
        .put(sized("!hs|meta|", "h", ""), be(&[0]))
        .put(sized("!hs|fld|", "h", "f"), "v")
        .put(delta("!hs|meta|d|", "h", 1, 0), be(&[1]));
    assert!(decoded(snapshot.build()).warnings().is_empty());
}

#[test]
fn better_r09_list_items_outside_the_bounds_are_not_emitted() {
    let snapshot = Snapshot::new().put("!lst|meta|l", be(&[1, 1, 0])).put(item("l", 0), "popped");
    assert!(!decoded(snapshot.build()).text("redis/db_0/lists/l.json").contains("popped"));
}

#[test]
fn better_r10_r11_trimmed_entries_are_left_out_and_the_length_agrees() {
    let snapshot = Snapshot::new()
        .put(sized("!stream|meta|", "s", ""), be(&[1, 2, 0, 0, 1, 5]))
        .put(sized("!stream|entry|", "s", be(&[1, 5])), entry("1-5", &[]))
        .put(sized("!stream|entry|", "s", be(&[2, 0])), entry("2-0", &[]));
    let decoded = decoded(snapshot.build());
    let text = decoded.text("redis/db_0/streams/s.jsonl");
    assert!(text.starts_with("{\"id\":\"2-0\"") && text.contains("\"length\":1"), "{text}");
    assert!(decoded.warnings().is_empty());
}

#[test]
fn better_r12_a_key_has_one_type() {
    let snapshot = Snapshot::new().put("!redis|str|k", "v").put(sized("!hs|fld|", "k", "f"), "v");
    assert_eq!(decoded(snapshot.build()).below("redis/"), [STR]);
}

/// The public decoder keeps TTL rows in memory up to a limit; here any number of them waits in the file.
#[test]
fn better_r14_ttl_rows_meet_no_cap() {
    let mut snapshot = Snapshot::new();
    for i in 0..20_000 {
        snapshot = snapshot.put(format!("!redis|ttl|set:{i}"), be(&[i + 1]));
        snapshot = snapshot.put(sized("!st|meta|", format!("set:{i}"), ""), be(&[0]));
    }
    let decoded = decoded(snapshot.build());
    assert!(decoded.warnings().is_empty());
    assert!(decoded.text("redis/db_0/sets/set%3A19999.json").contains("\"expire_at_ms\": 20000\n"));
}

#[test]
fn better_r16_an_empty_zset_blob_is_an_empty_zset() {
    assert!(decoded(Snapshot::new().put("!redis|zset|z", "").build()).has("redis/db_0/zsets/z.json"));
}

#[test]
fn better_r17_warnings_name_the_key() {
    let snapshot = Snapshot::new().put(sized("!hs|meta|", "the key", ""), be(&[5]));
    assert!(decoded(snapshot.build()).text("MANIFEST.json").contains("\"key\": \"the key\""));
}

#[test]
fn better_r20_keymap_has_no_duplicates() {
    let long = "k".repeat(300);
    let snapshot = Snapshot::new().put(format!("!redis|str|{long}"), b"\xff\x01\x01\0\0\0\0\0\0\0\x05v");
    assert_eq!(decoded(snapshot.build()).text("redis/db_0/KEYMAP.jsonl").lines().count(), 1);
}

#[test]
fn better_r21_expired_keys_can_be_dropped() {
    let snapshot = Snapshot::new().put("!redis|str|k", b"\xff\x01\x01\0\0\0\0\0\0\0\x05v");
    let options = Options { drop_expired: Some(9), ..Options::default() };
    assert!(!run_with(&[snapshot.build()], &options).unwrap().has(STR));
}

#[test]
fn better_r22_meta_keys_with_extra_bytes_are_damage() {
    let snapshot = Snapshot::new().put(sized("!hs|meta|", "h", "extra"), be(&[0]));
    assert!(run(&[snapshot.build()]).is_err());
}

#[test]
fn better_r23_no_empty_streams_folder() {
    let snapshot = Snapshot::new().put(sized("!stream|entry|", "s", be(&[1, 1])), entry("1-1", &[]));
    let Decoded { tree, .. } = decoded(snapshot.build());
    assert_eq!(tree.len(), 2);
}
