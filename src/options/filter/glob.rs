//! One name or key of a pattern: its grammar, and what it matches.
//!
//! `*` matches any bytes, `?` one, `[…]` one of several (`[!…]`: any other), `{a,b}` alternatives, `\` makes the next character literal.
//! Braces without a comma are literal: `{user1}:*` is how Redis Cluster writes a hash tag.
//!
//! Names are printed unchanged, or as `base64:` and their bytes. A printed name is a pattern that matches its object: a pattern also matches
//! its own text, and base64 matches the bytes that it represents.

use std::fmt::Write as _;

use regex_automata::Input;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use crate::options::spelling::decoded;

/// Maximum bytes of a pattern that must be compiled.
const MOST: usize = 4096;
/// Maximum nesting of alternatives.
const DEEPEST: usize = 8;
/// Maximum bytes of a compiled pattern.
const MOST_COMPILED: usize = 4 << 20;
/// Maximum bytes of a thread's cache for a pattern.
const MOST_CACHED: usize = 1 << 20;

/// A condition for a name.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    /// The start of the name.
    head: Vec<u8>,
    tail: Tail,
    /// Another name that matches: the text itself.
    printed: Option<Vec<u8>>,
    /// Whether names that begin with these match too.
    below: bool,
}

/// The rest after the head.
#[derive(Debug, Clone)]
enum Tail {
    Nothing,
    Anything,
    /// The whole name, including the head, matches this.
    Like(Regex),
}

/// Part of a pattern.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Plain(char),
    One,
    Any,
    /// In the form of a regular expression.
    Class(String),
    Open,
    Or,
    Close,
}

impl Glob {
    /// Exactly this name.
    pub fn exactly(name: &[u8]) -> Glob {
        Glob { head: name.to_vec(), tail: Tail::Nothing, printed: None, below: false }
    }

    /// # Errors
    /// What is wrong, in words.
    pub fn new(text: &str) -> Result<Glob, String> {
        if let Some(name) = decoded(text.as_bytes()) {
            return Ok(Glob::exactly(&name));
        }
        let pieces = pieces(text)?;
        let plain = pieces.iter().map_while(|piece| if let Piece::Plain(c) = piece { Some(*c) } else { None });
        let head: String = plain.collect();
        let tail = match &pieces[head.chars().count()..] {
            [] => Tail::Nothing,
            rest if rest.iter().all(|piece| *piece == Piece::Any) => Tail::Anything,
            _ if text.len() > MOST => {
                return Err(format!("a pattern of {} bytes with special characters: the most is {MOST}", text.len()));
            }
            _ => Tail::Like(compiled(&pieces)?),
        };
        let glob = Glob { head: head.into_bytes(), tail, printed: None, below: false };
        let printed = Some(text.as_bytes().to_vec()).filter(|name| !glob.matches(name));
        Ok(Glob { printed, ..glob })
    }

    /// The same, and everything that begins with it.
    pub fn and_below(self, text: &str) -> Result<Glob, String> {
        let glob = match self.tail {
            Tail::Nothing => Glob { tail: Tail::Anything, ..self },
            Tail::Anything => self,
            Tail::Like(_) => Glob { printed: self.printed, ..Glob::new(&format!("{text}*"))? },
        };
        Ok(Glob { below: true, ..glob })
    }

    /// The possible starts of matching names: each name begins with one of these.
    pub fn heads(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&self.head[..]).chain(self.printed.iter().map(Vec::as_slice))
    }

    /// Whether it has no special characters.
    pub fn is_plain(&self) -> bool {
        matches!(self.tail, Tail::Nothing)
    }

    /// The name, if there is only one.
    pub fn only(&self) -> Option<&[u8]> {
        (self.is_plain() && self.printed.is_none()).then_some(&self.head)
    }

    pub fn matches(&self, name: &[u8]) -> bool {
        let matches = match &self.tail {
            Tail::Nothing => name == self.head,
            Tail::Anything => name.starts_with(&self.head),
            Tail::Like(regex) => name.starts_with(&self.head) && regex.is_match(Input::new(name)),
        };
        let begins = |printed: &Vec<u8>| if self.below { name.starts_with(printed) } else { name == printed };
        matches || self.printed.iter().any(begins)
    }
}

/// Splits a pattern at its first slashes into at most `parts` parts. A slash in a class, in alternatives or after a backslash belongs to a
/// name.
pub(super) fn split(text: &str, parts: usize) -> Vec<&str> {
    let (mut list, mut rest) = (Vec::new(), text);
    while list.len() + 1 < parts
        && let Some(slash) = first_slash(rest)
    {
        list.push(&rest[..slash]);
        rest = &rest[slash + 1..];
    }
    list.push(rest);
    list
}

