//! Keys that have the user key after its length: prefix · `u32be` length · user key · rest.

use crate::format::cursor::Cursor;
use crate::format::fault::{Fault, OrFault, Result};

/// A length-prefixed key, split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementKey<'a> {
    /// The Redis user key.
    pub user_key: &'a [u8],
    /// What follows it: a field, a member, an ID, a delta's timestamp and sequence; empty for a meta.
    pub rest: &'a [u8],
}

/// Splits what follows the family prefix.
#[inline]
pub fn element_key(suffix: &[u8]) -> Result<ElementKey<'_>> {
    let mut c = Cursor::new(suffix);
    let len = c.u32_be().or_key("it has no length of the user key")?;
    let user_key = c.take_u64(u64::from(len)).or_key("its user key is shorter than the length says")?;
    Ok(ElementKey { user_key, rest: c.rest() })
}

/// The length of the user key, when the key is long enough to hold it.
#[inline]
pub fn user_key_len(suffix: &[u8]) -> Option<u32> {
    let mut c = Cursor::new(suffix);
    let len = c.u32_be()?;
    (u64::from(len) <= c.len() as u64).then_some(len)
}

/// Checks the rest of a delta key: commit timestamp and sequence (`u64be` · `u32be`).
pub fn check_delta(rest: &[u8]) -> Result<()> {
    (rest.len() == 12).then_some(()).or_key("a delta key ends in 12 bytes of timestamp and sequence")
}

/// Requires that nothing follows the user key of a meta.
pub fn no_rest(rest: &[u8]) -> Result<()> {
    if rest.is_empty() { Ok(()) } else { Err(Fault::Key("bytes follow the user key of a meta")) }
}

/// Appends a length and the user key: what follows the prefix of a family with lengths in its keys.
pub fn sized_into(user_key: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let len = u32::try_from(user_key.len()).ok().or_key("its user key is longer than 2^32-1 bytes")?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(user_key);
    Ok(())
}

impl ElementKey<'_> {
    /// Appends what follows the family prefix.
    ///
    /// # Errors
    /// A user key whose length does not fit 32 bits.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        sized_into(self.user_key, out)?;
        out.extend_from_slice(self.rest);
        Ok(())
    }
}

/// Appends the rest of a delta key: commit timestamp and sequence within the transaction.
pub fn delta_rest_into(commit_ts: u64, seq: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&commit_ts.to_be_bytes());
    out.extend_from_slice(&seq.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split() {
        let got = element_key(b"\0\0\0\x02abrest").unwrap();
        assert_eq!((got.user_key, got.rest), (&b"ab"[..], &b"rest"[..]));
        assert!(element_key(b"\0\0\0").is_err());
        assert!(element_key(b"\xff\xff\xff\xffab").is_err());
        assert_eq!(user_key_len(b"\0\0\0\x03ab"), None);
        assert!(check_delta(&[0; 12]).is_ok() && check_delta(&[0; 11]).is_err() && check_delta(&[0; 13]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn encoded_keys_are_parsed(user_key: Vec<u8>, rest: Vec<u8>, ts: u64, seq: u32) {
            let key = ElementKey { user_key: &user_key, rest: &rest };
            let mut out = Vec::new();
            key.encode(&mut out).unwrap();
            proptest::prop_assert_eq!(element_key(&out), Ok(key));
            out.clear();
            delta_rest_into(ts, seq, &mut out);
            proptest::prop_assert_eq!(check_delta(&out), Ok(()));
            proptest::prop_assert!(out.starts_with(&ts.to_be_bytes()));
        }
    }
}
