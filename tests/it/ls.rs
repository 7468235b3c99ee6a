//! `ls`: `get` accepts the names that it prints, for snapshots and for lines.

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap};
use crate::kit::ddb::{V, table};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::s3;
use crate::sqs::rows::{Rows as _, msg};

/// Number of names of a corpus that are read: each is a run of the program.
const TAKEN: usize = 12;

fn names(out: &std::process::Output) -> Vec<String> {
    assert_eq!(code(out), 0, "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout.clone()).unwrap();
    assert!(text.is_empty() || text.ends_with('\0'));
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn names_are_what_get_takes() {
    for corpus in ["redis-nasty", "dynamodb-nasty", "s3-nasty", "sqs-nasty", "fs-small"] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("in.fsm"), &snapshots(&load(corpus))[0]).unwrap();
        let run = |args: &[&str]| ekvsnap(dir.path(), args);
        let all = names(&run(&["ls", "in.fsm", "-0"]));
        assert!(all.len() > 10, "{corpus}: {all:?}");
        for name in all.iter().step_by(all.len().div_ceil(TAKEN)) {
            // A file of the corpus has 16 GiB of holes.
            let json = if corpus == "fs-small" { &["--json"][..] } else { &[] };
            let out = run(&[&["get", "in.fsm", name], json].concat());
            assert_eq!(code(&out), 0, "{corpus} {name}: {}", String::from_utf8_lossy(&out.stderr));
        }
        for (target, flags) in [("lines", &[][..]), ("parts", &["--part-size", "1"])] {
            assert_eq!(code(&run(&[&["decode", "in.fsm", "-o", target, "--layout", "jsonl"], flags].concat())), 0);
            let (mut of_lines, mut sorted) = (names(&run(&["ls", target, "-0"])), all.clone());
            of_lines.sort();
            sorted.sort();
            assert_eq!(of_lines, sorted, "{corpus} {target}");
        }
        let json = String::from_utf8(run(&["ls", "in.fsm", "--json"]).stdout).unwrap();
        let member =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["name"].as_str().unwrap().to_owned();
        assert_eq!(json.lines().map(member).collect::<Vec<_>>(), all, "{corpus}");
    }
}

#[test]
fn a_table_of_what_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.fsm"), &snapshots(&load("redis-small"))[0]).unwrap();
    let run = |args: &[&str]| ekvsnap(dir.path(), args);
    assert_eq!(code(&run(&["decode", "in.fsm", "-o", "lines", "--layout", "jsonl"])), 0);
    assert_eq!(code(&run(&["decode", "in.fsm", "-o", "tree"])), 0);
    let table = run(&["ls", "in.fsm", "redis:ttl:*", "redis:h:*"]);
    assert_eq!(code(&table), 0);
    insta::assert_snapshot!("table", String::from_utf8(table.stdout.clone()).unwrap());
    assert_eq!(run(&["ls", "lines", "redis:ttl:*", "redis:h:*"]).stdout.len(), table.stdout.len());
    for (args, want) in [
        (&["ls", "in.fsm", "redis:no"][..], 1),
        (&["ls", "lines", "redis:no"], 1),
        (&["ls", "lines", "--adapter", "s3"], 1),
        (&["ls", "redis:no"], 64),
        (&["ls", "tree"], 1),
        (&["ls", "lines", "--as-of", "1"], 64),
        (&["ls", "none.fsm"], 1),
    ] {
        let out = run(args);
        assert_eq!(code(&out), want, "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

/// What one command prints the others take: a printed name is a pattern too.
#[test]
fn names_are_what_patterns_take() {
    for corpus in ["redis-nasty", "dynamodb-nasty", "s3-nasty", "sqs-nasty", "fs-small"] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("in.fsm"), &snapshots(&load(corpus))[0]).unwrap();
        let all = names(&ekvsnap(dir.path(), &["ls", "in.fsm", "-0"]));
        assert!(all.iter().all(|name| is_pattern(name)), "{corpus}: {all:?}");
        let odd = all.iter().filter(|name| name.contains(['*', '[', '\\']) || name.contains("base64:"));
        for name in odd.chain(all.iter().step_by(all.len().div_ceil(TAKEN))) {
            let out = ekvsnap(dir.path(), &["ls", "in.fsm", "-0", "--scope", name]);
            assert!(names(&out).contains(name), "{corpus}: {name}");
        }
        let lines = ekvsnap(dir.path(), &["ls", "in.fsm", "-1"]);
        assert_eq!(String::from_utf8(lines.stdout).unwrap().lines().collect::<Vec<_>>(), all, "{corpus}");
    }
}

