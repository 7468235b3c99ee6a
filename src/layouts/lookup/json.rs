//! Converts JSON between packed lines and the files of a tree. No token is changed.

use crate::layouts::members;

/// JSON without white space between its tokens.
pub(in crate::layouts) fn compact_into(indented: &[u8], out: &mut Vec<u8>) {
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

/// The text after the key and its comma.
pub(in crate::layouts) fn without_key(line: &[u8]) -> Option<&[u8]> {
    let end = members::first_value_end(line)?;
    line.get(end..)?.strip_prefix(b",")
}

/// JSON with a line for each member and element, indented by two spaces per level. No token is changed.
pub(in crate::layouts) fn indented(compact: &[u8]) -> Vec<u8> {
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
        // Empty objects and arrays have nothing between their brackets.
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
    }
}
