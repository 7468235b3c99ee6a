//! JSON values as the server's decoder reads them (`s3.md` §2).
//!
//! Member names match without regard to ASCII case, unknown members are ignored, the last of several equal members
//! counts, `null` and absence give the zero value, integers must be written as integers in range. Invalid UTF-8 and
//! lone surrogates read as U+FFFD. The parsed form is a flat tape in an arena: no nesting can overflow the stack.

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bumpalo::Bump;
use simd_json::{Buffers, Node, StaticNode};

use super::fault::{Fault, OrFault, Result};

/// Deepest nesting that the server's decoder accepts.
const MAX_DEPTH: usize = 10_000;

const NOT_JSON: Fault = Fault::Value("it is not valid JSON");
const NOT_OBJECT: Fault = Fault::Value("its JSON has something else where an object must stand");
const NOT_ARRAY: Fault = Fault::Value("its JSON has something else where an array must stand");
const NOT_STRING: Fault = Fault::Value("its JSON has something else where a string must stand");
const NOT_BOOL: Fault = Fault::Value("its JSON has something else where true or false must stand");
const NOT_INTEGER: Fault = Fault::Value("its JSON has something else where an integer in range must stand");
const NOT_BASE64: Fault = Fault::Value("its JSON has a string that is not base64");

thread_local! {
    /// Scratch space of the parser, reused from value to value.
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers::with_max_depth(4096, MAX_DEPTH));
}

/// Parses a value that must be one object or `null` (an empty object), with nothing but white space around it.
///
/// Strings and the tape live in `arena`. A number beyond the range of a double is refused even in an unknown member.
pub fn parse<'a>(arena: &'a Bump, value: &[u8]) -> Result<Object<'a>> {
    let text = copy_text(arena, value);
    let tape = BUFFERS.with_borrow_mut(|buffers| simd_json::to_tape_with_buffers(text, buffers));
    let nodes = &*arena.alloc_slice_copy(&tape.map_err(|_| NOT_JSON)?.0);
    Value(nodes).object()
}

/// A copy that the parser may write to, made valid UTF-8 and free of lone surrogates.
fn copy_text<'a>(arena: &'a Bump, value: &[u8]) -> &'a mut [u8] {
    let text = match std::str::from_utf8(value) {
        Ok(_) => arena.alloc_slice_copy(value),
        Err(_) => arena.alloc_slice_copy(replace_invalid(value).as_bytes()),
    };
    mend_surrogates(text);
    text
}

/// Every byte that is not part of UTF-8 becomes one U+FFFD (a lossy conversion of the library takes fewer).
pub fn replace_invalid(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    out
}

/// Overwrites the digits of every `\uD8xx` or `\uDCxx` escape that has no partner with `fffd`.
fn mend_surrogates(mut rest: &mut [u8]) {
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (_, escape) = rest.split_at_mut(at);
        let skip = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(0xd8), Some(0xdc)) => 12,
            (Some(_), _) => {
                mend(escape);
                6
            }
            (None, _) => 2,
        };
        rest = escape.get_mut(skip..).unwrap_or_default();
    }
}

/// `D8` or `DC` when an escape of a high or a low surrogate stands at the start.
fn surrogate(text: &[u8]) -> Option<u8> {
    match text {
        [b'\\', b'u', b'd' | b'D', second, third, fourth, ..]
            if third.is_ascii_hexdigit() && fourth.is_ascii_hexdigit() =>
        {
            match second {
                b'8' | b'9' | b'a' | b'b' | b'A' | b'B' => Some(0xd8),
                b'c'..=b'f' | b'C'..=b'F' => Some(0xdc),
                _ => None,
            }
        }
        _ => None,
    }
}

fn mend(escape: &mut [u8]) {
    if let Some(digits) = escape.get_mut(2..6) {
        digits.copy_from_slice(b"fffd");
    }
}

/// One JSON value: its nodes and those of everything inside it.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a>(&'a [Node<'a>]);

