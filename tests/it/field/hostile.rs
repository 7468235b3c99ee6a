//! Flat memory and few handles.

use super::Case;

pub const CASES: &[Case] = &[];
