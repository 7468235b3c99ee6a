//! `get --on-error skip`: intact objects are read from damaged snapshots, and skipped rows are reported.

use ekvsnap::decode::{Layout, Options, Silent};
use ekvsnap::format::adapter;
use ekvsnap::get::{Found, Got, get_noting};
use ekvsnap::options::ObjectName;
use ekvsnap::source::Source;

use crate::get_output::names;
use crate::kit::build::{NOW, Snapshot, be, entry, sized};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::fs;
use crate::skip::damaged_rows;

fn get(sources: &[Source], one: &ObjectName, options: &Options) -> Option<(Got, Vec<u8>)> {
    let mut out = Vec::new();
    // Of a directory there is no file.
    let got = get_noting(sources, one, options, &Silent, &mut out).ok()?;
    Some((got, out))
}

/// A second input has damaged rows of every kind: every object of the first is as it was without it.
#[test]
fn what_is_sound() {
    let rows = damaged_rows();
    let bad = rows.iter().fold(Snapshot::new(), |all, (key, value)| all.put(key, value));
    let bad = bad.version(NOW, "!redis|str|encrypted", 2, 0, "x").build();
    for corpus in ["redis-small", "dynamodb-small", "s3-small", "sqs-small", "fs-small"] {
        let good = Source::from_bytes("good.fsm", snapshots(&load(corpus)).remove(0));
        let both = [
            Source::from_bytes("good.fsm", snapshots(&load(corpus)).remove(0)),
            Source::from_bytes("bad.fsm", bad.clone()),
        ];
        let mut lossy = 0;
        for one in names(std::slice::from_ref(&good)).iter().step_by(3) {
            for layout in [Layout::TREE, Layout::JSONL] {
                let strict = Options { layout, ..Options::default() };
                let lenient = Options { skip_damage: true, ..strict.clone() };
                let what = format!("{corpus}: {}, {layout:?}", one.words());
                let Some((want, bytes)) = get(std::slice::from_ref(&good), one, &strict) else { continue };
                assert!((want.found, want.lost.is_empty()) == (Found::Whole, true), "{what}");
                let (got, found) = get(&both, one, &lenient).unwrap();
                assert!((got.found, &found) == (Found::Whole, &bytes), "{what}: {:?}", got.found);
                lossy += usize::from(!got.lost.is_empty());
                // What costs nothing with the flag costs nothing without it.
                assert_eq!(get(&both, one, &strict).is_none(), !got.lost.is_empty(), "{what}");
            }
        }
        assert!(lossy > 0, "{corpus}");
    }
}

/// One that is damaged itself is not found, or torn, and never passed for whole.
#[test]
fn what_is_damaged() {
    let entries = |sound: u64| {
        let at = |seq| sized("!stream|entry|", "s", be(&[1, seq]));
        let stream = Snapshot::new().put(sized("!stream|meta|", "s", ""), be(&[sound + 1, 1, sound]));
        let sound_ones = (0..sound).map(|n| (n, entry(&format!("1-{n}"), &[b"f", &[b'v'; 100]])));
        sound_ones.fold(stream, |stream, (n, entry)| stream.put(at(n), entry)).put(at(sound), "garbage")
    };
    let file = fs::put(fs::name(fs::base(1), 1, "f", 2, "file"), 2, &serde_json::json!("no inode"));
    let redis = |name: &str| ObjectName { adapter: adapter::REDIS, name: name.into(), rest: None };
    let path = |name: &str| ObjectName { adapter: adapter::FS, name: name.into(), rest: None };
    let cases = [
        (entries(1), redis("s"), [Found::No, Found::No]),
        // Of a file that is written in pieces, the first ones are out when the damage is found; a line is kept until it is complete.
        (entries(20_000), redis("s"), [Found::Torn, Found::No]),
        (Snapshot::new().put("!redis|str|s", b"\xff\x01"), redis("s"), [Found::No, Found::No]),
        (file, path("/f"), [Found::No, Found::No]),
    ];
    for (number, (snapshot, one, want)) in cases.into_iter().enumerate() {
        let source = [Source::from_bytes("x.fsm", snapshot.build())];
        for (layout, want) in [Layout::TREE, Layout::JSONL].into_iter().zip(want) {
            let options = Options { layout, skip_damage: true, ..Options::default() };
            let (got, bytes) = get(&source, &one, &options).unwrap();
            assert_eq!((got.found, got.lost.len()), (want, 1), "{number}, {layout:?}");
            assert_eq!(bytes.is_empty(), want == Found::No, "{number}, {layout:?}");
            assert!(get(&source, &one, &Options { layout, ..Options::default() }).is_none(), "{number}, {layout:?}");
        }
    }
}
