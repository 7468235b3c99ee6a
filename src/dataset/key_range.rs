//! Ranges of keys: the one type for every cut of the key space.

use super::after_prefix;

/// Keys from `lo` up to `hi`, which is not among them. Plain data: any process that has the same inputs can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key that can be in it.
    pub lo: Vec<u8>,
    /// The key behind the last; `None`: there is no end.
    pub hi: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key that begins so.
    pub fn below(prefix: &[u8]) -> KeyRange {
        KeyRange { lo: prefix.to_vec(), hi: after_prefix(prefix) }
    }

    /// One key.
    pub fn one(key: &[u8]) -> KeyRange {
        KeyRange { lo: key.to_vec(), hi: Some([key, &[0]].concat()) }
    }
}

/// Whether a user key is that of a wanted row.
pub type IsRow = Box<dyn Fn(&[u8]) -> bool>;

/// Where the rows of an object are.
pub struct RowsOf {
    /// Ranges of user keys in which they stand.
    pub ranges: Vec<KeyRange>,
    /// Whether a user key in them is that of one of the rows.
    pub is_row: IsRow,
}

impl RowsOf {
    /// Exactly these rows.
    pub fn exactly(keys: Vec<Vec<u8>>) -> RowsOf {
        let ranges = keys.iter().map(|key| KeyRange::below(key)).collect();
        RowsOf { ranges, is_row: Box::new(move |user_key| keys.iter().any(|key| key == user_key)) }
    }
}
