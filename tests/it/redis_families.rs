//! Every Redis family: the row layout, and the resulting file.

use ekvsnap::decode::Options;

use crate::kit::build::{Snapshot, be, delta, entry, item, message, sized};
use crate::kit::{decoded, run_with};

#[track_caller]
fn check(snapshot: &Snapshot, path: &str, want: &str) {
    assert_eq!(decoded(snapshot.build()).text(path), want);
}

#[test]
fn strings_new_legacy_and_bare() {
    let snapshot = Snapshot::new()
        .put("!redis|str|new", b"\xff\x01\0value")
        .put("!redis|str|ttl", b"\xff\x01\x01\0\0\0\0\0\0\x10\0value")
        .put("!redis|str|legacy", b"\xff\x02not a string's magic")
        .put("!redis|str|", b"empty key")
        .put("plain", b"bare")
        .put("!redis|ttl|plain", be(&[99]))
        .put("!redis|ttl|new", be(&[98]));
    let decoded = decoded(snapshot.build());
    assert_eq!(decoded.text("redis/db_0/strings/new.bin"), "value");
    assert_eq!(decoded.text("redis/db_0/strings/.bin"), "empty key");
    assert_eq!(decoded.text("redis/db_0/strings/plain.bin"), "bare");
    assert_eq!(decoded.tree[&b"redis/db_0/strings/legacy.bin"[..]], b"\xff\x02not a string's magic");
    // Inline TTLs first or not: one line each, sorted by key; an index row is ignored if there is an envelope.
    let ttl = "{\"key\":\"plain\",\"expire_at_ms\":99}\n{\"key\":\"ttl\",\"expire_at_ms\":4096}\n";
    assert_eq!(decoded.text("redis/db_0/strings_ttl.jsonl"), ttl);
    assert!(decoded.warnings().is_empty());
}

#[test]
fn hll_payloads_keep_their_magic() {
    let snapshot =
        Snapshot::new().put("!redis|hll|h", b"\xff\x02\0\0RS\x01\x0a\x01m").put("!redis|hll|old", "\0RS\x01");
    let decoded = decoded(snapshot.build());
    assert_eq!(decoded.text("redis/db_0/hll/h.bin"), "\0RS\x01\x0a\x01m");
    assert_eq!(decoded.text("redis/db_0/hll/old.bin"), "\0RS\x01");
}

#[test]
fn hashes() {
    let snapshot = Snapshot::new()
        .put(sized("!hs|meta|", "h", ""), be(&[3, 77]))
        .put(sized("!hs|fld|", "h", ""), "empty name")
        .put(sized("!hs|fld|", "h", "b<"), "\n")
        .put(sized("!hs|fld|", "h", b"\xff"), b"\xfe");
    let want = r#"{
  "format_version": 1,
  "fields": [
    {
      "name": "",
      "value": "empty name"
    },
    {
      "name": "b\u003c",
      "value": "\n"
    },
    {
      "name": {
        "base64": "_w"
      },
      "value": {
        "base64": "_g"
      }
    }
  ],
  "expire_at_ms": 77
}"#;
    check(&snapshot, "redis/db_0/hashes/h.json", want);
}

/// `a` sorts after `ab` in the file, and before it in the output.
#[test]
fn elements_are_sorted_by_their_bytes() {
    let member = |s: Snapshot, m: &str| s.put(sized("!st|mem|", "s", m), "");
    let snapshot = ["ab", "a", "abc", "", "b"].into_iter().fold(Snapshot::new(), member);
    let want = "{\n  \"format_version\": 1,\n  \"members\": [\n    \"\",\n    \"a\",\n    \"ab\",\n    \"abc\",\n    \
                \"b\"\n  ],\n  \"expire_at_ms\": null\n}";
    check(&snapshot, "redis/db_0/sets/s.json", want);
}

#[test]
fn sorted_sets() {
    let member = |s: Snapshot, m: &str, x: f64| s.put(sized("!zs|mem|", "z", m), x.to_bits().to_be_bytes());
    let snapshot = member(member(Snapshot::new(), "b", f64::INFINITY), "a", -0.0)
        .put(sized("!zs|scr|", "z", b"\x80\0\0\0\0\0\0\0a"), "");
    let want = "{\n  \"format_version\": 1,\n  \"members\": [\n    {\n      \"member\": \"a\",\n      \"score\": -0\n    \
                },\n    {\n      \"member\": \"b\",\n      \"score\": \"+inf\"\n    }\n  ],\n  \"expire_at_ms\": null\n}";
    check(&snapshot, "redis/db_0/zsets/z.json", want);
}

