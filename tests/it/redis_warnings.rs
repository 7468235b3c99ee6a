//! Every warning of `redis.md` §6, and what is not one.

use ekvsnap::decode::Options;

use crate::kit::build::{NOW, Snapshot, be, delta, entry, item, message, plain, sized};
use crate::kit::command::{ekvsnap, stderr};
use crate::kit::{Decoded, decoded, run_with};

fn with_orphans(snapshot: &Snapshot) -> Decoded {
    run_with(&[snapshot.build()], &Options { include_orphans: true, ..Options::default() }).unwrap()
}

fn field(snapshot: Snapshot, key: &str, name: &str) -> Snapshot {
    snapshot.put(sized("!hs|fld|", key, name), "v")
}

#[track_caller]
fn warns(snapshot: &Snapshot, warnings: &[&str]) -> Decoded {
    let decoded = decoded(snapshot.build());
    let got: Vec<&str> = decoded.warnings().into_iter().map(|(event, _)| event).collect();
    assert_eq!(got, warnings);
    decoded
}

#[test]
fn length_mismatches_name_the_key_and_both_numbers() {
    let wide = |meta: &str, element: &str, value: Vec<u8>| {
        Snapshot::new().put(sized(meta, "key", ""), be(&[5])).put(sized(element, "key", "e"), value)
    };
    let list = Snapshot::new().put("!lst|meta|key", be(&[0, 5, 5])).put(item("key", 2), "x");
    let stream = Snapshot::new()
        .put(sized("!stream|meta|", "key", ""), be(&[5, 1, 1]))
        .put(sized("!stream|entry|", "key", be(&[1, 1])), entry("1-1", &[]));
    for (snapshot, event, observed) in [
        (wide("!hs|meta|", "!hs|fld|", b"v".to_vec()), "redis_hash_length_mismatch", "observed_fields"),
        (wide("!st|meta|", "!st|mem|", Vec::new()), "redis_set_length_mismatch", "observed_members"),
        (wide("!zs|meta|", "!zs|mem|", be(&[0])), "redis_zset_length_mismatch", "observed_members"),
        (list, "redis_list_length_mismatch", "observed_items"),
        (stream, "redis_stream_length_mismatch", "observed_entries"),
    ] {
        let decoded = warns(&snapshot, &[event]);
        let example = &decoded.outcome.manifest.warnings[0].examples[0];
        let names: Vec<&str> = example.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["user_key_len", "declared_len", observed, "key"]);
        let values: Vec<String> = example.iter().map(|(_, v)| serde_json::to_string(v).unwrap()).collect();
        assert_eq!(values, ["3", "5", "1", "\"key\""], "{event}");
    }
}

#[test]
fn base_and_deltas_are_added_before_lengths_are_compared() {
    let grown = field(field(Snapshot::new(), "h", "a"), "h", "b")
        .put(sized("!hs|meta|", "h", ""), be(&[1]))
        .put(delta("!hs|meta|d|", "h", 1, 0), be(&[3]))
        .put(delta("!hs|meta|d|", "h", 2, 0), (-2i64).to_be_bytes());
    warns(&grown, &[]);
    // Elements alone: no warning. Deltas alone count too.
    warns(&field(Snapshot::new(), "h", "a"), &[]);
    let wrong = field(Snapshot::new(), "h", "a").put(delta("!hs|meta|d|", "h", 1, 0), be(&[2]));
    warns(&wrong, &["redis_hash_length_mismatch"]);
    // A negative sum counts as none.
    let negative = Snapshot::new().put(delta("!st|meta|d|", "s", 1, 0), (-5i64).to_be_bytes());
    let decoded = warns(&negative, &[]);
    assert!(decoded.text("redis/db_0/sets/s.json").contains("\"members\": []"));
}

