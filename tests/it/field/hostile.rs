//! Flat memory and few handles.

use super::{CASE, Case, Run};
use crate::kit::command::{code, stderr, with_few_handles};

pub const CASES: &[Case] = &[
    // Handles: many shared files, and deep trees.
    Case {
        file: "s3-1100-buckets.fsm",
        args: &["decode", "{}", "-o", "out", "--layout", "jsonl", "--threads", "2"],
        check: all_commands,
        ..CASE
    },
    Case { file: "fs-deep-1400.fsm", args: &["decode", "{}", "-o", "out"], check: all_commands, ..CASE },
    Case { file: "fs-deep-1400-damaged.fsm", args: &["decode", "{}", "-o", "out"], code: 2, check: empty, ..CASE },
    Case { file: "s3-deep-510-damaged.fsm", args: &["decode", "{}", "-o", "out"], code: 2, check: empty, ..CASE },
    Case {
        file: "s3-deep-510-damaged.fsm",
        args: &["decode", "{}", "-o", "out", "--on-error", "skip"],
        code: 3,
        check: |run| assert!(run.has("out/MANIFEST.json")),
        ..CASE
    },
    // What a dry run says of holes.
    Case {
        file: "sparse-1T.fsm",
        args: &["decode", "{}", "--dry-run"],
        says: &["1.10 TB", "about 32.77 kB of disk"],
        ..CASE
    },
    Case {
        file: "sparse-wrap.fsm",
        args: &["decode", "{}", "--dry-run"],
        says: &["18.45 EB", "about 28.67 kB of disk"],
        ..CASE
    },
    Case {
        file: "sparse-wrap.fsm",
        args: &["decode", "{}", "--dry-run", "--json"],
        says: &[r#""bytes":"184467440737095"#, r#""disk_bytes":28672"#],
        ..CASE
    },
];

/// Every command that reads what was made, or replaces it.
fn all_commands(run: &Run) {
    let input = run.input.to_str().unwrap();
    let layout = if run.has("out/s3/bucket0000000/_index.jsonl") { "jsonl" } else { "tree" };
    for args in [
        &["verify", "out", "--threads", "8"][..],
        &["verify", "out", "--against", input],
        &["diff", "out", input],
        &["inspect", input],
        &["decode", input, "-o", "out", "--force", "--layout", layout],
        &["decode", input, "-o", "out.tar", "--layout", layout],
        &["verify", "out.tar"],
    ] {
        let out = with_few_handles(&run.dir, args);
        assert_eq!(code(&out), 0, "{args:?}: {}", stderr(&out));
    }
    // The directory of the test is removed by a library that holds a handle for each level.
    ekvsnap::output::remove::remove(&run.dir.join("out")).unwrap();
}

/// Nothing is left.
fn empty(run: &Run) {
    let left: Vec<_> = std::fs::read_dir(&run.dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}
