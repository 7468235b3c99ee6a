//! What the reader of an adapter is asked while an output is read.

use std::io::Read;

use super::{Part, wrong};
use crate::adapters::rows::RowVisitor;
use crate::error::Result;
use crate::output::reading::Pieces;

/// What stands at a path of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A file whose digest CHECKSUMS tells.
    Listed,
    /// A file with large holes, which CHECKSUMS has no row of: the digest of its extents proves it.
    Unlisted,
    /// Another name of a file, as whoever extracted an archive has it.
    Copy,
    /// A file that is passed over: it was deleted, or its name is not told.
    Aside,
    /// Such a file that CHECKSUMS has no row of.
    UnlistedAside,
}

/// Reads the files of an adapter in one output and gives their objects to a visitor `V`.
///
/// An output is read twice: files that are [sidecars](Part::Sidecar) first, then [settle](Reader::settle), then all others.
/// After an error nothing counts that was given.
pub trait Reader<V: ?Sized> {
    /// What the file at a path is, once the sidecars were read; `None`: no decode writes it.
    fn part(&self, path: &[u8]) -> Option<Part>;

    /// Whether a file with objects may be a sidecar too: it is then read in both passes, and proven in the second.
    fn is_doubtful(&self, _: &[u8]) -> bool {
        false
    }

    /// Takes a sidecar.
    ///
    /// # Errors
    /// It is not what a decode writes, a failed read, and what the visitor gives.
    fn sidecar(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()>;

    /// All sidecars were read.
    ///
    /// # Errors
    /// They contradict each other; a temporary file that cannot be written.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    /// Objects that no file has and that the server does not serve: known once the sidecars were read.
    fn aside(&self) -> u64 {
        0
    }

    /// What stands at a path.
    ///
    /// # Errors
    /// The sidecars do not tell of it.
    fn standing(&self, _: &[u8]) -> Result<Standing> {
        Ok(Standing::Listed)
    }

    /// Another name of a file, in an archive.
    ///
    /// # Errors
    /// The sidecars tell of no such name.
    fn link(&self, path: &[u8], _: &[u8]) -> Result<()> {
        Err(wrong(path, "it is a link"))
    }

    /// Gives the objects of a file.
    ///
    /// # Errors
    /// It is not what a decode writes, a failed read, and what the visitor gives.
    fn objects(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()>;

    /// Gives the objects of a file that is [`Standing::Unlisted`], and proves it.
    ///
    /// # Errors
    /// As [`objects`](Reader::objects).
    fn unlisted(&mut self, path: &[u8], _: Pieces<'_>, _: &mut V) -> Result<()> {
        Err(wrong(path, "no decode writes such a file"))
    }

    /// All files were read.
    ///
    /// # Errors
    /// The sidecars tell of what was not there.
    fn finish(&self) -> Result<()> {
        Ok(())
    }
}

/// A reader of an adapter whose objects the crate knows by their rows alone.
pub type RowReader = dyn for<'v> Reader<dyn RowVisitor + 'v>;

/// Such a reader among those that give typed objects.
pub(crate) struct AsRows(pub Box<RowReader>);

impl<V: RowVisitor> Reader<V> for AsRows {
    fn part(&self, path: &[u8]) -> Option<Part> {
        self.0.part(path)
    }

    fn is_doubtful(&self, path: &[u8]) -> bool {
        self.0.is_doubtful(path)
    }

    fn sidecar(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()> {
        self.0.sidecar(path, bytes, visitor)
    }

    fn settle(&mut self) -> Result<()> {
        self.0.settle()
    }

    fn aside(&self) -> u64 {
        self.0.aside()
    }

    fn standing(&self, path: &[u8]) -> Result<Standing> {
        self.0.standing(path)
    }

    fn link(&self, path: &[u8], target: &[u8]) -> Result<()> {
        self.0.link(path, target)
    }

    fn objects(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()> {
        self.0.objects(path, bytes, visitor)
    }

    fn unlisted(&mut self, path: &[u8], pieces: Pieces<'_>, visitor: &mut V) -> Result<()> {
        self.0.unlisted(path, pieces, visitor)
    }

    fn finish(&self) -> Result<()> {
        self.0.finish()
    }
}
