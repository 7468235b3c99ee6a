//! Names as users type them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Before the bytes of a name in base64.
const BASE64: &str = "base64:";

/// The bytes of a name: those of the text or, after `base64:`, those that the base64 encodes: url-safe or standard, with padding or without.
/// What is not valid base64 is taken as it is.
pub(crate) fn spelled(text: &[u8]) -> Cow<'_, [u8]> {
    decoded(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The bytes of a name that is in base64.
pub(crate) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let encoded = text.strip_prefix(BASE64.as_bytes())?;
    let end = encoded.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
    let encoded = encoded.get(..end)?;
    URL_SAFE_NO_PAD.decode(encoded).or(STANDARD_NO_PAD.decode(encoded)).ok()
}

/// A name in base64: [`spelled`] gives its bytes back.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    format!("{BASE64}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether a text would be taken for base64.
pub(crate) fn looks_encoded(text: &str) -> bool {
    text.starts_with(BASE64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_base64() {
        assert_eq!(*spelled(b"base64:__48"), *b"\xff\xfe<");
        for text in [&b"base64:-_8"[..], b"base64:-_8=", b"base64:+/8", b"base64:+/8="] {
            assert_eq!(*spelled(text), *b"\xfb\xff", "{}", text.escape_ascii());
        }
        for text in [&b"base64:!"[..], b"base6", b"", b"a"] {
            assert_eq!(*spelled(text), *text);
        }
        assert_eq!(*spelled(b"base64:"), *b"");
        assert_eq!(*spelled(encoded(b"base64:YQ").as_bytes()), *b"base64:YQ");
    }
}
