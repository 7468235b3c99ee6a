//! Large collections are read in pieces, by several threads: the output depends neither on the cuts nor on the threads.

use ekvsnap::decode::{Options, Silent};
use ekvsnap::diff::{Side, diff};
use ekvsnap::index::Granularity;
use ekvsnap::source::Source;

use crate::groups::{committed, intent, lock};
use crate::kit::build::{NOW, Snapshot, be, entry, item, sized};
use crate::kit::{Tree, packed, run_with};

/// Cuts that make every collection of a few rows a large one: a piece has one row, or a few.
const FINE: [Granularity; 3] = [
    Granularity { checkpoint_interval: 1, read_size: 1, task_size: 1 },
    Granularity { checkpoint_interval: 1, read_size: 60, task_size: 200 },
    Granularity { checkpoint_interval: 100, read_size: 20, task_size: 1 << 20 },
];
/// Ways to run: cuts and threads.
const RUNS: [(usize, usize); 6] = [(0, 1), (0, 2), (0, 8), (1, 3), (2, 2), (2, 1)];

/// Names of elements, some of which are prefixes of others, so that rows do not come in the order of names.
fn names() -> Vec<Vec<u8>> {
    let plain = (0..30).map(|n| format!("f{n:02}").into_bytes());
    let nested = (0..8).map(|n| [b"g".to_vec(), vec![0xfe; n]].concat());
    let deep = (0..6).map(|n| [b"g\x01\x4d\xff\xff\xff\xff\xff\xff", &b"\xff\x01"[n % 2..], &[n as u8]].concat());
    plain.chain(nested).chain(deep).collect()
}

/// Elements of a key: the first ones are deleted, and some others; some have older versions.
fn elements(s: Snapshot, prefix: &str, key: &str, value: impl Fn(usize) -> Vec<u8>) -> Snapshot {
    names().iter().enumerate().fold(s, |s, (n, name)| {
        let row = sized(prefix, key, name);
        match n {
            0..7 | 13 => s.put_at(NOW - 9, &row, value(n)).delete_at(NOW, &row),
            _ if n % 5 == 0 => s.put_at(NOW - 9, &row, b"before").put_at(NOW, &row, value(n)),
            _ => s.put_at(NOW - 5, &row, value(n)),
        }
    })
}

fn hash(s: Snapshot, key: &str) -> Snapshot {
    elements(s, "!hs|fld|", key, |n| format!("<{n}>\u{2028}").into_bytes()).put(sized("!hs|meta|", key, ""), be(&[99]))
}

fn zset(s: Snapshot, key: &str) -> Snapshot {
    let score = |n: usize| if n.is_multiple_of(11) { f64::NAN } else { n as f64 / 3.0 };
    elements(s, "!zs|mem|", key, |n| be(&[score(n).to_bits()]))
}

/// Items of two lists whose rows are interleaved, and some outside the bounds.
fn lists(s: Snapshot) -> Snapshot {
    let s = s.put("!lst|meta|l", be(&[3, 36, 33])).put("!lst|meta|l\u{0}", be(&[0, 9, 9]));
    let own = (0..40).filter(|n| n % 7 != 5).fold(s, |s, n| s.put(item("l", n), format!("i{n}\"\u{1}")));
    let between = |n: i64| item(b"l\x80\0\0\0\0\0\0", i64::MIN + ((n * 3 + 5) << 56));
    (0..9).fold(own, |s, n| s.put(between(n), "of no list").put(item("l\u{0}", n), vec![0xff, n as u8]))
}

fn stream(s: Snapshot, key: &str, meta: bool) -> Snapshot {
    let s = if meta { s.put(sized("!stream|meta|", key, ""), be(&[30, 4, 7, 0, 0, 3])) } else { s };
    (0..40).filter(|n| n % 6 != 0).fold(s, |s, n| {
        let (ms, seq) = (n / 8, n % 8);
        let id = if n % 10 == 3 { "1-1".to_owned() } else { format!("{ms}-{seq}") };
        s.put(sized("!stream|entry|", key, be(&[ms, seq])), entry(&id, &[b"a", id.as_bytes(), b"b", b"\xff"]))
    })
}

/// Every type, one key with two of them, and small keys between.
fn all_types() -> Snapshot {
    let s = ["a", "h", "hh", "y"].iter().fold(Snapshot::new(), |s, key| s.put(format!("!redis|str|{key}"), "v"));
    let s = elements(hash(hash(s, "h1"), "hx"), "!st|mem|", "hx", |_| Vec::new());
    let s = zset(elements(s, "!st|mem|", "set", |_| Vec::new()), "z").put("!redis|ttl|z", be(&[7777]));
    stream(stream(lists(s), "st", true), "orphan", false).put(sized("!hs|fld|", "small", "f"), "v")
}

/// Another input with some of the same elements, older and newer ones, and elements of its own.
fn second() -> Snapshot {
    let s = names().iter().step_by(3).fold(Snapshot::new(), |s, name| {
        let row = sized("!hs|fld|", "h1", name);
        if name.len().is_multiple_of(2) { s.put_at(NOW + 3, row, "newer") } else { s.put_at(NOW - 7, row, "older") }
    });
    (10..25).fold(s, |s, n| s.put_at(NOW + 1, sized("!zs|mem|", "z", format!("f{n:02}x")), be(&[0])))
}

