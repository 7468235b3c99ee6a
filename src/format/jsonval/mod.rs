//! JSON records as the server reads them (`s3.md` §2); SQS and S3 share it.
//!
//! * Names match without regard to ASCII case, the last of several members counts, unknown ones are ignored.
//! * `null` and an absent member are the zero value; any other value must have the right type.
//! * An integer must be written as one (`1e2` is wrong) and be in range. A number that no float holds (`1e400`) is wrong only
//!   where it is read.
//! * Bytes that are not UTF-8 and surrogates without their pair read as U+FFFD.
//!
//! The text is copied into an arena and parsed there into a flat list of nodes, so that strings are borrowed, deep
//! nesting costs no stack and nothing has to be dropped.

mod text;

use std::cell::RefCell;

use base64::Engine as _;
use bumpalo::Bump;
use simd_json::{Buffers, INPUT_PADDING, Node, StaticNode, Tape};

pub use text::replace_invalid;

use super::b64::LENIENT;
use super::fault::{Fault, OrFault, Result};

/// How deep the server lets objects and arrays nest.
const MAX_DEPTH: usize = 10_000;

const NOT_JSON: Fault = Fault::Value("it is not JSON");
const NOT_OBJECT: Fault = Fault::Value("the record, or a member that must be an object, is none");
const NOT_ARRAY: Fault = Fault::Value("a member that must be an array is none");
const NOT_STRING: Fault = Fault::Value("a member that must be a string is none");
const NOT_BOOL: Fault = Fault::Value("a member that must be true or false is neither");
const NOT_NUMBER: Fault = Fault::Value("a member that must be a number is none");
const NOT_UNSIGNED: Fault = Fault::Value("a member that must be an unsigned integer is none, or is out of range");
const NOT_INTEGER: Fault = Fault::Value("a member that must be an integer is none, or is out of range");
const NOT_BASE64: Fault = Fault::Value("a member is not standard base64 with padding");

/// A record whose text may be needed as well.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// The text, as stored; only bytes that are not UTF-8 are replaced.
    pub text: &'a [u8],
    /// What it says.
    pub root: Object<'a>,
}

/// The members of an object, repeated ones included.
#[derive(Debug, Clone, Copy, Default)]
pub struct Object<'a> {
    nodes: &'a [Node<'a>],
}

/// Any value.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    nodes: &'a [Node<'a>],
}

/// Parses a record: an object, or `null` for one without members. Nothing but white space may follow.
pub fn parse<'a>(arena: &'a Bump, text: &[u8]) -> Result<Object<'a>> {
    match nodes(arena, text) {
        Some(nodes) => Value { nodes }.object(),
        None => parse_document(arena, text).map(|d| d.root),
    }
}

/// Parses a record and keeps its text, for values that must be copied as they stand.
pub fn document<'a>(arena: &'a Bump, text: &'a [u8]) -> Result<Document<'a>> {
    match nodes(arena, text) {
        Some(nodes) => Ok(Document { text, root: Value { nodes }.object()? }),
        None => parse_document(arena, text),
    }
}

/// The slow way, for text that the fast parser rejects: repairs what the server would repair.
#[cold]
fn parse_document<'a>(arena: &'a Bump, text: &[u8]) -> Result<Document<'a>> {
    let text = &*arena.alloc_slice_copy(&text::paired_surrogates(replace_invalid(text).as_bytes()));
    let nodes = nodes(arena, &text::numbers_in_range(text)).ok_or(NOT_JSON)?;
    Ok(Document { text, root: Value { nodes }.object()? })
}

/// What the parser needs beside its input; kept, because a snapshot has millions of records.
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

