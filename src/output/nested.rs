//! JSON objects and arrays, indented or on one line: appended to a buffer, with the commas in the right places.
//!
//! The last byte shows whether a comma is due: after an opening bracket comes the first member.

use super::json::{self, Escape};
use super::out::Out;

/// Writes nested JSON. `INDENTED`: two spaces a level and `": "`, as the tree's files; otherwise no white space.
#[derive(Debug)]
pub struct Nested<'o, const INDENTED: bool, O = Vec<u8>> {
    out: &'o mut O,
    depth: usize,
}

impl<'o, const INDENTED: bool, O: Out> Nested<'o, INDENTED, O> {
    /// Starts at the outermost level.
    pub fn new(out: &'o mut O) -> Self {
        Nested { out, depth: 0 }
    }

    /// The buffer, to append a value to.
    pub fn out(&mut self) -> &mut O {
        self.out
    }

    /// An object; `members` writes what is in it. Without members it is `{}`.
    pub fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.bracketed(*b"{}", members);
    }

    /// An array; `elements` writes what is in it. Without elements it is `[]`.
    pub fn array(&mut self, elements: impl FnOnce(&mut Self)) {
        self.bracketed(*b"[]", elements);
    }

    fn bracketed(&mut self, [open, close]: [u8; 2], inside: impl FnOnce(&mut Self)) {
        self.out.buffer().push(open);
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        if self.out.buffer().last() != Some(&open) {
            self.line();
        }
        self.out.buffer().push(close);
    }

    /// Begins an element: a comma if it is not the first, then its line.
    pub fn element(&mut self) {
        self.out.relieve();
        if !matches!(self.out.buffer().last(), Some(b'{' | b'[')) {
            self.out.buffer().push(b',');
        }
        self.line();
    }

    /// Begins a member of an object: its name and the colon.
    pub fn member(&mut self, name: &str) {
        self.element();
        self.text(name);
        self.colon();
    }

    /// As [`member`](Self::member), for a name that needs no escapes.
    pub fn plain_member(&mut self, name: &str) {
        self.element();
        self.out.buffer().push(b'"');
        self.out.buffer().extend_from_slice(name.as_bytes());
        self.out.buffer().push(b'"');
        self.colon();
    }

    fn colon(&mut self) {
        self.out.buffer().extend_from_slice(if INDENTED { b": " } else { b":" });
    }

    /// A string value.
    pub fn text(&mut self, text: &str) {
        self.out.string(text, Escape::Html);
    }

    /// A member with a string value.
    pub fn text_member(&mut self, name: &str, text: &str) {
        self.member(name);
        self.text(text);
    }

    /// A member with a number value.
    pub fn integer_member(&mut self, name: &str, n: u64) {
        self.member(name);
        json::integer(n, self.out.buffer());
    }

    /// A member with a number value, left out when it is zero.
    pub fn nonzero_member(&mut self, name: &str, n: u64) {
        if n != 0 {
            self.integer_member(name, n);
        }
    }

    fn line(&mut self) {
        if INDENTED {
            json::newline(2 * self.depth, self.out.buffer());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample<const INDENTED: bool>() -> String {
        let mut out = Vec::new();
        Nested::<INDENTED>::new(&mut out).object(|w| {
            w.text_member("<", "[");
            w.member("e");
            w.object(|_| {});
            w.nonzero_member("zero", 0);
            w.nonzero_member("n", 7);
            w.member("a");
            w.array(|w| {
                w.element();
                w.text("{");
                w.element();
                w.array(|_| {});
            });
        });
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn both_styles() {
        assert_eq!(sample::<false>(), r#"{"\u003c":"[","e":{},"n":7,"a":["{",[]]}"#);
        let want = "{\n  \"\\u003c\": \"[\",\n  \"e\": {},\n  \"n\": 7,\n  \"a\": [\n    \"{\",\n    []\n  ]\n}";
        assert_eq!(sample::<true>(), want);
    }
}
