//! Ranges of keys: the one type for every cut of the key space.

use super::after_prefix;

/// Keys from `lo` up to `hi`, without `hi`. Plain data: any process that has the same inputs can use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key that can be in it.
    pub lo: Vec<u8>,
    /// The key after the last; `None`: there is no end.
    pub hi: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key with this prefix.
    pub fn below(prefix: &[u8]) -> KeyRange {
        KeyRange { lo: prefix.to_vec(), hi: after_prefix(prefix) }
    }

    /// One key.
    pub fn one(key: &[u8]) -> KeyRange {
        KeyRange { lo: key.to_vec(), hi: Some(next_key(key)) }
    }
}

/// The next key after a key.
pub fn next_key(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// Whether a user key is that of a wanted row.
pub type IsRow = Box<dyn Fn(&[u8]) -> bool>;

/// Where the rows of an object are.
pub struct RowsOf {
    /// Ranges of user keys that contain them.
    pub ranges: Vec<KeyRange>,
    /// Whether a user key in the ranges belongs to one of the rows.
    pub is_row: IsRow,
}

impl RowsOf {
    /// Exactly the rows of these keys.
    pub fn exactly(keys: Vec<Vec<u8>>) -> RowsOf {
        let ranges = keys.iter().map(|key| KeyRange::below(key)).collect();
        RowsOf { ranges, is_row: Box::new(move |user_key| keys.iter().any(|key| key == user_key)) }
    }
}
