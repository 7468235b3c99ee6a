//! Sorted runs, in memory and in files.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use super::batch::Batch;
use crate::output::{Writer, temporary};

/// Bytes before a record in a run: the lengths of key and value.
const HEAD: usize = 8;
/// Bytes of a key that a mark keeps. Cuts between ranges are not longer.
const MARK_KEY: usize = 64;
/// A run with more marks than this loses every second one.
const MOST_MARKS: usize = 8 << 10;

/// Runs that are stored in one file, one after the other.
pub(super) struct Age {
    file: File,
    pub runs: Vec<Span>,
    /// The last key of the last run: records that begin after it continue that run.
    last: Vec<u8>,
    len: u64,
    /// Bytes of a run between two marks.
    spacing: u64,
}

/// The position of a run in its file.
pub(super) struct Span {
    from: u64,
    to: u64,
    marks: Vec<Mark>,
}

/// A record of a run: its position, and the first bytes of its key.
struct Mark {
    at: u64,
    key: Vec<u8>,
}

impl Span {
    /// The number of marks is bounded, however long a run becomes.
    fn thin_out(&mut self) {
        while self.marks.len() > MOST_MARKS {
            let mut number = 0;
            self.marks.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
    }
}

/// Writes the records of a run.
pub(super) struct RunWriter<'f> {
    out: BufWriter<Writer<&'f File>>,
    at: u64,
    next_mark: u64,
    spacing: u64,
    marks: Vec<Mark>,
}

impl RunWriter<'_> {
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if self.at >= self.next_mark {
            self.marks.push(Mark { at: self.at, key: beginning(key).to_vec() });
            self.next_mark = self.at + self.spacing;
        }
        // Both lengths were checked when the record was taken.
        self.out.write_all(&(key.len() as u32).to_le_bytes())?;
        self.out.write_all(&(value.len() as u32).to_le_bytes())?;
        self.out.write_all(key)?;
        self.out.write_all(value)?;
        self.at += (HEAD + key.len() + value.len()) as u64;
        Ok(())
    }
}

/// The bytes of a key that a mark keeps. If two of them differ, the keys have the same order.
fn beginning(key: &[u8]) -> &[u8] {
    key.get(..MARK_KEY).unwrap_or(key)
}

impl Age {
    pub fn new(scratch: &Path, spacing: usize) -> io::Result<Age> {
        let (runs, last) = (Vec::new(), Vec::new());
        Ok(Age { file: temporary(scratch)?, runs, last, len: 0, spacing: spacing as u64 })
    }

    /// Appends a run, with its first and last key.
    pub fn append(
        &mut self,
        (first, last): (&[u8], &[u8]),
        write: impl FnOnce(&mut RunWriter<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let out = BufWriter::with_capacity(1 << 20, Writer(&self.file));
        let (at, spacing) = (self.len, self.spacing);
        let mut writer = RunWriter { out, at, next_mark: at, spacing, marks: Vec::new() };
        write(&mut writer)?;
        writer.out.flush()?;
        let RunWriter { at: to, marks, .. } = writer;
        match self.runs.last_mut() {
            // Records that arrive in order are one run, however many they are.
            Some(run) if !first.is_empty() && first >= self.last.as_slice() => {
                run.to = to;
                run.marks.extend(marks);
                run.thin_out();
            }
            _ => {
                let mut run = Span { from: self.len, to, marks };
                run.thin_out();
                self.runs.push(run);
            }
        }
        self.last.clear();
        self.last.extend_from_slice(last);
        self.len = to;
        Ok(())
    }

    pub fn into_runs(self) -> impl Iterator<Item = Run> {
        let file = Arc::new(self.file);
        self.runs.into_iter().map(move |span| Run::Spilled(Stored { file: Arc::clone(&file), span }))
    }
}

/// A sorted run.
pub(super) enum Run {
    /// In memory.
    Held(Batch),
    /// In a file.
    Spilled(Stored),
}

/// A run in a file.
pub(super) struct Stored {
    file: Arc<File>,
    span: Span,
}

impl Run {
    /// Adds keys that are about `every` bytes apart, with the number of bytes since the one before.
    pub fn sample(&self, every: u64, keys: &mut Vec<(Vec<u8>, u64)>) {
        match self {
            Run::Spilled(stored) => {
                let marks = stored.span.marks.windows(2);
                keys.extend(marks.filter_map(|pair| {
                    let [before, mark] = pair else { return None };
                    Some((mark.key.clone(), mark.at - before.at))
                }));
            }
            Run::Held(batch) => {
                let mut bytes = 0;
                for (key, value) in batch.iter() {
                    if bytes >= every {
                        keys.push((beginning(key).to_vec(), std::mem::take(&mut bytes)));
                    }
                    bytes += (HEAD + key.len() + value.len()) as u64;
                }
            }
        }
    }

