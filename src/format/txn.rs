//! Rows of prepared and finished transactions (`container.md` §8).
//!
//! | key | value |
//! |---|---|
//! | `!txn\|lock\|`K | `01` · `u64be` startTS · `u64be` ttlExpireAt · flags · `u64be` len · P |
//! | `!txn\|int\|`K | `01` · `u64be` startTS · op · `u64be` len · body |
//! | `!txn\|cmt\|`P `u64be` startTS | `01` · `u64be` commitTS |
//! | `!txn\|rb\|`P `u64be` startTS | `01` |
//! | `!txn\|ok\|` `01` · uvarint len · K · `u64be` startTS · `u64be` commitTS · uvarint len · P | empty |
//!
//! K is the full key of the locked row, P the primary key of the transaction.

use super::cursor::Cursor;
use super::fault::{OrFault, Result};

/// A lock: the row K is prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock<'a> {
    /// Start timestamp: the identity of the transaction, with the primary key.
    pub start_ts: u64,
    /// When another reader may abort it (wall clock in HLC form); 0 = never.
    pub expire_at: u64,
    /// The primary key, whose group holds the outcome.
    pub primary: &'a [u8],
}

/// An intent: the value that K gets if the transaction commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent<'a> {
    /// Start timestamp of the transaction.
    pub start_ts: u64,
    /// The new body, `None` for a delete. It has no nine-byte value header.
    pub body: Option<&'a [u8]>,
}

fn versioned<'a>(value: &'a [u8]) -> Result<Cursor<'a>> {
    let mut c = Cursor::new(value);
    c.strip(&[1]).or_value("its version byte is not 01")?;
    Ok(c)
}

fn tail<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = c.u64_be()?;
    let bytes = c.take_u64(len)?;
    c.is_empty().then_some(bytes)
}

impl<'a> Lock<'a> {
    /// Parses the value of a `!txn|lock|` row.
    pub fn parse(value: &'a [u8]) -> Result<Lock<'a>> {
        let mut c = versioned(value)?;
        let mut fields = || {
            let (start_ts, expire_at, _flags) = (c.u64_be()?, c.u64_be()?, c.u8()?);
            Some(Lock { start_ts, expire_at, primary: tail(&mut c)? })
        };
        fields().or_value("its length does not fit its fields")
    }
}

impl<'a> Intent<'a> {
    /// Parses the value of a `!txn|int|` row.
    pub fn parse(value: &'a [u8]) -> Result<Intent<'a>> {
        let mut c = versioned(value)?;
        let mut fields = || {
            let (start_ts, op) = (c.u64_be()?, c.u8()?);
            Some((start_ts, op, tail(&mut c)?))
        };
        let (start_ts, op, body) = fields().or_value("its length does not fit its fields")?;
        match op {
            0 => Ok(Intent { start_ts, body: Some(body) }),
            1 => Ok(Intent { start_ts, body: None }),
            _ => None.or_value("its operation is neither put nor delete"),
        }
    }
}

/// A success marker: the transaction that had locked K is committed. Everything is in the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker<'a> {
    /// The key that was locked.
    pub locked: &'a [u8],
    /// Start timestamp of the transaction.
    pub start_ts: u64,
    /// When it was committed.
    pub commit_ts: u64,
    /// The primary key of the transaction.
    pub primary: &'a [u8],
}

impl<'a> Marker<'a> {
    /// Parses a `!txn|ok|` key after its prefix.
    pub fn parse(suffix: &'a [u8]) -> Result<Marker<'a>> {
        let mut c = Cursor::new(suffix);
        c.strip(&[1]).or_key("its version byte is not 01")?;
        let mut fields = || {
            let locked = sized(&mut c)?;
            let (start_ts, commit_ts) = (c.u64_be()?, c.u64_be()?);
            let primary = sized(&mut c)?;
            c.is_empty().then_some(Marker { locked, start_ts, commit_ts, primary })
        };
        fields().or_key("its length does not fit its fields")
    }
}

/// Bytes after their length.
fn sized<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let mut rest = c.rest();
    let len = prost::encoding::decode_varint(&mut rest).ok()?;
    *c = Cursor::new(rest);
    c.take_u64(len)
}

/// Parses the value of a `!txn|cmt|` row: the commit timestamp.
pub fn commit_ts(value: &[u8]) -> Result<u64> {
    let mut c = versioned(value)?;
    let ts = c.u64_be().filter(|_| c.is_empty());
    ts.or_value("it is not a version byte and a commit timestamp")
}

/// Appends the start of locks and intents: version byte and start timestamp.
fn begin(start_ts: u64, out: &mut Vec<u8>) {
    out.push(1);
    out.extend_from_slice(&start_ts.to_be_bytes());
}

fn sized_into(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    out.extend_from_slice(bytes);
}

impl Lock<'_> {
    /// Appends the value of a `!txn|lock|` row. `is_primary` is the only flag that the server writes.
    pub fn encode(&self, is_primary: bool, out: &mut Vec<u8>) {
        begin(self.start_ts, out);
        out.extend_from_slice(&self.expire_at.to_be_bytes());
        out.push(u8::from(is_primary));
        sized_into(self.primary, out);
    }
}

