//! Reads JSON text of any length in bounded memory: short values as a whole, long ones as a stream. Lines may also be in memory already.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};

use memchr::memchr;
use serde::de::{DeserializeSeed, Error as _};

use super::wrong;
use crate::error::{Error, Result};
use crate::format::limits::MAX_RAW_VALUE;
use crate::output::reading::broken;

/// Text up to this length is read whole.
pub(super) const SHORT: usize = 1 << 20;
/// Maximum bytes that a parser may keep of a long text: a value in base64, and its names.
const MOST_HELD: u64 = MAX_RAW_VALUE.div_ceil(3) * 4 + (8 << 20);
/// Bytes of a file that are read at once.
const PIECE: usize = 256 << 10;

/// The bytes that a parser may keep since the last element that was passed on.
#[derive(Debug, Default)]
pub(in crate::layouts) struct Budget(Cell<u64>);

impl Budget {
    /// Called when an element was passed on.
    pub fn renew(&self) {
        self.0.set(0);
    }
}

/// A file with text.
pub(in crate::layouts) struct Text<'t> {
    path: &'t [u8],
    input: BufReader<&'t mut dyn Read>,
    buffer: Vec<u8>,
}

impl<'t> Text<'t> {
    /// The text of the file at `path`.
    pub fn new(path: &'t [u8], bytes: &'t mut dyn Read) -> Text<'t> {
        Text { path, input: BufReader::with_capacity(PIECE, bytes), buffer: Vec::new() }
    }

    /// Reads the whole file as one value. `failed`: an error of the seed, which takes precedence over the parser's.
    ///
    /// # Errors
    /// A failed read, or text that the seed rejects.
    pub fn document<T>(
        mut self,
        budget: &Budget,
        seed: impl for<'de> DeserializeSeed<'de, Value = T>,
        failed: &Cell<Option<Error>>,
    ) -> Result<T> {
        let Text { path, input, buffer } = &mut self;
        input.by_ref().take(SHORT as u64).read_to_end(buffer).map_err(|e| failed_read(path, e))?;
        let parsed = if buffer.len() < SHORT {
            from_slice(buffer, seed)
        } else {
            from_reader(Counted::new(buffer.as_slice().chain(input), budget), seed)
        };
        parsed.map_err(|e| failed.take().unwrap_or_else(|| of_parser(path, "", e)))
    }

    /// Reads the next line, if there is one.
    fn line<T>(
        &mut self,
        budget: &Budget,
        seed: impl for<'de> DeserializeSeed<'de, Value = T>,
    ) -> Result<Option<std::result::Result<T, serde_json::Error>>> {
        let Text { path, input, buffer } = self;
        buffer.clear();
        input.by_ref().take(SHORT as u64).read_until(b'\n', buffer).map_err(|e| failed_read(path, e))?;
        Ok(Some(match buffer.last() {
            None => return Ok(None),
            Some(b'\n') => from_slice(buffer, seed),
            Some(_) if buffer.len() < SHORT => Err(no_line_feed()),
            Some(_) => {
                let mut rest = UpToLineFeed { input, ended: false };
                let parsed = from_reader(Counted::new(buffer.as_slice().chain(&mut rest), budget), seed);
                parsed.and_then(|value| rest.ended.then_some(value).ok_or_else(no_line_feed))
            }
        }))
    }

    /// Reads the file line by line.
    pub fn lines(self) -> Lines<'t> {
        Lines { path: self.path, from: From::Stream(self), number: 0, left: u64::MAX }
    }
}

/// Reads the lines of a file, each one value.
pub struct Lines<'t> {
    path: &'t [u8],
    from: From<'t>,
    number: u64,
    /// Maximum number of further lines.
    left: u64,
}

