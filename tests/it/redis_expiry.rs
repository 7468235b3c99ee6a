//! When a key expires: every step of `redis.md` §3.4, and which of two decides.

use ekvsnap::decode::Options;

use crate::kit::build::{NOW, Snapshot, be, delta, entry, item, message, plain, sized};
use crate::kit::{Decoded, decoded, packed, run_with};

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Rows of the key `k` that make it a key of some type, without their own expiry.
fn old(kind: &str) -> Rows {
    let meta = |prefix: &str, numbers: &[u64]| (sized(prefix, "k", ""), be(numbers));
    match kind {
        "string" => vec![(plain("!redis|str|", "k"), b"v".to_vec())],
        "hll" => vec![(plain("!redis|hll|", "k"), b"\0RS\x01".to_vec())],
        "bare" => vec![(b"k".to_vec(), b"v".to_vec())],
        "list" => vec![(plain("!lst|meta|", "k"), be(&[0, 1, 1])), (item("k", 0), b"v".to_vec())],
        "hash" => vec![meta("!hs|meta|", &[1]), (sized("!hs|fld|", "k", "f"), b"v".to_vec())],
        "set" => vec![meta("!st|meta|", &[1]), (sized("!st|mem|", "k", "m"), Vec::new())],
        "zset" => vec![meta("!zs|meta|", &[1]), (sized("!zs|mem|", "k", "m"), be(&[0]))],
        "stream" => {
            vec![meta("!stream|meta|", &[1, 1, 1]), (sized("!stream|entry|", "k", be(&[1, 1])), entry("1-1", &[]))]
        }
        "deltas" => {
            vec![(delta("!st|meta|d|", "k", NOW, 0), be(&[1])), (sized("!st|mem|", "k", "m"), Vec::new())]
        }
        "hash blob" => {
            let pair = [message(1, b"f"), message(2, b"v")].concat();
            vec![(plain("!redis|hash|", "k"), [b"\0RH\x01", &message(1, &pair)[..]].concat())]
        }
        "stream blob" => vec![(plain("!redis|stream|", "k"), Vec::new())],
        _ => unreachable!("{kind}"),
    }
}

const KINDS: [&str; 11] =
    ["string", "hll", "bare", "list", "hash", "set", "zset", "stream", "deltas", "hash blob", "stream blob"];

/// A meta of some type with an expiry, left over from another life of the key.
fn left(kind: &str, ms: u64) -> (Vec<u8>, Vec<u8>) {
    match kind {
        "list" => (plain("!lst|meta|", "k"), be(&[0, 0, 0, ms])),
        "hash" => (sized("!hs|meta|", "k", ""), be(&[0, ms])),
        "set" => (sized("!st|meta|", "k", ""), be(&[0, ms])),
        "zset" => (sized("!zs|meta|", "k", ""), be(&[0, ms])),
        "stream" => (sized("!stream|meta|", "k", ""), be(&[0, 0, 0, ms])),
        "trimmed stream" => (sized("!stream|meta|", "k", ""), be(&[0, 0, 0, ms, 0, 0])),
        _ => unreachable!("{kind}"),
    }
}

/// The order in which metas are checked.
const METAS: [&str; 5] = ["list", "hash", "set", "zset", "stream"];

fn snapshot(rows: &[(Vec<u8>, Vec<u8>)]) -> Snapshot {
    rows.iter().fold(Snapshot::new(), |snapshot, (key, value)| snapshot.put(key, value))
}

/// The expiry of `k` in the output, in both layouts; the key must occur once.
#[track_caller]
fn check(rows: &[(Vec<u8>, Vec<u8>)], want: Option<u64>) {
    let file = snapshot(rows).build();
    let (tree, lines) = (decoded(file.clone()), run_with(&[file], &packed()).unwrap());
    assert_eq!((in_tree(&tree), in_lines(&lines)), (want, want));
}

