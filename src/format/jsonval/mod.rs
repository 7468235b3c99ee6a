//! JSON records as the server reads them (`s3.md` §2); SQS and S3 share it.
//!
//! * Names match without regard to ASCII case, the last of several members counts, unknown ones are ignored.
//! * `null` and an absent member are the zero value; any other value must have the right type.
//! * An integer must be written as one (`1e2` is wrong) and be in range. A number that does not fit a float (`1e400`) is wrong only
//!   if it is read.
//! * Bytes that are not UTF-8, and surrogates without their pair, are read as U+FFFD.
//!
//! The text is copied into an arena and parsed there into a flat list of nodes, so that strings are borrowed, deep nesting costs no stack
//! and nothing has to be dropped. A node takes 24 bytes and represents at least two bytes of text. So a large text is not turned into
//! nodes: it is checked, and stays text until a part of it is needed (`large.rs`).

mod large;
mod text;
mod value;

use std::cell::RefCell;

use bumpalo::Bump;
use simd_json::{Buffers, INPUT_PADDING, Node, Tape};

pub use text::replace_invalid;
pub use value::decode_base64;

use large::Text;

use super::fault::{Fault, Result};

/// Maximum nesting of objects and arrays in the server.
const MAX_DEPTH: usize = 10_000;

const NOT_JSON: Fault = Fault::Value("it is not JSON");
const NOT_OBJECT: Fault = Fault::Value("the record, or a member that must be an object, is not an object");
const NOT_ARRAY: Fault = Fault::Value("a member that must be an array is not an array");

/// A record whose text may be needed as well.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// The text, as stored; only bytes that are not UTF-8 are replaced.
    pub text: &'a [u8],
    /// The parsed record.
    pub root: Object<'a>,
}

/// The members of an object, repeated ones included.
#[derive(Debug, Clone, Copy, Default)]
pub struct Object<'a>(Members<'a>);

/// Any value.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a>(Repr<'a>);

/// How a value is stored.
#[derive(Debug, Clone, Copy)]
enum Repr<'a> {
    Nodes(&'a [Node<'a>]),
    /// Text that has been checked.
    Text(Text<'a>),
}

/// Parses a record: an object, or `null` for one without members. Nothing but white space may follow.
pub fn parse<'a>(arena: &'a Bump, text: &[u8]) -> Result<Object<'a>> {
    if text.len() >= large::LARGE {
        return large::parse(arena, arena.alloc_slice_copy(text)).map(|d| d.root);
    }
    match nodes(arena, text) {
        Some(nodes) => Value(Repr::Nodes(nodes)).object(),
        None => parse_document(arena, text).map(|d| d.root),
    }
}

/// Parses a record and keeps its text, for values that must be copied unchanged.
pub fn document<'a>(arena: &'a Bump, text: &'a [u8]) -> Result<Document<'a>> {
    if text.len() >= large::LARGE {
        return large::parse(arena, text);
    }
    match nodes(arena, text) {
        Some(nodes) => Ok(Document { text, root: Value(Repr::Nodes(nodes)).object()? }),
        None => parse_document(arena, text),
    }
}

/// The slow way, for text that the fast parser rejects: repairs what the server also accepts.
#[cold]
fn parse_document<'a>(arena: &'a Bump, text: &[u8]) -> Result<Document<'a>> {
    let text = &*arena.alloc_slice_copy(&text::paired_surrogates(replace_invalid(text).as_bytes()));
    let nodes = nodes(arena, &text::numbers_in_range(text)).ok_or(NOT_JSON)?;
    Ok(Document { text, root: Value(Repr::Nodes(nodes)).object()? })
}

/// What the parser needs in addition to its input; kept, because a snapshot has millions of records.
struct Scratch {
    buffers: Buffers,
    tape: Tape<'static>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch { buffers: Buffers::with_max_depth(0, MAX_DEPTH), tape: Tape(Vec::new()) });
}

