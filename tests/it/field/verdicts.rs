//! One verdict in every command: verify, inspect, diff, salvage.

use super::Case;

pub const CASES: &[Case] = &[];
