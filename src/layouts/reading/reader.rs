//! The interface of an adapter's reader while an output is read.

use std::io::Read;

use super::{Lines, Part, wrong};
use crate::adapters::rows::RowVisitor;
use crate::error::Result;
use crate::output::reading::Pieces;

/// The status of a file at a path of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A file whose digest is in CHECKSUMS.
    Listed,
    /// A file with large holes, which CHECKSUMS does not list: it is checked with the digest of its extents.
    Unlisted,
    /// Another name of a file, as in an extracted archive.
    Copy,
    /// A file that is skipped: it was deleted, or its name is not given.
    Aside,
    /// Such a file that CHECKSUMS does not list.
    UnlistedAside,
}

/// Reads the files of an adapter in one output and passes their objects to a visitor `V`.
///
/// An output is read twice: files that are [sidecars](Part::Sidecar) first, then [settle](Reader::settle), then all others. After an error,
/// the objects passed on so far are not valid.
pub trait Reader<V: ?Sized>: Sync {
    /// The role of the file at a path, after the sidecars were read; `None`: no decode writes it.
    fn part(&self, path: &[u8]) -> Option<Part>;

    /// Whether a file with objects may be a sidecar too: then it is read in both passes, and checked in the second.
    fn is_doubtful(&self, _: &[u8]) -> bool {
        false
    }

    /// Reads a sidecar.
    ///
    /// # Errors
    /// It is not what a decode writes, a failed read, or the error of the visitor.
    fn sidecar(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()>;

    /// Called after all sidecars.
    ///
    /// # Errors
    /// They contradict each other; a temporary file cannot be written.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    /// Number of objects that are in no file and that the server does not serve: known after the sidecars were read.
    fn aside(&self) -> u64 {
        0
    }

    /// The status of the file at a path.
    ///
    /// # Errors
    /// The sidecars do not list it.
    fn standing(&self, _: &[u8]) -> Result<Standing> {
        Ok(Standing::Listed)
    }

    /// Another name of a file, in an archive.
    ///
    /// # Errors
    /// The sidecars do not list this name.
    fn link(&self, path: &[u8], _: &[u8]) -> Result<()> {
        Err(wrong(path, "it is a link"))
    }

    /// Begins a file whose lines are objects of their own: [`lines`](Reader::lines) reads them, in one call or in several. `false`: it is
    /// another file, which [`objects`](Reader::objects) reads.
    ///
    /// # Errors
    /// The sidecars do not tell what its lines belong to, or the error of the visitor.
    fn begin_lines(&mut self, _: &[u8], _: &mut V) -> Result<bool> {
        Ok(false)
    }

    /// Passes on the objects of some consecutive lines of such a file. Several threads may do this at once, each with a visitor of its own.
    ///
    /// # Errors
    /// As [`objects`](Reader::objects).
    fn lines(&self, path: &[u8], _: &mut Lines<'_>, _: &mut V) -> Result<()> {
        Err(wrong(path, "no decode writes such a file"))
    }

    /// Passes on the objects of a file.
    ///
    /// # Errors
    /// It is not what a decode writes, a failed read, or the error of the visitor.
    fn objects(&mut self, path: &[u8], bytes: &mut dyn Read, visitor: &mut V) -> Result<()>;

    /// Passes on the objects of a file that is [`Standing::Unlisted`], and checks it.
    ///
    /// # Errors
    /// As [`objects`](Reader::objects).
    fn unlisted(&mut self, path: &[u8], _: Pieces<'_>, _: &mut V) -> Result<()> {
        Err(wrong(path, "no decode writes such a file"))
    }

    /// Called after all files.
    ///
    /// # Errors
    /// The sidecars list something that is missing.
    fn finish(&self) -> Result<()> {
        Ok(())
    }
}

/// A reader of an adapter whose objects the crate knows only as rows.
pub type RowReader = dyn for<'v> Reader<dyn RowVisitor + 'v>;

/// Such a reader, used like those with typed objects.
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

    fn begin_lines(&mut self, path: &[u8], visitor: &mut V) -> Result<bool> {
        self.0.begin_lines(path, visitor)
    }

    fn lines(&self, path: &[u8], lines: &mut Lines<'_>, visitor: &mut V) -> Result<()> {
        self.0.lines(path, lines, visitor)
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
