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
/// Blocks whose marks make one word.
const WINDOW: usize = 4 * BLOCK;

/// The replacement of a byte: up to six bytes, and their number in the last one. Zero: the byte needs none.
type Code = [u8; 8];

/// The replacements of all bytes below 0x80.
const HTML: [Code; 128] = codes(true);
const PLAIN: [Code; 128] = codes(false);

const fn codes(html: bool) -> [Code; 128] {
    let mut codes = [[0; 8]; 128];
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
        _ => return [0; 8],
    };
    let hex = b"0123456789abcdef";
    match short {
        0 => [b'\\', b'u', b'0', b'0', hex[(b >> 4) as usize], hex[(b & 15) as usize], 0, 6],
        short => [b'\\', short, 0, 0, 0, 0, 0, 2],
    }
}

/// Appends `bytes` between quotes. If they are not UTF-8, it appends nothing and returns `false`.
pub fn quoted(bytes: &[u8], escape: Escape, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.reserve(bytes.len() + 2 * BLOCK);
    out.push(b'"');
    let codes = if escape == Escape::Html { &HTML } else { &PLAIN };
    if !(Text { bytes, codes, copied: 0, out }).all() {
        out.truncate(start);
        return false;
    }
    out.push(b'"');
    true
}

/// How many bytes [`quoted`] would append; `None` when they are not UTF-8.
pub fn length(bytes: &[u8], escape: Escape) -> Option<usize> {
    let codes = if escape == Escape::Html { &HTML } else { &PLAIN };
    let (mut length, mut at, mut ascii) = (bytes.len() + 2, 0, true);
    for window in bytes.chunks(WINDOW) {
        let (blocks, tail) = window.as_chunks::<BLOCK>();
        let mut marks = Marks::default();
        for (n, block) in blocks.iter().enumerate() {
            marks.add(n, *block);
        }
        if !tail.is_empty() {
            marks.add(blocks.len(), padded(tail));
            marks.special &= (1 << window.len()) - 1;
        }
        if ascii && !marks.is_ascii() {
            ascii = false;
            if !is_text(&bytes[at..]) {
                return None;
            }
        }
        while marks.special != 0 {
            let here = at + marks.special.trailing_zeros() as usize;
            length += match codes.get(bytes[here] as usize) {
                Some(code) => (code[7] as usize).saturating_sub(1),
                None => bytes.get(here..).and_then(separator).map_or(0, |code| code.len() - 3),
            };
            marks.special &= marks.special - 1;
        }
        at += window.len();
    }
    Some(length)
}

/// The replacement of U+2028 or U+2029, if the bytes begin with one of them.
fn separator(bytes: &[u8]) -> Option<&'static [u8; 6]> {
    match bytes.first_chunk() {
        Some([0xe2, 0x80, 0xa8]) => Some(b"\\u2028"),
        Some([0xe2, 0x80, 0xa9]) => Some(b"\\u2029"),
        _ => None,
    }
}

/// Appends the text between the quotes.
pub fn inside(text: &str, escape: Escape, out: &mut Vec<u8>) {
    let codes = if escape == Escape::Html { &HTML } else { &PLAIN };
    out.reserve(text.len() + 2 * BLOCK);
    (Text { bytes: text.as_bytes(), codes, copied: 0, out }).all();
}

/// A text while it is escaped. Marks are set for many bytes at once, and the bytes between two marks are copied at once.
struct Text<'b, 'o> {
    bytes: &'b [u8],
    codes: &'static [Code; 128],
    /// Bytes that are in `out` already, copied or replaced.
    copied: usize,
    out: &'o mut Vec<u8>,
}

impl Text<'_, '_> {
    #[inline(always)]
    fn all(&mut self) -> bool {
        let (windows, rest) = self.bytes.as_chunks::<WINDOW>();
        let (mut at, mut ascii) = (0, true);
        for window in windows {
            let (blocks, _) = window.as_chunks::<BLOCK>();
            let mut marks = Marks::default();
            for (n, block) in blocks.iter().enumerate() {
                marks.add(n, *block);
            }
            if !self.window(at, &marks, &mut ascii) {
                return false;
            }
            at += WINDOW;
        }
        self.rest(at, rest, ascii)
    }

