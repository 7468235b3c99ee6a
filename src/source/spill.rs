//! A list that is in memory while it is short; a longer one goes to a temporary file.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};

use super::{Access, Bytes};
use crate::error::{Error, Result};

/// Maximum bytes in memory.
const HELD: usize = 1 << 20;
/// The name of a temporary file in messages.
const NAME: &str = "a temporary file";

/// Collects bytes in order.
#[derive(Default)]
pub(crate) struct Spill {
    held: Vec<u8>,
    file: Option<File>,
}

impl Spill {
    /// Appends bytes.
    ///
    /// # Errors
    /// A full list that cannot be written.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.held.extend_from_slice(bytes);
        if self.held.len() < HELD { Ok(()) } else { self.write().map_err(failed) }
    }

    fn write(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.write_all(&self.held)?;
        self.held.clear();
        Ok(())
    }

    /// The list.
    ///
    /// # Errors
    /// As [`push`](Spill::push).
    pub fn finish(mut self) -> Result<Spilled> {
        if self.file.is_some() {
            self.write().map_err(failed)?;
        }
        let Some(mut file) = self.file else { return Ok(Spilled(Bytes::Owned(self.held))) };
        file.rewind().and_then(|()| Bytes::of(&mut file, Access::Map)).map(Spilled).map_err(failed)
    }
}

/// A complete list.
pub(crate) struct Spilled(Bytes);

impl Spilled {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.all()
    }
}

#[cold]
fn failed(e: io::Error) -> Error {
    Error::io("write", NAME, e)
}
