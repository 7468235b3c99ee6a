//! What newer servers write.

use super::Case;

pub const CASES: &[Case] = &[];
