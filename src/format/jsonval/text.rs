//! Text as the server reads it: bytes that are not UTF-8 and halves of surrogate pairs become U+FFFD, and a number that does not fit a
//! float is not an error until it is read.

use std::borrow::Cow;

/// Every byte that is not part of UTF-8 becomes one U+FFFD (the lossy conversion of the standard library makes fewer).
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
            (Some(_), _) => recover(escape),
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

/// Overwrites the digits of an escape; returns its length.
fn recover(escape: &mut [u8]) -> usize {
    if let Some(digits) = escape.get_mut(2..6) {
        digits.copy_from_slice(b"fffd");
    }
    6
}

/// Replaces every number that does not fit a float. No stored value is this large, so reading it is an error, too.
pub(super) const OUT_OF_RANGE: f64 = f64::MAX;

/// The text with numbers that the parser accepts: one that does not fit a float becomes [`OUT_OF_RANGE`].
pub(super) fn numbers_in_range(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&first) = rest.first() {
        let len = match first {
            b'"' => string_len(rest),
            b'-' | b'0'..=b'9' => rest.iter().position(|b| !is_of_number(*b)).unwrap_or(rest.len()),
            _ => 1,
        };
        let (token, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        match first != b'"' && is_number(token) && is_infinite(token) {
            true => out.extend_from_slice(format!("{OUT_OF_RANGE:e}").as_bytes()),
            false => out.extend_from_slice(token),
        }
        rest = behind;
    }
    out
}

const fn is_of_number(b: u8) -> bool {
    b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E')
}

/// Bytes of the string at the start of `text`, quotes included.
fn string_len(text: &[u8]) -> usize {
    let mut at = 1_usize;
    loop {
        let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) else { return text.len() };
        at = at.saturating_add(found);
        match text.get(at) {
            Some(b'"') => return at.saturating_add(1),
            _ => at = at.saturating_add(2),
        }
    }
}

fn is_infinite(number: &[u8]) -> bool {
    std::str::from_utf8(number).is_ok_and(|text| text.parse().is_ok_and(f64::is_infinite))
}

/// Whether this is a number in the grammar of JSON.
fn is_number(token: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut rest = token.strip_prefix(b"-").unwrap_or(token);
    let whole = digits(rest);
    if whole == 0 || whole > 1 && rest.starts_with(b"0") {
        return false;
    }
    rest = rest.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = digits(fraction);
        rest = fraction.get(len..).unwrap_or_default();
        if len == 0 {
            return false;
        }
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}