/// Copies `text` into the arena and parses it there: the parser unescapes in place.
fn nodes<'a>(arena: &'a Bump, text: &[u8]) -> Option<&'a [Node<'a>]> {
    let copy = arena.alloc_slice_fill_copy(text.len().checked_add(INPUT_PADDING)?, b' ');
    copy.get_mut(..text.len())?.copy_from_slice(text);
    SCRATCH.with_borrow_mut(|scratch| {
        let mut tape = std::mem::replace(&mut scratch.tape, Tape(Vec::new())).reset();
        let parsed = simd_json::fill_tape_padded(copy, text.len(), &mut scratch.buffers, &mut tape);
        let nodes: Option<&[Node<'a>]> = parsed.is_ok().then(|| &*arena.alloc_slice_copy(&tape.0));
        scratch.tape = tape.reset();
        nodes
    })
}

/// How many nodes the value at `node` takes.
fn width(node: &Node<'_>) -> usize {
    match node {
        Node::Object { count, .. } | Node::Array { count, .. } => count.saturating_add(1),
        _ => 1,
    }
}

/// Removes the first value from `nodes`.
fn take<'a>(nodes: &mut &'a [Node<'a>]) -> Option<Value<'a>> {
    let (value, rest) = nodes.split_at_checked(width(nodes.first()?))?;
    *nodes = rest;
    Some(Value(Repr::Nodes(value)))
}

/// [`Object::position`] among nodes: most look-ups are in small objects, each of which is searched many times.
#[inline]
fn position_in<'a>(mut nodes: &'a [Node<'a>], name: &str) -> Option<(usize, Value<'a>)> {
    let (mut found, mut at) = (None, 0usize);
    while let [Node::String(own), rest @ ..] = nodes {
        let (value, behind) = rest.split_at_checked(width(rest.first()?))?;
        if own.eq_ignore_ascii_case(name) {
            found = Some((at, value));
        }
        (nodes, at) = (behind, at.wrapping_add(1));
    }
    found.map(|(at, value)| (at, Value(Repr::Nodes(value))))
}

macro_rules! typed_members {
    ($($(#[$doc:meta])* $name:ident -> $type:ty;)*) => {
        impl<'a> Object<'a> {
            $($(#[$doc])*
            pub fn $name(&self, name: &str) -> Result<$type> {
                self.get(name).map_or(Ok(Default::default()), |value| value.$name())
            })*
        }
    };
}

typed_members! {
    /// A string; empty when absent.
    str -> &'a str;
    /// An unsigned integer; 0 when absent.
    u64 -> u64;
    /// An unsigned integer of 32 bits; 0 when absent.
    u32 -> u32;
    /// A signed integer; 0 when absent.
    i64 -> i64;
    /// Any number; 0 when absent.
    f64 -> f64;
    /// `true` or `false`; `false` when absent.
    bool -> bool;
    /// An object; without members when absent.
    object -> Object<'a>;
    /// An array; without elements when absent.
    array -> Array<'a>;
}

impl<'a> Object<'a> {
    /// The members in their order, repeated ones included.
    pub const fn members(&self) -> Members<'a> {
        self.0
    }

    /// Position (counted from 0) and value of the last member of this name.
    pub fn position(&self, name: &str) -> Option<(usize, Value<'a>)> {
        match &self.0.0 {
            Kept::Nodes(nodes) => position_in(nodes, name),
            Kept::Text(members) => members.position(name),
            Kept::Listed(members) => {
                let at = members.iter().rposition(|(own, _)| own.eq_ignore_ascii_case(name))?;
                members.get(at).map(|(_, value)| (at, *value))
            }
        }
    }

    /// The last member of this name.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.position(name).map(|(_, value)| value)
    }

    /// A map from string to string: names unchanged and sorted, the last of equal ones kept.
    pub fn string_map(&self, arena: &'a Bump) -> Result<&'a [(&'a str, &'a str)]> {
        self.map(arena, |value| value.str())
    }

    /// A map: names unchanged and sorted, the last of equal ones kept.
    pub fn map<T: Copy>(
        &self,
        arena: &'a Bump,
        mut convert: impl FnMut(Value<'a>) -> Result<T>,
    ) -> Result<&'a [(&'a str, T)]> {
        let mut members = self.members();
        let mut next = |_| members.next().ok_or(NOT_OBJECT).and_then(|(name, value)| Ok((name, convert(value)?)));
        // Allocated in its final size: a list that grows would take twice as much.
        let all = arena.alloc_slice_try_fill_with(self.members().len(), &mut next)?;
        let many = last_of_each_name(all);
        Ok(all.get(..many).unwrap_or_default())
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.members().is_empty()
    }

    /// Bytes in standard base64; empty when absent.
    pub fn base64(&self, arena: &'a Bump, name: &str) -> Result<&'a [u8]> {
        self.get(name).map_or(Ok(&[]), |value| value.base64(arena))
    }
}

/// The members of an object, in their order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Members<'a>(Kept<'a>);

/// The rest of an object.
#[derive(Debug, Clone, Copy)]
enum Kept<'a> {
    Nodes(&'a [Node<'a>]),
    /// Of a large object with few members.
    Listed(&'a [(&'a str, Value<'a>)]),
    Text(large::Members<'a>),
}

impl Default for Kept<'_> {
    fn default() -> Self {
        Kept::Nodes(&[])
    }
}

impl Members<'_> {
    /// How many members are left.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::Nodes(_) => self.count(),
            Kept::Listed(members) => members.len(),
            Kept::Text(members) => members.len(),
        }
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Kept::Nodes(nodes) => nodes.is_empty(),
            Kept::Listed(members) => members.is_empty(),
            Kept::Text(members) => members.clone().next().is_none(),
        }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Kept::Nodes(nodes) => match take(nodes)?.0 {
                Repr::Nodes([Node::String(name)]) => Some((*name, take(nodes)?)),
                _ => None,
            },
            Kept::Listed(members) => {
                let (first, rest) = members.split_first()?;
                *members = rest;
                Some(*first)
            }
            Kept::Text(members) => members.next(),
        }
    }
}

