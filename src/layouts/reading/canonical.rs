//! Reads lines in the form in which a decode writes them: members in their order, no white space.
//!
//! A line in this form needs no general parser: each name is at its place, or the member is absent. A reader of a kind of line tries this
//! first. `None` means that the line is in another form, valid or not: then the general parser reads it and decides. Where this accepts a
//! line, the general parser gives the same, which property tests check.

use base64::Engine as _;
use bumpalo::Bump;
use memchr::{memchr, memchr2};

use crate::format::b64::{self, Engine};

/// Reads a line from its start. Texts are borrowed from the line; those with escapes or in base64 are decoded in the arena.
pub(in crate::layouts) struct Scanner<'l> {
    rest: &'l [u8],
    arena: &'l Bump,
}

impl<'l> Scanner<'l> {
    pub fn new(line: &'l [u8], arena: &'l Bump) -> Scanner<'l> {
        Scanner { rest: line, arena }
    }

    /// Takes these bytes, if they come next.
    #[inline]
    pub fn eat(&mut self, literal: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    /// Takes the end of the line.
    pub fn end(&mut self, literal: &[u8]) -> Option<()> {
        (self.rest == literal).then_some(())
    }

    /// The result of `read` after `literal`, or the default if `literal` does not come next.
    pub fn if_any<T: Default>(&mut self, literal: &[u8], read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        match self.eat(literal) {
            Some(()) => read(self),
            None => Some(T::default()),
        }
    }

    /// The text that `read` takes.
    pub fn taken(&mut self, read: impl FnOnce(&mut Self) -> Option<()>) -> Option<&'l [u8]> {
        let from = self.rest;
        read(self)?;
        from.get(..from.len() - self.rest.len())
    }

    /// A string with its quotes.
    #[inline]
    pub fn string(&mut self) -> Option<&'l str> {
        self.eat(b"\"")?;
        self.rest_of_string()
    }

    /// A string after its opening quote.
    #[inline]
    pub fn rest_of_string(&mut self) -> Option<&'l str> {
        let (text, rest) = self.rest.split_at_checked(memchr2(b'"', b'\\', self.rest)?)?;
        let Some(rest) = rest.strip_prefix(b"\"") else { return self.escaped(text.len()) };
        self.rest = rest;
        if has_control(text) { None } else { std::str::from_utf8(text).ok() }
    }

    /// A string whose first escape is at `at`.
    #[inline(never)]
    fn escaped(&mut self, at: usize) -> Option<&'l str> {
        let mut end = at;
        while self.rest.get(end)? == &b'\\' {
            end += 2;
            end += memchr2(b'"', b'\\', self.rest.get(end..)?)?;
        }
        let (text, rest) = self.rest.split_at_checked(end)?;
        if has_control(text) {
            return None;
        }
        // An escape is longer than what it stands for.
        let room = self.arena.alloc_slice_fill_copy(text.len(), 0);
        let len = unescape(text, at, room)?;
        self.rest = rest.get(1..)?;
        std::str::from_utf8(room.get(..len)?).ok()
    }

    /// A `B(x)`: a string, or base64url in an envelope.
    #[inline]
    pub fn bytes(&mut self) -> Option<&'l [u8]> {
        if self.eat(b"\"").is_some() {
            return self.rest_of_string().map(str::as_bytes);
        }
        self.eat(b"{\"base64\":")?;
        let bytes = self.base64(&b64::URL_SAFE)?;
        self.eat(b"}")?;
        Some(bytes)
    }

    /// A string in base64, with its quotes.
    pub fn base64(&mut self, engine: &Engine) -> Option<&'l [u8]> {
        self.eat(b"\"")?;
        let (text, rest) = self.rest.split_at_checked(memchr(b'"', self.rest)?)?;
        self.rest = rest.get(1..)?;
        let room = self.arena.alloc_slice_fill_copy(base64::decoded_len_estimate(text.len()), 0);
        let len = engine.decode_slice(text, room).ok()?;
        room.get(..len)
    }

    /// A number without sign, fraction and exponent, of at most 19 digits.
    pub fn unsigned(&mut self) -> Option<u64> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (text, rest) = self.rest.split_at_checked(digits)?;
        let is_canonical = digits == 1 || ((2..=19).contains(&digits) && text.first() != Some(&b'0'));
        // 1.0 and 1e2 are numbers too.
        if !is_canonical || matches!(rest.first(), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        self.rest = rest;
        Some(text.iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0')))
    }

    /// As [`unsigned`](Self::unsigned), for a type that cannot hold all of them.
    pub fn number<N: TryFrom<u64>>(&mut self) -> Option<N> {
        self.unsigned()?.try_into().ok()
    }

    /// A number with any of these, as a float.
    pub fn float(&mut self) -> Option<f64> {
        let is_of_number = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let (text, rest) = self.rest.split_at_checked(self.rest.iter().take_while(is_of_number).count())?;
        self.rest = rest;
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        // What Rust takes and JSON does not: a leading zero, and no digit before or after the point.
        let starts = match digits {
            [b'0'] | [b'0', b'.' | b'e' | b'E', ..] => true,
            [first, ..] => matches!(first, b'1'..=b'9'),
            [] => false,
        };
        let point = memchr(b'.', digits).and_then(|at| digits.get(at + 1));
        let is_number = starts && point.is_none_or(u8::is_ascii_digit) && digits.last()? != &b'.';
        let number = std::str::from_utf8(text).ok().filter(|_| is_number)?.parse::<f64>().ok()?;
        number.is_finite().then_some(number)
    }
}

