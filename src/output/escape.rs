//! JSON strings, sixteen bytes at a time.
//!
//! The peer escapes what JSON asks for, U+2028 and U+2029, and in most files `<`, `>` and `&` as well (`redis.md` §4.2).
//! A block is tested with a few comparisons of all its bytes at once.

use wide::u8x16;

/// Which bytes are escaped beyond what JSON asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// Also `<`, `>` and `&`, as per-key files do.
    Html,
    /// Only what JSON asks for and U+2028, U+2029, as `*_ttl.jsonl` and `KEYMAP.jsonl` do.
    Plain,
}

/// Bytes that are tested at once.
const BLOCK: usize = 16;

/// What stands for a byte: up to six bytes, and how many.
type Code = ([u8; 6], u8);

/// For each byte below 0x80 what stands for it; no bytes: it stands for itself.
const HTML: [Code; 128] = codes(true);
const PLAIN: [Code; 128] = codes(false);

const fn codes(html: bool) -> [Code; 128] {
    let mut codes = [([0; 6], 0); 128];
    let mut b = 0;
    while b < 128 {
        codes[b as usize] = code(b, html);
        b += 1;
    }
    codes
}

const fn code(b: u8, html: bool) -> Code {
    let short = match b {
        b'"' | b'\\' => b,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0..0x20 => 0,
        b'<' | b'>' | b'&' if html => 0,
        _ => return ([0; 6], 0),
    };
    let hex = b"0123456789abcdef";
    match short {
        0 => ([b'\\', b'u', b'0', b'0', hex[(b >> 4) as usize], hex[(b & 15) as usize]], 6),
        short => ([b'\\', short, 0, 0, 0, 0], 2),
    }
}

/// Appends `bytes` between quotes; `false`, with nothing appended, when they are not UTF-8.
pub fn quoted(bytes: &[u8], escape: Escape, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.reserve(bytes.len() + 2 * BLOCK);
    out.push(b'"');
    let codes = if escape == Escape::Html { &HTML } else { &PLAIN };
    if !(Text { bytes, codes, skip: 0, ascii: true, out }).all() {
        out.truncate(start);
        return false;
    }
    out.push(b'"');
    true
}

struct Text<'b, 'o> {
    bytes: &'b [u8],
    codes: &'static [Code; 128],
    /// Bytes of the next block that an escape stands for already.
    skip: usize,
    ascii: bool,
    out: &'o mut Vec<u8>,
}

impl Text<'_, '_> {
    #[inline(always)]
    fn all(&mut self) -> bool {
        let (blocks, tail) = self.bytes.as_chunks::<BLOCK>();
        let mut at = 0;
        for block in blocks {
            if !self.block(at, block, BLOCK) {
                return false;
            }
            at += BLOCK;
        }
        tail.is_empty() || self.block(at, &padded(tail), tail.len())
    }

    /// Takes the first `len` bytes of a block. Whole blocks are copied, and cut afterwards: that takes a few
    /// instructions, where copying by length takes a call.
    #[inline(always)]
    fn block(&mut self, at: usize, block: &[u8; BLOCK], len: usize) -> bool {
        let lanes = u8x16::new(*block);
        // The first byte of many that is not ASCII decides whether all of them are a text.
        if self.ascii && lanes.to_bitmask() != 0 && !self.is_text(at) {
            return false;
        }
        let special = special(lanes) & (u32::MAX >> (32 - len));
        if special == 0 && self.skip == 0 {
            self.out.extend_from_slice(block);
            self.out.truncate(self.out.len() - (BLOCK - len));
        } else if self.skip == 0 && block.is_ascii() {
            self.replace(block, len, special);
        } else {
            self.replace_any(at, len);
        }
        true
    }

    #[cold]
    fn is_text(&mut self, at: usize) -> bool {
        self.ascii = false;
        std::str::from_utf8(&self.bytes[at..]).is_ok()
    }

    /// Puts codes and what lies between them together in pieces of a fixed size.
    fn replace(&mut self, block: &[u8; BLOCK], len: usize, mut special: u32) {
        let mut from = [0; 2 * BLOCK];
        from[..BLOCK].copy_from_slice(block);
        let mut to = [0; 8 * BLOCK];
        let (mut read, mut written) = (0, 0);
        while special != 0 {
            let here = special.trailing_zeros() as usize;
            special &= special - 1;
            let (code, code_len) = self.codes[(block[here] & 0x7f) as usize];
            if code_len > 0 {
                to[written..written + BLOCK].copy_from_slice(&from[read..read + BLOCK]);
                written += here - read;
                to[written..written + 6].copy_from_slice(&code);
                written += code_len as usize;
                read = here + 1;
            }
        }
        to[written..written + BLOCK].copy_from_slice(&from[read..read + BLOCK]);
        written += len - read;
        if written <= 2 * BLOCK {
            self.out.extend_from_slice(&to[..2 * BLOCK]);
            self.out.truncate(self.out.len() - (2 * BLOCK - written));
        } else {
            self.out.extend_from_slice(&to[..written]);
        }
    }

