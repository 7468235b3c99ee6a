//! One verdict in every command: verify, inspect, diff, salvage.

use super::{CASE, Case, Run};

/// The message of every command for a body that cannot be assembled.
const BODY: &[&str] = &["!s3|obj|head|", "incomplete body", "byte offset"];

pub const CASES: &[Case] = &[
    Case { file: "s3-hole.fsm", args: &["verify", "{}"], code: 2, says: &["object \"big\" of bucket \"b\""], ..CASE },
    Case { file: "s3-hole.fsm", args: &["verify", "{}", "--json"], code: 2, says: SAYS_PLACE, ..CASE },
    Case { file: "s3-nobody.fsm", args: &["verify", "{}"], code: 2, says: BODY, ..CASE },
    Case { file: "s3-surplus.fsm", args: &["verify", "{}"], code: 2, says: &["!s3|obj|head|", "surplus"], ..CASE },
    Case { file: "s3-missing-payload.fsm", args: &["verify", "{}"], code: 2, says: BODY, ..CASE },
    Case {
        file: "s3-hole.fsm",
        args: &["decode", "{}", "-o", "o", "--on-error", "skip"],
        code: 3,
        check: |run| {
            let loss: serde_json::Value = serde_json::from_slice(&run.read("o/ERRORS.jsonl")).unwrap();
            assert_eq!(
                (&loss["bucket"], &loss["object"], &loss["family"]),
                (&"b".into(), &"big".into(), &"!s3|obj|head|".into())
            );
            assert!(loss["key"].is_string() && loss["offset"].is_u64(), "{loss}");
        },
        ..CASE
    },
    Case { file: "s3-negsize.fsm", args: &["decode", "{}", "-o", "o"], says: NEGATIVE, ..CASE },
    Case { file: "s3-negsize.fsm", args: &["verify", "{}"], says: NEGATIVE, ..CASE },
    Case { file: "s3-negsize.fsm", args: &["inspect", "{}"], says: NEGATIVE, ..CASE },
    Case { file: "s3-negsize.fsm", args: &["diff", "{}", "{}"], ..CASE },
    Case { file: "ddb-schema-without-key.fsm", args: &["decode", "{}", "-o", "o"], ..CASE },
    Case { file: "ddb-schema-without-key.fsm", args: &["verify", "{}"], says: &["intact"], ..CASE },
    Case { file: "ddb-schema-without-key.fsm", args: &["inspect", "{}"], ..CASE },
    Case { file: "ddb-schema-without-key.fsm", args: &["diff", "{}", "{}"], ..CASE },
    Case { file: "ddb-schema-without-key.fsm", args: &["get", "{}", "redis:a"], ..CASE },
    Case { file: "two-bit-flips.fsm", args: SALVAGE, code: 3, check: |run| saved(run, 2), ..CASE },
    Case { file: "449-damaged-keys.fsm", args: SALVAGE, code: 3, check: |run| saved(run, 449), ..CASE },
    // A file that is no snapshot: there is nothing to skip to.
    Case {
        file: "longname-bomb.tar.zst",
        args: &["decode", "{}", "-o", "o", "--on-error", "skip"],
        code: 2,
        check: no_output,
        ..CASE
    },
];

/// The members in `--json` besides family and key.
const SAYS_PLACE: &[&str] =
    &[r#""bucket":"b""#, r#""object":"big""#, r#""family":"!s3|obj|head|""#, r#""intact":false"#];
const NEGATIVE: &[&str] = &["s3_size_mismatch", "size_bytes=-1"];

const SALVAGE: &[&str] = &["decode", "{}", "-o", "o", "--layout", "jsonl", "--on-error", "skip"];

/// Of ten thousand strings all but `lost` are there, and each of these is reported.
fn saved(run: &Run, lost: usize) {
    let lines = |path: &str| run.read(path).iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines("o/redis/db_0/strings.jsonl"), 10_000 - lost);
    assert_eq!(lines("o/ERRORS.jsonl"), lost);
}

fn no_output(run: &Run) {
    assert!(!run.has("o"));
}