fn first_slash(text: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].find(['/', '\\', '[']).map(|at| at + from) {
        let rest = &text[at + 1..];
        from = at
            + 1
            + match text.as_bytes()[at] {
                b'/' => return Some(at),
                b'\\' => rest.chars().next().map_or(0, char::len_utf8),
                _ => class(rest).map_or(0, |(_, len)| len),
            };
    }
    None
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces: Vec<Piece> = Vec::new();
    // Open braces: their positions, and the commas in them.
    let mut open: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        let piece = match c {
            '*' if pieces.last() == Some(&Piece::Any) => continue,
            '*' => Piece::Any,
            '?' => Piece::One,
            '\\' => {
                let taken = rest.chars().next().ok_or("there is nothing after the backslash at the end")?;
                rest = &rest[taken.len_utf8()..];
                Piece::Plain(taken)
            }
            '[' => {
                let (class, len) = class(rest)?;
                rest = &rest[len..];
                Piece::Class(class)
            }
            '{' => {
                open.push((pieces.len(), Vec::new()));
                Piece::Plain(c)
            }
            ',' => {
                open.last_mut().into_iter().for_each(|(_, commas)| commas.push(pieces.len()));
                Piece::Plain(c)
            }
            '}' => match open.pop() {
                Some((brace, commas)) if !commas.is_empty() => {
                    pieces[brace] = Piece::Open;
                    commas.into_iter().for_each(|comma| pieces[comma] = Piece::Or);
                    Piece::Close
                }
                _ => Piece::Plain(c),
            },
            _ => Piece::Plain(c),
        };
        pieces.push(piece);
    }
    Ok(pieces)
}

