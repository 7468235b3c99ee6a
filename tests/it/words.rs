//! The complete texts of every command, compared with stored ones: exit code, standard output, standard error.

use std::fs;
use std::path::Path;

use crate::kit::build::{NOW, Snapshot, be, sized};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};

/// A directory with real snapshots and a damaged one.
fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for corpus in ["redis-small", "dynamodb-small", "s3-small", "sqs-small", "fs-small"] {
        fs::write(dir.path().join(format!("{corpus}.fsm")), &snapshots(&load(corpus))[0]).unwrap();
    }
    let first = Snapshot::new().put("!redis|str|k", "v").put("!redis|str|l", "w").put("!redis|hll|bad", b"\xff\x02");
    fs::write(dir.path().join("damaged.fsm"), first.build()).unwrap();
    let mut broken = Snapshot::new().put("!redis|str|k", "v").put("!redis|str|l", "w").put("!redis|str|m", "x").build();
    let at = broken.windows(12).position(|bytes| bytes == b"!redis|str|l").unwrap();
    broken[at - 3] = 1;
    fs::write(dir.path().join("broken.fsm"), broken).unwrap();
    let old = Snapshot::new().put("!redis|str|k", "v").put("!redis|str|gone", "w");
    let new = Snapshot::new().put("!redis|str|k", "another").put(sized("!st|mem|", "s", "m"), "");
    let new = new.put(sized("!st|meta|", "s", ""), be(&[1])).put_at(NOW, "!redis|ttl|k", be(&[NOW >> 16]));
    fs::write(dir.path().join("old.fsm"), old.build()).unwrap();
    fs::write(dir.path().join("new.fsm"), new.build()).unwrap();
    dir
}

/// A run as text, without its duration.
fn told(dir: &Path, args: &[&str]) -> String {
    let out = ekvsnap(dir, args);
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout).into_owned(), timeless(&stderr(&out)));
    format!("$ ekvsnap {}\n{}{stderr}exit code {}\n", args.join(" "), timeless(&stdout), code(&out))
}

fn timeless(text: &str) -> String {
    let cut = |line: &str, from: &str, to: &str, mark: &str| -> Option<String> {
        let start = line.find(from)? + from.len();
        let end = start + line[start..].find(to)?;
        Some(format!("{}{mark}{}", &line[..start], &line[end..]))
    };
    let line = |line: &str| {
        let line = cut(line, " in ", " of snapshot", "TIME (RATE)").unwrap_or_else(|| line.to_owned());
        cut(&line, "\"elapsed_ms\":", ",", "N").unwrap_or(line) + "\n"
    };
    text.lines().map(line).collect()
}

fn check(name: &str, runs: &[&str]) {
    let dir = prepared();
    let all: Vec<String> = runs.iter().map(|run| told(dir.path(), &run.split(' ').collect::<Vec<_>>())).collect();
    insta::assert_snapshot!(name, all.join("\n"));
}

#[test]
fn decode() {
    check(
        "decode",
        &[
            "decode redis-small.fsm -o redis",
            "decode dynamodb-small.fsm -o dynamodb --layout jsonl",
            "decode s3-small.fsm -o s3.tar",
            "decode sqs-small.fsm --dry-run",
            "decode fs-small.fsm -o fs --json",
            "decode redis-small.fsm -o redis",
            "decode damaged.fsm -o out",
            "decode damaged.fsm -o out --json",
            "decode broken.fsm damaged.fsm -o out --on-error skip",
            "decode redis-small.fsm -o warned --scope redis:nothing --strict",
            "decode redis-small.fsm -o warned --scope redis:nothing,redis:h:*,s3:no --strict",
            "decode none.fsm -o out2",
        ],
    );
}

#[test]
fn verify() {
    check(
        "verify",
        &[
            "verify redis-small.fsm s3-small.fsm",
            "verify damaged.fsm broken.fsm",
            "verify damaged.fsm --json",
            "decode redis-small.fsm -o redis",
            "verify redis",
            "verify redis --against redis-small.fsm",
            "verify redis --against s3-small.fsm --limit 4",
            "verify none.fsm",
        ],
    );
}

#[test]
fn diff_and_get() {
    check(
        "diff and get",
        &[
            "diff old.fsm new.fsm",
            "diff old.fsm new.fsm --json",
            "diff old.fsm old.fsm",
            "diff old.fsm damaged.fsm",
            "get new.fsm redis:k",
            "get new.fsm redis:k --json",
            "get new.fsm redis:l",
            "get s3-small.fsm nfs:x",
            "inspect damaged.fsm --on-error skip",
        ],
    );
}

/// Of a default build; `load` has snapshots of its help.
#[cfg(not(feature = "load"))]
#[test]
fn generated() {
    check("generated", &["completions fish", "man"]);
}