#[test]
fn orphan_stream_entries_are_left_out_or_kept_below_orphans() {
    let snapshot = Snapshot::new().put(sized("!stream|entry|", "s", be(&[3, 4])), entry("3-4", &[b"f", b"v"]));
    let decoded = warns(&snapshot, &["redis_stream_orphan_entries_without_meta"]);
    assert!(decoded.below("redis/").is_empty(), "no empty folder, no file");
    let kept = with_orphans(&snapshot);
    let text = kept.text("redis/db_0/_orphans/streams/s.jsonl");
    assert!(
        text.ends_with("{\"_meta\":true,\"length\":1,\"last_ms\":3,\"last_seq\":4,\"expire_at_ms\":null}\n"),
        "{text}"
    );
}

#[test]
fn orphan_ttl_rows_are_counted_and_listed() {
    let mut snapshot = Snapshot::new().put("!redis|str|live", "legacy").put("!redis|ttl|live", be(&[7]));
    for i in 0..250 {
        snapshot = snapshot.put(format!("!redis|ttl|nobody:{i:03}"), be(&[1000 + i]));
    }
    let decoded = decoded(snapshot.build());
    assert_eq!(decoded.warnings(), [("redis_orphan_ttl", 250)]);
    assert_eq!(decoded.outcome.manifest.warnings[0].examples.len(), 100);
    assert!(decoded.text("MANIFEST.json").contains("nobody:000"));
    assert_eq!(decoded.text("redis/db_0/strings_ttl.jsonl"), "{\"key\":\"live\",\"expire_at_ms\":7}\n");
    let kept = with_orphans(&snapshot);
    assert_eq!(kept.text("redis/db_0/_orphans/ttl.jsonl").lines().count(), 250);
}

/// What a row belongs to may be among the rows that are missing: nothing is said not to exist.
#[test]
fn no_claim_is_made_about_rows_that_are_missing() {
    let complete = Snapshot::new()
        .put("!redis|ttl|members", be(&[7]))
        .put(sized("!st|meta|", "members", ""), be(&[1]))
        .put(sized("!st|mem|", "members", "m"), "")
        .put(sized("!stream|entry|", "s", be(&[1, 0])), entry("", &[b"f", b"v"]))
        .put(sized("!stream|meta|", "s", ""), be(&[1, 1, 0]));
    let of_several = || orphan().put("!dist|route|1", "x").put("!dist|route|2", "x");
    let mut cut = complete.build();
    let at = cut.windows(9).position(|bytes| bytes == b"!st|mem|\0").unwrap();
    cut.truncate(at + 3);
    let mut flipped = orphan().build();
    *flipped.last_mut().unwrap() ^= 1;
    for (name, file, is_claimed) in [
        ("complete", orphan().build(), true),
        ("cut before the members", cut, false),
        ("another checksum", flipped, false),
        ("one of several groups", of_several().build(), false),
    ] {
        let options = Options { skip_damage: true, ..Options::default() };
        let decoded = run_with(&[file], &options).unwrap();
        let manifest = &decoded.outcome.manifest;
        let told =
            manifest.warnings.iter().chain(&manifest.notes).find(|told| told.event == "redis_orphan_ttl").unwrap();
        assert_eq!(manifest.warnings.iter().any(|told| told.event == "redis_orphan_ttl"), is_claimed, "{name}");
        assert_eq!(told.hint.contains("does not have"), is_claimed, "{name}: {}", told.hint);
    }
}

fn orphan() -> Snapshot {
    Snapshot::new().put("!redis|ttl|nobody", be(&[7]))
}