/// Whether a text is a pattern; the length of one that must be compiled is not checked.
pub(crate) fn is_pattern(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut is_shallow = |piece: &Piece| {
        match piece {
            Piece::Open => depth += 1,
            Piece::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth <= DEEPEST
    };
    pieces(text).is_ok_and(|pieces| pieces.iter().all(&mut is_shallow))
}

/// A class after its bracket, in the form of a regular expression, and its length.
fn class(text: &str) -> Result<(String, usize), String> {
    let not = text.starts_with(['!', '^']);
    let body = &text[usize::from(not)..];
    // A bracket in the first position is a member.
    let first = body.chars().next().map_or(0, char::len_utf8);
    let end = body[first..].find(']').ok_or("[ has no ]: write \\[ for the character itself")? + first;
    let members: Vec<char> = body[..end].chars().collect();
    // A class with only ASCII matches one byte, even inside a character.
    let mode = if body[..end].is_ascii() { "-u" } else { "u" };
    let mut class = format!("(?{mode}:[{}", if not { "^" } else { "" });
    let mut rest = members.as_slice();
    loop {
        match rest {
            [low, '-', high, more @ ..] => {
                if low > high {
                    return Err(format!("the range {low}-{high} is empty"));
                }
                let _ = write!(class, "\\x{{{:x}}}-\\x{{{:x}}}", u32::from(*low), u32::from(*high));
                rest = more;
            }
            [one, more @ ..] => {
                let _ = write!(class, "\\x{{{:x}}}", u32::from(*one));
                rest = more;
            }
            [] => break,
        }
    }
    class.push_str("])");
    Ok((class, usize::from(not) + end + 1))
}

fn compiled(pieces: &[Piece]) -> Result<Regex, String> {
    let (mut text, mut depth) = (String::from(r"(?s-u)\A"), 0);
    for piece in pieces {
        match piece {
            Piece::Plain(c) => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(text, "\\x{byte:02x}");
                }
            }
            Piece::One => text.push('.'),
            Piece::Any => text.push_str(".*"),
            Piece::Class(class) => text.push_str(class),
            Piece::Open => {
                depth += 1;
                text.push_str("(?:");
            }
            Piece::Or => text.push('|'),
            Piece::Close => {
                depth -= 1;
                text.push(')');
            }
        }
        if depth > DEEPEST {
            return Err(format!("alternatives more than {DEEPEST} deep"));
        }
    }
    text.push_str(r"\z");
    let config =
        Regex::config().utf8_empty(false).nfa_size_limit(Some(MOST_COMPILED)).hybrid_cache_capacity(MOST_CACHED);
    let built = Regex::builder().syntax(syntax::Config::new().utf8(false)).configure(config).build(&text);
    built.map_err(|_| "it is too large: give several smaller patterns".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches() {
        for (glob, yes, no) in [
            ("", &[""][..], &["a"][..]),
            ("a", &["a"], &["", "aa", "A"]),
            ("a*", &["a", "a/b", "a\n"], &["", "ba"]),
            ("*", &["", "x"], &[]),
            ("**/b", &["/b", "a/b", "x/y/b"], &["b", "a/b/"]),
            ("a*b?c", &["abxc", "a..b.c"], &["abc", "abxcc"]),
            ("?", &["a", "/", "\n"], &["", "é"]),
            ("[a-c]x", &["ax", "cx"], &["dx", "x", "-x"]),
            ("[!a-c]x", &["dx", "]x"], &["ax", "x"]),
            ("[^a]", &["b"], &["a", ""]),
            ("[]]", &["]"], &["["]),
            ("[!]]", &["["], &["]"]),
            ("[-a]", &["-", "a"], &["b"]),
            ("[a-]", &["-", "a"], &["b"]),
            ("[\\d]", &["\\", "d"], &["1"]),
            ("[&&]", &["&"], &["a"]),
            ("x[éü]", &["xé", "xü"], &["xe", "x\u{c3}"]),
            ("[!é]", &["a", "ü"], &["é"]),
            ("{a,b}", &["a", "b", "{a,b}"], &["ab", ""]),
            ("{a,b*}c", &["ac", "bc", "bxc"], &["axc"]),
            ("{,a}", &["", "a"], &["b"]),
            ("{a,{b,c}d}", &["a", "bd", "cd"], &["b"]),
            ("{user1}:*", &["{user1}:", "{user1}:a"], &["user1:a"]),
            ("{}", &["{}"], &[""]),
            ("{a", &["{a"], &["a"]),
            ("a}", &["a}"], &["a"]),
            ("{a,b", &["{a,b"], &["a"]),
            ("{x{a,b}}", &["{xa}", "{xb}"], &["xa"]),
            ("{a,{b}}?", &["ax", "{b}x"], &["bx"]),
            ("a,b", &["a,b"], &["a"]),
            ("\\*\\{a\\,b}", &["*{a,b}"], &["x{a,b}", "a"]),
            ("{a\\,b,c}", &["a,b", "c"], &["a"]),
            ("a.b|(c)", &["a.b|(c)"], &["axb"]),
        ] {
            let built = Glob::new(glob).unwrap();
            yes.iter().for_each(|name| assert!(built.matches(name.as_bytes()), "{glob} {name}"));
            no.iter().for_each(|name| assert!(!built.matches(name.as_bytes()), "{glob} {name}"));
        }
        assert!(Glob::new("a?").unwrap().matches(b"a\xff"));
        assert!(Glob::new("[!a]*\\?").unwrap().matches(b"\xff\xfe?"));
    }

    #[test]
    fn what_is_refused() {
        let long = format!("{}*b", "a".repeat(MOST));
        let deep = format!("{}a{}", "{".repeat(DEEPEST + 1), ",b}".repeat(DEEPEST + 1));
        let (many, wide) = ("{a,b}".repeat(MOST), "[!é]".repeat(MOST / 5));
        for text in ["[", "a[b", "[]", "[!]", "a\\", "[z-a]", &long, &deep, &many] {
            assert!(Glob::new(text).is_err(), "{text}");
        }
        // Any input gives an error or a pattern, quickly.
        for text in [&wide, &"{".repeat(100_000), &"{,".repeat(100_000), &"*?".repeat(MOST / 2), &"[".repeat(100_000)] {
            drop(Glob::new(text));
        }
        assert!(Glob::new(&deep[1..deep.len() - 3]).is_ok());
        // A pattern without special characters can have any length.
        assert!(Glob::new(&long[..MOST]).unwrap().matches("a".repeat(MOST).as_bytes()));
        assert!(Glob::new(&"a".repeat(100_000)).unwrap().is_plain());
    }

    #[test]
    fn parts() {
        for (text, want) in [
            ("a/b/c/d", &["a", "b", "c/d"][..]),
            ("a", &["a"]),
            ("a/", &["a", ""]),
            ("a\\/b/c", &["a\\/b", "c"]),
            ("a[/]b/c", &["a[/]b", "c"]),
            ("[]/]/[", &["[]/]", "["]),
            ("{a/b,c}/d", &["{a", "b,c}", "d"]),
        ] {
            assert_eq!(split(text, 3), want, "{text}");
        }
    }
}
