//! Metas, deltas and scores of hashes, sets and sorted sets.

use crate::format::cursor::{self, Cursor};
use crate::format::fault::{Fault, OrFault, Result};

/// The base record of a hash, set or sorted set: `i64be` length [· `u64be` expiry].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionMeta {
    /// Number of elements, without the deltas.
    pub len: i64,
    /// Expiry in Unix milliseconds, 0 = none; `None` in the old form, whose TTL is in the index.
    pub expire_ms: Option<u64>,
}

/// A length field: `u64be` that must fit `i64`.
pub(super) fn length(c: &mut Cursor<'_>) -> Result<i64> {
    let raw = c.u64_be().or_value("it ends inside its length")?;
    i64::try_from(raw).map_err(|_| Fault::Value("its length is over 2^63-1"))
}

impl CollectionMeta {
    /// Parses 8 or 16 bytes.
    pub fn parse(value: &[u8]) -> Result<CollectionMeta> {
        if !matches!(value.len(), 8 | 16) {
            return Err(Fault::ValueLen { got: value.len(), want: "8 or 16" });
        }
        let mut c = Cursor::new(value);
        Ok(CollectionMeta { len: length(&mut c)?, expire_ms: c.u64_be() })
    }
}

/// A length delta: `i64be`.
pub fn delta(value: &[u8]) -> Result<i64> {
    let fault = Fault::ValueLen { got: value.len(), want: "8" };
    cursor::u64_be(value).map(|n| n.cast_signed()).ok_or(fault)
}

/// A score: the bits of an IEEE-754 double, big endian.
pub fn score(value: &[u8]) -> Result<f64> {
    let fault = Fault::ValueLen { got: value.len(), want: "8" };
    cursor::u64_be(value).map(f64::from_bits).ok_or(fault)
}

/// An entry of the TTL index: `u64be` Unix milliseconds, clamped to 2^63-1.
pub fn index_ttl(value: &[u8]) -> Result<u64> {
    let fault = Fault::ValueLen { got: value.len(), want: "8" };
    cursor::u64_be(value).map(clamp_ms).ok_or(fault)
}

/// The largest expiry that the tree holds.
pub fn clamp_ms(ms: u64) -> u64 {
    ms.min(i64::MAX.unsigned_abs())
}

/// Checks a row of the score index: eight bytes of score before the member.
pub fn check_score_index(rest: &[u8]) -> Result<()> {
    if rest.len() < 8 { Err(Fault::Key("it has no score before the member")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metas() {
        let mut v = 5u64.to_be_bytes().to_vec();
        assert_eq!(CollectionMeta::parse(&v), Ok(CollectionMeta { len: 5, expire_ms: None }));
        v.extend(0u64.to_be_bytes());
        assert_eq!(CollectionMeta::parse(&v), Ok(CollectionMeta { len: 5, expire_ms: Some(0) }));
        for len in [0, 7, 9, 15, 17, 24, 32, 33] {
            let fault = CollectionMeta::parse(&vec![0; len]);
            assert_eq!(fault, Err(Fault::ValueLen { got: len, want: "8 or 16" }));
        }
        assert!(CollectionMeta::parse(&u64::MAX.to_be_bytes()).is_err());
        assert_eq!(delta(&(-3i64).to_be_bytes()), Ok(-3));
        assert!(delta(b"1234567").is_err());
        assert_eq!(score(&1.5f64.to_bits().to_be_bytes()), Ok(1.5));
        assert_eq!(index_ttl(&u64::MAX.to_be_bytes()), Ok(i64::MAX as u64));
        assert!(index_ttl(b"").is_err());
    }
}
