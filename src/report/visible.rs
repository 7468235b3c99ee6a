//! Names on a terminal: control characters are escaped.
//!
//! These are control characters (C0, DEL, and C1, which terminals interpret like ESC), and characters that change the direction of the
//! following text, so that one name can look like another. Names come from snapshots and archives: their authors must not be able to
//! control the reader's screen.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

/// Whether a terminal interprets this character, or shows the text around it in another order.
pub fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Its text on one line: such characters are escaped as in Rust, line feeds too.
#[derive(Debug, Clone, Copy)]
pub struct Visible<T>(pub T);

impl<T: fmt::Display> fmt::Display for Visible<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'f, 'a>(&'f mut fmt::Formatter<'a>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_active(*c)) {
            self.0.write_str(&rest[..at])?;
            self.0.write_str(&Form::Words.of(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// The form of text in which such characters are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text: `\x1b`, `\u{9b}`.
    Words,
    /// JSON: `\u009b`, which a parser reads as the character.
    Json,
}

impl Form {
    fn of(self, c: char) -> String {
        match self {
            Form::Json => format!("\\u{:04x}", u32::from(c)),
            Form::Words if matches!(c, '\n' | '\r' | '\t') => c.escape_default().to_string(),
            Form::Words if c.is_ascii() => format!("\\x{:02x}", u32::from(c)),
            Form::Words => c.escape_unicode().to_string(),
        }
    }
}

/// Passes text on with all such characters escaped, except line feeds, which end lines. The text can come in any pieces.
#[derive(Debug)]
pub struct Screened<W> {
    out: W,
    form: Form,
    /// The start of a character that ends in the next piece.
    held: Vec<u8>,
}

impl<W: Write> Screened<W> {
    /// Passes text on to `out`.
    pub fn new(out: W, form: Form) -> Screened<W> {
        Screened { out, form, held: Vec::new() }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut done, mut at) = (0, 0);
        while let Some(next) = bytes[at..].iter().position(|byte| BEGINS[usize::from(*byte)]) {
            at += next;
            let len = if bytes[at] < 0x80 { 1 } else { 2 + usize::from(bytes[at] >= 0xe0) };
            let Some(char_bytes) = bytes.get(at..at + len) else {
                self.out.write_all(&bytes[done..at])?;
                self.held.extend_from_slice(&bytes[at..]);
                return Ok(());
            };
            let c = std::str::from_utf8(char_bytes).ok().and_then(|text| text.chars().next());
            match c.filter(|c| is_active(*c)) {
                Some(c) => {
                    self.out.write_all(&bytes[done..at])?;
                    self.out.write_all(self.form.of(c).as_bytes())?;
                    at += len;
                    done = at;
                }
                None => at += 1,
            }
        }
        self.out.write_all(&bytes[done..])
    }
}

/// The first bytes of such characters.
const BEGINS: [bool; 256] = {
    let mut begins = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        begins[byte] = (byte < 0x20 && byte != 0x0a) || matches!(byte, 0x7f | 0xc2 | 0xd8 | 0xe2);
        byte += 1;
    }
    begins
};

impl<W: Write> Write for Screened<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.held.is_empty() {
            self.put(bytes)?;
        } else {
            let joined = [&std::mem::take(&mut self.held), bytes].concat();
            self.put(&joined)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[31m\u{7f}é\u{9b}2J\u{61c}€\u{200e}\u{202e}x\u{2028}\u{2066}\r\tß\u{ff}\u{2027}";

    fn screened(form: Form, piece: usize) -> String {
        let mut out = Vec::new();
        let mut writer = Screened::new(&mut out, form);
        HOSTILE.as_bytes().chunks(piece).for_each(|bytes| writer.write_all(bytes).unwrap());
        writer.write_all(b"\n").unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_active_is_left() {
        for piece in 1..HOSTILE.len() {
            let words = screened(Form::Words, piece);
            assert_eq!(
                words,
                "a\\x1b[31m\\x7fé\\u{9b}2J\\u{61c}€\\u{200e}\\u{202e}x\\u{2028}\\u{2066}\\r\\tß\u{ff}\u{2027}\n"
            );
            let json = screened(Form::Json, piece);
            assert!(json.contains("\\u009b2J") && json.contains("\\u202ex"), "{json}");
            let read: String = serde_json::from_str(&format!("\"{}\"", json.trim_end())).unwrap();
            assert_eq!(read, HOSTILE);
        }
        assert_eq!(Visible(format!("{HOSTILE}\n")).to_string(), screened(Form::Words, 7).trim_end().to_owned() + "\\n");
    }

    #[test]
    fn every_character_is_judged_alike() {
        for c in '\0'..=char::MAX {
            let mut out = Vec::new();
            Screened::new(&mut out, Form::Words).write_all(c.to_string().as_bytes()).unwrap();
            let raw = out == c.to_string().as_bytes();
            assert_eq!(raw, !is_active(c) || c == '\n', "{c:?}");
        }
    }
}