fn members(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn in_tree(decoded: &Decoded) -> Option<u64> {
    let paths = decoded.below("redis/db_0/");
    if let Some(side) = paths.iter().find(|path| path.ends_with("_ttl.jsonl")) {
        return members(decoded.text(side))["expire_at_ms"].as_u64();
    }
    let [path] = &paths[..] else { panic!("{paths:?}") };
    match path {
        _ if path.ends_with(".bin") => None,
        _ if path.ends_with(".jsonl") => members(decoded.text(path).lines().last().unwrap())["expire_at_ms"].as_u64(),
        _ => members(decoded.text(path))["expire_at_ms"].as_u64(),
    }
}

fn in_lines(decoded: &Decoded) -> Option<u64> {
    let paths = decoded.below("redis/db_0/");
    let text: String = paths.iter().map(|path| decoded.text(path)).collect();
    members(text.lines().last().unwrap())["expire_at_ms"].as_u64()
}

#[test]
fn without_a_word_a_key_never_expires_and_the_index_counts_however_old_it_is() {
    for kind in KINDS {
        check(&old(kind), None);
        check(&[old(kind), vec![(plain("!redis|ttl|", "k"), be(&[5]))]].concat(), Some(5));
        // Before 1970: expired, and kept as such.
        check(&[old(kind), vec![(plain("!redis|ttl|", "k"), be(&[0]))]].concat(), Some(1));
        let file = snapshot(&old(kind)).put_at(9, plain("!redis|ttl|", "k"), be(&[7])).build();
        assert_eq!(in_tree(&decoded(file)), Some(7), "{kind}");
    }
}

#[test]
fn a_meta_of_another_type_decides_before_the_index() {
    for kind in KINDS {
        for meta in ["list", "hash", "set", "zset", "stream", "trimmed stream"] {
            // Its own meta would take the place of the other, a blob's the place of the blob; and the old form of an HLL asks
            // the index alone.
            let own = kind == meta || (kind, meta) == ("deltas", "set") || kind.starts_with("stream") || kind == "hll";
            let other_answers = matches!(kind, "hash" | "set" | "zset" | "stream" | "deltas" | "hash blob");
            if own || other_answers && answers_first(meta, kind) {
                continue;
            }
            let with = |ms| [old(kind), vec![left(meta, ms), (plain("!redis|ttl|", "k"), be(&[5]))]].concat();
            check(&with(77), Some(77));
            // That there is none is a decision too.
            check(&with(0), None);
        }
    }
    check(&[old("hll"), vec![left("hash", 77), (plain("!redis|ttl|", "k"), be(&[5]))]].concat(), Some(5));
}

/// Whether the type of a meta comes before a kind in the server's probe order, so that the server would serve the key as this type.
fn answers_first(meta: &str, kind: &str) -> bool {
    let place = |kind: &str| ["list", "hash", "set", "zset"].iter().position(|one| *one == kind);
    let kind = if kind == "deltas" { "set" } else { kind };
    place(meta).unwrap_or(9) < place(kind).unwrap_or(9)
}

#[test]
fn metas_are_asked_in_their_order() {
    for (i, first) in METAS.iter().enumerate() {
        for second in &METAS[i + 1..] {
            check(&[old("bare"), vec![left(first, 11), left(second, 22)]].concat(), Some(11));
            check(&[old("bare"), vec![left(first, 0), left(second, 22)]].concat(), None);
        }
    }
    // A meta of the old form says nothing.
    check(&[old("string"), old("list"), vec![left("hash", 22)]].concat(), Some(22));
}

#[test]
fn a_string_that_states_its_own_looks_at_nothing_else() {
    let index = || (plain("!redis|ttl|", "k"), be(&[5]));
    for (stated, want) in [(&b"\xff\x01\0v"[..], None), (b"\xff\x01\x01\0\0\0\0\0\0\0\x08v", Some(8))] {
        check(&[(plain("!redis|str|", "k"), stated.to_vec()), left("list", 77), index()], want);
    }
    let hll = (plain("!redis|hll|", "k"), b"\xff\x02\0\0RS\x01".to_vec());
    check(&[hll.clone(), left("list", 77), index()], None);
    // Beside a string of the old format the HLL is asked before the metas.
    check(&[old("string"), vec![hll, left("list", 77), index()]].concat(), None);
    check(&[old("string"), old("hll"), vec![left("list", 77), index()]].concat(), Some(5));
}

#[test]
fn expired_keys_are_dropped_by_the_same_rule() {
    let rows = [old("bare"), vec![left("hash", 77), (plain("!redis|ttl|", "k"), be(&[5000]))]].concat();
    for (when, there) in [(76, true), (77, false)] {
        let options = Options { drop_expired: Some(when), ..Options::default() };
        let decoded = run_with(&[snapshot(&rows).build()], &options).unwrap();
        assert_eq!(decoded.has("redis/db_0/strings/k.bin"), there, "{when}");
    }
}
