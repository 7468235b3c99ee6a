//! JSON records as the server reads them (`s3.md` §2).
//!
//! * Names match without regard to ASCII case, the last of several members counts, unknown ones are ignored.
//! * `null` and an absent member are the zero value; any other value must have the right type.
//! * An integer must be written as one (`1e2` is wrong) and be in range.
//! * Bytes that are not UTF-8 and surrogates without their pair read as U+FFFD.
//!
//! The text is copied into an arena and parsed there into a flat list of nodes, so that strings are borrowed, deep
//! nesting costs no stack and nothing has to be dropped.

use std::borrow::Cow;
use std::cell::RefCell;

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bumpalo::Bump;
use simd_json::{Buffers, INPUT_PADDING, Node, StaticNode, Tape};

use super::fault::{Fault, OrFault, Result};

/// How deep the server lets objects and arrays nest.
const MAX_DEPTH: usize = 10_000;
/// Standard base64 with padding; like the server's, it does not mind bits behind the last byte.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&ALPHABET, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

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
    let text = arena.alloc_slice_copy(&valid_utf8(text));
    let nodes = nodes(arena, &paired_surrogates(text)).or_value("it is not JSON")?;
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

/// The text with every byte that is not UTF-8 replaced by U+FFFD.
fn valid_utf8(text: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(text).is_ok() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        chunk.invalid().iter().for_each(|_| out.extend_from_slice("\u{fffd}".as_bytes()));
    }
    Cow::Owned(out)
}

