//! The objects of an output that is there already.

use std::io::{BufReader, Read};
use std::path::Path;

use super::lines::Each;
use super::place::{Place, Shape};
use super::{Reader, is_read};
use crate::decode::{CHECKSUMS, Layout};
use crate::error::{Error, ErrorKind, Result};
use crate::output::reading::{Content, Entry, Output, broken, open_below};
use crate::output::sumfile::{Line, Lines};

/// Bytes that are read at once.
const PIECE: u64 = 1 << 20;

/// Gives the logical objects of a packed output, as [`of_snapshots`](super::of_snapshots) does.
///
/// `open` opens the output: it is read twice, first for the schemas of its tables.
///
/// # Errors
/// A failed read, a line that is not one of a decode, and what `each` gives.
pub fn of_output(open: &mut dyn FnMut() -> Result<Output>, marks: bool, each: &mut Each<'_>) -> Result<()> {
    of_layout(open, Layout::Packed, marks, each)
}

/// The same in either layout. Whole files are known by what CHECKSUMS says of them.
pub(crate) fn of_layout(
    open: &mut dyn FnMut() -> Result<Output>,
    layout: Layout,
    marks: bool,
    each: &mut Each<'_>,
) -> Result<()> {
    let mut reader = Reader::new(layout, marks);
    for scopes in [true, false] {
        let mut output = open()?;
        let name = output.name().to_path_buf();
        output.each(&mut |entry| {
            let Entry::File(path, content) = entry else { return Ok(()) };
            let is_scope = Place::of(layout, path).is_some_and(|place| place.shape == Shape::Scope);
            let is_sums = layout == Layout::Tree && path == CHECKSUMS.as_bytes();
            if is_scope != scopes || !(is_sums || is_read(layout, path)) {
                return Ok(());
            }
            let mut read = |bytes: &mut dyn Read| match is_sums {
                true => reader.sums(bytes, &name, each),
                false => reader.read(path, is_scope, bytes, &name, each),
            };
            match content {
                Content::OnDisk(dir, file) => read(&mut open_below(dir, file).map_err(|e| broken(&name, e))?),
                Content::InArchive(bytes, len) => read(&mut bytes.take(len)),
                Content::SparseInArchive(_) => Ok(()),
            }
        })?;
    }
    Ok(())
}

impl Reader {
    fn read(&mut self, path: &[u8], whole: bool, bytes: &mut dyn Read, name: &Path, each: &mut Each<'_>) -> Result<()> {
        let shown = name.join(String::from_utf8_lossy(path).into_owned());
        let named = |error: Error| if error.path().is_none() { error.input(&shown) } else { error };
        loop {
            let mut piece = Vec::new();
            let most = if whole { u64::MAX } else { PIECE };
            bytes.take(most).read_to_end(&mut piece).map_err(|e| broken(name, e))?;
            if piece.is_empty() {
                return Ok(());
            }
            self.feed(path, &piece, each).map_err(named)?;
        }
    }

    fn sums(&self, bytes: &mut dyn Read, name: &Path, each: &mut Each<'_>) -> Result<()> {
        let mut lines = Lines::new(BufReader::with_capacity(PIECE as usize, bytes));
        while let Some(line) = lines.next().map_err(|e| broken(name, e))? {
            match line {
                Line::Row(path, digest) => self.whole(&path, 0, &digest, each)?,
                Line::Bad(number, _) => {
                    return Err(Error::new(ErrorKind::OutputLine(number)).input(&name.join(CHECKSUMS)));
                }
            }
        }
        Ok(())
    }
}