    /// A reader of the records from the first key that is not below `lo`, up to the first key that is not below `hi`.
    pub fn between(&self, lo: &[u8], hi: Option<&[u8]>, piece: usize) -> Cursor {
        match self {
            Run::Held(batch) => {
                Cursor::Held { next: batch.below(lo), end: hi.map_or(batch.len(), |hi| batch.below(hi)) }
            }
            Run::Spilled(Stored { file, span: Span { from, to, marks }, .. }) => {
                // Keys before a mark are not above its key. The keys of both marks are exact enough: a cut is not longer than they are.
                let first = marks.partition_point(|mark| *mark.key < *lo).checked_sub(1);
                let at = first.and_then(|first| marks.get(first)).map_or(*from, |mark| mark.at);
                let end = hi.and_then(|hi| marks.get(marks.partition_point(|mark| *mark.key < *hi)));
                let to = end.map_or(*to, |mark| mark.at);
                let file = Arc::clone(file);
                Cursor::Spilled(Reading {
                    file,
                    at,
                    to,
                    buffer: Vec::new(),
                    used: 0,
                    piece,
                    value: 0,
                    is_copied: false,
                })
            }
        }
    }
}

/// A position in a run.
pub(super) enum Cursor {
    /// Numbers of the next record, and of the record after the last one.
    Held { next: usize, end: usize },
    /// In a file.
    Spilled(Reading),
}

/// A run that is read from its file.
pub(super) struct Reading {
    file: Arc<File>,
    /// Positions in the file: of the bytes after the buffer, and of the end of the run.
    at: u64,
    to: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were consumed.
    used: usize,
    piece: usize,
    /// Length of the next value.
    value: usize,
    /// Whether that value was copied, because the buffer has only a part of it.
    is_copied: bool,
}

impl Reading {
    /// Appends the next `len` bytes.
    fn take(&mut self, mut len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        while len > 0 {
            if self.used == self.buffer.len() {
                let piece = self.piece.min(usize::try_from(self.to - self.at).unwrap_or(usize::MAX));
                if piece == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.buffer.resize(piece, 0);
                self.file.read_exact_at(&mut self.buffer, self.at)?;
                (self.at, self.used) = (self.at + piece as u64, 0);
            }
            let now = len.min(self.buffer.len() - self.used);
            out.extend_from_slice(&self.buffer[self.used..][..now]);
            (self.used, len) = (self.used + now, len - now);
        }
        Ok(())
    }

    fn key(&mut self, key: &mut Vec<u8>) -> io::Result<bool> {
        if self.used == self.buffer.len() && self.at == self.to {
            return Ok(false);
        }
        self.take(HEAD, key)?;
        let length = |at: usize| key.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        let (len, value) = (length(0).unwrap_or(0) as usize, length(4).unwrap_or(0) as usize);
        (self.value, self.is_copied) = (value, false);
        key.clear();
        self.take(len, key)?;
        Ok(true)
    }

    fn load_value(&mut self, copy: &mut Vec<u8>) -> io::Result<()> {
        if self.buffer.len() - self.used < self.value {
            copy.clear();
            self.take(self.value, copy)?;
            self.is_copied = true;
        }
        Ok(())
    }

    fn value<'v>(&'v self, copy: &'v [u8]) -> &'v [u8] {
        if self.is_copied { copy } else { &self.buffer[self.used..][..self.value] }
    }

    fn skip_value(&mut self) {
        if !self.is_copied {
            self.used += self.value;
        }
    }
}

impl Cursor {
    /// Replaces `key` with the next key; `false`: there is none. The value of the key before was [skipped](Self::skip_value).
    pub fn next_key(&mut self, run: &Run, key: &mut Vec<u8>) -> io::Result<bool> {
        key.clear();
        match (self, run) {
            (Cursor::Spilled(reading), _) => reading.key(key),
            (Cursor::Held { next, end }, Run::Held(batch)) if *next < *end => {
                key.extend_from_slice(batch.record(*next).map_or(&[][..], |(key, _)| key));
                Ok(true)
            }
            (Cursor::Held { .. }, _) => Ok(false),
        }
    }

    /// Reads the value of the last key, into `copy` if it is not in memory in one piece.
    pub fn load_value(&mut self, copy: &mut Vec<u8>) -> io::Result<()> {
        if let Cursor::Spilled(reading) = self { reading.load_value(copy) } else { Ok(()) }
    }

    /// The value of the last key, after it was loaded.
    pub fn value<'v>(&'v self, run: &'v Run, copy: &'v [u8]) -> &'v [u8] {
        match (self, run) {
            (Cursor::Spilled(reading), _) => reading.value(copy),
            (Cursor::Held { next, .. }, Run::Held(batch)) => batch.record(*next).map_or(&[][..], |(_, value)| value),
            (Cursor::Held { .. }, _) => &[],
        }
    }

    /// Goes to the next key, after the value was loaded.
    pub fn skip_value(&mut self) {
        match self {
            Cursor::Spilled(reading) => reading.skip_value(),
            Cursor::Held { next, .. } => *next += 1,
        }
    }
}
