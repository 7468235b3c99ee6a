//! File names from input bytes (`tree.md` §2): no byte reaches the file system unencoded.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::format::hex;

use super::json::{self, Escape};

/// Longest encoded segment; an extension comes on top.
pub const MAX_SEGMENT: usize = 240;
/// The file below an adapter's folder that lists the generations of deleted scopes. No segment has a tilde, so no name clashes with it.
pub const GENERATIONS: &str = "_generations~.jsonl";
/// The file with the row keys of items whose attributes do not determine them.
pub const ROWS: &str = "_rows~.jsonl";

/// Whether a name below an adapter's folder is that of a file that only a restore needs.
pub fn is_for_restore(name: &str) -> bool {
    [GENERATIONS, ROWS].contains(&name)
}

/// How many raw bytes a fallback name shows.
const FALLBACK_SHOWS: usize = 64;
const HEX_UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// Bytes that are not encoded.
const fn unreserved(b: u8) -> bool {
    matches!(b, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_')
}

/// Appends `raw`, with every byte but the unreserved ones as `%HH`.
pub fn percent_into(raw: &[u8], out: &mut String) {
    for &b in raw {
        if unreserved(b) {
            out.push(char::from(b));
        } else {
            out.push('%');
            out.push(char::from(HEX_UPPER[usize::from(b >> 4)]));
            out.push(char::from(HEX_UPPER[usize::from(b & 15)]));
        }
    }
}

/// Whether a name is the plain encoding or the SHA fallback. Only KEYMAP has the original of a fallback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// Percent-encoded: can be decoded.
    Plain,
    /// Hash and the start of the raw bytes.
    ShaFallback,
}

/// `seg()`: appends the segment for `raw`.
pub fn segment_into(raw: &[u8], out: &mut String) -> NameKind {
    let start = out.len();
    if raw.len() <= MAX_SEGMENT {
        percent_into(raw, out);
        let encoded = &out[start..];
        if encoded.len() <= MAX_SEGMENT && !looks_like_fallback(encoded) && !encoded.starts_with("b64.") {
            return NameKind::Plain;
        }
        out.truncate(start);
    }
    fallback_into(raw, raw, out);
    NameKind::ShaFallback
}

/// Whether `seg()` of these bytes can be decoded, without making it. If that is not certain, `false`.
pub fn is_surely_plain(raw: &[u8]) -> bool {
    raw.len() <= MAX_SEGMENT / 3 && !raw.starts_with(b"b64.") && raw.get(32..34) != Some(b"__")
}

/// `seg()` as a new string.
pub fn segment(raw: &[u8]) -> String {
    let mut out = String::new();
    segment_into(raw, &mut out);
    out
}

/// `seg_binary()`: `b64.` and base64url, or the SHA fallback when that is too long.
pub fn binary_segment_into(raw: &[u8], out: &mut String) -> NameKind {
    let encoded = raw.len().saturating_mul(8).div_ceil(6);
    if encoded.saturating_add(4) > MAX_SEGMENT {
        fallback_into(raw, raw, out);
        return NameKind::ShaFallback;
    }
    out.push_str("b64.");
    URL_SAFE_NO_PAD.encode_string(raw, out);
    NameKind::Plain
}

/// A fallback name: the hash of `hashed`, `__`, and the start of `shown`.
pub fn fallback_into(hashed: &[u8], shown: &[u8], out: &mut String) {
    hex::push(&Sha256::digest(hashed)[..16], out);
    out.push_str("__");
    percent_into(&shown[..shown.len().min(FALLBACK_SHOWS)], out);
}

/// The raw bytes of a `seg()` that can be decoded. A fallback name cannot be decoded and is returned unchanged.
pub fn raw_of_segment(segment: &str) -> Vec<u8> {
    if looks_like_fallback(segment) {
        return segment.as_bytes().to_vec();
    }
    let (mut raw, mut rest) = (Vec::new(), segment.as_bytes());
    while let Some((first, next)) = rest.split_first() {
        let digit = |at: usize| next.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (*first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                raw.push((high << 4 | low) as u8);
                rest = &next[2..];
            }
            _ => {
                raw.push(*first);
                rest = next;
            }
        }
    }
    raw
}

/// The raw bytes of a `seg()`, read strictly. `None`: no raw bytes have this segment in any spelling of its escapes, or only KEYMAP has
/// them.
pub fn unsegment(segment: &str) -> Option<Vec<u8>> {
    if segment.len() > MAX_SEGMENT || looks_like_fallback(segment) {
        return None;
    }
    if let Some(encoded) = segment.strip_prefix("b64.") {
        return URL_SAFE_NO_PAD.decode(encoded).ok();
    }
    let (mut raw, mut bytes) = (Vec::with_capacity(segment.len()), segment.bytes());
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = bytes.next() {
        raw.push(match byte {
            b'%' => (digit(bytes.next())? << 4 | digit(bytes.next())?) as u8,
            byte if unreserved(byte) => byte,
            _ => return None,
        });
    }
    Some(raw)
}