/// Tables, buckets and queues with names that mean something to a path, a terminal, a pattern or a name in base64.
const SCOPES: [&str; 9] = ["plain", "a/b", "[a", "c\\", "x\ny", "\u{202e}", "base64:YQ", "q,redis:", "%2F"];

/// Objects in such scopes, with the same names again.
fn odd_scopes() -> Snapshot {
    let mut s = Snapshot::new();
    for (n, scope) in SCOPES.iter().enumerate() {
        let key = SCOPES[(n + 1) % SCOPES.len()];
        let (flat, ranged) = (table(scope.as_bytes()), format!("{scope}2"));
        let ranged = table(ranged.as_bytes()).types("S", Some("S"));
        s = s.put(format!("!redis|str|{scope}"), "v").table(&flat).item(&flat, &[V::S(key)], "x");
        s = s.table(&ranged).item(&ranged, &[V::S(key), V::S(scope)], "y");
        s = s3::put_chunked(s3::bucket(s, scope, 1), (scope, 1, key.as_bytes()), b"body", 9);
        s = s.queue(scope, 1).msg(&msg(scope, 1, "id"));
    }
    s
}

/// What `ls`, `inspect` and `diff` print, `get` and `--scope` take, for snapshots and for outputs.
#[test]
fn names_in_odd_scopes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.fsm"), odd_scopes().build()).unwrap();
    std::fs::write(dir.path().join("none.fsm"), Snapshot::new().build()).unwrap();
    let run = |args: &[&str]| ekvsnap(dir.path(), args);
    assert_eq!(code(&run(&["decode", "in.fsm", "-o", "lines", "--layout", "jsonl"])), 0);
    let all = names(&run(&["ls", "in.fsm", "-0"]));
    assert_eq!(all.len(), 5 * SCOPES.len(), "{all:?}");
    for (n, name) in all.iter().enumerate() {
        let input = ["in.fsm", "lines"][n % 2];
        let out = run(&["get", input, name]);
        assert_eq!(code(&out), 0, "{input} {name}: {}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(names(&run(&["ls", "in.fsm", "-0", "--scope", name])), [name.as_str()]);
    }
    let diff = run(&["diff", "none.fsm", "in.fsm"]);
    let diff = String::from_utf8(diff.stdout).unwrap();
    let inspection = String::from_utf8(run(&["inspect", "in.fsm", "--top", "100"]).stdout).unwrap();
    for name in &all {
        assert!(diff.contains(&format!("+ {name} (")), "{name}: {diff}");
        assert!(inspection.contains(&format!("\n{name} (")), "{name}: {inspection}");
    }
    let scopes = diff.lines().filter_map(|line| line.strip_prefix("+ ")?.split_once(" ("));
    let scopes: Vec<&str> = scopes.filter(|(_, kind)| kind.starts_with("queues")).map(|(name, _)| name).collect();
    assert_eq!(scopes.len(), SCOPES.len(), "{diff}");
    for queue in scopes {
        assert_eq!(names(&run(&["ls", "in.fsm", "-0", queue])), [format!("{queue}/id")]);
    }
}

fn is_pattern(name: &str) -> bool {
    name.parse::<ekvsnap::decode::filter::Pattern>().is_ok()
}

#[test]
fn an_output_that_lost_a_file_is_not_listed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.fsm"), &snapshots(&load("redis-small"))[0]).unwrap();
    let run = |args: &[&str]| ekvsnap(dir.path(), args);
    assert_eq!(code(&run(&["decode", "in.fsm", "-o", "lines", "--layout", "jsonl"])), 0);
    std::fs::remove_file(dir.path().join("lines/redis/db_0/sets.jsonl")).unwrap();
    let out = run(&["ls", "lines"]);
    let words = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!((code(&out), out.stdout.len()), (2, 0), "{words}");
    assert!(words.contains("sets.jsonl") && words.contains("verify it first"), "{words}");
}