impl<'a> Value<'a> {
    fn node(self) -> Node<'a> {
        self.0.first().copied().unwrap_or(Node::Static(StaticNode::Null))
    }

    fn inner(self) -> &'a [Node<'a>] {
        self.0.get(1..).unwrap_or_default()
    }

    /// A string; `null` is the empty one.
    pub fn str(self) -> Result<&'a str> {
        match self.node() {
            Node::String(text) => Ok(text),
            Node::Static(StaticNode::Null) => Ok(""),
            _ => Err(NOT_STRING),
        }
    }

    /// An unsigned integer; `null` is 0.
    pub fn u64(self) -> Result<u64> {
        match self.node() {
            Node::Static(StaticNode::U64(n)) => Ok(n),
            Node::Static(StaticNode::I64(n)) => u64::try_from(n).map_err(|_| NOT_INTEGER),
            Node::Static(StaticNode::Null) => Ok(0),
            _ => Err(NOT_INTEGER),
        }
    }

    /// A signed integer; `null` is 0.
    pub fn i64(self) -> Result<i64> {
        match self.node() {
            Node::Static(StaticNode::U64(n)) => i64::try_from(n).map_err(|_| NOT_INTEGER),
            Node::Static(StaticNode::I64(n)) => Ok(n),
            Node::Static(StaticNode::Null) => Ok(0),
            _ => Err(NOT_INTEGER),
        }
    }

    /// A truth value; `null` is false.
    pub fn bool(self) -> Result<bool> {
        match self.node() {
            Node::Static(StaticNode::Bool(b)) => Ok(b),
            Node::Static(StaticNode::Null) => Ok(false),
            _ => Err(NOT_BOOL),
        }
    }

    /// An object; `null` has no members.
    pub fn object(self) -> Result<Object<'a>> {
        match self.node() {
            Node::Object { .. } => Ok(Object { members: self.inner() }),
            Node::Static(StaticNode::Null) => Ok(Object::default()),
            _ => Err(NOT_OBJECT),
        }
    }

    /// An array; `null` has no elements.
    pub fn array(self) -> Result<Array<'a>> {
        match self.node() {
            Node::Array { len, .. } => Ok(Array { len, rest: self.inner() }),
            Node::Static(StaticNode::Null) => Ok(Array::default()),
            _ => Err(NOT_ARRAY),
        }
    }

    /// Bytes as standard base64 with padding, line ends ignored; `null` is none.
    pub fn bytes_base64(self, arena: &'a Bump) -> Result<&'a [u8]> {
        let text = self.str()?.as_bytes();
        let packed: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
        let bytes = STANDARD.decode(packed).map_err(|_| NOT_BASE64)?;
        Ok(arena.alloc_slice_copy(&bytes))
    }
}

/// Takes the first value off a run of nodes.
fn next_value<'a>(rest: &mut &'a [Node<'a>]) -> Option<Value<'a>> {
    let inside = match rest.first()? {
        Node::Object { count, .. } | Node::Array { count, .. } => *count,
        _ => 0,
    };
    let (value, after) = rest.split_at_checked(inside.checked_add(1)?)?;
    *rest = after;
    Some(Value(value))
}

/// A JSON object.
#[derive(Debug, Clone, Copy, Default)]
pub struct Object<'a> {
    members: &'a [Node<'a>],
}

macro_rules! member {
    ($($(#[$doc:meta])* $name:ident $type:ty;)*) => {
        $($(#[$doc])*
        pub fn $name(self, name: &str) -> Result<$type> {
            self.get(name).map_or_else(|| Ok(Default::default()), Value::$name)
        })*
    };
}

impl<'a> Object<'a> {
    /// All members in the order of the text, repeated ones included.
    pub fn members(self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let mut rest = self.members;
        std::iter::from_fn(move || {
            let name = next_value(&mut rest)?.str().ok()?;
            Some((name, next_value(&mut rest)?))
        })
    }

    /// The last member whose name matches without regard to ASCII case.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        self.members().filter(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value).last()
    }

    member! {
        /// A member's string, empty when absent.
        str &'a str;
        /// A member's unsigned integer, 0 when absent.
        u64 u64;
        /// A member's signed integer, 0 when absent.
        i64 i64;
        /// A member's truth value, false when absent.
        bool bool;
        /// A member's object, empty when absent.
        object Object<'a>;
        /// A member's array, empty when absent.
        array Array<'a>;
    }

    /// A member's bytes, written as base64; none when absent.
    pub fn bytes_base64(self, name: &str, arena: &'a Bump) -> Result<&'a [u8]> {
        self.get(name).map_or(Ok(&[]), |value| value.bytes_base64(arena))
    }

    /// A map from string to string: names as they are, sorted by their bytes, the last of equal ones kept.
    pub fn string_map(self, arena: &'a Bump) -> Result<&'a [(&'a str, &'a str)]> {
        let pairs = self.members().map(|(name, value)| Ok((name, value.str()?)));
        let mut pairs = pairs.collect::<Result<Vec<_>>>()?;
        pairs.sort_by_key(|(name, _)| *name);
        pairs.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 = later.1;
            }
            same
        });
        Ok(arena.alloc_slice_copy(&pairs))
    }
}

/// A JSON array; iterates over its elements.
#[derive(Debug, Clone, Copy, Default)]
pub struct Array<'a> {
    len: usize,
    rest: &'a [Node<'a>],
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
        let next = |_| elements.next().or_value("its JSON array is broken").and_then(&convert);
        Ok(arena.alloc_slice_try_fill_with(self.len, next)?)
    }
}