/// Appends one line of a KEYMAP.jsonl (`tree.md` §4). A name that is not UTF-8 is written with replacement characters, and exactly, in
/// base64, in a member of ours after the public decoder's.
pub fn keymap_line(encoded: &[u8], original: &[u8], kind: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"encoded\":");
    json::string(&String::from_utf8_lossy(encoded), Escape::Plain, out);
    out.extend_from_slice(b",\"original\":\"");
    json::base64url(original, out);
    out.extend_from_slice(b"\",\"kind\":\"");
    out.extend_from_slice(kind.as_bytes());
    if std::str::from_utf8(encoded).is_err() {
        out.extend_from_slice(b"\",\"encoded_b64\":\"");
        json::base64(encoded, out);
    }
    out.extend_from_slice(b"\"}\n");
}

/// Whether a segment has the shape of a fallback name, whose original only KEYMAP has.
pub fn looks_like_fallback(encoded: &str) -> bool {
    let bytes = encoded.as_bytes();
    bytes.len() >= 34 && bytes[..32].iter().all(u8::is_ascii_hexdigit) && &bytes[32..34] == b"__"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_surely_plain_is() {
        let hash = "0123456789abcdef0123456789abcdef";
        for (raw, sure) in [
            (Vec::new(), true),
            (b"user:1".to_vec(), true),
            (vec![0xff; 80], true),
            (vec![b'a'; 81], false),
            (b"b64.x".to_vec(), false),
            (format!("{hash}__").into_bytes(), false),
            (format!("{hash}_x").into_bytes(), true),
        ] {
            assert_eq!(is_surely_plain(&raw), sure, "{raw:?}");
            assert!(!sure || segment_into(&raw, &mut String::new()) == NameKind::Plain);
        }
    }

    #[test]
    fn segments_are_read_strictly() {
        for raw in [&b""[..], b"plain", b"a/b%c", b"\0\xff", "\u{65e5}".as_bytes(), b"..", b"b64"] {
            assert_eq!(unsegment(&segment(raw)).as_deref(), Some(raw), "{}", raw.escape_ascii());
        }
        assert_eq!(unsegment("%c3%Bc").unwrap(), "\u{fc}".as_bytes());
        assert_eq!(unsegment("b64._w").unwrap(), b"\xff");
        for bad in ["a b", "%", "%4", "%4x", "b64.=", "~", "0123456789abcdef0123456789abcdef__x", &"a".repeat(241)] {
            assert_eq!(unsegment(bad), None, "{bad}");
        }
    }

    #[test]
    fn segments_can_be_decoded() {
        for raw in [&b""[..], b"plain", b"a/b%c", b"\0\xff", "\u{65e5}".as_bytes()] {
            assert_eq!(raw_of_segment(&segment(raw)), raw);
        }
        for odd in ["%", "%4", "%zz", "0123456789abcdef0123456789abcdef__x%2F"] {
            assert_eq!(raw_of_segment(odd), odd.as_bytes());
        }
    }

    #[test]
    fn vectors_of_the_spec() {
        let long = "a".repeat(64);
        for (raw, want) in [
            ("a b/ü~".as_bytes(), "a%20b%2F%C3%BC%7E".to_string()),
            (b"%41", "%2541".into()),
            (b"b64.foo", "72ef1a090c013093607ce5a62f598cf4__b64.foo".into()),
            (b"b64", "b64".into()),
            (b"B64.x", "B64.x".into()),
            (b"", String::new()),
            (b"..", "..".into()),
            (
                b"0123456789abcdef0123456789abcdef__x",
                "c6adf9bb73b31df7b339106a031c285a__0123456789abcdef0123456789abcdef__x".into(),
            ),
            (
                b"0123456789ABCDEF0123456789ABCDEF__x",
                "601bfe86e4c408111961665d9694b88c__0123456789ABCDEF0123456789ABCDEF__x".into(),
            ),
            (b"0123456789abcdef0123456789abcdeg__x", "0123456789abcdef0123456789abcdeg__x".into()),
            (&[b'a'; 240], "a".repeat(240)),
            (&[b'a'; 241], format!("ec6e326ef29fe322b62111584194c54e__{long}")),
            (&[0xff; 80], "%FF".repeat(80)),
            (&[0xff; 81], format!("b1d97d7cbbb586b86d0e71c9fd48d8aa__{}", "%FF".repeat(64))),
        ] {
            assert_eq!(segment(raw), want);
        }
    }

    #[test]
    fn binary_segments() {
        let mut out = String::new();
        assert_eq!(binary_segment_into(&[0xff; 177], &mut out), NameKind::Plain);
        assert_eq!(out.len(), 240);
        assert_eq!(binary_segment_into(&[0xff; 178], &mut out), NameKind::ShaFallback);
        out.clear();
        binary_segment_into(b"", &mut out);
        assert_eq!(out, "b64.");
    }
}
