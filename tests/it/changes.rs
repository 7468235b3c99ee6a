//! `--layout jsonl --since` and `--since-snapshot`: the exact lines that are written, and what is rejected.

use std::path::Path;

use crate::kit::build::{Snapshot, sized};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::ddb::V::{N, S};
use crate::kit::ddb::{item, table};
use crate::kit::{Tree, read_tree};
use crate::sqs::rows::{msg, queue_key, record};
use ekvsnap::format::Family;
use serde_json::json;

fn at(millis: u64) -> u64 {
    (1_700_000_000_000 + millis) << 16
}

fn string(key: &[u8]) -> Vec<u8> {
    [b"!redis|str|", key].concat()
}

/// A store at 10 ms, and the changes until 40 ms; with the second half only if `later`.
fn store(later: bool) -> Snapshot {
    let (t, gone) = (table(b"orders"), table(b"gone"));
    let number = |text| item(&[("pk", S("number")), ("v", N(text))]);
    let queue = |snapshot: Snapshot, millis, name: &str| {
        let members = json!({ "name": name });
        snapshot.put_at(at(millis), queue_key(Family::SqsQueue, name), record(1, members))
    };
    let seen =
        |message: crate::sqs::rows::Msg, millis: u64| message.set("visible_at_millis", 1_700_000_000_000 + millis);
    let mut snapshot = Snapshot::new();
    for table in [&t, &gone] {
        snapshot = snapshot.put_at(at(0), table.schema_key(), table.schema());
    }
    for key in [&b"same"[..], b"changed", b"deleted", b"retyped", b"\xff\0", b"rewritten"] {
        snapshot = snapshot.put_at(at(1), string(key), "old");
    }
    for key in ["same", "changed", "deleted"] {
        snapshot = snapshot.item_at(at(1), &t, &[S(key)], "old");
    }
    snapshot = snapshot.put_at(at(1), t.key(&[S("number")]), number("1"));
    snapshot = snapshot.item_at(at(1), &gone, &[S("with its table")], "old");
    snapshot = queue(queue(snapshot, 1, "jobs"), 1, "dropped");
    for id in ["waiting", "received", "done"] {
        let message = seen(msg("jobs", 1, id), 0);
        snapshot = snapshot.put_at(at(2), message.key(), message.value());
    }
    let message = seen(msg("dropped", 1, "with its queue"), 0);
    snapshot = snapshot.put_at(at(2), message.key(), message.value());
    if !later {
        return snapshot.last_commit(at(10)).raw("_meta_last_commit_ts", at(10).to_le_bytes());
    }
    snapshot = snapshot.put_at(at(20), string(b"changed"), "new").put_at(at(21), string(b"new"), "new");
    snapshot = snapshot.put_at(at(22), string(b"rewritten"), "old").put_at(at(22), string(b"passing"), "x");
    for key in [&b"deleted"[..], b"retyped", b"\xff\0", b"passing"] {
        snapshot = snapshot.delete_at(at(23), string(key));
    }
    snapshot = snapshot.put_at(at(24), sized("!st|mem|", "retyped", "m"), "");
    snapshot = snapshot.put_at(at(24), sized("!st|meta|", "retyped", ""), 1u64.to_be_bytes());
    snapshot = snapshot.item_at(at(25), &t, &[S("changed")], "new").delete_at(at(25), t.key(&[S("deleted")]));
    snapshot = snapshot.put_at(at(25), t.key(&[S("number")]), number("1.0"));
    snapshot = snapshot.delete_at(at(26), gone.schema_key());
    let message = seen(msg("jobs", 1, "received"), 90);
    snapshot = snapshot.put_at(at(27), message.key(), message.value());
    snapshot = snapshot.delete_at(at(28), msg("jobs", 1, "done").key());
    snapshot = snapshot.delete_at(at(29), queue_key(Family::SqsQueue, "dropped"));
    snapshot.last_commit(at(40)).raw("_meta_last_commit_ts", at(40).to_le_bytes())
}

fn ground() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("old.fsm"), store(false).build()).unwrap();
    std::fs::write(dir.path().join("x.fsm"), store(true).build()).unwrap();
    dir
}

