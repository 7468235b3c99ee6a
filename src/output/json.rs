//! JSON as the public decoder writes it (`redis.md` §4.2): appended to a reused buffer, one pass over the bytes.

pub use super::escape::Escape;
use super::escape::{self, quoted};
use crate::format::b64::{self, STANDARD, URL_SAFE};

/// Appends `text` as a JSON string with its quotes.
pub fn string(text: &str, escape: Escape, out: &mut Vec<u8>) {
    quoted(text.as_bytes(), escape, out);
}

/// Appends `B(x)` on one line: a string if `bytes` are UTF-8, else `{"base64":"…"}` (base64url, no padding).
#[inline]
pub fn bytes(bytes: &[u8], escape: Escape, out: &mut Vec<u8>) {
    if !quoted(bytes, escape, out) {
        envelope(bytes, None, out);
    }
}

/// How many bytes [`bytes()`] would append.
pub fn bytes_length(bytes: &[u8], escape: Escape) -> usize {
    const ENVELOPE: usize = br#"{"base64":""}"#.len();
    escape::length(bytes, escape).unwrap_or_else(|| ENVELOPE + (bytes.len() * 4).div_ceil(3))
}

/// Appends `B(x)` in the form of an indented file: the envelope is spread over lines, closed at `indent` spaces.
#[inline]
pub fn bytes_indented(bytes: &[u8], indent: usize, out: &mut Vec<u8>) {
    if !quoted(bytes, Escape::Html, out) {
        envelope(bytes, Some(indent), out);
    }
}

fn envelope(bytes: &[u8], indent: Option<usize>, out: &mut Vec<u8>) {
    open_envelope(indent, out);
    base64url(bytes, out);
    close_envelope(indent, out);
}

/// Appends the text before the base64 of bytes that are not UTF-8; `indent`: in an indented file.
pub fn open_envelope(indent: Option<usize>, out: &mut Vec<u8>) {
    out.push(b'{');
    if let Some(indent) = indent {
        newline(indent + 2, out);
    }
    out.extend_from_slice(if indent.is_some() { b"\"base64\": \"" } else { b"\"base64\":\"" });
}

/// Appends the text after it.
pub fn close_envelope(indent: Option<usize>, out: &mut Vec<u8>) {
    out.push(b'"');
    if let Some(indent) = indent {
        newline(indent, out);
    }
    out.push(b'}');
}

/// Appends a line feed and `indent` spaces.
pub fn newline(indent: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.resize(out.len() + indent, b' ');
}

/// Appends `bytes` as base64url without padding, without quotes.
pub fn base64url(bytes: &[u8], out: &mut Vec<u8>) {
    b64::append(&URL_SAFE, bytes, out);
}

/// Appends `bytes` as standard base64 with padding, without quotes.
pub fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    b64::append(&STANDARD, bytes, out);
}

/// Appends an integer.
pub fn integer(n: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Appends an integer, or `null`.
pub fn integer_or_null(n: Option<u64>, out: &mut Vec<u8>) {
    match n {
        Some(n) => integer(n, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends a score: shortest round-trip decimal in ECMAScript's notation, `"+inf"`, `"-inf"` or `"nan"`.
pub fn score(x: f64, out: &mut Vec<u8>) {
    if x.is_nan() {
        return out.extend_from_slice(b"\"nan\"");
    }
    if x.is_infinite() {
        return out.extend_from_slice(if x > 0.0 { b"\"+inf\"" } else { b"\"-inf\"" });
    }
    if x.is_sign_negative() {
        out.push(b'-');
    }
    if x == 0.0 {
        return out.push(b'0');
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(x.abs());
    // Without an exponent both notations are the same, except for the fraction of a whole number.
    if memchr::memchr2(b'e', b'E', text.as_bytes()).is_none() {
        return out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
    }
    let (digits, exponent) = decimal(text);
    place(&digits, exponent, out);
}

/// Significant digits of a positive number and the power of ten of the first one.
fn decimal(text: &str) -> (Vec<u8>, i32) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    let leading = all.iter().take_while(|&&d| d == b'0').count();
    let end = all.iter().rposition(|&d| d != b'0').map_or(leading, |i| i + 1);
    (all[leading..end].to_vec(), whole.len() as i32 - 1 - leading as i32 + exponent)
}

fn place(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    let count = digits.len() as i32;
    match exponent {
        -6..0 => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + (-exponent - 1) as usize, b'0');
            out.extend_from_slice(digits);
        }
        0..21 if count <= exponent + 1 => {
            out.extend_from_slice(digits);
            out.resize(out.len() + (exponent + 1 - count) as usize, b'0');
        }
        0..21 => {
            let (whole, fraction) = digits.split_at(exponent as usize + 1);
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        _ => {
            out.push(digits[0]);
            if count > 1 {
                out.push(b'.');
                out.extend_from_slice(&digits[1..]);
            }
            out.extend_from_slice(if exponent > 0 { b"e+" } else { b"e" });
            integer(exponent, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings() {
        let text = "\u{8}\u{c}\n\r\t\u{1}\u{1f}\"\\<>&/\u{7f}é\u{2028}\u{2029}\u{202a}€";
        let html = shown(|o| string(text, Escape::Html, o));
        let want = r#""\b\f\n\r\t\u0001\u001f\"\\\u003c\u003e\u0026/"#.to_string() + "\u{7f}é\\u2028\\u2029\u{202a}€\"";
        assert_eq!(html, want);
        assert_eq!(shown(|o| string("<&>", Escape::Plain, o)), "\"<&>\"");
        let long = "x".repeat(100) + "\n" + &"y".repeat(100);
        assert_eq!(shown(|o| string(&long, Escape::Html, o)), format!("\"{}\\n{}\"", "x".repeat(100), "y".repeat(100)));
    }

    #[test]
    fn binary() {
        assert_eq!(shown(|o| bytes(b"\xff\xfe<", Escape::Html, o)), r#"{"base64":"__48"}"#);
        assert_eq!(shown(|o| bytes_indented(b"\xff", 4, o)), "{\n      \"base64\": \"_w\"\n    }");
    }

    #[test]
    fn scores() {
        for (x, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (100.0, "100"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-9, "1.5e-9"),
            (5e-324, "5e-324"),
            (-1.25, "-1.25"),
            (123456.789, "123456.789"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (0.1, "0.1"),
            (123456789012345680000.0, "123456789012345680000"),
            (f64::INFINITY, "\"+inf\""),
            (f64::NEG_INFINITY, "\"-inf\""),
            (f64::NAN, "\"nan\""),
        ] {
            assert_eq!(shown(|o| score(x, o)), want);
        }
    }
}
