//! The form of decrypted values in the private copy of a snapshot. No file of a server has this form.
//!
//! A decrypted body is shorter than its envelope, and a compressed one can be longer. So that every row keeps its place and its
//! length, a copy has the plain body where the envelope was:
//!
//! | flags | layout behind flags and expiry |
//! |---|---|
//! | `0x08` | body · padding · `u32le` length of the padding, these four bytes included |
//! | `0x18` | `u64le` where the body stands in the copy · `u64le` its length · padding |

use super::cursor::u64_le;
use super::envelope::SHORTEST;
use super::limits::VALUE_HEADER;
use super::mvcc::ValueHeader;

/// The body stands in the value.
const NEAR: u8 = 0x08;
/// The body stands behind all rows.
const FAR: u8 = 0x18;
/// Bytes that tell the length of the padding.
const PADDING: usize = 4;

// The shortest envelope has room for either form.
const _: () = assert!(SHORTEST >= 2 * size_of::<u64>());

/// Where the body of a decrypted row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'b> {
    /// Into the value.
    Near(&'b [u8]),
    /// Behind all rows: position in the copy, and length.
    Far(u64, u64),
}

/// Whether a body has room in the value of an envelope of so many bytes.
pub const fn fits(body: usize, envelope: usize) -> bool {
    body.saturating_add(PADDING) <= envelope
}

/// Puts a body in the place of the envelope in a raw value. A value without room for it stays as it is.
pub fn encode(body: Body<'_>, raw_value: &mut [u8]) -> Option<()> {
    let (header, room) = raw_value.split_at_mut_checked(VALUE_HEADER)?;
    let flags = header.first_mut()?;
    match body {
        Body::Near(body) => {
            let padding = u32::try_from(room.len().checked_sub(body.len())?).ok()?;
            let (rest, len) = room.split_last_chunk_mut::<PADDING>()?;
            rest.get_mut(..body.len())?.copy_from_slice(body);
            *len = padding.to_le_bytes();
            *flags = NEAR;
        }
        Body::Far(at, len) => {
            room.get_mut(..8)?.copy_from_slice(&at.to_le_bytes());
            room.get_mut(8..16)?.copy_from_slice(&len.to_le_bytes());
            *flags = FAR;
        }
    }
    Some(())
}

/// Reads a value that [`encode`] made. `copy`: the whole copy, with what stands behind the rows.
pub fn parse<'a>(raw_value: &'a [u8], copy: &'a [u8]) -> Option<ValueHeader<'a>> {
    let ([flags, expire @ ..], room) = raw_value.split_first_chunk::<VALUE_HEADER>()?;
    let body = match *flags {
        NEAR => {
            let padding = u32::from_le_bytes(*room.last_chunk()?) as usize;
            room.get(..room.len().checked_sub(padding)?)?
        }
        FAR => {
            let (at, len) = (u64_le(room.get(..8)?)?, u64_le(room.get(8..16)?)?);
            copy.get(usize::try_from(at).ok()?..)?.get(..usize::try_from(len).ok()?)?
        }
        _ => return None,
    };
    Some(ValueHeader { tombstone: false, expire_at: u64::from_le_bytes(*expire), body })
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
        let mut short = [2; 12];
        assert_eq!(encode(Body::Near(b""), &mut short), None);
        assert_eq!((encode(Body::Near(&[0; 41]), &mut [2; 49]), short), (None, [2; 12]));
    }

    proptest::proptest! {
        #[test]
        fn encoded_values_are_parsed(body in proptest::collection::vec(0u8.., 0..200), near: bool, expire_at: u64) {
            let header = [&[2], &expire_at.to_le_bytes()[..]].concat();
            let mut value = [header, vec![7; SHORTEST + body.len()]].concat();
            let copy = [&b"rows"[..], &body].concat();
            let to = if near { Body::Near(&body) } else { Body::Far(4, body.len() as u64) };
            proptest::prop_assert!(fits(body.len(), SHORTEST + body.len()));
            proptest::prop_assert_eq!(encode(to, &mut value), Some(()));
            let want = ValueHeader { tombstone: false, expire_at, body: &body };
            proptest::prop_assert_eq!(parse(&value, &copy), Some(want));
        }
    }
}
