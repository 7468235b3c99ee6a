//! The target of rendered text: a buffer, or a large file that is never held in memory as a whole.
//!
//! A byte of a value can become six bytes of JSON. So a large value is rendered in pieces, and rendered text may leave
//! the memory between them.

use super::escape::{self, Escape};
use super::json;
use crate::format::rawjson;

/// Values of this many bytes are rendered in pieces of this size. It is divisible by three, so pieces of base64 join without padding.
const PIECE: usize = 192 << 10;

/// Takes text.
pub trait Out {
    /// The buffer for small appends.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Call it between elements: buffered text may leave the memory, except for its last byte.
    fn relieve(&mut self) {}

    /// Whether appended text can leave the memory.
    const GROWS: bool;

    /// Appends `text` as a JSON string.
    #[inline]
    fn string(&mut self, text: &str, escape: Escape) {
        if Self::GROWS && text.len() >= PIECE {
            return pieces(text, escape, self);
        }
        json::string(text, escape, self.buffer());
    }

    /// Appends `B(x)` on one line: see [`json::bytes`].
    #[inline]
    fn bytes(&mut self, bytes: &[u8], escape: Escape) {
        if Self::GROWS && bytes.len() >= PIECE {
            return large_bytes(bytes, escape, None, self);
        }
        json::bytes(bytes, escape, self.buffer());
    }

    /// Appends `B(x)` in the form of an indented file: see [`json::bytes_indented`].
    #[inline]
    fn bytes_indented(&mut self, bytes: &[u8], indent: usize) {
        if Self::GROWS && bytes.len() >= PIECE {
            return large_bytes(bytes, Escape::Html, Some(indent), self);
        }
        json::bytes_indented(bytes, indent, self.buffer());
    }

    /// Appends JSON text without its white space between tokens.
    #[inline]
    fn compacted(&mut self, json: &[u8]) {
        rawjson::each_token(json, |token| {
            if !Self::GROWS {
                return self.buffer().extend_from_slice(token);
            }
            for piece in token.chunks(PIECE) {
                self.buffer().extend_from_slice(piece);
                if self.buffer().len() >= PIECE {
                    self.relieve();
                }
            }
        });
    }

    /// Appends `bytes` in an encoding that takes three bytes at a time.
    #[inline]
    fn encoded(&mut self, bytes: &[u8], encode: fn(&[u8], &mut Vec<u8>)) {
        if !Self::GROWS {
            return encode(bytes, self.buffer());
        }
        for piece in bytes.chunks(PIECE) {
            encode(piece, self.buffer());
            self.relieve();
        }
    }
}

/// Counts what it is given and drops it.
#[derive(Debug, Default)]
pub struct Counted {
    buffer: Vec<u8>,
    bytes: u64,
}

impl Counted {
    /// Number of bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes + self.buffer.len() as u64
    }
}

impl Out for Counted {
    const GROWS: bool = true;

    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn relieve(&mut self) {
        if self.buffer.len() > 1 << 16 {
            let last = self.buffer.pop();
            self.bytes += self.buffer.len() as u64;
            self.buffer.clear();
            self.buffer.extend(last);
        }
    }
}

impl Out for Vec<u8> {
    const GROWS: bool = false;

    #[inline]
    fn buffer(&mut self) -> &mut Vec<u8> {
        self
    }
}

/// A long text, in pieces that end between characters.
#[cold]
fn pieces<O: Out + ?Sized>(mut text: &str, escape: Escape, out: &mut O) {
    out.buffer().push(b'"');
    while !text.is_empty() {
        let fits = |end: &usize| text.is_char_boundary(*end);
        let end = if text.len() > PIECE { (1..=PIECE).rev().find(fits).unwrap_or(PIECE) } else { text.len() };
        let (piece, rest) = text.split_at(end);
        escape::inside(piece, escape, out.buffer());
        out.relieve();
        text = rest;
    }
    out.buffer().push(b'"');
}

#[cold]
fn large_bytes<O: Out + ?Sized>(bytes: &[u8], escape: Escape, indent: Option<usize>, out: &mut O) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return pieces(text, escape, out);
    }
    json::open_envelope(indent, out.buffer());
    for piece in bytes.chunks(PIECE) {
        json::base64url(piece, out.buffer());
        out.relieve();
    }
    json::close_envelope(indent, out.buffer());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives away what it can, and counts how much it held at most.
    #[derive(Default)]
    struct Away {
        buffer: Vec<u8>,
        gone: Vec<u8>,
        most: usize,
    }

    impl Out for Away {
        const GROWS: bool = true;

        fn buffer(&mut self) -> &mut Vec<u8> {
            &mut self.buffer
        }

        fn relieve(&mut self) {
            self.most = self.most.max(self.buffer.len());
            let last = self.buffer.pop();
            self.gone.append(&mut self.buffer);
            self.buffer.extend(last);
        }
    }

    #[test]
    fn pieces_make_the_whole() {
        let long = |unit: &str| unit.repeat(3 * PIECE / unit.len() + 7).into_bytes();
        let mut broken = long("a");
        broken.extend(b"\xff");
        for bytes in [long("\u{1}"), long("<"), long("ab\u{2028}\u{1f600}"), long("v"), broken, b"short\n".to_vec()] {
            let mut whole = Vec::new();
            let mut away = Away::default();
            for escape in [Escape::Html, Escape::Plain] {
                whole.bytes(&bytes, escape);
                away.bytes(&bytes, escape);
            }
            whole.bytes_indented(&bytes, 4);
            away.bytes_indented(&bytes, 4);
            if let Ok(text) = std::str::from_utf8(&bytes) {
                whole.string(text, Escape::Html);
                away.string(text, Escape::Html);
            }
            whole.encoded(&bytes, json::base64);
            away.encoded(&bytes, json::base64);
            let text = [b"{ \"a\" : [1 ,", &whole[..], b"]}"].concat();
            whole.compacted(&text);
            away.compacted(&text);
            let mut counted = Counted::default();
            counted.compacted(&text);
            let mut alone = Vec::new();
            alone.compacted(&text);
            assert_eq!(counted.bytes(), alone.len() as u64);
            away.relieve();
            away.gone.append(&mut away.buffer);
            assert!(away.gone == whole, "{}", bytes[..8.min(bytes.len())].escape_ascii());
            assert!(away.most <= 6 * PIECE + 64, "{}", away.most);
        }
    }
}
