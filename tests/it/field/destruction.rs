//! No data of the user is destroyed; filters report what matched nothing.

use super::{CASE, Case, Run};

/// Names of the strings of Redis in `out`, as files.
fn strings(run: &Run) -> Vec<String> {
    let entries = std::fs::read_dir(run.dir.join("out/redis/db_0/strings")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub const CASES: &[Case] = &[
    Case {
        file: "scopes.fsm",
        args: &["decode", "{}", "-o", "out", "--scope", "redis:{user1}:*"],
        check: |run| assert_eq!(strings(run), ["%7Buser1%7D%3Aa.bin", "%7Buser1%7D%3Ab.bin"]),
        ..CASE
    },
    Case {
        file: "scopes.fsm",
        args: &["decode", "{}", "-o", "out", "--scope", "redis:{user1:a,a}"],
        check: |run| assert_eq!(strings(run), ["a.bin", "user1%3Aa.bin"]),
        ..CASE
    },
    Case {
        file: "scopes.fsm",
        args: &["decode", "{}", "-o", "out", "--scope", "redis:q\\?,redis:w\\*,redis:x\\[1],redis:b\\\\s"],
        check: |run| assert_eq!(strings(run), ["b%5Cs.bin", "q%3F.bin", "w%2A.bin", "x%5B1%5D.bin"]),
        ..CASE
    },
    Case {
        file: "empties-scope.fsm",
        args: &["decode", "{}", "-o", "out", "--strict", "--scope", "sqs:empty"],
        check: |run| assert!(run.has("out/sqs/empty/_queue.json") && !run.has("out/sqs/full")),
        ..CASE
    },
    Case {
        file: "empties-scope.fsm",
        args: &["decode", "{}", "-o", "out", "--strict", "--scope", "dynamodb:emptyt"],
        check: |run| assert!(run.has("out/dynamodb/emptyt/_schema.json")),
        ..CASE
    },
    Case {
        file: "empties-scope.fsm",
        args: &["decode", "{}", "-o", "out.tar", "--strict", "--scope", "s3:emptyb"],
        check: |run| assert!(run.has("out.tar")),
        ..CASE
    },
    Case {
        file: "empties-scope.fsm",
        args: &["decode", "{}", "-o", "out", "--strict", "--scope", "fs:/emptydir"],
        check: |run| assert!(run.has("out/fs/tree/emptydir") && !run.has("out/fs/tree/f")),
        ..CASE
    },
    Case {
        file: "empties-scope.fsm",
        args: &["decode", "{}", "-o", "out", "--scope", "sqs:empty,sqs:emptyx,s3:emptyb/k"],
        says: &["flag_matched_nothing (2)", "\"scope sqs:emptyx\"", "\"scope s3:emptyb/k\""],
        ..CASE
    },
    Case {
        file: "empties-scope.fsm",
        args: &["decode", "{}", "-o", "out", "--scope", "s3:emptyb/k"],
        code: 1,
        says: &["nothing matches scope s3:emptyb/k"],
        check: |run| assert!(!run.has("out")),
        ..CASE
    },
    Case {
        file: "s3-globprefix.fsm",
        args: &["decode", "{}", "-o", "out", "--strict", "--scope", "s3:logs/2026-11-*/"],
        check: |run| assert!(run.has("out/s3/logs/2026-11-01/h0.log") && run.has("out/s3/logs/2026-11-02/h1.log")),
        ..CASE
    },
    Case {
        file: "s3-globprefix.fsm",
        args: &["decode", "{}", "-o", "out", "--strict", "--scope", "s3:logs/2026-11-?2/,s3:l*/2026-11-01/*0.log"],
        check: |run| {
            assert!(run.has("out/s3/logs/2026-11-01/h0.log") && run.has("out/s3/logs/2026-11-02/h1.log"));
            assert!(!run.has("out/s3/logs/2026-11-01/h1.log"));
        },
        ..CASE
    },
    Case {
        file: "selectors.fsm",
        args: &["decode", "{}", "-o", "out", "--scope", "dynamodb:a\\/b,dynamodb:t/a\\/b/c,sqs:q"],
        never: &["flag_matched_nothing"],
        check: |run| {
            assert!(run.has("out/dynamodb/a%2Fb/items/k.json") && !run.has("out/dynamodb/a"));
            assert!(run.has("out/dynamodb/t/items/a%2Fb/c.json") && !run.has("out/dynamodb/t/items/a/b%2Fc.json"));
            assert!(run.has("out/sqs/q/_queue.json") && !run.has("out/sqs/Q") && !run.has("out/sqs/q.fifo"));
        },
        ..CASE
    },
    Case {
        file: "selectors.fsm",
        args: &["decode", "{}", "-o", "out", "--scope", "dynamodb:t/\\*,redis:a\\*b,redis:\\[x],redis:a{\\,,/}b"],
        never: &["flag_matched_nothing"],
        check: |run| {
            assert_eq!(strings(run), ["%5Bx%5D.bin", "a%2Ab.bin", "a%2Cb.bin", "a%2Fb.bin"]);
            assert!(run.has("out/dynamodb/t/items/%2A/%2A.json") && !run.has("out/dynamodb/t/items/x"));
        },
        ..CASE
    },
];
