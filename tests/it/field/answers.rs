//! What the server answers: expiry, planted rows, odd JSON.

use super::{CASE, Case};

pub const CASES: &[Case] = &[Case { file: "jq-bigint.fsm", args: &["verify", "{}"], ..CASE }];