#[track_caller]
fn changes(dir: &Path, out: &str, more: &[&str]) -> Tree {
    let base = ["decode", "x.fsm", "-o", out, "--layout", "jsonl"];
    let done = ekvsnap(dir, &[&base, more].concat());
    assert_eq!(code(&done), 0, "{more:?}: {}", stderr(&done));
    read_tree(&dir.join(out))
}

#[track_caller]
fn text<'t>(tree: &'t Tree, path: &str) -> &'t str {
    std::str::from_utf8(tree.get(path.as_bytes()).unwrap_or_else(|| panic!("no {path}"))).unwrap()
}

const GONE: &str = r#"{"file":"dynamodb/gone.schema.json","kind":"tables","scope":"gone"}
{"file":"dynamodb/gone.jsonl","kind":"items","scope":"gone","key":{"pk":{"S":"with its table"}}}
{"file":"dynamodb/orders.jsonl","kind":"items","scope":"orders","key":{"pk":{"S":"deleted"}}}
{"file":"redis/db_0/strings.jsonl","kind":"strings","scope":"db_0","key":"deleted"}
{"file":"redis/db_0/strings.jsonl","kind":"strings","scope":"db_0","key":"retyped"}
{"file":"redis/db_0/strings.jsonl","kind":"strings","scope":"db_0","key":{"base64":"_wA"}}
{"file":"sqs/dropped.queue.json","kind":"queues","scope":"dropped"}
{"file":"sqs/dropped.jsonl","kind":"messages","scope":"dropped","key":"with its queue"}
{"file":"sqs/jobs.jsonl","kind":"messages","scope":"jobs","key":"done"}
"#;

#[test]
fn what_is_written() {
    let dir = ground();
    let since = at(10).to_string();
    let tree = changes(dir.path(), "out", &["--since", &since]);
    assert_eq!(text(&tree, "deleted.jsonl"), GONE);
    let strings = r#"{"key":"changed","value":"new","expire_at_ms":null}
{"key":"new","value":"new","expire_at_ms":null}
"#;
    assert_eq!(text(&tree, "redis/db_0/strings.jsonl"), strings);
    assert_eq!(
        text(&tree, "redis/db_0/sets.jsonl"),
        "{\"key\":\"retyped\",\"members\":[\"m\"],\"expire_at_ms\":null}\n"
    );
    // An equal number that is written in another way is another line.
    let items = r#"{"Item":{"pk":{"S":"changed"},"v":{"S":"new"}}}
{"Item":{"pk":{"S":"number"},"v":{"N":"1.0"}}}
"#;
    assert_eq!(text(&tree, "dynamodb/orders.jsonl"), items);
    // Documents, and files of existing objects, are written as always.
    assert!(
        tree.contains_key(&b"dynamodb/orders.schema.json"[..]) && !tree.contains_key(&b"dynamodb/gone.schema.json"[..])
    );
    assert_eq!(text(&tree, "sqs/jobs.jsonl"), "", "a message that was received is as it was");
    let told: serde_json::Value = serde_json::from_str(text(&tree, "MANIFEST.json")).unwrap();
    assert_eq!(told["options"], json!({ "layout": "jsonl", "since": since }));

    let shown = changes(dir.path(), "shown", &["--since", &since, "--preserve-sqs-visibility"]);
    let lines = text(&shown, "sqs/jobs.jsonl");
    assert!(lines.lines().count() == 1 && lines.contains("\"received\""), "{lines}");
    assert_eq!(text(&shown, "deleted.jsonl"), GONE);

    // The older snapshot says the same as the history, and both are the same for any number of threads.
    let older = changes(dir.path(), "older", &["--since-snapshot", "old.fsm", "--threads", "1"]);
    let data = |tree: &Tree| -> Tree {
        let files = tree.iter().filter(|(path, _)| !matches!(path.as_slice(), b"MANIFEST.json" | b"CHECKSUMS"));
        files.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
    };
    assert!(data(&older) == data(&tree));
    let told: serde_json::Value = serde_json::from_str(text(&older, "MANIFEST.json")).unwrap();
    let bytes = std::fs::read(dir.path().join("old.fsm")).unwrap();
    let footer = format!("{:08x}", u32::from_be_bytes(*bytes.last_chunk().unwrap()));
    assert_eq!(told["options"], json!({ "layout": "jsonl", "since": since, "since_snapshots": [footer] }));

    // A part of it, and nothing at all.
    let some = changes(dir.path(), "some", &["--since", &since, "--scope", "redis:*e*", "--type", "string"]);
    assert_eq!(text(&some, "deleted.jsonl").lines().count(), 2);
    assert_eq!(text(&some, "redis/db_0/strings.jsonl").lines().count(), 2);
    let none = changes(dir.path(), "none", &["--since", &at(40).to_string()]);
    assert_eq!(text(&none, "deleted.jsonl"), "");
    assert_eq!(text(&none, "redis/db_0/strings.jsonl"), "");
}