/// Whether a text has bytes that JSON does not allow in strings. There is no early exit, so that many bytes are tested at once.
#[inline]
fn has_control(text: &[u8]) -> bool {
    text.iter().fold(false, |any, byte| any | (*byte < b' '))
}

/// Writes a text without its escapes, of which the first is at `at`, and returns its length. `None`: an escape is invalid, or a surrogate.
fn unescape(text: &[u8], at: usize, room: &mut [u8]) -> Option<usize> {
    room.get_mut(..at)?.copy_from_slice(text.get(..at)?);
    let (mut from, mut to) = (at, at);
    // Texts with escapes have many of them, and few bytes between two: so they are copied byte by byte.
    while let Some(byte) = text.get(from) {
        if *byte != b'\\' {
            *room.get_mut(to)? = *byte;
            (from, to) = (from + 1, to + 1);
            continue;
        }
        let plain = match text.get(from + 1)? {
            escaped @ (b'"' | b'\\' | b'/') => *escaped,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let digits = text.get(from + 2..from + 6)?.iter().map(|digit| char::from(*digit).to_digit(16));
                let code = digits.reduce(|code, digit| Some(code? << 4 | digit?))??;
                let character = char::from_u32(code)?;
                to += character.encode_utf8(room.get_mut(to..to + character.len_utf8())?).len();
                from += 6;
                continue;
            }
            _ => return None,
        };
        *room.get_mut(to)? = plain;
        (from, to) = (from + 2, to + 1);
    }
    Some(to)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What is accepted is what the general parser reads.
        #[test]
        fn texts_and_numbers_are_those_of_the_parser(
            text in prop_oneof![
                any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
                "\"([a-z\"\\\\]|\\\\[\"\\\\/bfnrtu0]|\\\\u[0-9a-fD]{4}|[é\u{2028}\u{1}])*\"?",
                "-?[0-9]{0,21}[.]?[0-9]{0,4}([eE][+-]?[0-9]{0,3})?",
            ],
        ) {
            let arena = Bump::new();
            let scanner = || Scanner::new(text.as_bytes(), &arena);
            let mut of_text = scanner();
            if let Some(got) = of_text.string() && of_text.rest.is_empty() {
                prop_assert_eq!(serde_json::from_str::<String>(&text).unwrap(), got);
            }
            let mut of_number = scanner();
            if let Some(got) = of_number.unsigned() && of_number.rest.is_empty() {
                prop_assert_eq!(serde_json::from_str::<u64>(&text).unwrap(), got);
            }
            let mut of_float = scanner();
            if let Some(got) = of_float.float() && of_float.rest.is_empty() {
                prop_assert_eq!(serde_json::from_str::<f64>(&text).unwrap().to_bits(), got.to_bits());
            }
        }

        /// What a decode writes is accepted.
        #[test]
        fn written_texts_are_accepted(bytes in prop_oneof![any::<Vec<u8>>(), any::<String>().prop_map(String::into_bytes)]) {
            use crate::output::json::{self, Escape};
            for escape in [Escape::Html, Escape::Plain] {
                let (arena, mut text) = (Bump::new(), Vec::new());
                json::bytes(&bytes, escape, &mut text);
                prop_assert_eq!(Scanner::new(&text, &arena).bytes(), Some(&*bytes));
            }
        }

        #[test]
        fn written_scores_are_accepted(bits: u64) {
            let (arena, mut text, score) = (Bump::new(), Vec::new(), f64::from_bits(bits));
            crate::output::json::score(score, &mut text);
            if score.is_finite() {
                prop_assert_eq!(Scanner::new(&text, &arena).float().map(f64::to_bits), Some(bits));
            }
        }
    }
}
