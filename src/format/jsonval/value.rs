//! Conversions of a value: `null` is the zero value of every type.

use base64::Engine as _;
use bumpalo::Bump;
use simd_json::{Node, StaticNode};

use super::{Array, Kept, Members, NOT_ARRAY, NOT_OBJECT, Object, Parts, Repr, Value, text};
use crate::format::b64::LENIENT;
use crate::format::fault::{Fault, OrFault, Result};

pub(super) const NOT_STRING: Fault = Fault::Value("a member that must be a string is not a string");
pub(super) const NOT_BOOL: Fault = Fault::Value("a member that must be true or false is neither");
pub(super) const NOT_NUMBER: Fault = Fault::Value("a member that must be a number is not a number");
pub(super) const NOT_UNSIGNED: Fault =
    Fault::Value("a member that must be an unsigned integer is not one, or is out of range");
pub(super) const NOT_INTEGER: Fault = Fault::Value("a member that must be an integer is not one, or is out of range");
pub(super) const NOT_BASE64: Fault = Fault::Value("a member is not standard base64 with padding");

impl<'a> Value<'a> {
    /// Whether it stays text: then a conversion leaves only its result in the arena.
    pub fn is_large(self) -> bool {
        matches!(self.0, Repr::Text(text) if text.is_large())
    }

    /// The nodes of a value that is not a large object or array.
    #[inline]
    fn nodes(self) -> &'a [Node<'a>] {
        match self.0 {
            Repr::Nodes(nodes) => nodes,
            Repr::Text(text) => text.nodes().unwrap_or_default(),
        }
    }

    /// The same value, with `arena` for what is made of it.
    pub fn within<'b>(self, arena: &'b Bump) -> Value<'b>
    where
        'a: 'b,
    {
        match self.0 {
            Repr::Nodes(nodes) => Value(Repr::Nodes(nodes)),
            Repr::Text(text) => Value(Repr::Text(text.within(arena))),
        }
    }

    /// A string; `null` is empty.
    pub fn str(self) -> Result<&'a str> {
        if let Repr::Text(text) = self.0
            && let Some(plain) = text.plain()
        {
            return Ok(plain);
        }
        match self.nodes() {
            [Node::String(text)] => Ok(text),
            [Node::Static(StaticNode::Null)] => Ok(""),
            _ => Err(NOT_STRING),
        }
    }

    /// An unsigned integer; `null` is 0.
    pub fn u64(self) -> Result<u64> {
        if let Repr::Text(text) = self.0
            && let Some(n) = text.integer()
        {
            return Ok(n);
        }
        let number = match self.nodes() {
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
        let number = match self.nodes() {
            [Node::Static(StaticNode::I64(n))] => Some(*n),
            [Node::Static(StaticNode::U64(n))] => i64::try_from(*n).ok(),
            [Node::Static(StaticNode::Null)] => Some(0),
            _ => None,
        };
        number.ok_or(NOT_INTEGER)
    }

    /// Any number; `null` is 0.
    pub fn f64(self) -> Result<f64> {
        match self.nodes() {
            [Node::Static(StaticNode::F64(x))] if *x != text::OUT_OF_RANGE => Ok(*x),
            [Node::Static(StaticNode::I64(n))] => Ok(*n as f64),
            [Node::Static(StaticNode::U64(n))] => Ok(*n as f64),
            [Node::Static(StaticNode::Null)] => Ok(0.0),
            _ => Err(NOT_NUMBER),
        }
    }

    /// `true` or `false`; `null` is `false`.
    pub fn bool(self) -> Result<bool> {
        match self.nodes() {
            [Node::Static(StaticNode::Bool(b))] => Ok(*b),
            [Node::Static(StaticNode::Null)] => Ok(false),
            _ => Err(NOT_BOOL),
        }
    }

    /// An object; `null` has no members.
    pub fn object(self) -> Result<Object<'a>> {
        if let Repr::Text(text) = self.0
            && text.is_large()
        {
            return text.object().ok_or(NOT_OBJECT);
        }
        match self.nodes() {
            [Node::Object { .. }, nodes @ ..] => Ok(Object(Members(Kept::Nodes(nodes)))),
            [Node::Static(StaticNode::Null)] => Ok(Object::default()),
            _ => Err(NOT_OBJECT),
        }
    }

    /// An array; `null` has no elements.
    pub fn array(self) -> Result<Array<'a>> {
        if let Repr::Text(text) = self.0
            && text.is_large()
        {
            let elements = text.elements().ok_or(NOT_ARRAY)?;
            return Ok(Array { len: elements.count(), parts: Parts::Text(elements) });
        }
        match self.nodes() {
            [Node::Array { len, .. }, nodes @ ..] => Ok(Array { len: *len, parts: Parts::Nodes(nodes) }),
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

/// Decodes a text in standard base64 with padding.
pub fn decode_base64<'a>(arena: &'a Bump, text: &[u8]) -> Result<&'a [u8]> {
    let room = arena.alloc_slice_fill_copy(base64::decoded_len_estimate(text.len()), 0);
    let len = LENIENT.decode_slice(text, room).ok();
    len.and_then(|len| room.get(..len)).ok_or(NOT_BASE64)
}