/// It is verified as an output of changes, and rejected by commands that need a complete state.
#[test]
fn it_is_no_whole_state() {
    let dir = ground();
    let run = |args: &[&str]| ekvsnap(dir.path(), args);
    let since = at(10).to_string();
    changes(dir.path(), "out", &["--since", &since]);
    changes(dir.path(), "older", &["--since-snapshot", "old.fsm"]);
    for (args, want) in [
        (
            &["verify", "out"][..],
            "a part of the snapshot: what changed since about 2023-11-14T22:13:20.01Z (commit timestamp ",
        ),
        (&["verify", "older"], "what changed since an older snapshot of about 2023-11-14T22:13:20.01Z"),
        (&["verify", "out", "--against", "x.fsm"], "equal a fresh decode"),
    ] {
        let out = run(args);
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(code(&out) == 0 && said.contains(want), "{args:?}: {said}{}", stderr(&out));
    }
    for args in [
        &["get", "out", "redis:new"][..],
        &["ls", "out"],
        &["diff", "out", "x.fsm"],
        &["encode", "out", "-o", "e.fsm"],
        &["restore", "out", "--data-dir", "d", "--node", "n1=127.0.0.1:50051"],
        #[cfg(feature = "load")]
        &["load", "out", "--to", "l.rdb"],
    ] {
        let out = run(args);
        assert!(code(&out) != 0 && stderr(&out).contains("is not a complete state"), "{args:?}: {}", stderr(&out));
    }
    let out = run(&["verify", "older", "--against", "x.fsm"]);
    assert!(code(&out) == 1 && stderr(&out).contains("cannot be compared without that one"), "{}", stderr(&out));
    let deleted = dir.path().join("out/deleted.jsonl");
    std::fs::write(&deleted, &GONE[..GONE.len() - 1]).unwrap();
    assert_eq!(code(&run(&["verify", "out"])), 2);
}

