//! The form of decrypted values in the private copy of a snapshot. No file of a server has this form.
//!
//! A decrypted body is shorter than its envelope, and a decompressed one can be longer. Every row must keep its place and its length, so a
//! copy has the plain body at the place of the envelope:
//!
//! | flags | layout after flags and expiry |
//! |---|---|
//! | `0x08` | body · padding · tail |
//! | `0x18` | `u64le` position of the body in the copy · `u64le` its length · padding · tail |
//!
//! The tail has what was known of the envelope, so that the snapshot need not be read again: version · `u32le` key id · `u32le` length
//! of padding and tail. A stored value that has one of these flags is damaged; in a copy it has flags that no form has.

use super::cursor::u64_le;
use super::envelope::{SHORTEST, Sealed};
use super::limits::VALUE_HEADER;
use super::mvcc::ValueHeader;

/// The body is in the value.
const NEAR: u8 = 0x08;
/// The body is after all rows.
const FAR: u8 = 0x18;
/// Replaces these flags in a copy if a snapshot has them: flags that no form has either.
const DAMAGED: u8 = 0xf8;
/// Bytes of the tail.
const TAIL: usize = 9;

// The shortest envelope has room for either form.
const _: () = assert!(SHORTEST >= 2 * size_of::<u64>() + TAIL);

/// Where the body of a decrypted row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'b> {
    /// Into the value.
    Near(&'b [u8]),
    /// It is in the value already: its length.
    Written(usize),
    /// After all rows: position in the copy, and length.
    Far(u64, u64),
}

/// Whether a body fits into the value of an envelope of this length.
pub const fn fits(body: usize, envelope: usize) -> bool {
    body.saturating_add(TAIL) <= envelope
}

/// Puts a body at the place of the envelope in a raw value. A value that is too short for it stays unchanged.
pub fn encode(body: Body<'_>, sealed: Sealed, raw_value: &mut [u8]) -> Option<()> {
    let (header, room) = raw_value.split_at_mut_checked(VALUE_HEADER)?;
    let (flags, room_len) = (header.first_mut()?, room.len());
    let (rest, tail) = room.split_last_chunk_mut::<TAIL>()?;
    let used = match body {
        Body::Near(body) => {
            rest.get_mut(..body.len())?.copy_from_slice(body);
            *flags = NEAR;
            body.len()
        }
        Body::Written(len) => {
            rest.get(..len)?;
            *flags = NEAR;
            len
        }
        Body::Far(at, len) => {
            rest.get_mut(..8)?.copy_from_slice(&at.to_le_bytes());
            rest.get_mut(8..16)?.copy_from_slice(&len.to_le_bytes());
            *flags = FAR;
            16
        }
    };
    let [version, numbers @ ..] = tail;
    *version = sealed.version;
    let (key_id, padding) = numbers.split_at_mut(4);
    key_id.copy_from_slice(&sealed.key_id.to_le_bytes());
    padding.copy_from_slice(&u32::try_from(room_len.saturating_sub(used)).ok()?.to_le_bytes());
    Some(())
}

/// Marks a value of a snapshot as damaged if it has the flags of a decrypted one.
pub fn mark_damaged(raw_value: &mut [u8]) {
    if let Some(flags) = raw_value.first_mut().filter(|flags| matches!(**flags, NEAR | FAR)) {
        *flags = DAMAGED;
    }
}

/// Reads a value that [`encode`] made, and the version and key of its envelope. `copy`: the whole copy, with what follows the rows.
#[inline]
pub fn parse<'a>(raw_value: &'a [u8], copy: &'a [u8]) -> Option<(ValueHeader<'a>, Sealed)> {
    let ([flags, expire @ ..], room) = raw_value.split_first_chunk::<VALUE_HEADER>()?;
    if !matches!(*flags, NEAR | FAR) {
        return None;
    }
    let (_, [version, id0, id1, id2, id3, padding @ ..]) = room.split_last_chunk::<TAIL>()?;
    let body = match *flags {
        NEAR => room.get(..room.len().checked_sub(u32::from_le_bytes(*padding) as usize)?)?,
        _ => {
            let (at, len) = (u64_le(room.get(..8)?)?, u64_le(room.get(8..16)?)?);
            copy.get(usize::try_from(at).ok()?..)?.get(..usize::try_from(len).ok()?)?
        }
    };
    let sealed = Sealed { version: *version, key_id: u32::from_le_bytes([*id0, *id1, *id2, *id3]) };
    Some((ValueHeader { tombstone: false, expire_at: u64::from_le_bytes(*expire), body }, sealed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_decrypted_value() {
        for value in
            [&b""[..], &[0; 40], &[NEAR; 9], &[&[NEAR][..], &[255; 40]].concat(), &[&[FAR][..], &[255; 40]].concat()]
        {
            assert_eq!(parse(value, &[0; 9]), None, "{value:?}");
        }
        let (mut short, sealed) = ([2; 12], Sealed { version: 1, key_id: 3 });
        assert_eq!(encode(Body::Near(b""), sealed, &mut short), None);
        assert_eq!((encode(Body::Near(&[0; 41]), sealed, &mut [2; 49]), short), (None, [2; 12]));
    }

    #[test]
    fn stored_values_with_flags_of_a_copy_are_damaged() {
        for (stored, in_copy) in [(NEAR, DAMAGED), (FAR, DAMAGED), (0, 0), (2, 2), (DAMAGED, DAMAGED)] {
            let mut value = [stored; 60];
            mark_damaged(&mut value);
            assert_eq!(value[0], in_copy);
            assert_eq!(parse(&value, &[0; 9]), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn encoded_values_are_parsed(
            body in proptest::collection::vec(0u8.., 0..200),
            near: bool,
            expire_at: u64,
            key_id: u32,
            version: u8,
        ) {
            let sealed = Sealed { version, key_id };
            let header = [&[2], &expire_at.to_le_bytes()[..]].concat();
            let mut value = [header, vec![7; SHORTEST + body.len()]].concat();
            let copy = [&b"rows"[..], &body].concat();
            let to = if near { Body::Near(&body) } else { Body::Far(4, body.len() as u64) };
            proptest::prop_assert!(fits(body.len(), SHORTEST + body.len()));
            proptest::prop_assert_eq!(encode(to, sealed, &mut value), Some(()));
            let want = ValueHeader { tombstone: false, expire_at, body: &body };
            proptest::prop_assert_eq!(parse(&value, &copy), Some((want, sealed)));
            if near {
                let mut again = value.clone();
                proptest::prop_assert_eq!(encode(Body::Written(body.len()), sealed, &mut again), Some(()));
                proptest::prop_assert_eq!(again, value);
            }
        }
    }
}