#[test]
fn legacy_blobs() {
    let pair = |f: &[u8], v: &[u8]| message(1, &[message(1, f), message(2, v)].concat());
    let hash = [b"\0RH\x01", &pair(b"b", b"1")[..], &pair(b"a", b"2"), &pair(b"b", b"last")].concat();
    let set = [b"\0RS\x01", &message(1, b"n")[..], &message(1, b"m")].concat();
    let scored = [&message(1, b"m")[..], b"\x11", &1.5f64.to_le_bytes()].concat();
    let zset = [b"\0RZ\x01", &message(1, &scored)[..]].concat();
    let snapshot = Snapshot::new()
        .put("!redis|hash|h", &hash)
        .put("!redis|set|s", &set)
        .put("!redis|zset|z", &zset)
        .put("!redis|zset|empty", "")
        .put("!redis|ttl|s", be(&[5]));
    let decoded = decoded(snapshot.build());
    let h = decoded.text("redis/db_0/hashes/h.json");
    assert!(h.find("\"a\"").unwrap() < h.find("\"b\"").unwrap() && h.contains("last") && !h.contains("\"1\""), "{h}");
    assert!(decoded.text("redis/db_0/sets/s.json").contains("\"m\",\n    \"n\"\n  ],\n  \"expire_at_ms\": 5"));
    assert!(decoded.text("redis/db_0/zsets/z.json").contains("\"score\": 1.5"));
    assert!(decoded.text("redis/db_0/zsets/empty.json").contains("\"members\": []"));
    assert!(decoded.warnings().is_empty());
}

#[test]
fn lists_with_negative_bounds_and_deltas() {
    let two = |a: i64, b: i64| [a.to_be_bytes(), b.to_be_bytes()].concat();
    let snapshot = Snapshot::new()
        .put("!lst|meta|l", be(&[0, 2, 2]))
        .put(delta("!lst|meta|d|", "l", 5, 0), two(-2, 2))
        .put(item("l", -2), "-2")
        .put(item("l", -1), "-1")
        .put(item("l", 0), "0")
        .put(item("l", 1), "1")
        .put(sized("!lst|claim|", "l", be(&[1])), "");
    let decoded = decoded(snapshot.build());
    let list = decoded.text("redis/db_0/lists/l.json");
    assert!(list.contains("\"-2\",\n    \"-1\",\n    \"0\",\n    \"1\"\n"), "{list}");
    assert!(decoded.warnings().is_empty());
}

/// Item rows have no length of the user key: those of a longer key may be between those of a shorter one.
#[test]
fn items_of_interleaved_lists_are_told_apart() {
    let inner = [b"l", &item("", 0)[9..]].concat();
    let snapshot = Snapshot::new()
        .put("!lst|meta|l", be(&[0, 3, 3]))
        .put([b"!lst|meta|", &inner[..]].concat(), be(&[0, 1, 1]))
        .put(item("l", 0), "l0")
        .put(item(&inner, 0), "inner")
        .put(item("l", 1), "l1")
        .put(item("l", 2), "l2");
    let decoded = decoded(snapshot.build());
    assert!(decoded.text("redis/db_0/lists/l.json").contains("\"l0\",\n    \"l1\",\n    \"l2\"\n"));
    assert_eq!(decoded.below("redis/db_0/lists/").len(), 2);
    assert!(decoded.warnings().is_empty(), "{:?}", decoded.warnings());
}

#[test]
fn streams_as_the_seed_states_them() {
    let row = |s: Snapshot, ms: u64, seq: u64, fields: &[&[u8]]| {
        s.put(sized("!stream|entry|", "s", be(&[ms, seq])), entry(&format!("{ms}-{seq}"), fields))
    };
    let snapshot = Snapshot::new().put(sized("!stream|meta|", "s", ""), be(&[3, 10, 1, 55]));
    let snapshot = row(snapshot, 10, 1, &[b"f", b"1", b"f", b"2"]);
    let snapshot = row(snapshot, 9, 300, &[b"\xff", b"<"]);
    let snapshot = row(snapshot, 9, 2, &[]);
    let want = "{\"id\":\"9-2\",\"fields\":[]}\n\
                {\"id\":\"9-300\",\"fields\":[{\"name\":{\"base64\":\"_w\"},\"value\":\"\\u003c\"}]}\n\
                {\"id\":\"10-1\",\"fields\":[{\"name\":\"f\",\"value\":\"1\"},{\"name\":\"f\",\"value\":\"2\"}]}\n\
                {\"_meta\":true,\"length\":3,\"last_ms\":10,\"last_seq\":1,\"expire_at_ms\":55}\n";
    check(&snapshot, "redis/db_0/streams/s.jsonl", want);
    let empty = Snapshot::new().put(sized("!stream|meta|", "e", ""), be(&[0, 7, 8, 0, 0, 0]));
    check(
        &empty,
        "redis/db_0/streams/e.jsonl",
        "{\"_meta\":true,\"length\":0,\"last_ms\":7,\"last_seq\":8,\"expire_at_ms\":null}\n",
    );
}