#[test]
fn list_bounds_that_disagree_and_items_outside_them() {
    let snapshot = Snapshot::new()
        .put("!lst|meta|l", be(&[2, 9, 2]))
        .put(item("l", 1), "before")
        .put(item("l", 2), "first")
        .put(item("l", 3), "second")
        .put(item("l", 4), "behind")
        .put(item("nolist", 0), "homeless");
    let decoded = decoded(snapshot.build());
    assert_eq!(decoded.warnings(), [("redis_list_bounds_mismatch", 1), ("redis_list_orphan_items", 2)]);
    let list = decoded.text("redis/db_0/lists/l.json");
    assert!(list.contains("\"first\",\n    \"second\"") && !list.contains("before") && !list.contains("behind"));
    let kept = with_orphans(&snapshot);
    assert!(kept.text("redis/db_0/_orphans/list_items/l.json").contains("\"before\",\n    \"behind\""));
    assert!(kept.text("redis/db_0/_orphans/list_items/nolist.json").contains("homeless"));
}

#[test]
fn holes_in_a_list_are_legal() {
    let snapshot = Snapshot::new()
        .put("!lst|meta|l", be(&[0, 9, 9]))
        .put(delta("!lst|meta|d|", "l", 1, 0), [&0i64.to_be_bytes()[..], &(-7i64).to_be_bytes()].concat())
        .put(item("l", 0), "a")
        .put(item("l", 1), "b");
    let decoded = warns(&snapshot, &[]);
    assert!(decoded.text("redis/db_0/lists/l.json").contains("\"a\",\n    \"b\""));
}

#[test]
fn a_legacy_blob_with_an_inline_meta_takes_content_from_the_one_and_ttl_from_the_other() {
    let pair = [message(1, b"f"), message(2, b"v")].concat();
    let blob = [b"\0RH\x01", &message(1, &pair)[..]].concat();
    let snapshot = Snapshot::new()
        .put("!redis|hash|h", &blob)
        .put(sized("!hs|meta|", "h", ""), be(&[1, 4242]))
        .put("!redis|ttl|h", be(&[1]));
    let decoded = warns(&snapshot, &[]);
    let hash = decoded.text("redis/db_0/hashes/h.json");
    assert!(hash.contains("\"name\": \"f\"") && hash.contains("\"expire_at_ms\": 4242"), "{hash}");
    // A hidden blob is not parsed.
    let hidden = field(Snapshot::new().put("!redis|hash|h", "garbage"), "h", "wide");
    let decoded = warns(&hidden, &[]);
    assert!(decoded.text("redis/db_0/hashes/h.json").contains("wide"));
}

#[test]
fn an_expiry_before_1970_is_kept_as_1() {
    let snapshot = Snapshot::new()
        .put("!redis|str|s", b"\xff\x01\x01\0\0\0\0\0\0\0\0v")
        .put("!redis|hll|h", b"\xff\x02\x01\0\0\0\0\0\0\0\0\0RS\x01")
        .put("!redis|str|legacy", "v")
        .put("!redis|ttl|legacy", be(&[0]));
    let decoded = warns(&snapshot, &[]);
    let ttl = decoded.text("redis/db_0/strings_ttl.jsonl");
    assert_eq!(ttl, "{\"key\":\"legacy\",\"expire_at_ms\":1}\n{\"key\":\"s\",\"expire_at_ms\":1}\n");
    assert_eq!(decoded.text("redis/db_0/hll_ttl.jsonl"), "{\"key\":\"h\",\"expire_at_ms\":1}\n");
}

/// A list that loses against a string, items outside of it, and items of a key that once would have had the same name.
#[test]
fn stray_items_share_no_name_with_lists() {
    let long = "k".repeat(300);
    let mut snapshot = Snapshot::new().put(item("x.items", 3), "other");
    for key in ["x", &long] {
        snapshot = snapshot.put(format!("!redis|str|{key}"), "string").put(format!("!lst|meta|{key}"), be(&[0, 1, 1]));
        snapshot = snapshot.put(item(key, 0), "in").put(item(key, 7), "out");
    }
    let kept = with_orphans(&snapshot);
    for (path, want) in [("lists/x", "in"), ("list_items/x", "out"), ("list_items/x.items", "other")] {
        assert!(kept.text(&format!("redis/db_0/_orphans/{path}.json")).contains(&format!("\"{want}\"")), "{path}");
    }
    for path in ["KEYMAP.jsonl", "list_items/KEYMAP.jsonl"] {
        assert_eq!(kept.text(&format!("redis/db_0/_orphans/{path}")).lines().count(), 1, "{path}");
    }
}