/// Committed intents on elements of the hash.
fn with_intents() -> Snapshot {
    let primary = "!redis|str|p";
    let prepared = (5..40).step_by(4).fold(all_types(), |s, n| {
        let row = String::from_utf8(sized("!hs|fld|", "h1", format!("f{n:02}"))).unwrap();
        intent(lock(s, &row, primary, NOW + 1, 0), &row, NOW + 1, 0, "applied")
    });
    committed(prepared, primary, NOW + 1, NOW + 2).last_commit(NOW + 9)
}

/// Rows that cannot be read, in the middle of a sorted set and of two streams.
fn damaged() -> Snapshot {
    let s = all_types().put_at(NOW + 1, sized("!zs|mem|", "z", "f17"), "short");
    let s = s.put(sized("!stream|entry|", "st", b"no id"), "x").put(sized("!stream|entry|", "st", be(&[3, 3])), "x");
    let s = [1, 2].iter().fold(s, |s, n| s.put(sized("!stream|entry|", "orphan", [0, 0, 0, *n]), entry("1-1", &[])));
    // These come before all entries.
    (1..7).fold(stream(s, "xs", true), |s, len| s.put(sized("!stream|entry|", "xs", vec![0; len]), entry("1-1", &[])))
}

/// The rows of the hash, some bytes of which are damaged.
fn with_hole() -> Vec<u8> {
    let mut bytes = all_types().build();
    let at = bytes.windows(3).position(|window| window == b"f20").unwrap();
    bytes[at - 40..at + 9].fill(0xee);
    bytes
}

/// Without Parquet: its elements always come one by one, and its row groups depend on the cuts.
fn layouts() -> [Options; 3] {
    [Options::default(), packed(), Options { part_size: Some(300), ..packed() }]
}

#[track_caller]
fn check(about: &str, inputs: &[Vec<u8>], options: &Options) {
    for layout in layouts() {
        let options = Options { layout: layout.layout, part_size: layout.part_size, ..options.clone() };
        let with = |granularity, threads| -> Result<Tree, String> {
            let options = Options { granularity, threads, ..options.clone() };
            run_with(inputs, &options).map(|decoded| decoded.tree).map_err(|e| e.to_string())
        };
        let want = with(Granularity::default(), 1);
        // Parts differ from lines in what takes these.
        for (cuts, threads) in RUNS.into_iter().filter(|(_, threads)| layout.part_size.is_none() || *threads == 2) {
            let got = with(FINE[cuts], threads);
            let about = format!("{about}, {:?}, {:?}, {threads} threads", options.layout, FINE[cuts]);
            match (&got, &want) {
                (Ok(got), Ok(want)) => differences(&about, got, want),
                _ => assert_eq!(got.err(), want.clone().err(), "{about}"),
            }
        }
    }
}

#[track_caller]
fn differences(about: &str, got: &Tree, want: &Tree) {
    assert!(got.keys().eq(want.keys()), "{about}: other files");
    for (path, bytes) in want {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(got[path] == *bytes, "{about}: {}\n{}\n{}", text(path), text(&got[path]), text(bytes));
    }
}

fn orphans() -> Options {
    Options { include_orphans: true, ..Options::default() }
}

#[test]
fn every_type() {
    check("all", &[all_types().build()], &orphans());
    check("without orphans", &[all_types().build()], &Options { drop_expired: Some(7777), ..Options::default() });
    check("before", &[all_types().build()], &Options { as_of: Some(NOW - 5), ..orphans() });
}

#[test]
fn several_inputs() {
    check("two inputs", &[all_types().last_commit(NOW + 9).build(), second().last_commit(NOW + 9).build()], &orphans());
    check("intents", &[with_intents().build()], &orphans());
}

#[test]
fn damage() {
    check("damaged", &[damaged().build()], &orphans());
    let skip = Options { skip_damage: true, ..orphans() };
    check("damage skipped", &[damaged().build(), second().build()], &skip);
    check("a hole", &[with_hole()], &skip);
}

/// Values that are rendered in separate pieces, in a collection that is removed because of its size, or not.
#[test]
fn large_values() {
    let s = (0..9).fold(Snapshot::new(), |s, n| {
        let long = if n % 4 == 1 { "\u{1}".repeat(900 << 10) } else { "v".to_owned() };
        s.put(sized("!hs|fld|", "h", format!("f{n}")), long)
    });
    let inputs = [s.put(sized("!hs|fld|", "i", "f"), "v").put("!redis|str|z", "v").build()];
    let parts = Options { part_size: Some(1 << 20), ..packed() };
    for (options, max_size) in [(Options::default(), u64::MAX), (parts, u64::MAX), (packed(), 1000)] {
        let with = |granularity, threads| {
            let mut options = Options { granularity, threads, ..options.clone() };
            options.filter.max_size = max_size;
            run_with(&inputs, &options).unwrap().tree
        };
        let want = with(Granularity::default(), 1);
        assert!(with(FINE[0], 3) == want && with(FINE[0], 1) == want, "{:?}, up to {max_size}", options.layout);
    }
}

/// A snapshot whose objects are reported in pieces does not differ from one whose objects are not.
#[test]
fn fingerprints() {
    let source = || vec![Source::from_bytes("x.fsm", all_types().build())];
    let [mut a, mut b] = [Side::Snapshots(source()), Side::Snapshots(source())];
    let fine = Options { granularity: FINE[0], threads: 3, ..packed() };
    let totals = diff([&mut a, &mut b], [&fine, &packed()], &Silent, &mut |difference| panic!("{difference:?}"));
    assert!(totals.unwrap().scopes.values().any(|counts| counts.same > 5));
}