/// The elements of an array; iterates over them.
#[derive(Debug, Clone, Copy)]
pub struct Array<'a> {
    len: usize,
    parts: Parts<'a>,
}

/// The rest of an array.
#[derive(Debug, Clone, Copy)]
enum Parts<'a> {
    Nodes(&'a [Node<'a>]),
    Text(large::Elements<'a>),
}

impl Default for Array<'_> {
    fn default() -> Self {
        Array { len: 0, parts: Parts::Nodes(&[]) }
    }
}

impl<'a> Array<'a> {
    /// How many elements it has.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there may be so many elements that the memory kept per element matters.
    pub const fn is_large(&self) -> bool {
        matches!(self.parts, Parts::Text(_))
    }

    /// Converts every element and keeps the results in the arena.
    pub fn collect_in<T: Copy>(self, arena: &'a Bump, convert: impl Fn(Value<'a>) -> Result<T>) -> Result<&'a [T]> {
        let mut elements = self;
        let next = |_| elements.next().ok_or(NOT_ARRAY).and_then(&convert);
        Ok(arena.alloc_slice_try_fill_with(self.len, next)?)
    }
}

impl<'a> Iterator for Array<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        match &mut self.parts {
            Parts::Nodes(nodes) => take(nodes),
            Parts::Text(text) => text.next(),
        }
    }
}

/// Sorts the members of a map by name and moves the last of each name to the front; returns the number of names.
fn last_of_each_name<T: Copy>(members: &mut [(&str, T)]) -> usize {
    // A stable sort keeps the last of equal ones last, and costs nothing for sorted members.
    members.sort_by_key(|(name, _)| *name);
    let mut kept = 0_usize;
    for at in 0..members.len() {
        let Some(member) = members.get(at).copied() else { break };
        let before = kept.checked_sub(1).and_then(|last| members.get(last));
        let place = if before.is_some_and(|(name, _)| *name == member.0) { kept.saturating_sub(1) } else { kept };
        if let Some(slot) = members.get_mut(place) {
            *slot = member;
        }
        kept = place.saturating_add(1);
    }
    kept
}

#[cfg(test)]
mod tests;
