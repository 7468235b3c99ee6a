//! Large texts: checked once, and kept as text. The parts that are needed are parsed then, each small part by itself.

use bumpalo::Bump;
use serde::de::IgnoredAny;
use simd_json::Node;

use super::{Document, Kept, MAX_DEPTH, NOT_JSON, Object, Repr, Value, nodes, replace_invalid, text};
use crate::format::fault::Result;
use crate::format::rawjson;

/// Texts of this size stay text; the nodes of a smaller text take one or two megabytes at most. In tests the bounds are small, so that
/// their texts are read both ways.
pub(super) const LARGE: usize = if cfg!(test) { 40 } else { 128 << 10 };
/// Maximum members of a large object that are listed, so that its text is not searched from the start for each name.
const LISTED: usize = if cfg!(test) { 3 } else { 256 };

/// A value as text, without space around it, and the arena for what is made of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    text: &'a [u8],
    arena: &'a Bump,
}

/// Parses a record as [`super::document`] does.
pub(super) fn parse<'a>(arena: &'a Bump, text: &'a [u8]) -> Result<Document<'a>> {
    let text = match std::str::from_utf8(text) {
        Ok(_) => text,
        Err(_) => arena.alloc_slice_copy(replace_invalid(text).as_bytes()),
    };
    let escapes = [&b"\\ud"[..], b"\\uD"].iter().any(|escape| memchr::memmem::find(text, escape).is_some());
    let text = if escapes { arena.alloc_slice_copy(&text::paired_surrogates(text)) } else { text };
    if rawjson::depth(text) > MAX_DEPTH || serde_json::from_slice::<IgnoredAny>(text).is_err() {
        return Err(NOT_JSON);
    }
    let value = Text { text: text.trim_ascii(), arena };
    Ok(Document { text, root: Value(Repr::Text(value)).object()? })
}

fn parsed<'a>(arena: &'a Bump, text: &[u8]) -> Option<&'a [Node<'a>]> {
    nodes(arena, text).or_else(|| nodes(arena, &text::numbers_in_range(&text::paired_surrogates(text))))
}

impl<'a> Text<'a> {
    fn part(self, text: &'a [u8]) -> Self {
        Text { text, ..self }
    }

    /// Whether it must not be turned into nodes as a whole.
    pub fn is_large(self) -> bool {
        self.text.len() >= LARGE
    }

    pub fn within<'b>(self, arena: &'b Bump) -> Text<'b>
    where
        'a: 'b,
    {
        Text { text: self.text, arena }
    }

    /// Nodes of a value that is not large, or of a string or number of any length.
    pub fn nodes(self) -> Option<&'a [Node<'a>]> {
        if self.is_large() && matches!(self.text.first(), Some(b'{' | b'[')) {
            return None;
        }
        parsed(self.arena, self.text)
    }

    /// A name, given the text between its quotes.
    fn name(self) -> Option<&'a str> {
        if memchr::memchr(b'\\', self.text).is_none() {
            return std::str::from_utf8(self.text).ok();
        }
        match parsed(self.arena, &[b"\"", self.text, b"\""].concat())? {
            [Node::String(name)] => Some(name),
            _ => None,
        }
    }

    /// A string without escapes.
    pub fn plain(self) -> Option<&'a str> {
        let inside = self.text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let plain = memchr::memchr(b'\\', inside).is_none();
        plain.then(|| std::str::from_utf8(inside).ok()).flatten()
    }

    /// An integer.
    pub fn integer(self) -> Option<u64> {
        rawjson::integer(self.text)
    }

    /// A large object; its members are listed if they are few.
    pub fn object(self) -> Option<Object<'a>> {
        let members = Members { text: self, members: rawjson::Members::of(self.text)? };
        if members.members.take(LISTED.saturating_add(1)).count() > LISTED {
            return Some(Object(super::Members(Kept::Text(members))));
        }
        let listed: Vec<_> = members.collect();
        Some(Object(super::Members(Kept::Listed(self.arena.alloc_slice_copy(&listed)))))
    }

    pub fn elements(self) -> Option<Elements<'a>> {
        rawjson::Elements::of(self.text).map(|elements| Elements { text: self, elements })
    }
}

/// Members of a large object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Members<'a> {
    text: Text<'a>,
    members: rawjson::Members<'a>,
}

impl<'a> Members<'a> {
    pub fn len(&self) -> usize {
        self.members.count()
    }

    /// Position and value of the last member of this name. The others are not parsed.
    pub fn position(self, name: &str) -> Option<(usize, Value<'a>)> {
        let mut scratch = Bump::new();
        let mut named = |own: &[u8]| {
            scratch.reset();
            let own = Text { text: own, arena: &scratch }.name();
            own.is_some_and(|own| own.eq_ignore_ascii_case(name))
        };
        let found = self.members.enumerate().filter(|(_, (own, _))| named(own)).last();
        found.map(|(at, (_, value))| (at, Value(Repr::Text(self.text.part(value)))))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.members.next()?;
        Some((self.text.part(name).name()?, Value(Repr::Text(self.text.part(value)))))
    }
}

/// Elements of a large array.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elements<'a> {
    text: Text<'a>,
    elements: rawjson::Elements<'a>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.elements.next().map(|element| Value(Repr::Text(self.text.part(element))))
    }
}
