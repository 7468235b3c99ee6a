//! Answers of the server: odd JSON, and which moment is meant.

use super::{CASE, Case};

const RANGE: &str = "the commits are from 117668384251052001 (about 2026-11-23T23:37:34.611Z) to 117668384251052033 (about 2026-11-23T23:37:34.612Z)";

pub const CASES: &[Case] = &[
    Case {
        file: "json-1e400.fsm",
        args: &["decode", "{}", "-o", "out", "--strict"],
        check: |run| {
            assert_eq!(run.read("out/s3/b/o"), b"hello");
        },
        ..CASE
    },
    Case { file: "json-1e400.fsm", args: &["decode", "{}", "-o", "out", "--layout", "jsonl"], ..CASE },
    Case { file: "json-1e400.fsm", args: &["verify", "{}"], never: &["JSON"], ..CASE },
    Case { file: "json-1e400.fsm", args: &["inspect", "{}"], never: &["JSON"], ..CASE },
    Case { file: "json-1e400.fsm", args: &["diff", "{}", "{}"], ..CASE },
    Case { file: "json-1e400.fsm", args: &["get", "{}", "s3:b/o"], says: &["hello"], ..CASE },
    Case { file: "jq-bigint.fsm", args: &["verify", "{}"], ..CASE },
    // A timestamp as the JSON lines have it, in quotes, and as a number.
    Case {
        file: "jq-bigint.fsm",
        args: &["get", "{}", "redis:a", "--as-of", "117668384251052033"],
        says: &["new"],
        ..CASE
    },
    Case {
        file: "jq-bigint.fsm",
        args: &["get", "{}", "redis:a", "--as-of", "\"117668384251052032\""],
        says: &["old"],
        ..CASE
    },
    // A date means ten seconds more: the commit is not before the clock.
    Case {
        file: "jq-bigint.fsm",
        args: &["get", "{}", "redis:a", "--as-of", "2026-11-23T23:37:24.612Z"],
        says: &["new"],
        ..CASE
    },
    // Dates and milliseconds far before the first commit, in every command that takes them.
    Case {
        file: "jq-bigint.fsm",
        args: &["get", "{}", "redis:a", "--as-of", "2020-01-01"],
        code: 1,
        says: &[RANGE],
        ..CASE
    },
    Case {
        file: "jq-bigint.fsm",
        args: &["decode", "{}", "-o", "out", "--as-of", "1795477054612"],
        code: 1,
        says: &[RANGE, "Unix milliseconds"],
        check: |run| assert!(!run.has("out")),
        ..CASE
    },
    Case { file: "jq-bigint.fsm", args: &["inspect", "{}", "--as-of", "5"], code: 1, says: &[RANGE], ..CASE },
    Case {
        file: "jq-bigint.fsm",
        args: &["diff", "{}", "{}", "--as-of", "117668384251052033,2020-01-01T00:00:00Z"],
        code: 2,
        says: &[RANGE],
        ..CASE
    },
];
