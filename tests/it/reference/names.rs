//! File names (`tree.md` §2, §4).

use sha2::{Digest as _, Sha256};

use super::json::{Html, Json, base64url};

/// `%HH` for all bytes except the unreserved ones.
pub fn percent(raw: &[u8]) -> String {
    let one = |b: &u8| match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(*b).to_string(),
        _ => format!("%{b:02X}"),
    };
    raw.iter().map(one).collect()
}

/// Hash and start of a name that cannot be used unchanged.
pub fn fallback(raw: &[u8]) -> String {
    let hash: String = Sha256::digest(raw).iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("{hash}__{}", percent(&raw[..raw.len().min(64)]))
}

fn looks_like_fallback(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 34 && bytes[..32].iter().all(u8::is_ascii_hexdigit) && &bytes[32..34] == b"__"
}

/// The segment of a name, and whether it is a fallback.
pub fn segment(raw: &[u8]) -> (String, bool) {
    let text = percent(raw);
    if raw.len() > 240 || text.len() > 240 || looks_like_fallback(&text) || text.starts_with("b64.") {
        (fallback(raw), true)
    } else {
        (text, false)
    }
}

/// The segment of a directory: never empty or dots (`rules.md` §2).
pub fn directory(raw: &[u8]) -> String {
    match raw {
        b"" => "%".into(),
        b"." => "%2E".into(),
        b".." => "%2E%2E".into(),
        _ => segment(raw).0,
    }
}

/// A line of KEYMAP.jsonl.
pub fn keymap(encoded: &str, original: &[u8], kind: &str) -> String {
    let line = Json::object([
        ("encoded", Json::text(encoded)),
        ("original", Json::text(base64url(original))),
        ("kind", Json::text(kind)),
    ]);
    line.line(Html::Plain) + "\n"
}
