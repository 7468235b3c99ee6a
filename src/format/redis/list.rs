//! Lists: metas, deltas and item keys.

use super::meta::length;
use crate::format::cursor::Cursor;
use crate::format::fault::{Fault, OrFault, Result};

const SIGN: u64 = 1 << 63;

/// The base record of a list: `i64be` head · tail · length [· `u64be` expiry].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListMeta {
    /// Sequence number of the first item.
    pub head: i64,
    /// Sequence number after the last item.
    pub tail: i64,
    /// Number of items.
    pub len: i64,
    /// Expiry in Unix milliseconds, 0 = none; `None` in the old form.
    pub expire_ms: Option<u64>,
}

/// Whether a value under `!lst|meta|d|` is a meta of a list whose key begins with `d|`, and not a delta.
pub const fn is_meta_len(len: usize) -> bool {
    matches!(len, 24 | 32)
}

impl ListMeta {
    /// Parses 24 or 32 bytes.
    pub fn parse(value: &[u8]) -> Result<ListMeta> {
        if !is_meta_len(value.len()) {
            return Err(Fault::ValueLen { got: value.len(), want: "24 or 32" });
        }
        let mut c = Cursor::new(value);
        let mut bound = || c.i64_be().or_value("it ends inside its bounds");
        let (head, tail) = (bound()?, bound()?);
        Ok(ListMeta { head, tail, len: length(&mut c)?, expire_ms: c.u64_be() })
    }
}

/// A list delta: `i64be` head · `i64be` length, both to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListDelta {
    /// Added to the head.
    pub head: i64,
    /// Added to the length.
    pub len: i64,
}

impl ListDelta {
    /// Parses 16 bytes.
    pub fn parse(value: &[u8]) -> Result<ListDelta> {
        let mut c = Cursor::new(value);
        let mut fields = || Some(ListDelta { head: c.i64_be()?, len: c.i64_be()? });
        let parsed = fields().filter(|_| c.is_empty());
        parsed.ok_or(Fault::ValueLen { got: value.len(), want: "16" })
    }
}

/// Splits what follows `!lst|itm|`: user key and sequence number.
pub fn item_key(suffix: &[u8]) -> Result<(&[u8], i64)> {
    let (user_key, seq) = suffix.split_last_chunk::<8>().or_key("it has no sequence number")?;
    Ok((user_key, (u64::from_be_bytes(*seq) ^ SIGN).cast_signed()))
}

/// The eight bytes that sort like the sequence number.
pub fn sortable_seq(seq: i64) -> [u8; 8] {
    (seq.cast_unsigned() ^ SIGN).to_be_bytes()
}

/// Checks the rest of a claim key: a sequence number.
pub fn check_claim(rest: &[u8]) -> Result<()> {
    if rest.len() == 8 { Ok(()) } else { Err(Fault::Key("a claim ends in 8 bytes of sequence number")) }
}

impl ListMeta {
    /// Appends 24 bytes, or 32 with an expiry.
    pub fn encode(&self, out: &mut Vec<u8>) {
        [self.head, self.tail, self.len].iter().for_each(|n| out.extend_from_slice(&n.to_be_bytes()));
        out.extend(self.expire_ms.into_iter().flat_map(u64::to_be_bytes));
    }
}

impl ListDelta {
    /// Appends 16 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        [self.head, self.len].iter().for_each(|n| out.extend_from_slice(&n.to_be_bytes()));
    }
}

/// Appends what follows `!lst|itm|`.
pub fn item_key_into(user_key: &[u8], seq: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(user_key);
    out.extend_from_slice(&sortable_seq(seq));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let v: Vec<u8> = [(-2i64), 3, 5].iter().flat_map(|n| n.to_be_bytes()).collect();
        assert_eq!(ListMeta::parse(&v), Ok(ListMeta { head: -2, tail: 3, len: 5, expire_ms: None }));
        for len in [0, 7, 8, 15, 16, 17, 23, 25, 33] {
            assert!(ListMeta::parse(&vec![0; len]).is_err());
        }
        assert_eq!(ListDelta::parse(&v[..16]), Ok(ListDelta { head: -2, len: 3 }));
        assert!(ListDelta::parse(&v[..8]).is_err());
        assert!(ListDelta::parse(&v).is_err());
        let mut key = b"k".to_vec();
        key.extend(sortable_seq(-7));
        assert_eq!(item_key(&key), Ok((&b"k"[..], -7)));
        assert!(item_key(b"1234567").is_err());
        assert!(sortable_seq(-1) < sortable_seq(0));
    }

    proptest::proptest! {
        #[test]
        fn encoded_rows_are_parsed(head: i64, tail: i64, len in 0..=i64::MAX, expire_ms: Option<u64>, key: Vec<u8>) {
            let meta = ListMeta { head, tail, len, expire_ms };
            let mut out = Vec::new();
            meta.encode(&mut out);
            proptest::prop_assert_eq!(ListMeta::parse(&out), Ok(meta));
            out.clear();
            let delta = ListDelta { head, len: tail };
            delta.encode(&mut out);
            proptest::prop_assert_eq!(ListDelta::parse(&out), Ok(delta));
            out.clear();
            item_key_into(&key, head, &mut out);
            proptest::prop_assert_eq!(item_key(&out), Ok((&key[..], head)));
        }
    }
}
