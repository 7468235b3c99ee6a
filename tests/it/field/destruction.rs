//! Nothing of the user's is destroyed; filters say what matched nothing.

use super::Case;

pub const CASES: &[Case] = &[];
