//! Legacy collections: a whole hash, set or sorted set in one protobuf value.

use crate::format::fault::{OrFault, Result};
use crate::format::messages;
use crate::format::proto::{Fields, map_entry};

/// Magic of a hash blob.
pub const HASH: &[u8; 4] = b"\0RH\x01";
/// Magic of a set blob, and of an HLL payload.
pub const SET: &[u8; 4] = b"\0RS\x01";
/// Magic of a sorted-set blob.
pub const ZSET: &[u8; 4] = b"\0RZ\x01";

/// The message of a blob; an empty value is an empty collection, as in the server.
fn message<'a>(value: &'a [u8], magic: &[u8; 4]) -> Result<&'a [u8]> {
    if value.is_empty() {
        return Ok(value);
    }
    value.strip_prefix(magic).or_value("it lacks the magic of its blob")
}

/// Calls `each` for the bytes of every field 1 of the blob.
fn each_entry<'a>(value: &'a [u8], magic: &[u8; 4], mut each: impl FnMut(&'a [u8]) -> Result<()>) -> Result<()> {
    let mut fields = Fields::new(message(value, magic)?);
    while let Some((number, field)) = fields.next()? {
        if number == 1 {
            each(field.bytes()?)?;
        }
    }
    Ok(())
}

/// Fields of a hash blob in wire order; for a repeated name the last one counts.
pub fn hash<'a>(value: &'a [u8], mut each: impl FnMut(&'a [u8], &'a [u8])) -> Result<()> {
    each_entry(value, HASH, |entry| {
        let (name, value) = map_entry(entry)?;
        each(name, value);
        Ok(())
    })
}

/// Members of a set blob in wire order.
pub fn set<'a>(value: &'a [u8], mut each: impl FnMut(&'a [u8])) -> Result<()> {
    each_entry(value, SET, |member| {
        each(member);
        Ok(())
    })
}

/// Members of a sorted-set blob with their scores in wire order; an absent score is 0.
pub fn zset<'a>(value: &'a [u8], mut each: impl FnMut(&'a [u8], f64)) -> Result<()> {
    each_entry(value, ZSET, |entry| {
        let (mut member, mut score) = (&[][..], 0.0);
        let mut fields = Fields::new(entry);
        while let Some((number, field)) = fields.next()? {
            match number {
                1 => member = field.bytes()?,
                2 => score = field.double()?,
                _ => {}
            }
        }
        each(member, score);
        Ok(())
    })
}

/// Appends a hash blob.
pub fn hash_into<'f>(fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>, out: &mut Vec<u8>) {
    let entry = |(key, value): (&[u8], &[u8])| messages::RedisHashEntry { key: key.to_vec(), value: value.to_vec() };
    out.extend_from_slice(HASH);
    messages::append(&messages::RedisHashValue { entries: fields.into_iter().map(entry).collect() }, out);
}

/// Appends a set blob, which is the payload of a HyperLogLog too.
pub fn set_into<'m>(members: impl IntoIterator<Item = &'m [u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(SET);
    messages::append(&messages::RedisSetValue { members: members.into_iter().map(<[u8]>::to_vec).collect() }, out);
}

/// Appends a sorted-set blob.
pub fn zset_into<'m>(members: impl IntoIterator<Item = (&'m [u8], f64)>, out: &mut Vec<u8>) {
    let entry = |(member, score): (&[u8], f64)| messages::RedisZSetEntry { member: member.to_vec(), score };
    out.extend_from_slice(ZSET);
    messages::append(&messages::RedisZSetValue { entries: members.into_iter().map(entry).collect() }, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs() {
        let mut got = Vec::new();
        hash(b"\0RH\x01\x0a\x06\x0a\x01a\x12\x01b", |n, v| got.push((n, v))).unwrap();
        assert_eq!(got, [(&b"a"[..], &b"b"[..])]);
        let mut members = Vec::new();
        set(b"\0RS\x01\x0a\x01x\x0a\x00", |m| members.push(m)).unwrap();
        assert_eq!(members, [&b"x"[..], b""]);
        let mut scored = Vec::new();
        zset(b"\0RZ\x01\x0a\x0c\x0a\x01m\x11\0\0\0\0\0\0\xf8\x3f\x0a\x03\x0a\x01n", |m, s| scored.push((m, s)))
            .unwrap();
        assert_eq!(scored, [(&b"m"[..], 1.5), (&b"n"[..], 0.0)]);
        assert!(zset(b"", |_, _| unreachable!()).is_ok());
        assert!(zset(b"garbage", |_, _| ()).is_err());
        assert!(hash(b"\0RH\x01\x0a\x7f", |_, _| ()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn encoded_blobs_are_parsed(pairs: Vec<(Vec<u8>, Vec<u8>)>, scores: Vec<(Vec<u8>, i32)>) {
            let (mut out, mut read) = (Vec::new(), Vec::new());
            hash_into(pairs.iter().map(|(n, v)| (&n[..], &v[..])), &mut out);
            hash(&out, |n, v| read.push((n.to_vec(), v.to_vec()))).unwrap();
            proptest::prop_assert_eq!(&read, &pairs);
            let (mut out, mut read) = (Vec::new(), Vec::new());
            set_into(pairs.iter().map(|(n, _)| &n[..]), &mut out);
            set(&out, |m| read.push(m.to_vec())).unwrap();
            proptest::prop_assert!(read.iter().eq(pairs.iter().map(|(n, _)| n)));
            let (mut out, mut read) = (Vec::new(), Vec::new());
            zset_into(scores.iter().map(|(m, s)| (&m[..], f64::from(*s))), &mut out);
            zset(&out, |m, s| read.push((m.to_vec(), s as i32))).unwrap();
            proptest::prop_assert_eq!(&read, &scores);
        }
    }
}
