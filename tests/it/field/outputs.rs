//! Comparisons of two sides, verified outputs, and names that must not affect a terminal or a JSON reader.

use super::{CASE, Case, Run};
use crate::kit::command::{code, ekvsnap};

/// Characters that must not reach a terminal: escapes, C1 controls and overrides of direction.
const ACTIVE: &[&str] = &["\u{1b}", "\u{9b}", "\u{202e}", "\u{2066}", "\u{7}"];

pub const CASES: &[Case] = &[
    Case {
        file: "ddbdiff-a.fsm",
        args: &["diff", "{}", "{F:ddbdiff-b.fsm}"],
        code: 1,
        says: &["~ dynamodb:n/2 (items) value", "0 added, 0 removed, 1 changed, 2 the same"],
        ..CASE
    },
    Case {
        file: "diff-rot-a.fsm",
        args: &["diff", "{}", "{F:diff-rot-b.fsm}"],
        code: 1,
        says: &["~ s3:bk/o (objects) value", "1 changed", "s3_etag_mismatch"],
        ..CASE
    },
    Case { file: "fs-emptydir.fsm", args: &["decode", "{}", "-o", "out"], check: without_its_directory, ..CASE },
    Case {
        file: "s3-nonutf8.fsm",
        args: &["decode", "{}", "--layout", "jsonl", "-o", "out"],
        check: |run| {
            let lines = String::from_utf8(run.read("out/s3/b/_index.jsonl")).unwrap();
            for line in lines.lines() {
                let line: serde_json::Value =
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
                let body = run.read(&format!("out/s3/b/{}", line["path"].as_str().unwrap()));
                assert_eq!(body.len() as u64, line["size_bytes"], "{line}");
            }
            assert!(lines.contains("{\"key\":{\"base64\":"), "{lines}");
        },
        ..CASE
    },
    Case { file: "escapes.fsm", args: &["inspect", "{}"], never: ACTIVE, ..CASE },
    Case { file: "escapes.fsm", args: &["inspect", "{}", "--json"], never: ACTIVE, ..CASE },
    Case { file: "escapes-damaged.fsm", args: &["decode", "{}", "-o", "out"], code: 2, never: ACTIVE, ..CASE },
    Case { file: "hostile-text.fsm", args: &["inspect", "{}"], never: ACTIVE, ..CASE },
    Case { file: "hostile-text.fsm", args: &["decode", "{}", "-o", "out", "--json"], never: ACTIVE, ..CASE },
];

fn without_its_directory(run: &Run) {
    std::fs::remove_dir(run.dir.join("out/fs/tree/emptydir")).unwrap();
    let out = ekvsnap(&run.dir, &["verify", "out"]);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(code(&out) == 2 && text.contains("fs/tree/emptydir") && text.contains("1 missing"), "{text}");
}
