//! Bundles of items, and the same output for any number of threads.

use std::sync::atomic::{AtomicU64, Ordering};

use ekvsnap::decode::{Options, Progress, decode};
use ekvsnap::source::Source;

use super::with;
use crate::kit::build::Snapshot;
use crate::kit::ddb::V::{N, S};
use crate::kit::ddb::table;
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Tree, read_tree, run, run_with};

#[test]
fn better_jsonl_layout_works() {
    let files = load("dynamodb-nasty");
    let options = Options { dynamodb_bundle: Some(64 << 20), ..Options::default() };
    let packed = run_with(&snapshots(&files), &options).unwrap();
    let single = run(&snapshots(&files)).unwrap();
    assert!(packed.text("MANIFEST.json").contains("\"dynamodb_layout\": \"jsonl\""));
    for name in ["T", "binkeys", "gsi", "hashonly", "hashrange", "numkeys", "regen", "t"] {
        let files = packed.below(&format!("dynamodb/{name}/"));
        assert_eq!(files, ["_schema.json", "items/data-00001.jsonl"].map(|f| format!("dynamodb/{name}/{f}")));
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let mut lines: Vec<String> =
            packed.text(&files[1]).lines().map(|line| parsed(line)["Item"].to_string()).collect();
        let items = single.below(&format!("dynamodb/{name}/items/"));
        let mut items: Vec<String> = items.iter().map(|path| parsed(single.text(path)).to_string()).collect();
        lines.sort();
        items.sort();
        assert_eq!(lines, items, "{name}");
    }
    assert_eq!(packed.below("dynamodb/empty.table-1_x/"), ["dynamodb/empty.table-1_x/_schema.json"]);
}

/// A mark that makes a line longer than a part.
const LONG: &str = "a line that is so long that no part of eighty-one bytes could take it";

#[test]
fn parts_are_cut_by_size_in_key_order() {
    let (t, u) = (table(b"t"), table(b"u"));
    let mut snapshot = Snapshot::new().table(&t).table(&u);
    for (key, mark) in [("a", "1"), ("b", "22"), ("c", "333"), ("d", LONG), ("e", "5")] {
        snapshot = snapshot.item(&t, &[S(key)], mark).item(&u, &[S(key)], "u");
    }
    let decoded = with(&snapshot, |o| o.dynamodb_bundle = Some(81));
    let line =
        |key: &str, mark: &str| format!("{{\"Item\":{{\"pk\":{{\"S\":\"{key}\"}},\"v\":{{\"S\":\"{mark}\"}}}}}}\n");
    assert_eq!(line("a", "1").len() + line("b", "22").len(), 81);
    let want = [
        ("t", 1, line("a", "1") + &line("b", "22")),
        ("t", 2, line("c", "333")),
        ("t", 3, line("d", LONG)),
        ("t", 4, line("e", "5")),
        ("u", 1, line("a", "u") + &line("b", "u")),
        ("u", 2, line("c", "u") + &line("d", "u")),
        ("u", 3, line("e", "u")),
    ];
    let paths: Vec<String> = want.iter().map(|(t, n, _)| format!("dynamodb/{t}/items/data-{n:05}.jsonl")).collect();
    let got: Vec<String> = decoded.below("dynamodb/").into_iter().filter(|p| p.ends_with(".jsonl")).collect();
    assert_eq!(got, paths);
    for (path, (_, _, text)) in paths.iter().zip(want) {
        assert_eq!(decoded.text(path), text);
    }
}

#[test]
fn a_packed_migration_has_each_item_once() {
    let new = table(b"t").types("N", None).generation(2).migrating(1);
    let old = new.generation(1).version(0);
    let snapshot = Snapshot::new().table(&new).item(&new, &[N("1")], "new").item(&old, &[N("1.0")], "old");
    let decoded = with(&snapshot.item(&old, &[N("2.0")], "old"), |o| o.dynamodb_bundle = Some(1 << 20));
    let want = "{\"Item\":{\"pk\":{\"N\":\"2.0\"},\"v\":{\"S\":\"old\"}}}\n{\"Item\":{\"pk\":{\"N\":\"1\"},\"v\":{\"S\":\"new\"}}}\n";
    assert_eq!(decoded.text("dynamodb/t/items/data-00001.jsonl"), want);
}

/// Counts the tasks of the DynamoDB stage.
#[derive(Default)]
struct Tasks(AtomicU64);

impl Progress for Tasks {
    fn begin(&self, stage: &'static str, steps: u64) {
        if stage == "dynamodb" {
            self.0.store(steps, Ordering::Relaxed);
        }
    }

    fn advance(&self, _: u64) {}
}

