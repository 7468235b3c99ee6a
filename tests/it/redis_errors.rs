//! Every error of `redis.md` §5: the row, and the message.

use crate::kit::build::{NOW, Snapshot, be, entry, item, plain, sized};
use crate::kit::run;

/// One damaged row in an otherwise intact snapshot.
#[track_caller]
fn check(cases: &[(&str, Vec<u8>, Vec<u8>)]) {
    for (words, key, value) in cases {
        let snapshot = Snapshot::new().put("!redis|str|sound", "v").put(key, value);
        let Err(error) = run(&[snapshot.build()]) else { panic!("{words}: accepted") };
        assert!(error.is_damage(), "{words}: {error}");
        assert!(error.to_string().contains(words), "want {words:?} in {error}");
        assert_eq!(error.key(), Some(key.as_slice()), "{error}");
        assert!(error.offset().is_some(), "{error}");
        // A tombstone's body is not checked, and a deleted row causes no error.
        let deleted = Snapshot::new().put_at(NOW, key, value).delete_at(NOW + 1, key);
        assert!(run(&[deleted.build()]).is_ok(), "{words}: deleted");
    }
}

#[test]
fn invalid_string_and_hll_values() {
    check(&[
        ("invalid !redis|str| value: it ends before its flags", plain("!redis|str|", "k"), b"\xff\x01".to_vec()),
        (
            "invalid !redis|str| value: it ends inside its expiry",
            plain("!redis|str|", "k"),
            b"\xff\x01\x01123".to_vec(),
        ),
        ("invalid !redis|hll| value: it ends before its flags", plain("!redis|hll|", "k"), b"\xff\x02".to_vec()),
        ("invalid !redis|hll| value: it ends inside its expiry", plain("!redis|hll|", "k"), b"\xff\x02\x01".to_vec()),
    ]);
}

#[test]
fn invalid_metas() {
    let long = be(&[u64::MAX]);
    for prefix in ["!hs|meta|", "!st|meta|", "!zs|meta|"] {
        for len in [0, 7, 9, 15, 17, 24, 33] {
            check(&[(
                &format!("invalid {prefix} value: its length is {len}, not 8 or 16"),
                sized(prefix, "k", ""),
                vec![0; len],
            )]);
        }
        check(&[
            (&format!("invalid {prefix} value: its length is over 2^63-1"), sized(prefix, "k", ""), long.clone()),
            (&format!("malformed {prefix} key: bytes follow"), sized(prefix, "k", "more"), be(&[0])),
        ]);
    }
    for len in [0, 8, 16, 23, 25, 33] {
        let words = format!("invalid !lst|meta| value: its length is {len}, not 24 or 32");
        check(&[(&words, plain("!lst|meta|", "k"), vec![0; len])]);
    }
    for len in [0, 23, 39, 40, 47, 56] {
        let words = format!("invalid !stream|meta| value: its length is {len}, not 24, 32 or 48");
        check(&[(&words, sized("!stream|meta|", "k", ""), vec![0; len])]);
    }
    check(&[
        ("invalid !lst|meta| value: its length is over 2^63-1", plain("!lst|meta|", "k"), be(&[0, 0, 1 << 63])),
        (
            "invalid !stream|meta| value: its length is over 2^63-1",
            sized("!stream|meta|", "k", ""),
            be(&[1 << 63, 0, 0]),
        ),
    ]);
}

#[test]
fn malformed_keys() {
    let short = [b'!', 0, 0];
    for prefix in
        ["!hs|fld|", "!st|mem|", "!zs|mem|", "!stream|entry|", "!hs|meta|", "!st|meta|", "!zs|meta|", "!stream|meta|"]
    {
        let none = plain(prefix, &short[1..]);
        let over = [prefix.as_bytes(), &[0xff, 0xff, 0xff, 0xfe], b"k"].concat();
        check(&[
            (&format!("malformed {prefix} key: it has no length of the user key"), none, be(&[0])),
            (&format!("malformed {prefix} key: its user key is shorter"), over, be(&[0])),
        ]);
    }
    check(&[
        ("malformed !lst|itm| key: it has no sequence number", plain("!lst|itm|", "1234567"), b"v".to_vec()),
        (
            "malformed !stream|entry| key: the user key is not followed by 16 bytes",
            sized("!stream|entry|", "k", [0; 15]),
            entry("1-1", &[]),
        ),
        (
            "malformed !stream|entry| key: the user key is not followed by 16 bytes",
            sized("!stream|entry|", "k", [0; 17]),
            entry("1-1", &[]),
        ),
    ]);
}

#[test]
fn invalid_scores_blobs_and_entries() {
    let entry_key = || sized("!stream|entry|", "k", be(&[1, 1]));
    let meta = || Snapshot::new().put(sized("!stream|meta|", "k", ""), be(&[1, 1, 1]));
    check(&[
        ("invalid !zs|mem| value: its length is 7, not 8", sized("!zs|mem|", "k", "m"), vec![0; 7]),
        ("invalid !redis|zset| value: it lacks the magic", plain("!redis|zset|", "k"), b"garbage".to_vec()),
        ("invalid !redis|zset| value: its protobuf", plain("!redis|zset|", "k"), b"\0RZ\x01\x0a\x7f".to_vec()),
        ("invalid !redis|hash| value: it lacks the magic", plain("!redis|hash|", "k"), b"garbage".to_vec()),
        ("invalid !redis|set| value: its protobuf", plain("!redis|set|", "k"), b"\0RS\x01\x0a\x7f".to_vec()),
    ]);
    for (words, value) in [
        ("it lacks its magic", b"garbage".to_vec()),
        ("it lacks its magic", Vec::new()),
        ("its protobuf cannot be decoded", b"\0RXE\x01\x0a\x7f".to_vec()),
        ("odd number of names and values", entry("1-1", &[b"lonely"])),
    ] {
        let error = run(&[meta().put(entry_key(), value).build()]).err().unwrap();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.key(), Some(entry_key().as_slice()));
    }
}

/// The first damaged row in key order is reported, whatever the number of threads.
#[test]
fn the_first_error_does_not_depend_on_threads() {
    let mut snapshot = Snapshot::new();
    for i in 0..4000 {
        let value = if i % 1000 == 777 { b"\xff\x01".to_vec() } else { vec![b'v'; 5000] };
        snapshot = snapshot.put(format!("!redis|str|key:{i:06}"), value);
    }
    let file = snapshot.build();
    for threads in [1, 2, 3, 8] {
        let options = ekvsnap::decode::Options { threads, ..Default::default() };
        let error = crate::kit::run_with(std::slice::from_ref(&file), &options).err().unwrap();
        assert_eq!(error.key(), Some(&b"!redis|str|key:000777"[..]));
    }
}

/// A list whose name looks like that of a delta is recognised by the length of its value.
#[test]
fn a_list_named_d_bar_is_a_list() {
    let name = b"d|\0\0\0\x01k";
    let snapshot = Snapshot::new().put(plain("!lst|meta|", name), be(&[0, 1, 1, 9000])).put(item(name, 0), "item");
    let decoded = run(&[snapshot.build()]).unwrap();
    let list = decoded.text("redis/db_0/lists/d%7C%00%00%00%01k.json");
    assert!(list.contains("\"item\"") && list.contains("9000"), "{list}");
    assert!(decoded.warnings().is_empty());
}