    /// The last bytes. An incomplete last block is padded, so a text shorter than a block never leaves the registers.
    #[inline(always)]
    fn rest(&mut self, at: usize, rest: &[u8], mut ascii: bool) -> bool {
        let (blocks, tail) = rest.as_chunks::<BLOCK>();
        let mut marks = Marks::default();
        for (n, block) in blocks.iter().enumerate() {
            marks.add(n, *block);
        }
        let padded = padded(tail);
        marks.add(blocks.len(), padded);
        marks.special &= (1 << rest.len()) - 1;
        if !self.window(at, &marks, &mut ascii) {
            return false;
        }
        let end = self.bytes.len() - tail.len();
        if self.copied <= end {
            self.copy_up_to(end);
            self.out.extend_from_slice(&padded);
            self.out.truncate(self.out.len() - (BLOCK - tail.len()));
        } else {
            self.copy_up_to(self.bytes.len());
        }
        true
    }

    #[inline(always)]
    fn window(&mut self, at: usize, marks: &Marks, ascii: &mut bool) -> bool {
        // At the first non-ASCII byte all bytes from here on are checked for UTF-8, once.
        if *ascii && !marks.is_ascii() {
            *ascii = false;
            if !is_text(&self.bytes[at..]) {
                return false;
            }
        }
        let mut special = marks.special;
        while special != 0 {
            self.replace(at + special.trailing_zeros() as usize);
            special &= special - 1;
        }
        true
    }

    /// Appends the replacement of a marked byte.
    #[inline(always)]
    fn replace(&mut self, here: usize) {
        let byte = self.bytes[here];
        if byte >= 0x80 {
            return self.replace_separator(here);
        }
        let code = self.codes[byte as usize];
        if code[7] > 0 {
            self.copy_up_to(here);
            self.out.extend_from_slice(&code);
            self.out.truncate(self.out.len() - (8 - code[7] as usize));
            self.copied = here + 1;
        }
    }

    #[inline(never)]
    fn replace_separator(&mut self, here: usize) {
        let Some(code) = separator(&self.bytes[here..]) else { return };
        self.copy_up_to(here);
        self.out.extend_from_slice(code);
        self.copied = here + 3;
    }

    /// Copies whole blocks and truncates afterwards: that takes a few instructions, and a copy by length takes a call.
    #[inline(always)]
    fn copy_up_to(&mut self, end: usize) {
        let run = end - self.copied;
        let ahead = &self.bytes[self.copied..];
        match ahead.first_chunk::<{ 2 * BLOCK }>() {
            Some(blocks) if run <= 2 * BLOCK => {
                self.out.extend_from_slice(blocks);
                self.out.truncate(self.out.len() - (2 * BLOCK - run));
            }
            _ => self.out.extend_from_slice(&ahead[..run]),
        }
    }
}

/// Which bytes of a window must not be copied unchanged, or need a closer look first.
#[derive(Default)]
struct Marks {
    special: u64,
    all: u8x16,
}

impl Marks {
    /// Marks the block with the number `n`.
    #[inline(always)]
    fn add(&mut self, n: usize, block: [u8; BLOCK]) {
        let lanes = u8x16::new(block);
        self.special |= u64::from(special(lanes)) << (n * BLOCK);
        self.all |= lanes;
    }

    fn is_ascii(&self) -> bool {
        self.all.to_bitmask() == 0
    }
}

#[cold]
fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
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
                prop_assert_eq!(length(text.as_bytes(), escape), Some(out.len() - 6));
                prop_assert_eq!(String::from_utf8(out).unwrap(), format!("before{}", slow(&text, escape)));
            }
        }

        #[test]
        fn texts_and_no_others(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0xe2), Just(0x80), Just(b'a')], 0..60)) {
            let mut out = b"before".to_vec();
            let text = std::str::from_utf8(&bytes).is_ok();
            prop_assert_eq!(quoted(&bytes, Escape::Html, &mut out), text);
            prop_assert!(text || out == b"before");
            prop_assert_eq!(length(&bytes, Escape::Html), text.then(|| out.len() - 6));
        }
    }
}