impl<'a> Iterator for Array<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        next_value(&mut self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(text: impl AsRef<[u8]>, check: impl FnOnce(Result<Object<'_>>) -> T) -> T {
        check(parse(&Bump::new(), text.as_ref()))
    }

    #[test]
    fn members_of_every_kind() {
        let text = br#" {"S":"a","s":"b\n","n":7,"m":-7,"t":true,"o":{"x":{"y":[1]},"z":2},"a":[1,null,[2,[3]],4],
            "z":null,"max":18446744073709551615,"big":99999999999999999999999,"b":"AQ\nI="} "#;
        let arena = Bump::new();
        let o = parse(&arena, text).unwrap();
        assert_eq!(o.str("S"), Ok("b\n"));
        assert_eq!((o.u64("N"), o.i64("n"), o.i64("m")), (Ok(7), Ok(7), Ok(-7)));
        assert_eq!((o.bool("T"), o.u64("max")), (Ok(true), Ok(u64::MAX)));
        assert_eq!(o.object("o").unwrap().u64("Z"), Ok(2));
        assert_eq!(o.object("o").unwrap().object("x").unwrap().array("y").unwrap().count(), 1);
        let a = o.array("a").unwrap();
        assert_eq!((a.len(), a.count()), (4, 4));
        assert_eq!(o.bytes_base64("b", &arena), Ok(&[1, 2][..]));
        for name in ["z", "absent"] {
            assert_eq!((o.str(name), o.u64(name), o.i64(name), o.bool(name)), (Ok(""), Ok(0), Ok(0), Ok(false)));
            assert_eq!(o.object(name).unwrap().members().count(), 0);
            assert!(o.array(name).unwrap().is_empty());
            assert_eq!(o.bytes_base64(name, &arena), Ok(&[][..]));
        }
    }

    #[test]
    fn wrong_types_are_faults() {
        let arena = Bump::new();
        let o = parse(&arena, br#"{"s":"x","n":7,"m":-1,"f":1.0,"e":1e2,"o":{},"a":[],"big":18446744073709551616}"#);
        let o = o.unwrap();
        for name in ["s", "m", "f", "e", "o", "a", "big"] {
            assert_eq!(o.u64(name), Err(NOT_INTEGER), "{name}");
        }
        assert_eq!((o.i64("f"), o.i64("s")), (Err(NOT_INTEGER), Err(NOT_INTEGER)));
        assert_eq!((o.str("n"), o.bool("n")), (Err(NOT_STRING), Err(NOT_BOOL)));
        assert_eq!((o.object("a").err(), o.array("o").err()), (Some(NOT_OBJECT), Some(NOT_ARRAY)));
        assert_eq!(o.bytes_base64("s", &arena), Err(NOT_BASE64));
    }

    #[test]
    fn what_is_no_object() {
        for text in
            ["", " ", "{", "{}x", "{} {}", "{\"a\":1,}", "[1,]", "{'a':1}", "{\"a\":\"\n\"}", "nul", "{\"a\":01}"]
        {
            assert_eq!(with(text, |o| o.err()), Some(NOT_JSON), "{text}");
        }
        for text in ["[]", "1", "\"x\"", "true"] {
            assert_eq!(with(text, |o| o.err()), Some(NOT_OBJECT), "{text}");
        }
        assert!(with("null", |o| o.is_ok()));
    }

    #[test]
    fn broken_text_is_replaced() {
        for (text, want) in [
            (&b"{\"a\":\"x\xffy\"}"[..], "x\u{fffd}y"),
            (b"{\"a\":\"\xe2\x82\"}", "\u{fffd}\u{fffd}"),
            (br#"{"a":"\ud83d\ude00"}"#, "\u{1f600}"),
            (br#"{"a":"\ud83dx"}"#, "\u{fffd}x"),
            (br#"{"a":"\uDE00"}"#, "\u{fffd}"),
            (br#"{"a":"\ud83d\ud83d\ude00"}"#, "\u{fffd}\u{1f600}"),
            (br#"{"a":"\\ud83d"}"#, "\\ud83d"),
            (br#"{"a":"\ud83d"}"#, "\u{fffd}"),
        ] {
            with(text, |o| assert_eq!(o.unwrap().str("a"), Ok(want), "{}", text.escape_ascii()));
        }
        assert!(with(r#"{"a":"\ud8"}"#, |o| o.is_err()));
    }

    #[test]
    fn deep_nesting_is_no_danger() {
        for depth in [500, 5_000, 200_000] {
            let text = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(with(&text, |o| o.is_ok()), depth < MAX_DEPTH);
            assert!(with("{\"a\":".repeat(depth), |o| o.is_err()));
        }
    }

    #[test]
    fn maps_are_sorted_and_exact() {
        let arena = Bump::new();
        let o = parse(&arena, br#"{"b":"1","A":"2","b":"3","a":null}"#).unwrap();
        assert_eq!(o.string_map(&arena), Ok(&[("A", "2"), ("a", ""), ("b", "3")][..]));
        assert!(parse(&arena, br#"{"b":1}"#).unwrap().string_map(&arena).is_err());
    }
}