/// Bounds that deltas move beyond the range of sequence numbers: the part inside the range counts.
#[test]
fn list_windows_end_where_sequence_numbers_end() {
    let [least, most] = [i64::MIN, i64::MAX].map(i64::cast_unsigned);
    for (base, moved, items, inside) in [
        ([least, 5], -3i64, &[i64::MIN, i64::MIN + 1, i64::MIN + 2][..], &[0, 1][..]),
        ([least, 3], -3, &[i64::MIN], &[]),
        ([most, 1], 0, &[i64::MAX - 1, i64::MAX], &[1]),
        ([most, 5], 0, &[i64::MAX], &[0]),
        ([most, 5], 1, &[i64::MAX], &[]),
        ([most, 5], -2, &[i64::MAX - 3, i64::MAX - 2, i64::MAX - 1, i64::MAX], &[1, 2, 3]),
    ] {
        let mut snapshot = Snapshot::new().put("!lst|meta|l", be(&[base[0], base[0].wrapping_add(base[1]), base[1]]));
        snapshot = snapshot.put(delta("!lst|meta|d|", "l", 9, 0), be(&[moved.cast_unsigned(), 0]));
        for (i, seq) in items.iter().enumerate() {
            snapshot = snapshot.put(item("l", *seq), format!("item-{i}"));
        }
        let kept = with_orphans(&snapshot);
        for i in 0..items.len() {
            let folder = if inside.contains(&i) { "lists" } else { "_orphans/list_items" };
            assert!(kept.text(&format!("redis/db_0/{folder}/l.json")).contains(&format!("item-{i}")), "{base:?} {i}");
        }
        assert!(!inside.is_empty() || !kept.text("redis/db_0/lists/l.json").contains("item-"), "{base:?}");
    }
}

#[test]
fn one_key_in_several_types_the_probe_order_decides() {
    let all = field(Snapshot::new(), "k", "f")
        .put("!redis|str|k", "string")
        .put("!redis|hll|k", "\0RS\x01")
        .put("k", "bare")
        .put("!lst|meta|k", be(&[0, 1, 1]))
        .put(item("k", 0), "item")
        .put(sized("!st|mem|", "k", "m"), "")
        .put(sized("!zs|mem|", "k", "m"), be(&[0]))
        .put(sized("!stream|meta|", "k", ""), be(&[0, 0, 0]));
    let decoded = warns(&all, &["redis_type_conflict"]);
    assert_eq!(decoded.below("redis/"), ["redis/db_0/strings/k.bin"]);
    assert_eq!(decoded.text("redis/db_0/strings/k.bin"), "string");
    let manifest = decoded.text("MANIFEST.json");
    assert!(manifest.contains("\"others\": \"hll, bare string, list, hash, set, zset, stream\""), "{manifest}");
    let kept = with_orphans(&all);
    let orphans = kept.below("redis/db_0/_orphans/");
    assert_eq!(orphans.len(), 7, "{orphans:?}");
    // Wide rows come before legacy blobs of an earlier type.
    let blob = Snapshot::new().put("!redis|hash|k", "\0RH\x01").put(sized("!st|mem|", "k", "m"), "");
    let decoded = warns(&blob, &["redis_type_conflict"]);
    assert_eq!(decoded.below("redis/"), ["redis/db_0/sets/k.json"]);
}

