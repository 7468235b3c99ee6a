//! Reads the objects of an existing output.

use std::io::Read;
use std::path::Path;

use super::lines::Each;
use super::{Reader, is_read};
use crate::decode::Layout;
use crate::error::Result;
use crate::format::adapter;
use crate::layouts::joined;
use crate::layouts::place::Shape;
use crate::layouts::reading::wrong;
use crate::output::checksums::Digest;
use crate::output::parts;
use crate::output::reading::{Content, Entry, Output, broken, open_below};
use crate::registry;

/// Bytes that are read at once.
const PIECE: u64 = 1 << 20;

/// Passes on the logical objects of a packed output, as [`of_snapshots`](super::of_snapshots) does.
///
/// `open` opens the output: it is read twice, first for the schemas of its tables.
///
/// # Errors
/// A failed read, a line that no decode writes, or the error of `each`.
pub fn of_output(open: &mut dyn FnMut() -> Result<Output>, fingerprints: bool, each: &mut Each<'_>) -> Result<()> {
    of_layout(open, Layout::JSONL, fingerprints, &mut |_| Ok(()), each)
}

/// Takes a file: its path, size and digest.
pub(crate) type File<'f> = dyn FnMut(&[u8], u64, &Digest) -> Result<()> + 'f;
/// Calls a function for every file.
pub(crate) type Files<'f> = dyn FnMut(&mut File<'_>) -> Result<()> + 'f;

/// The same in either layout. `files` lists the files that are whole objects, or bodies of objects, as they were found.
pub(crate) fn of_layout(
    open: &mut dyn FnMut() -> Result<Output>,
    layout: Layout,
    fingerprints: bool,
    files: &mut Files<'_>,
    each: &mut Each<'_>,
) -> Result<()> {
    let mut reader = Reader::new(layout, fingerprints);
    for scopes in [true, false] {
        let mut output = open()?;
        let name = output.name().to_path_buf();
        let mut order = parts::Order::default();
        output.each(&mut |entry| {
            let Entry::File(path, content) = entry else { return Ok(()) };
            order.take(path).map_err(|why| wrong(path, why))?;
            let place = registry::place(layout, path);
            let is_scope = place.as_ref().is_some_and(|place| place.shape == Shape::Scope);
            if is_scope != scopes || !is_read(layout, path) {
                return Ok(());
            }
            let whole = is_scope && place.is_some_and(|place| place.adapter != adapter::DYNAMODB);
            let mut read = |bytes: &mut dyn Read| reader.read(path, whole, bytes, &name, each);
            match content {
                Content::OnDisk(dir, file) => read(&mut open_below(dir, file).map_err(|e| broken(&name, e))?),
                Content::InArchive(bytes, len) => read(&mut bytes.take(len)),
                Content::SparseInArchive(_) => Ok(()),
            }
        })?;
    }
    files(&mut |path, size, digest| reader.whole(path, size, digest, each))?;
    reader.end(each)
}

impl Reader {
    fn read(&mut self, path: &[u8], whole: bool, bytes: &mut dyn Read, name: &Path, each: &mut Each<'_>) -> Result<()> {
        let shown = name.join(String::from_utf8_lossy(path).into_owned());
        loop {
            let mut piece = Vec::new();
            let most = if whole { u64::MAX } else { PIECE };
            bytes.take(most).read_to_end(&mut piece).map_err(|e| broken(name, e))?;
            if piece.is_empty() {
                return Ok(());
            }
            // A stream can continue in the next part.
            self.feed(joined(self.layout, path), &piece, each).map_err(|error| error.or_input(&shown))?;
        }
    }
}
