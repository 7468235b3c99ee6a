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

/// The largest expiry that a tree can store.
pub fn clamp_ms(ms: u64) -> u64 {
    ms.min(i64::MAX.unsigned_abs())
}

/// Checks a row of the score index: eight bytes of score before the member.
pub fn check_score_index(rest: &[u8]) -> Result<()> {
    if rest.len() < 8 { Err(Fault::Key("it has no score before the member")) } else { Ok(()) }
}

impl CollectionMeta {
    /// Appends 8 bytes, or 16 with an expiry.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.len.to_be_bytes());
        out.extend(self.expire_ms.into_iter().flat_map(u64::to_be_bytes));
    }
}

/// Appends a length delta.
pub fn delta_into(delta: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&delta.to_be_bytes());
}

/// Appends a score. Every NaN becomes the one that the server writes.
pub fn score_into(score: f64, out: &mut Vec<u8>) {
    const NAN: u64 = 0x7ff8_0000_0000_0001;
    let bits = if score.is_nan() { NAN } else { score.to_bits() };
    out.extend_from_slice(&bits.to_be_bytes());
}

/// The eight bytes of the score index, which sort like the score; both zeros are encoded alike.
pub fn sortable_score(score: f64) -> [u8; 8] {
    const SIGN: u64 = 1 << 63;
    let bits = if score == 0.0 { 0 } else { score.to_bits() };
    let sortable = if bits & SIGN == 0 { bits ^ SIGN } else { !bits };
    sortable.to_be_bytes()
}

/// Appends an entry of the TTL index.
pub fn index_ttl_into(expire_ms: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&clamp_ms(expire_ms).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::encoded;

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

    proptest::proptest! {
        #[test]
        fn encoded_values_are_parsed(len in 0..=i64::MAX, expire_ms: Option<u64>, delta_len: i64, x: f64, ttl: u64) {
            let meta = CollectionMeta { len, expire_ms };
            proptest::prop_assert_eq!(CollectionMeta::parse(&encoded(|out| meta.encode(out))), Ok(meta));
            proptest::prop_assert_eq!(delta(&encoded(|out| delta_into(delta_len, out))), Ok(delta_len));
            let parsed = score(&encoded(|out| score_into(x, out))).unwrap();
            proptest::prop_assert!(parsed.to_bits() == x.to_bits() || parsed.is_nan() && x.is_nan());
            proptest::prop_assert_eq!(index_ttl(&encoded(|out| index_ttl_into(ttl, out))), Ok(clamp_ms(ttl)));
        }

        #[test]
        fn the_score_index_sorts_like_the_scores(a: f64, b: f64) {
            if let Some(order) = a.partial_cmp(&b) {
                proptest::prop_assert_eq!(sortable_score(a).cmp(&sortable_score(b)), order);
            }
        }
    }
}
