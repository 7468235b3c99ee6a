//! Reads CHECKSUMS (`tree.md` §6), a line at a time.

use std::io::{self, BufRead, Read as _};

use super::checksums::Digest;

/// Longest line; a path has at most 4096 bytes, and each may be escaped.
const MOST_LINE: u64 = 64 << 10;

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A file and its digest.
    Row(Vec<u8>, Digest),
    /// Neither a row nor blank: the number of the line, from 1, and what is wrong with it.
    Bad(u64, &'static str),
}

/// Reads lines.
pub struct Lines<R> {
    input: R,
    number: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Reads from `input`.
    pub fn new(input: R) -> Lines<R> {
        Lines { input, number: 0, line: Vec::new() }
    }

    /// The next line that is not blank.
    ///
    /// # Errors
    /// A failed read.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            self.line.clear();
            self.number += 1;
            if self.input.by_ref().take(MOST_LINE).read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            if self.line.last() != Some(&b'\n') && self.line.len() as u64 == MOST_LINE {
                self.skip_line()?;
                return Ok(Some(Line::Bad(self.number, "it is longer than 64 KiB")));
            }
            let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                return Ok(Some(row(line).unwrap_or_else(|why| Line::Bad(self.number, why))));
            }
        }
    }

    /// Skips the rest of a line that is too long to hold.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            let end = memchr::memchr(b'\n', buffer);
            let (used, done) = (end.map_or(buffer.len(), |end| end + 1), end.is_some() || buffer.is_empty());
            self.input.consume(used);
            if done {
                return Ok(());
            }
        }
    }
}

fn row(line: &[u8]) -> Result<Line, &'static str> {
    let (escaped, line) = line.strip_prefix(b"\\").map_or((false, line), |rest| (true, rest));
    let (digest, rest) = line.split_first_chunk::<64>().ok_or("it is shorter than a digest and a path")?;
    let digest = digest_of(digest).ok_or("it does not begin with 64 lower-case hex digits")?;
    let path = rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *"));
    let path = path.ok_or("its digest is not followed by two spaces")?;
    let path = if escaped { unescaped(path).ok_or("its path has a broken escape")? } else { path.to_vec() };
    match path.as_slice() {
        b"" | b"." => Err("it has no path"),
        _ if !is_below(&path) => Err("its path is outside of the output"),
        path if path.contains(&0) => Err("its path has a NUL"),
        _ => Ok(Line::Row(path, digest)),
    }
}

fn digest_of(hex: &[u8; 64]) -> Option<Digest> {
    let mut digest = Digest::default();
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(digest)
}

fn unescaped(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len());
    let mut bytes = path.iter();
    while let Some(&b) = bytes.next() {
        out.push(match b {
            b'\\' => match bytes.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b'\\' => b'\\',
                _ => return None,
            },
            _ => b,
        });
    }
    Some(out)
}

/// Whether a path stays below the directory that it is relative to.
pub fn is_below(path: &[u8]) -> bool {
    !path.is_empty() && path.split(|b| *b == b'/').all(|name| !matches!(name, b"" | b"." | b".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::checksums::row_into;

    fn lines(text: &[u8]) -> Vec<Line> {
        let mut lines = Lines::new(text);
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let paths: [&[u8]; 5] = [b"MANIFEST.json", b"a\nb\\c\r/d", b"s3/b/\xff\\", b"x  y", b"*"];
        let mut text = Vec::new();
        for (n, path) in paths.iter().enumerate() {
            row_into(path, &[n as u8 + 0xa0; 32], &mut text);
        }
        let want: Vec<Line> =
            paths.iter().enumerate().map(|(n, path)| Line::Row(path.to_vec(), [n as u8 + 0xa0; 32])).collect();
        assert_eq!(lines(&text), want);
    }

    #[test]
    fn what_is_tolerated() {
        let hex = "0f".repeat(32);
        let text = format!("\r\n\n{hex} *a\r\n{hex}  b");
        let row = |path: &[u8]| Line::Row(path.to_vec(), [0x0f; 32]);
        assert_eq!(lines(text.as_bytes()), [row(b"a"), row(b"b")]);
    }

    #[test]
    fn what_is_malformed() {
        let hex = "0f".repeat(32);
        let long = format!("{hex}  {}", "a".repeat(70_000));
        for (line, words) in [
            ("# comment", "shorter"),
            (&*format!("{}  a", "0F".repeat(32)), "lower-case"),
            (&format!("{hex} a"), "two spaces"),
            (&format!("{hex}  "), "no path"),
            (&format!("{hex}  ."), "no path"),
            (&format!("{hex}  /etc/passwd"), "outside of"),
            (&format!("{hex}  a/../../b"), "outside of"),
            (&format!("{hex}  a\0b"), "NUL"),
            (&format!("\\{hex}  a\\"), "escape"),
            (&format!("\\{hex}  a\\t"), "escape"),
            (&long, "longer"),
        ] {
            let text = format!("{hex}  fine\n{line}\n{hex}  fine\n");
            let got = lines(text.as_bytes());
            assert!(
                matches!(got[..], [Line::Row(..), Line::Bad(2, why), Line::Row(..)] if why.contains(words)),
                "{line}: {got:?}"
            );
        }
    }
}
