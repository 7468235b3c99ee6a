//! Output that programs can read and terminals can show.

use super::{CASE, Case};

pub const CASES: &[Case] = &[
    Case { file: "s3-metasuffix.fsm", args: &["get", "{}", "s3:b/x.elastickv-meta.json"], says: &["hello"], ..CASE },
    Case { file: "sqs-empty.fsm", args: &["get", "{}", "sqs:empty"], never: &["not found"], ..CASE },
    Case { file: "sqs-empty.fsm", args: &["get", "{}", "sqs:empty", "--json"], never: &["not found"], ..CASE },
    Case {
        file: "sqs-empty.fsm",
        args: &["get", "{}", "sqs:none"],
        code: 1,
        says: &["not found in the snapshot: sqs queue \"none\""],
        ..CASE
    },
    Case {
        file: "two-bit-flips.fsm",
        args: &["get", "{}", "redis:k0000001"],
        code: 2,
        says: &["raw keys must ascend strictly"],
        ..CASE
    },
    Case {
        file: "two-bit-flips.fsm",
        args: &["get", "{}", "redis:k0000001", "--on-error", "skip"],
        code: 3,
        says: &["damage: ", "at byte offset 280032, bare key", "at byte offset 280088, bare key"],
        ..CASE
    },
    Case {
        file: "two-bit-flips.fsm",
        args: &["get", "{}", "redis:k0005000", "--on-error", "skip"],
        code: 2,
        says: &[
            "at byte offset 280032, bare key",
            "not found in what can be read of the snapshot: redis key \"k0005000\"",
        ],
        ..CASE
    },
    Case {
        file: "two-bit-flips.fsm",
        args: &["get", "{}", "redis:k0000001", "--on-error", "skip", "--versions"],
        code: 3,
        says: &["put", "at byte offset 280032, bare key"],
        ..CASE
    },
    Case {
        file: "449-damaged-keys.fsm",
        args: &["get", "{}", "redis:k0000020", "--on-error", "skip"],
        code: 2,
        says: &["at byte offset 1152, bare key", "… and 349 more: verify shows them", "not found in what can be read"],
        ..CASE
    },
    // A mebibyte comes before the hole.
    Case {
        file: "s3-hole.fsm",
        args: &["get", "{}", "s3:b/big", "--on-error", "skip"],
        code: 2,
        says: &["chunk 1 of part 1 (version 0) is missing", "damaged, only the beginning was written: s3 object"],
        ..CASE
    },
    Case {
        file: "s3-hole.fsm",
        args: &["get", "{}", "s3:b/none", "--on-error", "skip"],
        code: 1,
        says: &["not found in the snapshot"],
        never: &["damage:"],
        ..CASE
    },
    Case {
        file: "s3-nobody.fsm",
        args: &["get", "{}", "s3:b/all", "--on-error", "skip", "--json"],
        code: 2,
        says: &["damage: ", "\"event\":\"error\"", "not found in what can be read"],
        ..CASE
    },
    Case { file: "get-warn.fsm", args: &["get", "{}", "sqs:q"], says: &["warning: sqs_body_md5_mismatch (1)"], ..CASE },
    Case { file: "get-warn.fsm", args: &["get", "{}", "s3:b/o"], says: &["warning: s3_size_mismatch (1)"], ..CASE },
    Case { file: "get-warn.fsm", args: &["get", "{}", "redis:k"], says: &["warning: redis_type_conflict (1)"], ..CASE },
];
