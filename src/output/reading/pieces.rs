//! A file as pieces of data and holes, on disk or in an archive.

use std::io::{self, Read};

use super::sparse::{Piece, Sparse};
use crate::output::extents::OnDisk;

/// A file, piece by piece.
pub enum Pieces<'p> {
    /// On disk, where holes are known.
    OnDisk(OnDisk<'p>),
    /// Bytes from a stream.
    Stream(&'p mut dyn Read),
    /// In an archive, with its holes.
    Sparse(Sparse<'p>),
}

impl Pieces<'_> {
    /// The next piece, through `buffer`; a piece of data is not empty.
    ///
    /// # Errors
    /// A failed read.
    pub fn next<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<Piece<'b>>> {
        match self {
            Pieces::OnDisk(file) => file.next(buffer),
            Pieces::Sparse(file) => file.next(buffer),
            Pieces::Stream(bytes) => loop {
                match bytes.read(buffer) {
                    Ok(0) => return Ok(None),
                    Ok(n) => return Ok(Some(Piece::Data(&buffer[..n]))),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            },
        }
    }
}