#[test]
fn a_ttl_row_that_sorts_before_its_collection_reaches_it() {
    let snapshot = Snapshot::new()
        .put("!redis|ttl|set", be(&[1]))
        .put("!redis|ttl|zset", be(&[2]))
        .put("!redis|ttl|stream", be(&[3]))
        .put("!redis|ttl|hash", be(&[4]))
        .put("!redis|ttl|list", be(&[5]))
        .put(sized("!st|meta|", "set", ""), be(&[0]))
        .put(sized("!zs|meta|", "zset", ""), be(&[0]))
        .put(sized("!stream|meta|", "stream", ""), be(&[0, 0, 0]))
        .put(sized("!hs|fld|", "hash", "f"), "v")
        .put("!lst|meta|list", be(&[0, 0, 0]));
    let decoded = decoded(snapshot.build());
    for (path, ttl) in [("sets/set.json", 1), ("zsets/zset.json", 2), ("hashes/hash.json", 4), ("lists/list.json", 5)] {
        assert!(decoded.text(&format!("redis/db_0/{path}")).contains(&format!("\"expire_at_ms\": {ttl}\n")), "{path}");
    }
    assert!(decoded.text("redis/db_0/streams/stream.jsonl").contains("\"expire_at_ms\":3}"));
    assert!(decoded.warnings().is_empty());
}

#[test]
fn an_inline_ttl_rules_out_the_index() {
    let snapshot = Snapshot::new()
        .put("!redis|ttl|h", be(&[9]))
        .put(sized("!hs|meta|", "h", ""), be(&[0, 0]))
        .put("!redis|ttl|l", be(&[9]))
        .put("!lst|meta|l", be(&[0, 0, 0, 44]));
    let decoded = decoded(snapshot.build());
    assert!(decoded.text("redis/db_0/hashes/h.json").contains("\"expire_at_ms\": null"));
    assert!(decoded.text("redis/db_0/lists/l.json").contains("\"expire_at_ms\": 44"));
}

#[test]
fn long_and_odd_names_get_a_keymap_line_each() {
    let long = "k".repeat(300);
    let snapshot = Snapshot::new()
        .put(format!("!redis|str|{long}"), b"\xff\x01\x01\0\0\0\0\0\0\0\x05v")
        .put(sized("!hs|fld|", "b64.x", "f"), "v");
    let decoded = decoded(snapshot.build());
    let keymap = decoded.text("redis/db_0/KEYMAP.jsonl");
    assert_eq!(keymap.lines().count(), 2, "the TTL line adds none: {keymap}");
    assert!(keymap.lines().all(|line| line.ends_with("\"kind\":\"sha-fallback\"}")));
    assert!(decoded.text("redis/db_0/strings_ttl.jsonl").contains(&"k".repeat(64)));
}

/// A key may end in the extension of its own file.
#[test]
fn a_ttl_line_names_the_whole_key() {
    let value = b"\xff\x01\x01\0\0\0\0\0\0\0\x05v";
    let snapshot = Snapshot::new().put("!redis|str|a.bin", value).put("!redis|str|.bin.bin", value);
    let ttl = "{\"key\":\".bin.bin\",\"expire_at_ms\":5}\n{\"key\":\"a.bin\",\"expire_at_ms\":5}\n";
    check(&snapshot, "redis/db_0/strings_ttl.jsonl", ttl);
}

#[test]
fn expired_keys_are_kept_unless_dropped() {
    let snapshot = Snapshot::new()
        .put("!redis|str|old", b"\xff\x01\x01\0\0\0\0\0\0\0\x05v")
        .put("!redis|str|new", b"\xff\x01\x01\0\0\0\0\0\0\0\x50v")
        .put("!lst|meta|l", be(&[0, 1, 1, 5]))
        .put(item("l", 0), "x");
    assert_eq!(decoded(snapshot.build()).below("redis/").len(), 4);
    let options = Options { drop_expired: Some(5), ..Options::default() };
    let dropped = run_with(&[snapshot.build()], &options).unwrap();
    assert_eq!(dropped.below("redis/"), ["redis/db_0/strings/new.bin", "redis/db_0/strings_ttl.jsonl"]);
    assert!(dropped.warnings().is_empty(), "items of a dropped list are not orphans");
}
