//! Text as the server reads it: what is not UTF-8 and what is half of a surrogate pair becomes U+FFFD.

use std::borrow::Cow;

/// Every byte that is not part of UTF-8 becomes one U+FFFD (a lossy conversion of the library takes fewer).
pub fn replace_invalid(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    Cow::Owned(out)
}

/// The text with the digits of every surrogate escape that has no partner replaced by `fffd`.
pub(super) fn paired_surrogates(text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    let mut rest = &mut out[..];
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (_, escape) = rest.split_at_mut(at);
        let skip = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(Half::High), Some(Half::Low)) => 12,
            (Some(_), _) => mend(escape),
            (None, _) => 2,
        };
        rest = escape.get_mut(skip..).unwrap_or_default();
    }
    out
}

enum Half {
    High,
    Low,
}

/// Which half of a pair the escape at the start of `text` is, if it is one.
fn surrogate(text: &[u8]) -> Option<Half> {
    match text {
        [b'\\', b'u', b'd' | b'D', second, third, fourth, ..]
            if third.is_ascii_hexdigit() && fourth.is_ascii_hexdigit() =>
        {
            match second {
                b'8' | b'9' | b'a' | b'b' | b'A' | b'B' => Some(Half::High),
                b'c'..=b'f' | b'C'..=b'F' => Some(Half::Low),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Overwrites the digits of an escape; gives its length.
fn mend(escape: &mut [u8]) -> usize {
    if let Some(digits) = escape.get_mut(2..6) {
        digits.copy_from_slice(b"fffd");
    }
    6
}
