//! `ls`: `get` accepts the names that it prints, for snapshots and for lines.

use crate::kit::command::{code, ekvsnap};
use crate::kit::fixtures::{load, snapshots};

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
        // Messages have no pattern of their own, and half of a class is none.
        let patterns: Vec<&String> = all.iter().filter(|name| !name.starts_with("sqs:") && is_pattern(name)).collect();
        let odd = patterns.iter().copied().filter(|name| name.contains(['*', '[', '\\']) || name.contains("base64:"));
        for name in odd.chain(patterns.iter().step_by(patterns.len().div_ceil(TAKEN).max(1)).copied()) {
            let out = ekvsnap(dir.path(), &["ls", "in.fsm", "-0", "--scope", name]);
            assert!(names(&out).contains(name), "{corpus}: {name}");
        }
        let lines = ekvsnap(dir.path(), &["ls", "in.fsm", "-1"]);
        assert_eq!(String::from_utf8(lines.stdout).unwrap().lines().collect::<Vec<_>>(), all, "{corpus}");
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
