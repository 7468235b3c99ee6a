//! Assembles files from pieces, for layouts whose tasks make only pieces.

use std::any::Any;

use crate::error::Result;

/// What a task tells of a piece.
pub trait Told: Any + Send {
    /// Appends it, for a process that puts the files together later: the assembler gets it as [`StoredTold`].
    ///
    /// # Errors
    /// It cannot be written.
    fn encode(&self, out: &mut Vec<u8>) -> Result<()>;
}

/// What another process told of a piece.
pub struct StoredTold(pub Vec<u8>);

impl Told for StoredTold {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.0);
        Ok(())
    }
}

/// Puts pieces together to files. Tasks make pieces, and know neither the file nor the place in it: pieces come in task order.
pub trait Assembler: Send {
    /// The file that a piece goes to. `name` is what the task calls it.
    ///
    /// # Errors
    /// The piece is not of this kind.
    fn place(&mut self, name: &str, piece: Box<dyn Told>) -> Result<Placed>;

    /// The end of the file that is open, if there is one: no other piece of this name comes.
    ///
    /// # Errors
    /// The end cannot be made.
    fn complete(&mut self, name: &str) -> Result<Option<(String, Vec<u8>)>>;

    /// The ends of all files that are open.
    ///
    /// # Errors
    /// An end cannot be made.
    fn finish(&mut self) -> Result<Vec<(String, Vec<u8>)>>;
}

/// Where a piece goes.
pub struct Placed {
    /// The file that is complete now, with its end.
    pub ended: Option<(String, Vec<u8>)>,
    /// The file of the piece.
    pub path: String,
    /// What stands before the piece, if the file is new.
    pub head: &'static [u8],
}