/// Takes the first value off `nodes`.
fn take<'a>(nodes: &mut &'a [Node<'a>]) -> Option<Value<'a>> {
    let (value, rest) = nodes.split_at_checked(width(nodes.first()?))?;
    *nodes = rest;
    Some(Value { nodes: value })
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
    pub fn members(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        let mut nodes = self.nodes;
        std::iter::from_fn(move || match take(&mut nodes)?.nodes {
            [Node::String(name)] => Some((*name, take(&mut nodes)?)),
            _ => None,
        })
    }

    /// Place (counted from 0) and value of the last member of this name.
    pub fn position(&self, name: &str) -> Option<(usize, Value<'a>)> {
        let named = |(_, (own, _)): &(usize, (&str, Value<'a>))| own.eq_ignore_ascii_case(name);
        self.members().enumerate().filter(named).last().map(|(at, (_, value))| (at, value))
    }

    /// The last member of this name.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.position(name).map(|(_, value)| value)
    }

    /// A map from string to string: names as they are, sorted, the last of equal ones kept.
    pub fn string_map(&self, arena: &'a Bump) -> Result<&'a [(&'a str, &'a str)]> {
        let pairs = self.members().map(|(name, value)| Ok((name, value.str()?)));
        Ok(arena.alloc_slice_copy(&last_of_each_name(pairs.collect::<Result<_>>()?)))
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Bytes in standard base64; empty when absent.
    pub fn base64(&self, arena: &'a Bump, name: &str) -> Result<&'a [u8]> {
        self.get(name).map_or(Ok(&[]), |value| value.base64(arena))
    }
}

/// The elements of an array; iterates over them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Array<'a> {
    len: usize,
    nodes: &'a [Node<'a>],
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
        take(&mut self.nodes)
    }
}

impl<'a> Value<'a> {
    /// A string; `null` is empty.
    pub fn str(self) -> Result<&'a str> {
        match self.nodes {
            [Node::String(text)] => Ok(text),
            [Node::Static(StaticNode::Null)] => Ok(""),
            _ => Err(NOT_STRING),
        }
    }

    /// An unsigned integer; `null` is 0.
    pub fn u64(self) -> Result<u64> {
        let number = match self.nodes {
            [Node::Static(StaticNode::U64(n))] => Some(*n),
            [Node::Static(StaticNode::I64(n))] => u64::try_from(*n).ok(),
            [Node::Static(StaticNode::Null)] => Some(0),
            _ => None,
        };
        number.ok_or(NOT_UNSIGNED)
    }

    /// An unsigned integer of 32 bits; `null` is 0.
    pub fn u32(self) -> Result<u32> {
        u32::try_from(self.u64()?).ok().or_value("a member is over 2^32-1")
    }

    /// A signed integer; `null` is 0.
    pub fn i64(self) -> Result<i64> {
        let number = match self.nodes {
            [Node::Static(StaticNode::I64(n))] => Some(*n),
            [Node::Static(StaticNode::U64(n))] => i64::try_from(*n).ok(),
            [Node::Static(StaticNode::Null)] => Some(0),
            _ => None,
        };
        number.ok_or(NOT_INTEGER)
    }

    /// Any number; `null` is 0.
    pub fn f64(self) -> Result<f64> {
        match self.nodes {
            [Node::Static(StaticNode::F64(x))] if *x != text::OUT_OF_RANGE => Ok(*x),
            [Node::Static(StaticNode::I64(n))] => Ok(*n as f64),
            [Node::Static(StaticNode::U64(n))] => Ok(*n as f64),
            [Node::Static(StaticNode::Null)] => Ok(0.0),
            _ => Err(NOT_NUMBER),
        }
    }

    /// `true` or `false`; `null` is `false`.
    pub fn bool(self) -> Result<bool> {
        match self.nodes {
            [Node::Static(StaticNode::Bool(b))] => Ok(*b),
            [Node::Static(StaticNode::Null)] => Ok(false),
            _ => Err(NOT_BOOL),
        }
    }

    /// An object; `null` has no members.
    pub fn object(self) -> Result<Object<'a>> {
        match self.nodes {
            [Node::Object { .. }, nodes @ ..] => Ok(Object { nodes }),
            [Node::Static(StaticNode::Null)] => Ok(Object::default()),
            _ => Err(NOT_OBJECT),
        }
    }

    /// An array; `null` has no elements.
    pub fn array(self) -> Result<Array<'a>> {
        match self.nodes {
            [Node::Array { len, .. }, nodes @ ..] => Ok(Array { len: *len, nodes }),
            [Node::Static(StaticNode::Null)] => Ok(Array::default()),
            _ => Err(NOT_ARRAY),
        }
    }

    /// Bytes in standard base64 with padding; line ends between the letters do not count. `null` is empty.
    pub fn base64(self, arena: &'a Bump) -> Result<&'a [u8]> {
        let text = self.str()?.as_bytes();
        match memchr::memchr2(b'\r', b'\n', text) {
            None => decode_base64(arena, text),
            Some(_) => {
                let letters: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
                decode_base64(arena, &letters)
            }
        }
    }
}

/// Sorts what a map holds by name and keeps the last of each name.
pub fn last_of_each_name<T>(mut members: Vec<(&str, T)>) -> Vec<(&str, T)> {
    members.sort_by_key(|(name, _)| *name);
    members.reverse();
    members.dedup_by_key(|(name, _)| *name);
    members.reverse();
    members
}

/// Decodes a text in standard base64 with padding.
pub fn decode_base64<'a>(arena: &'a Bump, text: &[u8]) -> Result<&'a [u8]> {
    let room = arena.alloc_slice_fill_copy(base64::decoded_len_estimate(text.len()), 0);
    let len = LENIENT.decode_slice(text, room).ok();
    len.and_then(|len| room.get(..len)).ok_or(NOT_BASE64)
}

#[cfg(test)]
mod tests;
