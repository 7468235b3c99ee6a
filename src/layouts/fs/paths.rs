//! Paths of files and directories that a walk can meet again: their first places in the output. They are kept in a temporary file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::error::{Error, Result};
use crate::model::fs::Reference;
use crate::run::Scratch;

/// The paths.
pub struct Paths<'p> {
    scratch: &'p dyn Scratch,
    file: Option<File>,
    len: u64,
}

impl<'p> Paths<'p> {
    /// Empty.
    pub fn new(scratch: &'p dyn Scratch) -> Self {
        Paths { scratch, file: None, len: 0 }
    }

    /// Adds a path.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn add(&mut self, path: &[u8]) -> Result<Reference> {
        let stored = [&(path.len() as u64).to_le_bytes()[..], path].concat();
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(self.scratch.file()?),
        };
        file.write_all_at(&stored, self.len).map_err(temporary)?;
        let reference = Reference(self.len);
        self.len += stored.len() as u64;
        Ok(reference)
    }

    /// The path of a reference returned by [`add`](Paths::add).
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn get(&self, Reference(at): Reference) -> Result<Vec<u8>> {
        let Some(file) = &self.file else { return Err(Error::internal("a reference to a path that was not kept")) };
        let mut len = [0; 8];
        file.read_exact_at(&mut len, at).map_err(temporary)?;
        let mut path = vec![0; u64::from_le_bytes(len) as usize];
        file.read_exact_at(&mut path, at + 8).map_err(temporary)?;
        Ok(path)
    }
}

#[cold]
fn temporary(e: io::Error) -> Error {
    Error::io("remember paths in", "a temporary file", e)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::scratch::Anywhere;

    #[test]
    fn paths_come_back() {
        let mut paths = Paths::new(&Anywhere);
        assert!(paths.get(Reference(0)).is_err());
        let all = [&b"fs/tree/a"[..], b"", b"fs/tree/\xff\n"];
        let references = all.map(|path| paths.add(path).unwrap());
        for (path, reference) in all.iter().zip(references).rev() {
            assert_eq!(paths.get(reference).unwrap(), *path);
        }
    }
}