#[test]
fn the_keys_id_wins_over_the_id_inside_an_entry() {
    let snapshot = Snapshot::new()
        .put(sized("!stream|meta|", "s", ""), be(&[2, 9, 9]))
        .put(sized("!stream|entry|", "s", be(&[1, 2])), entry("7-7", &[]))
        .put(sized("!stream|entry|", "s", be(&[3, 0])), entry("garbage", &[]));
    let decoded = warns(&snapshot, &["redis_stream_id_mismatch"]);
    let text = decoded.text("redis/db_0/streams/s.jsonl");
    assert!(text.starts_with("{\"id\":\"1-2\",\"fields\":[]}\n{\"id\":\"3-0\",\"fields\":[]}\n"), "{text}");
}

#[test]
fn a_nan_score_is_written_and_warned_of() {
    let nan = f64::NAN.to_bits().to_be_bytes();
    let snapshot = Snapshot::new().put(sized("!zs|mem|", "z", "m"), nan);
    assert!(warns(&snapshot, &["redis_zset_nan_score"]).text("redis/db_0/zsets/z.json").contains("\"score\": \"nan\""));
}

#[test]
fn a_legacy_stream_blob_is_an_empty_stream_as_the_server_answers() {
    let inner = [message(1, b"5-6"), message(2, b"f"), message(2, b"v")].concat();
    let blob = [b"\0RX\x01", &message(1, &inner)[..]].concat();
    let snapshot = Snapshot::new().put("!redis|stream|s", &blob).put("!redis|ttl|s", be(&[7]));
    let empty = "{\"_meta\":true,\"length\":0,\"last_ms\":0,\"last_seq\":0,\"expire_at_ms\":7}\n";
    assert_eq!(warns(&snapshot, &["redis_legacy_stream_blob"]).text("redis/db_0/streams/s.jsonl"), empty);
    let kept = with_orphans(&snapshot);
    assert_eq!(kept.text("redis/db_0/streams/s.jsonl"), empty);
    let text = kept.text("redis/db_0/_orphans/streams/s.jsonl");
    assert!(text.starts_with("{\"id\":\"5-6\",\"fields\":[{\"name\":\"f\",\"value\":\"v\"}]}\n"), "{text}");
    // With a meta the stream is what its wide rows say, silently.
    let shadowed = snapshot.clone().put(sized("!stream|meta|", "s", ""), be(&[0, 5, 6]));
    assert!(warns(&shadowed, &[]).has("redis/db_0/streams/s.jsonl"));
    // Any other type comes before it.
    let string = snapshot.put("!redis|str|s", "v");
    let decoded = warns(&string, &["redis_legacy_stream_blob", "redis_type_conflict"]);
    assert_eq!(decoded.below("redis/db_0/str"), ["redis/db_0/strings/s.bin", "redis/db_0/strings_ttl.jsonl"]);
    assert!(with_orphans(&string).text("redis/db_0/_orphans/streams/s.jsonl").contains("5-6"));
}

#[test]
fn warnings_fail_only_under_strict_and_fences_are_silent() {
    let snapshot = Snapshot::new().put_at(NOW, plain("!redis|txn-wide-hash|", "k"), "").put("!redis|str|k", "v");
    let decoded = warns(&snapshot, &[]);
    assert_eq!(decoded.notes(), [("redis_fence_rows", 1)]);
    assert_eq!(decoded.outcome.manifest.counters.unknown, 0);
}

#[test]
fn a_long_key_is_named_by_its_start_and_its_length() {
    let key = "k".repeat(1 << 19);
    let snapshot = Snapshot::new().put(item(&key, 3), "stray");
    let decoded = warns(&snapshot, &["redis_list_orphan_items"]);
    let manifest = decoded.text("MANIFEST.json");
    assert!(manifest.len() < 4000 && manifest.contains("kkk… (524288 bytes)\""), "{}", manifest.len());
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.fsm"), snapshot.build()).unwrap();
    let shown = stderr(&ekvsnap(dir.path(), &["decode", "in.fsm", "-o", "out"]));
    assert!(shown.contains(&format!("key=\"{}… (524288 bytes)\"", "k".repeat(120))), "{shown}");
}