/// Where lines come from.
enum From<'t> {
    Stream(Text<'t>),
    /// Complete lines in memory.
    Block(&'t [u8]),
}

impl<'t> Lines<'t> {
    /// The lines of a block of the file at `path`; `before`: the number of lines before it.
    pub(super) fn of_block(path: &'t [u8], block: &'t [u8], before: u64) -> Lines<'t> {
        Lines { path, from: From::Block(block), number: before, left: u64::MAX }
    }

    /// The first line of the rest of a file; `before`: the number of lines before it.
    pub(super) fn of_one(text: Text<'t>, before: u64) -> Lines<'t> {
        Lines { number: before, left: 1, ..text.lines() }
    }

    /// Bytes that were taken from the file and are not in the lines so far.
    pub(super) fn read_ahead(&self) -> &[u8] {
        if let From::Stream(text) = &self.from { text.input.buffer() } else { &[] }
    }

    /// Reads the next line with a parser that knows only one form of lines. `None`: there is no further line, it is in another form, or it
    /// is not in memory; then [`next`](Self::next) reads it.
    pub(in crate::layouts) fn canonical<T>(&mut self, parse: impl FnOnce(&'t [u8]) -> Option<T>) -> Option<T> {
        let From::Block(block) = &mut self.from else { return None };
        let (line, rest) = block.split_at(memchr(b'\n', block)? + 1);
        let value = parse(line)?;
        *block = rest;
        self.number += 1;
        Some(value)
    }

    /// Reads the next line, if there is one.
    ///
    /// # Errors
    /// As [`Text::document`]; a line that does not end.
    pub(in crate::layouts) fn next<T>(
        &mut self,
        budget: &Budget,
        seed: impl for<'de> DeserializeSeed<'de, Value = T>,
        failed: &Cell<Option<Error>>,
    ) -> Result<Option<T>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        budget.renew();
        let parsed = match &mut self.from {
            From::Block([]) => return Ok(None),
            From::Block(block) => {
                let end = memchr(b'\n', block).map(|at| at + 1);
                let (line, rest) = block.split_at(end.unwrap_or(block.len()));
                *block = rest;
                if end.is_some() { from_slice(line, seed) } else { Err(no_line_feed()) }
            }
            From::Stream(text) => match text.line(budget, seed)? {
                None => return Ok(None),
                Some(parsed) => parsed,
            },
        };
        (self.number, self.left) = (self.number + 1, left);
        let place = || format!("line {}: ", self.number);
        parsed.map(Some).map_err(|e| failed.take().unwrap_or_else(|| of_parser(self.path, &place(), e)))
    }

    /// An error about the last line.
    #[cold]
    pub(in crate::layouts) fn wrong(&self, why: impl std::fmt::Display) -> Error {
        wrong(self.path, format_args!("line {}: {why}", self.number))
    }
}

#[cold]
fn no_line_feed() -> serde_json::Error {
    serde_json::Error::custom("it has no line feed at its end")
}

fn from_slice<T>(
    bytes: &[u8],
    seed: impl for<'de> DeserializeSeed<'de, Value = T>,
) -> std::result::Result<T, serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    // Items are nested deeper than its own limit. Nested values are limited where they are read.
    parser.disable_recursion_limit();
    let value = seed.deserialize(&mut parser)?;
    parser.end().map(|()| value)
}

fn from_reader<T>(
    bytes: impl Read,
    seed: impl for<'de> DeserializeSeed<'de, Value = T>,
) -> std::result::Result<T, serde_json::Error> {
    // The parser takes one byte at a time.
    let mut parser = serde_json::Deserializer::from_reader(BufReader::with_capacity(PIECE, bytes));
    parser.disable_recursion_limit();
    let value = seed.deserialize(&mut parser)?;
    parser.end().map(|()| value)
}

#[cold]
fn of_parser(path: &[u8], place: &str, e: serde_json::Error) -> Error {
    if e.is_io() {
        return failed_read(path, e.into());
    }
    wrong(path, format_args!("{place}{e}"))
}

#[cold]
pub(super) fn failed_read(path: &[u8], e: io::Error) -> Error {
    use std::os::unix::ffi::OsStrExt as _;
    broken(std::path::Path::new(std::ffi::OsStr::from_bytes(path)), e)
}

/// Reads up to and including a line feed.
struct UpToLineFeed<'u, 't> {
    input: &'u mut BufReader<&'t mut dyn Read>,
    ended: bool,
}

impl Read for UpToLineFeed<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let here = self.input.fill_buf()?;
        let line = memchr(b'\n', here).map_or(here.len(), |at| at + 1);
        let len = line.min(out.len());
        out[..len].copy_from_slice(&here[..len]);
        self.ended = here[..len].ends_with(b"\n");
        self.input.consume(len);
        Ok(len)
    }
}

/// Counts the bytes that the parser may have to keep: an escape is longer in the text than in a string.
struct Counted<'b, R> {
    input: R,
    budget: &'b Budget,
    /// The last byte was a backslash that begins an escape.
    in_escape: bool,
}

impl<'b, R: Read> Counted<'b, R> {
    fn new(input: R, budget: &'b Budget) -> Self {
        budget.renew();
        Counted { input, budget, in_escape: false }
    }

    /// Maximum length of a string of these bytes. Escapes that are split between two reads are counted as plain text.
    fn held(&mut self, bytes: &[u8]) -> u64 {
        let mut rest = if std::mem::take(&mut self.in_escape) { bytes.get(1..).unwrap_or_default() } else { bytes };
        let mut saved = 0;
        while let Some(at) = memchr(b'\\', rest) {
            let escape = &rest[at + 1..];
            saved += match escape {
                [b'u', b'0', b'0', _, _, ..] => 5,
                [b'u', _, _, _, _, ..] => 3,
                _ => 1,
            };
            self.in_escape = escape.is_empty();
            rest = escape.get(1..).unwrap_or_default();
        }
        (bytes.len() as u64).saturating_sub(saved)
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(out)?;
        let held = self.budget.0.get() + self.held(&out[..n]);
        self.budget.0.set(held);
        if held > MOST_HELD {
            return Err(io::Error::other("a value in it is longer than a snapshot can hold"));
        }
        Ok(n)
    }
}
