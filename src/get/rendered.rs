//! Packed lines as the files of a tree have them, and the other way round.

use crate::format::adapter::{self, Adapter};
use crate::objects;
use crate::output::json::{self, Escape};

/// The lines of one object, compact and whole, as its file in a tree; `None`: they are not what a decode writes.
pub(super) fn as_file(adapter: Adapter, kind: &str, lines: &[u8]) -> Option<Vec<u8>> {
    match (adapter, kind) {
        (adapter::REDIS, "strings" | "hll") => objects::member(lines, "value"),
        (adapter::REDIS, "streams") => {
            let lines = lines.split_inclusive(|byte| *byte == b'\n');
            lines
                .map(|line| Some([b"{", without_key(line)?].concat()))
                .collect::<Option<Vec<_>>>()
                .map(|all| all.concat())
        }
        (adapter::REDIS, _) => {
            let rest = without_key(lines)?.trim_ascii_end();
            Some(indented(&[b"{\"format_version\":1,", rest].concat()))
        }
        (adapter::DYNAMODB, _) => {
            let item = lines.strip_prefix(b"{\"Item\":")?.trim_ascii_end().strip_suffix(b"}")?;
            Some(indented(item))
        }
        _ => Some(lines.to_vec()),
    }
}

/// The file of one object in a tree as its lines in the packed layout; `None`: it is not what a decode writes. `expiry` is that
/// of a string, whose file does not have it.
pub(super) fn as_lines(adapter: Adapter, kind: &str, key: &[u8], expiry: &str, file: &[u8]) -> Option<Vec<u8>> {
    let mut head = b"{\"key\":".to_vec();
    json::bytes(key, Escape::Html, &mut head);
    head.push(b',');
    let mut out = Vec::with_capacity(head.len() + file.len() + 32);
    match (adapter, kind) {
        (adapter::REDIS, "strings" | "hll") => {
            out.extend(head);
            out.extend_from_slice(b"\"value\":");
            json::bytes(file, Escape::Html, &mut out);
            out.extend_from_slice(b",\"expire_at_ms\":");
            out.extend_from_slice(expiry.as_bytes());
            out.push(b'}');
        }
        (adapter::REDIS, "streams") => {
            for line in file.split_inclusive(|byte| *byte == b'\n') {
                out.extend_from_slice(&head);
                out.extend_from_slice(line.strip_prefix(b"{")?);
            }
            return Some(out);
        }
        (adapter::DYNAMODB, _) => {
            out.extend_from_slice(b"{\"Item\":");
            compact_into(file, &mut out);
            out.push(b'}');
        }
        _ => {
            let mut whole = Vec::with_capacity(file.len());
            compact_into(file, &mut whole);
            out.extend(head);
            out.extend_from_slice(whole.strip_prefix(b"{\"format_version\":1,")?);
        }
    }
    out.push(b'\n');
    Some(out)
}

/// JSON without white space between its tokens.
fn compact_into(indented: &[u8], out: &mut Vec<u8>) {
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in indented {
        match (in_string, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b' ' | b'\n' | b'\r' | b'\t') => continue,
            _ => {}
        }
        out.push(*byte);
    }
}

/// What stands behind the key and its comma.
fn without_key(line: &[u8]) -> Option<&[u8]> {
    let end = objects::first_value_end(line)?;
    line.get(end..)?.strip_prefix(b",")
}

/// JSON with a line for each member and element, two spaces a level. No token is changed.
fn indented(compact: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(compact.len() * 2);
    let (mut depth, mut in_string, mut is_escaped, mut opens) = (0, false, false, false);
    let newline = |depth: usize, out: &mut Vec<u8>| {
        out.push(b'\n');
        out.resize(out.len() + 2 * depth, b' ');
    };
    for byte in compact {
        if in_string {
            out.push(*byte);
            match (is_escaped, byte) {
                (true, _) => is_escaped = false,
                (false, b'\\') => is_escaped = true,
                (false, b'"') => in_string = false,
                _ => {}
            }
            continue;
        }
        let closes = matches!(byte, b'}' | b']');
        if closes {
            depth = usize::saturating_sub(depth, 1);
        }
        // Nothing is between the brackets of what is empty.
        if opens != closes {
            newline(depth, &mut out);
        }
        opens = matches!(byte, b'{' | b'[');
        out.push(*byte);
        match byte {
            b'{' | b'[' => depth += 1,
            b',' => newline(depth, &mut out),
            b':' => out.push(b' '),
            b'"' => in_string = true,
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indents() {
        let compact = br#"{"a":[],"b":{},"c":[1,{"d\"}":"x,:{"}],"e":null}"#;
        let value: serde_json::Value = serde_json::from_slice(compact).unwrap();
        assert_eq!(String::from_utf8(indented(compact)).unwrap(), serde_json::to_string_pretty(&value).unwrap());
        let mut again = Vec::new();
        compact_into(&indented(compact), &mut again);
        assert_eq!(again, compact);
        assert_eq!(as_lines(adapter::REDIS, "hashes", b"k", "null", b"{\"fields\": []}"), None);
        assert_eq!(as_file(adapter::REDIS, "strings", br#"{"key":"k","value":{"base64":"_w"}}"#).unwrap(), b"\xff");
        assert_eq!(as_file(adapter::DYNAMODB, "items", b"[]"), None);
    }
}
