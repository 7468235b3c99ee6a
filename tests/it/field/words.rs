//! Output that machines can read, and terminals show.

use super::Case;

pub const CASES: &[Case] = &[];
