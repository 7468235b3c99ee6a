//! Keys as users type them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::format::adapter::Adapter;
use crate::report::visible::is_active;

/// The meanings of a key on the command line: the key itself or, after `base64:`, the bytes that the base64 encodes: url-safe or standard,
/// with padding or without.
pub(crate) fn spellings(text: &[u8]) -> Vec<Vec<u8>> {
    let encoded = text.strip_prefix(b"base64:").map(|encoded| {
        let end = encoded.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
        &encoded[..end]
    });
    let decoded = encoded.and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).or(STANDARD_NO_PAD.decode(encoded)).ok());
    std::iter::once(text.to_vec()).chain(decoded).collect()
}

/// A name whose bytes [`spellings`] gives back, in a form that can be typed and shown: other bytes are in base64.
pub(crate) fn typed(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(is_active) => text.to_owned(),
        _ => format!("base64:{}", URL_SAFE_NO_PAD.encode(bytes)),
    }
}

/// The name of an object: `redis:KEY`, `s3:BUCKET/KEY`, and so on.
pub(crate) fn typed_name(adapter: Adapter, parts: &[&[u8]]) -> String {
    let parts: Vec<String> = parts.iter().map(|part| typed(part)).collect();
    format!("{}:{}", adapter.name(), parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_base64() {
        assert_eq!(spellings(b"base64:__48"), [&b"base64:__48"[..], b"\xff\xfe<"]);
        for text in [&b"base64:-_8"[..], b"base64:-_8=", b"base64:+/8", b"base64:+/8="] {
            assert_eq!(spellings(text)[1..], [b"\xfb\xff"], "{}", text.escape_ascii());
        }
        assert_eq!(spellings(b"base64:!"), [b"base64:!"]);
    }
}