#[test]
fn what_is_refused() {
    let dir = ground();
    let since = at(10).to_string();
    let base = ["decode", "x.fsm", "-o", "refused"];
    let lines = ["--layout", "jsonl", "--since", &since];
    for (more, want) in [
        (&["--since", &since][..], "choose the layout jsonl or aws-export"),
        (&["--layout", "tree", "--since-snapshot", "old.fsm"], "choose the layout jsonl or aws-export"),
        (&[&lines[..], &["--since-snapshot", "old.fsm"]].concat(), "cannot be used with"),
        (&[&lines[..], &["--include-orphans"]].concat(), "orphans are not served"),
        (&[&lines[..], &["--include-sqs-side-records"]].concat(), "changes are those of served objects: leave out"),
        (&[&lines[..], &["--for-restore"]].concat(), "changes are those of served objects: leave out"),
        (&[&lines[..], &["--on-error", "skip"]].concat(), "changes need intact snapshots"),
        (&[&lines[..], &["--resume"]].concat(), "they cannot be planned"),
        (&[&lines[..], &["--scope", "redis:nothing"]].concat(), "nothing matches scope redis:nothing"),
        (&["--layout", "jsonl", "--since", &at(41).to_string()], "choose an earlier moment"),
        (&["--layout", "jsonl", "--since", "2020-01-01"], "before the first commit"),
        (&["--layout", "jsonl", "--since-snapshot", "x.fsm", "--as-of", &since], "give an older one"),
        (
            &["--layout", "jsonl", "--since-snapshot", "old.fsm", "--since-snapshot", "x.fsm"],
            "both snapshots of each group",
        ),
        (
            &["--layout", "aws-export", "--adapter", "dynamodb", "--since-snapshot", "x.fsm", "--as-of", &since],
            "older one",
        ),
    ] {
        let out = ekvsnap(dir.path(), &[&base, more].concat());
        assert!(code(&out) != 0 && stderr(&out).contains(want), "{more:?}: {}", stderr(&out));
        assert!(!dir.path().join("refused").exists());
    }
    let stream = ekvsnap(
        dir.path(),
        &["decode", "x.fsm", "-o", "-", "--format", "jsonl", "--type", "string", "--since", &since],
    );
    assert!(code(&stream) == 64 && stderr(&stream).contains("names of deleted objects"), "{}", stderr(&stream));
    let plan = ekvsnap(dir.path(), &["plan", "x.fsm", "-o", "p", "--layout", "jsonl", "--since", &since]);
    assert!(code(&plan) == 64 && stderr(&plan).contains("they cannot be planned"), "{}", stderr(&plan));
    std::fs::create_dir_all(dir.path().join("refused/x")).unwrap();
    let taken = ekvsnap(dir.path(), &[&base[..], &lines].concat());
    assert!(code(&taken) == 1 && stderr(&taken).contains("refused"), "{}", stderr(&taken));
    let fs = dir.path().join("fs.fsm");
    std::fs::write(
        &fs,
        Snapshot::new().put_at(at(1), "!fs|ino|\0\0\0\0\0\0\0\x01", "x").put_at(at(9), "x", "").build(),
    )
    .unwrap();
    let out = ekvsnap(dir.path(), &["decode", "fs.fsm", "-o", "f", "--layout", "jsonl", "--since", &at(5).to_string()]);
    assert!(code(&out) == 1 && stderr(&out).contains("changes of objects of fs cannot be written"), "{}", stderr(&out));
}

/// If the history is compacted away, the error names a remedy, and the remedy works.
#[test]
fn history_that_is_gone() {
    let dir = ground();
    let since = at(10).to_string();
    let kept = store(true).raw("_meta_min_retained_ts", at(15).to_le_bytes());
    std::fs::write(dir.path().join("x.fsm"), kept.build()).unwrap();
    for layout in ["jsonl", "aws-export"] {
        let base = ["decode", "x.fsm", "-o", layout, "--layout", layout, "--adapter", "dynamodb"];
        let out = ekvsnap(dir.path(), &[&base[..], &["--since", &since]].concat());
        let want = "because older versions than those of";
        assert!(code(&out) == 1 && stderr(&out).contains(want), "{layout}: {}", stderr(&out));
        assert!(stderr(&out).contains("for changes, give it with --since-snapshot"), "{layout}: {}", stderr(&out));
        let out = ekvsnap(dir.path(), &[&base[..], &["--since-snapshot", "old.fsm"]].concat());
        assert_eq!(code(&out), 0, "{layout}: {}", stderr(&out));
    }
    let lines = read_tree(&dir.path().join("jsonl"));
    assert_eq!(text(&lines, "deleted.jsonl"), GONE.lines().take(3).map(|line| format!("{line}\n")).collect::<String>());
    let export = read_tree(&dir.path().join("aws-export"));
    let count = |table: &str| {
        let path = format!("dynamodb/{table}/AWSDynamoDB/");
        let found = export
            .iter()
            .find(|(name, _)| name.starts_with(path.as_bytes()) && name.ends_with(b"manifest-summary.json"));
        serde_json::from_slice::<serde_json::Value>(found.unwrap().1).unwrap()["itemCount"].clone()
    };
    assert_eq!((count("orders"), count("gone")), (json!(3), json!(1)));
}
