//! The objects of an output that is there already.

use std::io::Read;
use std::path::Path;

use super::lines::Each;
use super::place::{Place, Shape};
use super::{Reader, holds_objects};
use crate::error::{Error, Result};
use crate::output::reading::{Content, Entry, Output, broken, open_below};

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// Gives the logical objects of a packed output, as [`of_snapshots`](super::of_snapshots) does.
///
/// `again` opens the output anew: it is read twice, first for the schemas of its tables.
///
/// # Errors
/// A failed read, a line that is not one of a decode, and what `each` gives.
pub fn of_output(again: &mut dyn FnMut() -> Result<Output>, marks: bool, each: &mut Each<'_>) -> Result<()> {
    let mut reader = Reader::new(marks);
    for scopes in [true, false] {
        let mut output = again()?;
        let name = output.name().to_path_buf();
        output.each(&mut |entry| {
            let Entry::File(path, content) = entry else { return Ok(()) };
            let is_scope = Place::of(path).map(|place| place.shape == Shape::Scope);
            if is_scope != Some(scopes) {
                return Ok(());
            }
            let mut read = |bytes: &mut dyn Read| reader.read(path, bytes, &name, each);
            match content {
                Content::OnDisk(dir, file) => {
                    let file = open_below(dir, file).map_err(|e| broken(&name, e));
                    file.and_then(|mut file| read(&mut file))
                }
                Content::InArchive(bytes, len) => read(&mut bytes.take(len)),
                Content::SparseInArchive(_) => Ok(()),
            }
        })?;
    }
    Ok(())
}

impl Reader {
    fn read(&mut self, path: &[u8], bytes: &mut dyn Read, name: &Path, each: &mut Each<'_>) -> Result<()> {
        debug_assert!(holds_objects(path), "{}", path.escape_ascii());
        let whole = Place::of(path).is_some_and(|place| place.shape == Shape::Scope);
        let most = if whole { u64::MAX } else { PIECE as u64 };
        loop {
            let mut piece = Vec::new();
            bytes.take(most).read_to_end(&mut piece).map_err(|e| broken(name, e))?;
            if piece.is_empty() {
                return Ok(());
            }
            let shown = || name.join(String::from_utf8_lossy(path).into_owned());
            let named = |error: Error| if error.path().is_none() { error.input(&shown()) } else { error };
            self.feed(path, &piece, each).map_err(named)?;
        }
    }
}
