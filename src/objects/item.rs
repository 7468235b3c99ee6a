//! Fingerprints of DynamoDB items: of their JSON without white space, with numbers by value.
//!
//! The text comes in pieces of any size. A number is the string after the member name `N`, or in the array after `NS`; an attribute with
//! that name has an object as its value, not a string or array.

use sha2::{Digest as _, Sha256};

use super::Fingerprint;
use super::digest::cut;
use crate::format::dynamodb::number::plain;

/// Maximum length of a number's text that is kept; a longer one is not a number of the server.
const LONGEST: usize = 1 << 10;

/// Reads the text of one item.
#[derive(Debug, Clone, Default)]
pub(super) struct ItemHash {
    hash: Buffered,
    /// Number of open objects and arrays.
    depth: u64,
    state: State,
    /// The current string: its text so far, if it is short.
    text: Vec<u8>,
    is_long: bool,
    /// The last string, if it may be the name of a number or of a set of numbers.
    name: Name,
    /// Whether it is in an array after `NS`.
    in_set: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Outside,
    InString,
    Escaped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Name {
    #[default]
    Other,
    Number,
    NumberSet,
}

/// A hash that is given many bytes at once: most parts of an item are one byte or two.
#[derive(Debug, Clone, Default)]
struct Buffered {
    hash: Sha256,
    pending: Vec<u8>,
}

impl Buffered {
    fn update(&mut self, bytes: &[u8]) {
        if self.pending.len() + bytes.len() > LONGEST {
            self.hash.update(&self.pending);
            self.pending.clear();
        }
        if bytes.len() > LONGEST {
            self.hash.update(bytes);
        } else {
            self.pending.extend_from_slice(bytes);
        }
    }

    fn finish(mut self) -> Sha256 {
        self.hash.update(&self.pending);
        self.hash
    }
}

impl ItemHash {
    /// Reads bytes up to the end of the outermost object; returns their number, and whether that end was found.
    pub fn feed(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(rest @ [byte, ..]) = bytes.get(at..) {
            let state = self.state;
            at += match state {
                State::Outside if self.outside(*byte) => return (at + 1, true),
                State::Outside => 1,
                State::Escaped => {
                    self.hold(&[*byte]);
                    self.state = State::InString;
                    1
                }
                State::InString => self.in_string(rest),
            };
        }
        (bytes.len(), false)
    }

    /// Reads a part of a string, up to its end or to a backslash; returns the number of bytes.
    fn in_string(&mut self, bytes: &[u8]) -> usize {
        let Some(special) = memchr::memchr2(b'"', b'\\', bytes) else {
            self.hold(bytes);
            return bytes.len();
        };
        if bytes.get(special) == Some(&b'"') {
            self.hold(&bytes[..special]);
            self.string_ends();
        } else {
            self.hold(&bytes[..=special]);
            self.state = State::Escaped;
        }
        special + 1
    }

    fn outside(&mut self, byte: u8) -> bool {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => return false,
            b'"' => {
                self.state = State::InString;
                return false;
            }
            b'{' | b'[' => {
                self.depth += 1;
                self.in_set = byte == b'[' && self.name == Name::NumberSet;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.in_set = false;
            }
            _ => {}
        }
        if !matches!(byte, b':' | b'[') {
            self.name = Name::Other;
        }
        self.hash.update(&[byte]);
        self.depth == 0
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.text.len() + bytes.len() <= LONGEST {
            self.text.extend_from_slice(bytes);
            return;
        }
        if !self.is_long {
            self.hash.update(b"\"");
            self.is_long = true;
        }
        self.hash.update(&self.text);
        self.text.clear();
        self.hash.update(bytes);
    }

    fn string_ends(&mut self) {
        self.state = State::Outside;
        let is_number = (self.name == Name::Number || self.in_set) && !self.is_long;
        if !self.is_long {
            self.hash.update(b"\"");
        }
        match std::str::from_utf8(&self.text) {
            Ok(text) if is_number => self.hash.update(plain(text).as_bytes()),
            _ => self.hash.update(&self.text),
        }
        self.hash.update(b"\"");
        self.name = match self.text.as_slice() {
            b"N" if !self.is_long => Name::Number,
            b"NS" if !self.is_long => Name::NumberSet,
            _ => Name::Other,
        };
        self.text.clear();
        self.is_long = false;
    }

    /// The fingerprint of the text.
    pub fn finish(self) -> Fingerprint {
        cut(self.hash.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(text: &str, size: usize) -> Fingerprint {
        let mut hash = ItemHash::default();
        for piece in text.as_bytes().chunks(size) {
            hash.feed(piece);
        }
        hash.finish()
    }

    #[test]
    fn what_is_equal() {
        let one = r#"{"pk":{"N":"1"},"s":{"NS":["1","2.5"]},"m":{"M":{"N":{"S":"1.0"},"NS":{"L":[{"N":"1e2"}]}}}}"#;
        let other = "{\n  \"pk\": {\"N\": \"1.0\"}, \"s\": {\"NS\": [\"1.00\", \"25e-1\"]},\n \"m\": {\"M\": \
                     {\"N\": {\"S\": \"1.0\"}, \"NS\": {\"L\": [{\"N\": \"100\"}]}}}\n}";
        for size in [1, 2, 7, 1000] {
            assert_eq!(fingerprint(one, size), fingerprint(other, size), "{size}");
        }
    }

    #[test]
    fn what_is_not() {
        let one = r#"{"pk":{"N":"1"},"s":{"S":"1"},"ss":{"SS":["1"]}}"#;
        for (from, to) in
            [(r#"{"N":"1"}"#, r#"{"N":"2"}"#), (r#"{"S":"1"}"#, r#"{"S":"1.0"}"#), (r#"["1"]"#, r#"["1.0"]"#)]
        {
            assert_ne!(fingerprint(one, 5), fingerprint(&one.replace(from, to), 5), "{to}");
        }
        let long = |n: &str| format!(r#"{{"a":{{"S":"{}{n}"}}}}"#, "x".repeat(3000));
        assert_ne!(fingerprint(&long("1"), 100), fingerprint(&long("2"), 100));
        assert_eq!(fingerprint(&long("1"), 100), fingerprint(&long("1"), 33));
    }

    #[test]
    fn the_end_is_found() {
        let mut hash = ItemHash::default();
        assert_eq!(hash.feed(br#"{"a":{"S":"}\"}"#), (15, false));
        assert_eq!(hash.feed(br#""}}rest"#), (3, true));
    }
}