    /// Byte by byte: what stands for U+2028 takes three of them, which may lie in two blocks.
    fn replace_any(&mut self, at: usize, len: usize) {
        let mut here = at + self.skip.min(len);
        self.skip -= self.skip.min(len);
        while here < at + len {
            let byte = self.bytes[here];
            let separator = match self.bytes.get(here..here + 3) {
                Some([0xe2, 0x80, 0xa8]) => Some(b"\\u2028"),
                Some([0xe2, 0x80, 0xa9]) => Some(b"\\u2029"),
                _ => None,
            };
            match (separator, self.codes.get(byte as usize)) {
                (Some(code), _) => {
                    self.out.extend_from_slice(code);
                    here += 2;
                }
                (None, Some((code, code_len))) if *code_len > 0 => {
                    self.out.extend_from_slice(&code[..*code_len as usize]);
                }
                _ => self.out.push(byte),
            }
            here += 1;
        }
        self.skip += here - (at + len);
    }
}

/// The first bytes of a block, read in one or two overlapping pieces; the rest is zero.
#[inline(always)]
fn padded(short: &[u8]) -> [u8; BLOCK] {
    let len = short.len();
    let bits = |n: usize| 8 * n as u32;
    let all = if let (Some(head), Some(tail)) = (short.first_chunk::<8>(), short.last_chunk::<8>()) {
        u128::from(u64::from_le_bytes(*head)) | u128::from(u64::from_le_bytes(*tail)) << bits(len - 8)
    } else if let (Some(head), Some(tail)) = (short.first_chunk::<4>(), short.last_chunk::<4>()) {
        u128::from(u32::from_le_bytes(*head)) | u128::from(u32::from_le_bytes(*tail)) << bits(len - 4)
    } else {
        let byte = |n: usize| u128::from(short[n]) << bits(n);
        if len == 0 { 0 } else { byte(0) | byte(len / 2) | byte(len - 1) }
    };
    all.to_le_bytes()
}

/// A bit for each byte that may need an escape: control characters, `"`, `&`, `<`, `>`, `\`, and 0xE2, which begins
/// U+2028. Pairs that differ in one bit are tested at once.
#[inline]
fn special(block: u8x16) -> u32 {
    let is = |b: u8| u8x16::splat(b);
    let control = block.min(is(0x1f)).simd_eq(block);
    let quote_amp = (block | is(4)).simd_eq(is(0x26));
    let angles = (block | is(2)).simd_eq(is(0x3e));
    let others = block.simd_eq(is(b'\\')) | block.simd_eq(is(0xe2));
    (control | quote_amp | angles | others).to_bitmask()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slow(text: &str, escape: Escape) -> String {
        let mut out = String::from("\"");
        for c in text.chars() {
            match c {
                '"' => out += "\\\"",
                '\\' => out += "\\\\",
                '\u{8}' => out += "\\b",
                '\u{c}' => out += "\\f",
                '\n' => out += "\\n",
                '\r' => out += "\\r",
                '\t' => out += "\\t",
                '<' | '>' | '&' if escape == Escape::Plain => out.push(c),
                '\0'..'\u{20}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out += &format!("\\u{:04x}", c as u32),
                _ => out.push(c),
            }
        }
        out + "\""
    }

    #[test]
    fn short_blocks() {
        let all = *b"0123456789abcdef";
        for len in 0..BLOCK {
            let mut want = [0; BLOCK];
            want[..len].copy_from_slice(&all[..len]);
            assert_eq!(padded(&all[..len]), want);
        }
    }

    proptest! {
        #[test]
        fn as_the_obvious_way(text in "[\\x00-\\x7f]{0,70}|([a-z]{0,20}[\"\\\\<>&\u{2028}\u{2029}\u{202a}é\u{10ffff}\\n]?){0,6}") {
            for escape in [Escape::Html, Escape::Plain] {
                let mut out = b"before".to_vec();
                prop_assert!(quoted(text.as_bytes(), escape, &mut out));
                prop_assert_eq!(String::from_utf8(out).unwrap(), format!("before{}", slow(&text, escape)));
            }
        }

        #[test]
        fn texts_and_no_others(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0xe2), Just(0x80), Just(b'a')], 0..60)) {
            let mut out = b"before".to_vec();
            let text = std::str::from_utf8(&bytes).is_ok();
            prop_assert_eq!(quoted(&bytes, Escape::Html, &mut out), text);
            prop_assert!(text || out == b"before");
        }
    }
}