/// Decodes two inputs; gives the tree and the number of tasks.
fn decode_with(inputs: &[Vec<u8>; 2], threads: usize, bundle: Option<u64>) -> (Tree, u64) {
    let names = ["1.fsm", "2.fsm"].into_iter().zip(inputs);
    let sources: Vec<Source> = names.map(|(name, bytes)| Source::from_bytes(name, bytes.clone())).collect();
    let (dir, tasks) = (tempfile::tempdir().unwrap(), Tasks::default());
    let options = Options { threads, include_orphans: true, dynamodb_bundle: bundle, ..Options::default() };
    decode(&sources, &dir.path().join("out"), &options, &tasks).unwrap();
    (read_tree(&dir.path().join("out")), tasks.0.into_inner())
}

/// Tables with sure and late items, collisions, special names, leftovers and a migration, over two inputs.
pub fn large() -> [Vec<u8>; 2] {
    let filler = "x".repeat(2000);
    let (s, r) = (table(b"strings"), table(b"ranges").types("S", Some("N")));
    let v0 = table(b"old").version(0).types("N", None);
    let new = table(b"moving").types("S", Some("S")).generation(2).migrating(1);
    let source = new.generation(1).version(0);
    let mut halves = [Snapshot::new().table(&s).table(&r), Snapshot::new().table(&v0).table(&new)];
    for i in 0..500 {
        let half = &mut halves[i % 2];
        let (key, hash) = (format!("key {i}"), [".", "..", "", "g", "h"][i / 100]);
        let (number, mark) = (format!("{}.50", i % 100), format!("{i} {filler}"));
        let mut next = std::mem::take(half).item(&s, &[S(&key)], &mark).item(&r, &[S(hash), N(&number)], &mark);
        next = next.item(&v0, &[N(&format!("{number}{}", "0".repeat(i / 100)))], &mark).item(
            &source,
            &[S(hash), S(&key)],
            &mark,
        );
        if i % 3 == 0 {
            next = next.item(&new, &[S(hash), S(&key)], "copied").item(&s.generation(7), &[S(&key)], "stale");
        }
        *half = next;
    }
    halves.map(|half| half.build())
}

#[test]
fn the_output_is_the_same_for_any_number_of_threads() {
    let inputs = large();
    for bundle in [None, Some(100_000)] {
        let (want, tasks) = decode_with(&inputs, 1, bundle);
        assert!(tasks >= 3, "{tasks} tasks");
        let items = |tree: &Tree| tree.keys().filter(|path| path.windows(7).any(|part| part == b"/items/")).count();
        if bundle.is_none() {
            // 167 copies of the 500 items that moved, and as many leftovers.
            assert_eq!(items(&want), 4 * 500 + 167);
        }
        for threads in [2, 3, 8] {
            let (got, _) = decode_with(&inputs, threads, bundle);
            assert!(got == want, "{threads} threads, {bundle:?}");
        }
        if bundle.is_none() {
            let lines = |name: &str| String::from_utf8_lossy(&want[name.as_bytes()]).lines().count();
            assert_eq!(lines("dynamodb/ranges/KEYMAP.jsonl"), 3);
            assert_eq!(lines("dynamodb/old/KEYMAP.jsonl"), 400);
        }
    }
}

#[test]
fn the_flags_choose_mode_and_size() {
    let dir = tempfile::tempdir().unwrap();
    let t = table(b"t");
    let snapshot = Snapshot::new().table(&t).item(&t, &[S("a")], "1").item(&t, &[S("b")], "2");
    std::fs::write(dir.path().join("in.fsm"), snapshot.build()).unwrap();
    let decode = |out: &str, flags: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
        command.current_dir(dir.path()).args(["decode", "in.fsm", "-o", out]).args(flags);
        command.output().unwrap().status.success()
    };
    assert!(decode("one", &["--dynamodb-bundle-mode", "jsonl"]));
    assert_eq!(read_tree(&dir.path().join("one/dynamodb/t/items")).len(), 1);
    assert!(decode("two", &["--dynamodb-bundle-mode=jsonl", "--dynamodb-bundle-size=50B"]));
    assert_eq!(read_tree(&dir.path().join("two/dynamodb/t/items")).len(), 2);
    assert!(decode("items", &["--dynamodb-bundle-mode", "per-item"]));
    assert!(dir.path().join("items/dynamodb/t/items/a.json").is_file());
    for bad in [["--dynamodb-bundle-mode", "tar"], ["--dynamodb-bundle-size", "big"], ["--dynamodb-bundle-size", "0"]] {
        assert!(!decode("bad", &bad));
    }
}
