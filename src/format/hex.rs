//! Bytes as lower-case hexadecimal digits.

/// The two digits of every byte, as a table, because every file has a digest.
static DIGITS: [[u8; 2]; 256] = digits();

// Evaluated by the compiler.
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
const fn digits() -> [[u8; 2]; 256] {
    const TEXT: &[u8; 16] = b"0123456789abcdef";
    let mut all = [[0; 2]; 256];
    let mut at = 0;
    while at < all.len() {
        all[at] = [TEXT[at >> 4], TEXT[at & 15]];
        at += 1;
    }
    all
}

/// Bytes whose digits are appended together.
const TOGETHER: usize = 32;

/// The two digits of a byte.
// The table has an entry for every value of a byte.
#[allow(clippy::indexing_slicing)]
#[inline]
pub fn byte(b: u8) -> [u8; 2] {
    DIGITS[b as usize]
}

/// Appends `bytes`.
pub fn push(bytes: &[u8], out: &mut String) {
    for bytes in bytes.chunks(TOGETHER) {
        let mut text = [[0; 2]; TOGETHER];
        for (digits, b) in text.iter_mut().zip(bytes) {
            *digits = byte(*b);
        }
        let text = text.get(..bytes.len()).unwrap_or_default().as_flattened();
        // Digits are ASCII.
        out.push_str(std::str::from_utf8(text).unwrap_or_default());
    }
}

/// `bytes` as a new text.
pub fn text(bytes: &[u8]) -> String {
    let mut out = String::new();
    push(bytes, &mut out);
    out
}

/// The bytes that the digits represent; `None` unless there are only digits, two for each byte.
pub fn bytes(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: &u8| char::from(*digit).to_digit(16).map(|value| value as u8);
    let (pairs, rest) = digits.as_bytes().as_chunks();
    let pair = |[high, low]: &[u8; 2]| Some(value(high)? << 4 | value(low)?);
    rest.is_empty().then(|| pairs.iter().map(pair).collect()).flatten()
}

/// The same for exactly `N` bytes.
pub fn parse<const N: usize>(digits: &str) -> Option<[u8; N]> {
    bytes(digits)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits() {
        assert_eq!(super::text(&[0x00, 0x09, 0x0a, 0x5f, 0xff]), "00090a5fff");
        for bad in ["0", "0g", "é"] {
            assert_eq!(super::bytes(bad), None);
        }
        for len in [0, 1, 31, 32, 33, 64, 100] {
            let bytes: Vec<u8> = (0..len).map(|n| (n * 37) as u8).collect();
            let want: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(super::text(&bytes), want);
            assert_eq!(super::bytes(&want), Some(bytes));
        }
        assert_eq!(super::parse("00fF5a"), Some([0, 0xff, 0x5a]));
        for not in ["", "00f", "00ff", "00ff5a00", "00fg5a", "00f\u{e9}5", "+0ff5a"] {
            assert_eq!(super::parse::<3>(not), None, "{not}");
        }
    }
}
