//! Output that machines can read, and terminals show.

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
    Case { file: "get-warn.fsm", args: &["get", "{}", "sqs:q"], says: &["warning: sqs_body_md5_mismatch (1)"], ..CASE },
    Case { file: "get-warn.fsm", args: &["get", "{}", "s3:b/o"], says: &["warning: s3_size_mismatch (1)"], ..CASE },
    Case { file: "get-warn.fsm", args: &["get", "{}", "redis:k"], says: &["warning: redis_type_conflict (1)"], ..CASE },
];
