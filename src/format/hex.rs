//! Bytes as lower-case hexadecimal digits.

/// The two digits of a byte.
#[inline]
pub const fn byte(b: u8) -> [u8; 2] {
    const fn digit(nibble: u8) -> u8 {
        if nibble < 10 { b'0'.wrapping_add(nibble) } else { b'a'.wrapping_add(nibble.wrapping_sub(10)) }
    }
    [digit(b >> 4), digit(b & 15)]
}

/// Appends `bytes`.
pub fn push(bytes: &[u8], out: &mut String) {
    out.extend(bytes.iter().flat_map(|b| byte(*b)).map(char::from));
}

/// `bytes` as a text of its own.
pub fn text(bytes: &[u8]) -> String {
    let mut out = String::new();
    push(bytes, &mut out);
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits() {
        assert_eq!(super::text(&[0x00, 0x09, 0x0a, 0x5f, 0xff]), "00090a5fff");
    }
}
