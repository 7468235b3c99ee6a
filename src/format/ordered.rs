//! Byte strings inside keys: escaped so that they sort like the raw bytes and have an end.
//!
//! `00` is escaped as `00 FF`; the end is `00` and a byte below `FF` that the family chooses (DynamoDB and S3: `01`, file system: `00`).

use std::borrow::Cow;

use super::cursor::Cursor;

/// Reads one string that ends in `00 end`; borrowed unless it contains a NUL.
pub fn read<'a>(c: &mut Cursor<'a>, end: u8) -> Option<Cow<'a, [u8]>> {
    let mut raw = Cow::Borrowed(until_nul(c)?);
    loop {
        match c.take(2)? {
            b"\0\xff" => {
                let owned = raw.to_mut();
                owned.push(0);
                owned.extend_from_slice(until_nul(c)?);
            }
            [_, last] if *last == end => return Some(raw),
            _ => return None,
        }
    }
}

/// The bytes before the next NUL, which stays unread.
fn until_nul<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    c.take(memchr::memchr(0, c.rest())?)
}

/// Appends a string that ends in `00 end`.
#[inline]
pub fn append(raw: &[u8], end: u8, out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some((plain, [_, behind @ ..])) = memchr::memchr(0, rest).and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(plain);
        out.extend_from_slice(b"\0\xff");
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(&[0, end]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes among which those that occur in escapes are frequent.
    fn raw() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(255), any::<u8>()], 0..12)
    }

    fn appended(raw: &[u8], end: u8) -> Vec<u8> {
        let mut out = Vec::new();
        append(raw, end, &mut out);
        out
    }

    #[test]
    fn what_has_no_end() {
        for bad in [&b""[..], b"a", b"a\0", b"a\0\xff", b"a\0\x02", b"a\0\x01", b"\0\xff\0"] {
            assert!(read(&mut Cursor::new(bad), 0).is_none(), "{}", bad.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn strings_round_trip(raw in raw(), end in 0u8..2) {
            let key = appended(&raw, end);
            let mut c = Cursor::new(&key);
            prop_assert_eq!(read(&mut c, end).unwrap().into_owned(), raw);
            prop_assert!(c.is_empty());
        }

        #[test]
        fn escapes_keep_the_order(a in raw(), b in raw(), end in 0u8..2) {
            prop_assert_eq!(a.cmp(&b), appended(&a, end).cmp(&appended(&b, end)));
        }
    }
}
