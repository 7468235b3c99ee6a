//! Assembles files from pieces, for layouts whose tasks make only pieces.

use std::any::Any;

use crate::error::Result;

/// What a task reports about a piece.
pub trait Told: Any + Send {
    /// Appends the report, for a process that assembles the files later: its assembler gets a [`StoredTold`].
    ///
    /// # Errors
    /// The report cannot be written.
    fn encode(&self, out: &mut Vec<u8>) -> Result<()>;
}

/// What another process reported about a piece.
pub struct StoredTold(pub Vec<u8>);

impl Told for StoredTold {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.0);
        Ok(())
    }
}

/// Assembles files from pieces. Tasks make pieces and know neither the file nor the position in it; pieces arrive in task order.
pub trait Assembler: Send {
    /// The file that a piece goes to. `name` is the task's name for it.
    ///
    /// # Errors
    /// The piece is not of this kind.
    fn place(&mut self, name: &str, piece: Box<dyn Told>) -> Result<Placed>;

    /// The end of the file that is open, if there is one: no more pieces of this name come.
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
    /// The bytes before the first piece, if the file is new.
    pub head: &'static [u8],
}
