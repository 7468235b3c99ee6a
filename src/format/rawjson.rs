//! Splits JSON text into its parts, without decoding any of them.
//!
//! This is for text that must be copied unchanged. It trusts the text where it can: strings and brackets are followed exactly, but scalars
//! are not checked. On text that a validating parser accepts, the parts are right; on other text they may be anything or `None`.

use memchr::memchr2;

/// White space between tokens.
const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r')
}

/// Reads tokens from the start of a text.
#[derive(Debug, Clone, Copy)]
struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    fn skip_space(&mut self) {
        while let Some((&b, rest)) = self.rest.split_first()
            && is_space(b)
        {
            self.rest = rest;
        }
    }

    /// Takes the byte after white space if it is this one.
    fn eat(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        let (&first, rest) = self.rest.split_first()?;
        (first == byte).then(|| self.rest = rest)
    }

    fn at_end(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty()
    }

    /// The text between `from` and the current position.
    fn since(self, from: &'a [u8]) -> Option<&'a [u8]> {
        from.get(..from.len().checked_sub(self.rest.len())?)
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let from = self.rest;
        self.rest = from.strip_prefix(b"\"")?;
        loop {
            let at = memchr2(b'"', b'\\', self.rest)?;
            let (found, rest) = self.rest.get(at..)?.split_first()?;
            self.rest = rest;
            if *found == b'"' {
                return self.since(from);
            }
            self.rest = rest.get(1..)?;
        }
    }

    /// An object or array with its brackets; nesting costs no stack.
    fn container(&mut self) -> Option<&'a [u8]> {
        let from = self.rest;
        let mut depth = 0_usize;
        loop {
            match self.rest.first()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth = depth.checked_add(1)?,
                b'}' | b']' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            self.rest = self.rest.get(1..)?;
            if depth == 0 {
                return self.since(from);
            }
        }
    }

    /// A number, `true`, `false` or `null`: everything up to its end.
    fn scalar(&mut self) -> Option<&'a [u8]> {
        let ends = |b: &u8| is_space(*b) || matches!(b, b',' | b'}' | b']' | b'"' | b'{' | b'[' | b':');
        let len = self.rest.iter().position(ends).unwrap_or(self.rest.len());
        let (scalar, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        (len > 0).then_some(scalar)
    }

    /// Any value, from its first to its last byte.
    fn value(&mut self) -> Option<&'a [u8]> {
        self.skip_space();
        match self.rest.first()? {
            b'"' => self.string(),
            b'{' | b'[' => self.container(),
            _ => self.scalar(),
        }
    }

    fn name(&mut self) -> Option<&'a [u8]> {
        self.skip_space();
        let name = self.string()?;
        self.eat(b':')?;
        Some(unquoted(name))
    }
}

/// A string's text between its quotes, with its escapes.
fn unquoted(string: &[u8]) -> &[u8] {
    string.strip_prefix(b"\"").and_then(|s| s.strip_suffix(b"\"")).unwrap_or(string)
}

/// The members of an object, unchanged: names without their quotes. Ends early if the text is not an object.
#[derive(Debug, Clone, Copy)]
pub struct Members<'a>(Parts<'a>);

/// The elements of an array, unchanged. Ends early if the text is not an array.
#[derive(Debug, Clone, Copy)]
pub struct Elements<'a>(Parts<'a>);

/// The parts between brackets, with commas between them.
#[derive(Debug, Clone, Copy)]
struct Parts<'a> {
    scan: Scanner<'a>,
    close: u8,
    begun: bool,
}

impl<'a> Parts<'a> {
    fn new(text: &'a [u8], open: u8, close: u8) -> Option<Self> {
        let mut scan = Scanner { rest: text };
        scan.eat(open)?;
        Some(Parts { scan, close, begun: false })
    }

    /// Whether another part follows; `None` at any other text.
    fn more(&mut self) -> Option<bool> {
        if self.scan.eat(self.close).is_some() {
            return self.scan.at_end().then_some(false);
        }
        if std::mem::replace(&mut self.begun, true) {
            self.scan.eat(b',')?;
        }
        Some(true)
    }
}

impl<'a> Members<'a> {
    /// The members of the object in `text`; `None` if it begins like something else.
    pub fn of(text: &'a [u8]) -> Option<Self> {
        Parts::new(text, b'{', b'}').map(Members)
    }

    /// The next member; `None` at damage, `Some(None)` at the end.
    fn step(&mut self) -> Option<Option<(&'a [u8], &'a [u8])>> {
        if !self.0.more()? {
            return Some(None);
        }
        Some(Some((self.0.scan.name()?, self.0.scan.value()?)))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.step()?
    }
}

impl<'a> Elements<'a> {
    /// The elements of the array in `text`; `None` if it begins like something else.
    pub fn of(text: &'a [u8]) -> Option<Self> {
        Parts::new(text, b'[', b']').map(Elements)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.more()? { self.0.scan.value() } else { None }
    }
}

/// Calls `visit` for every member of the object in `text`: the name without its quotes and the value, both unchanged. `None` if the text
/// is not an object, something follows it, or `visit` returns `None`.
pub fn each_member<'a>(text: &'a [u8], mut visit: impl FnMut(&'a [u8], &'a [u8]) -> Option<()>) -> Option<()> {
    let mut members = Members::of(text)?;
    while let Some((name, value)) = members.step()? {
        visit(name, value)?;
    }
    Some(())
}