/// The text with every surrogate escape that has no pair replaced by the escape of U+FFFD.
fn paired_surrogates(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest)
        && let Some((before, escape)) = rest.split_at_checked(at)
    {
        out.extend_from_slice(before);
        let (written, len) = repaired_escape(escape);
        out.extend_from_slice(written);
        rest = escape.get(len..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// What to write for the escape at the start of `text`, and how many bytes it takes there.
fn repaired_escape(text: &[u8]) -> (&[u8], usize) {
    let as_is = |len: usize| (text.get(..len).unwrap_or(text), len);
    match (surrogate(text), text.get(6..).and_then(surrogate)) {
        (None, _) => as_is(2),
        (Some(true), Some(false)) => as_is(12),
        (Some(_), _) => (b"\\ufffd", 6),
    }
}

/// Whether the escape at the start of `text` is a high (`true`) or a low surrogate.
fn surrogate(text: &[u8]) -> Option<bool> {
    match text {
        [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'A' | b'b' | b'B', ..] => Some(true),
        [b'\\', b'u', b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', ..] => Some(false),
        _ => None,
    }
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

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The elements of an array; none when absent.
    pub fn array(&self, name: &str) -> Result<impl Iterator<Item = Value<'a>> + use<'a>> {
        let mut nodes = self.get(name).map_or(Ok(&[][..]), |value| value.elements())?;
        Ok(std::iter::from_fn(move || take(&mut nodes)))
    }

    /// Bytes in standard base64; empty when absent.
    pub fn base64(&self, arena: &'a Bump, name: &str) -> Result<&'a [u8]> {
        self.get(name).map_or(Ok(&[]), |value| value.base64(arena))
    }
}

impl<'a> Value<'a> {
    /// A string; `null` is empty.
    pub fn str(&self) -> Result<&'a str> {
        match self.nodes {
            [Node::String(text)] => Ok(text),
            [Node::Static(StaticNode::Null)] => Ok(""),
            _ => Err(Fault::Value("a member that must be a string is none")),
        }
    }

    /// An unsigned integer; `null` is 0.
    pub fn u64(&self) -> Result<u64> {
        let number = match self.nodes {
            [Node::Static(StaticNode::U64(n))] => Some(*n),
            [Node::Static(StaticNode::I64(n))] => u64::try_from(*n).ok(),
            [Node::Static(StaticNode::Null)] => Some(0),
            _ => None,
        };
        number.or_value("a member that must be an unsigned integer is none, or is out of range")
    }

    /// An unsigned integer of 32 bits; `null` is 0.
    pub fn u32(&self) -> Result<u32> {
        u32::try_from(self.u64()?).ok().or_value("a member is over 2^32-1")
    }

    /// A signed integer; `null` is 0.
    pub fn i64(&self) -> Result<i64> {
        let number = match self.nodes {
            [Node::Static(StaticNode::I64(n))] => Some(*n),
            [Node::Static(StaticNode::U64(n))] => i64::try_from(*n).ok(),
            [Node::Static(StaticNode::Null)] => Some(0),
            _ => None,
        };
        number.or_value("a member that must be an integer is none, or is out of range")
    }

    /// Any number; `null` is 0.
    pub fn f64(&self) -> Result<f64> {
        match self.nodes {
            [Node::Static(StaticNode::F64(x))] => Ok(*x),
            [Node::Static(StaticNode::I64(n))] => Ok(*n as f64),
            [Node::Static(StaticNode::U64(n))] => Ok(*n as f64),
            [Node::Static(StaticNode::Null)] => Ok(0.0),
            _ => Err(Fault::Value("a member that must be a number is none")),
        }
    }

    /// `true` or `false`; `null` is `false`.
    pub fn bool(&self) -> Result<bool> {
        match self.nodes {
            [Node::Static(StaticNode::Bool(b))] => Ok(*b),
            [Node::Static(StaticNode::Null)] => Ok(false),
            _ => Err(Fault::Value("a member that must be true or false is neither")),
        }
    }

    /// An object; `null` has no members.
    pub fn object(&self) -> Result<Object<'a>> {
        match self.nodes {
            [Node::Object { .. }, nodes @ ..] => Ok(Object { nodes }),
            [Node::Static(StaticNode::Null)] => Ok(Object::default()),
            _ => Err(Fault::Value("the record, or a member that must be an object, is none")),
        }
    }

    fn elements(&self) -> Result<&'a [Node<'a>]> {
        match self.nodes {
            [Node::Array { .. }, nodes @ ..] => Ok(nodes),
            [Node::Static(StaticNode::Null)] => Ok(&[]),
            _ => Err(Fault::Value("a member that must be an array is none")),
        }
    }

    /// Bytes in standard base64 with padding; line ends between the letters do not count. `null` is empty.
    pub fn base64(&self, arena: &'a Bump) -> Result<&'a [u8]> {
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

fn decode_base64<'a>(arena: &'a Bump, text: &[u8]) -> Result<&'a [u8]> {
    let room = arena.alloc_slice_fill_copy(base64::decoded_len_estimate(text.len()), 0);
    let len = BASE64.decode_slice(text, room).ok();
    len.and_then(|len| room.get(..len)).or_value("a member is not standard base64 with padding")
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads the member `x` of `{"x":…}` and shows it.
    fn shown<T: std::fmt::Debug>(text: &str, read: impl Fn(&Object<'_>) -> Result<T>) -> String {
        let arena = Bump::new();
        match parse(&arena, text.as_bytes()).and_then(|o| read(&o)) {
            Ok(value) => format!("{value:?}"),
            Err(_) => "error".into(),
        }
    }

    fn check(value: &str, want: [&str; 7]) {
        let text = format!("{{\"y\":[],\"x\":{value}}}");
        let got = [
            shown(&text, |o| o.str("x").map(str::to_owned)),
            shown(&text, |o| o.u64("x")),
            shown(&text, |o| o.u32("x")),
            shown(&text, |o| o.i64("x")),
            shown(&text, |o| o.f64("x")),
            shown(&text, |o| o.bool("x")),
            shown(&text, |o| o.object("x").map(|x| x.members().count())),
        ];
        assert_eq!(got, want, "{value}");
    }

    #[test]
    fn types() {
        let e = "error";
        check("\"a\"", ["\"a\"", e, e, e, e, e, e]);
        check("null", ["\"\"", "0", "0", "0", "0.0", "false", "0"]);
        check("7", [e, "7", "7", "7", "7.0", e, e]);
        check("-7", [e, e, e, "-7", "-7.0", e, e]);
        check("4294967296", [e, "4294967296", e, "4294967296", "4294967296.0", e, e]);
        check("18446744073709551615", [e, "18446744073709551615", e, e, "1.8446744073709552e19", e, e]);
        check("18446744073709551616", [e; 7]);
        check("-9223372036854775808", [e, e, e, "-9223372036854775808", "-9.223372036854776e18", e, e]);
        for float in ["1e2", "100.0", "1E2"] {
            check(float, [e, e, e, e, "100.0", e, e]);
        }
        check("true", [e, e, e, e, e, "true", e]);
        check("{\"a\":{\"b\":[1,{}]},\"c\":1}", [e, e, e, e, e, e, "2"]);
        check("[1]", [e; 7]);
        for broken in
            ["", "01", "+1", "tru", "'a'", "\"\n\"", "\"\\x\"", "\"\\u12\"", "1,", "1}", "1} x", "1}\0", "NaN"]
        {
            check(broken, [e; 7]);
        }
    }

    #[test]
    fn names_and_order() {
        for (text, want) in [
            ("{}", "0"),
            ("null", "0"),
            (" {\"X\":1} \n", "1"),
            ("{\"x\":1,\"X\":2}", "2"),
            ("{\"X\":\"a\",\"\\u0078\":3,\"xx\":4,\"y\":{\"x\":5}}", "3"),
            ("{\"x\":1,\"x\":null}", "0"),
            ("[]", "error"),
            ("1", "error"),
            ("", "error"),
            ("{\"x\":1}{}", "error"),
            ("{\"x\":1", "error"),
        ] {
            assert_eq!(shown(text, |o| o.u64("x")), want, "{text}");
        }
    }

    #[test]
    fn text_is_repaired() {
        for (text, want) in [
            (&b"\"a\xff\xc3(\""[..], "a\u{fffd}\u{fffd}("),
            (b"\"\xed\xa0\x80\"", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\"\\ud83d\\ude00\"", "\u{1f600}"),
            (b"\"\\ud83d\"", "\u{fffd}"),
            (b"\"\\ude00x\\\\ud83d\"", "\u{fffd}x\\ud83d"),
            (b"\"\\ud83d\\u0041\"", "\u{fffd}A"),
            (b"\"\\ud83d\\ud83d\\ude00\"", "\u{fffd}\u{1f600}"),
            (b"\"\\udE00\\n\"", "\u{fffd}\n"),
        ] {
            let arena = Bump::new();
            let text = [b"{\"x\":", text, b"}"].concat();
            assert_eq!(parse(&arena, &text).unwrap().str("x").unwrap(), want, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn arrays_and_base64() {
        let list = |o: &Object<'_>| o.array("x").and_then(|a| a.map(|v| v.u64()).collect::<Result<Vec<_>>>());
        for (text, want) in [
            ("{\"x\":[]}", "[]"),
            ("{\"x\":null}", "[]"),
            ("{}", "[]"),
            ("{\"x\":[1,null,3]}", "[1, 0, 3]"),
            ("{\"x\":[[1],2]}", "error"),
            ("{\"x\":{}}", "error"),
        ] {
            assert_eq!(shown(text, list), want, "{text}");
        }
        for (text, want) in [
            ("null", "[]"),
            ("\"\"", "[]"),
            ("\"//48\"", "[255, 254, 60]"),
            ("\"\\/\\/4=\"", "[255, 254]"),
            ("\"//5=\"", "[255, 254]"),
            ("\"//\\n4=\\r\"", "[255, 254]"),
            ("\"__48\"", "error"),
            ("\"//4\"", "error"),
            ("\"/\"", "error"),
            ("\" //48\"", "error"),
            ("7", "error"),
        ] {
            let got = shown(&format!("{{\"x\":{text}}}"), |o| match o.get("x") {
                Some(value) => value.base64(&Bump::new()).map(<[u8]>::to_vec),
                None => Ok(vec![]),
            });
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        for (n, fine) in [(MAX_DEPTH - 1, true), (MAX_DEPTH, false), (1 << 20, false)] {
            let deep = format!("{{\"x\":{}1{}}}", "[".repeat(n), "]".repeat(n));
            let arena = Bump::new();
            assert_eq!(parse(&arena, deep.as_bytes()).is_ok(), fine, "{n}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_another_parser(text in "[{}\\[\\]\",:0-9a-z\\\\\\- .\n\u{1}\u{7f}é]{0,24}") {
            let arena = Bump::new();
            let want = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text);
            if text.trim() != "null" {
                prop_assert_eq!(parse(&arena, text.as_bytes()).is_ok(), want.is_ok(), "{}", text);
            }
        }

        #[test]
        fn strings_come_back(name in ".*", value in ".*", bytes: Vec<u8>) {
            let arena = Bump::new();
            let text = serde_json::json!({ name.clone(): value.clone(), "": 1 }).to_string();
            let object = parse(&arena, text.as_bytes()).unwrap();
            let read = object.members().find(|(n, _)| *n == name).unwrap().1;
            prop_assert!(name.is_empty() || read.str() == Ok(value.as_str()));
            let _ = parse(&arena, &bytes);
        }
    }
}
