//! Rows that a client wrote under internal names (`redis.md` §3.4): those of an auxiliary family are reported, and have no other effect.

use crate::kit::build::{NOW, Snapshot, be, delta, item, plain, sized};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::{packed, run, run_with};

const EVENT: &str = "redis_unreadable_auxiliary_rows";

/// An intact hash, list, set and sorted set.
fn sound() -> Snapshot {
    Snapshot::new()
        .put(sized("!hs|fld|", "k", "f"), "v")
        .put(delta("!hs|meta|d|", "k", NOW, 0), be(&[1]))
        .put("!lst|meta|l", be(&[0, 1, 1]))
        .put(item("l", 0), "v")
        .put(sized("!st|mem|", "s", "m"), "")
        .put(sized("!zs|mem|", "z", "m"), be(&[0]))
}

/// Every way in which a row of an auxiliary family cannot be parsed: the reason, the row.
fn planted() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for len in [0, 1, 7, 9] {
        for key in ["k", "l", "nobody"] {
            all.push(("invalid value: its length is", plain("!redis|ttl|", key), vec![b'1'; len]));
        }
    }
    for prefix in ["!hs|meta|d|", "!st|meta|d|", "!zs|meta|d|", "!lst|meta|d|", "!lst|delta|"] {
        for key in ["k", "l", "s", "z", "nobody"] {
            all.push(("value: its length is 1, not", delta(prefix, key, NOW + 1, 0), b"1".to_vec()));
            for rest in [0, 11, 13] {
                let value = be(&[1, 1][..if prefix.starts_with("!lst") { 2 } else { 1 }]);
                all.push(("a delta key ends in 12 bytes", sized(prefix, key, vec![0; rest]), value));
            }
        }
    }
    for key in ["l", "nobody"] {
        all.push(("a claim ends in 8 bytes", sized("!lst|claim|", key, "short"), b"1".to_vec()));
        all.push(("it has no score before the member", sized("!zs|scr|", key, "short"), b"1".to_vec()));
    }
    for prefix in
        ["!hs|meta|d|", "!st|meta|d|", "!zs|meta|d|", "!lst|meta|d|", "!lst|delta|", "!lst|claim|", "!zs|scr|"]
    {
        all.push(("it has no length of the user key", plain(prefix, "abc"), b"1".to_vec()));
        all.push(("its user key is shorter than the length says", plain(prefix, "abcd"), b"1".to_vec()));
    }
    all
}

#[test]
fn every_auxiliary_row_is_named_and_its_key_decoded_without_it() {
    let whole = run(&[sound().build()]).unwrap();
    let lines = run_with(&[sound().build()], &packed()).unwrap();
    for (reason, key, value) in planted() {
        let file = sound().put(&key, value).build();
        let shown = key.escape_ascii().to_string();
        let decoded = run(std::slice::from_ref(&file)).unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert_eq!(decoded.warnings(), [(EVENT, 1)], "{shown}");
        let example: serde_json::Map<_, _> = decoded.outcome.manifest.warnings[0].examples[0]
            .iter()
            .map(|(name, value)| ((*name).to_owned(), serde_json::to_value(value).unwrap()))
            .collect();
        assert!(example["reason"].as_str().unwrap().contains(reason), "{example:?}");
        assert!(key.starts_with(example["family"].as_str().unwrap().as_bytes()), "{example:?}");
        let at = example["offset"].as_u64().unwrap() as usize;
        assert_eq!(&file[at + 8..at + 8 + key.len()], &key[..], "{example:?}");
        for (got, want) in [(&decoded, &whole), (&run_with(&[file], &packed()).unwrap(), &lines)] {
            let objects = |path: &Vec<u8>| path.starts_with(b"redis/");
            assert!(
                got.tree.iter().filter(|(p, _)| objects(p)).eq(want.tree.iter().filter(|(p, _)| objects(p))),
                "{shown}"
            );
        }
    }
}

/// The value of a fence has no meaning.
#[test]
fn fences_may_hold_anything() {
    for kind in ["hash", "list", "set", "zset"] {
        let planted = sound().put(format!("!redis|txn-wide-{kind}|k"), "4");
        let decoded = run(&[planted.build()]).unwrap();
        assert_eq!((decoded.warnings(), decoded.notes()), (vec![], vec![("redis_fence_rows", 1)]));
    }
}

/// A list whose base record is among its deltas still has its window, with a delta that counts and one that does not.
#[test]
fn items_outside_a_list_are_counted_without_the_planted_delta() {
    let snapshot = Snapshot::new()
        .put("!lst|meta|l", be(&[0, 1, 1]))
        .put(delta("!lst|meta|d|", "l", NOW, 0), be(&[0, 1]))
        .put(sized("!lst|meta|d|", "l", "odd"), be(&[0, 1]))
        .put(delta("!lst|meta|d|", "l", NOW, 1), "1");
    let snapshot = (0..3).fold(snapshot, |snapshot, seq| snapshot.put(item("l", seq), format!("item {seq}")));
    let decoded = run(&[snapshot.build()]).unwrap();
    assert_eq!(decoded.warnings(), [("redis_list_orphan_items", 1), (EVENT, 2)]);
    let list = decoded.text("redis/db_0/lists/l.json");
    assert!(list.contains("item 1") && !list.contains("item 2"), "{list}");
}

/// The name of a list can be that of a delta of another one: if a row is not a meta by its length, the list's items belong to no list.
#[test]
fn items_of_a_list_that_is_named_like_a_delta() {
    let name = [&b"d|\0\0\0\x01l"[..], &NOW.to_be_bytes(), &[0; 4]].concat();
    for (key, value, planted) in [
        (&name[..7], vec![], 1),
        (&name[..7], vec![1; 16], 1),
        (&name[..], vec![1; 23], 1),
        (&name[..], be(&[0, 0]), 0),
    ] {
        let file = sound().put(item(key, 0), "v").put([b"!lst|meta|", key].concat(), &value).build();
        let decoded = run(&[file]).unwrap_or_else(|error| panic!("{value:?}: {error}"));
        let warnings = decoded.warnings();
        let count = |event| warnings.iter().find(|(name, _)| *name == event).map_or(0, |(_, count)| *count);
        assert_eq!((count("redis_list_orphan_items"), count(EVENT)), (1, planted), "{value:?}: {warnings:?}");
    }
}

/// The other commands agree with the decode.
#[test]
fn no_command_takes_a_planted_row_for_damage() {
    let dir = tempfile::tempdir().unwrap();
    let mut snapshot = sound();
    for (i, (_, key, value)) in planted().into_iter().enumerate() {
        snapshot = snapshot.put_at(NOW - i as u64, key, value);
    }
    std::fs::write(dir.path().join("p.fsm"), snapshot.build()).unwrap();
    for args in [
        &["decode", "p.fsm", "-o", "out"][..],
        &["decode", "p.fsm", "-o", "skipped", "--on-error", "skip"],
        &["verify", "p.fsm"],
        &["verify", "out", "--against", "p.fsm"],
        &["inspect", "p.fsm"],
        &["diff", "p.fsm", "out"],
        &["get", "p.fsm", "redis:k"],
        &["get", "p.fsm", "redis:l"],
    ] {
        let output = ekvsnap(dir.path(), args);
        assert_eq!(code(&output), 0, "{args:?}: {}", stderr(&output));
    }
    assert_eq!(code(&ekvsnap(dir.path(), &["decode", "p.fsm", "-o", "strict", "--strict"])), 4);
}