/// Maximum nesting of objects and arrays.
pub fn depth(text: &[u8]) -> usize {
    let (mut scan, mut depth, mut deepest) = (Scanner { rest: text }, 0_usize, 0);
    while let Some(byte) = scan.rest.first() {
        match byte {
            b'"' if scan.string().is_some() => continue,
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
        scan.rest = scan.rest.get(1..).unwrap_or_default();
    }
    deepest
}

/// The value of the member at `index`, counted from 0, repeated names included.
pub fn member_at(text: &[u8], index: usize) -> Option<&[u8]> {
    let mut found = None;
    let mut at = 0_usize;
    each_member(text, |_, value| {
        found = if at == index { Some(value) } else { found };
        at = at.checked_add(1)?;
        Some(())
    })?;
    found
}

/// An integer written as one, `None` for anything else.
pub fn integer<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let canonical = matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && value != b"-0";
    canonical.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}

/// Passes on `text` without its white space between tokens, piece by piece; strings and numbers stay as they are.
#[inline]
pub fn each_token<'a>(text: &'a [u8], mut take: impl FnMut(&'a [u8])) {
    let mut scan = Scanner { rest: text };
    while !scan.at_end() {
        let from = scan.rest;
        if scan.string().is_none() {
            scan.rest = from.get(1..).unwrap_or_default();
        }
        take(scan.since(from).unwrap_or_default());
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members(text: &str) -> Option<Vec<(String, String)>> {
        let own = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let mut all = Vec::new();
        each_member(text.as_bytes(), |name, value| {
            all.push((own(name), own(value)));
            Some(())
        })?;
        Some(all)
    }

    #[test]
    fn cuts_objects() {
        for (text, want) in [
            ("{}", vec![]),
            (" { } \n", vec![]),
            (r#"{"a":1}"#, vec![("a", "1")]),
            (r#" {"a" : -1.5e3 , "b\"}":[ {"x":"]}"} ] }"#, vec![("a", "-1.5e3"), (r#"b\"}"#, r#"[ {"x":"]}"} ]"#)]),
            (r#"{"a":"x\\","a":null}"#, vec![("a", r#""x\\""#), ("a", "null")]),
        ] {
            let want: Vec<_> = want.into_iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
            assert_eq!(members(text), Some(want), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_object() {
        for text in [
            "",
            "{",
            "}",
            "[]",
            "1",
            "{}x",
            "{}{}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1 2}",
            "{a:1}",
            "{\"a\":\"x}",
            "{\"a\":[1}",
            "{\"a\":\"\\",
            "{\"a\":1",
            "{,}",
        ] {
            assert_eq!(members(text), None, "{text}");
        }
    }

    #[test]
    fn picks_a_member() {
        let text = br#"{"a":1,"b":{"c":2},"a":3}"#;
        assert_eq!(member_at(text, 1), Some(&br#"{"c":2}"#[..]));
        assert_eq!(member_at(text, 2), Some(&b"3"[..]));
        assert_eq!(member_at(text, 3), None);
    }

    #[test]
    fn scalars() {
        for (text, want) in [("0", Some(0)), ("-7", Some(-7)), ("12", Some(12)), ("007", None), ("-0", None)] {
            assert_eq!(integer::<i64>(text.as_bytes()), want, "{text}");
        }
        for text in ["", "-", "+1", "1e2", "1.0", "null", "\"1\"", "9223372036854775808", "1_0", "--1"] {
            assert_eq!(integer::<i64>(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn white_space_is_left_out() {
        for (text, want) in [
            (r#" { "b" : 1.0e+05 , "a" : [ 1 , "x y\u003c\" " ] } "#, r#"{"b":1.0e+05,"a":[1,"x y\u003c\" "]}"#),
            ("null", "null"),
            ("\t-1 ", "-1"),
            ("\"open", "\"open"),
        ] {
            let mut out = Vec::new();
            each_token(text.as_bytes(), |token| out.extend_from_slice(token));
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let n = if cfg!(miri) { 20_000 } else { 1 << 20 };
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert_eq!(members(&deep).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = each_member(&bytes, |_, _| Some(()));
            each_token(&bytes, |_| ());
        }

        #[test]
        fn agrees_with_a_parser(names in prop::collection::vec(".*", 0..6), values in prop::collection::vec(".*", 6)) {
            let mut map = serde_json::Map::new();
            for (name, value) in names.iter().zip(&values) {
                map.insert(name.clone(), serde_json::json!([{ value: null }, value, 1.5]));
            }
            let text = serde_json::to_string_pretty(&map).unwrap();
            let mut seen = 0;
            each_member(text.as_bytes(), |name, value| {
                let quoted = [b"\"", name, b"\""].concat();
                let name: String = serde_json::from_slice(&quoted).unwrap();
                assert_eq!(serde_json::from_slice::<serde_json::Value>(value).unwrap(), map[&name]);
                seen += 1;
                Some(())
            }).unwrap();
            prop_assert_eq!(seen, map.len());
            let mut compacted = Vec::new();
            each_token(text.as_bytes(), |token| compacted.extend_from_slice(token));
            prop_assert_eq!(compacted, serde_json::to_vec(&map).unwrap());
        }
    }
}