impl Intent<'_> {
    /// Appends the value of a `!txn|int|` row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        begin(self.start_ts, out);
        out.push(u8::from(self.body.is_none()));
        sized_into(self.body.unwrap_or_default(), out);
    }
}

/// Appends the value of a `!txn|cmt|` row.
pub fn commit_ts_into(ts: u64, out: &mut Vec<u8>) {
    begin(ts, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Fault, encoded};

    #[test]
    fn lock_and_intent() {
        let mut v = vec![1];
        v.extend(7u64.to_be_bytes());
        let mut intent = v.clone();
        v.extend(9u64.to_be_bytes());
        v.push(1);
        v.extend(2u64.to_be_bytes());
        v.extend(b"pk");
        assert_eq!(Lock::parse(&v), Ok(Lock { start_ts: 7, expire_at: 9, primary: b"pk" }));
        v.push(0);
        assert!(matches!(Lock::parse(&v), Err(Fault::Value(_))));
        intent.push(0);
        intent.extend(1u64.to_be_bytes());
        intent.push(b'x');
        assert_eq!(Intent::parse(&intent), Ok(Intent { start_ts: 7, body: Some(b"x") }));
        intent[9] = 1;
        assert_eq!(Intent::parse(&intent).unwrap().body, None);
        intent[9] = 2;
        assert!(Intent::parse(&intent).is_err());
        assert!(Intent::parse(&[2]).is_err());
        assert_eq!(commit_ts(b"\x01\0\0\0\0\0\0\0\x05"), Ok(5));
        assert!(commit_ts(b"\x01\0").is_err());
    }

    proptest::proptest! {
        #[test]
        fn encoded_rows_are_parsed(start_ts: u64, expire_at: u64, primary: Vec<u8>, body: Option<Vec<u8>>, first: bool) {
            let lock = Lock { start_ts, expire_at, primary: &primary };
            let value = encoded(|out| lock.encode(first, out));
            proptest::prop_assert_eq!(Lock::parse(&value), Ok(lock));
            let intent = Intent { start_ts, body: body.as_deref() };
            let value = encoded(|out| intent.encode(out));
            proptest::prop_assert_eq!(Intent::parse(&value), Ok(intent));
            let value = encoded(|out| commit_ts_into(start_ts, out));
            proptest::prop_assert_eq!(commit_ts(&value), Ok(start_ts));
        }
    }

    #[test]
    fn marker() {
        let (start, commit) = (7u64.to_be_bytes(), 9u64.to_be_bytes());
        let key = [&b"\x01\x01k"[..], &start, &commit, b"\x02pk"].concat();
        assert_eq!(Marker::parse(&key), Ok(Marker { locked: b"k", start_ts: 7, commit_ts: 9, primary: b"pk" }));
        assert!(Marker::parse(&[&key[..], b"x"].concat()).is_err());
        (0..key.len()).for_each(|end| assert!(Marker::parse(&key[..end]).is_err(), "{end}"));
        assert!(Marker::parse(&[b"\x02", &key[1..]].concat()).is_err());
    }
}
